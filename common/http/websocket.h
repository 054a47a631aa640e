/*
 * The server's side of a WebSocket (RFC 6455) on a connection that has left
 * HTTP: the handshake, frames, pings, the closing.  Text messages alone, no
 * extension is ever agreed on.
 *
 * Embedded in the owner's object, which lives until it was told `closed` or has
 * called websocket_close() itself, and to the end of that turn.
 *
 * Reading is wslay's, for it has the rules of fragments, UTF-8, reserved bits
 * and close codes.  Its context takes 9 KB, so it is there only from the first
 * byte of a message to its last: an idle WebSocket holds no buffers.  Writing
 * is a head of two to ten bytes before the payload, made in place in the
 * owner's own buffer.
 *
 * A peer from which nothing comes for upgraded_ms is sent a ping, and cut when
 * nothing comes for as long again.
 */
#ifndef WAFT_HTTP_WEBSOCKET_H
#define WAFT_HTTP_WEBSOCKET_H

#include "common/base/buf.h"
#include "common/http/upgrade.h"

struct websocket;
struct websocket_reader;

/* RFC 6455 §7.4.1. */
enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_AWAY = 1001,
	WEBSOCKET_PROTOCOL = 1002,
	WEBSOCKET_UNSUPPORTED = 1003,
	WEBSOCKET_NONE = 1005, /* a close without a code */
	WEBSOCKET_LOST = 1006, /* no close at all */
	WEBSOCKET_INVALID = 1007,
	WEBSOCKET_POLICY = 1008,
	WEBSOCKET_TOO_BIG = 1009,
	WEBSOCKET_INTERNAL = 1011
};

/* What the WebSockets of one loop share. */
struct websockets {
	struct loop *loop;
	uint64_t max_message;
	int64_t message_ms; /* a message must be complete within */
	struct websocket_reader *spare;
};

struct websocket_ops {
	/* A whole message, UTF-8, for the call. */
	void (*message)(struct websocket *ws, struct slice text);
	/* The peer answered a ping of websocket_add_ping(): it has all that was
	 * sent before it. */
	void (*pong)(struct websocket *ws, uint32_t number);
	/* There is room again.  May come from inside a write. */
	void (*drained)(struct websocket *ws);
	/* It is over, by the peer or by a fault of his; nothing more is called.
	 * Code is what was closed with, ours or his. */
	void (*closed)(struct websocket *ws, int code);
};

struct websocket {
	struct upgrade upgrade;
	const struct websocket_ops *ops;
	struct websockets *shared;
	struct websocket_reader *reader; /* NULL between messages */
	uint32_t pings;
	bool silent; /* a ping was sent because nothing came */
};

void websockets_init(struct websockets *shared, struct loop *loop,
    uint64_t max_message, int64_t message_ms);
void websockets_clear(struct websockets *shared);

/*
 * Judges a request (RFC 6455 §4.2).  101: the answer's header lines are in
 * headers, for websocket_open().  Else the status to refuse it with (400, 426),
 * *why a static sentence, and headers what goes with that status.
 */
int websocket_handshake(const struct http_head *head, const char *protocol,
    struct buf *headers, const char **why);
/* Of zeroed memory; ops is borrowed for its life. */
void websocket_init(struct websocket *ws, struct websockets *shared,
    const struct websocket_ops *ops);
/* Inside the handler, when exchange_may_upgrade(). */
void websocket_open(struct websocket *ws, struct exchange *exchange,
    const char *headers);
/* Sends the code and closes; nothing is called any more. */
void websocket_close(struct websocket *ws, enum websocket_code code);

/* ---- frames, made in a buffer ---------------------------------------- */

/* Where the frame begins; what is appended until frame_end() is its payload, a
 * whole text message. */
size_t frame_begin(struct buf *out);
void frame_end(struct buf *out, size_t at);
/* Returns its number, for pong(). */
uint32_t websocket_add_ping(struct websocket *ws, struct buf *out);
/* Sends frames; count of the messages among them. */
void websocket_send(struct websocket *ws, const struct buf *frames, int count);
bool websocket_is_blocked(const struct websocket *ws);

#endif
