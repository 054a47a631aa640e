/* The handshake and the frames of a WebSocket, without a connection. */
#include "common/http/websocket.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define MESSAGE_MAX 1000

static struct loop *loop;
static struct websockets shared;
static struct websocket ws;
static struct buf got; /* messages, each with a `|` behind it */
static int closed;
static uint32_t ponged;
static bool close_at_once;

static void
message_cb(struct websocket *socket, struct slice text)
{
	buf_add(&got, text.p, text.len);
	buf_addc(&got, '|');
	if (close_at_once)
		websocket_close(socket, WEBSOCKET_NORMAL);
}

static void
pong_cb(struct websocket *socket, uint32_t number)
{
	assert_ptr_equal(socket, &ws);
	ponged = number;
}

static void
drained_cb(struct websocket *socket)
{
	assert_ptr_equal(socket, &ws);
}

static void
closed_cb(struct websocket *socket, int code)
{
	assert_ptr_equal(socket, &ws);
	assert_int_equal(closed, 0);
	closed = code;
}

static const struct websocket_ops ops = { message_cb, pong_cb, drained_cb,
	closed_cb };

static int
setup(void **state)
{
	*state = NULL;
	loop = loop_create();
	websockets_init(&shared, loop, MESSAGE_MAX, 60000);
	memset(&ws, 0, sizeof(ws));
	websocket_init(&ws, &shared, &ops);
	buf_init(&got, 0);
	closed = 0;
	ponged = 0;
	close_at_once = false;
	return 0;
}

static int
teardown(void **state)
{
	*state = NULL;
	if (ws.reader != NULL)
		websocket_close(&ws, WEBSOCKET_NORMAL);
	websockets_clear(&shared);
	buf_clear(&got);
	loop_free(loop);
	return 0;
}

static void
feed(const void *data, size_t len)
{
	char *bytes = unit_guard(data, len);

	ws.upgrade.ops->read(&ws.upgrade, bytes, len);
	unit_unguard(bytes, len);
}

/* A masked frame of a client; head is its first byte. */
static void
add_frame(struct buf *out, int head, const char *payload)
{
	static const char mask[4] = { 1, 2, 3, 4 };
	size_t len = strlen(payload);

	assert_true(len < 126);
	buf_addc(out, (char)head);
	buf_addc(out, (char)(0x80 | len));
	buf_add(out, mask, 4);
	for (size_t i = 0; i < len; i++)
		buf_addc(out, (char)(payload[i] ^ mask[i % 4]));
}

/* ---- the handshake --------------------------------------------------- */

static int
shake(const char *text, struct buf *headers)
{
	struct http_head head;
	const char *why;
	size_t used;
	int status;

	buf_reset(headers);
	assert_int_equal(http_parse_head(text, strlen(text), 4096, &head, &used,
	                     &status, &why),
	    HTTP_DONE);
	return websocket_handshake(&head, "xmpp", headers, &why);
}

