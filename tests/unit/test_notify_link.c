#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/channel/channel.h"
#include "component/notify.h"
#include "tests/unit/unit.h"

#define DOMAIN "push.example.org"

/* A worker over the memory store and a buffer in place of the link. */
struct world {
	struct conf *conf;
	struct store *store;
	struct worker *worker;
	struct barrier barrier;
	struct suspect suspect;
	struct notify *notify;
	struct buf out;
	struct buf barriers;
	uint64_t n; /* of the last subscription */
	uint32_t epoch;
	bool paused;
	struct position_note *note; /* last confirmed */
};

static void
wrote_cb(void *arg UNUSED)
{
}

static void
batch_cb(void *arg)
{
	struct world *world = arg;

	barrier_put(&world->barrier, notify_note(world->notify), 0,
	    &world->barriers);
}

static void
pause_cb(void *arg, bool paused)
{
	struct world *world = arg;

	world->paused = paused;
	worker_pause(world->worker, paused);
}

static void
entry_cb(struct entry *entry, void *arg)
{
	struct world *world = arg;

	notify_entry(world->notify, entry);
}

static void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg UNUSED)
{
	assert_int_equal(err, ERR_OK);
}

static void
turn(struct world *world)
{
	int i;

	for (i = 0; i < 50; i++)
		loop_turn(worker_loop(world->worker), false);
}

static void
publish(struct world *world, const char *channel, const char *stanza)
{
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, "xmpp-stanza", stanza, strlen(stanza));
	entry =
	    entry_create(ENTRY_ITEM, channel, NULL, NULL, data.data, data.len);
	buf_clear(&data);
	store_append(world->store, worker_loop(world->worker), &entry, 1,
	    appended_cb, NULL);
}

static struct subscription
subscribe(struct world *world, const char *channel, const char *jid)
{
	struct subscription sub = {
		.n = ++world->n,
		.since = store_newest(world->store),
		.owner = DOMAIN,
		.channel = channel,
		.address = jid,
	};

	notify_add(world->notify, &sub);
	return sub;
}

static void
begin_with(struct world *world, uint64_t window, bool iq)
{
	struct barrier_opts barrier = { DOMAIN, "example.org", window, 1 << 20,
		free };
	struct notify_opts notify = { .domain = DOMAIN,
		.barrier = &world->barrier,
		.suspect = &world->suspect,
		.out = &world->out,
		.wrote = wrote_cb,
		.batch = batch_cb,
		.pause = pause_cb,
		.arg = world };
	struct position_note *note;
	struct buf why;
	int status;

	memset(world, 0, sizeof(*world));
	buf_init(&why, 0);
	buf_init(&world->out, 0);
	buf_init(&world->barriers, 0);
	world->conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(world->conf);
	world->conf->classes[0].iq = iq;
	free(world->conf->store.engine);
	world->conf->store.engine = xstrdup("memory");
	world->store = store_open(world->conf, "test", &why, &status);
	assert_non_null(world->store);
	world->worker = worker_create(world->conf, world->store);
	barrier_init(&world->barrier, &barrier);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	notify.worker = world->worker;
	notify.epoch = store_epoch(world->store);
	world->notify = notify_create(&notify);
	note = notify_note(world->notify);
	worker_follow(world->worker, 0, entry_cb, world);
	notify_go_to(world->notify, note);
	notify_open(world->notify, true);
	free(note);
	buf_clear(&why);
}

static void
begin(struct world *world, uint64_t window)
{
	begin_with(world, window, false);
}

static void
end(struct world *world)
{
	notify_free(world->notify);
	barrier_clear(&world->barrier);
	worker_stop(world->worker);
	store_free(world->store);
	worker_free(world->worker);
	conf_free(world->conf);
	buf_clear(&world->out);
	buf_clear(&world->barriers);
	free(world->note);
}

static void
answer(struct world *world, uint64_t barrier)
{
	char id[64];
	void *note;

	snprintf(id, sizeof(id), "b-%08x-%llu", world->epoch,
	    (unsigned long long)barrier);
	assert_true(
	    barrier_answer(&world->barrier, id, "example.org", 0, &note));
	assert_non_null(note);
	free(world->note);
	world->note = note;
	notify_resume(world->notify);
	turn(world);
}

