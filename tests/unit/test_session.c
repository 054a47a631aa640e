#include "bosh/session.h"

#include "tests/unit/session_fixture.h"

static void
test_E3_E11_answers_the_creation_at_once(void **state UNUSED)
{
	struct record record;

	record_init(&record, &usual);
	record.waiting = 1;
	receive(&record, 0, 'c', 0);
	said(&record, "apply:0 c=new1 ");
	assert_int_equal(session_requests(record.session), 2);
	assert_int_equal(session_hold(record.session), 1);
	record_clear(&record);
}

static void
test_H1_H2_holds_until_something_waits(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	said(&record, "apply:1 ");
	assert_int_equal(session_held(record.session), 1);
	offer(&record, 20);
	said(&record, "a=1 ");
	offer(&record, 30);
	said(&record, "");
	receive(&record, 2, 'b', 40);
	said(&record, "apply:2 b=1 ");
	record_clear(&record);
}

static void
test_H2_answers_empty_when_the_wait_is_over(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	assert_int_equal(session_deadline(record.session), 59760);
	session_timeout(record.session, 59759);
	said(&record, "apply:1 ");
	session_timeout(record.session, 59760);
	said(&record, "a=0 ");
	record_clear(&record);
}

static void
test_H3_releases_the_oldest_when_more_is_held(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	receive(&record, 2, 'b', 20);
	said(&record, "apply:1 apply:2 a=0 ");
	assert_int_equal(session_deadline(record.session), 59770);
	record_clear(&record);
}

static void
test_G1_applies_and_answers_in_order(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 2, 'b', 10);
	said(&record, "");
	receive(&record, 1, 'a', 20);
	said(&record, "apply:1 apply:2 a=0 ");
	record_clear(&record);
}

static void
test_G3_replays_the_last_reply_on_repeat(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	offer(&record, 20);
	record.waiting = 3;
	receive(&record, 2, 'b', 30);
	said(&record, "apply:1 a=1 apply:2 b=3 ");
	receive(&record, 1, 'd', 40);
	receive(&record, 2, 'e', 50);
	said(&record, "d=1 e=3 ");
	record_clear(&record);
}

static void
test_G6_J9_ends_on_a_repeat_no_longer_kept(void **state UNUSED)
{
	struct record record;

	begin(&record);
	for (int n = 1; n <= 3; n++) {
		record.waiting = 1;
		receive(&record, n, 'a', n);
	}
	buf_reset(&record.log);
	receive(&record, 4, 'h', 5);
	receive(&record, 1, 'x', 6);
	said(&record,
	    "apply:4 x#item-not-found h#other-request "
	    "over:rid outside the window ");
	assert_int_equal(session_deadline(record.session), INT64_MAX);
	record_clear(&record);
}

static void
test_G2_J9_ends_on_a_rid_past_the_window(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 2, 'a', 1);
	said(&record, "");
	receive(&record, 3, 'b', 2);
	said(&record,
	    "b#item-not-found a#other-request over:rid outside the window ");
	record_clear(&record);
}

static void
test_G4_swaps_the_transport_of_a_held_repeat(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	receive(&record, 1, 'b', 20000);
	said(&record, "apply:1 a! ");
	assert_int_equal(session_deadline(record.session), 59760);
	offer(&record, 20001);
	said(&record, "b=1 ");
	record_clear(&record);
}

static void
test_G4_swaps_the_transport_of_an_early_repeat(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 2, 'a', 10);
	receive(&record, 2, 'b', 20);
	said(&record, "a! ");
	receive(&record, 1, 'c', 30);
	said(&record, "apply:1 apply:2 c=0 ");
	offer(&record, 40);
	said(&record, "b=1 ");
	record_clear(&record);
}

static void
test_G8_gives_the_payload_to_the_next_rid_when_a_held_one_died(
    void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	assert_true(session_abort(record.session, transport('a'), 20));
	assert_false(session_abort(record.session, transport('a'), 20));
	offer(&record, 30);
	said(&record, "apply:1 ");
	receive(&record, 2, 'b', 40);
	said(&record, "apply:2 b=1 ");
	receive(&record, 1, 'd', 50);
	said(&record, "d=0 ");
	record_clear(&record);
}

static void
test_G8_gives_the_payload_to_the_repeat_when_a_held_one_died(
    void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	session_abort(record.session, transport('a'), 20);
	offer(&record, 30);
	receive(&record, 1, 'b', 40);
	said(&record, "apply:1 b=1 ");
	record_clear(&record);
}

static void
test_J5_tells_the_oldest_of_a_terminate(void **state UNUSED)
{
	struct record record;
	struct body body = request(1);

	begin(&record);
	body.terminate = true;
	receive_body(&record, body, 'a', 10);
	said(&record, "apply:1 a# over:terminate ");
	record_clear(&record);
	begin(&record);
	receive(&record, 1, 'a', 10);
	body = request(2);
	body.terminate = true;
	receive_body(&record, body, 'b', 20);
	said(&record, "apply:1 apply:2 a# b=0 over:terminate ");
	record_clear(&record);
}

