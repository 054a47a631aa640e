#include "common/channel/channel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/channel/held.h"

#define CHANNEL_READ_MAX   64
#define CHANNEL_RETRY_SECS 1

static struct stat_metric channel_lags = STAT_COUNTER("waft_lagged_total",
    "Times a listener missed items that had left the log", NULL);
static struct stat_metric channel_read_failures =
    STAT_COUNTER("waft_channel_read_failures_total",
        "Reads of a channel that failed and were repeated", NULL);

/* What a sub is about.  All but LIVE and GONE may need what is held. */
enum phase {
	PHASE_NONE,
	PHASE_DUE,     /* the next pump finds its place */
	PHASE_LIVE,    /* has taken all that was pumped */
	PHASE_BLOCKED, /* its sink is full */
	PHASE_READING, /* the store is asked; reading NULL: will be again */
	PHASE_GONE     /* waits for its sub_clear() */
};

TAILQ_HEAD(subs, sub);

/* A read under way.  Outlives a sub that is cleared meanwhile. */
struct reading {
	struct sub *sub;   /* NULL once cleared */
	uint64_t position; /* the worker's, when it was asked */
};

/*
 * Held are the entries behind the floor; the newest `fresh` of them have not
 * been offered to the live subs yet.
 *
 * Callbacks may clear, add and resume any sub.  Current and next are what the
 * pump stands on and where it goes from there; who leaves the list moves them
 * on.  What is added goes to due, which one pump looks at only as far as it was
 * long when it began.
 */
struct channel {
	UT_hash_handle hh;
	struct worker *worker;
	const struct conf_class *class;
	struct subs live;
	struct subs due;
	struct subs parked; /* blocked, reading, gone */
	struct sub *current;
	struct sub *next;
	int n_subs;
	int n_due;
	int n_behind; /* due, blocked, reading */
	struct held held;
	unsigned fresh;
	bool grew;
	bool pumping; /* next is the first sub that is still to be offered it */
	uint64_t floor;
	uint64_t deleted; /* seq of the last ENTRY_DELETE seen */
	struct deferred pump;
	struct deferred idle;
	struct event *retry;
	char name[];
};

static void channel_pump(void *arg);
static void channel_idle(void *arg);

/* ---- what is held ---------------------------------------------------- */

static void
channel_drop_oldest(struct channel *channel)
{
	struct entry *entry = held_take(&channel->held);

	channel->floor = entry->seq;
	worker_release(channel->worker, entry_size(entry));
	entry_unref(entry);
}

static void
channel_drop_all(struct channel *channel)
{
	while (channel->held.count > 0)
		channel_drop_oldest(channel);
	held_shrink(&channel->held);
}

static void
channel_hold(struct channel *channel, struct entry *entry)
{
	while (channel->held.count > channel->fresh &&
	    (channel->held.count >= CHANNEL_HELD_MAX ||
	        worker_holds_too_much(channel->worker)))
		channel_drop_oldest(channel);
	held_add(&channel->held, entry);
	channel->fresh++;
	worker_hold(channel->worker, entry_size(entry));
}

/* ---- one sub --------------------------------------------------------- */

static bool
phase_is_behind(unsigned char phase)
{
	return phase == PHASE_DUE || phase == PHASE_BLOCKED ||
	    phase == PHASE_READING;
}

static struct subs *
channel_list(struct channel *channel, unsigned char phase)
{
	if (phase == PHASE_LIVE)
		return &channel->live;
	return phase == PHASE_DUE ? &channel->due : &channel->parked;
}

/* From one phase to another, in the list and the counts that belong to it. */
static void
sub_move(struct sub *sub, enum phase phase)
{
	struct channel *channel = sub->channel;

	if (channel->next == sub)
		channel->next = TAILQ_NEXT(sub, entry);
	if (sub->phase != PHASE_NONE)
		TAILQ_REMOVE(channel_list(channel, sub->phase), sub, entry);
	channel->n_due += (phase == PHASE_DUE) - (sub->phase == PHASE_DUE);
	channel->n_behind +=
	    phase_is_behind(phase) - phase_is_behind(sub->phase);
	sub->phase = phase;
	if (phase != PHASE_NONE)
		TAILQ_INSERT_TAIL(channel_list(channel, phase), sub, entry);
}

