#include "common/channel/worker.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/channel/channel.h"
#include "tests/unit/unit.h"

/* A store, and as many workers as a test asks for. */
struct world {
	struct conf *conf;
	struct store *store;
	struct loop *loop; /* the publisher's */
};

/* What a hook saw. */
struct seen {
	struct worker *worker;
	int count;
	int pause_at;
	uint64_t last;
	uint64_t position; /* the worker's, during the last call */
	bool in_order;
	bool listens; /* a sub on the channel, made by the hook */
	struct sub sub;
	_Atomic int delivered;
};

static int
world_setup(void **state)
{
	struct world *world = xcalloc(1, sizeof *world);
	struct buf why;
	int status;

	buf_init(&why, 0);
	world->conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(world->conf);
	free(world->conf->store.engine);
	world->conf->store.engine = xstrdup("memory");
	world->conf->classes[0].history_items = 100000;
	world->conf->store.tail_size = 20000;
	world->store = store_open(world->conf, "test", &why, &status);
	assert_non_null(world->store);
	world->loop = loop_create();
	buf_clear(&why);
	*state = world;
	return 0;
}

static int
world_teardown(void **state)
{
	struct world *world = *state;

	store_free(world->store);
	loop_free(world->loop);
	conf_free(world->conf);
	free(world);
	return 0;
}

static void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg UNUSED)
{
	assert_int_equal(err, ERR_OK);
}

static void
world_publish(struct world *world, int n)
{
	struct entry *entry;

	while (n-- > 0) {
		entry = entry_create(ENTRY_ITEM, "news", NULL, NULL, "", 0);
		store_append(world->store, world->loop, &entry, 1, appended_cb,
		    NULL);
	}
	loop_turn(world->loop, false);
}

static void
worker_turns(struct worker *worker, int n)
{
	while (n-- > 0)
		loop_turn(worker_loop(worker), false);
}

static enum sink_result
seen_deliver(struct sub *sub, struct entry *entry UNUSED)
{
	struct seen *seen =
	    (struct seen *)(void *)((char *)sub - offsetof(struct seen, sub));

	seen->delivered++;
	return SINK_TOOK;
}

static void
seen_deleted(struct sub *sub UNUSED)
{
}

static const struct sink_ops seen_ops = { "seen", seen_deliver, NULL,
	seen_deleted, NULL };

static void
seen_cb(struct entry *entry, void *arg)
{
	struct seen *seen = arg;

	seen->in_order =
	    (seen->count == 0 || seen->in_order) && entry->seq > seen->last;
	seen->last = entry->seq;
	seen->position = worker_position(seen->worker);
	if (++seen->count == seen->pause_at)
		worker_pause(seen->worker, true);
	if (seen->listens && !sub_is_set(&seen->sub))
		sub_init(&seen->sub, seen->worker, entry->channel, &seen_ops,
		    entry->seq - 1);
}

static void
worker_end(struct worker *worker, struct seen *seen)
{
	worker_stop(worker);
	sub_clear(&seen->sub);
	worker_free(worker);
}

TEST(hands_every_entry_to_the_hook_in_order)
{
	struct world *world = *state;
	struct seen seen = { 0 };

	seen.worker = worker_create(world->conf, world->store);
	world_publish(world, 10);
	worker_follow(seen.worker, 4, seen_cb, &seen);
	worker_turns(seen.worker, 3);
	assert_int_equal(seen.count, 6);
	assert_true(seen.in_order);
	/* Taken means: seen by the hook and by the channel. */
	assert_int_equal(seen.position, 9);
	assert_int_equal(worker_position(seen.worker), 10);
	world_publish(world, 1000);
	worker_turns(seen.worker, 8);
	assert_int_equal(seen.count, 1006);
	assert_true(seen.in_order);
	worker_end(seen.worker, &seen);
}

TEST(reads_the_log_after_falling_off_the_tail)
{
	struct world *world = *state;
	struct seen seen = { 0 };
	struct entry *some[1];

	seen.worker = worker_create(world->conf, world->store);
	worker_follow(seen.worker, 0, seen_cb, &seen);
	world_publish(world, 2000);
	assert_int_equal(store_tail(world->store, 0, some, 1), -1);
	worker_turns(seen.worker, 30);
	assert_int_equal(seen.count, 2000);
	assert_true(seen.in_order);
	worker_end(seen.worker, &seen);
}

TEST(a_pause_in_the_hook_stops_behind_that_entry)
{
	struct world *world = *state;
	struct seen seen = { .pause_at = 3 };

	seen.worker = worker_create(world->conf, world->store);
	worker_follow(seen.worker, 0, seen_cb, &seen);
	world_publish(world, 10);
	worker_turns(seen.worker, 5);
	assert_int_equal(seen.count, 3);
	assert_int_equal(worker_position(seen.worker), 3);
	worker_pause(seen.worker, false);
	worker_turns(seen.worker, 2);
	assert_int_equal(seen.count, 10);
	assert_true(seen.in_order);
	worker_end(seen.worker, &seen);
}

