#include "bosh/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST 1000

/*
 * Everything the session does is written down as words: `apply:1001`, what a
 * transport (named by a letter) is sent, `a=<text>`, `a!` for the recoverable
 * error, `a#condition`, and `over:reason`.
 */
struct record {
	struct session *session;
	struct buf log;
	int waiting; /* payloads; an answer takes all */
	char text[64];
	enum condition refuse;
};

static enum condition
record_apply(void *arg, const struct body *body)
{
	struct record *record = arg;

	buf_addf(&record->log, "apply:%d ", (int)(body->rid - FIRST));
	return record->refuse;
}

static bool
record_waiting(void *arg)
{
	return ((struct record *)arg)->waiting > 0;
}

static struct slice
record_render(void *arg, struct session_answer *answer)
{
	struct record *record = arg;
	int n = 0;

	if (answer->payload) {
		n = record->waiting;
		record->waiting = 0;
	}
	snprintf(record->text, sizeof(record->text), "%s%d",
	    answer->created ? "new" : "", n);
	if (answer->attrs.ack != 0)
		snprintf(record->text + strlen(record->text), 32, ",ack%d",
		    (int)(answer->attrs.ack - FIRST));
	if (answer->attrs.report != 0)
		snprintf(record->text + strlen(record->text), 32,
		    ",report%d/%d", (int)(answer->attrs.report - FIRST),
		    (int)answer->attrs.report_ms);
	return (struct slice){ record->text, strlen(record->text) };
}

static void
record_send(void *arg, void *transport, enum session_reply reply,
    enum condition condition, struct slice text)
{
	struct record *record = arg;

	buf_addc(&record->log, *(char *)transport);
	if (reply == REPLY_ERROR)
		buf_adds(&record->log, "! ");
	else if (reply == REPLY_END)
		buf_addf(&record->log, "#%s ", condition_name(condition));
	else if (text.p == body_empty)
		buf_adds(&record->log, "=0 ");
	else
		buf_addf(&record->log, "=%.*s ", (int)text.len, text.p);
}

static void
record_ended(void *arg, enum condition condition UNUSED, bool told UNUSED,
    const char *reason)
{
	buf_addf(&((struct record *)arg)->log, "over:%s ", reason);
}

static const struct session_ops record_ops = { record_apply, record_waiting,
	record_render, record_send, record_ended };

static char letters[128];

static void *
transport(char c)
{
	letters[(int)c] = c;
	return &letters[(int)c];
}

static void
record_init(struct record *record, const struct session_opts *opts)
{
	memset(record, 0, sizeof(*record));
	buf_init(&record->log, 0);
	record->session = session_create(opts, &record_ops, record, 0);
}

static void
record_clear(struct record *record)
{
	session_free(record->session);
	buf_clear(&record->log);
}

static struct body
request(int n)
{
	return (struct body){ .has_rid = true,
		.rid = (uint64_t)(FIRST + n),
		.pause_s = -1,
		.wait_s = -1,
		.hold = -1 };
}

static void
receive_body(struct record *record, struct body body, char c, int64_t now)
{
	session_receive(record->session, &body, transport(c), now);
}

static void
receive(struct record *record, int n, char c, int64_t now)
{
	receive_body(record, request(n), c, now);
	session_flush(record->session, now);
}

static void
offer(struct record *record, int64_t now)
{
	record->waiting++;
	session_flush(record->session, now);
}

static void
said(struct record *record, const char *words)
{
	assert_string_equal(record->log.data == NULL ? "" : record->log.data,
	    words);
	buf_reset(&record->log);
}

static const struct session_opts usual = { FIRST, 60000, 1, 30000, 2000, 120000,
	false };

/* A session whose creation is answered. */
static void
begin(struct record *record)
{
	record_init(record, &usual);
	receive(record, 0, 'c', 0);
	said(record, "apply:0 c=new0 ");
}

