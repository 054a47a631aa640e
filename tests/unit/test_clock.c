#include "common/base/clock.h"

#include "tests/unit/unit.h"

static void
assert_stamp(int64_t wall_ms, const char *expected)
{
	char stamp[25];

	clock_stamp(wall_ms, stamp, sizeof(stamp));
	assert_string_equal(stamp, expected);
}

TEST(a_stamp_is_that_of_xep_0082)
{
	assert_stamp(0, "1970-01-01T00:00:00.000Z");
	assert_stamp(951827696789, "2000-02-29T12:34:56.789Z");
	assert_stamp(1767323045678, "2026-01-02T03:04:05.678Z");
	assert_stamp(253402300799999, "9999-12-31T23:59:59.999Z");
}

TEST(a_time_that_four_digits_cannot_show_becomes_the_nearest)
{
	assert_stamp(-1, "1970-01-01T00:00:00.000Z");
	assert_stamp(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

TEST(a_stamp_never_passes_the_end_of_its_room)
{
	char stamp[25] = "before";

	clock_stamp(0, stamp, 24);
	assert_string_equal(stamp, "");
}

TEST(the_two_monotonic_clocks_are_one)
{
	int64_t ms = clock_mono_ms(), us = clock_mono_us();

	assert_in_range(us, ms * 1000, (clock_mono_ms() + 1) * 1000);
	assert_true(clock_wall_ms() > 1700000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_is_that_of_xep_0082),
		cmocka_unit_test(
		    a_time_that_four_digits_cannot_show_becomes_the_nearest),
		cmocka_unit_test(a_stamp_never_passes_the_end_of_its_room),
		cmocka_unit_test(the_two_monotonic_clocks_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
