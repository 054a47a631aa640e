#include "common/http/gzip.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

static bool
accepted(const char *value)
{
	size_t len = strlen(value);
	char *copy = unit_guard(value, len);
	static struct http_head head;
	bool is;

	head.n_headers = 1;
	head.headers[0].name = (struct slice){ "accept-encoding", 15 };
	head.headers[0].value = (struct slice){ copy, len };
	is = gzip_is_accepted(&head);
	unit_unguard(copy, len);
	return is;
}

TEST(a_coding_is_accepted_by_name_or_by_star)
{
	static const char *const good[] = { "gzip", "GZIP", "x-gzip", "*",
		"br,gzip", "br , gzip ; q=1", "gzip;q=0.01", "*;q=0,gzip",
		"gzip;q=1;x=0", ",,gzip,", "*;q=0.5" };
	static const char *const bad[] = { "", ",", ";", ";q=0", "br", "gzi",
		"gzipp", "gzip;q=0", "gzip; Q=0.0", "gzip ;\tq=0.000",
		"gzip;q=0, *", "*;q=0", "identity", "gzip;x;q=0", "q=1" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!accepted(good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (accepted(bad[i]))
			fail_msg("%s", bad[i]);
}

TEST(what_would_not_shrink_is_left_alone)
{
	struct gzip *gzip = gzip_create();
	static char same[100000];
	static char noise[5000];
	struct slice out;
	unsigned seed = 1;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
	for (int round = 0; round < 3; round++) {
		assert_false(gzip_encode(gzip, noise, sizeof(noise), &out));
		assert_true(gzip_encode(gzip, same, sizeof(same), &out));
		assert_true(out.len < 1000);
		assert_memory_equal(out.p, "\x1f\x8b", 2);
		assert_false(gzip_encode(gzip, "", 0, &out));
	}
	gzip_free(gzip);
	gzip_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_coding_is_accepted_by_name_or_by_star),
		cmocka_unit_test(what_would_not_shrink_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
