/*
 * A connection that has left HTTP (RFC 9110 §7.8): from then on its bytes are
 * its owner's.  The struct is embedded in the owner's object, which outlives
 * the connection or gives it up by upgrade_end() or upgrade_cut().
 *
 * Callbacks come from an event, a timer, a stage or http_server_free(),
 * never from inside upgrade_send(), upgrade_end() or upgrade_cut().
 */
#ifndef WAFT_HTTP_UPGRADE_H
#define WAFT_HTTP_UPGRADE_H

#include "common/http/conn.h"

struct conn;
struct upgrade;

struct upgrade_ops {
	/* Bytes arrived; in the server's memory, for the call. */
	void (*read)(struct upgrade *upgrade, char *data, size_t len);
	/* The socket has taken all of what upgrade_is_blocked() was about.
	 * May come from inside a write: put off what follows. */
	void (*drained)(struct upgrade *upgrade);
	/* Nothing arrived for upgraded_ms. */
	void (*late)(struct upgrade *upgrade);
	/* The connection is gone; nothing more is called. */
	void (*closed)(struct upgrade *upgrade);
};

struct upgrade {
	const struct upgrade_ops *ops;
	struct conn *conn; /* NULL once it is gone or given up */
};

/* Not when answers to earlier requests are due, the request is of HTTP/1.0, or
 * the server drains. */
bool exchange_may_upgrade(const struct exchange *exchange);
/* Where it may: answers 101 with these header lines (each ending in CRLF;
 * Connection and Upgrade among them) and ends the exchange.  What the peer sent
 * behind its request is read next.  Only inside the handler. */
void exchange_upgrade(struct exchange *exchange, struct upgrade *upgrade,
    const char *headers);

/* Writes at once.  What the socket does not take is kept; a peer that leaves
 * more than write_queue bytes unread is cut. */
void upgrade_send(struct upgrade *upgrade, const char *data, size_t len);
bool upgrade_is_blocked(const struct upgrade *upgrade);
/* Closes behind what was sent. */
void upgrade_end(struct upgrade *upgrade);
/* Closes whatever is unsent. */
void upgrade_cut(struct upgrade *upgrade);

#endif
