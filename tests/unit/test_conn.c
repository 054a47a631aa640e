/* Requests and their answers. */
#include <time.h>

#include "tests/unit/conn_fixture.h"

TEST(a_request_is_answered_with_the_exact_bytes)
{
	struct client client = client_open();

	client_send(&client, POST(5) "\r\nhello");
	client_expect(&client, ECHO(5, "hello"));
	client_send(&client, GET("/status/404"));
	client_expect(&client,
	    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
	    "X-A: 1\r\nX-B: 2\r\n\r\n");
	assert_string_equal(seen_peer, "127.0.0.1 1");
	client_close(&client);
}

TEST(every_answer_has_a_date)
{
	struct client client = client_open();
	struct tm tm = { 0 };
	char date[64];

	client_send(&client, GET("/echo"));
	UNTIL((client_receive(&client), client.len > 0));
	assert_memory_equal(client.in, "HTTP/1.1 200 OK\r\nDate: ", 23);
	assert_non_null(
	    strptime(client.in + 23, "%a, %d %b %Y %H:%M:%S GMT", &tm));
	assert_true(llabs((long long)(time(NULL) - timegm(&tm))) <= 2);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	assert_memory_equal(client.in + 23, date, strlen(date));
	client_close(&client);
}

TEST(head_and_no_content_have_no_body)
{
	struct client client = client_open();

	client_send(&client, "HEAD /size/7 HTTP/1.1\r\nHost: h\r\n\r\n");
	client_expect(&client, OK(7, ""));
	client_send(&client, GET("/status/204"));
	client_expect(&client,
	    "HTTP/1.1 204 No Content\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
	client_send(&client, GET("/echo"));
	client_expect(&client, ECHO(0, ""));
	client_close(&client);
}

TEST(a_later_request_is_handled_while_an_earlier_is_held)
{
	struct client client = client_open();

	client_send(&client, GET("/hold"));
	UNTIL(n_handled == 1);
	client_send(&client, POST(1) "\r\n2" GET("/hold"));
	UNTIL(n_handled == 3);
	turns(5);
	client_receive(&client);
	assert_int_equal(client.len, 0);
	answer(held[1], "3");
	turns(5);
	client_receive(&client);
	assert_int_equal(client.len, 0);
	n_sends = 0;
	answer(held[0], "1");
	client_expect(&client, OK(1, "1") ECHO(1, "2") OK(1, "3"));
	assert_int_equal(n_sends, 1);
	client_close(&client);
}

TEST(answers_of_one_turn_leave_in_one_write)
{
	struct client client = client_open();

	client_send(&client, POST(1) "\r\na" POST(1) "\r\nb" POST(1) "\r\nc");
	client_expect(&client, ECHO(1, "a") ECHO(1, "b") ECHO(1, "c"));
	assert_int_equal(n_sends, 1);
	client_close(&client);
}

static void
fill_pipeline(struct client *client)
{
	for (int i = 0; i < limits.pipeline_max + 1; i++)
		client_send(client, GET("/hold"));
	UNTIL(n_held == limits.pipeline_max);
	turns(5);
	assert_int_equal(n_held, limits.pipeline_max);
}

TEST(past_the_pipelines_limit_nothing_is_read_until_an_answer)
{
	struct client client = client_open();

	fill_pipeline(&client);
	client_send(&client, POST(4) "\r\nlate");
	answer(held[0], "");
	UNTIL(n_held == limits.pipeline_max + 1);
	turns(5);
	assert_int_equal(n_handled, limits.pipeline_max + 1);
	for (int i = 1; i < n_held; i++)
		answer(held[i], "");
	UNTIL(client_has(&client, "late"));
	client_close(&client);
}

TEST(unread_requests_past_the_limit_cost_no_turns)
{
	struct client client = client_open();

	fill_pipeline(&client);
	n_looks = 0;
	turns(50);
	assert_true(n_looks <= 1);
	client_send(&client, GET("/hold"));
	turns(50);
	assert_true(n_looks <= 2);
	client_close(&client);
}

TEST(a_close_and_a_reset_are_noticed_past_the_pipelines_limit)
{
	struct client client = client_open();

	fill_pipeline(&client);
	client_close(&client);
	UNTIL(n_aborted == limits.pipeline_max);
	n_held = n_aborted = 0;
	client = client_open();
	fill_pipeline(&client);
	client_reset(&client);
	UNTIL(n_aborted == limits.pipeline_max);
	assert_int_equal(http_server_connections(server), 0);
}

TEST(a_request_may_come_byte_by_byte)
{
	static const char text[] =
	    POST(5) "\r\nhello" POST_CHUNKED
	            "3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n" GET("/size/3");
	struct client client = client_open();

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		client_send_bytes(&client, text + i, 1);
		turns(2);
	}
	client_expect(&client, ECHO(5, "hello") ECHO(5, "abcde") OK(3, "xxx"));
	client_close(&client);
}

/* 200 KB in both codings, with a request behind each. */
TEST(bodies_larger_than_a_read)
{
	struct client client = client_open();
	size_t len = 200000;
	char *body = xmalloc(len);
	char line[64];

	for (size_t i = 0; i < len; i++)
		body[i] = 'a' + i % 23;
	client_send(&client, POST(200000) "\r\n");
	client_send_bytes(&client, body, len);
	client_send(&client, GET("/echo") POST_CHUNKED);
	for (size_t at = 0; at < len; at += 50000) {
		snprintf(line, sizeof(line), "%x\r\n", 50000);
		client_send(&client, line);
		client_send_bytes(&client, body + at, 50000);
		client_send(&client, "\r\n");
	}
	client_send(&client, "0\r\n\r\n" GET("/size/4"));
	UNTIL(client_has(&client, OK(4, "xxxx")));
	assert_int_equal(n_handled, 4);
	assert_memory_equal(client.in + strlen(ECHO(200000, "")), body, len);
	assert_memory_equal(client.in + client.len - strlen(OK(4, "xxxx")) -
	        len,
	    body, len);
	free(body);
	client_close(&client);
}

