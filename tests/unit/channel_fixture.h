/*
 * A process with the memory store and one worker, and listeners that know what
 * they must get; for the tests of the channels.
 */
#ifndef WAFT_CHANNEL_FIXTURE_H
#define WAFT_CHANNEL_FIXTURE_H

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/channel/channel.h"
#include "tests/unit/unit.h"

#define N_CHANNELS 3
#define N_SUBS     12
#define N_ITEMS    4000

/*
 * A process with the memory store and one worker, in one thread, and a book of
 * all that was published: what every listener must get is read off it.
 */
struct world {
	struct conf *conf;
	struct store *store;
	struct worker *worker;
	struct {
		uint64_t seq;
		int channel;
		bool deleted; /* it is a deletion */
	} book[N_ITEMS];
	int n_book;
	struct listener {
		struct sub sub;
		struct world *world;
		int channel;
		uint64_t at; /* what it must have got up to */
		bool moody;  /* its sink does odd things */
		bool full;   /* the sink waits for a resume */
		int fill;    /* SINK_FULL after so many; 0: never */
		int got;
		int lags;
		int deletions;
		uint64_t last;
	} listeners[N_SUBS];
	bool trims; /* items may be gone */
	unsigned random;
};

static const char *const names[N_CHANNELS] = { "news", "sport", "a/b c" };

static inline unsigned
world_random(struct world *world, unsigned below)
{
	world->random = world->random * 1103515245u + 12345u;
	return (world->random >> 16) % below;
}

static inline void
world_open_with(struct world *world, uint64_t tail_size)
{
	struct buf why;
	int status;

	memset(world, 0, sizeof *world);
	buf_init(&why, 0);
	world->conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(world->conf);
	free(world->conf->store.engine);
	world->conf->store.engine = xstrdup("memory");
	world->conf->classes[0].history_items = 1000000;
	world->conf->store.tail_size = tail_size;
	world->store = store_open(world->conf, "test", &why, &status);
	assert_non_null(world->store);
	world->worker = worker_create(world->conf, world->store);
	buf_clear(&why);
}

static inline void
world_open(struct world *world)
{
	world_open_with(world, 16 << 20);
}

static inline void
world_close(struct world *world)
{
	int i;

	for (i = 0; i < N_SUBS; i++)
		sub_clear(&world->listeners[i].sub);
	worker_stop(world->worker);
	store_free(world->store);
	worker_free(world->worker);
	conf_free(world->conf);
}

static inline void
world_turn(struct world *world, int turns)
{
	while (turns-- > 0)
		loop_turn(worker_loop(world->worker), false);
}

static inline void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg UNUSED)
{
	assert_int_equal(err, ERR_OK);
}

static inline void
world_append(struct world *world, enum entry_kind kind, int channel)
{
	struct entry *entry =
	    entry_create(kind, names[channel], NULL, NULL, "", 0);

	store_append(world->store, worker_loop(world->worker), &entry, 1,
	    appended_cb, NULL);
	assert_true(world->n_book < N_ITEMS);
	world->book[world->n_book].seq = store_newest(world->store);
	world->book[world->n_book].channel = channel;
	world->book[world->n_book].deleted = kind == ENTRY_DELETE;
	world->n_book++;
}

static inline void
world_publish(struct world *world, int channel)
{
	world_append(world, ENTRY_ITEM, channel);
}

/* Seq of the first item of the channel behind `after`, or 0. */
static inline uint64_t
world_next(const struct world *world, int channel, uint64_t after)
{
	int i;

	for (i = 0; i < world->n_book; i++)
		if (world->book[i].channel == channel &&
		    !world->book[i].deleted && world->book[i].seq > after)
			return world->book[i].seq;
	return 0;
}

/* ---- a listener ------------------------------------------------------ */

static const struct sink_ops listener_ops;

static inline void
listener_begin(struct listener *listener, int channel, uint64_t after)
{
	struct world *world = listener->world;

	listener->channel = channel;
	listener->at =
	    after == SUB_FROM_NOW ? store_newest(world->store) : after;
	listener->full = false;
	listener->fill = 0;
	sub_init(&listener->sub, world->worker, names[channel], &listener_ops,
	    after);
}

static inline struct listener *
world_listen(struct world *world, int i, int channel, uint64_t after)
{
	world->listeners[i].world = world;
	listener_begin(&world->listeners[i], channel, after);
	return &world->listeners[i];
}

/* What a sink may do while it is being given an item: to itself or to any
 * other, clear, begin anew, resume. */
static inline enum sink_result
listener_mood(struct listener *listener)
{
	struct world *world = listener->world;
	struct listener *other = &world->listeners[world_random(world, N_SUBS)];
	bool self = other == listener;

	switch (world_random(world, 30)) {
	case 0:
		sub_clear(&other->sub);
		return self ? SINK_GONE : SINK_TOOK;
	case 1:
		sub_clear(&other->sub);
		other->world = world;
		listener_begin(other, (int)world_random(world, N_CHANNELS),
		    world_random(world,
		        (unsigned)store_newest(world->store) + 1));
		return self ? SINK_GONE : SINK_TOOK;
	case 2:
		if (self || !other->full)
			return SINK_TOOK;
		other->full = false;
		sub_resume(&other->sub);
		return SINK_TOOK;
	case 3:
	case 4:
	case 5:
		return SINK_FULL;
	default:
		return SINK_TOOK;
	}
}

static inline enum sink_result
listener_deliver(struct sub *sub, struct entry *entry)
{
	struct listener *listener = (struct listener *)sub;
	struct world *world = listener->world;
	enum sink_result result = SINK_TOOK;

	assert_false(listener->full);
	assert_int_equal(entry->kind, ENTRY_ITEM);
	assert_string_equal(entry->channel, names[listener->channel]);
	assert_int_equal(entry->seq,
	    world_next(world, listener->channel, listener->at));
	if (listener->fill > 0 && --listener->fill == 0)
		result = SINK_FULL;
	else if (listener->moody)
		result = listener_mood(listener);
	if (result == SINK_FULL)
		listener->full = true;
	if (result == SINK_TOOK) {
		listener->at = listener->last = entry->seq;
		listener->got++;
	}
	return result;
}

static inline void
listener_lagged(struct sub *sub, uint64_t first)
{
	struct listener *listener = (struct listener *)sub;

	assert_true(listener->world->trims);
	assert_true(first > listener->at);
	listener->at = first - 1;
	listener->lags++;
}

static inline void
listener_deleted(struct sub *sub)
{
	struct listener *listener = (struct listener *)sub;
	struct world *world = listener->world;
	int i;

	/* It must have got all that came before. */
	for (i = world->n_book - 1; i >= 0; i--)
		if (world->book[i].channel == listener->channel &&
		    world->book[i].deleted)
			break;
	assert_true(i >= 0);
	listener->at = world->book[i].seq;
	listener->deletions++;
}

static const struct sink_ops listener_ops = { "listener", listener_deliver,
	listener_lagged, listener_deleted, NULL };

#endif
