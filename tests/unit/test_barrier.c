#include "component/barrier.h"

#include "tests/unit/unit.h"

#define EPOCH 0xabc

static int dropped;

static void
drop_cb(void *snapshot)
{
	if (snapshot != NULL)
		dropped++;
}

static void
begin(struct barrier *barrier)
{
	static const struct barrier_opts opts = { "push.example.org",
		"example.org", 1024, 4096, 1 << 20, drop_cb };

	dropped = 0;
	barrier_init(barrier, &opts);
	barrier_reset(barrier, EPOCH, 0);
}

static void
send_many(struct barrier *barrier, int count, size_t bytes, int64_t now_ms)
{
	while (count-- > 0)
		barrier_sent(barrier, bytes, now_ms);
}

static void
put(struct barrier *barrier, void *snapshot, int64_t now_ms)
{
	struct buf out;

	buf_init(&out, 0);
	barrier_put(barrier, snapshot, now_ms, &out);
	buf_clear(&out);
}

static void
again(struct barrier *barrier, int64_t now_ms)
{
	struct buf out;

	buf_init(&out, 0);
	barrier_again(barrier, now_ms, &out);
	assert_true(out.len > 0);
	buf_clear(&out);
}

static void *
answer(struct barrier *barrier, const char *id)
{
	void *snapshot;

	assert_true(barrier_answer(barrier, id, "example.org", 100, &snapshot));
	return snapshot;
}

TEST(c1_4_goes_out_after_256_stanzas_or_256_kib_or_50_ms)
{
	struct barrier barrier;

	begin(&barrier);
	assert_false(barrier_is_due(&barrier, 0));
	send_many(&barrier, 255, 10, 0);
	assert_false(barrier_is_due(&barrier, 49));
	assert_true(barrier_is_due(&barrier, 50));
	send_many(&barrier, 1, 10, 0);
	assert_true(barrier_is_due(&barrier, 0));

	begin(&barrier);
	send_many(&barrier, 1, BARRIER_BYTES, 0);
	assert_true(barrier_is_due(&barrier, 0));
}

TEST(c1_1_c1_3_pings_the_server_with_epoch_and_number_in_the_id)
{
	struct barrier barrier;
	struct buf out;

	begin(&barrier);
	buf_init(&out, 0);
	send_many(&barrier, 1, 10, 0);
	barrier_put(&barrier, NULL, 0, &out);
	assert_string_equal(out.data,
	    "<iq type='get' from='push.example.org/b' to='example.org' "
	    "id='b-00000abc-1'><ping xmlns='urn:xmpp:ping'/></iq>");
	buf_clear(&out);
}

TEST(c1_4_keeps_at_most_four_open)
{
	struct barrier barrier;
	int marks[5], i;

	begin(&barrier);
	for (i = 0; i < 4; i++) {
		send_many(&barrier, 1, 10, i * 50);
		assert_true(barrier_is_due(&barrier, i * 50 + 50));
		put(&barrier, &marks[i], i * 50 + 50);
	}
	send_many(&barrier, 300, 10, 300);
	assert_false(barrier_is_due(&barrier, 1000));
	assert_ptr_equal(answer(&barrier, "b-00000abc-1"), &marks[0]);
	assert_true(barrier_is_due(&barrier, 1000));
	barrier_clear(&barrier);
	assert_int_equal(dropped, 3);
}

TEST(c1_5_a_confirmation_covers_the_barriers_before_it)
{
	struct barrier barrier;
	int marks[3];

	begin(&barrier);
	send_many(&barrier, 10, 100, 0);
	put(&barrier, &marks[0], 50);
	send_many(&barrier, 20, 100, 60);
	put(&barrier, &marks[1], 80);
	send_many(&barrier, 5, 100, 90);
	assert_ptr_equal(answer(&barrier, "b-00000abc-2"), &marks[1]);
	assert_int_equal(dropped, 1);
	assert_int_equal(barrier.took_ms, 100 - 80);
	assert_int_equal(barrier_room(&barrier), 1024 - 5);
	assert_false(barrier_is_clean(&barrier));
	/* A second answer to the same id says nothing new. */
	assert_null(answer(&barrier, "b-00000abc-2"));
	put(&barrier, &marks[2], 170);
	assert_ptr_equal(answer(&barrier, "b-00000abc-3"), &marks[2]);
	assert_true(barrier_is_clean(&barrier));
}

