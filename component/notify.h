/*
 * From the channels to the link.  The roll (roll.h) knows who listens to what;
 * a channel that gets an item gets a target with it, which is a sub and the
 * array of its members, until all have everything.  An item is written to the
 * link once for each, by splicing into its template.
 *
 * Delivery stops where the window of unconfirmed stanzas is full, also in the
 * middle of an item, and goes on there; targets that wait take turns, so that
 * one huge channel holds up no other.
 *
 * Where it is lives in notes (position.h): notify_note() says what has been
 * written so far, notify_go_to() takes everything back to one.
 *
 * A target that waits keeps the worker from reading ahead without end: past
 * NOTIFY_WAITING_MAX of them it asks for a pause.
 */
#ifndef WAFT_COMPONENT_NOTIFY_H
#define WAFT_COMPONENT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/channel/worker.h"
#include "common/store/store.h"
#include "component/barrier.h"
#include "component/position.h"
#include "component/suspect.h"

/* Stanzas a target may write before the others get their turn. */
#define NOTIFY_QUANTUM     64
#define NOTIFY_WAITING_MAX 64
/* Targets that are kept for the next item of a channel. */
#define NOTIFY_QUIET_MAX 256

struct multicast;
struct notify;
struct roster;
struct xml;

struct notify_opts {
	struct worker *worker;
	const char *domain; /* borrowed */
	const char *epoch;  /* of the store; borrowed */
	const char *local;  /* whose users the multicast service is for */
	const struct multicast *multicast;
	struct barrier *barrier;
	const struct suspect *suspect;
	struct buf *out; /* the link's */
	/* Something was written to out. */
	void (*wrote)(void *arg);
	/* A batch is complete: put a barrier, with notify_note(). */
	void (*batch)(void *arg);
	/* Too many wait, or no longer. */
	void (*pause)(void *arg, bool paused);
	void *arg;
};

struct notify *notify_create(const struct notify_opts *opts);
void notify_free(struct notify *notify);

/* A subscription as the store has it, or as it now is.  Others' owners are the
 * caller's to leave out. */
void notify_add(struct notify *notify, const struct subscription *sub);
void notify_remove(struct notify *notify, const struct subscription *sub);
/* Who is away is asked there, where a class wants to know; borrowed, and made
 * after it. */
void notify_set_roster(struct notify *notify, const struct roster *roster);
/* One that is not stored: a full JID that gets what comes from now on, as
 * number n, above all of the store's. */
void notify_join(struct notify *notify, const char *channel, const char *jid,
    uint64_t n);
void notify_part(struct notify *notify, const char *channel, uint64_t n);
/* Every entry of the log passes here before its channel sees it. */
void notify_entry(struct notify *notify, const struct entry *entry);

/* Delivery goes on behind the note: at the start, and when the link was lost.
 */
void notify_go_to(struct notify *notify, const struct position_note *note);
/* The link is up, or is not: only then anything is written. */
void notify_open(struct notify *notify, bool open);
/* A barrier was confirmed: those who wait may go on. */
void notify_resume(struct notify *notify);
/* For multicast_ops.suspect: how many of the group's are known. */
size_t notify_suspect(struct notify *notify, const struct xml *group);
/* A stanza came back from the JID as malformed. */
void notify_malformed(struct notify *notify, const char *jid);
/* Nothing will go back to before seq: notify_go_to(). */
void notify_forget(struct notify *notify, uint64_t seq);
/* What has been written so far; the caller frees it. */
struct position_note *notify_note(const struct notify *notify);

/* The classes of a new configuration hold from now on. */
void notify_reload(struct notify *notify, const struct conf *conf);
/* Seq of the item written last. */
uint64_t notify_last(const struct notify *notify);

size_t notify_channels(const struct notify *notify);
size_t notify_members(const struct notify *notify);

#endif
