#include "component/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sysexits.h>

#include <event2/event.h>
#include <strophe.h>

#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/intake.h"
#include "component/spare.h"
#include "component/wire.h"

/* Memory that is kept for what is written next. */
#define LINK_KEEP (64 * 1024)
/* Runs of the library while it talks by itself: one sees what there is, the
 * next writes what it makes of it. */
#define LINK_RUNS         3
#define LINK_HANDSHAKE_MS 15000
/* How often the library looks at its own timers; and, while it talks by
 * itself, at what it has queued. */
#define LINK_TICK_MS      1000
#define LINK_TALK_TICK_MS 20

static struct stat_metric link_connects =
    STAT_COUNTER("waft_link_connects_total",
        "Times the link to the XMPP server was authenticated", NULL);
static struct stat_metric link_ends = STAT_COUNTER("waft_link_ends_total",
    "Times the link or an attempt at it ended", NULL);
static struct stat_metric link_gauge =
    STAT_GAUGE("waft_link_up", "Links that are up now", NULL);

enum link_state {
	LINK_IDLE, /* not started, waiting for the next attempt, or closed */
	LINK_CONNECTING, /* or in the handshake */
	LINK_UP,
	LINK_CLOSING
};

struct link {
	struct loop *loop;
	const struct conf_component *conf;
	char *ip;
	const struct link_ops *ops;
	void *arg;
	xmpp_log_t log;
	xmpp_ctx_t *ctx;
	xmpp_conn_t *conn; /* of the attempt under way or the last one */
	enum link_state state;
	enum link_end end; /* of the last connection */
	enum link_end cut; /* what link_cut() will have it called */
	struct retry retry;
	struct wire *wire;
	struct intake *intake; /* of the connection that is open */
	struct buf tell;       /* for the library */
	struct buf out;
	int fd;    /* the library's number for the connection */
	int spare; /* a low descriptor kept for the next socket */
	struct event *tick_event;
	struct event *retry_event;
	long long started_ms;
	struct deferred flush;
};

/* The attempt that xmpp_connect_component() is making: its socket callback
 * carries no argument. */
static _Thread_local struct link *link_attempt;

/* ---- running the library --------------------------------------------- */

/* What it says of itself, the stream's head and end and the handshake, only a
 * later run writes, hence several of them, and the short tick for the rest. */
static void
link_run(struct link *link)
{
	int i, runs = link->state == LINK_UP ? 1 : LINK_RUNS;

	for (i = 0; i < runs && link->state != LINK_IDLE; i++)
		xmpp_run_once(link->ctx, 0);
}

/* The library's own timers, and our limit on connecting and the handshake. */
static void
link_tick_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct link *link = arg;

	link_run(link);
	if (link->state == LINK_CONNECTING &&
	    loop_now_ms(link->loop) - link->started_ms >= LINK_HANDSHAKE_MS)
		link_cut(link, LINK_END_SILENT);
}