/* The server answers everything sent so far. */
static void
confirm(struct world *world)
{
	if (world->barrier.batch_stanzas > 0 || world->barrier.open == 0)
		batch_cb(world);
	answer(world, world->barrier.seq);
}

/* The link is lost and comes back: all goes on behind the last note. */
static void
lose_link(struct world *world)
{
	notify_open(world->notify, false);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	buf_reset(&world->out);
	notify_go_to(world->notify, world->note);
	notify_open(world->notify, true);
	turn(world);
}

static int
count(const struct world *world, const char *text)
{
	const char *at = world->out.data;
	int found = 0;

	while (at != NULL && (at = strstr(at, text)) != NULL) {
		found++;
		at += strlen(text);
	}
	return found;
}

static void
assert_out(struct world *world, const char *want)
{
	assert_string_equal(world->out.data == NULL ? "" : world->out.data,
	    want);
	buf_reset(&world->out);
}

static void
subscribe_many(struct world *world, const char *channel, int many)
{
	char jid[64];
	int i;

	for (i = 0; i < many; i++) {
		snprintf(jid, sizeof(jid), "u%d@example.org", i);
		subscribe(world, channel, jid);
	}
}

/* ---- tests ----------------------------------------------------------- */

TEST(writes_each_member_a_copy_with_to_from_and_id)
{
	struct world world;
	char want[512];

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	subscribe(&world, "news", "o'hara&co@example.org/x<y");
	subscribe(&world, "other", "eve@example.org");
	publish(&world, "news",
	    "<message xmlns='jabber:client'><body>hi</body></message>");
	turn(&world);
	snprintf(want, sizeof(want), "%s-%llu", store_epoch(world.store),
	    (unsigned long long)store_newest(world.store));
	assert_int_equal(count(&world, want), 2);
	assert_int_equal(count(&world, "news@" DOMAIN), 2);
	assert_int_equal(count(&world, "xmlns"), 0);
	assert_int_equal(count(&world, "<body>hi</body>"), 2);
	assert_true(strstr(world.out.data, "alice@example.org") <
	    strstr(world.out.data, "o&apos;hara&amp;co@example.org/x&lt;y"));
	end(&world);
}

TEST(keeps_the_publishers_id_and_a_sender_of_this_domain)
{
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news",
	    "<message id='mine' from='desk@" DOMAIN "'><body/></message>");
	turn(&world);
	assert_int_equal(count(&world, "id='mine'"), 1);
	assert_int_equal(count(&world, "desk@" DOMAIN), 1);
	assert_int_equal(count(&world, "news@"), 0);
	end(&world);
}

TEST(never_sends_from_another_domain)
{
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news",
	    "<message from='desk@other.example.org'><body/></message>");
	turn(&world);
	assert_int_equal(count(&world, "desk@other"), 0);
	assert_int_equal(count(&world, "news@" DOMAIN), 1);
	end(&world);
}