static void
answers_the_creation_at_once(void **state UNUSED)
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
holds_until_something_waits(void **state UNUSED)
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
answers_empty_when_the_wait_is_over(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	assert_int_equal(session_deadline(record.session), 60010);
	session_timeout(record.session, 60009);
	said(&record, "apply:1 ");
	session_timeout(record.session, 60010);
	said(&record, "a=0 ");
	record_clear(&record);
}

static void
releases_the_oldest_when_more_is_held(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	receive(&record, 2, 'b', 20);
	said(&record, "apply:1 apply:2 a=0 ");
	assert_int_equal(session_deadline(record.session), 60020);
	record_clear(&record);
}

static void
applies_and_answers_in_order(void **state UNUSED)
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
replays_the_last_reply_on_repeat(void **state UNUSED)
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
ends_on_a_repeat_no_longer_kept(void **state UNUSED)
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
ends_on_a_rid_past_the_window(void **state UNUSED)
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
swaps_the_transport_of_a_held_repeat(void **state UNUSED)
{
	struct record record;

	begin(&record);
	receive(&record, 1, 'a', 10);
	receive(&record, 1, 'b', 20000);
	said(&record, "apply:1 a! ");
	assert_int_equal(session_deadline(record.session), 60010);
	offer(&record, 20001);
	said(&record, "b=1 ");
	record_clear(&record);
}

static void
swaps_the_transport_of_an_early_repeat(void **state UNUSED)
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
gives_the_payload_to_the_next_rid_when_a_held_one_died(void **state UNUSED)
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
gives_the_payload_to_the_repeat_when_a_held_one_died(void **state UNUSED)
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
is_inactive_only_while_nothing_is_held(void **state UNUSED)
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
pauses_with_empty_answers(void **state UNUSED)
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
allows_a_pause_one_rid_more(void **state UNUSED)
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
clamps_a_pause_to_the_longest(void **state UNUSED)
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
tells_the_oldest_of_a_terminate(void **state UNUSED)
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

static void
ends_on_more_requests_than_allowed(void **state UNUSED)
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
does_not_count_dead_transports(void **state UNUSED)
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
limits_the_repeats_of_one_rid(void **state UNUSED)
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

