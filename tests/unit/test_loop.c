#include "common/base/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "tests/unit/unit.h"

/* What ran, a letter each, in order. */
static char trace[64];

struct step {
	struct loop *loop;
	const char *letter;
	struct deferred work;
	struct deferred *then; /* deferred while this one runs */
};

static void
trace_add(const char *letter)
{
	assert_true(strlen(trace) + strlen(letter) < sizeof(trace));
	strcat(trace, letter);
}

static void
step_cb(void *arg)
{
	struct step *step = arg;

	trace_add(step->letter);
	if (step->then != NULL)
		loop_defer(step->loop, step->then);
}

static void
post_cb(void *arg)
{
	trace_add(arg);
}

static void
step_init(struct step *step, struct loop *loop, enum loop_stage stage,
    const char *letter)
{
	*step = (struct step){ .loop = loop, .letter = letter };
	loop_defer_init(&step->work, stage, step_cb, step);
}

static int
loop_setup(void **state)
{
	/* What fails here mostly fails by waiting for ever. */
	alarm(60);
	trace[0] = '\0';
	*state = loop_create();
	return 0;
}

static int
loop_teardown(void **state)
{
	loop_free(*state);
	alarm(0);
	return 0;
}

static void
posts_then_stages_run_in_their_order(void **state)
{
	struct step again, deliver, flush, reap;
	static char a[] = "a", b[] = "b";

	step_init(&again, *state, LOOP_READ, "A");
	step_init(&deliver, *state, LOOP_DELIVER, "D");
	step_init(&flush, *state, LOOP_FLUSH, "F");
	step_init(&reap, *state, LOOP_REAP, "R");
	loop_defer(*state, &reap.work);
	loop_defer(*state, &flush.work);
	loop_defer(*state, &deliver.work);
	loop_defer(*state, &again.work);
	loop_post(*state, post_cb, a);
	loop_post(*state, post_cb, b);
	loop_turn(*state, true);
	assert_string_equal(trace, "abADFR");
}

static void
a_later_stage_runs_in_the_same_turn_an_earlier_in_the_next(void **state)
{
	struct step deliver, flush, reap;

	step_init(&deliver, *state, LOOP_DELIVER, "D");
	step_init(&flush, *state, LOOP_FLUSH, "F");
	step_init(&reap, *state, LOOP_REAP, "R");
	flush.then = &reap.work;
	reap.then = &deliver.work;
	loop_defer(*state, &flush.work);
	loop_turn(*state, true);
	assert_string_equal(trace, "FR");
	/* May not wait, or this would never end. */
	loop_turn(*state, true);
	assert_string_equal(trace, "FRD");
}

static void
deferred_twice_runs_once(void **state)
{
	struct step flush;

	step_init(&flush, *state, LOOP_FLUSH, "F");
	loop_defer(*state, &flush.work);
	loop_defer(*state, &flush.work);
	loop_turn(*state, false);
	loop_turn(*state, false);
	assert_string_equal(trace, "F");
}

static void
work_that_defers_itself_runs_once_a_turn(void **state)
{
	struct step deliver, flush;

	step_init(&deliver, *state, LOOP_DELIVER, "D");
	step_init(&flush, *state, LOOP_FLUSH, "F");
	deliver.then = &deliver.work;
	loop_defer(*state, &deliver.work);
	loop_turn(*state, true);
	loop_defer(*state, &flush.work);
	loop_turn(*state, true);
	deliver.then = NULL;
	loop_turn(*state, true);
	loop_turn(*state, false);
	assert_string_equal(trace, "DDFD");
}

