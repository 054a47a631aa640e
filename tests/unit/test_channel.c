#include "common/channel/channel.h"

#include <stdlib.h>

#include "common/base/mem.h"
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

static unsigned
world_random(struct world *world, unsigned below)
{
	world->random = world->random * 1103515245u + 12345u;
	return (world->random >> 16) % below;
}

static void
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

static void
world_open(struct world *world)
{
	world_open_with(world, 16 << 20);
}

static void
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

static void
world_turn(struct world *world, int turns)
{
	while (turns-- > 0)
		loop_turn(worker_loop(world->worker), false);
}

static void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg UNUSED)
{
	assert_int_equal(err, ERR_OK);
}

static void
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

static void
world_publish(struct world *world, int channel)
{
	world_append(world, ENTRY_ITEM, channel);
}

/* Seq of the first item of the channel behind `after`, or 0. */
static uint64_t
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

static void
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

static struct listener *
world_listen(struct world *world, int i, int channel, uint64_t after)
{
	world->listeners[i].world = world;
	listener_begin(&world->listeners[i], channel, after);
	return &world->listeners[i];
}

/* What a sink may do while it is being given an item: to itself or to any
 * other, clear, begin anew, resume. */
static enum sink_result
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

static enum sink_result
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

static void
listener_lagged(struct sub *sub, uint64_t first)
{
	struct listener *listener = (struct listener *)sub;

	assert_true(listener->world->trims);
	assert_true(first > listener->at);
	listener->at = first - 1;
	listener->lags++;
}

static void
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
	listener_lagged, listener_deleted };

/* ---- rules ----------------------------------------------------------- */

TEST(delivers_at_the_end_of_the_turn_and_only_its_channel)
{
	struct world world;
	struct listener *a, *b;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	a = world_listen(&world, 0, 0, SUB_FROM_NOW);
	b = world_listen(&world, 1, 1, SUB_FROM_NOW);
	world_turn(&world, 2);
	world_publish(&world, 0);
	world_publish(&world, 0);
	assert_int_equal(a->got, 0);
	world_turn(&world, 3);
	assert_int_equal(a->got, 2);
	assert_int_equal(b->got, 0);
	world_close(&world);
}

TEST(begins_behind_the_position_it_was_given)
{
	struct world world;
	struct listener *old, *now;
	int i;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < 300; i++)
		world_publish(&world, 0);
	world_turn(&world, 5);
	old = world_listen(&world, 0, 0, 10);
	now = world_listen(&world, 1, 0, SUB_FROM_NOW);
	assert_int_equal(old->got, 0);
	world_turn(&world, 20);
	assert_int_equal(old->got, 290);
	assert_int_equal(now->got, 0);
	world_publish(&world, 0);
	world_turn(&world, 5);
	assert_int_equal(old->got, 291);
	assert_int_equal(now->got, 1);
	world_close(&world);
}

TEST(gives_the_same_item_again_after_a_full_sink)
{
	struct world world;
	struct listener *slow, *quick;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	slow = world_listen(&world, 0, 0, SUB_FROM_NOW);
	quick = world_listen(&world, 1, 0, SUB_FROM_NOW);
	slow->fill = 2;
	world_publish(&world, 0);
	world_publish(&world, 0);
	world_publish(&world, 0);
	world_turn(&world, 4);
	assert_int_equal(slow->got, 1);
	assert_int_equal(quick->got, 3);
	assert_true(slow->full);
	slow->full = false;
	sub_resume(&slow->sub);
	assert_int_equal(slow->got, 1);
	world_turn(&world, 1);
	assert_int_equal(slow->got, 3);
	world_close(&world);
}

TEST(reads_the_store_when_more_is_due_than_is_held)
{
	struct world world;
	struct listener *slow;
	int i;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	slow = world_listen(&world, 0, 0, SUB_FROM_NOW);
	slow->fill = 1;
	for (i = 0; i < CHANNEL_HELD_MAX + 500; i++) {
		world_publish(&world, 0);
		world_turn(&world, i % 100 == 0);
	}
	world_turn(&world, 20);
	assert_int_equal(slow->got, 0);
	slow->full = false;
	sub_resume(&slow->sub);
	world_turn(&world, 60);
	assert_int_equal(slow->got, CHANNEL_HELD_MAX + 500);
	world_close(&world);
}

