/* When a session ends or bears with its client: waits, counts and keys. */
#include "tests/unit/session_fixture.h"

static void
test_H5_H6_is_inactive_only_while_nothing_is_held(void **state UNUSED)
{
	struct record record;

	begin(&record);
	assert_int_equal(session_deadline(record.session), 30000);
	receive(&record, 1, 'a', 10000);
	session_timeout(record.session, 45000);
	assert_false(session_is_over(record.session));
	session_abort(record.session, transport('a'), 50000);
	assert_int_equal(session_deadline(record.session), 80000);
	session_timeout(record.session, 79999);
	said(&record, "apply:1 ");
	session_timeout(record.session, 80000);
	said(&record, "over:inactivity ");
	record_clear(&record);
}

static void
ends_when_the_missing_rid_never_comes(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 2, 'a', 10);
	session_timeout(record.session, 30010);
	said(&record, "a#item-not-found over:inactivity ");
	record_clear(&record);
}

static void
test_H8_pauses_with_empty_answers(void **state UNUSED)
{
	struct record record;
	struct body body = request(2);

	begin(&record);
	receive(&record, 1, 'a', 10);
	record.waiting = 1;
	body.pause_s = 100;
	receive_body(&record, body, 'b', 20);
	session_flush(record.session, 20);
	said(&record, "apply:1 apply:2 a=0 b=0 ");
	assert_int_equal(session_deadline(record.session), 100020);
	receive(&record, 3, 'd', 90000);
	said(&record, "apply:3 d=1 ");
	assert_int_equal(session_deadline(record.session), 120000);
	record_clear(&record);
}

static void
test_G2_J6_allows_a_pause_one_rid_more(void **state UNUSED)
{
	struct record record;
	struct body body = request(3);

	begin(&record);
	body.terminate = true;
	receive(&record, 2, 'b', 5);
	receive_body(&record, body, 'c', 10);
	session_flush(record.session, 10);
	said(&record, "");
	receive(&record, 1, 'a', 20);
	said(&record, "apply:1 apply:2 apply:3 a# b=0 c=0 over:terminate ");
	record_clear(&record);
}

static void
test_H9_clamps_a_pause_to_the_longest(void **state UNUSED)
{
	struct record record;
	struct body body = request(1);

	begin(&record);
	body.pause_s = 9999;
	receive_body(&record, body, 'a', 0);
	session_flush(record.session, 0);
	assert_int_equal(session_deadline(record.session), 120000);
	record_clear(&record);
}

static void
test_H10_ends_on_more_requests_than_allowed(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive_body(&record, request(1), 'a', 10);
	receive_body(&record, request(2), 'b', 10);
	receive_body(&record, request(3), 'd', 10);
	said(&record,
	    "apply:1 apply:2 d#policy-violation a#other-request "
	    "b#other-request over:too many requests at once ");
	record_clear(&record);
}

static void
test_H10_does_not_count_dead_transports(void **state UNUSED)
{
	struct record record;

	begin(&record);
	for (int n = 1; n < 40; n++) {
		receive_body(&record, request(n), 'a', n);
		session_abort(record.session, transport('a'), n);
	}
	receive_body(&record, request(40), 'b', 50);
	assert_false(session_is_over(record.session));
	buf_reset(&record.log);
	offer(&record, 60);
	said(&record, "b=1 ");
	record_clear(&record);
}

static void
test_G5_limits_the_repeats_of_one_rid(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 0);
	for (int i = 0; i < SESSION_REPEATS_MAX; i++)
		receive(&record, 1, 'a', i);
	assert_false(session_is_over(record.session));
	buf_reset(&record.log);
	receive(&record, 1, 'b', 100);
	said(&record,
	    "b#policy-violation a#other-request over:repeats too often ");
	record_clear(&record);
}

static const struct session_opts keyed = OPTS(60000, 1, .keys = true);