static void
cancelled_work_does_not_run(void **state)
{
	struct step first, last;

	step_init(&first, *state, LOOP_FLUSH, "1");
	step_init(&last, *state, LOOP_FLUSH, "2");
	loop_defer(*state, &first.work);
	loop_defer(*state, &last.work);
	loop_defer_cancel(*state, &last.work);
	loop_turn(*state, true);
	assert_string_equal(trace, "1");
	/* Put off to the next turn and taken off from there. */
	loop_defer(*state, &first.work);
	loop_defer_cancel(*state, &first.work);
	loop_defer_cancel(*state, &first.work);
	loop_turn(*state, false);
	assert_string_equal(trace, "1");
	loop_defer(*state, &last.work);
	loop_turn(*state, true);
	assert_string_equal(trace, "12");
}

static void
reaped_memory_outlives_the_stages(void **state)
{
	struct step reap;
	static char x[] = "x";

	step_init(&reap, *state, LOOP_REAP, "R");
	loop_reap(*state, post_cb, x);
	loop_defer(*state, &reap.work);
	assert_string_equal(trace, "");
	loop_turn(*state, true);
	assert_string_equal(trace, "Rx");
}

static struct loop *repost_loop;

static void
repost_cb(void *arg)
{
	trace_add("p");
	loop_post(repost_loop, post_cb, arg);
}

static void
a_post_from_a_post_is_next_turns(void **state)
{
	static char q[] = "q";

	repost_loop = *state;
	loop_post(*state, repost_cb, q);
	loop_turn(*state, true);
	assert_string_equal(trace, "p");
	loop_turn(*state, true);
	assert_string_equal(trace, "pq");
}

static void
free_runs_what_is_left(__attribute__((unused)) void **state)
{
	struct loop *loop = loop_create();
	static char q[] = "q", x[] = "x";
	struct step endless;

	trace[0] = '\0';
	repost_loop = loop;
	step_init(&endless, loop, LOOP_FLUSH, "");
	endless.then = &endless.work;
	loop_defer(loop, &endless.work);
	loop_post(loop, repost_cb, q);
	loop_reap(loop, post_cb, x);
	loop_free(loop);
	assert_string_equal(trace, "pxq");
}

#define POSTERS   3
#define POST_EACH 20000

struct poster {
	struct loop *loop;
	int sent, taken;
	bool in_order;
	int *left;
};

struct parcel {
	struct poster *poster;
	int number;
};

static void
parcel_cb(void *arg)
{
	struct parcel *parcel = arg;
	struct poster *poster = parcel->poster;

	if (parcel->number != poster->taken++)
		poster->in_order = false;
	free(parcel);
	if (--*poster->left == 0)
		loop_stop(poster->loop);
}

static void *
poster_main(void *arg)
{
	struct poster *poster = arg;
	struct parcel *parcel;

	for (; poster->sent < POST_EACH; poster->sent++) {
		parcel = xmalloc(sizeof(*parcel));
		*parcel = (struct parcel){ poster, poster->sent };
		loop_post(poster->loop, parcel_cb, parcel);
	}
	return NULL;
}

static void
no_post_of_another_thread_is_lost_or_overtaken(void **state)
{
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	int i, left = POSTERS * POST_EACH;

	for (i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ .loop = *state,
			.in_order = true,
			.left = &left };
		assert_int_equal(pthread_create(&threads[i], NULL, poster_main,
		                     &posters[i]),
		    0);
	}
	loop_run(*state);
	for (i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(posters[i].taken, POST_EACH);
		assert_true(posters[i].in_order);
	}
}

struct pair {
	struct loop *here, *there;
	int left;
};

static void pair_ping_cb(void *arg);

static void
pair_pong_cb(void *arg)
{
	struct pair *pair = arg;

	if (--pair->left == 0) {
		loop_stop(pair->there);
		loop_stop(pair->here);
		return;
	}
	loop_post(pair->here, pair_ping_cb, pair);
}

static void
pair_ping_cb(void *arg)
{
	struct pair *pair = arg;

	loop_post(pair->there, pair_pong_cb, pair);
}

static void *
pair_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* One token: at each post its taker has nothing else to do, so a wake that is
 * lost between the look at the queue and the wait would end in the alarm. */
