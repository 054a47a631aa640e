/*
 * What was sent on a link, and how much of it the server has surely routed.
 *
 * XEP-0114 has no acknowledgement.  A ping behind a batch is one: both servers
 * handle a component's stanzas in order, so the answer to the ping (a result or
 * an error, either will do) proves that all before it was parsed and handed to
 * its receivers' connections, or to offline storage, or bounced.  Every barrier
 * carries a snapshot, the caller's note of how far he was; its confirmation
 * gives the snapshot back.
 *
 * Barriers go out after 256 stanzas, 256 KiB or 50 ms, whichever is first, when
 * the window is full, and every 30 s on an idle link to notice a dead one.  Not
 * whenever the queue runs dry: that would double the stanzas of a trickle for a
 * confirmation nobody waits for.
 *
 * Copies that the server's multicast service makes (multicast.h) go another
 * way: it takes a stanza into a queue of its own, which the server's answer
 * says nothing of, but answers what it is asked in order, too.  So a batch with
 * copies in it is confirmed by the service, one with stanzas by the server, one
 * with both by both.
 *
 * Pure: no I/O, time is a parameter (milliseconds, monotonic).
 */
#ifndef WAFT_COMPONENT_BARRIER_H
#define WAFT_COMPONENT_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define BARRIER_STANZAS     256
#define BARRIER_BYTES       (256 * 1024)
#define BARRIER_AGE_MS      50
#define BARRIER_IDLE_MS     30000
#define BARRIER_DEAD_MS     60000
#define BARRIER_FALLBACK_MS 5000
#define BARRIER_AGAIN_MS    1000
#define BARRIER_OPEN_MAX    4
/* Of copies: they come from the service faster than stanzas are read, so that
 * it needs more of them to have work while it answers. */
#define BARRIER_COPIES_BATCH 1000
#define BARRIER_COPIES_MS    10000

enum barrier_form {
	BARRIER_PING,    /* urn:xmpp:ping to the server's own domain */
	BARRIER_HEADLINE /* a headline to ourselves, which it sends back */
};

/* How something reaches its receiver, and so who has to answer. */
enum barrier_way {
	BARRIER_DIRECT,
	BARRIER_COPIES, /* through the multicast service */
	BARRIER_WAYS
};

enum barrier_heard {
	BARRIER_NO_ANSWER, /* it is something else */
	BARRIER_NOTHING_NEW,
	BARRIER_CONFIRMED
};

struct barrier_slot {
	uint64_t seq;
	uint64_t again; /* the last one that was put in its place */
	uint64_t batch;
	bool owed[BARRIER_WAYS]; /* an answer */
	uint64_t count[BARRIER_WAYS];
	uint64_t bytes;
	int64_t put_ms;
	void *snapshot;
};

/* Fields are private to barrier.c. */
struct barrier {
	const char *domain;  /* ours */
	const char *server;  /* that of the pings */
	const char *service; /* of copies; NULL: none are sent */
	uint64_t window[BARRIER_WAYS];
	uint64_t window_bytes;
	void (*drop)(void *snapshot);
	enum barrier_form form;
	uint32_t epoch; /* of the connection: an older one's answers are void */
	uint64_t seq;
	/* Oldest first.  One more than may be open, for the fallback's. */
	struct barrier_slot slots[BARRIER_OPEN_MAX + 1];
	int open;
	uint64_t batch; /* number of the one that is written */
	uint64_t sure;  /* of the last one confirmed */
	/* Sent since the last barrier. */
	uint64_t batch_count[BARRIER_WAYS];
	uint64_t batch_bytes;
	int64_t batch_ms; /* when the first of them was */
	int64_t quiet_ms; /* when something was last heard or asked */
	int64_t put_ms;   /* when a barrier was last put */
	int64_t took_ms;  /* from the last one confirmed to its answer */
	uint64_t count[BARRIER_WAYS]; /* unconfirmed in all */
	uint64_t bytes;
};

