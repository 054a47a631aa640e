/* From bytes to requests: reading, gathering the incomplete, dispatching. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/http/server.h"

#define CONN_READ_MAX 65536
/* Past it an answer is written before the next request is looked at. */
#define CONN_WRITE_EARLY 65536

/* ---- requests ------------------------------------------------------------ */

static const char *
conn_headers(const struct conn *conn, const struct http_head *head)
{
	const struct http_server_opts *opts = &conn->server->opts;

	return opts->headers == NULL ? NULL : opts->headers(head, opts->arg);
}

void
conn_refuse(struct conn *conn, const struct http_head *head, int status,
    const char *why)
{
	struct exchange *exchange = exchange_create(conn);

	exchange->headers = conn_headers(conn, head);

	stat_add(status == 408 ? &http_refused_slow :
	        status == 413  ? &http_refused_body :
	                         &http_refused_head,
	    1);
	conn_log(conn, "http.refused", why);
	conn->no_more = true;
	conn_partial_free(conn);
	exchange_reply_text(exchange, status, why);
}

void
conn_refuse_partial(struct conn *conn, int status, const char *why)
{
	struct partial *partial = conn->partial;
	struct http_head *head = NULL;
	const char *unused_why;
	int unused_status;
	size_t used;

	if (partial != NULL && partial->head_len > 0 &&
	    http_parse_head(partial->in.data, partial->head_len,
	        partial->head_len, &conn->server->head, &used, &unused_status,
	        &unused_why) == HTTP_DONE)
		head = &conn->server->head;
	conn_refuse(conn, head, status, why);
}

bool
conn_may_parse(const struct conn *conn)
{
	if (conn->upgrade != NULL)
		return true;
	return !conn->no_more && !conn->gone && !conn->blocked &&
	    conn->n_exchanges < conn->server->opts.limits->pipeline_max;
}

/* The server's head and body are this request's. */
static void
conn_dispatch(struct conn *conn)
{
	struct http_server *server = conn->server;
	struct exchange *exchange = exchange_create(conn);

	exchange->is_head = server->head.method == HTTP_HEAD;
	exchange->is_old = server->head.minor == 0;
	exchange->keep_alive = server->head.keep_alive;
	exchange->headers = conn_headers(conn, &server->head);
	exchange->gzip =
	    server->gzip != NULL && gzip_is_accepted(&server->head);
	if (!exchange->keep_alive)
		conn->no_more = true;
	server_wait(conn, CONN_WAIT_NONE);
	conn->asked_ms = loop_now_ms(server->opts.loop);
	stat_add(&http_requests, 1);
	server->opts.handle(exchange, server->opts.arg);
	if (conn_unsent(conn) > CONN_WRITE_EARLY && !conn->gone)
		conn_write(conn);
}

/* A request that had to be gathered is complete: its head is read again,
 * because the server's belongs to whoever came last. */
static void
conn_dispatch_partial(struct conn *conn)
{
	struct partial *partial = conn->partial;
	struct http_server *server = conn->server;
	int status;
	const char *why;
	size_t used;

	conn->partial = NULL;
	http_parse_head(partial->in.data, partial->head_len, partial->head_len,
	    &server->head, &used, &status, &why);
	server->body.p = partial->in.data + partial->head_len;
	server->body.len = partial->in.len - partial->head_len;
	conn_dispatch(conn);
	buf_clear(&partial->in);
	free(partial);
}

static void
conn_save(struct conn *conn, const char *data, size_t len)
{
	if (conn->partial == NULL) {
		conn->partial = xcalloc(1, sizeof(*conn->partial));
		buf_init(&conn->partial->in, 0);
	}
	buf_add(&conn->partial->in, data, len);
}

/* Keeps an incomplete request; data is its head and what of its body came.
 * Begun: some of the body was sent without waiting for 100 Continue. */
static void
conn_gather(struct conn *conn, const char *data, size_t len, size_t head_len,
    bool begun)
{
	const struct http_head *head = &conn->server->head;
	struct partial *partial;

	conn_save(conn, data, len);
	partial = conn->partial;
	partial->head_len = head_len;
	partial->chunked = head->chunked;
	partial->body_len = head->content_length;
	partial->expects = head->expect_continue && !begun;
	conn_continue(conn);
}

/* The request at data has its whole head; returns the bytes it took. */
static size_t
conn_begin_chunked(struct conn *conn, char *data, size_t len, size_t head_len)
{
	struct http_server *server = conn->server;
	struct http_chunks chunks = { 0 };
	size_t used;
	size_t got;
	int status;
	const char *why;

	switch (http_chunks_feed(&chunks, data + head_len, len - head_len,
	    server->opts.max_body, &used, &got, &status, &why)) {
	case HTTP_DONE:
		server->body = (struct slice){ data + head_len, got };
		conn_dispatch(conn);
		return head_len + used;
	case HTTP_MORE:
		conn_gather(conn, data, head_len + got, head_len, used > 0);
		conn->partial->chunks = chunks;
		return len;
	default:
		conn_refuse(conn, &server->head, status, why);
		return len;
	}
}

