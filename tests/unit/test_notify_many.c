#include "tests/unit/notify_fixture.h"

/* More than are kept quiet, so that most are gone when the next item comes. */
#define MANY (NOTIFY_QUIET_MAX + 200)

static void
publish_to_many(struct world *world, const char *stanza)
{
	char channel[32];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(channel, sizeof(channel), "c%d", i);
		publish(world, channel, stanza);
		if (i % 50 == 0)
			turn(world);
	}
	turn(world);
}

static void
subscribe_to_many(struct world *world)
{
	char channel[32];
	int i;

	for (i = 0; i < MANY; i++) {
		snprintf(channel, sizeof(channel), "c%d", i);
		subscribe(world, channel, "alice@example.org");
	}
}

TEST(a_channel_without_an_item_under_way_costs_the_worker_nothing)
{
	struct world world;

	begin(&world, 10000);
	subscribe_to_many(&world);
	turn(&world);
	assert_null(channel_find(world.worker, "c0"));
	publish_to_many(&world, "<message><body>1</body></message>");
	assert_null(channel_find(world.worker, "c0"));
	assert_non_null(channel_find(world.worker, "c455"));
	publish_to_many(&world, "<message><body>2</body></message>");
	assert_int_equal(count(&world, "<body>1"), MANY);
	assert_int_equal(count(&world, "<body>2"), MANY);
	assert_int_equal(count(&world, "from='c0@"), 2);
	assert_int_equal(notify_channels(world.notify), MANY);
	assert_int_equal(notify_members(world.notify), MANY);
	end(&world);
}

TEST(channels_long_quiet_are_taken_back_too)
{
	struct world world;
	const char *first, *second;

	begin(&world, 10000);
	subscribe_to_many(&world);
	publish_to_many(&world, "<message><body>0</body></message>");
	confirm(&world);
	publish_to_many(&world, "<message><body>1</body></message>");
	publish(&world, "c0", "<message><body>2</body></message>");
	turn(&world);
	lose_link(&world);
	assert_int_equal(count(&world, "<body>0"), 0);
	assert_int_equal(count(&world, "<body>1"), MANY);
	assert_int_equal(count(&world, "from='c0@"), 2);
	assert_int_equal(count(&world, "from='c1@"), 1);
	first = strstr(world.out.data, "from='c0@");
	second = strstr(world.out.data, "<body>2");
	assert_true(first != NULL && first < second);
	confirm(&world);
	lose_link(&world);
	assert_out(&world, "");
	end(&world);
}

TEST(items_that_nobody_can_be_sent_leave_no_target_behind)
{
	struct world world;

	begin(&world, 10000);
	subscribe_to_many(&world);
	publish_to_many(&world,
	    "<iq type='set' id='i'><q xmlns='urn:q'/></iq>");
	assert_null(channel_find(world.worker, "c0"));
	assert_out(&world, "");
	end(&world);
}

