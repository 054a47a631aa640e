#include "component/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"

/* One read of ours, and how many before the others get their turn. */
#define WIRE_READ  (16 * 1024)
#define WIRE_READS 4
/* Memory that is kept for the next bytes that wait. */
#define WIRE_KEEP (64 * 1024)

static struct stat_metric wire_sent = STAT_COUNTER("waft_link_sent_bytes_total",
    "Bytes written to the XMPP server", NULL);

struct wire {
	struct loop *loop;
	const struct wire_ops *ops;
	void *arg;
	int tcp;  /* -1: closed */
	int pair; /* our end of it */
	struct event *read_event;
	struct event *write_event;
	struct event *said_event; /* the library wrote something */
	struct buf out;
	size_t sent;      /* of out */
	int64_t until_ms; /* wire_allow() */
	bool held;        /* that is over, and was noticed */
};

struct wire *
wire_create(struct loop *loop, const struct wire_ops *ops, void *arg)
{
	struct wire *wire = xcalloc(1, sizeof(*wire));

	wire->loop = loop;
	wire->ops = ops;
	wire->arg = arg;
	wire->tcp = wire->pair = -1;
	buf_init(&wire->out, 0);
	return wire;
}

/* ---- what it may ------------------------------------------------------ */

static void
wire_watch(struct wire *wire)
{
	event_add(wire->read_event, NULL);
	event_add(wire->said_event, NULL);
	if (wire->out.len > 0)
		event_add(wire->write_event, NULL);
}

bool
wire_is_held(struct wire *wire)
{
	if (wire->held || clock_mono_ms() < wire->until_ms)
		return wire->held;
	wire->held = true;
	if (wire->tcp >= 0) {
		event_del(wire->read_event);
		event_del(wire->said_event);
		event_del(wire->write_event);
	}
	return true;
}

void
wire_allow(struct wire *wire, int64_t until_ms)
{
	wire->until_ms = until_ms;
	if (!wire->held)
		return;
	wire->held = false;
	if (wire->tcp >= 0)
		wire_watch(wire);
}

/* ---- out ------------------------------------------------------------- */

static void
wire_reset_out(struct wire *wire)
{
	wire->sent = 0;
	if (wire->out.size > WIRE_KEEP)
		buf_clear(&wire->out);
	else
		buf_reset(&wire->out);
}

/* How much of it the connection takes now.  An error shows when it is read. */
static size_t
wire_send(struct wire *wire, const char *data, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && !wire_is_held(wire)) {
		n = send(wire->tcp, data + at, len - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno != EINTR)
			break;
	}
	stat_add(&wire_sent, (int64_t)at);
	return at;
}

void
wire_write(struct wire *wire, const char *data, size_t len)
{
	size_t n = 0;

	if (wire->tcp < 0)
		return;
	if (wire->out.len == 0)
		n = wire_send(wire, data, len);
	if (n == len)
		return;
	buf_add(&wire->out, data + n, len - n);
	if (!wire->held)
		event_add(wire->write_event, NULL);
}

static void
wire_write_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct wire *wire = arg;

	wire->sent += wire_send(wire, wire->out.data + wire->sent,
	    wire->out.len - wire->sent);
	if (wire->sent == wire->out.len)
		wire_reset_out(wire);
	else if (!wire->held)
		event_add(wire->write_event, NULL);
}

/* What the library says goes out in its place among the rest. */
static void
wire_said_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct wire *wire = arg;
	char data[1024];
	ssize_t n;

	while ((n = recv(wire->pair, data, sizeof(data), 0)) > 0)
		wire_write(wire, data, (size_t)n);
	/* It has closed its end, and will say why. */
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		event_del(wire->said_event);
}

/* ---- in -------------------------------------------------------------- */

void
wire_tell(struct wire *wire, const char *data, size_t len)
{
	ssize_t n;

	for (; wire->pair >= 0 && len > 0; data += n, len -= (size_t)n) {
		n = send(wire->pair, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return;
	}
}

static void
wire_ended(struct wire *wire)
{
	event_del(wire->read_event);
	event_del(wire->write_event);
	shutdown(wire->pair, SHUT_WR);
	wire->ops->end(wire->arg);
}

static void
wire_read_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct wire *wire = arg;
	char data[WIRE_READ];
	ssize_t n;
	int i;

	for (i = 0; i < WIRE_READS && wire->tcp >= 0 && !wire_is_held(wire);
	     i++) {
		n = recv(wire->tcp, data, sizeof(data), 0);
		if (n > 0) {
			wire->ops->data(wire->arg, data, (size_t)n);
			if ((size_t)n < sizeof(data))
				return;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			wire_ended(wire);
			return;
		} else {
			return;
		}
	}
}

/* ---- life ------------------------------------------------------------ */

static struct event *
wire_event(struct wire *wire, int fd, short what, event_callback_fn fn)
{
	struct event *event =
	    event_new(loop_base(wire->loop), fd, what, fn, wire);

	if (event == NULL)
		fatal(EX_OSERR, "link.watch", "errno=%d", errno);
	return event;
}

bool
wire_open(struct wire *wire, int fd)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	        ends) != 0)
		return false;
	wire->tcp = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (wire->tcp < 0 || dup3(ends[1], fd, O_CLOEXEC) < 0) {
		close(ends[0]);
		close(ends[1]);
		if (wire->tcp >= 0)
			close(wire->tcp);
		wire->tcp = -1;
		return false;
	}
	close(ends[1]);
	wire->pair = ends[0];
	wire->read_event =
	    wire_event(wire, wire->tcp, EV_READ | EV_PERSIST, wire_read_cb);
	wire->write_event =
	    wire_event(wire, wire->tcp, EV_WRITE, wire_write_cb);
	wire->said_event =
	    wire_event(wire, wire->pair, EV_READ | EV_PERSIST, wire_said_cb);
	if (!wire->held)
		wire_watch(wire);
	return true;
}

void
wire_close(struct wire *wire)
{
	if (wire->tcp < 0)
		return;
	wire_said_cb(wire->pair, 0, wire);
	event_free(wire->read_event);
	event_free(wire->write_event);
	event_free(wire->said_event);
	close(wire->tcp);
	close(wire->pair);
	wire->tcp = wire->pair = -1;
	wire_reset_out(wire);
}

void
wire_free(struct wire *wire)
{
	if (wire == NULL)
		return;
	wire_close(wire);
	buf_clear(&wire->out);
	free(wire);
}

bool
wire_is_open(const struct wire *wire)
{
	return wire->tcp >= 0;
}

void
wire_cut(struct wire *wire)
{
	if (wire->tcp >= 0)
		shutdown(wire->tcp, SHUT_RDWR);
}