/* The tellers and sub_give() run a callback; false: the sub was cleared or
 * cannot go on, do not touch it. */
static bool
sub_tell_deleted(struct channel *channel, struct sub *sub, uint64_t before)
{
	if (sub->cursor >= channel->deleted || before <= channel->deleted)
		return true;
	sub->cursor = channel->deleted;
	channel->current = sub;
	sub->ops->deleted(sub);
	return channel->current == sub;
}

static bool
sub_tell_lagged(struct channel *channel, struct sub *sub, uint64_t first)
{
	stat_add(&channel_lags, 1);
	channel->current = sub;
	if (sub->ops->lagged != NULL)
		sub->ops->lagged(sub, first);
	if (channel->current != sub)
		return false;
	sub->cursor = first - 1;
	return true;
}

static bool
sub_give(struct channel *channel, struct sub *sub, struct entry *entry)
{
	enum sink_result result;

	if (!sub_tell_deleted(channel, sub, entry->seq))
		return false;
	if (entry->prev_seq > sub->cursor &&
	    !sub_tell_lagged(channel, sub, entry->seq))
		return false;
	channel->current = sub;
	result = sub->ops->deliver(sub, entry);
	if (channel->current != sub)
		return false;
	if (result == SINK_TOOK) {
		sub->cursor = entry->seq;
		return true;
	}
	sub_move(sub, result == SINK_FULL ? PHASE_BLOCKED : PHASE_GONE);
	return false;
}

/* Gives it what is held from index i on. */
static void
sub_advance(struct channel *channel, struct sub *sub, unsigned i)
{
	struct entry *entry;

	for (; i < channel->held.count; i++) {
		entry = held_at(&channel->held, i);
		if (entry->seq > sub->cursor && !sub_give(channel, sub, entry))
			return;
	}
	sub_tell_deleted(channel, sub, UINT64_MAX);
}

/* ---- reading the store ----------------------------------------------- */

static void sub_place(struct channel *channel, struct sub *sub);

static void
channel_retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct channel *channel = arg;
	struct sub *sub, *next;

	TAILQ_FOREACH_SAFE(sub, &channel->parked, entry, next)
		if (sub->phase == PHASE_READING && sub->reading == NULL)
			sub_move(sub, PHASE_DUE);
	loop_defer(worker_loop(channel->worker), &channel->pump);
}

static void
channel_retry(struct channel *channel, enum err err)
{
	struct timeval wait = { CHANNEL_RETRY_SECS, 0 };

	stat_add(&channel_read_failures, 1);
	log_warn("channel.read", "channel=%s err=%s", LOGQ(channel->name),
	    err_name(err));
	if (channel->retry == NULL)
		channel->retry =
		    event_new(loop_base(worker_loop(channel->worker)), -1, 0,
		        channel_retry_cb, channel);
	if (channel->retry == NULL)
		fatal(EX_OSERR, "channel.event", "reason=memory");
	event_add(channel->retry, &wait);
}

/* How far a read has looked, in terms of what the worker has taken. */
static uint64_t
reading_reached(const struct read_result *result, uint64_t asked_at,
    uint64_t position)
{
	uint64_t reached = result->upto;

	if (!result->more && reached < asked_at)
		reached = asked_at;
	return reached < position ? reached : position;
}

static void
sub_take_read(struct channel *channel, struct sub *sub,
    const struct read_result *result, uint64_t asked_at)
{
	uint64_t reached =
	    reading_reached(result, asked_at, worker_position(channel->worker));
	uint64_t first =
	    result->count > 0 ? result->entries[0]->seq : reached + 1;
	uint64_t asked_for = sub->cursor;
	size_t i;

	if (!sub_tell_deleted(channel, sub, first))
		return;
	/* An entry within reach tells of the gap before it by itself. */
	if (result->state == READ_PARTIAL && first > reached &&
	    sub->cursor == asked_for &&
	    !sub_tell_lagged(channel, sub, reached + 1))
		return;
	for (i = 0; i < result->count; i++) {
		if (result->entries[i]->seq > reached)
			break;
		if (result->entries[i]->seq > sub->cursor &&
		    !sub_give(channel, sub, result->entries[i]))
			return;
	}
	if (!sub_tell_deleted(channel, sub, reached + 1))
		return;
	if (sub->cursor < reached)
		sub->cursor = reached;
	sub_place(channel, sub);
}

