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

enum barrier_form {
	BARRIER_PING,    /* urn:xmpp:ping to the server's own domain */
	BARRIER_HEADLINE /* a headline to ourselves, which it sends back */
};

struct barrier_slot {
	uint64_t seq;
	uint64_t again; /* the last one that was put in its place */
	uint64_t stanzas;
	uint64_t bytes;
	int64_t put_ms;
	void *snapshot;
};

/* Fields are private to barrier.c. */
struct barrier {
	const char *domain; /* ours */
	const char *server; /* that of the pings */
	uint64_t window_stanzas;
	uint64_t window_bytes;
	void (*drop)(void *snapshot);
	enum barrier_form form;
	uint32_t epoch; /* of the connection: an older one's answers are void */
	uint64_t seq;
	/* Oldest first.  One more than may be open, for the fallback's. */
	struct barrier_slot slots[BARRIER_OPEN_MAX + 1];
	int open;
	uint64_t batch_stanzas; /* sent since the last barrier */
	uint64_t batch_bytes;
	int64_t batch_ms; /* when the first of them was */
	int64_t quiet_ms; /* when something was last heard or asked */
	int64_t put_ms;   /* when a barrier was last put */
	int64_t took_ms;  /* from the last one confirmed to its answer */
	uint64_t stanzas; /* unconfirmed in all */
	uint64_t bytes;
};

struct barrier_opts {
	const char *domain; /* borrowed */
	const char *server; /* borrowed */
	uint64_t window_stanzas;
	uint64_t window_bytes;
	void (*drop)(void *snapshot); /* frees one that is no longer wanted */
};

void barrier_init(struct barrier *barrier, const struct barrier_opts *opts);
void barrier_clear(struct barrier *barrier);
/* A new connection: nothing is unconfirmed, answers to old ids mean nothing. */
void barrier_reset(struct barrier *barrier, uint32_t epoch, int64_t now_ms);

/* From now on no more than so many unconfirmed. */
void barrier_set_window(struct barrier *barrier, uint64_t stanzas);
/* No more stanzas until a confirmation. */
bool barrier_is_full(const struct barrier *barrier);
/* How many more stanzas the window takes, going by their count. */
uint64_t barrier_room(const struct barrier *barrier);
void barrier_sent(struct barrier *barrier, size_t bytes, int64_t now_ms);
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
 * Does a stanza with this id and bare sender answer a barrier?  True also for
 * one of an old connection, which means nothing any more.  *Snapshot: of the
 * newest barrier confirmed by it, the caller's to drop; NULL when none.
 */
bool barrier_answer(struct barrier *barrier, const char *id, const char *from,
    int64_t now_ms, void **snapshot);

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