TEST(a_member_gets_nothing_from_before_it_or_after_its_removal)
{
	struct world world;
	struct subscription sub;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news", "<message><body>1</body></message>");
	turn(&world);
	sub = subscribe(&world, "news", "bob@example.org");
	publish(&world, "news", "<message><body>2</body></message>");
	turn(&world);
	notify_remove(world.notify, &sub);
	publish(&world, "news", "<message><body>3</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "alice@"), 3);
	assert_int_equal(count(&world, "bob@"), 1);
	assert_int_equal(notify_members(world.notify), 1);
	end(&world);
}

TEST(the_last_member_takes_the_channel_along)
{
	struct world world;
	struct subscription sub;

	begin(&world, 1024);
	sub = subscribe(&world, "news", "alice@example.org");
	assert_int_equal(notify_channels(world.notify), 1);
	sub.state = SUB_SUSPENDED;
	notify_add(world.notify, &sub);
	assert_int_equal(notify_channels(world.notify), 0);
	end(&world);
}

TEST(stops_inside_an_item_at_the_window_and_goes_on_there)
{
	struct world world;
	char jid[64];
	int i;

	begin(&world, 10);
	subscribe_many(&world, "news", 25);
	publish(&world, "news", "<message><body>1</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "<message"), 10);
	confirm(&world);
	assert_int_equal(count(&world, "<message"), 20);
	confirm(&world);
	assert_int_equal(count(&world, "<message"), 25);
	for (i = 0; i < 25; i++) {
		snprintf(jid, sizeof(jid), "u%d@", i);
		assert_int_equal(count(&world, jid), 1);
	}
	end(&world);
}

TEST(a_huge_channel_does_not_hold_up_the_others)
{
	struct world world;

	begin(&world, NOTIFY_QUANTUM);
	subscribe_many(&world, "huge", NOTIFY_QUANTUM * 10);
	subscribe(&world, "small", "alice@example.org");
	publish(&world, "huge", "<message><body>h</body></message>");
	turn(&world);
	publish(&world, "small", "<message><body>s</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "alice@"), 0);
	confirm(&world);
	confirm(&world);
	assert_int_equal(count(&world, "alice@"), 1);
	assert_true(count(&world, "<message") < NOTIFY_QUANTUM * 4);
	end(&world);
}

TEST(repeats_exactly_what_was_not_confirmed)
{
	struct world world;

	begin(&world, 10);
	subscribe_many(&world, "news", 25);
	subscribe(&world, "small", "alice@example.org");
	publish(&world, "small", "<message><body>s1</body></message>");
	turn(&world);
	publish(&world, "news", "<message><body>n1</body></message>");
	turn(&world);
	/* alice's, and u0 to u8 */
	confirm(&world);
	/* u9 to u18: lost with the link */
	assert_int_equal(count(&world, "<message"), 20);
	publish(&world, "small", "<message><body>s2</body></message>");
	lose_link(&world);
	assert_int_equal(count(&world, "s1"), 0);
	assert_int_equal(count(&world, "u8@"), 0);
	assert_int_equal(count(&world, "u9@"), 1);
	confirm(&world);
	confirm(&world);
	assert_int_equal(count(&world, "u9@"), 1);
	assert_int_equal(count(&world, "u24@"), 1);
	assert_int_equal(count(&world, "s2"), 1);
	end(&world);
}

TEST(a_barrier_stands_behind_each_batch_also_inside_an_item)
{
	struct world world;

	begin(&world, 1024);
	subscribe_many(&world, "news", 600);
	publish(&world, "news", "<message><body>1</body></message>");
	turn(&world);
	assert_int_equal(world.barrier.open, 2);
	answer(&world, 1);
	lose_link(&world);
	assert_int_equal(count(&world, "<message"), 600 - BARRIER_STANZAS);
	assert_int_equal(count(&world, "u255@"), 0);
	assert_int_equal(count(&world, "u256@"), 1);
	end(&world);
}

TEST(a_quarantined_item_is_left_out_and_the_next_goes_on)
{
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news", "<message><body>bad</body></message>");
	world.suspect.careful = true;
	assert_true(suspect_end(&world.suspect, store_newest(world.store), 0));
	publish(&world, "news", "<message><body>good</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "bad"), 0);
	assert_int_equal(count(&world, "good"), 1);
	end(&world);
}

TEST(a_note_taken_far_back_repeats_in_order)
{
	struct world world;
	const char *first, *second;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	confirm(&world);
	publish(&world, "news", "<message><body>one</body></message>");
	publish(&world, "news", "<message><body>two</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "<message"), 2);
	lose_link(&world);
	first = strstr(world.out.data, "one");
	second = strstr(world.out.data, "two");
	assert_non_null(first);
	assert_true(first < second);
	assert_int_equal(count(&world, "<message"), 2);
	end(&world);
}

TEST(nothing_is_written_while_the_link_is_down)
{
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	notify_open(world.notify, false);
	publish(&world, "news", "<message><body>1</body></message>");
	turn(&world);
	assert_out(&world, "");
	notify_open(world.notify, true);
	turn(&world);
	assert_int_equal(count(&world, "alice@"), 1);
	end(&world);
}

TEST(asks_for_a_pause_while_many_channels_wait)
{
	struct world world;
	char channel[32];
	int i;

	begin(&world, 1024);
	for (i = 0; i < NOTIFY_WAITING_MAX + 10; i++) {
		snprintf(channel, sizeof(channel), "c%d", i);
		subscribe(&world, channel, "alice@example.org");
	}
	notify_open(world.notify, false);
	for (i = 0; i < NOTIFY_WAITING_MAX + 10; i++) {
		snprintf(channel, sizeof(channel), "c%d", i);
		publish(&world, channel, "<message><body/></message>");
		turn(&world);
	}
	assert_true(world.paused);
	notify_open(world.notify, true);
	turn(&world);
	assert_false(world.paused);
	assert_int_equal(count(&world, "alice@"), NOTIFY_WAITING_MAX + 10);
	end(&world);
}

TEST(c5_14_iq_goes_out_only_where_the_class_says_so)
{
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org/phone");
	publish(&world, "news",
	    "<iq type='set' id='i'><q xmlns='urn:q'/></iq>");
	turn(&world);
	assert_out(&world, "");
	end(&world);
}

TEST(c3_8_c5_14_iq_goes_to_full_jids_with_an_id_each)
{
	struct world world;
	char want[64];

	begin_with(&world, 1024, true);
	subscribe(&world, "news", "alice@example.org/phone");
	subscribe(&world, "news", "bob@example.org");
	subscribe(&world, "news", "carol@example.org/pc");
	publish(&world, "news",
	    "<iq type='set' id='i'><q xmlns='urn:q'/></iq>");
	turn(&world);
	assert_int_equal(count(&world, "<iq"), 2);
	assert_int_equal(count(&world, "bob@"), 0);
	snprintf(want, sizeof(want), "id='%s-%llu-1'", store_epoch(world.store),
	    (unsigned long long)store_newest(world.store));
	assert_int_equal(count(&world, want), 1);
	snprintf(want, sizeof(want), "id='%s-%llu-3'", store_epoch(world.store),
	    (unsigned long long)store_newest(world.store));
	assert_int_equal(count(&world, want), 1);
	end(&world);
}

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_each_member_a_copy_with_to_from_and_id),
		cmocka_unit_test(
		    keeps_the_publishers_id_and_a_sender_of_this_domain),
		cmocka_unit_test(never_sends_from_another_domain),
		cmocka_unit_test(
		    a_member_gets_nothing_from_before_it_or_after_its_removal),
		cmocka_unit_test(the_last_member_takes_the_channel_along),
		cmocka_unit_test(
		    stops_inside_an_item_at_the_window_and_goes_on_there),
		cmocka_unit_test(a_huge_channel_does_not_hold_up_the_others),
		cmocka_unit_test(repeats_exactly_what_was_not_confirmed),
		cmocka_unit_test(
		    a_barrier_stands_behind_each_batch_also_inside_an_item),
		cmocka_unit_test(
		    a_quarantined_item_is_left_out_and_the_next_goes_on),
		cmocka_unit_test(a_note_taken_far_back_repeats_in_order),
		cmocka_unit_test(nothing_is_written_while_the_link_is_down),
		cmocka_unit_test(asks_for_a_pause_while_many_channels_wait),
		cmocka_unit_test(
		    c5_14_iq_goes_out_only_where_the_class_says_so),
		cmocka_unit_test(
		    c3_8_c5_14_iq_goes_to_full_jids_with_an_id_each),
		cmocka_unit_test(
		    a_channel_without_an_item_under_way_costs_the_worker_nothing),
		cmocka_unit_test(channels_long_quiet_are_taken_back_too),
		cmocka_unit_test(
		    items_that_nobody_can_be_sent_leave_no_target_behind),
		cmocka_unit_test(
		    a_subscription_that_woke_gets_what_its_channel_kept),
		cmocka_unit_test(
		    a_deleted_channel_is_said_to_its_members_and_forgotten),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
