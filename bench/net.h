/*
 * The load generator's connections: one epoll, non-blocking TCP to numeric
 * addresses, buffers that grow.  What is sent during a turn leaves in one write
 * at the start of the next, so that the generator does not itself become the
 * floor that it measures.
 *
 * A conn lies in its owner's memory, zeroed before the first net_open(), and
 * may be opened again once it has ended.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct net_conn;

struct net {
	int epoll;
	struct net_conn *dirty; /* have something to write */
};

struct net_ops {
	void (*opened)(struct net_conn *conn);
	/* conn->in[0 .. in_len) grew; net_consume() what was used. */
	void (*input)(struct net_conn *conn);
	/* The other side closed it, or it failed; already closed here. */
	void (*ended)(struct net_conn *conn);
};

struct net_conn {
	const struct net_ops *ops;
	void *owner;
	struct net *net;
	int fd;
	bool opening;
	bool is_dirty;
	bool waits; /* for the socket to become writable */
	struct net_conn *next_dirty;
	char *in;
	size_t in_len, in_size;
	char *out;
	size_t out_at, out_len, out_size;
};

void net_init(struct net *net);
/* HOST:PORT, the host numeric; ends the program if it is not. */
struct sockaddr_in net_address(const char *text);
void net_open(struct net_conn *conn, struct net *net,
    const struct sockaddr_in *address, const struct net_ops *ops, void *owner);
void net_send(struct net_conn *conn, const char *data, size_t len);
void net_printf(struct net_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void net_consume(struct net_conn *conn, size_t len);
void net_close(struct net_conn *conn);
/* Writes what waits, then handles events; timeout_ms as epoll_wait(2). */
void net_turn(struct net *net, int timeout_ms);

#endif
