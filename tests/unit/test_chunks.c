#include <stdlib.h>

#include "common/http/parser.h"
#include "tests/unit/unit.h"

#define MAX 1000

struct decoded {
	enum http_parse result;
	char text[4096];
	size_t len;
	size_t used;
	int status;
};

/* Fed in pieces of `step` bytes, each up to a guard page. */
static struct decoded
decode(const char *data, size_t len, size_t step)
{
	struct decoded out = { .result = HTTP_MORE };
	struct http_chunks chunks = { 0 };
	const char *why = NULL;
	char *piece;
	size_t used;
	size_t got;
	size_t n;

	while (out.used < len && out.result == HTTP_MORE) {
		n = len - out.used < step ? len - out.used : step;
		piece = unit_guard(data + out.used, n);
		out.result = http_chunks_feed(&chunks, piece, n, MAX, &used,
		    &got, &out.status, &why);
		if (out.result == HTTP_REFUSED) {
			assert_non_null(why);
		} else {
			assert_true(out.result == HTTP_DONE || used == n);
			memcpy(out.text + out.len, piece, got);
			out.len += got;
			out.used += used;
			assert_int_equal(chunks.total, out.len);
		}
		unit_unguard(piece, n);
	}
	return out;
}

static struct decoded
decode_all_ways(const char *text)
{
	struct decoded whole = decode(text, strlen(text), 4096);
	struct decoded part;

	for (size_t step = 1; step < 9; step++) {
		part = decode(text, strlen(text), step);
		assert_int_equal(part.result, whole.result);
		if (whole.result == HTTP_REFUSED) {
			assert_int_equal(part.status, whole.status);
			continue;
		}
		assert_int_equal(part.used, whole.used);
		assert_int_equal(part.len, whole.len);
		assert_memory_equal(part.text, whole.text, whole.len);
	}
	return whole;
}

static void
accept(const char *text, const char *want)
{
	struct decoded out = decode_all_ways(text);

	assert_int_equal(out.result, HTTP_DONE);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.text, want, out.len);
}

static void
refuse(int status, const char *text)
{
	struct decoded out = decode_all_ways(text);

	if (out.result != HTTP_REFUSED)
		print_error("not refused: %s\n", text);
	assert_int_equal(out.result, HTTP_REFUSED);
	assert_int_equal(out.status, status);
}

TEST(chunks_become_one_text)
{
	accept("5\r\nhello\r\n1\r\n \r\n005\r\nworld\r\n0\r\n\r\n",
	    "hello world");
	accept("A\r\n0123456789\r\n00\r\n\r\n", "0123456789");
	accept("a\r\n0123456789\r\n0\r\n\r\n", "0123456789");
	accept("0\r\n\r\n", "");
}

TEST(extensions_and_trailers_are_read_over)
{
	accept("3;a=b;c=\"d\"\r\nabc\r\n0;x\r\nT: 1\r\nU: 2\r\n\r\n", "abc");
	accept("3 ;a\r\nabc\r\n0\r\n\r\n", "abc");
}

TEST(what_follows_the_last_chunk_is_left)
{
	static const char text[] = "1\r\na\r\n0\r\n\r\nGET /";

	assert_int_equal(decode_all_ways(text).used, 11);
}

TEST(data_may_look_like_framing)
{
	accept("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n");
}

TEST(broken_framing_is_refused)
{
	refuse(400, "g\r\n");
	refuse(400, "\r\n");
	refuse(400, ";a\r\n");
	refuse(400, " 1\r\na\r\n");
	refuse(400, "0x1\r\na\r\n");
	refuse(400, "-1\r\na\r\n");
	refuse(400, "1\na\r\n");
	refuse(400, "1\rXa\r\n");
	refuse(400, "1\r\nab\r\n");
	refuse(400, "1\r\na\n0\r\n\r\n");
	refuse(400, "1\r\na\rX");
	refuse(400, "1;a\nb\r\na\r\n");
	refuse(400, "1;a\x01\r\na\r\n");
	refuse(400, "0\r\nA: b\n\r\n");
	refuse(400, "0\r\n\n");
	refuse(400, "0\r\n\rX");
}

TEST(a_size_cannot_overflow)
{
	refuse(413, "10000000000000001\r\na\r\n");
	refuse(413, "ffffffffffffffff\r\na\r\n");
	accept("00000000000000000000000000001\r\na\r\n0\r\n\r\n", "a");
}

TEST(the_limit_is_of_all_chunks_together)
{
	char text[1200] = "3e7\r\n";

	memset(text + 5, 'x', 999);
	strcpy(text + 1004, "\r\n1\r\ny\r\n0\r\n\r\n");
	assert_int_equal(decode_all_ways(text).len, 1000);
	strcpy(text + 1004, "\r\n2\r\nyz\r\n0\r\n\r\n");
	refuse(413, text);
	refuse(413, "3e9\r\n");
}

TEST(lines_and_trailers_are_bounded)
{
	char text[8192] = "1;";

	memset(text + 2, 'x', 300);
	refuse(400, text);
	strcpy(text, "0\r\n");
	for (int i = 0; i < 1000; i++)
		strcat(text, "a: b\r\n");
	refuse(400, text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_become_one_text),
		cmocka_unit_test(extensions_and_trailers_are_read_over),
		cmocka_unit_test(what_follows_the_last_chunk_is_left),
		cmocka_unit_test(data_may_look_like_framing),
		cmocka_unit_test(broken_framing_is_refused),
		cmocka_unit_test(a_size_cannot_overflow),
		cmocka_unit_test(the_limit_is_of_all_chunks_together),
		cmocka_unit_test(lines_and_trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