struct barrier_opts {
	const char *domain; /* borrowed */
	const char *server; /* borrowed */
	uint64_t window_stanzas;
	uint64_t window_copies;
	uint64_t window_bytes;
	void (*drop)(void *snapshot); /* frees one that is no longer wanted */
};

void barrier_init(struct barrier *barrier, const struct barrier_opts *opts);
void barrier_clear(struct barrier *barrier);
/* A new connection: nothing is unconfirmed, answers to old ids mean nothing. */
void barrier_reset(struct barrier *barrier, uint32_t epoch, int64_t now_ms);

/* The multicast service of this connection; borrowed. */
void barrier_set_service(struct barrier *barrier, const char *service);
/* From now on no more than so many unconfirmed. */
void barrier_set_window(struct barrier *barrier, uint64_t stanzas);
/* No more by that way until a confirmation. */
bool barrier_is_full(const struct barrier *barrier, enum barrier_way way);
/* How many more stanzas the window takes, going by their count. */
uint64_t barrier_room(const struct barrier *barrier);
/* Stanzas and copies that are not confirmed. */
uint64_t barrier_unconfirmed(const struct barrier *barrier);
/* Those of them that no barrier stands behind. */
uint64_t barrier_unasked(const struct barrier *barrier);
void barrier_sent(struct barrier *barrier, size_t bytes, int64_t now_ms);
/* One stanza for the service, of which it makes so many; each counts. */
void barrier_sent_copies(struct barrier *barrier, uint64_t copies, size_t bytes,
    int64_t now_ms);
/* Some of them are not confirmed. */
bool barrier_has_copies(const struct barrier *barrier);
/* What has been written up to now is confirmed once barrier_is_sure() of it,
 * or is not under way any more.  0 is sure. */
uint64_t barrier_mark(const struct barrier *barrier);
/* No barrier was put behind it, and one can be. */
bool barrier_is_askable(const struct barrier *barrier, uint64_t mark);
bool barrier_is_sure(const struct barrier *barrier, uint64_t mark);
/* Everything sent is confirmed. */
bool barrier_is_clean(const struct barrier *barrier);

/* Should a barrier go out now? */
bool barrier_is_due(const struct barrier *barrier, int64_t now_ms);
/* Adds the barrier stanza to out; takes the snapshot.  Only while
 * barrier_can_put(). */
void barrier_put(struct barrier *barrier, void *snapshot, int64_t now_ms,
    struct buf *out);
bool barrier_can_put(const struct barrier *barrier);

/*
 * Does a stanza with this id and sender answer a barrier?  Also one of an old
 * connection does, and means nothing any more.  *Snapshot: of the newest
 * barrier confirmed by it, the caller's to drop; NULL when none, or void.
 */
enum barrier_heard barrier_answer(struct barrier *barrier, const char *id,
    const char *from, int64_t now_ms, void **snapshot);
/* Something before the barriers that are open was not routed: their snapshots
 * are wrong, and dropped. */
void barrier_void(struct barrier *barrier);
/* The service has let the oldest barrier wait for too long. */
bool barrier_wants_forgiving(const struct barrier *barrier, int64_t now_ms);
/* It need not answer any more.  All open barriers are void. */
void barrier_forgive(struct barrier *barrier);

/* No answer to the newest one yet: ask once more, for while ejabberd has a dead
 * connection of ours beside this one it sends answers to either.  The answer to
 * any of them will do. */
bool barrier_wants_again(const struct barrier *barrier, int64_t now_ms);
void barrier_again(struct barrier *barrier, int64_t now_ms, struct buf *out);
/* The oldest barrier waits too long: pings are not answered here, use the
 * other form.  Remembered over connections. */
bool barrier_wants_fallback(const struct barrier *barrier, int64_t now_ms);
void barrier_fall_back(struct barrier *barrier);
/* The peer is dead. */
bool barrier_is_dead(const struct barrier *barrier, int64_t now_ms);
/* Milliseconds until one of the above may have changed. */
int64_t barrier_wait_ms(const struct barrier *barrier, int64_t now_ms);

#endif
