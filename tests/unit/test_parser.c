#include "common/http/parser.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

#define MAX 16384

struct outcome {
	enum http_parse result;
	size_t used;
	int status;
	const char *why;
};

static struct http_head head;

static struct outcome
parse(const char *data, size_t len)
{
	struct outcome outcome = { 0 };

	outcome.result = http_parse_head(data, len, MAX, &head, &outcome.used,
	    &outcome.status, &outcome.why);
	return outcome;
}

/* Parsed whole, grown byte by byte, and each time up to a guard page: all must
 * come to the same end, and none before the last byte that decides. */
static struct outcome
parse_all_ways(const char *text)
{
	size_t len = strlen(text);
	struct outcome whole = parse(text, len);
	struct outcome part = { 0 };
	char *guarded;

	for (size_t n = 0; n <= len; n++) {
		guarded = unit_guard(text, n);
		part = parse(guarded, n);
		unit_unguard(guarded, n);
		if (part.result != HTTP_MORE)
			break;
	}
	assert_int_equal(part.result, whole.result);
	if (whole.result == HTTP_DONE)
		assert_int_equal(part.used, whole.used);
	if (whole.result == HTTP_REFUSED) {
		assert_int_equal(part.status, whole.status);
		assert_string_equal(part.why, whole.why);
	}
	return parse(text, len);
}

static void
accept(const char *text)
{
	struct outcome outcome = parse_all_ways(text);

	if (outcome.result == HTTP_REFUSED)
		print_error("%s: %s\n", text, outcome.why);
	assert_int_equal(outcome.result, HTTP_DONE);
	assert_int_equal(outcome.used, strlen(text));
}

static void
refuse(int status, const char *text)
{
	struct outcome outcome = parse_all_ways(text);

	if (outcome.result != HTTP_REFUSED)
		print_error("not refused: %s\n", text);
	assert_int_equal(outcome.result, HTTP_REFUSED);
	assert_int_equal(outcome.status, status);
	assert_non_null(outcome.why);
}

/* One header line in an otherwise good request. */
static void
refuse_header(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
	    line);
	refuse(400, text);
}

static void
accept_header(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
	    line);
	accept(text);
}

static void
assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.p, text, slice.len);
}

TEST(a_browsers_head_is_read)
{
	struct slice value;

	accept("POST /http-bind?room=a%20b HTTP/1.1\r\n"
	       "Host: example.org:7999\r\n"
	       "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
	       "Content-Type:text/xml; charset=utf-8 \t\r\n"
	       "Empty:\r\n"
	       "Content-Length: 123\r\n\r\n");
	assert_int_equal(head.method, HTTP_POST);
	assert_slice(head.method_text, "POST");
	assert_slice(head.path, "/http-bind");
	assert_slice(head.query, "room=a%20b");
	assert_slice(head.host, "example.org:7999");
	assert_int_equal(head.minor, 1);
	assert_true(head.keep_alive);
	assert_true(head.has_length);
	assert_int_equal(head.content_length, 123);
	assert_false(head.chunked);
	assert_false(head.expect_continue);
	assert_int_equal(head.n_headers, 5);
	assert_true(http_header(&head, "content-type", &value));
	assert_slice(value, "text/xml; charset=utf-8");
	assert_true(http_header(&head, "empty", &value));
	assert_int_equal(value.len, 0);
	assert_false(http_header(&head, "Origin", &value));
}

TEST(what_follows_the_head_is_left)
{
	struct outcome outcome =
	    parse("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2", 33);

	assert_int_equal(outcome.result, HTTP_DONE);
	assert_int_equal(outcome.used, 27);
}

TEST(methods_are_told_apart_by_case)
{
	static const struct {
		const char *text;
		enum http_method method;
	} methods[] = { { "GET", HTTP_GET }, { "HEAD", HTTP_HEAD },
		{ "POST", HTTP_POST }, { "PUT", HTTP_PUT },
		{ "DELETE", HTTP_DELETE }, { "OPTIONS", HTTP_OPTIONS },
		{ "get", HTTP_OTHER }, { "PATCH", HTTP_OTHER },
		{ "GE", HTTP_OTHER }, { "GETS", HTTP_OTHER } };
	char text[100];

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost:a\r\n\r\n",
		    methods[i].text);
		accept(text);
		assert_int_equal(head.method, methods[i].method);
	}
}

