#include "common/base/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

TEST(holds_no_memory_until_the_first_append)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_add(&buf, "", 0);
	assert_null(buf.data);
	buf_addc(&buf, 'x');
	assert_string_equal(buf.data, "x");
	buf_clear(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.size, 0);
}

TEST(what_fits_grows_again)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_fit(&buf);
	assert_null(buf.data);
	buf_adds(&buf, "abc");
	buf_fit(&buf);
	assert_int_equal(buf.size, 4);
	assert_string_equal(buf.data, "abc");
	buf_adds(&buf, "d");
	assert_string_equal(buf.data, "abcd");
	assert_true(buf.len < buf.size);
	buf_reset(&buf);
	buf_fit(&buf);
	assert_int_equal(buf.size, 1);
	buf_adds(&buf, "x");
	assert_string_equal(buf.data, "x");
	buf_clear(&buf);
}

TEST(bytes_are_followed_by_a_nul_however_they_came)
{
	struct buf buf;
	int i;

	buf_init(&buf, 0);
	for (i = 0; i < 1000; i++) {
		buf_addf(&buf, "%d,", i);
		assert_int_equal(strlen(buf.data), buf.len);
		assert_true(buf.len < buf.size);
	}
	buf_drain(&buf, 2);
	assert_memory_equal(buf.data, "1,2,3,", 6);
	assert_int_equal(strlen(buf.data), buf.len);
	buf_drain(&buf, buf.len + 7);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.data, "");
	buf_clear(&buf);
}

TEST(takes_exactly_its_limit)
{
	struct buf buf;

	buf_init(&buf, 5);
	buf_adds(&buf, "abc");
	buf_adds(&buf, "de");
	assert_false(buf.failed);
	assert_string_equal(buf.data, "abcde");
	buf_addc(&buf, 'f');
	assert_true(buf.failed);
	assert_string_equal(buf.data, "abcde");
	buf_clear(&buf);
}

TEST(past_its_limit_takes_nothing_until_cleared)
{
	struct buf buf;

	buf_init(&buf, 5);
	buf_adds(&buf, "abc");
	buf_adds(&buf, "too long");
	buf_addc(&buf, 'd');
	assert_true(buf.failed);
	assert_null(buf_reserve(&buf, 1));
	assert_string_equal(buf.data, "abc");
	buf_reset(&buf);
	buf_adds(&buf, "again");
	assert_false(buf.failed);
	assert_string_equal(buf.data, "again");
	buf_clear(&buf);
	assert_int_equal(buf.max, 5);
}

TEST(a_size_that_would_wrap_is_refused)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_addc(&buf, 'x');
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_true(buf.failed);
	assert_string_equal(buf.data, "x");
	buf_clear(&buf);
}

TEST(reserved_room_is_the_callers_to_fill)
{
	struct buf buf;
	char *to;

	buf_init(&buf, 300);
	buf_adds(&buf, "head ");
	to = buf_reserve(&buf, 295);
	assert_non_null(to);
	memset(to, 'r', 296);
	buf.len += 295;
	assert_null(buf_reserve(&buf, 1));
	assert_memory_equal(buf.data, "head rrr", 8);
	buf_clear(&buf);
}

TEST(detached_bytes_are_never_null)
{
	struct buf buf;
	size_t len;
	char *data;

	buf_init(&buf, 9);
	data = buf_detach(&buf, &len);
	assert_string_equal(data, "");
	assert_int_equal(len, 0);
	free(data);
	buf_adds(&buf, "mine");
	data = buf_detach(&buf, NULL);
	assert_string_equal(data, "mine");
	assert_null(buf.data);
	assert_int_equal(buf.max, 9);
	free(data);
}

TEST(decimal_is_what_printf_prints)
{
	uint64_t number = 1, edge;
	char expected[24];
	struct buf buf;
	int i, step;

	buf_init(&buf, 0);
	for (i = 0; i < 20; i++, number *= 10)
		for (step = -1; step <= 1; step++) {
			edge = number + (uint64_t)(int64_t)step;
			buf_reset(&buf);
			buf_addu(&buf, edge);
			snprintf(expected, sizeof(expected), "%" PRIu64, edge);
			assert_string_equal(buf.data, expected);
		}
	buf_reset(&buf);
	buf_addu(&buf, UINT64_MAX);
	assert_string_equal(buf.data, "18446744073709551615");
	buf_clear(&buf);
}

TEST(a_formatted_text_of_any_length_is_whole)
{
	static char text[5000];
	struct buf buf;
	size_t len;

	memset(text, 'y', sizeof(text) - 1);
	for (len = 250; len < 260; len++) {
		buf_init(&buf, 0);
		buf_addf(&buf, "%.*s", (int)len, text);
		assert_int_equal(buf.len, len);
		assert_int_equal(strlen(buf.data), len);
		buf_clear(&buf);
	}
	buf_init(&buf, 0);
	buf_addf(&buf, "%s!", text);
	assert_int_equal(buf.len, 5000);
	assert_string_equal(buf.data + 4998, "y!");
	buf_clear(&buf);
}

TEST(xml_text_closes_neither_element_nor_attribute)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_adds_xml(&buf, "a<b> & \"c\" 'd'\t\r\n\xc3\xa9");
	assert_string_equal(buf.data,
	    "a&lt;b&gt; &amp; &quot;c&quot; &apos;d&apos;&#9;&#13;&#10;"
	    "\xc3\xa9");
	buf_clear(&buf);
}

TEST(an_attribute_is_escaped_and_left_out_without_a_value)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_add_attr(&buf, "none", NULL);
	assert_int_equal(buf.len, 0);
	buf_add_attr(&buf, "to", "o'neil@a<b");
	assert_string_equal(buf.data, " to='o&apos;neil@a&lt;b'");
	buf_clear(&buf);
}

TEST(json_text_is_valid_whatever_the_bytes)
{
	struct buf buf;

	buf_init(&buf, 0);
	buf_add_json(&buf, "q\"b\\\b\f\n\r\t\x01\x1f/\x7f", 13);
	assert_string_equal(buf.data,
	    "\"q\\\"b\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f\"");
	buf_reset(&buf);
	buf_add_json(&buf, "\0", 1);
	assert_string_equal(buf.data, "\"\\u0000\"");
	buf_reset(&buf);
	buf_add_json(&buf, "\xe2\x82\xac\xe2\x82!\xff", 7);
	assert_string_equal(buf.data,
	    "\"\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd!\xef\xbf\xbd\"");
	buf_clear(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_grows_again),
		cmocka_unit_test(holds_no_memory_until_the_first_append),
		cmocka_unit_test(bytes_are_followed_by_a_nul_however_they_came),
		cmocka_unit_test(takes_exactly_its_limit),
		cmocka_unit_test(past_its_limit_takes_nothing_until_cleared),
		cmocka_unit_test(a_size_that_would_wrap_is_refused),
		cmocka_unit_test(reserved_room_is_the_callers_to_fill),
		cmocka_unit_test(detached_bytes_are_never_null),
		cmocka_unit_test(decimal_is_what_printf_prints),
		cmocka_unit_test(a_formatted_text_of_any_length_is_whole),
		cmocka_unit_test(xml_text_closes_neither_element_nor_attribute),
		cmocka_unit_test(
		    an_attribute_is_escaped_and_left_out_without_a_value),
		cmocka_unit_test(json_text_is_valid_whatever_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
