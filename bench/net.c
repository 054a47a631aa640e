#include "bench/net.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/tool.h"

#define NET_EVENTS 512
#define NET_CHUNK  16384

void
net_init(struct net *net)
{
	net->dirty = NULL;
	net->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (net->epoll < 0)
		tool_die("epoll_create1: %s", strerror(errno));
}

struct sockaddr_in
net_address(const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[64];

	if (colon == NULL || (size_t)(colon - text) >= sizeof host)
		tool_die("not HOST:PORT: %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		tool_die("not a numeric address: %s", text);
	return address;
}

static void
net_watch(struct net_conn *conn, int how, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = conn };

	if (epoll_ctl(conn->net->epoll, how, conn->fd, &event) != 0)
		tool_die("epoll_ctl: %s", strerror(errno));
}

void
net_open(struct net_conn *conn, struct net *net,
    const struct sockaddr_in *address, const struct net_ops *ops, void *owner)
{
	int on = 1;

	conn->ops = ops;
	conn->owner = owner;
	conn->net = net;
	conn->in_len = conn->out_at = conn->out_len = 0;
	conn->waits = true;
	conn->opening = true;
	conn->fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		tool_die("socket: %s", strerror(errno));
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(conn->fd, (const struct sockaddr *)address,
	        sizeof *address) != 0 &&
	    errno != EINPROGRESS)
		tool_die("connect: %s", strerror(errno));
	net_watch(conn, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static char *
net_room(char *data, size_t *size, size_t want)
{
	if (want <= *size)
		return data;
	*size = want > *size * 2 ? want : *size * 2;
	return tool_realloc(data, *size);
}

void
net_send(struct net_conn *conn, const char *data, size_t len)
{
	conn->out = net_room(conn->out, &conn->out_size, conn->out_len + len);
	memcpy(conn->out + conn->out_len, data, len);
	conn->out_len += len;
	if (conn->is_dirty || conn->waits)
		return;
	conn->is_dirty = true;
	conn->next_dirty = conn->net->dirty;
	conn->net->dirty = conn;
}

void
net_printf(struct net_conn *conn, const char *format, ...)
{
	char text[4096];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof text)
		tool_die("too long to send");
	net_send(conn, text, (size_t)len);
}

void
net_consume(struct net_conn *conn, size_t len)
{
	conn->in_len -= len;
	memmove(conn->in, conn->in + len, conn->in_len);
}

void
net_close(struct net_conn *conn)
{
	struct net_conn **at;

	if (conn->fd < 0)
		return;
	close(conn->fd);
	conn->fd = -1;
	for (at = &conn->net->dirty; *at != NULL; at = &(*at)->next_dirty)
		if (*at == conn) {
			*at = conn->next_dirty;
			break;
		}
	conn->is_dirty = false;
}

static void
net_end(struct net_conn *conn)
{
	net_close(conn);
	conn->ops->ended(conn);
}

/* False: it failed and is gone. */
static bool
net_flush(struct net_conn *conn)
{
	ssize_t n;

	while (conn->out_at < conn->out_len) {
		n = send(conn->fd, conn->out + conn->out_at,
		    conn->out_len - conn->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			if (!conn->waits)
				net_watch(conn, EPOLL_CTL_MOD,
				    EPOLLIN | EPOLLOUT);
			conn->waits = true;
			return true;
		}
		if (n < 0) {
			net_end(conn);
			return false;
		}
		conn->out_at += (size_t)n;
	}
	conn->out_at = conn->out_len = 0;
	if (conn->waits)
		net_watch(conn, EPOLL_CTL_MOD, EPOLLIN);
	conn->waits = false;
	return true;
}

static void
net_read(struct net_conn *conn)
{
	ssize_t n;

	conn->in = net_room(conn->in, &conn->in_size, conn->in_len + NET_CHUNK);
	n = recv(conn->fd, conn->in + conn->in_len,
	    conn->in_size - conn->in_len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		net_end(conn);
		return;
	}
	conn->in_len += (size_t)n;
	conn->ops->input(conn);
}

static void
net_handle(struct net_conn *conn, uint32_t events)
{
	if (conn->opening && (events & EPOLLOUT) != 0) {
		conn->opening = false;
		conn->ops->opened(conn);
	}
	if ((events & EPOLLOUT) != 0 && !net_flush(conn))
		return;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		net_read(conn);
}

void
net_turn(struct net *net, int timeout_ms)
{
	struct epoll_event events[NET_EVENTS];
	struct net_conn *conn;
	int i, n;

	while ((conn = net->dirty) != NULL) {
		net->dirty = conn->next_dirty;
		conn->is_dirty = false;
		(void)net_flush(conn);
	}
	n = epoll_wait(net->epoll, events, NET_EVENTS, timeout_ms);
	for (i = 0; i < n; i++)
		net_handle(events[i].data.ptr, events[i].events);
}
