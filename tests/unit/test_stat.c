#include "common/base/stat.h"

#include <pthread.h>

#include "tests/unit/unit.h"

static struct stat_metric stat_b = STAT_COUNTER("waft_b_total", "B.", NULL);
static struct stat_metric stat_a2 =
    STAT_COUNTER("waft_a_total", "Line\none \\", "reason=\"two\"");
static struct stat_metric stat_gauge = STAT_GAUGE("waft_c", "C.", "");
static struct stat_metric stat_a1 =
    STAT_COUNTER("waft_a_total", "Line\none \\", "reason=\"one\"");
static struct stat_metric stat_twin =
    STAT_COUNTER("waft_a_total", "Line\none \\", "reason=\"one\"");
static struct stat_metric stat_unused =
    STAT_COUNTER("waft_unused_total", "U.", NULL);

TEST(prints_each_name_once_and_nothing_unused)
{
	struct buf out;

	stat_add(&stat_b, 3);
	stat_add(&stat_a2, 1);
	stat_set(&stat_gauge, 7);
	stat_add(&stat_gauge, -9);
	stat_add(&stat_a1, 40);
	stat_add(&stat_twin, 2);
	assert_int_equal(stat_get(&stat_unused), 0);
	buf_init(&out, 0);
	stat_print(&out);
	assert_string_equal(out.data,
	    "# HELP waft_a_total Line\\none \\\\\n"
	    "# TYPE waft_a_total counter\n"
	    "waft_a_total{reason=\"one\"} 42\n"
	    "waft_a_total{reason=\"two\"} 1\n"
	    "# HELP waft_b_total B.\n"
	    "# TYPE waft_b_total counter\n"
	    "waft_b_total 3\n"
	    "# HELP waft_c C.\n"
	    "# TYPE waft_c gauge\n"
	    "waft_c -2\n");
	buf_clear(&out);
}

static struct stat_times stat_hold = STAT_TIMES("waft_d_seconds", "D.");

TEST(counts_times_in_buckets_each_with_those_below)
{
	static const int64_t took[] = { 0, 10, 11, 1000, 1001, 60000, 60001,
		999999 };
	struct buf out;

	for (size_t i = 0; i < ARRAY_LEN(took); i++)
		stat_took(&stat_hold, took[i]);
	buf_init(&out, 0);
	stat_print(&out);
	assert_non_null(strstr(out.data,
	    "# HELP waft_d_seconds D.\n"
	    "# TYPE waft_d_seconds histogram\n"
	    "waft_d_seconds_bucket{le=\"0.01\"} 2\n"
	    "waft_d_seconds_bucket{le=\"0.1\"} 3\n"
	    "waft_d_seconds_bucket{le=\"1\"} 4\n"
	    "waft_d_seconds_bucket{le=\"10\"} 5\n"
	    "waft_d_seconds_bucket{le=\"60\"} 6\n"
	    "waft_d_seconds_bucket{le=\"+Inf\"} 8\n"
	    "waft_d_seconds_sum 1122.022\n"
	    "waft_d_seconds_count 8\n"));
	buf_clear(&out);
}

#define STAT_THREADS 4
#define STAT_EACH    64

static struct stat_metric stat_many[STAT_EACH];
static pthread_barrier_t stat_barrier;

static void *
stat_count(__attribute__((unused)) void *arg)
{
	int i;

	pthread_barrier_wait(&stat_barrier);
	for (i = 0; i < STAT_EACH; i++)
		stat_add(&stat_many[i], 1);
	return NULL;
}

TEST(threads_that_meet_at_the_first_use_register_once)
{
	pthread_t threads[STAT_THREADS];
	const char *found;
	struct buf out;
	int i, lines = 0;

	pthread_barrier_init(&stat_barrier, NULL, STAT_THREADS);
	for (i = 0; i < STAT_EACH; i++)
		stat_many[i] =
		    (struct stat_metric)STAT_COUNTER("waft_many_total", "Many.",
		        NULL);
	for (i = 0; i < STAT_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stat_count,
		                     NULL),
		    0);
	for (i = 0; i < STAT_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&stat_barrier);
	buf_init(&out, 0);
	stat_print(&out);
	/* Had one been on the list twice, its value would count twice. */
	for (found = out.data; (found = strstr(found, "\nwaft_many_total "));
	     found++) {
		lines++;
		assert_memory_equal(found, "\nwaft_many_total 256\n", 21);
	}
	assert_int_equal(lines, 1);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_each_name_once_and_nothing_unused),
		cmocka_unit_test(counts_times_in_buckets_each_with_those_below),
		cmocka_unit_test(
		    threads_that_meet_at_the_first_use_register_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
