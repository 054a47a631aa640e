#include "component/retry.h"

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define MAX_MS 60000

TEST(c4_1_waits_twice_as_long_each_time_up_to_the_maximum)
{
	struct retry retry = { 0 };
	const int64_t want[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000,
		60000 };
	int64_t wait;
	size_t i;

	for (i = 0; i < ARRAY_LEN(want); i++) {
		wait =
		    retry_down(&retry, LINK_END_REFUSED, false, 0, MAX_MS, 0);
		assert_int_equal(wait, want[i] - want[i] / 5);
	}
}

TEST(jitter_stays_within_a_fifth)
{
	uint32_t chance;
	int64_t wait;

	for (chance = 0; chance < 100000; chance += 7) {
		struct retry retry = { 0 };

		wait =
		    retry_down(&retry, LINK_END_LOST, false, 0, MAX_MS, chance);
		assert_in_range(wait, 800, 1200);
	}
}

TEST(c4_1_five_minutes_down_are_at_most_fifteen_attempts)
{
	struct retry retry = { 0 };
	int64_t now = 0;
	int attempts = 0;

	while (now < 300000) {
		now +=
		    retry_down(&retry, LINK_END_REFUSED, false, now, MAX_MS, 0);
		attempts++;
	}
	assert_in_range(attempts, 5, 15);
}

TEST(c4_1_starts_over_only_after_a_stable_minute)
{
	struct retry retry = { 0 };

	retry_down(&retry, LINK_END_LOST, false, 0, MAX_MS, 0);
	retry_up(&retry, 1000);
	assert_int_equal(retry_down(&retry, LINK_END_LOST, true, 5000, MAX_MS,
	                     0),
	    1600);
	retry_up(&retry, 10000);
	assert_int_equal(retry_down(&retry, LINK_END_LOST, true, 70000, MAX_MS,
	                     0),
	    800);
}

TEST(c2_7_faults_of_configuration_are_retried_slowly_and_name_the_fix)
{
	struct retry retry = { 0 };

	assert_int_equal(retry_down(&retry, LINK_END_SECRET, false, 0, 600000,
	                     0),
	    48000);
	assert_int_equal(retry_down(&retry, LINK_END_HOST, false, 0, 600000, 0),
	    48000);
	assert_int_equal(retry_down(&retry, LINK_END_CONFLICT, false, 0, 600000,
	                     0),
	    24000);
	assert_non_null(strstr(link_end_fix(LINK_END_SECRET), "secret"));
	assert_non_null(strstr(link_end_fix(LINK_END_HOST), "Component"));
	assert_non_null(strstr(link_end_fix(LINK_END_CONFLICT), "kick_old"));
}

/* Who held the domain before us is known, and may be frozen with its link. */
TEST(c2_7_a_conflict_after_a_takeover_is_retried_quickly)
{
	struct retry retry = { .eager_ms = 5000 };

	assert_int_equal(retry_down(&retry, LINK_END_CONFLICT, false, 4999,
	                     MAX_MS, 0),
	    800);
	assert_int_equal(retry_down(&retry, LINK_END_CONFLICT, false, 4999,
	                     MAX_MS, 0),
	    800);
	assert_int_equal(retry_down(&retry, LINK_END_SECRET, false, 4999,
	                     MAX_MS, 0),
	    48000);
	assert_int_equal(retry_down(&retry, LINK_END_CONFLICT, false, 5000,
	                     MAX_MS, 0),
	    24000);
}

TEST(never_waits_longer_than_configured)
{
	struct retry retry = { 0 };
	int64_t wait =
	    retry_down(&retry, LINK_END_SECRET, false, 0, 2000, 0xffffffff);

	assert_in_range(wait, 1600, 2400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    c4_1_waits_twice_as_long_each_time_up_to_the_maximum),
		cmocka_unit_test(jitter_stays_within_a_fifth),
		cmocka_unit_test(
		    c4_1_five_minutes_down_are_at_most_fifteen_attempts),
		cmocka_unit_test(c4_1_starts_over_only_after_a_stable_minute),
		cmocka_unit_test(
		    c2_7_faults_of_configuration_are_retried_slowly_and_name_the_fix),
		cmocka_unit_test(
		    c2_7_a_conflict_after_a_takeover_is_retried_quickly),
		cmocka_unit_test(never_waits_longer_than_configured),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
