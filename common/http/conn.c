#include "common/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

/* The kernel's 40 ms, less what its clock is coarse by; and what is nearly as
 * fast. */
#define CONN_ACK_MS   36
#define CONN_BRISK_MS 80

static void conn_settle(struct conn *conn);

/* ---- beginning and end --------------------------------------------------- */

void
conn_log(struct conn *conn, const char *event, const char *reason)
{
	if (!conn->logged)
		log_info(event, "peer=%s port=%d reason=%s", LOGQ(conn->peer),
		    conn->server->port, LOGQ(reason));
	conn->logged = true;
}

void
conn_partial_free(struct conn *conn)
{
	if (conn->partial == NULL)
		return;
	buf_clear(&conn->partial->in);
	free(conn->partial);
	conn->partial = NULL;
	conn->stalled = false;
}

static void
conn_drop_out(struct conn *conn)
{
	out_free(conn->server, conn->out);
	conn->out = NULL;
	conn->blocked = false;
}

void
conn_close(struct conn *conn)
{
	if (conn->dead)
		return;
	conn->dead = true;
	conn->gone = true;
	event_del(&conn->event);
	conn_tls_close(conn);
	close(conn->fd);
	server_wait(conn, CONN_WAIT_NONE);
	LIST_REMOVE(conn, entry);
	conn->server->n_conns--;
	stat_add(&http_connections, -1);
	conn_abort(conn);
	conn_upgraded_gone(conn);
	loop_defer_cancel(conn->server->opts.loop, &conn->flush);
	loop_defer_cancel(conn->server->opts.loop, &conn->again);
	conn_partial_free(conn);
	conn_drop_out(conn);
	loop_reap(conn->server->opts.loop, free, conn);
}

void
conn_break(struct conn *conn)
{
	conn->broken = true;
	conn->gone = true;
	conn_flush_soon(conn);
}

/* Our last byte is written: shut our side, and read on for a while, because
 * closing over unread input would reset the answer away (RFC 9112 §9.6). */
static void
conn_linger(struct conn *conn)
{
	conn_partial_free(conn);
	conn->no_more = true;
	conn->gone = true;
	conn_shut(conn);
	conn->lingering = true;
	server_wait(conn, CONN_WAIT_LINGER);
}

void
conn_ended(struct conn *conn)
{
	conn->eof = true;
	conn->gone = true;
	conn->no_more = true;
	conn_partial_free(conn);
	conn_abort(conn);
	conn_upgraded_gone(conn);
}

/* ---- writing ------------------------------------------------------------- */

bool
conn_write(struct conn *conn)
{
	struct out *out = conn->out;
	bool was_blocked = conn->blocked;
	ssize_t n;

	while (out != NULL && out->sent < out->len) {
		n = conn_send(conn, out->data + out->sent,
		    out->len - out->sent);
		if (n == 0) {
			conn_break(conn);
			return false;
		}
		if (n < 0) {
			conn->blocked = true;
			return true;
		}
		out->sent += n;
		/* It reads, if slowly. */
		if (conn->blocked)
			server_wait(conn, CONN_WAIT_IDLE);
	}
	conn_drop_out(conn);
	if (was_blocked && conn->upgrade != NULL)
		conn->upgrade->ops->drained(conn->upgrade);
	return true;
}

/*
 * An answer within 40 ms carries the acknowledgement of its request.  Linux
 * stops waiting for that on a connection where one came later, and does not
 * begin again until one comes in time: then each request costs a packet, its
 * sending and its receiving.  Where answers come nearly that fast it is told to
 * try again.
 */
static bool
conn_is_brisk(const struct conn *conn)
{
	long long took_ms =
	    loop_now_ms(conn->server->opts.loop) - conn->asked_ms;

	return took_ms >= CONN_ACK_MS && took_ms < CONN_BRISK_MS;
}

/* At the end of the turn: one write for all that was answered in it. */
static void
conn_flush_cb(void *arg)
{
	struct conn *conn = arg;

	if (!conn->broken && conn_write(conn)) {
		if (conn->closing)
			conn_abort(conn);
		else if (conn_is_brisk(conn))
			conn_delay_ack(conn);
	}
	conn_settle(conn);
}

/* ---- what a socket says -------------------------------------------------- */

/* Not reading: still notice that the peer has left. */
static bool
conn_has_left(const struct conn *conn)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (conn->left)
		return true;
	return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
	    error != 0;
}

static void
conn_input(struct conn *conn, short what)
{
	if (what & EV_CLOSED)
		conn->left = true;
	/* Encrypted, what is left in the socket does not show in the bytes
	 * read: the end is what reading says it is. */
	if (conn_may_parse(conn))
		conn_read(conn, conn->left && conn->tls == NULL);
	else if (!conn->eof && conn_has_left(conn))
		conn_ended(conn);
	else
		conn->has_more = true;
}

static void
conn_event_cb(UNUSED evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	if (conn->lingering) {
		if (!conn_discard(conn))
			conn_close(conn);
		return;
	}
	if (conn->shaking) {
		conn_shake(conn);
		conn_settle(conn);
		return;
	}
	if ((what & EV_WRITE) && conn->blocked)
		conn_write(conn);
	if (what & (EV_READ | EV_CLOSED))
		conn_input(conn, what);
	conn_settle(conn);
}

