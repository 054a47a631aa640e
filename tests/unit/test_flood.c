#include "component/flood.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static enum flood_verdict
take(struct flood *flood, const char *jid, int64_t now_ms)
{
	return flood_take(flood, jid, strlen(jid), true, now_ms);
}

TEST(c9_7_a_burst_is_ten_seconds_at_the_rate)
{
	struct flood *flood = flood_create(10, 100);
	int i;

	for (i = 0; i < 100; i++)
		assert_int_equal(take(flood, "a@b", 5000), FLOOD_TAKE);
	assert_int_equal(take(flood, "a@b", 5000), FLOOD_TELL);
	/* Nobody else notices. */
	assert_int_equal(take(flood, "c@b", 5000), FLOOD_TAKE);
	/* From then on one in a tenth of a second. */
	assert_int_equal(take(flood, "a@b", 5099), FLOOD_DROP);
	assert_int_equal(take(flood, "a@b", 5100), FLOOD_TAKE);
	assert_int_equal(take(flood, "a@b", 5100), FLOOD_DROP);
	/* And all of it again after as long a rest. */
	for (i = 0; i < 100; i++)
		assert_int_equal(take(flood, "a@b", 16000), FLOOD_TAKE);
	assert_int_equal(take(flood, "a@b", 16000), FLOOD_TELL);
	flood_free(flood);
}

TEST(one_who_sends_too_much_is_told_once_a_second)
{
	struct flood *flood = flood_create(1, 100);
	int i, told = 0;

	for (i = 0; i < 10; i++)
		take(flood, "a@b", 1000);
	for (i = 0; i < 3000; i++)
		told += take(flood, "a@b", 1000 + i) == FLOOD_TELL;
	assert_int_equal(told, 3);
	flood_free(flood);
}

TEST(what_may_not_be_answered_is_dropped_in_silence)
{
	struct flood *flood = flood_create(1, 100);
	int i;

	for (i = 0; i < 10; i++)
		take(flood, "a@b", 1000);
	assert_int_equal(flood_take(flood, "a@b", 3, false, 1000), FLOOD_DROP);
	assert_int_equal(take(flood, "a@b", 1000), FLOOD_TELL);
	flood_free(flood);
}

TEST(the_table_is_bounded_and_forgets_who_has_recovered)
{
	struct flood *flood = flood_create(10, 50);
	char jid[16];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(jid, sizeof(jid), "u%d@b", i);
		assert_int_equal(take(flood, jid, 1000), FLOOD_TAKE);
	}
	assert_int_equal(flood_count(flood), 50);
	/* A second later, which is past their one stanza, there is room. */
	assert_int_equal(take(flood, "new@b", 2001), FLOOD_TAKE);
	assert_int_equal(flood_count(flood), 1);
	flood_free(flood);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c9_7_a_burst_is_ten_seconds_at_the_rate),
		cmocka_unit_test(one_who_sends_too_much_is_told_once_a_second),
		cmocka_unit_test(
		    what_may_not_be_answered_is_dropped_in_silence),
		cmocka_unit_test(
		    the_table_is_bounded_and_forgets_who_has_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