static int
link_socket_cb(xmpp_conn_t *conn UNUSED, void *socket)
{
	struct link *link = link_attempt;
	int fd = *(int *)socket, on = 1;

	if (fd >= FD_SETSIZE) {
		log_error("link.descriptor", "fd=%d limit=%d", fd, FD_SETSIZE);
		return -1;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	link->fd = fd;
	return 0;
}

/* ---- up and down ----------------------------------------------------- */

/* Conditions by their names of RFC 6120, which the library does not know. */
static enum link_end
link_stream_condition(const xmpp_stream_error_t *error)
{
	return xmpp_stanza_get_child_by_name(error->stanza,
	           "not-well-formed") != NULL ?
	    LINK_END_STANZA :
	    LINK_END_OTHER;
}

static enum link_end
link_stream_error(const xmpp_stream_error_t *error)
{
	switch (error->type) {
	case XMPP_SE_NOT_AUTHORIZED:
		return LINK_END_SECRET;
	case XMPP_SE_HOST_UNKNOWN:
	case XMPP_SE_HOST_GONE:
	case XMPP_SE_IMPROPER_ADDR:
	case XMPP_SE_INVALID_NS:
		return LINK_END_HOST;
	case XMPP_SE_CONFLICT:
		return LINK_END_CONFLICT;
	case XMPP_SE_INVALID_FROM:
	case XMPP_SE_INVALID_XML:
	case XMPP_SE_XML_NOT_WELL_FORMED:
	case XMPP_SE_POLICY_VIOLATION:
	case XMPP_SE_BAD_FORMAT:
	case XMPP_SE_RESTRICTED_XML:
		return LINK_END_STANZA;
	case XMPP_SE_SYSTEM_SHUTDOWN:
		return LINK_END_SHUTDOWN;
	default:
		return link_stream_condition(error);
	}
}

static enum link_end
link_find_end(const struct link *link, enum link_state state,
    const xmpp_stream_error_t *error)
{
	if (link->cut != LINK_END_NONE)
		return link->cut;
	if (state == LINK_CLOSING)
		return LINK_END_CLOSED;
	if (error == NULL)
		return state == LINK_UP ? LINK_END_LOST : LINK_END_REFUSED;
	/* Before the handshake it is about who we are, after it about what we
	 * sent. */
	if (state == LINK_UP && link_stream_error(error) == LINK_END_HOST)
		return LINK_END_STANZA;
	return link_stream_error(error);
}

static void
link_retry(struct link *link, bool was_up, const char *text)
{
	const char *fix = link_end_fix(link->end);
	struct timeval wait;
	uint32_t chance;
	int64_t ms;

	crypto_random(&chance, sizeof(chance));
	ms = retry_down(&link->retry, link->end, was_up,
	    loop_now_ms(link->loop), link->conf->reconnect_ms, chance);
	wait.tv_sec = ms / 1000;
	wait.tv_usec = ms % 1000 * 1000;
	event_add(link->retry_event, &wait);
	log_warn("link.down",
	    "domain=%s server=%s:%d reason=%s text=%s retry_ms=%lld%s%s%s",
	    LOGQ(link->conf->domain), LOGQ(link->conf->host), link->conf->port,
	    link_end_name(link->end), LOGQ(text == NULL ? "" : text),
	    (long long)ms, fix == NULL ? "" : " fix=\"", fix == NULL ? "" : fix,
	    fix == NULL ? "" : "\"");
}

static void
link_set_down(struct link *link, const xmpp_stream_error_t *error)
{
	enum link_state state = link->state;

	link->end = link_find_end(link, state, error);
	link->cut = LINK_END_NONE;
	link->state = LINK_IDLE;
	link->log.handler = NULL;
	stat_add(&link_ends, 1);
	wire_close(link->wire);
	intake_free(link->intake);
	link->intake = NULL;
	event_del(link->tick_event);
	spare_take(&link->spare);
	buf_clear(&link->out);
	if (state == LINK_CLOSING)
		log_info("link.closed", "domain=%s", LOGQ(link->conf->domain));
	else
		link_retry(link, state == LINK_UP,
		    error == NULL ? NULL : error->text);
	if (state == LINK_UP || state == LINK_CLOSING) {
		stat_add(&link_gauge, -1);
		link->ops->down(link->arg, link->end);
	}
}

static void
link_set_tick(struct link *link, int ms)
{
	struct timeval tick = { ms / 1000, ms % 1000 * 1000 };

	event_add(link->tick_event, &tick);
}

static void
link_set_up(struct link *link)
{
	link->state = LINK_UP;
	link->end = LINK_END_NONE;
	intake_begin(link->intake);
	/* From here on it would format every byte that passes. */
	link->log.handler = NULL;
	link_set_tick(link, LINK_TICK_MS);
	retry_up(&link->retry, loop_now_ms(link->loop));
	stat_add(&link_connects, 1);
	stat_add(&link_gauge, 1);
	log_info("link.up", "domain=%s server=%s:%d", LOGQ(link->conf->domain),
	    LOGQ(link->conf->host), link->conf->port);
	link->ops->up(link->arg);
}

static void
link_conn_cb(xmpp_conn_t *conn, xmpp_conn_event_t event, int error UNUSED,
    xmpp_stream_error_t *stream_error, void *arg)
{
	struct link *link = arg;

	if (conn != link->conn)
		return;
	if (event == XMPP_CONN_CONNECT)
		link_set_up(link);
	else if (link->state != LINK_IDLE)
		link_set_down(link, stream_error);
}

/* ---- in -------------------------------------------------------------- */

static void
link_stanza_cb(void *arg, const struct xml *stanza)
{
	struct link *link = arg;

	if (link->state == LINK_UP)
		link->ops->stanza(link->arg, stanza);
}

static void
link_over_cb(void *arg, const struct xml *stanza)
{
	struct link *link = arg;

	if (link->state == LINK_UP)
		link->ops->over(link->arg, stanza);
}

static void
link_stream_cb(void *arg, const char *text, size_t len)
{
	struct link *link = arg;

	buf_add(&link->tell, text, len);
}

static bool
link_feed(struct link *link, const char *data, size_t len)
{
	if (intake_feed(link->intake, data, len) == ERR_OK)
		return true;
	link_cut(link, LINK_END_LOST);
	return false;
}

/* Until the handshake is over the library gets all of it, tag by tag, so that
 * what follows is not its any more. */
static void
link_data_cb(void *arg, const char *data, size_t len)
{
	struct link *link = arg;
	const char *end;
	size_t n;

	if (link->cut != LINK_END_NONE)
		return;
	for (; link->state == LINK_CONNECTING && len > 0; data += n, len -= n) {
		end = memchr(data, '>', len);
		n = end == NULL ? len : (size_t)(end - data) + 1;
		if (!link_feed(link, data, n))
			return;
		wire_tell(link->wire, data, n);
		link_run(link);
	}
	if (len == 0 || link->intake == NULL || !link_feed(link, data, len) ||
	    link->tell.len == 0)
		return;
	wire_tell(link->wire, link->tell.data, link->tell.len);
	buf_reset(&link->tell);
	link_run(link);
}

static const struct intake_ops link_intake = { link_stanza_cb, link_over_cb,
	link_stream_cb };

static void
link_ended_cb(void *arg)
{
	link_run(arg);
}

/* ---- out ------------------------------------------------------------- */

static void
link_push(struct link *link)
{
	wire_write(link->wire, link->out.data, link->out.len);
	if (link->out.size > LINK_KEEP)
		buf_clear(&link->out);
	else
		buf_reset(&link->out);
}

static void
link_flush_cb(void *arg)
{
	struct link *link = arg;

	if (link->state == LINK_UP && link->out.len > 0)
		link_push(link);
}

void
link_allow(struct link *link, int64_t until_ms)
{
	wire_allow(link->wire, until_ms);
}

void
link_be_eager(struct link *link)
{
	link->retry.eager_ms = loop_now_ms(link->loop) + RETRY_EAGER_MS;
}

struct buf *
link_out(struct link *link)
{
	return &link->out;
}

void
link_flush(struct link *link)
{
	loop_defer(link->loop, &link->flush);
}

/* ---- life ------------------------------------------------------------ */

static void
link_log_cb(void *arg, xmpp_log_level_t level, const char *area,
    const char *text)
{
	struct link *link = arg;

	/* Its debug level has the handshake in it. */
	if (level == XMPP_LEVEL_DEBUG)
		return;
	log_info("link.library", "domain=%s area=%s text=%s",
	    LOGQ(link->conf->domain), LOGQ(area), LOGQ(text));
}

static void
link_retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct link *link = arg;
	struct timeval soon = { LINK_TICK_MS / 1000, 0 };

	if (wire_is_held(link->wire))
		event_add(link->retry_event, &soon);
	else
		link_start(link);
}

