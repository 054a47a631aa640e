/* The real server on a real loop; its clients are sockets of the same thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http/server.h"
#include "tests/unit/unit.h"

#define DEADLINE_MS 10000
#define HELD_MAX    64

static struct loop *loop;
static struct http_server *server;
static struct conf_http limits;
static struct exchange *held[HELD_MAX];
static int n_held;
static int n_handled;
static int n_aborted;
static int n_sends;
static int n_looks; /* at a connection that is not read */
static struct exchange *answer_on_abort;
static char seen_peer[64];

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	n_sends++;
	return sendto(fd, data, len, flags, NULL, 0);
}

int
getsockopt(int fd, int level, int name, void *restrict value,
    socklen_t *restrict len)
{
	n_looks++;
	return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
}

/* ---- the handler ----------------------------------------------------- */

static void
answer(struct exchange *exchange, const char *text)
{
	exchange_reply(exchange,
	    &(struct http_reply){ .status = 200,
	        .body = text,
	        .len = strlen(text) });
}

static void
aborted_cb(struct exchange *exchange, void *arg)
{
	struct exchange *other = answer_on_abort;

	assert_ptr_equal(arg, held);
	assert_ptr_equal(exchange_data(exchange), &n_aborted);
	n_aborted++;
	answer_on_abort = NULL;
	if (other != NULL && other != exchange)
		answer(other, "too late");
}

static void
hold(struct exchange *exchange)
{
	assert_true(n_held < HELD_MAX);
	held[n_held++] = exchange;
	exchange_set_data(exchange, &n_aborted);
	exchange_on_abort(exchange, aborted_cb, held);
}

/* /echo the body, /hold, /size/N bytes of x, /status/N. */
static void
handle_cb(struct exchange *exchange, UNUSED void *arg)
{
	struct slice path = exchange_head(exchange)->path;
	struct slice body = exchange_body(exchange);
	struct http_reply reply = { .status = 200 };
	char *filler = NULL;

	n_handled++;
	snprintf(seen_peer, sizeof(seen_peer), "%s %d", exchange_peer(exchange),
	    exchange_is_loopback(exchange));
	if (slice_is(path, "/hold")) {
		hold(exchange);
		return;
	}
	if (slice_is(path, "/echo")) {
		reply.body = body.p;
		reply.len = body.len;
		reply.type = "text/plain";
	} else if (slice_is(path, "/close")) {
		reply.close = true;
	} else if (path.len > 6 && memcmp(path.p, "/size/", 6) == 0) {
		reply.len = strtoul(path.p + 6, NULL, 10);
		reply.body = filler = xmalloc(reply.len);
		memset(filler, 'x', reply.len);
	} else if (path.len > 8 && memcmp(path.p, "/status/", 8) == 0) {
		reply.status = atoi(path.p + 8);
		reply.headers = "X-A: 1\r\nX-B: 2\r\n";
	}
	exchange_reply(exchange, &reply);
	free(filler);
}

/* ---- the client ------------------------------------------------------ */

struct client {
	int fd;
	char *in;
	size_t len;
	size_t size;
	bool ended; /* the server shut its side */
	bool reset;
};

static struct client
client_open_port(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct client client = { .size = 1 << 24 };

	client.in = xmalloc(client.size);
	client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(client.fd >= 0);
	assert_int_equal(connect(client.fd, (struct sockaddr *)&addr,
	                     sizeof(addr)),
	    0);
	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	return client;
}

static struct client
client_open(void)
{
	return client_open_port(http_server_port(server));
}

static void
client_close(struct client *client)
{
	close(client->fd);
	free(client->in);
}

static void
client_reset(struct client *client)
{
	struct linger now = { 1, 0 };

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	client_close(client);
}

static void
client_receive(struct client *client)
{
	ssize_t n = recv(client->fd, client->in + client->len,
	    client->size - client->len - 1, 0);

	if (n > 0)
		client->len += n;
	client->ended = client->ended || n == 0;
	client->reset = client->reset || (n < 0 && errno != EAGAIN);
	client->in[client->len] = '\0';
}

static void
turn(void)
{
	struct timespec moment = { 0, 200000 };

	loop_turn(loop, false);
	nanosleep(&moment, NULL);
}

static void
turns(int n)
{
	while (n-- > 0)
		loop_turn(loop, false);
}

#define UNTIL(condition)                                                     \
	do {                                                                 \
		int64_t until_ = clock_mono_ms() + DEADLINE_MS;              \
		while (!(condition)) {                                       \
			turn();                                              \
			if (clock_mono_ms() > until_)                        \
				fail_msg(                                    \
				    "not within the deadline: " #condition); \
		}                                                            \
	} while (0)

static void
client_send_bytes(struct client *client, const char *data, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len) {
		n = write(client->fd, data + at, len - at);
		if (n > 0)
			at += n;
		else
			turn();
	}
}

static void
client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

