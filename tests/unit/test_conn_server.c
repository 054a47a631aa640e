/* The server that the connections belong to. */
#include <sys/resource.h>

#include "tests/unit/conn_fixture.h"

TEST(connections_past_the_limit_are_told)
{
	struct client first = client_open();
	struct client second;

	limits.connections_max = 1;
	UNTIL(http_server_connections(server) == 1);
	second = client_open();
	client_expect(&second,
	    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n");
	client_close(&second);
	client_close(&first);
	UNTIL(http_server_connections(server) == 0);
	first = client_open();
	client_send(&first, GET("/size/1"));
	client_expect(&first, OK(1, "x"));
	client_close(&first);
}

TEST(a_drained_server_answers_what_it_holds)
{
	struct client idle = client_open();
	struct client waits = client_open();
	int port = http_server_port(server);
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	client_send(&waits, GET("/hold") GET("/hold"));
	UNTIL(n_held == 2 && http_server_connections(server) == 2);
	http_server_drain(server);
	client_expect_end(&idle);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
	    -1);
	close(fd);
	answer(held[0], "1");
	answer(held[1], "2");
	client_expect(&waits, OK(1, "1") OK_CLOSE(1, "2"));
	client_expect_end(&waits);
	client_close(&idle);
	client_close(&waits);
	UNTIL(http_server_connections(server) == 0);
}

TEST(freeing_the_server_aborts_what_it_holds)
{
	struct client client = client_open();

	client_send(&client, GET("/hold") GET("/hold"));
	UNTIL(n_held == 2);
	http_server_free(server);
	server = NULL;
	assert_int_equal(n_aborted, 2);
	client_expect_end(&client);
	client_close(&client);
}

TEST(workers_share_a_port)
{
	struct loop *loops[2] = { loop_create(), loop_create() };
	struct http_server *servers[2];
	struct client clients[40];
	char address[32];

	servers[0] = listen_on("127.0.0.1:0", true, loops[0]);
	snprintf(address, sizeof(address), "127.0.0.1:%d",
	    http_server_port(servers[0]));
	servers[1] = listen_on(address, true, loops[1]);
	assert_non_null(servers[1]);
	for (int i = 0; i < 40; i++) {
		clients[i] = client_open_port(http_server_port(servers[0]));
		client_send(&clients[i], GET("/size/1"));
	}
	UNTIL((loop_turn(loops[0], false), loop_turn(loops[1], false),
	    n_handled == 40));
	assert_true(http_server_connections(servers[0]) > 0);
	assert_true(http_server_connections(servers[1]) > 0);
	for (int i = 0; i < 40; i++) {
		client_expect(&clients[i], OK(1, "x"));
		client_close(&clients[i]);
	}
	for (int i = 0; i < 2; i++) {
		http_server_free(servers[i]);
		loop_turn(loops[i], false);
		loop_free(loops[i]);
	}
}

TEST(running_out_of_descriptors_turns_clients_away_and_passes)
{
	struct rlimit before;
	struct rlimit low;
	struct client first = client_open();
	struct client client;
	int fd;

	UNTIL(http_server_connections(server) == 1);
	client = client_open();
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	fd = dup(0);
	low.rlim_cur = (rlim_t)fd;
	close(fd);
	setrlimit(RLIMIT_NOFILE, &low);
	UNTIL(client_has_ended(&client));
	assert_int_equal(http_server_connections(server), 1);
	setrlimit(RLIMIT_NOFILE, &before);
	client_close(&client);
	client = client_open();
	client_send(&client, GET("/size/1"));
	client_expect(&client, OK(1, "x"));
	client_close(&client);
	client_close(&first);
}

TEST(addresses)
{
	static const char *const bad[] = { "", "127.0.0.1", ":80", "x:80",
		"127.0.0.1:65536", "127.0.0.1:", "::1:80", "[::1:80", "[::1]",
		"[127.0.0.1]:80", "192.0.2.1:0" };
	struct http_server *other;
	char address[32];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(listen_on(bad[i], false, loop));
	snprintf(address, sizeof(address), "localhost:%d",
	    http_server_port(server));
	assert_null(listen_on(address, false, loop));
	other = listen_on("[::1]:0", false, loop);
	if (other == NULL)
		skip();
	assert_true(http_server_port(other) > 0);
	http_server_free(other);
}

/* ---- one that is never silent -------------------------------------------- */

static struct client flooder;
static int n_floods;

/* Sends more than was read, from inside the read. */
static void
flood_cb(UNUSED struct upgrade *upgrade, UNUSED char *data, UNUSED size_t len)
{
	static char flood[262144];

	n_floods++;
	while (write(flooder.fd, flood, sizeof(flood)) > 0)
		continue;
}

static void
flood_other_cb(UNUSED struct upgrade *upgrade)
{
}

TEST(a_peer_that_sends_as_fast_as_it_is_read_does_not_hold_the_turn)
{
	static const struct upgrade_ops ops = { .read = flood_cb,
		.late = flood_other_cb,
		.closed = flood_other_cb };
	struct client other = client_open();
	int before;

	/* What fails here fails by never coming back. */
	alarm(60);
	upgraded.ops = &ops;
	n_floods = 0;
	flooder = client_open();
	client_send(&flooder, GET("/upgrade") "more");
	UNTIL(n_floods > 0 && client_has(&flooder, "HTTP/1.1 101"));
	for (int i = 0; i < 10; i++) {
		before = n_floods;
		loop_turn(loop, false);
		assert_in_range(n_floods - before, 1, 2);
	}
	client_send(&other, GET("/size/1"));
	client_expect(&other, OK(1, "x"));
	client_close(&other);
	client_close(&flooder);
	UNTIL(http_server_connections(server) == 0);
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(connections_past_the_limit_are_told),
		CONN_TEST(a_drained_server_answers_what_it_holds),
		CONN_TEST(freeing_the_server_aborts_what_it_holds),
		CONN_TEST(workers_share_a_port),
		CONN_TEST(
		    running_out_of_descriptors_turns_clients_away_and_passes),
		CONN_TEST(addresses),
		CONN_TEST(
		    a_peer_that_sends_as_fast_as_it_is_read_does_not_hold_the_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