TEST(the_window_closes_by_stanzas_or_bytes_until_confirmed)
{
	struct barrier barrier;
	int mark;

	begin(&barrier);
	send_many(&barrier, 1023, 10, 0);
	assert_false(barrier_is_full(&barrier, BARRIER_DIRECT));
	send_many(&barrier, 1, 10, 0);
	assert_true(barrier_is_full(&barrier, BARRIER_DIRECT));
	assert_int_equal(barrier_room(&barrier), 0);
	put(&barrier, &mark, 0);
	answer(&barrier, "b-00000abc-1");
	assert_false(barrier_is_full(&barrier, BARRIER_DIRECT));

	send_many(&barrier, 1, 1 << 20, 0);
	assert_true(barrier_is_full(&barrier, BARRIER_DIRECT));
	assert_true(barrier_is_due(&barrier, 0));
}

TEST(a_full_window_smaller_than_a_batch_is_due)
{
	struct barrier_opts opts = { "push.example.org", "example.org", 8, 4096,
		1 << 20, drop_cb };
	struct barrier barrier;

	barrier_init(&barrier, &opts);
	barrier_reset(&barrier, EPOCH, 0);
	send_many(&barrier, 8, 10, 0);
	assert_true(barrier_is_due(&barrier, 0));
}

TEST(c1_3_answers_of_an_old_connection_confirm_nothing)
{
	struct barrier barrier;
	int mark;

	begin(&barrier);
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &mark, 50);
	barrier_reset(&barrier, EPOCH + 1, 60);
	assert_int_equal(dropped, 1);
	assert_true(barrier_is_clean(&barrier));
	send_many(&barrier, 1, 10, 70);
	put(&barrier, &mark, 120);
	assert_null(answer(&barrier, "b-00000abc-1"));
	assert_false(barrier_is_clean(&barrier));
	barrier_clear(&barrier);
}

TEST(c1_1_c1_2_only_the_server_or_our_echo_answers)
{
	struct barrier barrier;
	void *snapshot;
	int mark;

	begin(&barrier);
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &mark, 50);
	assert_false(barrier_answer(&barrier, "b-00000abc-1", "eve@example.org",
	    60, &snapshot));
	assert_false(barrier_answer(&barrier, "b-00000abc-1",
	    "push.example.org", 60, &snapshot));
	assert_false(barrier_answer(&barrier, "b-00000abc-1x", "example.org",
	    60, &snapshot));
	assert_false(
	    barrier_answer(&barrier, "b-0000", "example.org", 60, &snapshot));
	assert_false(
	    barrier_answer(&barrier, NULL, "example.org", 60, &snapshot));
	/* Never sent: the server cannot confirm what is to come. */
	assert_null(answer(&barrier, "b-00000abc-9"));
	assert_true(barrier_answer(&barrier, "b-00000abc-1",
	    "push.example.org/b", 60, &snapshot));
	assert_ptr_equal(snapshot, &mark);
}

/* What a receiver answers to a published iq has the id of its copy. */
TEST(c5_14_the_id_of_a_published_iq_is_no_barriers)
{
	static const char *const ids[] = { "b0000abc-1-1", "00000abc-1-1",
		"bbbbbbbb-1-7" };
	struct barrier barrier;
	void *snapshot;
	int mark;
	size_t i;

	begin(&barrier);
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &mark, 50);
	for (i = 0; i < ARRAY_LEN(ids); i++)
		assert_false(barrier_answer(&barrier, ids[i], "example.org", 60,
		    &snapshot));
	barrier_clear(&barrier);
}

