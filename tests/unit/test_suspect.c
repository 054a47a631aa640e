#include "component/suspect.h"

#include "tests/unit/unit.h"

TEST(blames_the_only_stanza_out_at_the_third_end)
{
	struct suspect suspect = { 0 };

	assert_false(suspect_end(&suspect, 7, 100000));
	assert_false(suspect_is_careful(&suspect, 100000));
	assert_false(suspect_end(&suspect, 7, 101000));
	assert_true(suspect_is_careful(&suspect, 101000));
	assert_false(suspect_skips(&suspect, 7));
	assert_true(suspect_end(&suspect, 7, 102000));
	assert_true(suspect_skips(&suspect, 7));
	assert_false(suspect_skips(&suspect, 8));
	assert_false(suspect_is_careful(&suspect, 102000));
}

TEST(blames_nobody_while_more_than_one_was_out)
{
	struct suspect suspect = { 0 };
	int i;

	for (i = 0; i < 5; i++)
		assert_false(suspect_end(&suspect, 0, 100000 + i));
	assert_true(suspect_is_careful(&suspect, 100010));
	assert_true(suspect_end(&suspect, 9, 100020));
}

TEST(ends_far_apart_have_nothing_to_do_with_each_other)
{
	struct suspect suspect = { 0 };

	suspect_end(&suspect, 7, 100000);
	suspect_end(&suspect, 7, 100000 + SUSPECT_QUIET_MS);
	assert_false(suspect_is_careful(&suspect, 100000 + SUSPECT_QUIET_MS));
}

TEST(goes_fast_again_after_a_quiet_minute)
{
	struct suspect suspect = { 0 };

	suspect_end(&suspect, 0, 100000);
	suspect_end(&suspect, 0, 101000);
	assert_true(suspect_is_careful(&suspect, 160999));
	assert_false(suspect_is_careful(&suspect, 161000));
}

TEST(remembers_the_newest_items_only)
{
	struct suspect suspect = { 0 };
	uint64_t seq;

	for (seq = 1; seq <= SUSPECT_SKIPS + 1; seq++) {
		suspect.careful = true;
		suspect_end(&suspect, seq, 100000);
	}
	assert_false(suspect_skips(&suspect, 1));
	assert_true(suspect_skips(&suspect, 2));
	assert_true(suspect_skips(&suspect, SUSPECT_SKIPS + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blames_the_only_stanza_out_at_the_third_end),
		cmocka_unit_test(blames_nobody_while_more_than_one_was_out),
		cmocka_unit_test(
		    ends_far_apart_have_nothing_to_do_with_each_other),
		cmocka_unit_test(goes_fast_again_after_a_quiet_minute),
		cmocka_unit_test(remembers_the_newest_items_only),
	};

	return cmocka_run_group_tests_name("suspect", tests, NULL, NULL);
}
