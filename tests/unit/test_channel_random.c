#include "tests/unit/channel_fixture.h"

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
	if (seed % 4 != 0)
		worker_set_pump_max(world.worker, (int)(seed % 4));
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
		cmocka_unit_test(skips_and_doubles_nothing_whatever_happens),
		cmocka_unit_test(says_what_is_missing_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
