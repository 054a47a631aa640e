/* A session taken up again after a restart. */
#include "bosh/session.h"

#include "tests/unit/session_fixture.h"

/* Up to which rid it was stored, and the window. */
static void
resume(struct record *record, int rid, int window,
    const struct session_opts *opts)
{
	struct session_past past = { .rid = (uint64_t)(FIRST + rid),
		.window = (uint64_t)window,
		.inactivity_ms = 30000 };

	memset(record, 0, sizeof(*record));
	buf_init(&record->log, 0);
	record->session = session_resume(opts, &past, &record_ops, record, 0);
}

static void
put_back(struct record *record, int rid, const char *text)
{
	session_put_back(record->session, (uint64_t)(FIRST + rid),
	    (struct slice){ text, strlen(text) });
}

TEST(the_next_request_goes_on)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	receive(&record, 6, 'a', 10);
	said(&record, "apply:6 ");
	offer(&record, 20);
	said(&record, "a=1 ");
	record_clear(&record);
}

TEST(a_repeat_of_what_took_effect_is_held_and_has_none)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	receive(&record, 5, 'a', 10);
	said(&record, "");
	offer(&record, 20);
	said(&record, "a=1 ");
	receive(&record, 4, 'b', 30);
	said(&record, "b=0 ");
	receive(&record, 3, 'c', 40);
	said(&record, "c#item-not-found over:rid outside the window ");
	record_clear(&record);
}

TEST(an_answer_that_was_kept_is_the_same_again)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	put_back(&record, 3, "gone");
	put_back(&record, 5, "kept");
	receive(&record, 5, 'a', 10);
	receive(&record, 4, 'b', 10);
	said(&record, "a=kept b=0 ");
	assert_true(session_has_texts(record.session));
	receive(&record, 6, 'c', 20);
	said(&record, "apply:6 ");
	record_clear(&record);
}

TEST(the_first_rid_within_the_window_is_the_base)
{
	struct record record;

	resume(&record, 5, 10, &usual);
	receive(&record, 15, 'a', 10);
	said(&record, "");
	receive(&record, 14, 'b', 20);
	said(&record, "apply:14 apply:15 b=0 ");
	record_clear(&record);
	resume(&record, 5, 10, &usual);
	receive(&record, 16, 'a', 10);
	said(&record, "a#item-not-found over:rid outside the window ");
	record_clear(&record);
}

TEST(what_may_be_on_its_way_is_waited_for_a_moment)
{
	struct record record;
	struct body late;

	resume(&record, 5, 100, &usual);
	receive(&record, 15, 'a', 10);
	assert_int_equal(session_deadline(record.session), 310);
	session_timeout(record.session, 309);
	said(&record, "");
	session_timeout(record.session, 310);
	said(&record, "apply:15 ");
	receive(&record, 14, 'b', 320);
	said(&record, "b=0 ");
	late = request(14);
	late.has_payload = true;
	receive_body(&record, late, 'c', 330);
	said(&record, "c#item-not-found a#other-request over:rid passed over ");
	record_clear(&record);
}

TEST(a_later_request_proves_that_none_is_missing)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	receive(&record, 15, 'a', 10);
	receive(&record, 16, 'b', 20);
	said(&record, "apply:15 apply:16 a=0 ");
	assert_int_equal(session_held(record.session), 1);
	record_clear(&record);
}

TEST(an_acknowledgement_says_what_is_missing)
{
	static const struct session_opts acks = OPTS(60000, 1, .acks = true);
	struct record record;
	struct body body = request(15);

	resume(&record, 5, 100, &acks);
	receive_body(&record, body, 'a', 10);
	said(&record, "apply:15 ");
	record_clear(&record);
	resume(&record, 5, 100, &acks);
	body.has_ack = true;
	body.ack = FIRST + 13;
	receive_body(&record, body, 'a', 10);
	said(&record, "");
	receive(&record, 14, 'b', 20);
	said(&record, "apply:14 apply:15 b=0,ack15 ");
	record_clear(&record);
}

TEST(only_the_first_request_may_be_far)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	receive(&record, 6, 'a', 10);
	receive(&record, 50, 'b', 20);
	said(&record,
	    "apply:6 b#item-not-found a#other-request "
	    "over:rid outside the window ");
	record_clear(&record);
}

TEST(inactivity_counts_from_the_restart)
{
	struct record record;

	resume(&record, 5, 100, &usual);
	session_timeout(record.session, 29999);
	said(&record, "");
	session_timeout(record.session, 30000);
	said(&record, "over:inactivity ");
	record_clear(&record);
}

TEST(repeats_of_a_session_with_keys_need_theirs)
{
	static const struct session_opts keys = OPTS(60000, 1, .keys = true);
	struct record record;
	struct body body = request(5);

	resume(&record, 5, 100, &keys);
	record.knows_key = true;
	body.key = (struct slice){ "right", 5 };
	receive_body(&record, body, 'a', 10);
	said(&record, "");
	record_clear(&record);
	resume(&record, 5, 100, &keys);
	receive_body(&record, body, 'a', 10);
	said(&record, "a#item-not-found over:repeat with another key ");
	record_clear(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_request_goes_on),
		cmocka_unit_test(
		    a_repeat_of_what_took_effect_is_held_and_has_none),
		cmocka_unit_test(an_answer_that_was_kept_is_the_same_again),
		cmocka_unit_test(the_first_rid_within_the_window_is_the_base),
		cmocka_unit_test(what_may_be_on_its_way_is_waited_for_a_moment),
		cmocka_unit_test(a_later_request_proves_that_none_is_missing),
		cmocka_unit_test(an_acknowledgement_says_what_is_missing),
		cmocka_unit_test(only_the_first_request_may_be_far),
		cmocka_unit_test(inactivity_counts_from_the_restart),
		cmocka_unit_test(repeats_of_a_session_with_keys_need_theirs),
	};

	return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