static const struct session_opts holding = OPTS(60000, 2);

static void
holds_two_and_answers_the_oldest(void **state UNUSED)
{
	struct record record;

	record_init(&record, &holding);
	assert_int_equal(session_requests(record.session), 3);
	receive(&record, 0, 'c', 0);
	receive(&record, 1, 'a', 10);
	receive(&record, 2, 'b', 20);
	said(&record, "apply:0 c=new0 apply:1 apply:2 ");
	offer(&record, 30);
	said(&record, "a=1 ");
	receive(&record, 3, 'd', 40);
	session_abort(record.session, transport('b'), 50);
	offer(&record, 60);
	said(&record, "apply:3 d=1 ");
	receive(&record, 2, 'e', 70);
	receive(&record, 1, 'f', 80);
	said(&record, "e=0 f=1 ");
	record_clear(&record);
}

static const struct session_opts acking = OPTS(60000, 1, .acks = true);

static void
test_G11_acknowledges_requests(void **state UNUSED)
{
	struct record record;

	record_init(&record, &acking);
	receive(&record, 0, 'c', 0);
	receive(&record, 1, 'a', 10);
	receive(&record, 2, 'b', 20);
	said(&record, "apply:0 c=new0 apply:1 apply:2 a=0,ack2 ");
	record_clear(&record);
}

static void
test_G12_forgets_answers_that_were_acknowledged(void **state UNUSED)
{
	struct record record;

	record_init(&record, &acking);
	receive(&record, 0, 'c', 0);
	record.waiting = 1;
	receive(&record, 1, 'a', 10);
	receive(&record, 2, 'b', 20);
	buf_reset(&record.log);
	receive(&record, 1, 'd', 30);
	said(&record,
	    "d#item-not-found b#other-request over:rid outside the window ");
	record_clear(&record);
}

static void
test_G13_reports_an_answer_that_was_not_acknowledged(void **state UNUSED)
{
	struct record record;
	struct body body;

	record_init(&record, &acking);
	receive(&record, 0, 'c', 0);
	record.waiting = 1;
	receive(&record, 1, 'a', 10);
	buf_reset(&record.log);
	body = request(2);
	body.has_ack = true;
	body.ack = FIRST;
	receive_body(&record, body, 'b', 110);
	session_flush(record.session, 110);
	said(&record, "apply:2 b=0,report1/100 ");
	body = request(3);
	body.has_ack = true;
	body.ack = FIRST;
	receive_body(&record, body, 'd', 200);
	session_flush(record.session, 200);
	said(&record, "apply:3 ");
	record_clear(&record);
}

static void
test_J9_tells_the_offender_what_its_payload_did(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	record.refuse = COND_BAD_REQUEST;
	receive(&record, 2, 'b', 20);
	said(&record,
	    "apply:1 apply:2 b#bad-request a#other-request over:refused ");
	record_clear(&record);
}

static void
releases_all_that_is_held(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	session_release(record.session, 20);
	said(&record, "apply:1 a=0 ");
	assert_false(session_is_over(record.session));
	record_clear(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_E3_E11_answers_the_creation_at_once),
		cmocka_unit_test(test_H1_H2_holds_until_something_waits),
		cmocka_unit_test(test_H2_answers_empty_when_the_wait_is_over),
		cmocka_unit_test(test_H3_releases_the_oldest_when_more_is_held),
		cmocka_unit_test(test_G1_applies_and_answers_in_order),
		cmocka_unit_test(test_G3_replays_the_last_reply_on_repeat),
		cmocka_unit_test(test_G6_J9_ends_on_a_repeat_no_longer_kept),
		cmocka_unit_test(test_G2_J9_ends_on_a_rid_past_the_window),
		cmocka_unit_test(test_G4_swaps_the_transport_of_a_held_repeat),
		cmocka_unit_test(
		    test_G4_swaps_the_transport_of_an_early_repeat),
		cmocka_unit_test(
		    test_G8_gives_the_payload_to_the_next_rid_when_a_held_one_died),
		cmocka_unit_test(
		    test_G8_gives_the_payload_to_the_repeat_when_a_held_one_died),
		cmocka_unit_test(test_J5_tells_the_oldest_of_a_terminate),
		cmocka_unit_test(holds_two_and_answers_the_oldest),
		cmocka_unit_test(test_G11_acknowledges_requests),
		cmocka_unit_test(
		    test_G12_forgets_answers_that_were_acknowledged),
		cmocka_unit_test(
		    test_G13_reports_an_answer_that_was_not_acknowledged),
		cmocka_unit_test(
		    test_J9_tells_the_offender_what_its_payload_did),
		cmocka_unit_test(releases_all_that_is_held),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
