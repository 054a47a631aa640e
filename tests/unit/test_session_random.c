#include <stdlib.h>

#include "tests/unit/session_fixture.h"

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
		} else if (next > n + 1 || now >= naive->at[n] + 59750)
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
test_G1_G2_G3_G4_G8_H3_behaves_like_the_reference_at_random(void **state UNUSED)
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_G1_G2_G3_G4_G8_H3_behaves_like_the_reference_at_random),
	};

	return cmocka_run_group_tests_name("session_random", tests, NULL, NULL);
}