struct link *
link_create(struct loop *loop, const struct conf_component *conf,
    const char *ip, const struct link_ops *ops, void *arg)
{
	static const struct wire_ops wire = { link_data_cb, link_ended_cb };
	struct link *link = xcalloc(1, sizeof(*link));

	xmpp_initialize();
	link->loop = loop;
	link->conf = conf;
	link->ip = xstrdup(ip);
	link->ops = ops;
	link->arg = arg;
	link->log.userdata = link;
	link->ctx = xmpp_ctx_new(NULL, &link->log);
	link->wire = wire_create(loop, &wire, link);
	link->fd = link->spare = -1;
	link->tick_event =
	    event_new(loop_base(loop), -1, EV_PERSIST, link_tick_cb, link);
	link->retry_event = evtimer_new(loop_base(loop), link_retry_cb, link);
	if (link->ctx == NULL || link->tick_event == NULL ||
	    link->retry_event == NULL)
		fatal(EX_OSERR, "link.create", "");
	buf_init(&link->out, 0);
	buf_init(&link->tell, 0);
	loop_defer_init(&link->flush, LOOP_FLUSH, link_flush_cb, link);
	spare_take(&link->spare);
	return link;
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	if (link->state == LINK_UP || link->state == LINK_CLOSING)
		stat_add(&link_gauge, -1);
	link->state = LINK_IDLE;
	loop_defer_cancel(link->loop, &link->flush);
	if (link->conn != NULL)
		xmpp_conn_release(link->conn);
	xmpp_ctx_free(link->ctx);
	wire_free(link->wire);
	intake_free(link->intake);
	event_free(link->tick_event);
	event_free(link->retry_event);
	spare_give(&link->spare);
	buf_clear(&link->out);
	buf_clear(&link->tell);
	free(link->ip);
	free(link);
}

