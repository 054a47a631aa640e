/* Exchanges: the order of answers on one connection. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/http/server.h"

static const char conn_continue_text[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* ---- beginning and end --------------------------------------------------- */

struct exchange *
exchange_create(struct conn *conn)
{
	struct exchange *exchange = &conn->usual;

	if (exchange->conn != NULL)
		exchange = xmalloc(sizeof(*exchange));
	*exchange = (struct exchange){ .conn = conn };
	STAILQ_INSERT_TAIL(&conn->exchanges, exchange, entry);
	conn->n_exchanges++;
	return exchange;
}

/* Takes it out of the order and frees it. */
static void
exchange_end(struct exchange *exchange)
{
	struct conn *conn = exchange->conn;

	if (exchange->reply != NULL)
		conn->kept -= exchange->reply->len;
	out_free(conn->server, exchange->reply);
	STAILQ_REMOVE(&conn->exchanges, exchange, exchange, entry);
	conn->n_exchanges--;
	if (exchange == &conn->usual)
		exchange->conn = NULL;
	else
		free(exchange);
}

/* An abort callback may answer other exchanges of this conn, so the first is
 * taken anew each time. */
void
conn_abort(struct conn *conn)
{
	struct exchange *exchange;
	exchange_fn *fn;

	while ((exchange = STAILQ_FIRST(&conn->exchanges)) != NULL) {
		fn = exchange->reply == NULL ? exchange->abort : NULL;
		if (exchange->reply == NULL)
			stat_add(&http_aborted, 1);
		exchange->abort = NULL;
		if (fn != NULL)
			fn(exchange, exchange->abort_arg);
		exchange_end(exchange);
	}
}

/* ---- answers ------------------------------------------------------------- */

size_t
conn_unsent(const struct conn *conn)
{
	return conn->kept +
	    (conn->out == NULL ? 0 : conn->out->len - conn->out->sent);
}

void
conn_flush_soon(struct conn *conn)
{
	loop_defer(conn->server->opts.loop, &conn->flush);
}

/* A peer that does not read costs itself its connection; but one answer may be
 * larger than the limit when it is alone. */
bool
conn_has_room(struct conn *conn, size_t size)
{
	uint64_t max = conn->server->opts.limits->write_queue;

	if (conn_unsent(conn) == 0 || conn_unsent(conn) + size <= max)
		return true;
	if (!conn_write(conn))
		return false;
	if (conn_unsent(conn) == 0 || conn_unsent(conn) + size <= max)
		return true;
	stat_add(&http_cut, 1);
	conn_log(conn, "http.cut", "write-queue");
	conn_break(conn);
	return false;
}

/* The 100 belongs behind the answers of earlier requests. */
void
conn_continue(struct conn *conn)
{
	struct partial *partial = conn->partial;
	size_t len = sizeof(conn_continue_text) - 1;

	if (partial == NULL || !partial->expects || conn->n_exchanges > 0)
		return;
	partial->expects = false;
	if (conn->out == NULL)
		conn->out = out_create(conn->server, len);
	conn->out = out_grow(conn->server, conn->out, len);
	out_add(conn->out, conn_continue_text, len);
	conn_flush_soon(conn);
}

void
conn_closes(struct conn *conn)
{
	conn->closing = true;
	conn->gone = true;
	conn->no_more = true;
}

/* Appends the kept answers whose turn has come. */
static void
conn_advance(struct conn *conn)
{
	struct exchange *exchange = STAILQ_FIRST(&conn->exchanges);
	struct exchange *next;

	for (; exchange != NULL && exchange->reply != NULL && !conn->gone;
	     exchange = next) {
		next = STAILQ_NEXT(exchange, entry);
		if (conn->out == NULL)
			conn->out = out_create(conn->server, 0);
		conn->out =
		    out_grow(conn->server, conn->out, exchange->reply->len);
		out_add(conn->out, exchange->reply->data, exchange->reply->len);
		if (exchange->reply_closes)
			conn_closes(conn);
		exchange_end(exchange);
	}
}

static bool
exchange_is_last(const struct exchange *exchange)
{
	return STAILQ_NEXT(exchange, entry) == NULL &&
	    exchange->conn->partial == NULL;
}

