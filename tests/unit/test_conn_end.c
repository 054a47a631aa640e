/* How a connection ends: by either side, by a limit, or not at all. */
#include "tests/unit/conn_fixture.h"

TEST(a_close_is_noticed_in_that_turn)
{
	struct client client = client_open();

	client_send(&client, GET("/hold") GET("/hold"));
	UNTIL(n_held == 2);
	client_close(&client);
	loop_turn(loop, true);
	assert_int_equal(n_aborted, 2);
	assert_int_equal(http_server_connections(server), 0);
}

TEST(a_reset_is_noticed_in_that_turn)
{
	struct client client = client_open();

	client_send(&client, GET("/hold"));
	UNTIL(n_held == 1);
	client_reset(&client);
	loop_turn(loop, true);
	assert_int_equal(n_aborted, 1);
	assert_int_equal(http_server_connections(server), 0);
}

TEST(http_1_0_closes_unless_it_asks_otherwise)
{
	struct client client = client_open();

	client_send(&client,
	    "GET /size/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	client_expect(&client,
	    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
	    "Connection: keep-alive\r\n\r\nx");
	client_send(&client, "GET /size/1 HTTP/1.0\r\n\r\n");
	client_expect(&client, OK_CLOSE(1, "x"));
	client_expect_end(&client);
	client_close(&client);
}

TEST(either_side_may_ask_to_close)
{
	struct client client = client_open();

	client_send(&client,
	    "GET /size/1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET(
	        "/echo"));
	client_expect(&client, OK_CLOSE(1, "x"));
	client_expect_end(&client);
	client_close(&client);
	client = client_open();
	client_send(&client, GET("/close") GET("/hold"));
	client_expect(&client, OK_CLOSE(0, ""));
	client_expect_end(&client);
	client_close(&client);
	UNTIL(http_server_connections(server) == 0);
}

TEST(a_close_answered_early_aborts_what_is_behind_it)
{
	struct client client = client_open();

	client_send(&client, GET("/hold") GET("/hold"));
	UNTIL(n_held == 2);
	exchange_reply(held[0],
	    &(struct http_reply){ .status = 200, .close = true });
	client_expect(&client, OK_CLOSE(0, ""));
	assert_int_equal(n_aborted, 1);
	client_expect_end(&client);
	client_close(&client);
}

TEST(half_closed_clients_get_what_was_answered_at_once)
{
	struct client client = client_open();

	client_send(&client, POST(2) "\r\nhi" GET("/hold"));
	shutdown(client.fd, SHUT_WR);
	client_expect(&client, ECHO(2, "hi"));
	client_expect_end(&client);
	assert_int_equal(n_handled, 2);
	assert_int_equal(n_aborted, 1);
	client_close(&client);
}

/* The event that tells of the end comes before all is read. */
TEST(an_end_is_noticed_behind_a_body_and_a_request)
{
	struct client client = client_open();

	client_send(&client, POST(6) "\r\nab");
	turns(5);
	client_send(&client, "cdef" GET("/hold"));
	shutdown(client.fd, SHUT_WR);
	client_expect(&client, ECHO(6, "abcdef"));
	client_expect_end(&client);
	assert_int_equal(n_handled, 2);
	assert_int_equal(n_aborted, 1);
	client_close(&client);
}

TEST(an_abort_may_answer_another_request_of_the_connection)
{
	struct client client = client_open();

	client_send(&client, GET("/hold") GET("/hold") GET("/hold"));
	UNTIL(n_held == 3);
	answer_on_abort = held[1];
	client_close(&client);
	UNTIL(http_server_connections(server) == 0);
	assert_int_equal(n_aborted, 2);
}

TEST(a_slow_request_is_refused_and_a_held_one_is_not)
{
	struct client slow = client_open();
	struct client waits = client_open();

	limits.request_ms = 60;
	limits.idle_ms = 60;
	client_send(&waits, GET("/hold"));
	client_send(&slow, "GET / HTTP/1.1\r\nHo");
	UNTIL(client_has(&slow, "HTTP/1.1 408 Request Timeout\r\n"));
	UNTIL(client_has_ended(&slow));
	turns(20);
	assert_int_equal(n_aborted, 0);
	assert_int_equal(n_held, 1);
	answer(held[0], "1");
	client_expect(&waits, OK(1, "1"));
	client_close(&slow);
	client_close(&waits);
}

TEST(trickling_does_not_put_the_end_off)
{
	struct client client = client_open();

	limits.request_ms = 60;
	client_send(&client,
	    "POST /echo HTTP/1.1\r\nHost: h\r\n"
	    "Content-Length: 100000\r\n\r\n");
	UNTIL((send(client.fd, "x", 1, MSG_NOSIGNAL),
	    client_has(&client, "HTTP/1.1 408 Request Timeout\r\n")));
	client_close(&client);
}