static void
conn_again_cb(void *arg)
{
	struct conn *conn = arg;

	conn_event_cb(conn->fd, EV_READ, conn);
}

/* ---- what to wait for ---------------------------------------------------- */

/*
 * Edge-triggered, so that the kernel does not look at each socket again behind
 * its event: what was not read is remembered in has_more.  And while it does
 * not read: libevent reports a reset (EPOLLERR) as EV_READ only, and a
 * level-triggered event that waits for EV_CLOSED alone would spin on it.  But
 * TLS says of its own bytes alone whether there is more.
 */
static short
conn_wants(const struct conn *conn)
{
	if (conn->lingering)
		return EV_READ | EV_PERSIST;
	if (conn->shaking)
		return EV_PERSIST | (conn->shake_writes ? EV_WRITE : EV_READ);
	if (conn->eof)
		return conn->blocked ? EV_WRITE | EV_PERSIST : 0;
	return EV_READ | EV_CLOSED | EV_PERSIST |
	    (conn->blocked ? EV_WRITE : 0) |
	    (conn->tls != NULL && conn_may_parse(conn) ? 0 : EV_ET);
}

static void
conn_watch(struct conn *conn)
{
	short wants = conn_wants(conn);

	if (wants != conn->watched) {
		if (conn->watched != 0)
			event_del(&conn->event);
		event_assign(&conn->event, conn->server->base, conn->fd, wants,
		    conn_event_cb, conn);
		if (wants != 0)
			event_add(&conn->event, NULL);
		conn->watched = wants;
	}
	/* What was read while it could not be handled comes first. */
	if ((conn->stalled || conn->has_more) && conn_may_parse(conn))
		loop_defer(conn->server->opts.loop, &conn->again);
}

static enum conn_wait
conn_waits_for(const struct conn *conn)
{
	if (conn->lingering)
		return CONN_WAIT_LINGER;
	if (conn->shaking)
		return CONN_WAIT_HANDSHAKE;
	if (conn->blocked)
		return CONN_WAIT_IDLE;
	if (conn->upgrade != NULL)
		return CONN_WAIT_UPGRADED;
	if (conn->partial != NULL && !conn->stalled)
		return CONN_WAIT_REQUEST;
	if (conn->n_exchanges == 0 && conn->out == NULL)
		return CONN_WAIT_IDLE;
	return CONN_WAIT_NONE;
}

static bool
conn_is_idle(const struct conn *conn)
{
	return conn->n_exchanges == 0 && conn->partial == NULL &&
	    conn->upgrade == NULL;
}

/* After anything happened to it: the next thing to wait for, or the end. */
static void
conn_settle(struct conn *conn)
{
	enum conn_wait wait;

	if (conn->dead)
		return;
	if (conn->broken || (conn->eof && conn->out == NULL) ||
	    (conn->shaking && conn->server->draining)) {
		conn_close(conn);
		return;
	}
	/* Its flush is due in this turn, and comes back here. */
	if (conn->out != NULL && !conn->blocked)
		return;
	if (conn->out == NULL && !conn->lingering &&
	    (conn->closing || (conn->server->draining && conn_is_idle(conn))))
		conn_linger(conn);
	conn_watch(conn);
	wait = conn_waits_for(conn);
	if (conn->wait != wait)
		server_wait(conn, wait);
}

/* ---- for server.c -------------------------------------------------------- */

void
conn_expire(struct conn *conn, enum conn_wait wait)
{
	if (conn->upgrade != NULL && !conn->blocked) {
		conn->upgrade->ops->late(conn->upgrade);
		conn_settle(conn);
		return;
	}
	if (wait == CONN_WAIT_REQUEST) {
		conn_refuse_partial(conn, 408, "the request took too long");
		conn_settle(conn);
		return;
	}
	if (wait == CONN_WAIT_HANDSHAKE) {
		conn_shake_late(conn);
		return;
	}
	if (wait == CONN_WAIT_IDLE && conn->blocked) {
		stat_add(&http_cut, 1);
		conn_log(conn, "http.cut", "not-reading");
	}
	conn_close(conn);
}

void
conn_drain(struct conn *conn)
{
	if (conn->out == NULL && conn_is_idle(conn))
		conn_settle(conn);
}

static void
conn_peer(const struct sockaddr_storage *addr, char *peer, bool *loopback)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (addr->ss_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, peer, INET6_ADDRSTRLEN);
		*loopback = ntohl(in.sin_addr.s_addr) >> 24 == 127;
	} else {
		memcpy(&in6, addr, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, peer, INET6_ADDRSTRLEN);
		*loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
}

void
conn_open(struct http_server *server, int fd,
    const struct sockaddr_storage *addr)
{
	struct conn *conn = xcalloc(1, sizeof(*conn));

	conn->server = server;
	conn->fd = fd;
	conn->wait = CONN_WAIT_NONE;
	STAILQ_INIT(&conn->exchanges);
	conn_peer(addr, conn->peer, &conn->loopback);
	loop_defer_init(&conn->flush, LOOP_FLUSH, conn_flush_cb, conn);
	loop_defer_init(&conn->again, LOOP_READ, conn_again_cb, conn);
	LIST_INSERT_HEAD(&server->conns, conn, entry);
	server->n_conns++;
	stat_add(&http_connections, 1);
	if (conn_tls_begin(conn))
		conn_settle(conn);
	else
		conn_close(conn);
}