TEST(a_subscription_that_woke_gets_what_its_channel_kept)
{
	struct subscription sub;
	struct world world;

	begin(&world, 1024);
	sub = subscribe(&world, "news", "alice@example.org");
	notify_remove(world.notify, &sub);
	publish(&world, "news", "<message><body>1</body></message>");
	turn(&world);
	assert_out(&world, "");
	notify_add(world.notify, &sub);
	publish(&world, "news", "<message><body>2</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "<body>1"), 1);
	assert_int_equal(count(&world, "<body>2"), 1);
	end(&world);
}

TEST(a_deleted_channel_is_said_to_its_members_and_forgotten)
{
	struct world world;
	struct entry *entry;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	subscribe(&world, "news", "bob@example.org");
	entry = entry_create(ENTRY_DELETE, "news", NULL, NULL, NULL, 0);
	store_append(world.store, worker_loop(world.worker), &entry, 1,
	    appended_cb, NULL);
	turn(&world);
	assert_int_equal(count(&world, "<delete"), 2);
	assert_int_equal(notify_channels(world.notify), 0);
	assert_int_equal(notify_members(world.notify), 0);
	end(&world);
}

TEST(a_small_channel_waits_for_no_more_than_the_next_confirmation)
{
	struct world world;

	begin(&world, 1024);
	subscribe_many(&world, "huge", 5000);
	subscribe(&world, "small", "alice@example.org");
	publish(&world, "huge", "<message><body>h</body></message>");
	turn(&world);
	publish(&world, "small", "<message><body>s</body></message>");
	publish(&world, "small", "<message><body>t</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "alice@"), 0);
	answer(&world, 1);
	assert_int_equal(count(&world, "alice@"), 2);
	assert_int_equal(count(&world, "<message"), 1024 + BARRIER_STANZAS);
	end(&world);
}

/* ---- whatever comes ---------------------------------------------------- */

#define CROWD 700

/* Each item of a channel carries its number there. */
struct crowd {
	struct world world;
	int published[CROWD];
	int got[CROWD];       /* the newest */
	int before[8][CROWD]; /* those before the newest barriers */
	int sure[CROWD];      /* those before the last one that was answered */
	struct position_note *kept; /* of a while ago: where a lost link goes */
	int kept_sure[CROWD];
	bool fresh[CROWD]; /* nothing came since the link was lost */
};

static void
crowd_publish(struct crowd *crowd)
{
	int i = rand() % CROWD;
	char channel[32], text[128];

	/* Some of them often. */
	if (rand() % 4 == 0)
		i %= 8;
	snprintf(channel, sizeof(channel), "c%d", i);
	snprintf(text, sizeof(text), "<message><body>%d</body></message>",
	    ++crowd->published[i]);
	publish(&crowd->world, channel, text);
}

/* No gap, and a step back only where the link was lost before. */
static void
crowd_take(struct crowd *crowd, int channel, int number)
{
	assert_in_range(channel, 0, CROWD - 1);
	if (crowd->fresh[channel])
		assert_true(number >= 1 && number <= crowd->got[channel] + 1);
	else
		assert_int_equal(number, crowd->got[channel] + 1);
	crowd->got[channel] = number;
	crowd->fresh[channel] = false;
}

static const char *
crowd_read_stanza(struct crowd *crowd, const char *at)
{
	int channel = (int)strtol(strstr(at, "from='c") + 7, NULL, 10);

	at = strstr(at, "<body>") + 6;
	crowd_take(crowd, channel, (int)strtol(at, NULL, 10));
	return at;
}

static void
crowd_read(struct crowd *crowd)
{
	const char *at = crowd->world.out.data;
	int barrier;

	while (at != NULL && (at = strchr(at, '<')) != NULL) {
		if (strncmp(at, "<message ", 9) == 0)
			at = crowd_read_stanza(crowd, at);
		else if (sscanf(at, "<barrier n='%d'", &barrier) == 1)
			memcpy(crowd->before[barrier % 8], crowd->got,
			    sizeof(crowd->got));
		at++;
	}
	buf_reset(&crowd->world.out);
}

static void
crowd_answer(struct crowd *crowd, uint64_t barrier)
{
	crowd_read(crowd);
	memcpy(crowd->sure, crowd->before[barrier % 8], sizeof(crowd->sure));
	answer(&crowd->world, barrier);
}

static void
crowd_keep(struct crowd *crowd)
{
	const struct position_note *note = crowd->world.note;

	free(crowd->kept);
	crowd->kept = position_note_read(note->text, note->len,
	    store_epoch(crowd->world.store));
	memcpy(crowd->kept_sure, crowd->sure, sizeof(crowd->sure));
}

static void
crowd_lose_link(struct crowd *crowd)
{
	struct world *world = &crowd->world;
	int i;

	crowd_read(crowd);
	for (i = 0; i < CROWD; i++)
		crowd->fresh[i] = true;
	memcpy(crowd->got, crowd->kept_sure, sizeof(crowd->got));
	notify_open(world->notify, false);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	notify_go_to(world->notify, crowd->kept);
	notify_open(world->notify, true);
}

static void
crowd_turn(struct crowd *crowd)
{
	struct world *world = &crowd->world;
	int i;

	for (i = rand() % 4; i >= 0; i--)
		loop_turn(worker_loop(world->worker), false);
	if (rand() % 3 == 0 && barrier_unasked(&world->barrier) > 0 &&
	    barrier_can_put(&world->barrier))
		batch_cb(world);
	if (rand() % 4 == 0 && world->barrier.open > 0)
		crowd_answer(crowd, world->barrier.slots[0].seq);
}

/* Half of the times once more while all is still being read again. */
static void
crowd_fail(struct crowd *crowd)
{
	int i;

	crowd_lose_link(crowd);
	if (rand() % 2 == 0)
		return;
	for (i = 0; i < 20; i++)
		crowd_turn(crowd);
	crowd_keep(crowd);
	crowd_lose_link(crowd);
}

static void
crowd_step(struct crowd *crowd)
{
	int what = rand() % 1000;

	if (what < 600)
		crowd_publish(crowd);
	else if (what < 995)
		crowd_turn(crowd);
	else if (what < 998)
		crowd_fail(crowd);
	else
		crowd_keep(crowd);
	crowd_read(crowd);
}

static void
crowd_settle(struct crowd *crowd)
{
	struct world *world = &crowd->world;
	int i, round;

	for (round = 0; round < 400; round++) {
		turn(world);
		if (barrier_unasked(&world->barrier) > 0 &&
		    barrier_can_put(&world->barrier))
			batch_cb(world);
		if (world->barrier.open > 0)
			crowd_answer(crowd, world->barrier.seq);
	}
	crowd_read(crowd);
	for (i = 0; i < CROWD; i++)
		assert_int_equal(crowd->got[i], crowd->published[i]);
}

static void
crowd_run(unsigned seed, uint64_t window, int steps)
{
	struct crowd *crowd = xcalloc(1, sizeof(*crowd));
	struct world *world = &crowd->world;
	char channel[32];
	int i;

	srand(seed);
	begin(world, window);
	world->marks = true;
	world->conf->classes[0].history_items = 100000;
	for (i = 0; i < CROWD; i++) {
		snprintf(channel, sizeof(channel), "c%d", i);
		subscribe(world, channel, "alice@example.org");
	}
	turn(world);
	confirm(world);
	crowd_keep(crowd);
	for (i = 0; i < steps; i++)
		crowd_step(crowd);
	crowd_settle(crowd);
	end(world);
	free(crowd->kept);
	free(crowd);
}

TEST(every_channel_gets_all_in_order_however_often_the_link_is_lost)
{
	crowd_run(1, 600, 5000);
	crowd_run(2, 20, 5000);
	crowd_run(3, 7, 3000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_channel_without_an_item_under_way_costs_the_worker_nothing),
		cmocka_unit_test(channels_long_quiet_are_taken_back_too),
		cmocka_unit_test(
		    items_that_nobody_can_be_sent_leave_no_target_behind),
		cmocka_unit_test(
		    a_subscription_that_woke_gets_what_its_channel_kept),
		cmocka_unit_test(
		    a_deleted_channel_is_said_to_its_members_and_forgotten),
		cmocka_unit_test(
		    a_small_channel_waits_for_no_more_than_the_next_confirmation),
		cmocka_unit_test(
		    every_channel_gets_all_in_order_however_often_the_link_is_lost),
	};

	return cmocka_run_group_tests_name("roll and replay", tests, NULL,
	    NULL);
}
