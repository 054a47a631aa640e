#include "common/xmpp/pace.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct jid
jid_of(const char *text)
{
	const char *why;
	struct jid jid;

	assert_int_equal(jid_parse(text, strlen(text), &jid, &why), ERR_OK);
	return jid;
}

TEST(lets_a_burst_pass_and_says_once_that_it_is_over)
{
	struct pace *pace = pace_create();
	struct jid jid = jid_of("user@example.com/one");
	int i;

	for (i = 0; i < 20; i++)
		assert_int_equal(pace_take(pace, &jid, 20, 0), PACE_OK);
	/* Whatever the client is. */
	jid = jid_of("user@example.com/two");
	assert_int_equal(pace_take(pace, &jid, 20, 0), PACE_OVER);
	assert_int_equal(pace_take(pace, &jid, 20, 1), PACE_SILENT);
	jid = jid_of("other@example.com/one");
	assert_int_equal(pace_take(pace, &jid, 20, 1), PACE_OK);
	pace_free(pace);
}

TEST(refills_evenly_within_a_minute)
{
	struct pace *pace = pace_create();
	struct jid jid = jid_of("user@example.com");
	int i;

	for (i = 0; i < 20; i++)
		assert_int_equal(pace_take(pace, &jid, 20, 0), PACE_OK);
	assert_int_equal(pace_take(pace, &jid, 20, 2999), PACE_OVER);
	assert_int_equal(pace_take(pace, &jid, 20, 3000), PACE_OK);
	assert_int_equal(pace_take(pace, &jid, 20, 3000), PACE_OVER);
	for (i = 0; i < 20; i++)
		assert_int_equal(pace_take(pace, &jid, 20, 63000), PACE_OK);
	assert_int_equal(pace_take(pace, &jid, 20, 63000), PACE_OVER);
	pace_free(pace);
}

TEST(forgets_the_idle_first_when_strangers_are_many)
{
	struct pace *pace = pace_create();
	struct jid jid;
	char text[32];
	int i;

	for (i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "u%d@example.com", i);
		jid = jid_of(text);
		assert_int_equal(pace_take(pace, &jid, 1, i), PACE_OK);
	}
	pace_free(pace);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    lets_a_burst_pass_and_says_once_that_it_is_over),
		cmocka_unit_test(refills_evenly_within_a_minute),
		cmocka_unit_test(
		    forgets_the_idle_first_when_strangers_are_many),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
