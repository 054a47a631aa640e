#include "component/multicast.h"
#include "tests/unit/notify_fixture.h"

#define SERVICE "multicast.example.org"

/* A world whose server has a multicast service that takes `limit`. */
struct copies {
	struct world world;
	struct multicast multicast;
};

static void
begin_copies(struct copies *copies, uint64_t window, size_t limit)
{
	memset(&copies->multicast, 0, sizeof(copies->multicast));
	copies->multicast.wanted = true;
	copies->multicast.service = xstrdup(SERVICE);
	copies->multicast.stated = copies->multicast.cap = limit;
	begin_opts(&copies->world, window, true, &copies->multicast);
	barrier_set_service(&copies->world.barrier, SERVICE);
}

static void
end_copies(struct copies *copies)
{
	multicast_clear(&copies->multicast);
	end(&copies->world);
}

/* The newest barrier is answered. */
static enum barrier_heard
answered(struct copies *copies, const char *from)
{
	struct world *world = &copies->world;
	enum barrier_heard heard;
	char id[64];
	void *note;

	if (barrier_unasked(&world->barrier) > 0)
		batch_cb(world);
	snprintf(id, sizeof(id), "b-%08x-%llu", world->epoch,
	    (unsigned long long)world->barrier.seq);
	heard = barrier_answer(&world->barrier, id, from, 0, &note);
	if (heard == BARRIER_CONFIRMED) {
		free(world->note);
		world->note = note;
		notify_resume(world->notify);
		turn(world);
	}
	return heard;
}

static void
confirm_copies(struct copies *copies)
{
	assert_int_equal(answered(copies, SERVICE), BARRIER_CONFIRMED);
}

TEST(c5_23_a_group_is_one_stanza_with_blind_copies)
{
	struct copies copies;
	struct world *world = &copies.world;
	char want[1024];

	begin_copies(&copies, 1024, 100);
	subscribe(world, "news", "alice@example.org");
	subscribe(world, "news", "o'hara&co@example.org/x<y");
	publish(world, "news", "<message id='m'><body>1</body></message>");
	turn(world);
	snprintf(want, sizeof(want),
	    "<message to='" SERVICE "' from='news@" DOMAIN "' id='m'>"
	    "<addresses xmlns='http://jabber.org/protocol/address'>"
	    "<address type='bcc' jid='alice@example.org'/>"
	    "<address type='bcc' "
	    "jid='o&apos;hara&amp;co@example.org/x&lt;y'/></addresses>"
	    "<stanza-id xmlns='urn:xmpp:sid:0' by='news@" DOMAIN
	    "' id='%s-%llu'/><body>1</body></message>",
	    store_epoch(world->store),
	    (unsigned long long)store_newest(world->store));
	assert_out(world, want);
	end_copies(&copies);
}