/* The first in the order: straight to the connection's bytes. */
static void
exchange_reply_first(struct exchange *exchange, const struct http_reply *reply,
    size_t size, bool close)
{
	struct conn *conn = exchange->conn;
	struct http_server *server = conn->server;

	if (conn->out == NULL)
		conn->out = out_create(server, size);
	conn->out = out_grow(server, conn->out, size);
	reply_add(server, conn->out, exchange, reply, close);
	if (close)
		conn_closes(conn);
	exchange_end(exchange);
	conn_advance(conn);
	if (!conn->gone)
		conn_continue(conn);
}

static void
exchange_reply_keep(struct exchange *exchange, const struct http_reply *reply,
    size_t size, bool close)
{
	struct conn *conn = exchange->conn;

	exchange->reply = out_create(conn->server, size);
	exchange->reply_closes = close;
	reply_add(conn->server, exchange->reply, exchange, reply, close);
	conn->kept += exchange->reply->len;
}

/* What of the answer the server decides. */
static void
exchange_finish(const struct exchange *exchange, struct http_reply *reply)
{
	struct gzip *gzip = exchange->conn->server->gzip;
	struct slice coded;

	if (reply->headers == NULL)
		reply->headers = exchange->headers;
	if (gzip == NULL || reply->len < GZIP_MIN)
		return;
	reply->coding = "Vary: Accept-Encoding\r\n";
	if (!exchange->gzip ||
	    !gzip_encode(gzip, reply->body, reply->len, &coded))
		return;
	reply->coding = "Vary: Accept-Encoding\r\n"
	                "Content-Encoding: gzip\r\n";
	reply->body = coded.p;
	reply->len = coded.len;
}

void
exchange_reply(struct exchange *exchange, const struct http_reply *given)
{
	struct conn *conn = exchange->conn;
	struct http_reply finished = *given;
	const struct http_reply *reply = &finished;
	bool close = reply->close || !exchange->keep_alive ||
	    (conn->server->draining && exchange_is_last(exchange));
	size_t size;

	exchange_finish(exchange, &finished);
	size = reply_size(reply);
	if (conn->gone || !conn_has_room(conn, size))
		exchange_end(exchange);
	else if (STAILQ_FIRST(&conn->exchanges) == exchange)
		exchange_reply_first(exchange, reply, size, close);
	else
		exchange_reply_keep(exchange, reply, size, close);
	if (!conn->dead)
		conn_flush_soon(conn);
}

void
exchange_reply_text(struct exchange *exchange, int status, const char *text)
{
	struct http_reply reply = { .status = status,
		.type = "text/plain; charset=utf-8" };
	struct buf body;

	buf_init(&body, 0);
	buf_adds(&body, text);
	buf_addc(&body, '\n');
	reply.body = body.data;
	reply.len = body.len;
	exchange_reply(exchange, &reply);
	buf_clear(&body);
}

/* The usual one is in its connection: nothing need be read to find that. */
void
exchange_fetch(const struct exchange *exchange)
{
	const char *conn =
	    (const char *)exchange - offsetof(struct conn, usual);

	mem_fetch(conn, offsetof(struct conn, entry));
}

void
exchange_expect(struct exchange *exchange, int which, const void *at,
    size_t len)
{
	exchange->conn->soon[which] = (struct conn_soon){ at, len };
}

void
exchange_cut(struct exchange *exchange)
{
	struct conn *conn = exchange->conn;

	exchange_end(exchange);
	conn_break(conn);
}

/* ---- what a handler sees ------------------------------------------------- */

const struct http_head *
exchange_head(const struct exchange *exchange)
{
	return &exchange->conn->server->head;
}

struct slice
exchange_body(const struct exchange *exchange)
{
	return exchange->conn->server->body;
}

const char *
exchange_peer(const struct exchange *exchange)
{
	return exchange->conn->peer;
}

bool
exchange_is_loopback(const struct exchange *exchange)
{
	return exchange->conn->loopback;
}

bool
exchange_is_tls(const struct exchange *exchange)
{
	return exchange->conn->tls != NULL;
}

void
exchange_on_abort(struct exchange *exchange, exchange_fn *fn, void *arg)
{
	exchange->abort = fn;
	exchange->abort_arg = arg;
}

void
exchange_set_data(struct exchange *exchange, void *data)
{
	exchange->data = data;
}

void *
exchange_data(const struct exchange *exchange)
{
	return exchange->data;
}