TEST(an_idle_connection_is_closed_without_a_word)
{
	struct client used = client_open();
	struct client fresh;

	limits.idle_ms = 60;
	fresh = client_open();
	client_send(&used, GET("/size/1"));
	client_expect(&used, OK(1, "x"));
	client_expect_end(&used);
	client_expect_end(&fresh);
	client_close(&used);
	client_close(&fresh);
}

TEST(a_reader_may_be_slow)
{
	struct client client = client_open();
	size_t want = strlen(OK(9000000, "")) + 37 + 9000000;

	client_send(&client, GET("/size/9000000") GET("/size/5"));
	UNTIL(the_conn() != NULL && the_conn()->blocked);
	assert_int_equal(n_handled, 1);
	UNTIL((client_receive(&client),
	    client.len == want + 37 + strlen(OK(5, "xxxxx"))));
	assert_int_equal(n_handled, 2);
	assert_null(the_conn()->out);
	client_close(&client);
}

TEST(a_slow_reader_is_given_time_as_long_as_it_reads)
{
	struct client client = client_open();
	long long deadline_ms;

	client_send(&client, GET("/size/9000000"));
	UNTIL(the_conn() != NULL && the_conn()->blocked);
	assert_int_equal(the_conn()->wait, CONN_WAIT_IDLE);
	deadline_ms = the_conn()->deadline_ms;
	turn();
	UNTIL((client_receive(&client), the_conn()->deadline_ms > deadline_ms));
	assert_true(the_conn()->blocked);
	client_close(&client);
}

TEST(kept_answers_count_as_unread)
{
	struct client client = client_open();
	char *large = xmalloc(600000);

	for (int i = 0; i < 3; i++)
		client_send(&client, GET("/hold"));
	UNTIL(n_held == 3);
	memset(large, 'x', 599999);
	large[599999] = '\0';
	answer(held[1], large);
	turns(3);
	assert_int_equal(http_server_connections(server), 1);
	answer(held[2], large);
	turns(1);
	assert_int_equal(http_server_connections(server), 0);
	assert_int_equal(n_aborted, 1);
	free(large);
	client_close(&client);
}

TEST(who_does_not_read_is_cut)
{
	struct client client = client_open();
	int64_t cut = stat_get(&http_cut);
	char *large = xmalloc(8 << 20);

	for (int i = 0; i < 3; i++)
		client_send(&client, GET("/hold"));
	UNTIL(n_held == 3);
	memset(large, 'x', (8 << 20) - 1);
	large[(8 << 20) - 1] = '\0';
	answer(held[0], large);
	assert_int_equal(n_aborted, 0);
	answer(held[1], large);
	assert_int_equal(n_aborted, 0);
	loop_turn(loop, false);
	assert_int_equal(n_aborted, 1);
	assert_int_equal(stat_get(&http_cut), cut + 1);
	assert_int_equal(http_server_connections(server), 0);
	free(large);
	client_close(&client);
}

TEST(who_stops_reading_is_cut_in_the_end)
{
	struct client client = client_open();

	limits.idle_ms = 60;
	client_send(&client, GET("/size/9000000"));
	UNTIL(n_handled == 1);
	UNTIL(http_server_connections(server) == 0);
	client_close(&client);
}

TEST(an_answer_to_who_has_left_is_dropped)
{
	struct client client = client_open();

	client_send(&client, GET("/hold"));
	UNTIL(n_held == 1);
	client_reset(&client);
	answer(held[0], "1");
	UNTIL(http_server_connections(server) == 0);
	assert_int_equal(n_aborted, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(a_close_is_noticed_in_that_turn),
		CONN_TEST(a_reset_is_noticed_in_that_turn),
		CONN_TEST(http_1_0_closes_unless_it_asks_otherwise),
		CONN_TEST(either_side_may_ask_to_close),
		CONN_TEST(a_close_answered_early_aborts_what_is_behind_it),
		CONN_TEST(half_closed_clients_get_what_was_answered_at_once),
		CONN_TEST(an_end_is_noticed_behind_a_body_and_a_request),
		CONN_TEST(
		    an_abort_may_answer_another_request_of_the_connection),
		CONN_TEST(a_slow_request_is_refused_and_a_held_one_is_not),
		CONN_TEST(trickling_does_not_put_the_end_off),
		CONN_TEST(an_idle_connection_is_closed_without_a_word),
		CONN_TEST(a_reader_may_be_slow),
		CONN_TEST(a_slow_reader_is_given_time_as_long_as_it_reads),
		CONN_TEST(kept_answers_count_as_unread),
		CONN_TEST(who_does_not_read_is_cut),
		CONN_TEST(who_stops_reading_is_cut_in_the_end),
		CONN_TEST(an_answer_to_who_has_left_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
