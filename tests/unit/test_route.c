/* Routes as a client sees them: through a server. */
#include "common/http/route.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "tests/unit/unit.h"

static struct loop *loop;
static struct http_server *server;
static struct conf_http limits;
static char got[4096];

static void
tell(struct exchange *exchange, const char *name, const struct route_args *args)
{
	char text[512];

	strcpy(text, name);
	for (int i = 0; i < args->count; i++) {
		strcat(text, " ");
		strcat(text, args->arg[i]);
	}
	exchange_reply_text(exchange, 200, text);
}

#define ROUTE_FN(name)                                \
	static void name(struct exchange *exchange,   \
	    const struct route_args *args, void *arg) \
	{                                             \
		assert_ptr_equal(arg, got);           \
		tell(exchange, #name, args);          \
	}

ROUTE_FN(bosh)
ROUTE_FN(channels)
ROUTE_FN(channel)
ROUTE_FN(put_channel)
ROUTE_FN(sub)
ROUTE_FN(demo)

static const struct route routes[] = {
	{ HTTP_POST | HTTP_OPTIONS, "/http-bind/", bosh },
	{ HTTP_GET, "/channels/", channels },
	{ HTTP_GET | HTTP_DELETE, "/channels/*/", channel },
	{ HTTP_PUT, "/channels/*/", put_channel },
	{ HTTP_GET, "/channels/*/subscriptions/*", sub },
	{ HTTP_GET, "/demo/**", demo },
};

static void
handle_cb(struct exchange *exchange, void *arg)
{
	route_dispatch(routes, ARRAY_LEN(routes), exchange, arg);
}

static int
setup(UNUSED void **state)
{
	struct http_server_opts opts = { .limits = &limits,
		.handle = handle_cb,
		.arg = got };
	const char *why;

	log_set_level(LOG_ERROR);
	limits = (struct conf_http){ .head_max = 16384,
		.request_ms = 20000,
		.idle_ms = 75000,
		.connections_max = 100,
		.write_queue = 1 << 20,
		.pipeline_max = 16 };
	opts.loop = loop = loop_create();
	server = http_listen(&opts, "127.0.0.1:0", &why);
	return server == NULL ? -1 : 0;
}

static int
teardown(UNUSED void **state)
{
	http_server_free(server);
	loop_turn(loop, false);
	loop_free(loop);
	return 0;
}

/* HTTP/1.0: the answer ends with the connection. */
static void
ask(const char *method, const char *path)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_port = htons(http_server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t len = 0;
	ssize_t n = -1;

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
	    0);
	dprintf(fd, "%s %s HTTP/1.0\r\n\r\n", method, path);
	while (n != 0) {
		loop_turn(loop, true);
		while ((n = recv(fd, got + len, sizeof(got) - len - 1,
		            MSG_DONTWAIT)) > 0)
			len += (size_t)n;
	}
	got[len] = '\0';
	close(fd);
}

static void
assert_route(const char *method, const char *path, const char *want)
{
	char line[256];

	ask(method, path);
	snprintf(line, sizeof(line), "\r\n\r\n%s\n", want);
	assert_memory_equal(got, "HTTP/1.1 200", 12);
	assert_non_null(strstr(got, line));
}

static void
assert_status(const char *method, const char *path, int status)
{
	ask(method, path);
	assert_int_equal(atoi(got + 9), status);
}

TEST(a_final_slash_may_be_left_out_where_the_pattern_has_it)
{
	assert_route("POST", "/http-bind/", "bosh");
	assert_route("POST", "/http-bind", "bosh");
	assert_route("POST", "/http-bind?room=a", "bosh");
	assert_status("POST", "/http-bind//", 404);
	assert_status("POST", "/http-bindx", 404);
	assert_status("POST", "/http-bin", 404);
	assert_status("GET", "/channels/a/subscriptions/b/", 404);
}

TEST(a_star_takes_one_decoded_segment)
{
	assert_route("GET", "/channels/", "channels");
	assert_route("GET", "/channels/a", "channel a");
	assert_route("GET", "/channels/a%2fb%20c/", "channel a/b c");
	assert_route("GET", "/channels/%2a%2A", "channel **");
	assert_route("GET", "/channels/a+b/subscriptions/u%40h", "sub a+b u@h");
	assert_status("GET", "/channels//", 404);
	assert_status("GET", "/channels/a/b", 404);
	assert_status("GET", "/", 404);
}

TEST(two_stars_take_all_below)
{
	assert_route("GET", "/demo/", "demo");
	assert_route("GET", "/demo/a/b.js", "demo");
	assert_status("GET", "/demonstration", 404);
}

TEST(bad_escapes_are_refused_where_there_is_a_route)
{
	assert_status("GET", "/channels/a%2", 400);
	assert_status("GET", "/channels/a%00", 400);
	assert_status("GET", "/channels/%zz/", 400);
	assert_status("GET", "/none/%zz/", 404);
}

TEST(methods_choose_the_route)
{
	assert_route("PUT", "/channels/a", "put_channel a");
	assert_route("DELETE", "/channels/a/", "channel a");
	ask("HEAD", "/channels/a");
	assert_memory_equal(got, "HTTP/1.1 200", 12);
	assert_int_equal(strlen(strstr(got, "\r\n\r\n")), 4);
	assert_status("POST", "/channels/a", 405);
	assert_non_null(strstr(got, "\r\nAllow: GET, HEAD, PUT, DELETE\r\n"));
	assert_status("GET", "/http-bind", 405);
	assert_non_null(strstr(got, "\r\nAllow: POST, OPTIONS\r\n"));
	assert_status("PATCH", "/channels/a", 501);
	assert_status("PATCH", "/none", 404);
	assert_status("OPTIONS", "*", 404);
}

static void
assert_query(const char *query, const char *name, const char *want)
{
	struct buf out;
	struct slice text = { query, query == NULL ? 0 : strlen(query) };
	bool there;

	buf_init(&out, 0);
	there = query_param(text, name, &out);
	assert_int_equal(there, want != NULL);
	if (want != NULL)
		assert_string_equal(out.len == 0 ? "" : out.data, want);
	buf_clear(&out);
}

TEST(query_parameters_are_decoded)
{
	assert_query("after=00000001-5&max=10", "after", "00000001-5");
	assert_query("after=00000001-5&max=10", "max", "10");
	assert_query("a=1+2%2B3&b", "a", "1 2+3");
	assert_query("b=&a=2", "b", "");
	assert_query("xa=1&a=2", "a", "2");
	assert_query("a=1&a=2", "a", "1");
	assert_query("a=b=c", "a", "b=c");
	assert_query("a", "a", NULL);
	assert_query("ab=1", "a", NULL);
	assert_query("a=%", "a", NULL);
	assert_query("a=+%4", "a", NULL);
	assert_query("", "a", NULL);
	assert_query("&&", "a", NULL);
	assert_query(NULL, "a", NULL);
}

#define ROUTE_TEST(rule) cmocka_unit_test_setup_teardown(rule, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROUTE_TEST(
		    a_final_slash_may_be_left_out_where_the_pattern_has_it),
		ROUTE_TEST(a_star_takes_one_decoded_segment),
		ROUTE_TEST(two_stars_take_all_below),
		ROUTE_TEST(bad_escapes_are_refused_where_there_is_a_route),
		ROUTE_TEST(methods_choose_the_route),
		cmocka_unit_test(query_parameters_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
