#include <stdlib.h>

#include "tests/unit/session_fixture.h"

/* ---- at random, against a reference ---------------------------------- */

/*
 * The reference keeps every rid there ever was in one long array, looks at all
 * of it each time, and knows nothing of slots.  It covers sessions that hold
 * one or two: requests early, repeated, lost with their connection or
 * answered in vain, pauses, the end, and time that passes.  Keys and
 * acknowledgements are left to test_session.c.
 */
#define STEPS      120
#define RIDS       (STEPS * 2)
#define WAIT       59750
#define INACTIVITY 30000
enum phase {
	NEVER,
	EARLY,
	HELD,
	ANSWERED
};
enum kind {
	PLAIN,
	PAUSE,
	TERMINATE
};
struct naive {
	int hold;
	enum phase phase[RIDS];
	enum kind kind[RIDS];
	char who[RIDS]; /* 0: dead */
	bool at_once[RIDS];
	int text[RIDS];
	int64_t at[RIDS];
	int repeats[RIDS];
	int64_t repeat_at[RIDS];
	int waiting;
	int64_t active_at;
	int64_t pause;
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

static int
naive_live(const struct naive *naive, enum phase phase)
{
	int live = 0;

	for (int n = 0; n < RIDS; n++)
		live += naive->phase[n] == phase && naive->who[n] != 0;
	return live;
}

static void
naive_answer(struct naive *naive, int n, int text, int64_t now)
{
	naive->phase[n] = ANSWERED;
	naive->text[n] = text;
	naive->repeats[n] = 0;
	naive->active_at = now;
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
			naive_answer(naive, n, 0, now);
		} else if (naive->waiting > 0 && !naive->at_once[n]) {
			naive_answer(naive, n, naive->waiting, now);
			naive->waiting = 0;
		} else if (naive->at_once[n] || next > n + naive->hold ||
		    now >= naive->at[n] + WAIT)
			naive_answer(naive, n, 0, now);
		else
			return;
	}
}

/* Who 0: nobody is to blame, the oldest is told the condition. */
static void
naive_end(struct naive *naive, char who, const char *condition,
    const char *others, const char *reason)
{
	const char *say = condition;

	naive->over = true;
	if (who != 0) {
		buf_addf(&naive->log, "%c#%s ", who, condition);
		say = others;
	}
	for (int n = 0; n < RIDS; n++) {
		if (naive->who[n] == 0)
			continue;
		if (say == NULL)
			buf_addf(&naive->log, "%c=0 ", naive->who[n]);
		else
			buf_addf(&naive->log, "%c#%s ", naive->who[n], say);
		say = others;
	}
	buf_addf(&naive->log, "over:%s ", reason);
}

static void
naive_refuse(struct naive *naive, char who, const char *condition,
    const char *reason)
{
	naive_end(naive, who, condition, "other-request", reason);
}

/* Is its answer still kept?  Those to pauses are not counted. */
static bool
naive_is_kept(const struct naive *naive, int n)
{
	int answered = naive_first(naive, ANSWERED, ANSWERED) - 1, newer = 0;

	for (int i = n + 1; i <= answered; i++)
		newer += naive->kind[i] == PLAIN;
	return naive->phase[n] == ANSWERED && newer <= naive->hold &&
	    answered - n < 2 * (naive->hold + 1);
}

static void
naive_repeat(struct naive *naive, int n, char who, int64_t now)
{
	if (naive->repeats[n] == 0 || now - naive->repeat_at[n] > 10000) {
		naive->repeats[n] = 0;
		naive->repeat_at[n] = now;
	}
	if (++naive->repeats[n] > SESSION_REPEATS_MAX)
		naive_refuse(naive, who, "policy-violation",
		    "repeats too often");
	else if (naive->phase[n] == ANSWERED)
		buf_addf(&naive->log, "%c=%s%d ", who, n == 0 ? "new" : "",
		    naive->text[n]);
	else {
		if (naive->who[n] != 0)
			buf_addf(&naive->log, "%c! ", naive->who[n]);
		naive->who[n] = who;
	}
}

static void
naive_apply(struct naive *naive, int n)
{
	buf_addf(&naive->log, "apply:%d ", n);
	naive->phase[n] = HELD;
	if (naive->kind[n] == TERMINATE)
		naive_end(naive, 0, "", NULL, "terminate");
	if (naive->kind[n] != PAUSE)
		return;
	naive->pause = 100000;
	for (int i = 0; i <= n; i++)
		naive->at_once[i] |= naive->phase[i] == HELD;
}

static void
naive_receive(struct naive *naive, int n, enum kind kind, char who, int64_t now)
{
	int next = naive_first(naive, ANSWERED, HELD), plain = 0;

	naive->active_at = now;
	if (naive_is_kept(naive, n) || naive->phase[n] == EARLY ||
	    naive->phase[n] == HELD) {
		naive_repeat(naive, n, who, now);
		return;
	}
	if (n < next || n > next + naive->hold + (kind != PLAIN)) {
		naive_refuse(naive, who, "item-not-found",
		    "rid outside the window");
		return;
	}
	naive->pause = 0;
	naive->phase[n] = EARLY;
	naive->kind[n] = kind;
	naive->who[n] = who;
	naive->at[n] = now;
	for (int i = 0; i < RIDS; i++)
		plain += naive->who[i] != 0 && naive->kind[i] == PLAIN;
	if (kind == PLAIN && plain > naive->hold + 1) {
		naive->who[n] = 0;
		naive_refuse(naive, who, "policy-violation",
		    "too many requests at once");
		return;
	}
	while (!naive->over && naive->phase[next] == EARLY)
		naive_apply(naive, next++);
}