TEST(accepts_the_key_of_the_rfc)
{
	struct buf headers;

	buf_init(&headers, 0);
	assert_int_equal(
	    shake("GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"
	          "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	          "Sec-WebSocket-Protocol: chat, xmpp\r\n"
	          "Sec-WebSocket-Version: 13\r\n\r\n",
	        &headers),
	    101);
	assert_non_null(strstr(headers.data,
	    "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_non_null(
	    strstr(headers.data, "\r\nSec-WebSocket-Protocol: xmpp\r\n"));
	assert_int_equal(shake("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &headers),
	    426);
	buf_clear(&headers);
}

/* ---- writing --------------------------------------------------------- */

TEST(a_length_takes_as_few_bytes_as_it_can)
{
	static const struct {
		size_t len;
		const char *head;
		size_t head_len;
	} frames[] = {
		{ 0, "\x81\x00", 2 },
		{ 125, "\x81\x7d", 2 },
		{ 126, "\x81\x7e\x00\x7e", 4 },
		{ 65535, "\x81\x7e\xff\xff", 4 },
		{ 65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10 },
	};
	char *payload = xmalloc(65536);
	struct buf out;
	size_t at;

	memset(payload, 'x', 65536);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		buf_init(&out, 0);
		buf_adds(&out, "before");
		at = frame_begin(&out);
		buf_add(&out, payload, frames[i].len);
		frame_end(&out, at);
		assert_int_equal(out.len,
		    6 + frames[i].head_len + frames[i].len);
		assert_memory_equal(out.data, "before", 6);
		assert_memory_equal(out.data + 6, frames[i].head,
		    frames[i].head_len);
		assert_memory_equal(out.data + 6 + frames[i].head_len, payload,
		    frames[i].len);
		buf_clear(&out);
	}
	free(payload);
}

/* ---- reading --------------------------------------------------------- */

TEST(a_message_may_come_in_any_pieces)
{
	struct buf in;

	buf_init(&in, 0);
	add_frame(&in, 0x81, "one");
	add_frame(&in, 0x01, "t");
	add_frame(&in, 0x89, "ping");
	add_frame(&in, 0x00, "");
	add_frame(&in, 0x80, "wo");
	add_frame(&in, 0x81, "");
	feed(in.data, in.len);
	assert_string_equal(got.data, "one|two||");
	for (size_t i = 0; i < in.len; i++)
		feed(in.data + i, 1);
	assert_string_equal(got.data, "one|two||one|two||");
	assert_int_equal(closed, 0);
	buf_clear(&in);
}

TEST(between_messages_it_holds_nothing)
{
	struct buf in;

	buf_init(&in, 0);
	add_frame(&in, 0x81, "one");
	feed(in.data, in.len - 1);
	assert_non_null(ws.reader);
	feed(in.data + in.len - 1, 1);
	assert_null(ws.reader);
	buf_reset(&in);
	add_frame(&in, 0x01, "half");
	feed(in.data, in.len);
	assert_non_null(ws.reader);
	buf_reset(&in);
	add_frame(&in, 0x80, "");
	feed(in.data, in.len);
	assert_null(ws.reader);
	feed("\x89", 1);
	assert_non_null(ws.reader);
	buf_clear(&in);
}

TEST(what_follows_its_owners_close_is_not_read)
{
	struct buf in;

	close_at_once = true;
	buf_init(&in, 0);
	add_frame(&in, 0x81, "one");
	add_frame(&in, 0x81, "two");
	feed(in.data, in.len);
	assert_string_equal(got.data, "one|");
	assert_null(ws.reader);
	assert_int_equal(closed, 0);
	buf_clear(&in);
}

TEST(a_fault_is_told_once_with_its_code)
{
	struct buf in;

	buf_init(&in, 0);
	add_frame(&in, 0x82, "binary");
	add_frame(&in, 0x81, "late");
	feed(in.data, in.len);
	assert_int_equal(closed, WEBSOCKET_UNSUPPORTED);
	assert_int_equal(got.len, 0);
	assert_null(ws.reader);
	buf_clear(&in);
}

TEST(the_reason_of_a_close_is_utf8_in_any_pieces)
{
	struct buf in;

	buf_init(&in, 0);
	add_frame(&in, 0x88, "\x03\xe8\xc3\xbc\xff");
	for (size_t i = 0; i < in.len && closed == 0; i++)
		feed(in.data + i, 1);
	assert_int_equal(closed, WEBSOCKET_INVALID);
	buf_clear(&in);
}

TEST(only_a_pong_to_a_ping_that_was_sent_counts)
{
	struct buf in, out;
	uint32_t number;

	buf_init(&in, 0);
	buf_init(&out, 0);
	number = websocket_add_ping(&ws, &out);
	assert_int_equal(out.len, 6);
	add_frame(&in, 0x8a, "text");
	add_frame(&in, 0x8a, "");
	feed(in.data, in.len);
	assert_int_equal(ponged, 0);
	buf_reset(&in);
	buf_add(&in, "\x8a\x84\0\0\0\0", 6);
	buf_add(&in, out.data + 2, 4);
	feed(in.data, in.len);
	assert_int_equal(ponged, number);
	buf_clear(&in);
	buf_clear(&out);
}

#define WS_TEST(rule) cmocka_unit_test_setup_teardown(rule, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_key_of_the_rfc),
		WS_TEST(a_length_takes_as_few_bytes_as_it_can),
		WS_TEST(a_message_may_come_in_any_pieces),
		WS_TEST(between_messages_it_holds_nothing),
		WS_TEST(what_follows_its_owners_close_is_not_read),
		WS_TEST(a_fault_is_told_once_with_its_code),
		WS_TEST(the_reason_of_a_close_is_utf8_in_any_pieces),
		WS_TEST(only_a_pong_to_a_ping_that_was_sent_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