/* Takes the Date lines out, of which one is in every answer. */
static void
client_strip_dates(struct client *client)
{
	char *date;

	while ((date = strstr(client->in, "Date: ")) != NULL) {
		if (strlen(date) < 37)
			return;
		assert_memory_equal(date + 31, " GMT\r\n", 6);
		memmove(date, date + 37, strlen(date + 37) + 1);
		client->len -= 37;
	}
}

static bool
client_has(struct client *client, const char *text)
{
	client_receive(client);
	client_strip_dates(client);
	return strstr(client->in, text) != NULL;
}

static bool
client_has_ended(struct client *client)
{
	client_receive(client);
	return client->ended || client->reset;
}

/* All that came since the last call is exactly that. */
static void
client_expect(struct client *client, const char *text)
{
	UNTIL((client_receive(client), client_strip_dates(client),
	    client->len >= strlen(text)));
	assert_string_equal(client->in, text);
	client->len = 0;
	client->in[0] = '\0';
}

static void
client_expect_end(struct client *client)
{
	UNTIL(client_has_ended(client));
	assert_int_equal(client->len, 0);
	assert_false(client->reset);
}

#define OK(len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #len "\r\n\r\n" body
#define OK_CLOSE(len, body)                                           \
	"HTTP/1.1 200 OK\r\nContent-Length: " #len "\r\nConnection: " \
	"close\r\n\r\n" body
#define ECHO(len, body)                                   \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" \
	"Content-Length: " #len "\r\n\r\n" body
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(len) \
	"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " #len "\r\n"
#define POST_CHUNKED                         \
	"POST /echo HTTP/1.1\r\nHost: h\r\n" \
	"Transfer-Encoding: chunked\r\n\r\n"

/* ---- fixture --------------------------------------------------------- */

static struct http_server *
listen_on(const char *address, bool reuse_port, struct loop *on)
{
	struct http_server_opts opts = { .loop = on,
		.limits = &limits,
		.max_body = 262144,
		.reuse_port = reuse_port,
		.handle = handle_cb };
	const char *why = NULL;
	struct http_server *made = http_listen(&opts, address, &why);

	if (made == NULL)
		assert_non_null(why);
	return made;
}

static int
setup(UNUSED void **state)
{
	log_set_level(LOG_ERROR);
	limits = (struct conf_http){ .head_max = 16384,
		.request_ms = 20000,
		.idle_ms = 75000,
		.connections_max = 100,
		.write_queue = 1 << 20,
		.pipeline_max = 16 };
	n_held = n_handled = n_aborted = n_sends = n_looks = 0;
	answer_on_abort = NULL;
	loop = loop_create();
	server = listen_on("127.0.0.1:0", false, loop);
	return server == NULL ? -1 : 0;
}

static int
teardown(UNUSED void **state)
{
	http_server_free(server);
	loop_turn(loop, false);
	loop_free(loop);
	assert_int_equal(stat_get(&http_connections), 0);
	return 0;
}

static struct conn *
the_conn(void)
{
	return LIST_FIRST(&server->conns);
}

/* ---- tests ----------------------------------------------------------- */

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

#define CONN_TEST(rule) cmocka_unit_test_setup_teardown(rule, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(a_request_is_answered_with_the_exact_bytes),
		CONN_TEST(every_answer_has_a_date),
		CONN_TEST(head_and_no_content_have_no_body),
		CONN_TEST(a_later_request_is_handled_while_an_earlier_is_held),
		CONN_TEST(answers_of_one_turn_leave_in_one_write),
		CONN_TEST(a_close_is_noticed_in_that_turn),
		CONN_TEST(a_reset_is_noticed_in_that_turn),
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
		CONN_TEST(http_1_0_closes_unless_it_asks_otherwise),
		CONN_TEST(either_side_may_ask_to_close),
		CONN_TEST(a_close_answered_early_aborts_what_is_behind_it),
		CONN_TEST(half_closed_clients_get_what_was_answered_at_once),
		CONN_TEST(
		    an_abort_may_answer_another_request_of_the_connection),
		CONN_TEST(a_slow_request_is_refused_and_a_held_one_is_not),
		CONN_TEST(trickling_does_not_put_the_end_off),
		CONN_TEST(an_idle_connection_is_closed_without_a_word),
		CONN_TEST(connections_past_the_limit_are_told),
		CONN_TEST(a_reader_may_be_slow),
		CONN_TEST(a_slow_reader_is_given_time_as_long_as_it_reads),
		CONN_TEST(kept_answers_count_as_unread),
		CONN_TEST(who_does_not_read_is_cut),
		CONN_TEST(who_stops_reading_is_cut_in_the_end),
		CONN_TEST(a_drained_server_answers_what_it_holds),
		CONN_TEST(freeing_the_server_aborts_what_it_holds),
		CONN_TEST(an_answer_to_who_has_left_is_dropped),
		CONN_TEST(workers_share_a_port),
		CONN_TEST(
		    running_out_of_descriptors_turns_clients_away_and_passes),
		CONN_TEST(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
