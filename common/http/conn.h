/*
 * An HTTP server on one loop.  A conn is one TCP connection; an exchange is one
 * request on it and its answer.  A connection goes on reading while exchanges
 * are unanswered: pipelined requests reach the handler at once, answers are
 * written in the order of the requests, and a peer that leaves is noticed
 * within a turn.
 *
 * Not bufferevents, not evhttp: evhttp stops reading while it holds a request.
 * An idle or held connection holds no buffers.
 *
 * A peer that shuts its sending side has left: what it asked for and is not
 * answered yet is aborted (XEP-0124 needs a dead poll noticed at once, and the
 * two look alike); what is answered by then is still written.  Requests read
 * together with the end reach the handler first.
 *
 * Life: the handler gets an exchange when its request is complete.  It answers
 * with exchange_reply(), now or on a later turn; that ends the exchange.  If
 * the connection dies first, the abort callback is called (once) and that ends
 * the exchange instead.  After either, the pointer is dead.  Aborts come from
 * an event, a timer, a stage or http_server_free(), never from inside
 * exchange_reply() or a handler.
 */
#ifndef WAFT_HTTP_CONN_H
#define WAFT_HTTP_CONN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/err.h"
#include "common/base/loop.h"
#include "common/http/parser.h"

struct http_server;
struct exchange;
struct tls;

typedef void exchange_fn(struct exchange *exchange, void *arg);

struct http_server_opts {
	struct loop *loop;
	const struct conf_http *limits; /* borrowed for the server's life */
	uint64_t max_body;              /* 413 past it */
	int64_t upgraded_ms;            /* silence of one that has left HTTP */
	bool reuse_port;                /* several workers share the address */
	struct tls *tls;                /* counted; NULL: plain HTTP */
	bool gzip;                      /* for those who accept it */
	/* Header lines for answers without some of their own; static.  Head
	 * NULL: it could not be read.  May be NULL. */
	const char *(*headers)(const struct http_head *head, void *arg);
	exchange_fn *handle;
	void *arg;
};

/* Address is "host:port" or "[v6]:port", host an IP literal or "localhost";
 * port 0 takes a free one.  NULL and *why (static) when it cannot listen. */
struct http_server *http_listen(const struct http_server_opts *opts,
    const char *address, const char **why);
/* Other certificates, for the handshakes to come.  Only on a server that has
 * some. */
void http_server_set_tls(struct http_server *server, struct tls *tls);
bool http_server_has_tls(const struct http_server *server);
/* The port it listens on. */
int http_server_port(const struct http_server *server);
/* Stops accepting; idle connections end, others after their last answer, which
 * says so.  Done when http_server_connections() is 0. */
void http_server_drain(struct http_server *server);
int http_server_connections(const struct http_server *server);
/* Closes all connections (aborting their exchanges) and frees.  Not from a
 * handler or an abort. */
void http_server_free(struct http_server *server);

/* ---- the request: valid until the handler returns -------------------- */

const struct http_head *exchange_head(const struct exchange *exchange);
struct slice exchange_body(const struct exchange *exchange);
/* The peer's address without its port; valid while the exchange is. */
const char *exchange_peer(const struct exchange *exchange);
bool exchange_is_loopback(const struct exchange *exchange);
/* It came over TLS of our own. */
bool exchange_is_tls(const struct exchange *exchange);

/* ---- the answer ------------------------------------------------------ */

struct http_reply {
	int status;
	const char *type;    /* Content-Type; NULL: none */
	const char *headers; /* further lines, each ending in CRLF; NULL: those
	                      * that the server has for all */
	const void *body;    /* copied */
	size_t len;
	bool close;         /* close the connection after it */
	const char *coding; /* the server's: header lines on its coding */
};

/*
 * HEAD gets the headers alone.  Content-Length is always there, but for 204 and
 * 304; Date and Connection are added too.  With gzip, bodies of GZIP_MIN bytes
 * and more are coded for those who accept that.  Answers to later requests of
 * the connection are kept until its turn has come.  A peer that leaves more
 * than write_queue bytes unread is cut; one answer may be larger when it is
 * alone.
 */
void exchange_reply(struct exchange *exchange, const struct http_reply *reply);
/* A short text/plain answer with a final newline added. */
void exchange_reply_text(struct exchange *exchange, int status,
    const char *text);

/* Before exchange_reply(), so that it waits for no memory (mem_fetch()). */
void exchange_fetch(const struct exchange *exchange);

/* The handler of the connection's next request will look at this: it is fetched
 * while that request is read.  Which: 0, 1, 2.  A hint: memory that is gone by
 * then does no harm. */
void exchange_expect(struct exchange *exchange, int which, const void *at,
    size_t len);

/* Ends the exchange without an answer, and its connection. */
void exchange_cut(struct exchange *exchange);

/* Fn is called if the connection dies before the answer. */
void exchange_on_abort(struct exchange *exchange, exchange_fn *fn, void *arg);
/* A word of the handler's own. */
void exchange_set_data(struct exchange *exchange, void *data);
void *exchange_data(const struct exchange *exchange);

const char *http_reason(int status);

#endif