static void
reading_done(const struct read_result *result, void *arg)
{
	struct reading *reading = arg;
	struct sub *sub = reading->sub;
	uint64_t asked_at = reading->position;

	free(reading);
	if (sub == NULL)
		return;
	sub->reading = NULL;
	if (result->err != ERR_OK)
		channel_retry(sub->channel, result->err);
	else
		sub_take_read(sub->channel, sub, result, asked_at);
}

static void
sub_read(struct channel *channel, struct sub *sub)
{
	sub->reading = xcalloc(1, sizeof *sub->reading);
	sub->reading->sub = sub;
	sub->reading->position = worker_position(channel->worker);
	sub_move(sub, PHASE_READING);
	store_read(worker_store(channel->worker), worker_loop(channel->worker),
	    channel->name, sub->cursor, CHANNEL_READ_MAX, reading_done,
	    sub->reading);
}

static void
sub_place(struct channel *channel, struct sub *sub)
{
	if (sub->cursor < channel->floor) {
		sub_read(channel, sub);
		return;
	}
	sub_move(sub, PHASE_LIVE);
	sub_advance(channel, sub, held_find(&channel->held, sub->cursor));
}

/* ---- the pump -------------------------------------------------------- */

/* Listeners have long been pushed out of the processor's cache when an item
 * comes.  To wait for their memory one by one would be half of what a delivery
 * costs; so each step asks for that of all of them. */
static void
channel_fetch(const struct channel *channel, int n)
{
	struct sub *sub;
	int left;

	for (int step = 0; step < SINK_STEPS; step++)
		for (sub = channel->next, left = n; sub != NULL && left > 0;
		     sub = TAILQ_NEXT(sub, entry), left--)
			if (sub->ops->fetch != NULL)
				sub->ops->fetch(sub, step);
}

/* As many of the live subs as a turn takes, and the others in the next ones. */
static void
channel_pump_live(struct channel *channel)
{
	struct sub *sub;
	int n = worker_pump_max(channel->worker);

	if (!channel->pumping) {
		channel->pumping = true;
		worker_pumps(channel->worker, 1);
		channel->next = TAILQ_FIRST(&channel->live);
	}
	channel_fetch(channel, n);
	while ((sub = channel->next) != NULL && n-- > 0) {
		channel->next = TAILQ_NEXT(sub, entry);
		sub_advance(channel, sub, channel->held.count - channel->fresh);
	}
	if (channel->next != NULL) {
		loop_defer(worker_loop(channel->worker), &channel->pump);
		return;
	}
	channel->fresh = 0;
	channel->grew = channel->pumping = false;
	worker_pumps(channel->worker, -1);
}

static void
channel_pump_due(struct channel *channel)
{
	struct sub *sub;
	int n = channel->n_due;

	while (n-- > 0 && (sub = TAILQ_FIRST(&channel->due)) != NULL)
		sub_place(channel, sub);
}

static void
channel_pump(void *arg)
{
	struct channel *channel = arg;

	if (!worker_is_following(channel->worker))
		return;
	if (channel->grew)
		channel_pump_live(channel);
	channel_pump_due(channel);
	if (channel->n_behind == 0 && !channel->pumping)
		channel_drop_all(channel);
}

void
channel_grew(struct channel *channel, struct entry *entry)
{
	if (entry->kind == ENTRY_DELETE) {
		channel->deleted = entry->seq;
		entry_unref(entry);
	} else
		channel_hold(channel, entry);
	channel->grew = true;
	loop_defer(worker_loop(channel->worker), &channel->pump);
}