TEST(a_sub_made_by_the_hook_gets_the_entry_it_was_made_for)
{
	struct world *world = *state;
	struct seen seen = { .listens = true };

	seen.worker = worker_create(world->conf, world->store);
	worker_follow(seen.worker, 0, seen_cb, &seen);
	world_publish(world, 5);
	worker_turns(seen.worker, 5);
	assert_int_equal(seen.delivered, 5);
	worker_end(seen.worker, &seen);
}

TEST(follows_on_threads_of_their_own)
{
	struct world *world = *state;
	struct seen seen[3];
	int64_t until = clock_mono_ms() + 10000;
	int i;

	memset(seen, 0, sizeof seen);
	for (i = 0; i < 3; i++) {
		seen[i].worker = worker_create(world->conf, world->store);
		sub_init(&seen[i].sub, seen[i].worker, "news", &seen_ops, 0);
		worker_follow(seen[i].worker, 0, NULL, NULL);
		worker_start(seen[i].worker);
	}
	for (i = 0; i < 100; i++)
		world_publish(world, 20);
	for (i = 0; i < 3; i++)
		while (seen[i].delivered < 2000 && clock_mono_ms() < until)
			usleep(1000);
	for (i = 0; i < 3; i++) {
		worker_stop(seen[i].worker);
		assert_int_equal(seen[i].delivered, 2000);
		assert_int_equal(worker_position(seen[i].worker), 2000);
		sub_clear(&seen[i].sub);
		worker_free(seen[i].worker);
	}
}

TEST(stopping_with_reads_under_way_leaves_nothing)
{
	struct world *world = *state;
	struct seen seen = { 0 };

	seen.worker = worker_create(world->conf, world->store);
	world_publish(world, 500);
	worker_follow(seen.worker, 500, NULL, NULL);
	sub_init(&seen.sub, seen.worker, "news", &seen_ops, 3);
	worker_turns(seen.worker, 1);
	worker_end(seen.worker, &seen);
	assert_int_equal(seen.delivered, 0);
}

TEST(workers_beside_each_other_pause_alone)
{
	struct world *world = *state;
	struct seen first = { .pause_at = 3 }, second = { 0 };

	first.worker = worker_create(world->conf, world->store);
	second.worker = worker_create_beside(first.worker);
	assert_ptr_equal(worker_loop(second.worker), worker_loop(first.worker));
	worker_follow(first.worker, 0, seen_cb, &first);
	worker_follow(second.worker, 4, seen_cb, &second);
	world_publish(world, 10);
	worker_turns(first.worker, 5);
	assert_int_equal(first.count, 3);
	assert_int_equal(second.count, 6);
	/* The one that waited reads the log where memory has it no more. */
	world_publish(world, 2000);
	worker_turns(first.worker, 30);
	assert_int_equal(second.count, 2006);
	worker_pause(first.worker, false);
	worker_turns(first.worker, 30);
	assert_int_equal(first.count, 2010);
	assert_true(first.in_order && second.in_order);
	worker_end(first.worker, &first);
}

TEST(follows_again_from_elsewhere_whatever_was_being_read)
{
	struct world *world = *state;
	struct seen seen = { 0 }, again = { 0 };
	struct worker *worker = worker_create(world->conf, world->store);

	seen.worker = again.worker = worker;
	world_publish(world, 2000);
	worker_follow(worker, 0, seen_cb, &seen);
	worker_turns(worker, 1);
	worker_unfollow(worker);
	worker_follow(worker, 1500, seen_cb, &again);
	worker_turns(worker, 30);
	assert_int_equal(again.count, 500);
	assert_true(again.in_order);
	assert_int_equal(seen.count, 0);
	worker_unfollow(worker);
	worker_unfollow(worker);
	worker_end(worker, &again);
}

#define WITH_WORLD(rule) \
	cmocka_unit_test_setup_teardown(rule, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(hands_every_entry_to_the_hook_in_order),
		WITH_WORLD(reads_the_log_after_falling_off_the_tail),
		WITH_WORLD(a_pause_in_the_hook_stops_behind_that_entry),
		WITH_WORLD(
		    a_sub_made_by_the_hook_gets_the_entry_it_was_made_for),
		WITH_WORLD(follows_on_threads_of_their_own),
		WITH_WORLD(stopping_with_reads_under_way_leaves_nothing),
		WITH_WORLD(workers_beside_each_other_pause_alone),
		WITH_WORLD(
		    follows_again_from_elsewhere_whatever_was_being_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
