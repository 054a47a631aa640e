/*
 * A loop is one thread's turn of work: libevent's event_base, the posts other
 * threads sent, and four lists of work put off to the end of the turn.
 *
 * A turn: handle events; take posts; then run, in this order, everything
 * deferred to LOOP_READ, LOOP_DELIVER, LOOP_FLUSH and LOOP_REAP.  What a stage
 * defers to itself or to a later stage runs in the same turn, to an earlier one
 * in the next turn, which then follows without waiting.  One piece of work runs
 * at most once a turn: what defers itself again while it runs, or after, is
 * next turn's, so that no work keeps events from being read.  So: bytes that
 * many causes gave one connection in a turn go out in one write (FLUSH), and
 * nothing is freed under a caller's feet (REAP).
 *
 * Who has read a part reads on in READ, and never by event_active(): libevent
 * runs what becomes active before it lets the turn end, and a peer that sends
 * as fast as it is read would have the loop to itself.
 *
 * A turn that takes longer than LOOP_SLOW_MS keeps everything else on its loop
 * waiting, so it is counted: waft_loop_slow_turns_total, and the longest one,
 * waft_loop_turn_max_ms.  Where the turn waited for events it is measured by
 * the CPU it used, for libevent does not say when the waiting ended.
 *
 * Where thousands of connections share a loop (LOOP_NAP_EVENTS), a turn that
 * found only LOOP_NAP_FROM to LOOP_NAP_TO of them ready is followed by a nap of
 * LOOP_NAP_US: to fall asleep and to be woken costs as much as the work of one
 * or two, and what comes meanwhile shares it.  Not where they are few: those
 * wait for each other, and a nap of ours is one of all of them.
 *
 * Everything but loop_post() and loop_stop() belongs to the loop's own thread.
 */
#ifndef WAFT_LOOP_H
#define WAFT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"

#define LOOP_SLOW_MS    50
#define LOOP_NAP_US     100
#define LOOP_NAP_EVENTS 1000
#define LOOP_NAP_FROM   4
#define LOOP_NAP_TO     48

struct event_base;
struct loop;

typedef void loop_fn(void *arg);

enum loop_stage {
	LOOP_READ,
	LOOP_DELIVER,
	LOOP_FLUSH,
	LOOP_REAP,
	LOOP_STAGES
};

/* Embedded in the object whose work is put off.  Zeroed memory is a valid,
 * idle one once loop_defer_init() named its function. */
struct deferred {
	TAILQ_ENTRY(deferred) entry;
	loop_fn *fn;
	void *arg;
	uint8_t stage; /* enum loop_stage */
	bool queued;
	bool late;     /* queued for the next turn */
	uint32_t turn; /* ran last in this one */
};

/* From here on the process ignores SIGPIPE. */
struct loop *loop_create(void);
/* Runs the posts that are left (their arguments own memory) and what was
 * deferred, then frees.  Work that defers itself for ever is dropped. */
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);

/* Turns until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn; waits for events only when block is true and nothing is due. */
void loop_turn(struct loop *loop, bool block);
/* Any thread; also from a signal event. */
void loop_stop(struct loop *loop);

/* Any thread: fn(arg) runs on the loop's thread, in the order of posting.  What
 * is posted while posts run is taken in the next turn.  Wakes the loop only if
 * it sleeps: a busy one costs a poster no system call. */
void loop_post(struct loop *loop, loop_fn *fn, void *arg);

void loop_defer_init(struct deferred *work, enum loop_stage stage, loop_fn *fn,
    void *arg);
/* Once a turn, however often it is called. */
void loop_defer(struct loop *loop, struct deferred *work);
/* Takes it off again, for an object that dies first. */
void loop_defer_cancel(struct loop *loop, struct deferred *work);

/* Frees ptr with fn at the end of the turn, after all that is in LOOP_REAP. */
void loop_reap(struct loop *loop, loop_fn *fn, void *ptr);

/* Milliseconds of the monotonic clock, read once a turn. */
long long loop_now_ms(struct loop *loop);

/* Calls fn(arg) on the loop's thread for SIGINT, SIGTERM (stop) and SIGHUP
 * (reload); either may be NULL.  One loop of the process. */
void loop_on_signals(struct loop *loop, loop_fn *stop, loop_fn *reload,
    void *arg);

#endif