TEST(c5_23_only_messages_for_several_of_the_servers_own_are_copied)
{
	struct copies copies;
	struct world *world = &copies.world;

	begin_copies(&copies, 1024, 100);
	subscribe(world, "news", "alice@example.org");
	publish(world, "news", "<message><body>one</body></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 0);
	confirm(world);
	subscribe(world, "news", "bob@example.org/x");
	subscribe(world, "news", "far@example.com");
	subscribe(world, "news", "near@muc.example.org");
	buf_reset(&world->out);
	publish(world, "news", "<message><body>two</body></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 1);
	assert_int_equal(count(world, "<address "), 2);
	assert_int_equal(count(world, "to='far@example.com'"), 1);
	assert_int_equal(count(world, "to='near@muc.example.org'"), 1);
	end_copies(&copies);
}

TEST(c5_23_what_cannot_be_copied_waits_for_what_was)
{
	struct copies copies;
	struct world *world = &copies.world;

	begin_copies(&copies, 1024, 100);
	subscribe(world, "news", "alice@example.org");
	subscribe(world, "news", "bob@example.org/x");
	publish(world, "news", "<message><body>1</body></message>");
	publish(world, "news", "<presence/>");
	publish(world, "news",
	    "<iq type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>");
	publish(world, "news", "<message><body>4</body></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 1);
	assert_int_equal(count(world, "<presence"), 0);
	confirm_copies(&copies);
	/* Both can only go directly; what can be copied waits again. */
	assert_int_equal(count(world, "<presence"), 2);
	assert_int_equal(count(world, "<iq "), 1);
	assert_int_equal(count(world, "<addresses"), 1);
	confirm(world);
	assert_int_equal(count(world, "<addresses"), 2);
	end_copies(&copies);
}

TEST(c5_23_groups_are_as_large_as_the_service_takes)
{
	struct copies copies;
	struct world *world = &copies.world;

	begin_copies(&copies, 1024, 10);
	subscribe_many(world, "news", 25);
	publish(world, "news", "<message><body>1</body></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 3);
	assert_int_equal(count(world, "<address "), 25);
	assert_int_equal(barrier_unconfirmed(&world->barrier), 25);
	end_copies(&copies);
}

TEST(c5_23_the_first_time_is_confirmed_before_the_next_item)
{
	struct copies copies;
	struct world *world = &copies.world;
	int i;

	begin_copies(&copies, 1024, 10);
	subscribe_many(world, "news", 10);
	for (i = 0; i < 3; i++)
		publish(world, "news", "<message><body/></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 1);
	confirm_copies(&copies);
	assert_int_equal(count(world, "<addresses"), 3);
	/* Nobody is new: the next one waits for nothing. */
	publish(world, "news", "<message><body/></message>");
	turn(world);
	assert_int_equal(count(world, "<addresses"), 4);
	subscribe(world, "news", "new@example.org");
	publish(world, "news", "<message><body/></message>");
	publish(world, "news", "<message><body/></message>");
	turn(world);
	assert_int_equal(count(world, "new@"), 1);
	end_copies(&copies);
}

TEST(c5_23_unconfirmed_copies_are_bounded_and_hold_up_nobody_else)
{
	struct copies copies;
	struct world *world = &copies.world;

	begin_copies(&copies, 200, 100);
	subscribe_many(world, "huge", 1000);
	publish(world, "huge", "<message><body>h</body></message>");
	turn(world);
	assert_int_equal(count(world, "<address "), 200);
	/* Those who go directly have a window of their own. */
	subscribe(world, "other", "far@example.com");
	publish(world, "other", "<message><body>o</body></message>");
	turn(world);
	assert_int_equal(count(world, "to='far@example.com'"), 1);
	assert_int_equal(count(world, "<address "), 200);
	assert_int_equal(answered(&copies, "example.org"), BARRIER_NOTHING_NEW);
	assert_int_equal(count(world, "<address "), 200);
	confirm_copies(&copies);
	assert_int_equal(count(world, "<address "), 400);
	end_copies(&copies);
}

TEST(c5_23_a_deleted_channel_is_told_the_same_way)
{
	struct copies copies;
	struct world *world = &copies.world;
	struct entry *entry;

	begin_copies(&copies, 1024, 10);
	subscribe_many(world, "news", 12);
	publish(world, "news", "<message><body>1</body></message>");
	turn(world);
	confirm_copies(&copies);
	buf_reset(&world->out);
	entry = entry_create(ENTRY_DELETE, "news", NULL, NULL, NULL, 0);
	store_append(world->store, worker_loop(world->worker), &entry, 1,
	    appended_cb, NULL);
	turn(world);
	assert_int_equal(count(world, "<addresses"), 2);
	assert_int_equal(count(world, "<address "), 12);
	assert_int_equal(count(world, "<delete "), 2);
	end_copies(&copies);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c5_23_a_group_is_one_stanza_with_blind_copies),
		cmocka_unit_test(
		    c5_23_only_messages_for_several_of_the_servers_own_are_copied),
		cmocka_unit_test(
		    c5_23_what_cannot_be_copied_waits_for_what_was),
		cmocka_unit_test(
		    c5_23_groups_are_as_large_as_the_service_takes),
		cmocka_unit_test(
		    c5_23_the_first_time_is_confirmed_before_the_next_item),
		cmocka_unit_test(
		    c5_23_unconfirmed_copies_are_bounded_and_hold_up_nobody_else),
		cmocka_unit_test(c5_23_a_deleted_channel_is_told_the_same_way),
	};

	return cmocka_run_group_tests_name("send", tests, NULL, NULL);
}
