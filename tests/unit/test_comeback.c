#include "tests/unit/notify_fixture.h"

#define MEMBERS 6
#define STEPS   4000
#define ITEMS   1500

/* The change has a place of its own in the log. */
static void
wake(struct world *world, struct subscription *sub, uint64_t position)
{
	sub->position = position;
	sub->changed = store_newest(world->store) + 1;
	notify_add(world->notify, sub);
	publish(world, "changes", "<message/>");
	turn(world);
}

static void
publish_number(struct world *world, const char *channel, int number)
{
	char text[64];

	snprintf(text, sizeof(text), "<message><body>%d</body></message>",
	    number);
	publish(world, channel, text);
	turn(world);
}

/* How often the JID was sent that item. */
static int
sent(const struct world *world, const char *jid, int number)
{
	const char *at = world->out.data;
	char to[64], body[32];
	int found = 0;

	snprintf(to, sizeof(to), "to='%s'", jid);
	snprintf(body, sizeof(body), "<body>%d<", number);
	while (at != NULL && (at = strstr(at, to)) != NULL) {
		const char *text = strstr(at, "<body>");

		found += strncmp(text, body, strlen(body)) == 0;
		at = text;
	}
	return found;
}

TEST(c8_5_who_comes_back_gets_what_he_missed)
{
	struct subscription alice;
	struct world world;
	uint64_t stopped;
	int i;

	begin(&world, 1024);
	alice = subscribe(&world, "news", "alice@example.org");
	subscribe(&world, "news", "bob@example.org");
	publish_number(&world, "news", 1);
	stopped = store_newest(world.store);
	notify_remove(world.notify, &alice);
	publish_number(&world, "news", 2);
	publish_number(&world, "news", 3);
	wake(&world, &alice, stopped);
	turn(&world);
	publish_number(&world, "news", 4);
	confirm(&world);
	publish_number(&world, "news", 5);
	for (i = 1; i <= 5; i++) {
		assert_int_equal(sent(&world, "alice@example.org", i), 1);
		assert_int_equal(sent(&world, "bob@example.org", i), 1);
	}
	assert_int_equal(notify_members(world.notify), 2);
	end(&world);
}

TEST(c8_5_the_only_one_gets_nothing_from_before_he_stopped)
{
	struct subscription alice;
	struct world world;
	uint64_t stopped;

	begin(&world, 1024);
	alice = subscribe(&world, "news", "alice@example.org");
	publish_number(&world, "news", 1);
	stopped = store_newest(world.store);
	notify_remove(world.notify, &alice);
	publish_number(&world, "news", 2);
	wake(&world, &alice, stopped);
	publish_number(&world, "news", 3);
	confirm(&world);
	assert_int_equal(sent(&world, "alice@example.org", 1), 1);
	assert_int_equal(sent(&world, "alice@example.org", 2), 1);
	assert_int_equal(sent(&world, "alice@example.org", 3), 1);
	assert_int_equal(notify_channels(world.notify), 1);
	end(&world);
}

TEST(c8_5_a_lost_link_takes_back_who_has_just_come_back)
{
	struct subscription alice;
	struct world world;
	uint64_t stopped;

	begin(&world, 1024);
	alice = subscribe(&world, "news", "alice@example.org");
	subscribe(&world, "news", "bob@example.org");
	publish_number(&world, "news", 1);
	stopped = store_newest(world.store);
	notify_remove(world.notify, &alice);
	publish_number(&world, "news", 2);
	confirm(&world);
	wake(&world, &alice, stopped);
	publish_number(&world, "news", 3);
	assert_int_equal(sent(&world, "alice@example.org", 2), 1);
	lose_link(&world);
	assert_int_equal(sent(&world, "alice@example.org", 2), 1);
	assert_int_equal(sent(&world, "alice@example.org", 3), 1);
	assert_int_equal(sent(&world, "bob@example.org", 2), 0);
	assert_int_equal(sent(&world, "bob@example.org", 3), 1);
	/* Confirmed, he is one like the others. */
	confirm(&world);
	lose_link(&world);
	assert_out(&world, "");
	end(&world);
}

TEST(c8_5_suspended_again_and_deleted_while_he_catches_up)
{
	struct subscription alice;
	struct world world;
	struct entry *entry;

	begin(&world, 2);
	publish_number(&world, "other", 0);
	alice = subscribe(&world, "news", "alice@example.org");
	notify_remove(world.notify, &alice);
	for (int i = 1; i <= 5; i++)
		publish_number(&world, "news", i);
	wake(&world, &alice, alice.since);
	turn(&world);
	assert_int_equal(sent(&world, "alice@example.org", 2), 1);
	assert_int_equal(sent(&world, "alice@example.org", 3), 0);
	assert_int_equal(notify_members(world.notify), 1);
	notify_remove(world.notify, &alice);
	assert_int_equal(notify_members(world.notify), 0);
	wake(&world, &alice, 1);
	turn(&world);
	entry = entry_create(ENTRY_DELETE, "news", NULL, NULL, NULL, 0);
	store_append(world.store, worker_loop(world.worker), &entry, 1,
	    appended_cb, NULL);
	turn(&world);
	assert_int_equal(notify_members(world.notify), 0);
	end(&world);
}