static void
a_sleeping_loop_is_woken_by_each_post(void **state)
{
	struct pair pair = { *state, loop_create(), 20000 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, pair_main, pair.there),
	    0);
	loop_post(pair.here, pair_ping_cb, &pair);
	loop_run(pair.here);
	pthread_join(thread, NULL);
	assert_int_equal(pair.left, 0);
	loop_free(pair.there);
}

static void
stop_before_run_is_not_lost(void **state)
{
	loop_stop(*state);
	loop_run(*state);
	loop_stop(*state);
	loop_run(*state);
}

static void
now_stands_still_within_a_turn(void **state)
{
	long long now = loop_now_ms(*state);
	int64_t until = clock_mono_ms() + 2;

	while (clock_mono_ms() < until)
		continue;
	assert_true(loop_now_ms(*state) == now);
	loop_turn(*state, false);
	assert_true(loop_now_ms(*state) >= until);
}

/* What /metrics says of turns that took too long. */
static int
slow_turns(void)
{
	static const char name[] = "\nwaft_loop_slow_turns_total ";
	struct buf text;
	const char *line;
	int turns = 0;

	buf_init(&text, 0);
	stat_print(&text);
	line = strstr(text.data, name);
	if (line != NULL)
		turns = (int)strtol(line + sizeof(name) - 1, NULL, 10);
	buf_clear(&text);
	return turns;
}

static void
busy_cb(UNUSED void *arg)
{
	int64_t until = clock_mono_ms() + LOOP_SLOW_MS + 10;

	while (clock_mono_ms() < until)
		continue;
}

static void
timer_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	loop_stop(arg);
}

static void
a_turn_that_takes_long_is_counted_but_waiting_is_not(void **state)
{
	struct timeval wait = { 0, (LOOP_SLOW_MS + 10) * 1000 };
	int before = slow_turns();

	event_base_once(loop_base(*state), -1, EV_TIMEOUT, timer_cb, *state,
	    &wait);
	loop_run(*state);
	assert_int_equal(slow_turns(), before);
	loop_post(*state, busy_cb, NULL);
	loop_turn(*state, false);
	assert_int_equal(slow_turns(), before + 1);
}

static void
signal_stop_cb(void *arg)
{
	trace_add("s");
	loop_stop(arg);
}

static void
signal_reload_cb(void *arg)
{
	trace_add("r");
	loop_stop(arg);
}

static void
signals_arrive_as_calls_and_a_broken_pipe_kills_nobody(void **state)
{
	loop_on_signals(*state, signal_stop_cb, signal_reload_cb, *state);
	raise(SIGPIPE);
	raise(SIGHUP);
	loop_run(*state);
	raise(SIGTERM);
	loop_run(*state);
	raise(SIGINT);
	loop_run(*state);
	assert_string_equal(trace, "rss");
}

#define LOOP_TEST(rule) \
	cmocka_unit_test_setup_teardown(rule, loop_setup, loop_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(posts_then_stages_run_in_their_order),
		LOOP_TEST(
		    a_later_stage_runs_in_the_same_turn_an_earlier_in_the_next),
		LOOP_TEST(deferred_twice_runs_once),
		LOOP_TEST(work_that_defers_itself_runs_once_a_turn),
		LOOP_TEST(cancelled_work_does_not_run),
		LOOP_TEST(reaped_memory_outlives_the_stages),
		LOOP_TEST(a_post_from_a_post_is_next_turns),
		cmocka_unit_test(free_runs_what_is_left),
		LOOP_TEST(no_post_of_another_thread_is_lost_or_overtaken),
		LOOP_TEST(a_sleeping_loop_is_woken_by_each_post),
		LOOP_TEST(stop_before_run_is_not_lost),
		LOOP_TEST(now_stands_still_within_a_turn),
		LOOP_TEST(a_turn_that_takes_long_is_counted_but_waiting_is_not),
		LOOP_TEST(
		    signals_arrive_as_calls_and_a_broken_pipe_kills_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
