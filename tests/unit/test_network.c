#include "common/base/network.h"

#include "tests/unit/unit.h"

static bool
parse(const char *text, struct network *network)
{
	size_t len = strlen(text);
	char *copy = unit_guard(text, len);
	bool ok = network_parse(copy, len, network);

	unit_unguard(copy, len);
	return ok;
}

static bool
has(const char *network, const char *address)
{
	struct network a, b;

	assert_true(parse(network, &a));
	assert_true(parse(address, &b));
	return network_has(&a, &b);
}

TEST(addresses_and_networks_are_read)
{
	static const char *const good[] = { "127.0.0.1", "10.0.0.0/8",
		"0.0.0.0/0", "1.2.3.4/32", "::", "::/0", "::1", "2001:db8::/32",
		"fe80::1/128", "::ffff:10.0.0.0/104" };
	static const char *const bad[] = {
		"", "/", "/8", "1.2.3", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/8",
		"1.2.3.4/-1", "::/129", "::1/64", "::1/ 64", " ::1", "::1 ",
		"[::1]", "1.2.3.4:80", "localhost", "1.2.3.4/8/8",
		"2001:db8:0000:0000:0000:0000:0000:0000:0000",
		"00000000000000000000000000000000000000000000000000000000000001",
		"000000000000000000000000000000000000000000000000000000000000001"
	};
	struct network network;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!parse(good[i], &network))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &network))
			fail_msg("%s", bad[i]);
	assert_false(network_parse("1.2.3.4\0x", 9, &network));
}

TEST(a_network_has_the_addresses_of_its_prefix)
{
	assert_true(has("10.0.0.0/8", "10.255.1.2"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.168.4.0/22", "192.168.7.255"));
	assert_false(has("192.168.4.0/22", "192.168.8.0"));
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::/0", "2001:db8::1"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("::1", "::1"));
	assert_false(has("::1", "::2"));
	assert_true(has("127.0.0.1", "::ffff:127.0.0.1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_networks_are_read),
		cmocka_unit_test(a_network_has_the_addresses_of_its_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
