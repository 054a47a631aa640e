#include "common/http/upgrade.h"

#include "common/http/server.h"

bool
exchange_may_upgrade(const struct exchange *exchange)
{
	const struct conn *conn = exchange->conn;

	return !conn->gone && conn->n_exchanges == 1 && !exchange->is_old &&
	    !conn->server->draining;
}

void
exchange_upgrade(struct exchange *exchange, struct upgrade *upgrade,
    const char *headers)
{
	struct conn *conn = exchange->conn;
	struct http_reply reply = { .status = 101, .headers = headers };

	exchange->keep_alive = true;
	exchange_reply(exchange, &reply);
	upgrade->conn = conn;
	conn->upgrade = upgrade;
	conn->no_more = false;
}

void
upgrade_send(struct upgrade *upgrade, const char *data, size_t len)
{
	struct conn *conn = upgrade->conn;
	ssize_t n = 0;

	if (conn == NULL || conn->gone)
		return;
	if (conn->out == NULL) {
		n = conn_send(conn, data, len);
		if (n == 0 && len > 0) {
			conn_break(conn);
			return;
		}
		conn->blocked = n < (ssize_t)len;
		n = n < 0 ? 0 : n;
	}
	if ((size_t)n == len || !conn_has_room(conn, len - (size_t)n))
		return;
	if (conn->out == NULL)
		conn->out = out_create(conn->server, len - (size_t)n);
	conn->out = out_grow(conn->server, conn->out, len - (size_t)n);
	out_add(conn->out, data + n, len - (size_t)n);
	conn_flush_soon(conn);
}

bool
upgrade_is_blocked(const struct upgrade *upgrade)
{
	return upgrade->conn != NULL && upgrade->conn->blocked;
}

static struct conn *
upgrade_give_up(struct upgrade *upgrade)
{
	struct conn *conn = upgrade->conn;

	upgrade->conn = NULL;
	if (conn != NULL)
		conn->upgrade = NULL;
	return conn;
}

void
upgrade_end(struct upgrade *upgrade)
{
	struct conn *conn = upgrade_give_up(upgrade);

	if (conn == NULL)
		return;
	conn_closes(conn);
	conn_flush_soon(conn);
}

void
upgrade_cut(struct upgrade *upgrade)
{
	struct conn *conn = upgrade_give_up(upgrade);

	if (conn != NULL)
		conn_break(conn);
}

/* ---- for conn.c and request.c -------------------------------------------- */

void
conn_upgraded_read(struct conn *conn, char *data, size_t len)
{
	if (conn->wait == CONN_WAIT_UPGRADED)
		server_wait(conn, CONN_WAIT_UPGRADED);
	conn->upgrade->ops->read(conn->upgrade, data, len);
}

void
conn_upgraded_gone(struct conn *conn)
{
	struct upgrade *upgrade = conn->upgrade;

	if (upgrade == NULL)
		return;
	upgrade_give_up(upgrade);
	upgrade->ops->closed(upgrade);
}
