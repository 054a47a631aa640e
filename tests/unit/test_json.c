#include "tests/unit/unit.h"

#include <string.h>

#include "common/base/json.h"

static void
assert_no_json(const char *text, size_t len, int line)
{
	struct json_error_at at = { 0 };
	char *guarded = unit_guard(text, len);

	assert_null(json_read(guarded, len, &at));
	unit_unguard(guarded, len);
	assert_int_not_equal(at.why[0], '\0');
	assert_int_equal(at.line, line);
}

TEST(refuses_what_is_not_strictly_json)
{
	static const char nul[] = "{\"a\":\"x\\u0000\"}";
	static const char raw[] = "{\"a\":\"x\0\"}";

	assert_no_json("", 0, 1);
	assert_no_json("{", 1, 1);
	assert_no_json("{}\n{}", 5, 2);
	assert_no_json("{\"a\":1,\"a\":2}", 13, 1);
	assert_no_json("[\"\xff\"]", 5, 1);
	assert_no_json("{'a':1}", 7, 1);
	assert_no_json("[9223372036854775808]", 21, 1);
	assert_no_json(nul, sizeof nul - 1, 1);
	assert_no_json(raw, sizeof raw - 1, 1);
}

TEST(refuses_bottomless_nesting)
{
	char deep[4096];

	memset(deep, '[', sizeof deep);
	assert_no_json(deep, sizeof deep, 1);
}

TEST(writes_compactly_in_the_order_read)
{
	static const char text[] =
	    "{\"z\":1,\"a\":[true,null,\"\xc3\xa9\\n\"],\"m\":{}}";
	struct json_error_at at;
	struct buf out;
	json_t *json = json_read(text, sizeof text - 1, &at);

	assert_non_null(json);
	buf_init(&out, 0);
	json_write(json, &out);
	assert_string_equal(out.data, text);
	buf_clear(&out);
	json_decref(json);
}

TEST(any_value_may_stand_at_the_top)
{
	struct json_error_at at;
	struct buf out;
	json_t *json = json_read("\"x\"", 3, &at);

	assert_true(json_is_string(json));
	buf_init(&out, 0);
	json_write(json, &out);
	assert_string_equal(out.data, "\"x\"");
	buf_clear(&out);
	json_decref(json);
}

TEST(str_gives_strings_alone)
{
	struct json_error_at at;
	json_t *json = json_read("{\"a\":\"xy\",\"b\":1}", 16, &at);
	size_t len = 0;

	assert_string_equal(json_str(json, "a", &len), "xy");
	assert_int_equal(len, 2);
	assert_null(json_str(json, "b", NULL));
	assert_null(json_str(json, "c", NULL));
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_not_strictly_json),
		cmocka_unit_test(refuses_bottomless_nesting),
		cmocka_unit_test(writes_compactly_in_the_order_read),
		cmocka_unit_test(any_value_may_stand_at_the_top),
		cmocka_unit_test(str_gives_strings_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
