#include "bosh/limit.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static const struct conf_bosh conf = { .sessions_per_address = 2,
	.creations_per_address = 10,
	.requests_per_address = 1000,
	.login_failures_per_address = 3,
	.unknown_sids_per_address = 60,
	.addresses_max = 5 };
static struct limits *limits;

static int
setup(void **state UNUSED)
{
	limits = limits_create();
	return 0;
}

static int
teardown(void **state UNUSED)
{
	limits_free(limits);
	return 0;
}

static int
taken(const char *address, enum limit limit, int count, int64_t now_ms)
{
	const struct limit_peer peer = limit_peer(address);
	int ok = 0;

	while (count-- > 0)
		ok += limits_take(limits, &conf, &peer, limit, now_ms);
	return ok;
}

TEST(N5_a_burst_is_let_through_then_the_rate)
{
	assert_int_equal(taken("192.0.2.1", LIMIT_CREATIONS, 200, 5000), 100);
	assert_int_equal(taken("192.0.2.1", LIMIT_CREATIONS, 200, 5099), 0);
	assert_int_equal(taken("192.0.2.1", LIMIT_CREATIONS, 200, 5100), 1);
	assert_int_equal(taken("192.0.2.1", LIMIT_CREATIONS, 200, 6100), 10);
	assert_int_equal(taken("192.0.2.1", LIMIT_CREATIONS, 200, 60000), 100);
}

TEST(each_address_and_each_kind_has_its_own)
{
	assert_int_equal(taken("192.0.2.1", LIMIT_LOGINS, 9, 1), 3);
	assert_int_equal(taken("192.0.2.2", LIMIT_LOGINS, 9, 1), 3);
	assert_int_equal(taken("192.0.2.1", LIMIT_SIDS, 99, 1), 60);
	assert_int_equal(taken("::ffff:192.0.2.1", LIMIT_LOGINS, 9, 1), 0);
	assert_int_equal(taken("192.0.2.1", LIMIT_LOGINS, 9, 20001), 1);
}

TEST(an_ipv6_address_counts_by_its_network)
{
	assert_int_equal(taken("2001:db8:1:2::1", LIMIT_LOGINS, 2, 1), 2);
	assert_int_equal(taken("2001:db8:1:2:ffff::9", LIMIT_LOGINS, 9, 1), 1);
	assert_int_equal(taken("2001:db8:1:3::1", LIMIT_LOGINS, 9, 1), 3);
}

TEST(who_is_not_counted_has_no_limit)
{
	assert_int_equal(taken(NULL, LIMIT_LOGINS, 1000, 1), 1000);
	assert_int_equal(limits_count(limits), 0);
}

TEST(asking_whether_it_is_over_takes_nothing)
{
	const struct limit_peer peer = limit_peer("192.0.2.1");

	for (int i = 0; i < 10; i++)
		assert_false(
		    limits_is_over(limits, &conf, &peer, LIMIT_LOGINS, 1));
	assert_int_equal(taken("192.0.2.1", LIMIT_LOGINS, 3, 1), 3);
	assert_true(limits_is_over(limits, &conf, &peer, LIMIT_LOGINS, 1));
	assert_false(limits_is_over(limits, &conf, &peer, LIMIT_LOGINS, 20001));
}

TEST(sessions_are_counted_until_they_leave)
{
	const struct limit_peer peer = limit_peer("192.0.2.1");
	const char *why;

	assert_true(limits_enter(limits, &conf, &peer, 1, &why));
	assert_true(limits_enter(limits, &conf, &peer, 1, &why));
	assert_false(limits_enter(limits, &conf, &peer, 1, &why));
	assert_string_equal(why, "sessions-per-address");
	limits_leave(limits, &peer);
	assert_true(limits_enter(limits, &conf, &peer, 1, &why));
}

TEST(addresses_are_bounded_and_idle_ones_forgotten)
{
	struct limit_peer peer;
	const char *why;
	char text[32];

	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof text, "192.0.2.%d", i);
		assert_int_equal(taken(text, LIMIT_LOGINS, 1, 1), 1);
	}
	peer = limit_peer("198.51.100.1");
	assert_false(limits_enter(limits, &conf, &peer, 2, &why));
	assert_string_equal(why, "addresses-max");
	assert_int_equal(limits_count(limits), 5);
	assert_true(limits_enter(limits, &conf, &peer, 20001, &why));
	assert_int_equal(limits_count(limits), 1);
}

int
main(void)
{
#define LIMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LIMIT_TEST(N5_a_burst_is_let_through_then_the_rate),
		LIMIT_TEST(each_address_and_each_kind_has_its_own),
		LIMIT_TEST(an_ipv6_address_counts_by_its_network),
		LIMIT_TEST(who_is_not_counted_has_no_limit),
		LIMIT_TEST(asking_whether_it_is_over_takes_nothing),
		LIMIT_TEST(sessions_are_counted_until_they_leave),
		LIMIT_TEST(addresses_are_bounded_and_idle_ones_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