static void
wants_the_same_key_for_a_repeat(void **state UNUSED)
{
	struct record record;
	struct body body = request(1);

	begin(&record);
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

static const struct session_opts holding = { FIRST, 60000, 2, 30000, 2000,
	120000, false };

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

static const struct session_opts polling = { FIRST, 0, 1, 30000, 2000, 120000,
	false };

static void
answers_polls_at_once(void **state UNUSED)
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
ends_on_empty_polls_in_a_row(void **state UNUSED)
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

static const struct session_opts acking = { FIRST, 60000, 1, 30000, 2000,
	120000, true };

static void
acknowledges_requests(void **state UNUSED)
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
forgets_answers_that_were_acknowledged(void **state UNUSED)
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
reports_an_answer_that_was_not_acknowledged(void **state UNUSED)
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
tells_the_offender_what_its_payload_did(void **state UNUSED)
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

/* ---- at random, against a reference ---------------------------------- */

/*
 * The reference keeps every rid there ever was in one long array, looks at all
 * of it each time, and knows nothing of slots.  It covers a session with hold 1
 * whose requests are neither pauses nor ends.
 */
#define STEPS 120
enum phase {
	NEVER,
	EARLY,
	HELD,
	ANSWERED
};
struct naive {
	enum phase phase[STEPS * 2];
	char who[STEPS * 2]; /* 0: dead */
	int text[STEPS * 2];
	int64_t at[STEPS * 2];
	int repeats[STEPS * 2];
	int waiting;
	bool over;
	struct buf log;
};

static int
naive_first(const struct naive *naive, enum phase a, enum phase b)
{
	int n = 0;

	while (naive->phase[n] == a || naive->phase[n] == b)
		n++;
	return n;
}

static void
naive_answer(struct naive *naive, int n, int text)
{
	naive->phase[n] = ANSWERED;
	naive->text[n] = text;
	naive->repeats[n] = 0;
	if (naive->who[n] != 0)
		buf_addf(&naive->log, "%c=%d ", naive->who[n], text);
	naive->who[n] = 0;
}

static void
naive_flush(struct naive *naive, int64_t now)
{
	int n, next;

	for (;;) {
		n = naive_first(naive, ANSWERED, ANSWERED);
		next = naive_first(naive, ANSWERED, HELD);
		if (naive->over || n == next)
			return;
		if (naive->who[n] == 0) {
			if (next == n + 1)
				return;
			naive_answer(naive, n, 0);
		} else if (naive->waiting > 0) {
			naive_answer(naive, n, naive->waiting);
			naive->waiting = 0;
		} else if (next > n + 1 || now >= naive->at[n] + 60000)
			naive_answer(naive, n, 0);
		else
			return;
	}
}

static void
naive_end(struct naive *naive, char who, const char *condition,
    const char *reason)
{
	naive->over = true;
	buf_addf(&naive->log, "%c#%s ", who, condition);
	for (int n = 0; n < STEPS * 2; n++)
		if (naive->who[n] != 0)
			buf_addf(&naive->log, "%c#other-request ",
			    naive->who[n]);
	buf_addf(&naive->log, "over:%s ", reason);
}

static void
naive_receive(struct naive *naive, int n, char who, int64_t now)
{
	int next = naive_first(naive, ANSWERED, HELD);
	int answered = naive_first(naive, ANSWERED, ANSWERED) - 1;
	int live = 0;

	if (naive->phase[n] == ANSWERED && n > answered - 2) {
		if (++naive->repeats[n] > SESSION_REPEATS_MAX)
			naive_end(naive, who, "policy-violation",
			    "repeats too often");
		else
			buf_addf(&naive->log, "%c=%s%d ", who,
			    n == 0 ? "new" : "", naive->text[n]);
		return;
	}
	if (naive->phase[n] == EARLY || naive->phase[n] == HELD) {
		if (++naive->repeats[n] > SESSION_REPEATS_MAX) {
			naive_end(naive, who, "policy-violation",
			    "repeats too often");
			return;
		}
		if (naive->who[n] != 0)
			buf_addf(&naive->log, "%c! ", naive->who[n]);
		naive->who[n] = who;
		return;
	}
	if (n < next || n > next + 1) {
		naive_end(naive, who, "item-not-found",
		    "rid outside the window");
		return;
	}
	naive->phase[n] = EARLY;
	naive->who[n] = who;
	naive->at[n] = now;
	for (int i = 0; i < STEPS * 2; i++)
		live += naive->who[i] != 0;
	if (live > 2) {
		naive->who[n] = 0;
		naive_end(naive, who, "policy-violation",
		    "too many requests at once");
		return;
	}
	while (naive->phase[next] == EARLY) {
		buf_addf(&naive->log, "apply:%d ", next);
		naive->phase[next++] = HELD;
	}
}

static void
naive_abort(struct naive *naive, char who)
{
	for (int n = 0; n < STEPS * 2; n++)
		if (naive->who[n] == who)
			naive->who[n] = 0;
}

static int
pick(unsigned *seed, int n)
{
	return rand_r(seed) % n;
}

static void
step(struct record *record, struct naive *naive, unsigned *seed, int i,
    int64_t now)
{
	int next = naive_first(naive, ANSWERED, HELD), n, early;
	/* A letter that no request waiting has: they are never more than 4. */
	char who = (char)('a' + i % 26);

	switch (pick(seed, 10)) {
	case 0:
	case 1:
		record->waiting++;
		naive->waiting++;
		break;
	case 2:
		who = (char)('a' + (i + 25) % 26);
		session_abort(record->session, transport(who), now);
		naive_abort(naive, who);
		break;
	case 3:
		n = next - 1 - pick(seed, 3);
		if (n < 0)
			return;
		receive_body(record, request(n), who, now);
		naive_receive(naive, n, who, now);
		break;
	default:
		early = naive->phase[next + 1] != EARLY && pick(seed, 6) == 0;
		/* Rarely more than is allowed, which ends the session. */
		if (early && pick(seed, 20) > 0) {
			record->waiting++;
			naive->waiting++;
			session_flush(record->session, now);
			naive_flush(naive, now);
		}
		n = next + early + pick(seed, 200) / 199;
		receive_body(record, request(n), who, now);
		naive_receive(naive, n, who, now);
	}
	session_flush(record->session, now);
	naive_flush(naive, now);
}

static void
behaves_like_the_reference_at_random(void **state UNUSED)
{
	struct record record;
	struct naive naive;
	int64_t now;

	for (unsigned seed = 1; seed <= 2000; seed++) {
		unsigned dice = seed;

		begin(&record);
		memset(&naive, 0, sizeof(naive));
		buf_init(&naive.log, 0);
		naive.phase[0] = ANSWERED;
		now = 0;
		for (int i = 0; i < STEPS && !naive.over; i++) {
			now += 1 + pick(&dice, 40) / 39 * 1000;
			step(&record, &naive, &dice, i, now);
			assert_int_equal(session_is_over(record.session),
			    naive.over);
			if (!naive.over)
				assert_int_equal(session_next(record.session),
				    FIRST +
				        naive_first(&naive, ANSWERED, HELD));
		}
		buf_addc(&naive.log, '.');
		buf_addc(&record.log, '.');
		assert_string_equal(record.log.data, naive.log.data);
		buf_clear(&naive.log);
		record_clear(&record);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_the_creation_at_once),
		cmocka_unit_test(holds_until_something_waits),
		cmocka_unit_test(answers_empty_when_the_wait_is_over),
		cmocka_unit_test(releases_the_oldest_when_more_is_held),
		cmocka_unit_test(applies_and_answers_in_order),
		cmocka_unit_test(replays_the_last_reply_on_repeat),
		cmocka_unit_test(ends_on_a_repeat_no_longer_kept),
		cmocka_unit_test(ends_on_a_rid_past_the_window),
		cmocka_unit_test(swaps_the_transport_of_a_held_repeat),
		cmocka_unit_test(swaps_the_transport_of_an_early_repeat),
		cmocka_unit_test(
		    gives_the_payload_to_the_next_rid_when_a_held_one_died),
		cmocka_unit_test(
		    gives_the_payload_to_the_repeat_when_a_held_one_died),
		cmocka_unit_test(is_inactive_only_while_nothing_is_held),
		cmocka_unit_test(ends_when_the_missing_rid_never_comes),
		cmocka_unit_test(pauses_with_empty_answers),
		cmocka_unit_test(allows_a_pause_one_rid_more),
		cmocka_unit_test(clamps_a_pause_to_the_longest),
		cmocka_unit_test(tells_the_oldest_of_a_terminate),
		cmocka_unit_test(ends_on_more_requests_than_allowed),
		cmocka_unit_test(does_not_count_dead_transports),
		cmocka_unit_test(limits_the_repeats_of_one_rid),
		cmocka_unit_test(wants_the_same_key_for_a_repeat),
		cmocka_unit_test(holds_two_and_answers_the_oldest),
		cmocka_unit_test(answers_polls_at_once),
		cmocka_unit_test(ends_on_empty_polls_in_a_row),
		cmocka_unit_test(acknowledges_requests),
		cmocka_unit_test(forgets_answers_that_were_acknowledged),
		cmocka_unit_test(reports_an_answer_that_was_not_acknowledged),
		cmocka_unit_test(tells_the_offender_what_its_payload_did),
		cmocka_unit_test(releases_all_that_is_held),
		cmocka_unit_test(behaves_like_the_reference_at_random),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
