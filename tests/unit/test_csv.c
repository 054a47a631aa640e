#include "cli/csv.h"

#include <stdio.h>

#include "tests/unit/unit.h"

/* The line's fields joined by `|`, or the reason in angle brackets. */
static const char *
csv_joined(const char *line, size_t len)
{
	static char joined[256];
	const char *why;
	struct csv row;
	char *text = unit_guard(line, len);
	size_t i;

	csv_init(&row);
	joined[0] = '\0';
	if (!csv_read(&row, text, len, &why))
		snprintf(joined, sizeof(joined), "<%s>", why);
	else
		for (i = 0; i < row.count; i++) {
			if (i > 0)
				strcat(joined, "|");
			strcat(joined, csv_field(&row, i));
		}
	csv_clear(&row);
	unit_unguard(text, len);
	return joined;
}

static void
assert_fields(const char *line, const char *fields)
{
	assert_string_equal(csv_joined(line, strlen(line)), fields);
}

TEST(splits_at_commas_and_nowhere_else)
{
	assert_fields("a", "a");
	assert_fields("a,b", "a|b");
	assert_fields(",", "|");
	assert_fields("a,,b,", "a||b|");
	assert_fields("a b,'c'", "a b|'c'");
	assert_fields("a\"b,c", "a\"b|c");
}

TEST(quotes_hold_commas_and_doubled_quotes)
{
	assert_fields("\"\"", "");
	assert_fields("\"a,b\",c", "a,b|c");
	assert_fields("\"say \"\"no\"\"\",x", "say \"no\"|x");
	assert_fields("\"\"\"\"", "\"");
	assert_fields("x,\"\"", "x|");
}

TEST(says_what_is_no_csv)
{
	assert_fields("\"", "<a quote is not closed>");
	assert_fields("a,\"b\"\"", "<a quote is not closed>");
	assert_fields("\"a\"b", "<text behind a closing quote>");
	assert_string_equal(csv_joined("a\0b", 3), "<a zero byte is in it>");
}

TEST(a_row_has_so_many_fields_and_more_are_empty)
{
	char line[CSV_FIELDS_MAX + 1];
	const char *why;
	struct csv row;

	csv_init(&row);
	memset(line, ',', sizeof(line));
	assert_true(csv_read(&row, line, CSV_FIELDS_MAX - 1, &why));
	assert_int_equal(row.count, CSV_FIELDS_MAX);
	assert_false(csv_read(&row, line, CSV_FIELDS_MAX, &why));
	assert_string_equal(why, "too many columns");
	assert_true(csv_read(&row, "x", 1, &why));
	assert_string_equal(csv_field(&row, 0), "x");
	assert_string_equal(csv_field(&row, 1), "");
	assert_string_equal(csv_field(&row, CSV_FIELDS_MAX), "");
	csv_clear(&row);
}

TEST(what_was_written_is_read_again)
{
	static const char *const fields[] = { "", "a", "a,b", "\"", "\"a\"",
		"a\"b", ",", "é, \"ü\"" };
	const char *why;
	struct csv row;
	struct buf line;
	size_t i;

	csv_init(&row);
	buf_init(&line, 0);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (i > 0)
			buf_addc(&line, ',');
		csv_add(&line, fields[i]);
	}
	assert_true(csv_read(&row, line.data, line.len, &why));
	assert_int_equal(row.count, sizeof(fields) / sizeof(fields[0]));
	for (i = 0; i < row.count; i++)
		assert_string_equal(csv_field(&row, i), fields[i]);
	csv_clear(&row);
	buf_clear(&line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_at_commas_and_nowhere_else),
		cmocka_unit_test(quotes_hold_commas_and_doubled_quotes),
		cmocka_unit_test(says_what_is_no_csv),
		cmocka_unit_test(a_row_has_so_many_fields_and_more_are_empty),
		cmocka_unit_test(what_was_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