static int
link_no_socket_cb(xmpp_conn_t *conn UNUSED, void *socket UNUSED)
{
	return -1;
}

/*
 * libstrophe 0.12.2 looks into a connection's stream management state at every
 * stanza, but makes one for clients alone: a component crashes.  So one is
 * taken from a client that is not allowed to connect.
 */
static xmpp_sm_state_t *
link_make_sm_state(struct link *link)
{
	xmpp_conn_t *client = xmpp_conn_new(link->ctx);
	xmpp_sm_state_t *state;

	if (client == NULL)
		fatal(EX_OSERR, "link.create", "");
	xmpp_conn_set_jid(client, link->conf->domain);
	xmpp_conn_set_sockopt_callback(client, link_no_socket_cb);
	xmpp_connect_client(client, link->ip, (unsigned short)link->conf->port,
	    link_conn_cb, link);
	state = xmpp_conn_get_sm_state(client);
	xmpp_conn_release(client);
	if (state == NULL)
		fatal(EX_SOFTWARE, "link.create", "why=\"no state\"");
	return state;
}

static xmpp_conn_t *
link_make_conn(struct link *link)
{
	xmpp_conn_t *conn = xmpp_conn_new(link->ctx);

	if (conn == NULL)
		fatal(EX_OSERR, "link.create", "");
	xmpp_conn_set_sm_state(conn, link_make_sm_state(link));
	xmpp_conn_set_jid(conn, link->conf->domain);
	xmpp_conn_set_pass(conn, link->conf->secret);
	xmpp_conn_set_sockopt_callback(conn, link_socket_cb);
	return conn;
}

/* A new connection object each time: the library keeps unsent pieces of the
 * old one, which must never come before what the caller sends again. */
void
link_start(struct link *link)
{
	int rc;

	if (link->conn != NULL)
		xmpp_conn_release(link->conn);
	link->conn = link_make_conn(link);
	link->state = LINK_CONNECTING;
	link->started_ms = loop_now_ms(link->loop);
	link->log.handler = link_log_cb;
	spare_give(&link->spare);
	link_attempt = link;
	rc = xmpp_connect_component(link->conn, link->ip,
	    (unsigned short)link->conf->port, link_conn_cb, link);
	link_attempt = NULL;
	if (rc != XMPP_EOK || !wire_open(link->wire, link->fd)) {
		link_set_down(link, NULL);
		return;
	}
	buf_reset(&link->tell);
	link->intake = intake_create(link->conf->domain, &link_intake, link);
	link_set_tick(link, LINK_TALK_TICK_MS);
	link_run(link);
}

bool
link_close(struct link *link)
{
	event_del(link->retry_event);
	if (link->state != LINK_UP) {
		event_del(link->tick_event);
		wire_close(link->wire);
		link->state = LINK_IDLE;
		return false;
	}
	link_push(link);
	link->state = LINK_CLOSING;
	xmpp_disconnect(link->conn);
	link_set_tick(link, LINK_TALK_TICK_MS);
	link_run(link);
	return true;
}

/* The library sees the end of the stream when it runs next, which is not
 * now: it may be running. */
void
link_cut(struct link *link, enum link_end end)
{
	if (!wire_is_open(link->wire))
		return;
	link->cut = end;
	wire_cut(link->wire);
}

bool
link_is_up(const struct link *link)
{
	return link->state == LINK_UP;
}

enum link_end
link_why(const struct link *link)
{
	return link->end;
}