static void
test_F3_wants_the_same_key_for_a_repeat(void **state UNUSED)
{
	struct record record;
	struct body body = request(1);

	record_init(&record, &keyed);
	receive(&record, 0, 'c', 0);
	buf_reset(&record.log);
	record.waiting = 1;
	body.key = (struct slice){ "k", 1 };
	receive_body(&record, body, 'a', 0);
	session_flush(record.session, 0);
	receive_body(&record, body, 'b', 0);
	said(&record, "apply:1 a=1 b=1 ");
	receive(&record, 1, 'd', 0);
	said(&record, "d#item-not-found over:repeat with another key ");
	record_clear(&record);
}

static void
test_F2_looks_at_no_key_where_none_was_announced(void **state UNUSED)
{
	struct record record;
	struct body body = request(1);

	begin(&record);
	body.key = (struct slice){ "k", 1 };
	receive_body(&record, body, 'a', 0);
	receive(&record, 1, 'b', 0);
	said(&record, "apply:1 a! ");
	offer(&record, 10);
	body.key = (struct slice){ "other", 5 };
	receive_body(&record, body, 'd', 0);
	said(&record, "b=1 d=1 ");
	record_clear(&record);
}

/* §14.3: it is the answers to requests that are no pauses that are counted. */
static void
test_G3_keeps_as_many_answers_beside_those_to_pauses(void **state UNUSED)
{
	struct record record;
	struct body body;

	begin(&record);
	for (int n = 1; n <= 7; n++) {
		record.waiting = n;
		body = request(n);
		body.pause_s = n == 2 || n == 4 || n == 5 ? 100 : -1;
		receive_body(&record, body, 'a', n);
		session_flush(record.session, n);
		if (n == 4) {
			buf_reset(&record.log);
			receive(&record, 1, 'b', n);
			receive(&record, 2, 'd', n);
			receive(&record, 3, 'e', n);
			said(&record, "b=1 d=0 e=3 ");
		}
	}
	buf_reset(&record.log);
	receive(&record, 6, 'd', 8);
	said(&record, "d=6 ");
	receive(&record, 3, 'e', 8);
	said(&record, "e#item-not-found over:rid outside the window ");
	record_clear(&record);
}

static const struct session_opts polling = OPTS(0, 1);

static void
test_H13_answers_polls_at_once(void **state UNUSED)
{
	struct record record;

	record_init(&record, &polling);
	receive(&record, 0, 'c', 0);
	receive(&record, 1, 'a', 5000);
	said(&record, "apply:0 c=new0 apply:1 a=0 ");
	assert_int_equal(session_requests(record.session), 1);
	assert_int_equal(session_hold(record.session), 0);
	assert_int_equal(session_inactivity_ms(record.session), 34000);
	record_clear(&record);
}

static void
test_H14_ends_on_empty_polls_in_a_row(void **state UNUSED)
{
	struct record record;

	record_init(&record, &polling);
	record.waiting = 1;
	receive(&record, 0, 'c', 0);
	receive(&record, 1, 'a', 500);
	record.waiting = 1;
	receive(&record, 2, 'a', 2500);
	receive(&record, 3, 'a', 2600);
	assert_false(session_is_over(record.session));
	buf_reset(&record.log);
	receive(&record, 4, 'b', 4599);
	said(&record, "b#policy-violation over:polling too often ");
	record_clear(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_H5_H6_is_inactive_only_while_nothing_is_held),
		cmocka_unit_test(ends_when_the_missing_rid_never_comes),
		cmocka_unit_test(test_H8_pauses_with_empty_answers),
		cmocka_unit_test(test_G2_J6_allows_a_pause_one_rid_more),
		cmocka_unit_test(test_H9_clamps_a_pause_to_the_longest),
		cmocka_unit_test(test_H10_ends_on_more_requests_than_allowed),
		cmocka_unit_test(test_H10_does_not_count_dead_transports),
		cmocka_unit_test(test_G5_limits_the_repeats_of_one_rid),
		cmocka_unit_test(test_F3_wants_the_same_key_for_a_repeat),
		cmocka_unit_test(
		    test_F2_looks_at_no_key_where_none_was_announced),
		cmocka_unit_test(
		    test_G3_keeps_as_many_answers_beside_those_to_pauses),
		cmocka_unit_test(test_H13_answers_polls_at_once),
		cmocka_unit_test(test_H14_ends_on_empty_polls_in_a_row),
	};

	return cmocka_run_group_tests_name("session_limits", tests, NULL, NULL);
}
