/* Bytes of a client: as a handshake, and as frames, whole and in pieces.  The
 * outcome must not depend on how they arrive; what is a message is UTF-8 within
 * the limit. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/websocket.h"

#define FUZZ_MESSAGE_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_socket {
	struct websocket ws; /* first */
	struct buf got;
	int messages;
	int pongs;
	int closed;
};

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

static struct fuzz_socket *
fuzz_of(struct websocket *ws)
{
	return (struct fuzz_socket *)(void *)ws;
}

static void
fuzz_message(struct websocket *ws, struct slice text)
{
	fuzz_check(text.len <= FUZZ_MESSAGE_MAX);
	fuzz_check(text_is_utf8(text.p, text.len));
	fuzz_check(fuzz_of(ws)->closed == 0);
	buf_add(&fuzz_of(ws)->got, text.p, text.len);
	fuzz_of(ws)->messages++;
}

static void
fuzz_pong(struct websocket *ws, uint32_t number)
{
	fuzz_check(number > 0 && number <= ws->pings);
	fuzz_of(ws)->pongs++;
}

static void
fuzz_drained(struct websocket *ws)
{
	fuzz_check(ws == NULL);
}

static void
fuzz_closed(struct websocket *ws, int code)
{
	fuzz_check(fuzz_of(ws)->closed == 0);
	fuzz_check(code >= 1000 && code < 5000);
	fuzz_of(ws)->closed = code;
}

static const struct websocket_ops fuzz_ops = { fuzz_message, fuzz_pong,
	fuzz_drained, fuzz_closed };

/* Step 0: whole. */
static void
fuzz_frames(struct websockets *shared, struct fuzz_socket *socket,
    const uint8_t *data, size_t size, size_t step)
{
	size_t at, len;
	char *piece;

	memset(socket, 0, sizeof(*socket));
	websocket_init(&socket->ws, shared, &fuzz_ops);
	socket->ws.pings = 5;
	buf_init(&socket->got, 0);
	for (at = 0; at < size && socket->closed == 0; at += len) {
		len = step == 0 || step > size - at ? size - at : step;
		/* Of its own, so that reading past it is found. */
		piece = malloc(len);
		memcpy(piece, data + at, len);
		socket->ws.upgrade.ops->read(&socket->ws.upgrade, piece, len);
		free(piece);
	}
	fuzz_check(socket->closed == 0 || socket->ws.reader == NULL);
	if (socket->closed == 0)
		websocket_close(&socket->ws, WEBSOCKET_NORMAL);
}

static void
fuzz_handshake(const uint8_t *data, size_t size)
{
	struct http_head head;
	struct buf headers;
	const char *why = NULL;
	size_t used;
	int status;

	if (http_parse_head((const char *)data, size, 4096, &head, &used,
	        &status, &why) != HTTP_DONE)
		return;
	buf_init(&headers, 0);
	status = websocket_handshake(&head, "xmpp", &headers, &why);
	fuzz_check(status == 101 || status == 400 || status == 426);
	fuzz_check((status == 400) == (headers.len == 0));
	fuzz_check(headers.len < 200);
	buf_clear(&headers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	static struct websockets shared;
	struct fuzz_socket whole, pieces;

	if (loop == NULL) {
		loop = loop_create();
		websockets_init(&shared, loop, FUZZ_MESSAGE_MAX, INT64_MAX);
	}
	fuzz_handshake(data, size);
	if (size == 0)
		return 0;
	fuzz_frames(&shared, &whole, data + 1, size - 1, 0);
	fuzz_frames(&shared, &pieces, data + 1, size - 1, 1 + data[0] % 16);
	/* A close may have two faults, and a reason that is no UTF-8 may be
	 * seen before its frame is complete. */
	fuzz_check((whole.closed == 0) == (pieces.closed == 0) ||
	    whole.closed == WEBSOCKET_INVALID ||
	    pieces.closed == WEBSOCKET_INVALID);
	fuzz_check(whole.messages == pieces.messages);
	fuzz_check(whole.pongs == pieces.pongs);
	fuzz_check(whole.got.len == pieces.got.len);
	fuzz_check(whole.got.len == 0 ||
	    memcmp(whole.got.data, pieces.got.data, whole.got.len) == 0);
	buf_clear(&whole.got);
	buf_clear(&pieces.got);
	return 0;
}
