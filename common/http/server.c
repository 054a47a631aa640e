#include "common/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define SERVER_BACKLOG     4096
#define SERVER_ACCEPT_MAX  64 /* in one turn */
#define SERVER_READ_SIZE   65536
#define SERVER_LINGER_MS   2000
#define SERVER_NO_FILES_MS 500

struct stat_metric http_connections =
    STAT_GAUGE("waft_http_connections", "Open HTTP connections", NULL);
struct stat_metric http_requests = STAT_COUNTER("waft_http_requests_total",
    "Requests that reached a handler", NULL);

#define REFUSED_NAME "waft_http_refused_total"
#define REFUSED_HELP \
	"Requests and connections refused before a handler saw them"

struct stat_metric http_refused_head =
    STAT_COUNTER(REFUSED_NAME, REFUSED_HELP, "reason=\"head\"");
struct stat_metric http_refused_body =
    STAT_COUNTER(REFUSED_NAME, REFUSED_HELP, "reason=\"body\"");
struct stat_metric http_refused_slow =
    STAT_COUNTER(REFUSED_NAME, REFUSED_HELP, "reason=\"slow\"");
struct stat_metric http_refused_limit =
    STAT_COUNTER(REFUSED_NAME, REFUSED_HELP, "reason=\"limit\"");
struct stat_metric http_aborted = STAT_COUNTER("waft_http_aborted_total",
    "Requests whose client left before the answer", NULL);
struct stat_metric http_cut = STAT_COUNTER("waft_http_cut_total",
    "Connections cut because their client did not read", NULL);

/* ---- time ------------------------------------------------------------ */

static long long
server_wait_ms(const struct http_server *server, enum conn_wait wait)
{
	if (wait == CONN_WAIT_IDLE)
		return server->opts.limits->idle_ms;
	if (wait == CONN_WAIT_REQUEST)
		return server->opts.limits->request_ms;
	if (wait == CONN_WAIT_UPGRADED)
		return server->opts.upgraded_ms;
	if (wait == CONN_WAIT_HANDSHAKE)
		return server->opts.limits->handshake_ms;
	return SERVER_LINGER_MS;
}

static void
server_arm(struct http_server *server, long long due_ms)
{
	long long wait_ms = due_ms - loop_now_ms(server->opts.loop);
	struct timeval tv;

	if (server->timer_due_ms != 0 && server->timer_due_ms <= due_ms)
		return;
	if (wait_ms < 1)
		wait_ms = 1;
	tv.tv_sec = wait_ms / 1000;
	tv.tv_usec = wait_ms % 1000 * 1000;
	server->timer_due_ms = due_ms;
	event_add(&server->timer, &tv);
}

void
server_wait(struct conn *conn, enum conn_wait wait)
{
	struct http_server *server = conn->server;

	if (conn->wait != CONN_WAIT_NONE)
		TAILQ_REMOVE(&server->waits[conn->wait], conn, wait_entry);
	conn->wait = wait;
	if (wait == CONN_WAIT_NONE)
		return;
	conn->deadline_ms =
	    loop_now_ms(server->opts.loop) + server_wait_ms(server, wait);
	TAILQ_INSERT_TAIL(&server->waits[wait], conn, wait_entry);
	server_arm(server, conn->deadline_ms);
}

static void
server_expire(struct http_server *server, enum conn_wait wait)
{
	long long now_ms = loop_now_ms(server->opts.loop);
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&server->waits[wait])) != NULL &&
	    conn->deadline_ms <= now_ms) {
		server_wait(conn, CONN_WAIT_NONE);
		conn_expire(conn, wait);
	}
	if (conn != NULL)
		server_arm(server, conn->deadline_ms);
}

static void
server_timer_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct http_server *server = arg;

	server->timer_due_ms = 0;
	if (server->paused && !server->draining) {
		server->paused = false;
		event_add(&server->accept_event, NULL);
	}
	for (int wait = 0; wait < CONN_WAITS; wait++)
		server_expire(server, wait);
}

/* ---- accepting ------------------------------------------------------- */

/* With a descriptor kept for it, one who waits is told to go instead of being
 * left hanging, and the loop does not spin on a listener it cannot serve. */
static void
server_no_files(struct http_server *server)
{
	int fd;

	stat_add(&http_refused_limit, 1);
	if (server->reserve_fd >= 0) {
		close(server->reserve_fd);
		fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	log_warn("http.refused", "reason=no-descriptors port=%d", server->port);
	server->paused = true;
	event_del(&server->accept_event);
	server_arm(server, loop_now_ms(server->opts.loop) + SERVER_NO_FILES_MS);
}

static void
server_refuse(struct http_server *server, int fd)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
	                           "Content-Length: 0\r\n"
	                           "Connection: close\r\n\r\n";

	stat_add(&http_refused_limit, 1);
	if (!server->full)
		log_warn("http.refused",
		    "reason=connections-max port=%d max=%d", server->port,
		    server->opts.limits->connections_max);
	server->full = true;
	/* Without a handshake a TLS client would not understand it. */
	if (server->tls == NULL &&
	    send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* Whether to go on accepting. */
static bool
server_accept_failed(struct http_server *server, int error)
{
	if (error == EMFILE || error == ENFILE || error == ENOBUFS ||
	    error == ENOMEM)
		server_no_files(server);
	/* The connection died in the queue: not the listener's fault. */
	return error == ECONNABORTED || error == EINTR;
}

static bool
server_accept(struct http_server *server)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd;

	fd = accept4(server->fd, (struct sockaddr *)&addr, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return server_accept_failed(server, errno);
	if (server->n_conns >= server->opts.limits->connections_max) {
		server_refuse(server, fd);
		return true;
	}
	server->full = false;
	conn_open(server, fd, &addr);
	return true;
}

static void
server_accept_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	for (int i = 0; i < SERVER_ACCEPT_MAX; i++)
		if (!server_accept(arg))
			return;
}

/* ---- listening ------------------------------------------------------- */

static socklen_t
server_address_v6(const char *host, int port, struct sockaddr_storage *addr)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return 0;
	in6.sin6_port = htons(port);
	memcpy(addr, &in6, sizeof(in6));
	return sizeof(in6);
}

