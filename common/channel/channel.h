/*
 * A channel is this worker's view of one log in the store.  It exists while
 * something here listens to it.  Items are not copied per listener: each sub
 * holds a cursor, and the pump, which runs at the end of the turn, moves it as
 * far as its sink takes it.  Items a sub is behind by are held here, counted in
 * references, up to CHANNEL_HELD_MAX and, over all channels of the worker, up
 * to the size of the tail; a sub further behind reads the store.
 *
 * A sub that asks for an old position reads the store until it has caught up,
 * and is then like all others.  Why nothing is skipped or doubled on the way:
 * what is held is exactly the channel's entries behind its floor, as far as the
 * worker has taken the log.  A read is believed only as far as the worker has
 * come, so a cursor never runs ahead of it; and a sub goes live only once its
 * cursor has reached the floor.
 */
#ifndef WAFT_CHANNEL_CHANNEL_H
#define WAFT_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/channel/worker.h"
#include "common/store/entry.h"

#define CHANNEL_HELD_MAX 1024
#define SINK_STEPS       5

struct sub;

enum sink_result {
	SINK_TOOK, /* the cursor moves past the item */
	SINK_FULL, /* stop; sub_resume() will follow; the same item comes again
	            */
	SINK_GONE  /* the sub was, or is to be, cleared: forget it */
};

struct sink_ops {
	const char *name;
	/* The entry is borrowed; entry_ref() to keep it. */
	enum sink_result (*deliver)(struct sub *sub, struct entry *entry);
	/* Items between the cursor and first (exclusive) have left the log
	 * unread; called before the delivery of first.  May be NULL. */
	void (*lagged)(struct sub *sub, uint64_t first);
	/* The channel was deleted; the sub is still the owner's to clear. */
	void (*deleted)(struct sub *sub);
	/* It is one of many that are offered something in this turn: fetches
	 * (mem_fetch()) what doing so looks at, one pointer further with each
	 * step of SINK_STEPS.  May be NULL. */
	void (*fetch)(struct sub *sub, int step);
};

/* Embedded by the listener; zeroed memory is one that is not set.  Fields are
 * private to channel.c but for channel (NULL when not set) and cursor. */
struct sub {
	TAILQ_ENTRY(sub) entry;
	const struct sink_ops *ops;
	struct channel *channel;
	uint64_t cursor; /* every item up to it was taken */
	struct reading *reading;
	unsigned char phase;
};

/* Begin at the newest position: only what comes from now on. */
#define SUB_FROM_NOW UINT64_MAX

/* Delivers what follows `after`, never before the end of this turn.  The memory
 * is the caller's; sub_clear() it. */
void sub_init(struct sub *sub, struct worker *worker, const char *channel,
    const struct sink_ops *ops, uint64_t after);
/* Safe inside every callback, on any sub; one that is not set is left alone. */
void sub_clear(struct sub *sub);
/* After SINK_FULL: there is room again.  Delivers at the end of the turn. */
void sub_resume(struct sub *sub);
bool sub_is_set(const struct sub *sub);
/* Every item up to this seq was taken, or there was none: the cursor, or where
 * the worker is. */
uint64_t sub_position(const struct sub *sub);

const char *channel_name(const struct channel *channel);
/* The configuration's class of it, looked up once. */
const struct conf_class *channel_class(const struct channel *channel);
/* NULL when nothing here listens to it. */
struct channel *channel_find(struct worker *worker, const char *name);
int channel_subs(const struct channel *channel);

/* ---- for the worker -------------------------------------------------- */

/* The next entry of the log that names this channel; takes the reference. */
void channel_grew(struct channel *channel, struct entry *entry);
/* The worker now follows the log behind `after`. */
void channel_follow(struct channel *channel, uint64_t after);
/* The next of worker_channels(). */
struct channel *channel_next(const struct channel *channel);
/* One without subs. */
void channel_free(struct channel *channel);

#endif