TEST(tells_what_has_left_the_log_before_what_follows)
{
	struct world world;
	struct listener *late;
	int i;

	world_open(&world);
	world.trims = true;
	world.conf->classes[0].history_items = 5;
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < 100; i++)
		world_publish(&world, 0);
	world_turn(&world, 3);
	late = world_listen(&world, 0, 0, 10);
	world_turn(&world, 5);
	assert_int_equal(late->lags, 1);
	assert_int_equal(late->got, 5);
	assert_int_equal(late->last, 100);
	world_close(&world);
}

TEST(tells_a_gap_when_nothing_at_all_is_left)
{
	struct world world;
	struct listener *late;
	int i;

	world_open(&world);
	world.trims = true;
	world.conf->classes[0].history_items = 0;
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < 10; i++)
		world_publish(&world, 0);
	world_turn(&world, 3);
	late = world_listen(&world, 0, 0, 3);
	world_turn(&world, 5);
	assert_int_equal(late->lags, 1);
	assert_int_equal(late->got, 0);
	world_publish(&world, 0);
	world_turn(&world, 3);
	assert_int_equal(late->lags, 1);
	assert_int_equal(late->got, 1);
	world_close(&world);
}

TEST(tells_a_deletion_to_all_in_its_place)
{
	struct world world;
	struct listener *live, *slow, *other;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	live = world_listen(&world, 0, 0, SUB_FROM_NOW);
	slow = world_listen(&world, 1, 0, SUB_FROM_NOW);
	other = world_listen(&world, 2, 1, SUB_FROM_NOW);
	slow->fill = 1;
	world_publish(&world, 0);
	world_turn(&world, 3);
	world_append(&world, ENTRY_DELETE, 0);
	world_turn(&world, 3);
	assert_int_equal(live->got, 1);
	assert_int_equal(live->deletions, 1);
	assert_int_equal(slow->deletions, 0);
	slow->full = false;
	sub_resume(&slow->sub);
	world_turn(&world, 2);
	assert_int_equal(slow->got, 1);
	assert_int_equal(slow->deletions, 1);
	assert_int_equal(other->deletions, 0);
	world_publish(&world, 0);
	world_turn(&world, 3);
	assert_int_equal(live->got, 2);
	assert_int_equal(slow->got, 2);
	world_close(&world);
}

TEST(a_read_ahead_of_the_worker_hides_no_deletion)
{
	struct world world;
	struct listener *late;

	world_open(&world);
	world.trims = true;
	worker_follow(world.worker, 0, NULL, NULL);
	world_publish(&world, 0);
	world_publish(&world, 0);
	world_turn(&world, 3);
	worker_pause(world.worker, true);
	late = world_listen(&world, 0, 0, 1);
	world_append(&world, ENTRY_DELETE, 0);
	world_publish(&world, 0);
	world_turn(&world, 5);
	assert_int_equal(late->deletions, 0);
	worker_pause(world.worker, false);
	world_turn(&world, 5);
	assert_int_equal(late->deletions, 1);
	assert_int_equal(late->got, 1);
	world_close(&world);
}

TEST(a_sub_cleared_while_the_store_reads_is_left_alone)
{
	struct world world;
	struct listener *gone;
	int i;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < 5; i++)
		world_publish(&world, 0);
	world_turn(&world, 3);
	gone = world_listen(&world, 0, 0, 0);
	world_turn(&world, 1);
	sub_clear(&gone->sub);
	assert_false(sub_is_set(&gone->sub));
	memset(&gone->sub, 0xa5, sizeof gone->sub);
	world_turn(&world, 3);
	memset(&gone->sub, 0, sizeof gone->sub);
	assert_int_equal(gone->got, 0);
	assert_null(channel_find(world.worker, names[0]));
	world_close(&world);
}