TEST(targets_of_all_forms)
{
	accept("GET http://EXAMPLE.org:80/a?b HTTP/1.1\r\nHost: other\r\n\r\n");
	assert_slice(head.host, "EXAMPLE.org:80");
	assert_slice(head.path, "/a");
	assert_slice(head.query, "b");
	accept("GET HTTPS://h HTTP/1.1\r\nHost: other\r\n\r\n");
	assert_slice(head.path, "/");
	assert_null(head.query.p);
	accept("GET http://h?q HTTP/1.1\r\nHost: other\r\n\r\n");
	assert_slice(head.path, "/");
	assert_slice(head.query, "q");
	accept("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_slice(head.path, "*");
	accept("GET /? HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_non_null(head.query.p);
	assert_int_equal(head.query.len, 0);
	accept("GET /caf\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET * HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET a/b HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET  HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET / / HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET /\r\nHost: h\r\n\r\n");
	refuse(501, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(versions)
{
	accept("GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(head.minor, 0);
	assert_false(head.keep_alive);
	accept("GET / HTTP/1.7\r\nHost: h\r\n\r\n");
	assert_int_equal(head.minor, 1);
	refuse(505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n");
	refuse(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	refuse(400, "GET / HTTP/1.10\r\nHost: h\r\n\r\n");
	refuse(400, "GET / http/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET / HTTP/1\r\nHost: h\r\n\r\n");
	refuse(400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n");
}

TEST(connection_is_a_list_and_close_wins)
{
	accept_header("Connection: close");
	assert_false(head.keep_alive);
	accept_header("Connection: x , CLOSE\r\nConnection: keep-alive");
	assert_false(head.keep_alive);
	accept_header("Connection: closed, upgrade");
	assert_true(head.keep_alive);
	accept("GET / HTTP/1.0\r\nConnection: TE,Keep-Alive\r\n\r\n");
	assert_true(head.keep_alive);
	accept("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n");
	assert_false(head.keep_alive);
}

TEST(two_readers_cannot_differ_about_the_length)
{
	refuse_header("Content-Length: 1\r\nContent-Length: 1");
	refuse_header("Content-Length: 1\r\nContent-Length: 2");
	refuse_header("Content-Length: 1, 1");
	refuse_header("Content-Length: +1");
	refuse_header("Content-Length: -1");
	refuse_header("Content-Length: 0x1");
	refuse_header("Content-Length: 1 2");
	refuse_header("Content-Length:");
	refuse_header("Content-Length: 99999999999999999999");
	refuse_header("Content-Length: 1\r\nTransfer-Encoding: chunked");
	refuse_header("Transfer-Encoding: chunked\r\nContent-Length: 1");
	refuse_header("Transfer-Encoding: gzip, chunked");
	refuse_header("Transfer-Encoding: chunked, identity");
	refuse_header("Transfer-Encoding: xchunked");
	refuse_header("Transfer-Encoding: \"chunked\"");
	refuse_header("Transfer-Encoding: chunked;a=b");
	refuse_header("Transfer-Encoding:");
	refuse_header("Transfer-Encoding: chunked\r\n"
	              "Transfer-Encoding: chunked");
	refuse_header("Transfer-Encoding: \x0b"
	              "chunked");
	refuse(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
	accept_header("TRANSFER-ENCODING:CHUNKED ");
	assert_true(head.chunked);
	accept_header("content-length: 007");
	assert_int_equal(head.content_length, 7);
}

TEST(malformed_lines_are_refused)
{
	refuse_header("Content-Length : 1");
	refuse_header("A\t: 1");
	refuse_header("A: 1\r\n folded");
	refuse_header(" A: 1");
	refuse_header("A: 1\r\n\tfolded");
	refuse_header("A: 1\rB: 2");
	refuse_header("A: 1\nB: 2");
	refuse_header("A: 1\r\r\nB: 2");
	refuse_header("no-colon");
	refuse_header(": empty");
	refuse_header("A(b): 1");
	refuse_header("A\x80: 1");
	refuse_header("A: \x01");
	refuse_header("A: 12345678901234567890\x7f");
	refuse(400, "GET / HTTP/1.1\nHost: h\n\n");
	refuse(400, "GET / HTTP/1.1\rHost: h\r\r");
	refuse(400, "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "G@T / HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "\x16\x03\x01\x02");
	accept_header("A: tab\tand \x80\xff are text");
}

TEST(a_zero_byte_is_refused_wherever_it_is)
{
	static const char good[] = "GET /abc?d HTTP/1.1\r\nHost: hhh\r\n"
	                           "Abcdef: 0123456789abcdefghi\r\n\r\n";
	char text[sizeof(good)];

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = '\0';
		assert_int_equal(parse(text, sizeof(good) - 1).result,
		    HTTP_REFUSED);
	}
}

TEST(host_is_there_once_and_is_one)
{
	refuse(400, "GET / HTTP/1.1\r\n\r\n");
	refuse(400, "GET http://h/ HTTP/1.1\r\n\r\n");
	refuse_header("Host: a");
	refuse(400, "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n");
	refuse(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
	refuse(400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n");
	refuse(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
	refuse(400, "GET / HTTP/1.1\r\nHost: u@b\r\n\r\n");
	accept("GET / HTTP/1.1\r\nHost: [::1]:7999\r\n\r\n");
	assert_slice(head.host, "[::1]:7999");
	accept("GET / HTTP/1.1\r\nHost:\r\n\r\n");
	assert_int_equal(head.host.len, 0);
}

TEST(only_100_continue_may_be_expected)
{
	accept_header("Expect: 100-Continue");
	assert_true(head.expect_continue);
	refuse(417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n");
	accept("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
	assert_false(head.expect_continue);
}

TEST(empty_lines_before_a_request_are_passed_over)
{
	accept("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	refuse(400, "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(parse("", 0).result, HTTP_MORE);
	assert_int_equal(parse("\r\n", 2).result, HTTP_MORE);
}

TEST(double_headers_stay_in_the_list)
{
	struct slice value;

	accept_header("A: 1\r\na: 2");
	assert_int_equal(head.n_headers, 3);
	assert_true(http_header(&head, "a", &value));
	assert_slice(value, "1");
	assert_slice(head.headers[2].value, "2");
}

TEST(a_hundred_headers_and_no_more)
{
	char text[4096] = "GET / HTTP/1.0\r\n";

	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		strcat(text, "a: b\r\n");
	strcat(text, "\r\n");
	accept(text);
	strcpy(text + strlen(text) - 2, "a: b\r\n\r\n");
	refuse(431, text);
}

TEST(a_head_past_the_limit_is_refused_at_the_limit)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
	size_t len = sizeof(text) - 1;
	size_t used;
	int status = 0;
	const char *why;

	assert_int_equal(http_parse_head(text, len, len, &head, &used, &status,
	                     &why),
	    HTTP_DONE);
	assert_int_equal(http_parse_head(text, len, len - 1, &head, &used,
	                     &status, &why),
	    HTTP_REFUSED);
	assert_int_equal(status, 431);
	assert_int_equal(http_parse_head(text, len - 2, len - 1, &head, &used,
	                     &status, &why),
	    HTTP_MORE);
	assert_int_equal(http_parse_head(text, len - 1, len - 1, &head, &used,
	                     &status, &why),
	    HTTP_REFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_browsers_head_is_read),
		cmocka_unit_test(what_follows_the_head_is_left),
		cmocka_unit_test(methods_are_told_apart_by_case),
		cmocka_unit_test(targets_of_all_forms),
		cmocka_unit_test(versions),
		cmocka_unit_test(connection_is_a_list_and_close_wins),
		cmocka_unit_test(two_readers_cannot_differ_about_the_length),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(a_zero_byte_is_refused_wherever_it_is),
		cmocka_unit_test(host_is_there_once_and_is_one),
		cmocka_unit_test(only_100_continue_may_be_expected),
		cmocka_unit_test(empty_lines_before_a_request_are_passed_over),
		cmocka_unit_test(double_headers_stay_in_the_list),
		cmocka_unit_test(a_hundred_headers_and_no_more),
		cmocka_unit_test(a_head_past_the_limit_is_refused_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