static socklen_t
server_address_v4(const char *host, int port, struct sockaddr_storage *addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return 0;
	in.sin_port = htons(port);
	memcpy(addr, &in, sizeof(in));
	return sizeof(in);
}

/* Length of the address; 0 when it is none. */
static socklen_t
server_address(const char *text, struct sockaddr_storage *addr)
{
	const char *colon = strrchr(text, ':');
	char host[64];
	uint64_t port;
	size_t len;

	if (colon == NULL ||
	    !text_to_u64(colon + 1, strlen(colon + 1), 65535, &port))
		return 0;
	len = colon - text;
	if (len < 2 || len >= sizeof(host))
		return 0;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] != '[')
		return server_address_v4(host, (int)port, addr);
	if (host[len - 1] != ']')
		return 0;
	host[len - 1] = '\0';
	return server_address_v6(host + 1, (int)port, addr);
}

static int
server_socket(const struct sockaddr_storage *addr, socklen_t len,
    bool reuse_port)
{
	int one = 1;
	int fd = socket(addr->ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Linux hands it on to what is accepted. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (addr->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)addr, len) == 0 &&
	    listen(fd, SERVER_BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
server_bound_port(int fd)
{
	struct sockaddr_storage addr;
	struct sockaddr_in in;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
		return 0;
	/* The port is at the same place in both families. */
	memcpy(&in, &addr, sizeof(in));
	return ntohs(in.sin_port);
}

static struct http_server *
server_create(const struct http_server_opts *opts, int fd)
{
	struct http_server *server = xcalloc(1, sizeof(*server));

	server->opts = *opts;
	if (opts->gzip)
		server->gzip = gzip_create();
	if (opts->tls != NULL)
		server->tls = tls_ref(opts->tls);
	server->base = loop_base(opts->loop);
	server->fd = fd;
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	server->port = server_bound_port(fd);
	server->in_size = SERVER_READ_SIZE + opts->limits->head_max;
	server->in = xmalloc(server->in_size);
	LIST_INIT(&server->conns);
	for (int wait = 0; wait < CONN_WAITS; wait++)
		TAILQ_INIT(&server->waits[wait]);
	event_assign(&server->timer, server->base, -1, 0, server_timer_cb,
	    server);
	event_assign(&server->accept_event, server->base, fd,
	    EV_READ | EV_PERSIST, server_accept_cb, server);
	event_add(&server->accept_event, NULL);
	return server;
}

struct http_server *
http_listen(const struct http_server_opts *opts, const char *address,
    const char **why)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;

	memset(&addr, 0, sizeof(addr));
	len = server_address(address, &addr);
	if (len == 0) {
		*why = "not an address: host:port or [v6]:port, host as a "
		       "number or localhost";
		return NULL;
	}
	fd = server_socket(&addr, len, opts->reuse_port);
	if (fd < 0) {
		*why = errno == EADDRINUSE ? "the address is in use" :
		    errno == EACCES        ? "the port needs a privilege" :
		    errno == EADDRNOTAVAIL ?
		                      "the address is not of this machine" :
		                      "the system does not let it listen";
		return NULL;
	}
	return server_create(opts, fd);
}

int
http_server_port(const struct http_server *server)
{
	return server->port;
}

int
http_server_connections(const struct http_server *server)
{
	return server->n_conns;
}

void
http_server_set_tls(struct http_server *server, struct tls *tls)
{
	tls_ref(tls);
	tls_unref(server->tls);
	server->tls = tls;
}

bool
http_server_has_tls(const struct http_server *server)
{
	return server->tls != NULL;
}

static void
server_stop_accepting(struct http_server *server)
{
	if (server->fd < 0)
		return;
	event_del(&server->accept_event);
	close(server->fd);
	server->fd = -1;
}

void
http_server_drain(struct http_server *server)
{
	struct conn *conn;
	struct conn *next;

	server_stop_accepting(server);
	server->draining = true;
	LIST_FOREACH_SAFE(conn, &server->conns, entry, next)
		conn_drain(conn);
}

void
http_server_free(struct http_server *server)
{
	struct conn *conn;
	struct out *out;

	if (server == NULL)
		return;
	server_stop_accepting(server);
	/* An abort may close no other, but take the first anew each time. */
	while ((conn = LIST_FIRST(&server->conns)) != NULL)
		conn_close(conn);
	event_del(&server->timer);
	if (server->reserve_fd >= 0)
		close(server->reserve_fd);
	while ((out = server->spare) != NULL) {
		server->spare = out->next;
		free(out);
	}
	tls_unref(server->tls);
	gzip_free(server->gzip);
	free(server->in);
	free(server);
}