TEST(c1_2_falls_back_to_a_headline_after_five_silent_seconds)
{
	struct barrier barrier;
	struct buf out;
	int marks[2];

	begin(&barrier);
	buf_init(&out, 0);
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &marks[0], 50);
	assert_false(barrier_wants_fallback(&barrier, 5049));
	assert_true(barrier_wants_fallback(&barrier, 5050));
	barrier_fall_back(&barrier);
	barrier_put(&barrier, &marks[1], 5050, &out);
	assert_string_equal(out.data,
	    "<message type='headline' from='push.example.org/b' "
	    "to='push.example.org/b' id='b-00000abc-2'/>");
	assert_false(barrier_wants_fallback(&barrier, 9000));
	assert_ptr_equal(answer(&barrier, "b-00000abc-2"), &marks[1]);
	assert_true(barrier_is_clean(&barrier));
	buf_clear(&out);
}

TEST(c1_6_a_minute_without_an_answer_is_a_dead_peer)
{
	struct barrier barrier;
	int mark;

	begin(&barrier);
	assert_false(barrier_is_dead(&barrier, 1000000));
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &mark, 50);
	assert_false(barrier_is_dead(&barrier, 60049));
	assert_true(barrier_is_dead(&barrier, 60050));
	barrier_clear(&barrier);
}

TEST(is_asked_again_each_second_and_any_answer_will_do)
{
	struct barrier barrier;
	int marks[2];

	begin(&barrier);
	assert_false(barrier_wants_again(&barrier, 20000));
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &marks[0], 50);
	assert_false(barrier_wants_again(&barrier, 1049));
	assert_true(barrier_wants_again(&barrier, 1050));
	again(&barrier, 1050);
	assert_false(barrier_wants_again(&barrier, 2049));
	again(&barrier, 2050);
	send_many(&barrier, 1, 10, 2060);
	put(&barrier, &marks[1], 2110);
	/* 1, 2 and 3 stood for the first, 4 is the second's. */
	assert_ptr_equal(answer(&barrier, "b-00000abc-2"), &marks[0]);
	assert_null(answer(&barrier, "b-00000abc-3"));
	assert_null(answer(&barrier, "b-00000abc-1"));
	assert_false(barrier_is_clean(&barrier));
	assert_ptr_equal(answer(&barrier, "b-00000abc-4"), &marks[1]);
	assert_true(barrier_is_clean(&barrier));
	assert_int_equal(dropped, 0);
	/* The oldest one's time goes on all the same. */
	send_many(&barrier, 1, 10, 3000);
	put(&barrier, NULL, 3000);
	again(&barrier, 62000);
	assert_true(barrier_is_dead(&barrier, 63000));
	barrier_clear(&barrier);
}

TEST(an_idle_link_is_asked_every_30_seconds)
{
	struct barrier barrier;

	begin(&barrier);
	assert_false(barrier_is_due(&barrier, 29999));
	assert_true(barrier_is_due(&barrier, 30000));
	put(&barrier, NULL, 30000);
	assert_false(barrier_is_due(&barrier, 70000));
	assert_null(answer(&barrier, "b-00000abc-1"));
	assert_false(barrier_is_due(&barrier, 30099));
	assert_true(barrier_is_due(&barrier, 30100));
}

TEST(says_when_to_look_again)
{
	struct barrier barrier;
	int mark;

	begin(&barrier);
	assert_int_equal(barrier_wait_ms(&barrier, 10000), 20000);
	send_many(&barrier, 1, 10, 10000);
	assert_int_equal(barrier_wait_ms(&barrier, 10010), 40);
	put(&barrier, &mark, 10050);
	assert_int_equal(barrier_wait_ms(&barrier, 10050), 1000);
	again(&barrier, 14900);
	assert_int_equal(barrier_wait_ms(&barrier, 14900), 150);
	assert_int_equal(barrier_wait_ms(&barrier, 20000), 1);
	barrier_fall_back(&barrier);
	again(&barrier, 69900);
	assert_int_equal(barrier_wait_ms(&barrier, 69900), 150);
	barrier_clear(&barrier);
}

