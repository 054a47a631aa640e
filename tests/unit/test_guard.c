#include "common/fetch/guard.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "common/base/mem.h"
#include "tests/unit/unit.h"

static bool
allows(const struct guard *guard, const char *text)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
		return guard_allows(guard, (struct sockaddr *)&in4);
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return guard_allows(guard, (struct sockaddr *)&in6);
}

TEST(private_addresses_are_refused)
{
	static const char *const private[] = { "0.0.0.0", "10.1.2.3",
		"100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
		"203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
		"::ffff:10.0.0.1", "64:ff9b::7f00:1", "100::1", "2001::1",
		"2001:db8::1", "2002:7f00:1::1", "fc00::1", "fd12::1",
		"fe80::1", "fec0::1", "ff02::1" };
	static const char *const public[] = { "1.1.1.1", "9.9.9.9",
		"100.128.0.1", "172.32.0.1", "192.169.0.1", "198.20.0.1",
		"223.255.255.255", "::ffff:1.1.1.1", "2606:4700::1111",
		"2a00:1450::1", "3fff:ffff::1" };
	static const struct conf_strings none;
	struct guard *guard = guard_create(&none);
	size_t i;

	for (i = 0; i < ARRAY_LEN(private); i++)
		if (allows(guard, private[i]))
			fail_msg("%s", private[i]);
	for (i = 0; i < ARRAY_LEN(public); i++)
		if (!allows(guard, public[i]))
			fail_msg("%s", public[i]);
	guard_free(guard);
}

TEST(a_network_that_was_named_is_allowed_and_no_other)
{
	char *texts[] = { (char[]){ "10.1.0.0/16" }, (char[]){ "::1" } };
	const struct conf_strings networks = { texts, ARRAY_LEN(texts) };
	struct guard *guard = guard_create(&networks);

	assert_true(allows(guard, "10.1.2.3"));
	assert_true(allows(guard, "::ffff:10.1.2.3"));
	assert_true(allows(guard, "::1"));
	assert_false(allows(guard, "10.2.0.1"));
	assert_false(allows(guard, "127.0.0.1"));
	assert_true(allows(guard, "1.1.1.1"));
	guard_free(guard);
}

TEST(no_other_family_is_spoken_to)
{
	static const struct conf_strings none;
	struct guard *guard = guard_create(&none);
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	assert_false(guard_allows(guard, (struct sockaddr *)&local));
	guard_free(guard);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_addresses_are_refused),
		cmocka_unit_test(
		    a_network_that_was_named_is_allowed_and_no_other),
		cmocka_unit_test(no_other_family_is_spoken_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