void
channel_follow(struct channel *channel, uint64_t after)
{
	channel->floor = after;
	loop_defer(worker_loop(channel->worker), &channel->pump);
}

/* ---- life ------------------------------------------------------------ */

static struct channel *
channel_create(struct worker *worker, const char *name)
{
	size_t len = strlen(name);
	struct channel *channel = xcalloc(1, sizeof *channel + len + 1);

	memcpy(channel->name, name, len);
	channel->worker = worker;
	channel->class = conf_class(worker_conf(worker), name);
	channel->floor = worker_position(worker);
	TAILQ_INIT(&channel->live);
	TAILQ_INIT(&channel->due);
	TAILQ_INIT(&channel->parked);
	loop_defer_init(&channel->pump, LOOP_DELIVER, channel_pump, channel);
	loop_defer_init(&channel->idle, LOOP_REAP, channel_idle, channel);
	HASH_ADD_KEYPTR(hh, *worker_channels(worker), channel->name, len,
	    channel);
	return channel;
}

void
channel_free(struct channel *channel)
{
	assert(channel->n_subs == 0);
	HASH_DEL(*worker_channels(channel->worker), channel);
	if (channel->pumping)
		worker_pumps(channel->worker, -1);
	loop_defer_cancel(worker_loop(channel->worker), &channel->pump);
	loop_defer_cancel(worker_loop(channel->worker), &channel->idle);
	if (channel->retry != NULL)
		event_free(channel->retry);
	channel_drop_all(channel);
	held_free(&channel->held);
	free(channel);
}

static void
channel_idle(void *arg)
{
	struct channel *channel = arg;

	if (channel->n_subs == 0)
		channel_free(channel);
}

void
sub_init(struct sub *sub, struct worker *worker, const char *channel,
    const struct sink_ops *ops, uint64_t after)
{
	struct channel *found = channel_find(worker, channel);

	if (found == NULL)
		found = channel_create(worker, channel);
	*sub = (struct sub){
		.ops = ops,
		.channel = found,
		.cursor = after != SUB_FROM_NOW ?
		    after :
		    store_newest(worker_store(worker)),
	};
	found->n_subs++;
	sub_move(sub, PHASE_DUE);
	loop_defer(worker_loop(worker), &found->pump);
}

void
sub_clear(struct sub *sub)
{
	struct channel *channel = sub->channel;

	if (channel == NULL)
		return;
	if (channel->current == sub)
		channel->current = NULL;
	if (sub->reading != NULL)
		sub->reading->sub = NULL;
	sub_move(sub, PHASE_NONE);
	sub->reading = NULL;
	sub->channel = NULL;
	channel->n_subs--;
	if (channel->n_subs == 0)
		loop_defer(worker_loop(channel->worker), &channel->idle);
	else if (channel->n_behind == 0 && channel->held.count > 0)
		loop_defer(worker_loop(channel->worker), &channel->pump);
}

void
sub_resume(struct sub *sub)
{
	if (sub->channel == NULL || sub->phase != PHASE_BLOCKED)
		return;
	sub_move(sub, PHASE_DUE);
	loop_defer(worker_loop(sub->channel->worker), &sub->channel->pump);
}

bool
sub_is_set(const struct sub *sub)
{
	return sub->channel != NULL;
}

uint64_t
sub_position(const struct sub *sub)
{
	const struct channel *channel = sub->channel;
	uint64_t position = worker_position(channel->worker);

	return sub->phase == PHASE_LIVE && channel->fresh == 0 &&
	        position > sub->cursor ?
	    position :
	    sub->cursor;
}

const char *
channel_name(const struct channel *channel)
{
	return channel->name;
}

const struct conf_class *
channel_class(const struct channel *channel)
{
	return channel->class;
}

struct channel *
channel_find(struct worker *worker, const char *name)
{
	struct channel *channel;

	HASH_FIND_STR(*worker_channels(worker), name, channel);
	return channel;
}

struct channel *
channel_next(const struct channel *channel)
{
	return channel->hh.next;
}

int
channel_subs(const struct channel *channel)
{
	return channel->n_subs;
}