/* ---- copies ---------------------------------------------------------- */

static enum barrier_heard
answer_from(struct barrier *barrier, const char *from, const char *id,
    void **snapshot)
{
	return barrier_answer(barrier, id, from, 100, snapshot);
}

TEST(c5_23_copies_are_confirmed_by_the_service_stanzas_by_the_server)
{
	static const char service[] = "multicast.example.org";
	struct barrier barrier;
	int marks[3];
	void *got;

	begin(&barrier);
	barrier_set_service(&barrier, service);
	barrier_sent_copies(&barrier, 100, 5000, 0);
	assert_int_equal(barrier_unconfirmed(&barrier), 100);
	assert_int_equal(barrier_room(&barrier), 1024);
	put(&barrier, &marks[0], 0);
	/* The server's answer says nothing of them. */
	assert_int_equal(answer_from(&barrier, "example.org", "b-00000abc-1",
	                     &got),
	    BARRIER_NOTHING_NEW);
	assert_int_equal(answer_from(&barrier, service, "b-00000abc-1", &got),
	    BARRIER_CONFIRMED);
	assert_ptr_equal(got, &marks[0]);
	assert_int_equal(barrier_unconfirmed(&barrier), 0);

	/* Both in one batch: both have to answer, in either order. */
	barrier_sent_copies(&barrier, 10, 100, 0);
	barrier_sent(&barrier, 10, 0);
	put(&barrier, &marks[1], 0);
	send_many(&barrier, 1, 10, 0);
	put(&barrier, &marks[2], 0);
	assert_int_equal(answer_from(&barrier, "example.org", "b-00000abc-3",
	                     &got),
	    BARRIER_NOTHING_NEW);
	assert_true(barrier_has_copies(&barrier));
	assert_int_equal(answer_from(&barrier, service, "b-00000abc-2", &got),
	    BARRIER_CONFIRMED);
	assert_ptr_equal(got, &marks[2]);
	assert_true(barrier_is_clean(&barrier));
	assert_false(barrier_has_copies(&barrier));
}

TEST(c5_23_asks_whom_it_has_to)
{
	struct barrier barrier;
	struct buf out;

	begin(&barrier);
	barrier_set_service(&barrier, "multicast.example.org");
	buf_init(&out, 0);
	barrier_sent_copies(&barrier, 10, 100, 0);
	barrier_put(&barrier, NULL, 0, &out);
	assert_string_equal(out.data,
	    "<iq type='get' from='push.example.org/b' "
	    "to='multicast.example.org' id='b-00000abc-1'>"
	    "<ping xmlns='urn:xmpp:ping'/></iq>");
	buf_reset(&out);
	barrier_sent_copies(&barrier, 10, 100, 0);
	barrier_sent(&barrier, 10, 0);
	barrier_put(&barrier, NULL, 0, &out);
	assert_non_null(
	    strstr(out.data, " to='example.org' id='b-00000abc-2'"));
	assert_non_null(
	    strstr(out.data, " to='multicast.example.org' id='b-00000abc-2'"));
	/* Again only whoever has not answered. */
	answer(&barrier, "b-00000abc-2");
	buf_reset(&out);
	barrier_again(&barrier, 1000, &out);
	assert_null(strstr(out.data, " to='example.org'"));
	assert_non_null(strstr(out.data, " to='multicast.example.org'"));
	buf_clear(&out);
	barrier_clear(&barrier);
}

TEST(c5_23_what_is_void_is_confirmed_without_a_snapshot)
{
	struct barrier barrier;
	uint64_t mark;
	void *got;
	int note;

	begin(&barrier);
	barrier_set_service(&barrier, "multicast.example.org");
	barrier_sent_copies(&barrier, 10, 100, 0);
	mark = barrier_mark(&barrier);
	assert_true(barrier_is_askable(&barrier, mark));
	put(&barrier, &note, 0);
	assert_false(barrier_is_askable(&barrier, mark));
	assert_int_equal(barrier_mark(&barrier), mark);
	assert_false(barrier_is_sure(&barrier, mark));
	barrier_void(&barrier);
	assert_int_equal(dropped, 1);
	assert_int_equal(answer_from(&barrier, "multicast.example.org",
	                     "b-00000abc-1", &got),
	    BARRIER_CONFIRMED);
	assert_null(got);
	assert_true(barrier_is_sure(&barrier, mark));
}