TEST(a_channel_lives_while_something_listens)
{
	struct world world;
	struct listener *a, *b;

	world_open(&world);
	worker_follow(world.worker, 0, NULL, NULL);
	assert_null(channel_find(world.worker, names[2]));
	a = world_listen(&world, 0, 2, SUB_FROM_NOW);
	b = world_listen(&world, 1, 2, SUB_FROM_NOW);
	assert_int_equal(channel_subs(a->sub.channel), 2);
	assert_string_equal(channel_name(b->sub.channel), names[2]);
	assert_ptr_equal(channel_class(a->sub.channel),
	    &world.conf->classes[0]);
	sub_clear(&a->sub);
	sub_clear(&a->sub);
	world_turn(&world, 1);
	assert_non_null(channel_find(world.worker, names[2]));
	sub_clear(&b->sub);
	world_turn(&world, 1);
	assert_null(channel_find(world.worker, names[2]));
	world_close(&world);
}

/* ---- all of it at once ----------------------------------------------- */

static void
world_step(struct world *world)
{
	struct listener *listener =
	    &world->listeners[world_random(world, N_SUBS)];
	unsigned newest = (unsigned)store_newest(world->store);

	switch (world_random(world, 12)) {
	case 0:
		sub_clear(&listener->sub);
		listener->world = world;
		listener_begin(listener, (int)world_random(world, N_CHANNELS),
		    world_random(world, 3) == 0 ?
		        SUB_FROM_NOW :
		        world_random(world, newest + 1));
		break;
	case 1:
		sub_clear(&listener->sub);
		break;
	case 2:
	case 3:
		if (listener->full) {
			listener->full = false;
			sub_resume(&listener->sub);
		}
		break;
	case 4:
		worker_pause(world->worker, world_random(world, 2));
		break;
	case 5:
	case 6:
	case 7:
		world_turn(world, 1);
		break;
	default:
		world_publish(world, (int)world_random(world, N_CHANNELS));
		break;
	}
}

/* Lets everyone catch up; no one may miss anything then. */
static void
world_settle(struct world *world)
{
	struct listener *listener;
	int round, i;

	worker_pause(world->worker, false);
	for (round = 0; round < 60; round++) {
		for (i = 0; i < N_SUBS; i++) {
			listener = &world->listeners[i];
			listener->moody = false;
			if (listener->full && sub_is_set(&listener->sub)) {
				listener->full = false;
				sub_resume(&listener->sub);
			}
		}
		world_turn(world, 3);
	}
	for (i = 0; i < N_SUBS; i++) {
		listener = &world->listeners[i];
		if (sub_is_set(&listener->sub))
			assert_int_equal(world_next(world, listener->channel,
			                     listener->at),
			    0);
	}
}

static void
world_run(unsigned seed, bool trims)
{
	struct world world;
	int i;

	/* Often so small that the worker falls off the tail, and channels off
	 * what they hold. */
	world_open_with(&world, seed % 3 == 0 ? 1 << 20 : 1500);
	world.random = seed;
	world.trims = trims;
	if (trims)
		world.conf->classes[0].history_items = 4;
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < N_SUBS; i++)
		world.listeners[i].moody = i % 3 != 0;
	for (i = 0; i < 1500; i++)
		world_step(&world);
	world_settle(&world);
	world_close(&world);
}

TEST(skips_and_doubles_nothing_whatever_happens)
{
	unsigned seed;

	for (seed = 1; seed <= 60; seed++)
		world_run(seed, false);
}

TEST(says_what_is_missing_whatever_happens)
{
	unsigned seed;

	for (seed = 1; seed <= 60; seed++)
		world_run(seed, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    delivers_at_the_end_of_the_turn_and_only_its_channel),
		cmocka_unit_test(begins_behind_the_position_it_was_given),
		cmocka_unit_test(gives_the_same_item_again_after_a_full_sink),
		cmocka_unit_test(reads_the_store_when_more_is_due_than_is_held),
		cmocka_unit_test(
		    tells_what_has_left_the_log_before_what_follows),
		cmocka_unit_test(tells_a_gap_when_nothing_at_all_is_left),
		cmocka_unit_test(tells_a_deletion_to_all_in_its_place),
		cmocka_unit_test(a_read_ahead_of_the_worker_hides_no_deletion),
		cmocka_unit_test(
		    a_sub_cleared_while_the_store_reads_is_left_alone),
		cmocka_unit_test(a_channel_lives_while_something_listens),
		cmocka_unit_test(skips_and_doubles_nothing_whatever_happens),
		cmocka_unit_test(says_what_is_missing_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