static size_t
conn_begin(struct conn *conn, char *data, size_t len, size_t head_len)
{
	struct http_server *server = conn->server;
	uint64_t body_len = server->head.content_length;

	if (server->head.chunked)
		return conn_begin_chunked(conn, data, len, head_len);
	if (body_len > server->opts.max_body) {
		conn_refuse(conn, &server->head, 413, "the body is too large");
		return len;
	}
	if (len - head_len < body_len) {
		conn_gather(conn, data, len, head_len, len > head_len);
		return len;
	}
	server->body = (struct slice){ data + head_len, body_len };
	conn_dispatch(conn);
	return head_len + body_len;
}

/* Returns the bytes taken; 0 when the head is not complete. */
static size_t
conn_request(struct conn *conn, char *data, size_t len)
{
	struct http_server *server = conn->server;
	size_t head_len;
	int status;
	const char *why;

	switch (http_parse_head(data, len, server->opts.limits->head_max,
	    &server->head, &head_len, &status, &why)) {
	case HTTP_DONE:
		return conn_begin(conn, data, len, head_len);
	case HTTP_MORE:
		return 0;
	default:
		conn_refuse(conn, NULL, status, why);
		return len;
	}
}

/* More of a gathered chunked body; returns the bytes taken. */
static size_t
conn_more_chunks(struct conn *conn, char *data, size_t len)
{
	struct partial *partial = conn->partial;
	enum http_parse result;
	size_t used;
	size_t got;
	int status;
	const char *why;

	result = http_chunks_feed(&partial->chunks, data, len,
	    conn->server->opts.max_body, &used, &got, &status, &why);
	if (result == HTTP_REFUSED) {
		conn_refuse_partial(conn, status, why);
		return len;
	}
	buf_add(&partial->in, data, got);
	partial->expects = false;
	if (result == HTTP_DONE)
		conn_dispatch_partial(conn);
	return used;
}

/* Returns the bytes taken; 0: it wants more. */
static size_t
conn_take(struct conn *conn, char *data, size_t len)
{
	if (conn->upgrade != NULL) {
		conn_upgraded_read(conn, data, len);
		return len;
	}
	return conn->partial != NULL ? conn_more_chunks(conn, data, len) :
	                               conn_request(conn, data, len);
}

static void
conn_process(struct conn *conn, char *data, size_t len)
{
	size_t at = 0;
	size_t used;

	while (at < len && conn_may_parse(conn)) {
		used = conn_take(conn, data + at, len - at);
		if (used == 0)
			break;
		at += used;
	}
	if (at == len || conn->no_more || conn->gone)
		return;
	conn->stalled = !conn_may_parse(conn);
	conn_save(conn, data + at, len - at);
}

/* ---- reading ------------------------------------------------------------- */

/* A body of known length is read to where it stays. */
static ssize_t
conn_read_body(struct conn *conn, size_t *size)
{
	struct partial *partial = conn->partial;
	uint64_t left = partial->head_len + partial->body_len - partial->in.len;
	char *to;
	ssize_t n;

	*size = left < CONN_READ_MAX ? (size_t)left : CONN_READ_MAX;
	to = buf_reserve(&partial->in, *size);
	n = conn_recv(conn, to, *size);
	if (n <= 0)
		return n;
	partial->expects = false;
	partial->in.len += n;
	if ((uint64_t)n == left)
		conn_dispatch_partial(conn);
	return n;
}

/* Puts the raw bytes of an earlier read in front; returns how many. */
static size_t
conn_restore(struct conn *conn)
{
	struct partial *partial = conn->partial;
	size_t len;

	if (partial == NULL || partial->head_len > 0)
		return 0;
	len = partial->in.len;
	memcpy(conn->server->in, partial->in.data, len);
	return len;
}

/* All else is read into the server's buffer. */
static ssize_t
conn_read_shared(struct conn *conn, size_t *size)
{
	struct http_server *server = conn->server;
	size_t saved = conn_restore(conn);
	bool stalled = conn->stalled;
	ssize_t n = -1;

	*size = server->in_size - saved;
	if (*size > 0)
		n = conn_recv(conn, server->in + saved, *size);
	if (n <= 0 && !stalled)
		return n;
	/* A head grows by whole lines: that bounds what trickling costs. */
	if (saved > 0 && !stalled &&
	    saved + (size_t)n < server->opts.limits->head_max &&
	    memchr(server->in + saved, '\n', (size_t)n) == NULL) {
		conn_save(conn, server->in + saved, (size_t)n);
		return n;
	}
	if (saved > 0)
		conn_partial_free(conn);
	conn_process(conn, server->in, saved + (n > 0 ? (size_t)n : 0));
	return n;
}

void
conn_read(struct conn *conn, bool closed)
{
	struct partial *partial = conn->partial;
	size_t size;
	ssize_t n;

	for (int i = 0; i < CONN_SOON; i++)
		mem_fetch(conn->soon[i].at, conn->soon[i].len);
	n = partial != NULL && partial->head_len > 0 && !partial->chunked ?
	    conn_read_body(conn, &size) :
	    conn_read_shared(conn, &size);
	if (n == 0 || (closed && n > 0 && (size_t)n < size))
		conn_ended(conn);
}