static void
naive_abort(struct naive *naive, char who, int64_t now)
{
	for (int n = 0; n < RIDS; n++)
		if (naive->who[n] == who) {
			naive->who[n] = 0;
			if (naive_live(naive, HELD) == 0)
				naive->active_at = now;
		}
}

static int64_t
naive_deadline(const struct naive *naive)
{
	for (int n = 0; n < RIDS; n++)
		if (naive->phase[n] == HELD && naive->who[n] != 0)
			return naive->at[n] + WAIT;
	return naive->active_at +
	    (naive->pause > 0 ? naive->pause : INACTIVITY);
}

static void
naive_timeout(struct naive *naive, int64_t now)
{
	naive_flush(naive, now);
	if (naive_live(naive, HELD) == 0 && now >= naive_deadline(naive))
		naive_end(naive, 0, "item-not-found", NULL, "inactivity");
}

/* ---- both ------------------------------------------------------------ */

static int
pick(unsigned *seed, int n)
{
	return rand_r(seed) % n;
}

static void
both_receive(struct record *record, struct naive *naive, int n, enum kind kind,
    char who, int64_t now)
{
	struct body body = request(n);

	body.terminate = kind == TERMINATE;
	if (kind == PAUSE)
		body.pause_s = 100;
	receive_body(record, body, who, now);
	naive_receive(naive, n, kind, who, now);
}

static void
both_flush(struct record *record, struct naive *naive, int64_t now)
{
	session_flush(record->session, now);
	naive_flush(naive, now);
}

/* A new request, which is the next one or, now and then, comes early; rarely
 * more than is allowed, which ends the session. */
static void
step_new(struct record *record, struct naive *naive, unsigned *seed, char who,
    int64_t now)
{
	int next = naive_first(naive, ANSWERED, HELD), n = next;
	int dice = pick(seed, 300);
	enum kind kind = dice < 12 ? PAUSE : dice == 12 ? TERMINATE : PLAIN;

	while (n < next + naive->hold + (kind != PLAIN) &&
	    (naive->phase[n] == EARLY || pick(seed, 6) == 0))
		n++;
	if (naive->phase[n] == EARLY)
		n = next;
	if (naive_live(naive, HELD) + naive_live(naive, EARLY) > naive->hold &&
	    pick(seed, 20) > 0) {
		record->waiting++;
		naive->waiting++;
		both_flush(record, naive, now);
	}
	both_receive(record, naive, n + pick(seed, 300) / 299 * 9, kind, who,
	    now);
}

static void
step(struct record *record, struct naive *naive, unsigned *seed, int i,
    int64_t now)
{
	/* A letter that no request waiting has. */
	char who = (char)('0' + i % 75);
	int n;

	switch (pick(seed, 10)) {
	case 0:
	case 1:
		record->waiting++;
		naive->waiting++;
		break;
	case 2:
		who = (char)('0' + (i + 75 - 1 - pick(seed, 3)) % 75);
		session_abort(record->session, transport(who), now);
		naive_abort(naive, who, now);
		break;
	case 3:
		n = naive_first(naive, ANSWERED, HELD) - 1 - pick(seed, 3);
		if (n >= 0)
			both_receive(record, naive, n, PLAIN, who, now);
		break;
	default:
		step_new(record, naive, seed, who, now);
	}
	both_flush(record, naive, now);
}

/* Mostly little, at times as much as a session bears, or more. */
static int64_t
pass(unsigned *seed)
{
	switch (pick(seed, 40)) {
	case 0:
		return pick(seed, 12000);
	case 1:
		return pick(seed, 70000) / (1 + pick(seed, 4));
	default:
		return 1 + pick(seed, 100);
	}
}

static void
run(unsigned seed, int *ends)
{
	const struct session_opts opts = OPTS(60000, 1 + (int)seed % 2);
	struct naive naive = { .hold = opts.hold };
	struct record record;
	int64_t now = 0;

	record_init(&record, &opts);
	receive(&record, 0, 'c', 0);
	buf_reset(&record.log);
	naive.phase[0] = ANSWERED;
	buf_init(&naive.log, 0);
	for (int i = 0; i < STEPS && !naive.over; i++) {
		now += pass(&seed);
		if (now >= session_deadline(record.session)) {
			session_timeout(record.session, now);
			naive_timeout(&naive, now);
		}
		if (!naive.over)
			step(&record, &naive, &seed, i, now);
		assert_int_equal(session_is_over(record.session), naive.over);
		if (naive.over)
			break;
		assert_int_equal(session_next(record.session),
		    FIRST + naive_first(&naive, ANSWERED, HELD));
		assert_int_equal(session_held(record.session),
		    naive_live(&naive, HELD));
		assert_int_equal(session_deadline(record.session),
		    naive_deadline(&naive));
	}
	*ends += naive.over;
	buf_addc(&naive.log, '.');
	buf_addc(&record.log, '.');
	assert_string_equal(record.log.data, naive.log.data);
	buf_clear(&naive.log);
	record_clear(&record);
}

static void
test_G1_G2_G3_G4_G8_H3_behaves_like_the_reference_at_random(void **state UNUSED)
{
	int ends = 0;

	for (unsigned seed = 1; seed <= 3000; seed++)
		run(seed, &ends);
	/* Neither too wild to live nor too tame to end. */
	assert_in_range(ends, 300, 2900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_G1_G2_G3_G4_G8_H3_behaves_like_the_reference_at_random),
	};

	return cmocka_run_group_tests_name("session_random", tests, NULL, NULL);
}
