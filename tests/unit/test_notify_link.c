#include "tests/unit/notify_fixture.h"

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

TEST(c5_20_keeps_the_publishers_id_and_says_the_position_besides)
{
	struct world world;
	char want[256];

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news",
	    "<message id='mine' from='desk@" DOMAIN "'><body/></message>");
	turn(&world);
	assert_int_equal(count(&world, "id='mine'"), 1);
	assert_int_equal(count(&world, "desk@" DOMAIN), 1);
	snprintf(want, sizeof(want),
	    "'><stanza-id xmlns='urn:xmpp:sid:0' by='news@" DOMAIN
	    "' id='%s-%llu'/><body",
	    store_epoch(world.store),
	    (unsigned long long)store_newest(world.store));
	assert_int_equal(count(&world, want), 1);
	assert_int_equal(count(&world, " from='news@"), 0);
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
	assert_int_equal(count(&world, " from='news@" DOMAIN), 1);
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

TEST(c9_6_a_huge_channel_does_not_hold_up_the_others)
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

TEST(c5_16_marks_what_comes_later_than_live)
{
	static const char delay[] =
	    "<delay xmlns='urn:xmpp:delay' from='" DOMAIN "' stamp='2";
	struct world world;

	begin(&world, 1024);
	subscribe(&world, "news", "alice@example.org");
	publish(&world, "news", "<message><body>live</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "<body>live"), 1);
	assert_int_equal(count(&world, "delay"), 0);
	/* Published while the link was down. */
	notify_open(world.notify, false);
	publish(&world, "news", "<message><body>waited</body></message>");
	publish(&world, "news", "<presence/>");
	turn(&world);
	assert_int_equal(count(&world, "<body>waited"), 0);
	notify_open(world.notify, true);
	turn(&world);
	assert_int_equal(count(&world, "<body>waited"), 1);
	assert_int_equal(count(&world, delay), 2);
	assert_int_equal(count(&world, "/></presence>"), 1);
	publish(&world, "news", "<message><body>again</body></message>");
	turn(&world);
	assert_int_equal(count(&world, "<body>again"), 1);
	assert_int_equal(count(&world, delay), 2);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_each_member_a_copy_with_to_from_and_id),
		cmocka_unit_test(
		    c5_20_keeps_the_publishers_id_and_says_the_position_besides),
		cmocka_unit_test(never_sends_from_another_domain),
		cmocka_unit_test(
		    a_member_gets_nothing_from_before_it_or_after_its_removal),
		cmocka_unit_test(the_last_member_takes_the_channel_along),
		cmocka_unit_test(
		    stops_inside_an_item_at_the_window_and_goes_on_there),
		cmocka_unit_test(
		    c9_6_a_huge_channel_does_not_hold_up_the_others),
		cmocka_unit_test(repeats_exactly_what_was_not_confirmed),
		cmocka_unit_test(
		    a_barrier_stands_behind_each_batch_also_inside_an_item),
		cmocka_unit_test(
		    a_quarantined_item_is_left_out_and_the_next_goes_on),
		cmocka_unit_test(a_note_taken_far_back_repeats_in_order),
		cmocka_unit_test(nothing_is_written_while_the_link_is_down),
		cmocka_unit_test(asks_for_a_pause_while_many_channels_wait),
		cmocka_unit_test(c5_16_marks_what_comes_later_than_live),
		cmocka_unit_test(
		    c5_14_iq_goes_out_only_where_the_class_says_so),
		cmocka_unit_test(
		    c3_8_c5_14_iq_goes_to_full_jids_with_an_id_each),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