TEST(idle_and_held_connections_hold_no_buffers)
{
	struct client client = client_open();

	client_send(&client, POST(5) "\r\nhello");
	client_expect(&client, ECHO(5, "hello"));
	assert_null(the_conn()->out);
	assert_null(the_conn()->partial);
	client_send(&client, "GET /hold HTT");
	UNTIL(the_conn()->partial != NULL);
	client_send(&client, "P/1.1\r\nHost: h\r\n\r\n");
	UNTIL(n_held == 1);
	assert_null(the_conn()->out);
	assert_null(the_conn()->partial);
	assert_int_equal(the_conn()->wait, CONN_WAIT_NONE);
	assert_true(sizeof(struct conn) + sizeof(struct exchange) <= 600);
	client_close(&client);
}

TEST(a_client_that_waits_is_told_to_continue)
{
	struct client client = client_open();

	client_send(&client, POST(5) "Expect: 100-continue\r\n\r\n");
	client_expect(&client, "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(&client, "hello");
	client_expect(&client, ECHO(5, "hello"));
	client_send(&client, POST(5) "Expect: 100-continue\r\n\r\nhello");
	client_expect(&client, ECHO(5, "hello"));
	client_close(&client);
}

TEST(continue_comes_behind_the_answers_of_earlier_requests)
{
	struct client client = client_open();

	client_send(&client,
	    GET("/hold") POST(5) "Expect: 100-continue\r\n\r\n");
	UNTIL(n_held == 1);
	turns(5);
	client_receive(&client);
	assert_int_equal(client.len, 0);
	answer(held[0], "1");
	client_expect(&client, OK(1, "1") "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(&client, "hello");
	client_expect(&client, ECHO(5, "hello"));
	client_close(&client);
}

/* The answer must arrive although the client goes on sending. */
static void
expect_refusal(const char *request, const char *status)
{
	struct client client = client_open();
	char line[64];

	client_send(&client, request);
	for (int i = 0; i < 20; i++) {
		client_send(&client, "more of it, unasked\r\n");
		loop_turn(loop, false);
	}
	snprintf(line, sizeof(line), "HTTP/1.1 %s\r\n", status);
	UNTIL(client_has_ended(&client));
	assert_false(client.reset);
	assert_memory_equal(client.in, line, strlen(line));
	assert_non_null(strstr(client.in, "Connection: close\r\n"));
	assert_null(strstr(client.in + 1, "HTTP/1.1"));
	client_close(&client);
	UNTIL(http_server_connections(server) == 0);
	assert_int_equal(n_handled, 0);
}

TEST(what_is_refused_is_answered_and_closed)
{
	char *large = xmalloc(20000);

	expect_refusal("GARBAGE\r\n\r\n", "400 Bad Request");
	expect_refusal("GET / HTTP/3.0\r\n\r\n",
	    "505 HTTP Version Not Supported");
	expect_refusal(POST(262145) "\r\n", "413 Content Too Large");
	expect_refusal(POST(262145) "Expect: 100-continue\r\n\r\n",
	    "413 Content Too Large");
	expect_refusal(POST(5) "Expect: tea\r\n\r\n", "417 Expectation Failed");
	expect_refusal(POST_CHUNKED "40001\r\n", "413 Content Too Large");
	expect_refusal(POST_CHUNKED "x\r\n", "400 Bad Request");
	memset(large, 'a', 20000);
	memcpy(large, "GET /", 5);
	large[19999] = '\0';
	expect_refusal(large, "431 Request Header Fields Too Large");
	free(large);
}

TEST(a_refusal_waits_for_the_answers_before_it)
{
	struct client client = client_open();

	client_send(&client, GET("/hold") "GARBAGE\r\n\r\n" GET("/echo"));
	UNTIL(n_held == 1);
	turns(5);
	client_receive(&client);
	assert_int_equal(client.len, 0);
	answer(held[0], "1");
	UNTIL(client_has_ended(&client));
	client_strip_dates(&client);
	assert_memory_equal(client.in, OK(1, "1") "HTTP/1.1 400 Bad Request",
	    strlen(OK(1, "1") "HTTP/1.1 400 Bad Request"));
	assert_int_equal(n_handled, 1);
	client_close(&client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(a_request_is_answered_with_the_exact_bytes),
		CONN_TEST(every_answer_has_a_date),
		CONN_TEST(head_and_no_content_have_no_body),
		CONN_TEST(a_later_request_is_handled_while_an_earlier_is_held),
		CONN_TEST(answers_of_one_turn_leave_in_one_write),
		CONN_TEST(
		    past_the_pipelines_limit_nothing_is_read_until_an_answer),
		CONN_TEST(unread_requests_past_the_limit_cost_no_turns),
		CONN_TEST(
		    a_close_and_a_reset_are_noticed_past_the_pipelines_limit),
		CONN_TEST(a_request_may_come_byte_by_byte),
		CONN_TEST(bodies_larger_than_a_read),
		CONN_TEST(idle_and_held_connections_hold_no_buffers),
		CONN_TEST(a_client_that_waits_is_told_to_continue),
		CONN_TEST(
		    continue_comes_behind_the_answers_of_earlier_requests),
		CONN_TEST(what_is_refused_is_answered_and_closed),
		CONN_TEST(a_refusal_waits_for_the_answers_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
