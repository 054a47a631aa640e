/*
 * The inside of the HTTP server, for its own files only: server.c (listening,
 * accepting, time), conn.c (a connection's life and what it waits for),
 * request.c (from bytes to requests), exchange.c (the order of answers),
 * reply.c (their bytes), upgrade.c (what has left HTTP), io.c (bytes in and
 * out, encrypted or not).
 *
 * What always holds: a user's function (handler, abort) is called from an
 * event, a timer or a stage, never from inside exchange_reply().  A conn
 * that is `gone` takes no further answers; it is closed at the latest by its
 * flush. A closed conn is freed at the end of the turn.
 */
#ifndef WAFT_HTTP_SERVER_H
#define WAFT_HTTP_SERVER_H

#include <netinet/in.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/base/list.h"
#include "common/base/stat.h"
#include "common/http/gzip.h"
#include "common/http/tls.h"
#include "common/http/upgrade.h"

/* Bytes to be written, of one connection or of an answer that waits its turn.
 */
struct out {
	struct out *next; /* in the server's list of free ones */
	size_t len;
	size_t sent;
	size_t size;
	char data[];
};

/* A request that is not complete: raw bytes while head_len is 0, else its head
 * and what of its body is there, decoded. */
struct partial {
	struct buf in;
	size_t head_len;
	uint64_t body_len; /* by Content-Length */
	bool chunked;
	bool expects; /* waits for 100 Continue */
	struct http_chunks chunks;
};

/* What a conn is waiting for, with the server's queue of that kind: each is in
 * order of its deadlines because the wait is the same for all. */
enum conn_wait {
	CONN_WAIT_IDLE,     /* next request, or the peer to read */
	CONN_WAIT_REQUEST,  /* rest of a request */
	CONN_WAIT_LINGER,   /* peer's end after our last answer */
	CONN_WAIT_UPGRADED, /* anything at all from who has left HTTP */
	CONN_WAIT_HANDSHAKE,
	CONN_WAITS,
	CONN_WAIT_NONE = CONN_WAITS
};

struct exchange {
	STAILQ_ENTRY(exchange) entry;
	struct conn *conn;
	exchange_fn *abort;
	void *abort_arg;
	void *data;
	const char *headers; /* for answers without; static, NULL: none */
	struct out *reply;   /* answered; waits for the ones before it */
	bool reply_closes;
	bool is_head;
	bool is_old; /* HTTP/1.0 */
	bool keep_alive;
	bool gzip; /* is accepted */
};

STAILQ_HEAD(exchanges, exchange);

/* What the handler will look at when the next request comes.  It may be gone by
 * then: it is fetched, and never read. */
#define CONN_SOON 3
struct conn_soon {
	const void *at;
	size_t len;
};

struct conn {
	/* What every request looks at stands first. */
	struct http_server *server;
	struct deferred flush;
	struct exchanges exchanges; /* unanswered or not yet in turn */
	struct exchange usual;      /* the only one, unless there are more */
	long long asked_ms;         /* the last request came */
	struct out *out;
	struct partial *partial;
	struct upgrade *upgrade; /* it has left HTTP */
	struct ssl_st *tls;      /* NULL: not encrypted */
	size_t kept;             /* bytes of answers that wait their turn */
	struct conn_soon soon[CONN_SOON];
	int fd;
	int n_exchanges;
	short watched; /* libevent flags now set */
	uint8_t wait;
	bool loopback;
	bool no_more;   /* no request is read any more */
	bool stalled;   /* partial may hold whole requests */
	bool blocked;   /* the socket took less than there is */
	bool closing;   /* what is in out is the last */
	bool lingering; /* our side is shut down */
	bool eof;       /* the peer's side is shut down */
	bool broken;    /* to be closed by its flush, whatever is unsent */
	bool gone;      /* takes no more answers */
	bool dead;      /* closed; freed at the end of the turn */
	bool logged;
	bool shaking;          /* the handshake is not done */
	bool shake_writes;     /* and has more to say than the socket took */
	bool has_more;         /* to be read, and no event will tell of it */
	bool left;             /* an event said that the peer's side is shut */
	struct deferred again; /* reads on */
	struct event event;
	LIST_ENTRY(conn) entry;
	TAILQ_ENTRY(conn) wait_entry;
	long long deadline_ms;
	char peer[INET6_ADDRSTRLEN];
};

TAILQ_HEAD(conn_queue, conn);
LIST_HEAD(conns, conn);

