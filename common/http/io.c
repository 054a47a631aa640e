/* The bytes of a connection, encrypted or not; the beginning and the end of
 * what encrypts them. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/http/server.h"

struct stat_metric tls_handshakes = STAT_COUNTER("waft_tls_handshakes_total",
    "TLS handshakes that were completed", NULL);

#define FAILED_NAME "waft_tls_failed_total"
#define FAILED_HELP "TLS handshakes that were not completed"

static struct stat_metric tls_failed_bad =
    STAT_COUNTER(FAILED_NAME, FAILED_HELP, "reason=\"bad\"");
static struct stat_metric tls_failed_plain =
    STAT_COUNTER(FAILED_NAME, FAILED_HELP, "reason=\"plain\"");
static struct stat_metric tls_failed_slow =
    STAT_COUNTER(FAILED_NAME, FAILED_HELP, "reason=\"slow\"");
static struct stat_metric tls_failed_limit =
    STAT_COUNTER(FAILED_NAME, FAILED_HELP, "reason=\"limit\"");

/* ---- bytes --------------------------------------------------------------- */

static ssize_t
conn_recv_plain(struct conn *conn, char *to, size_t size)
{
	ssize_t n;

	do
		n = recv(conn->fd, to, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

ssize_t
conn_recv(struct conn *conn, char *to, size_t size)
{
	ssize_t n;

	if (conn->tls == NULL) {
		n = conn_recv_plain(conn, to, size);
		conn->has_more = (size_t)n == size;
		return n;
	}
	n = tls_recv(conn->tls, to, size);
	conn->has_more = (size_t)n == size && tls_has_more(conn->tls);
	return n;
}

ssize_t
conn_send(struct conn *conn, const char *data, size_t len)
{
	ssize_t n;

	if (conn->tls != NULL)
		return tls_send(conn->tls, data, len);
	do
		n = send(conn->fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

void
conn_delay_ack(struct conn *conn)
{
	int quick = 0;

	setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof(quick));
}

bool
conn_discard(struct conn *conn)
{
	return conn_recv_plain(conn, conn->server->in, conn->server->in_size) !=
	    0;
}

/* ---- the handshake ------------------------------------------------------- */

static void
conn_tls_end(struct conn *conn)
{
	if (conn->shaking)
		conn->server->n_shaking--;
	conn->shaking = false;
	tls_close(conn->tls);
	conn->tls = NULL;
}

static void
conn_tls_cut(struct conn *conn, struct stat_metric *metric, const char *reason)
{
	stat_add(metric, 1);
	conn_log(conn, "tls.failed", reason);
	conn_close(conn);
}

/* The oldest is the one least likely to come to anything. */
static void
conn_tls_make_room(struct http_server *server)
{
	struct conn *oldest = TAILQ_FIRST(&server->waits[CONN_WAIT_HANDSHAKE]);

	if (server->n_shaking >= server->opts.limits->handshakes_max &&
	    oldest != NULL)
		conn_tls_cut(oldest, &tls_failed_limit, "handshakes-max");
}

bool
conn_tls_begin(struct conn *conn)
{
	struct http_server *server = conn->server;

	if (server->tls == NULL)
		return true;
	conn_tls_make_room(server);
	conn->tls = tls_open(server->tls, conn->fd);
	if (conn->tls == NULL)
		return false;
	conn->shaking = true;
	server->n_shaking++;
	return true;
}

static void
conn_tls_ready(struct conn *conn)
{
	conn->shaking = false;
	conn->server->n_shaking--;
	/* What came with the handshake's last bytes is inside the session. */
	conn->has_more = tls_has_more(conn->tls);
	stat_add(&tls_handshakes, 1);
}

void
conn_shake(struct conn *conn)
{
	const char *why;

	switch (tls_shake(conn->tls, &why)) {
	case TLS_DONE:
		conn_tls_ready(conn);
		return;
	case TLS_READS:
		conn->shake_writes = false;
		return;
	case TLS_WRITES:
		conn->shake_writes = true;
		return;
	case TLS_PLAIN:
		conn_tls_end(conn);
		stat_add(&tls_failed_plain, 1);
		conn_refuse(conn, NULL, 400, "this port speaks HTTPS");
		return;
	case TLS_FAILED:
		conn_tls_cut(conn, &tls_failed_bad, why);
	}
}

void
conn_shake_late(struct conn *conn)
{
	conn_tls_cut(conn, &tls_failed_slow, "handshake-timeout");
}

/* ---- the end ------------------------------------------------------------- */

void
conn_shut(struct conn *conn)
{
	if (conn->tls != NULL)
		tls_finish(conn->tls);
	shutdown(conn->fd, SHUT_WR);
}

void
conn_tls_close(struct conn *conn)
{
	if (conn->tls == NULL)
		return;
	if (!conn->shaking && !conn->lingering && !conn->broken &&
	    !conn->blocked)
		tls_finish(conn->tls);
	conn_tls_end(conn);
}
