#include "common/channel/channel.h"

#include "tests/unit/channel_fixture.h"

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

/* And each gets all there is at once: what is new waits for the last of them.
 */
TEST(offers_to_as_many_in_a_turn_as_the_worker_says)
{
	struct world world;
	int i, got;

	world_open(&world);
	worker_set_pump_max(world.worker, 5);
	worker_follow(world.worker, 0, NULL, NULL);
	for (i = 0; i < N_SUBS; i++)
		world_listen(&world, i, 0, SUB_FROM_NOW);
	world_turn(&world, 2);
	world_publish(&world, 0);
	world_publish(&world, 0);
	for (got = 0; got == 0; got = world.listeners[4].got)
		world_turn(&world, 1);
	assert_int_equal(world.listeners[4].got, 2);
	assert_int_equal(world.listeners[5].got, 0);
	world_publish(&world, 0);
	world_turn(&world, 1);
	assert_int_equal(world.listeners[9].got, 2);
	assert_int_equal(world.listeners[10].got, 0);
	sub_clear(&world.listeners[10].sub);
	world_turn(&world, 1);
	assert_int_equal(world.listeners[11].got, 2);
	world_turn(&world, 6);
	for (i = 0; i < N_SUBS; i++)
		assert_int_equal(world.listeners[i].got, i == 10 ? 0 : 3);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    delivers_at_the_end_of_the_turn_and_only_its_channel),
		cmocka_unit_test(
		    offers_to_as_many_in_a_turn_as_the_worker_says),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
