/*
 * The real server on a real loop; its clients are sockets of the same thread.
 * It takes the place of send() and getsockopt() to count them, so a program
 * includes it once.  For the tests of the connections.
 */
#ifndef WAFT_CONN_FIXTURE_H
#define WAFT_CONN_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/http/server.h"
#include "common/http/upgrade.h"
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
static struct upgrade upgraded; /* by /upgrade */

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

static inline void
answer(struct exchange *exchange, const char *text)
{
	exchange_reply(exchange,
	    &(struct http_reply){ .status = 200,
	        .body = text,
	        .len = strlen(text) });
}

static inline void
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

static inline void
hold(struct exchange *exchange)
{
	assert_true(n_held < HELD_MAX);
	held[n_held++] = exchange;
	exchange_set_data(exchange, &n_aborted);
	exchange_on_abort(exchange, aborted_cb, held);
}

/* /echo the body, /hold, /upgrade, /size/N bytes of x, /status/N. */
static inline void
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
	if (slice_is(path, "/upgrade")) {
		exchange_upgrade(exchange, &upgraded, "");
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

static inline struct client
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

static inline struct client
client_open(void)
{
	return client_open_port(http_server_port(server));
}

static inline void
client_close(struct client *client)
{
	close(client->fd);
	free(client->in);
}

static inline void
client_reset(struct client *client)
{
	struct linger now = { 1, 0 };

	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	client_close(client);
}

static inline void
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

static inline void
turn(void)
{
	struct timespec moment = { 0, 200000 };

	loop_turn(loop, false);
	nanosleep(&moment, NULL);
}

static inline void
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

static inline void
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

static inline void
client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

/* Takes the Date lines out, of which one is in every answer. */
static inline void
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

static inline bool
client_has(struct client *client, const char *text)
{
	client_receive(client);
	client_strip_dates(client);
	return strstr(client->in, text) != NULL;
}

static inline bool
client_has_ended(struct client *client)
{
	client_receive(client);
	return client->ended || client->reset;
}

/* All that came since the last call is exactly that. */
static inline void
client_expect(struct client *client, const char *text)
{
	UNTIL((client_receive(client), client_strip_dates(client),
	    client->len >= strlen(text)));
	assert_string_equal(client->in, text);
	client->len = 0;
	client->in[0] = '\0';
}

static inline void
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

static inline struct http_server *
listen_on(const char *address, bool reuse_port, struct loop *on)
{
	struct http_server_opts opts = { .loop = on,
		.limits = &limits,
		.max_body = 262144,
		.upgraded_ms = 60000,
		.reuse_port = reuse_port,
		.handle = handle_cb };
	const char *why = NULL;
	struct http_server *made = http_listen(&opts, address, &why);

	if (made == NULL)
		assert_non_null(why);
	return made;
}

static inline int
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

static inline int
teardown(UNUSED void **state)
{
	http_server_free(server);
	loop_turn(loop, false);
	loop_free(loop);
	assert_int_equal(stat_get(&http_connections), 0);
	return 0;
}

static inline struct conn *
the_conn(void)
{
	return LIST_FIRST(&server->conns);
}

#define CONN_TEST(rule) cmocka_unit_test_setup_teardown(rule, setup, teardown)

#endif