TEST(c5_23_a_service_that_does_not_answer_is_forgiven)
{
	struct barrier barrier;
	int note;

	begin(&barrier);
	barrier_set_service(&barrier, "multicast.example.org");
	barrier_sent_copies(&barrier, 10, 100, 0);
	put(&barrier, &note, 50);
	barrier_sent_copies(&barrier, 10, 100, 60);
	assert_false(barrier_wants_forgiving(&barrier, 10049));
	assert_true(barrier_wants_forgiving(&barrier, 10050));
	/* It is not the server that is silent. */
	assert_false(barrier_wants_fallback(&barrier, 10050));
	barrier_forgive(&barrier);
	assert_int_equal(dropped, 1);
	assert_false(barrier_has_copies(&barrier));
	assert_int_equal(barrier_unconfirmed(&barrier), 10);
	put(&barrier, &note, 10060);
	answer(&barrier, "b-00000abc-2");
	assert_true(barrier_is_clean(&barrier));
}

TEST(c5_23_a_lost_link_makes_all_marks_sure)
{
	struct barrier barrier;
	uint64_t mark;

	begin(&barrier);
	assert_true(barrier_is_sure(&barrier, 0));
	assert_true(barrier_is_sure(&barrier, barrier_mark(&barrier)));
	send_many(&barrier, 3, 10, 0);
	mark = barrier_mark(&barrier);
	assert_false(barrier_is_sure(&barrier, mark));
	barrier_reset(&barrier, EPOCH + 1, 0);
	assert_true(barrier_is_sure(&barrier, mark));
	send_many(&barrier, 1, 10, 0);
	assert_false(barrier_is_sure(&barrier, barrier_mark(&barrier)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    c1_4_goes_out_after_256_stanzas_or_256_kib_or_50_ms),
		cmocka_unit_test(
		    c1_1_c1_3_pings_the_server_with_epoch_and_number_in_the_id),
		cmocka_unit_test(c1_4_keeps_at_most_four_open),
		cmocka_unit_test(
		    c1_5_a_confirmation_covers_the_barriers_before_it),
		cmocka_unit_test(
		    the_window_closes_by_stanzas_or_bytes_until_confirmed),
		cmocka_unit_test(a_full_window_smaller_than_a_batch_is_due),
		cmocka_unit_test(
		    c1_3_answers_of_an_old_connection_confirm_nothing),
		cmocka_unit_test(c1_1_c1_2_only_the_server_or_our_echo_answers),
		cmocka_unit_test(c5_14_the_id_of_a_published_iq_is_no_barriers),
		cmocka_unit_test(
		    c1_2_falls_back_to_a_headline_after_five_silent_seconds),
		cmocka_unit_test(
		    c1_6_a_minute_without_an_answer_is_a_dead_peer),
		cmocka_unit_test(
		    is_asked_again_each_second_and_any_answer_will_do),
		cmocka_unit_test(an_idle_link_is_asked_every_30_seconds),
		cmocka_unit_test(says_when_to_look_again),
		cmocka_unit_test(
		    c5_23_copies_are_confirmed_by_the_service_stanzas_by_the_server),
		cmocka_unit_test(c5_23_asks_whom_it_has_to),
		cmocka_unit_test(
		    c5_23_what_is_void_is_confirmed_without_a_snapshot),
		cmocka_unit_test(
		    c5_23_a_service_that_does_not_answer_is_forgiven),
		cmocka_unit_test(c5_23_a_lost_link_makes_all_marks_sure),
	};

	return cmocka_run_group_tests_name("barrier", tests, NULL, NULL);
}