/* ---- any order of things ---------------------------------------------- */

struct model {
	struct world world;
	struct subscription subs[MEMBERS];
	bool awake[MEMBERS];
	int has[MEMBERS]; /* the last item confirmed, no gap before it */
	uint64_t seqs[ITEMS + 1];
	int items;
};

static const char *const jids[MEMBERS] = { "a@x", "b@x", "c@x", "d@x", "e@x",
	"f@x" };

/* What is in out has arrived: nobody may have missed anything. */
static void
arrive(struct model *model)
{
	char *at = model->world.out.data;
	int i, number;

	while (at != NULL && (at = strstr(at, "to='")) != NULL) {
		for (i = 0; i < MEMBERS; i++)
			if (strncmp(at + 4, jids[i], 3) == 0)
				break;
		assert_true(i < MEMBERS);
		at = strstr(at, "<body>") + 6;
		number = atoi(at);
		if (number > model->has[i] + 1)
			fail_msg("%s: %d behind %d", jids[i], number,
			    model->has[i]);
		if (number == model->has[i] + 1)
			model->has[i] = number;
	}
	buf_reset(&model->world.out);
}

static void
confirm_all(struct model *model)
{
	struct world *world = &model->world;

	if (barrier_unasked(&world->barrier) > 0)
		batch_cb(world);
	if (world->barrier.open == 0)
		return;
	arrive(model);
	answer(world, world->barrier.seq);
	if (world->note != NULL)
		notify_forget(world->notify, world->note->seq);
}

static void
step(struct model *model)
{
	struct world *world = &model->world;
	int i = rand() % MEMBERS;

	switch (rand() % 8) {
	case 0:
		if (!model->awake[i])
			break;
		notify_remove(world->notify, &model->subs[i]);
		model->awake[i] = false;
		break;
	case 1:
	case 2:
		if (model->awake[i])
			break;
		wake(world, &model->subs[i], model->seqs[model->has[i]]);
		model->awake[i] = true;
		break;
	case 3:
		if (world->note != NULL)
			lose_link(world);
		break;
	case 4:
		turn(world);
		break;
	case 5:
		confirm_all(model);
		break;
	default:
		if (model->items == ITEMS)
			break;
		publish_number(world, "news", ++model->items);
		model->seqs[model->items] = store_newest(world->store);
	}
}

static void
run(unsigned seed)
{
	struct model *model = xcalloc(1, sizeof(*model));
	int i;

	srand(seed);
	begin(&model->world, 7);
	model->world.conf->classes[0].history_items = ITEMS;
	/* Position 0 would mean that it was never suspended. */
	publish_number(&model->world, "other", 0);
	model->seqs[0] = store_newest(model->world.store);
	for (i = 0; i < MEMBERS; i++) {
		model->subs[i] = subscribe(&model->world, "news", jids[i]);
		model->awake[i] = true;
	}
	for (i = 0; i < STEPS; i++)
		step(model);
	for (i = 0; i < MEMBERS; i++)
		if (!model->awake[i])
			wake(&model->world, &model->subs[i],
			    model->seqs[model->has[i]]);
	for (i = 0;
	     i < 10 * ITEMS && barrier_unconfirmed(&model->world.barrier) > 0;
	     i++)
		confirm_all(model);
	turn(&model->world);
	for (i = 0;
	     i < 10 * ITEMS && barrier_unconfirmed(&model->world.barrier) > 0;
	     i++)
		confirm_all(model);
	for (i = 0; i < MEMBERS; i++)
		if (model->has[i] != model->items)
			fail_msg("seed %u: %s has %d of %d", seed, jids[i],
			    model->has[i], model->items);
	end(&model->world);
	free(model);
}

TEST(c8_5_nobody_misses_anything_in_any_order_of_things)
{
	unsigned seed;

	for (seed = 1; seed <= 8; seed++)
		run(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c8_5_who_comes_back_gets_what_he_missed),
		cmocka_unit_test(
		    c8_5_the_only_one_gets_nothing_from_before_he_stopped),
		cmocka_unit_test(
		    c8_5_a_lost_link_takes_back_who_has_just_come_back),
		cmocka_unit_test(
		    c8_5_suspended_again_and_deleted_while_he_catches_up),
		cmocka_unit_test(
		    c8_5_nobody_misses_anything_in_any_order_of_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