struct http_server {
	struct http_server_opts opts;
	struct event_base *base;
	struct conns conns;
	int n_conns;
	int n_shaking;
	struct tls *tls;   /* NULL: none is spoken */
	struct gzip *gzip; /* NULL: not wanted, or no memory for it */
	int fd;
	int reserve_fd; /* given up to take and close what EMFILE leaves */
	int port;
	bool draining;
	bool full;   /* connections_max reached, and said so */
	bool paused; /* no descriptors: not accepting for a while */
	struct event accept_event;
	struct event timer;
	long long timer_due_ms; /* 0: not set */
	struct conn_queue waits[CONN_WAITS];
	struct out *spare;
	int n_spare;
	long long date_s;
	char date[40];
	/* The request the handler is looking at, and where it was read. */
	struct http_head head;
	struct slice body;
	char *in;
	size_t in_size;
};

/* ---- server.c -------------------------------------------------------- */

/* Puts conn in the queue of that kind, with a new deadline. */
void server_wait(struct conn *conn, enum conn_wait wait);

/* ---- exchange.c ------------------------------------------------------ */

/* Appended to the order of its conn. */
struct exchange *exchange_create(struct conn *conn);
/* Ends all exchanges of conn; those that are unanswered are told. */
void conn_abort(struct conn *conn);
/* Sends 100 Continue if one is due and its turn has come. */
void conn_continue(struct conn *conn);
void conn_flush_soon(struct conn *conn);
/* Bytes of answers that the socket has not taken. */
size_t conn_unsent(const struct conn *conn);
/* Whether so many more may wait for the socket; else it is cut. */
bool conn_has_room(struct conn *conn, size_t size);
/* What is in out is the last. */
void conn_closes(struct conn *conn);

/* ---- request.c ------------------------------------------------------- */

/* One read; calls the handler for each request that is complete.  Closed: the
 * peer has shut its side behind what there is to read. */
void conn_read(struct conn *conn, bool closed);
bool conn_may_parse(const struct conn *conn);
/* Answers, in its turn, what is not to be a request, and ends.  Head: of the
 * request, as far as it is known, or NULL. */
void conn_refuse(struct conn *conn, const struct http_head *head, int status,
    const char *why);
/* The same for the request that is being gathered. */
void conn_refuse_partial(struct conn *conn, int status, const char *why);

/* ---- conn.c ---------------------------------------------------------- */

void conn_open(struct http_server *server, int fd,
    const struct sockaddr_storage *addr);
/* Closes at once, aborts what is unanswered.  Never from exchange_reply(). */
void conn_close(struct conn *conn);
void conn_expire(struct conn *conn, enum conn_wait wait);
/* Says once why the connection ends other than by plan. */
void conn_log(struct conn *conn, const char *event, const char *reason);
void conn_drain(struct conn *conn);
/* Writes what is there; false when the connection is broken. */
bool conn_write(struct conn *conn);
/* Has it closed by its flush: safe in any callback. */
void conn_break(struct conn *conn);
/* The peer has shut its side.  What it asked for is not wanted any more; what
 * is already answered it may still read. */
void conn_ended(struct conn *conn);
void conn_partial_free(struct conn *conn);

/* ---- upgrade.c ------------------------------------------------------- */

void conn_upgraded_read(struct conn *conn, char *data, size_t len);
/* Tells the owner, if there is one. */
void conn_upgraded_gone(struct conn *conn);

/* ---- io.c ------------------------------------------------------------ */

/* Every byte of a connection goes through these two, encrypted or not.  How
 * many; 0: the peer is done; -1: nothing there, or no room, yet. */
ssize_t conn_recv(struct conn *conn, char *to, size_t size);
ssize_t conn_send(struct conn *conn, const char *data, size_t len);
/* The kernel is not to acknowledge what comes next by a packet of its own: the
 * answer will do that. */
void conn_delay_ack(struct conn *conn);
/* Drops what there is to read; false: the peer is done. */
bool conn_discard(struct conn *conn);
/* On a server with TLS: there is a handshake to come.  False: no memory. */
bool conn_tls_begin(struct conn *conn);
/* The socket is ready for a step of it. */
void conn_shake(struct conn *conn);
/* It took too long. */
void conn_shake_late(struct conn *conn);
/* Nothing more is sent. */
void conn_shut(struct conn *conn);
void conn_tls_close(struct conn *conn);

/* ---- reply.c --------------------------------------------------------- */

/* A buffer with room for size bytes. */
struct out *out_create(struct http_server *server, size_t size);
/* Makes room for n more. */
struct out *out_grow(struct http_server *server, struct out *out, size_t n);
void out_add(struct out *out, const void *data, size_t len);
void out_free(struct http_server *server, struct out *out);
/* Upper bound of what reply_add() adds. */
size_t reply_size(const struct http_reply *reply);
void reply_add(struct http_server *server, struct out *out,
    const struct exchange *exchange, const struct http_reply *reply,
    bool close);

extern struct stat_metric http_connections;
extern struct stat_metric http_requests;
extern struct stat_metric http_refused_head;
extern struct stat_metric http_refused_body;
extern struct stat_metric http_refused_slow;
extern struct stat_metric http_refused_limit;
extern struct stat_metric http_aborted;
extern struct stat_metric http_cut;

#endif
