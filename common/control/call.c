#include "common/control/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/control/accept.h"

static struct stat_metric call_foreign =
    STAT_COUNTER("waft_control_refused_total", "Control requests refused",
        "reason=\"foreign\"");
static struct stat_metric call_unauthorized =
    STAT_COUNTER("waft_control_refused_total", "Control requests refused",
        "reason=\"auth\"");
static struct stat_metric call_failed =
    STAT_COUNTER("waft_control_failed_total",
        "Control requests the store failed", NULL);

/* ---- who asks -------------------------------------------------------- */

/* Host without its port; brackets of an IPv6 literal stay. */
static struct slice
call_host_name(struct slice host)
{
	const char *colon = memrchr(host.p, ':', host.len);
	const char *bracket = memrchr(host.p, ']', host.len);

	if (colon != NULL && (bracket == NULL || colon > bracket))
		host.len = (size_t)(colon - host.p);
	return host;
}

static bool
call_is_loopback_name(struct slice name)
{
	unsigned char last;

	if (slice_is(name, "localhost") || slice_is(name, "[::1]"))
		return true;
	/* 127.0.0.0/8 as a literal: digits and dots only. */
	if (name.len < 9 || strncmp(name.p, "127.", 4) != 0)
		return false;
	for (size_t i = 4; i < name.len; i++) {
		last = (unsigned char)name.p[i];
		if (last != '.' && (last < '0' || last > '9'))
			return false;
	}
	return true;
}

/* Another site's name that points at us (DNS rebinding) is not ours. */
static bool
call_is_our_host(const struct control *control, const struct http_head *head)
{
	const struct conf_strings *hosts = &control->conf->control.hosts;
	struct slice own = { control->opts.address,
		strlen(control->opts.address) };
	struct slice name;

	if (head->host.p == NULL || head->host.len == 0)
		return head->minor == 0;
	name = call_host_name(head->host);
	if (call_is_loopback_name(name))
		return true;
	own = call_host_name(own);
	if (own.len == name.len && strncasecmp(own.p, name.p, own.len) == 0)
		return true;
	for (size_t i = 0; i < hosts->count; i++)
		if (slice_is(name, hosts->list[i]) ||
		    slice_is(head->host, hosts->list[i]))
			return true;
	return false;
}

/* Absent is fine; else the listed one is in *origin. */
static bool
call_is_our_origin(const struct control *control, const struct http_head *head,
    const char **origin)
{
	const struct conf_strings *origins = &control->conf->control.origins;
	struct slice value;

	*origin = NULL;
	if (!http_header(head, "Origin", &value))
		return true;
	for (size_t i = 0; i < origins->count; i++)
		if (strcmp(origins->list[i], "*") == 0 ||
		    slice_is(value, origins->list[i])) {
			*origin = origins->list[i];
			return true;
		}
	return false;
}

bool
call_init(struct call *call, struct control *control, struct exchange *exchange)
{
	const struct http_head *head = exchange_head(exchange);
	struct slice accept;
	bool our_host, our_origin;

	*call = (struct call){ 0 };
	call->control = control;
	call->exchange = exchange;
	call->wants_text = true;
	if (http_header(head, "Accept", &accept))
		accept_read(accept, &call->wants_text, &call->wants_json);
	our_host = call_is_our_host(control, head);
	our_origin = call_is_our_origin(control, head, &call->origin);
	if (our_host && our_origin)
		return true;
	stat_add(&call_foreign, 1);
	log_info("control.refused", "peer=%s reason=%s",
	    exchange_peer(exchange), our_host ? "origin" : "host");
	call_error(call, ERR_DENIED,
	    our_host ? "this Origin is not listed in control.origins" :
	               "this Host is not listed in control.hosts");
	return false;
}

bool
call_authorize(struct call *call, const char *realm)
{
	const struct conf *conf = call->control->conf;
	const char *why = NULL;
	struct slice value;
	char *header = NULL;
	enum err err;

	if (http_header(exchange_head(call->exchange), "Authorization", &value))
		header = xstrndup(value.p, value.len);
	err = auth_check(conf, header, realm, clock_wall_ms(), &call->grant,
	    &why);
	free(header);
	if (err != ERR_OK) {
		stat_add(&call_unauthorized, 1);
		log_info("control.refused", "peer=%s reason=auth why=%s",
		    exchange_peer(call->exchange), LOGQ(why));
		call_error(call, err, "%s", why);
		return false;
	}
	if (realm != NULL)
		call->realm = conf_token(conf, realm);
	return true;
}

static bool
call_may(struct call *call, const char *channel,
    bool (*may)(const struct auth_grant *, const char *), const char *verb)
{
	if (!text_is_channel(channel, strlen(channel))) {
		call_error(call, ERR_BAD,
		    "a channel's name is 1 to 255 bytes of UTF-8 without "
		    "control characters");
		return false;
	}
	if (may(&call->grant, channel))
		return true;
	stat_add(&call_unauthorized, 1);
	log_info("control.refused", "peer=%s reason=pattern channel=%s",
	    exchange_peer(call->exchange), LOGQ(channel));
	call_error(call, ERR_DENIED, "this token may not %s this channel",
	    verb);
	return false;
}

bool
call_may_publish(struct call *call, const char *channel)
{
	return call_may(call, channel, auth_may_publish, "publish to");
}

bool
call_may_subscribe(struct call *call, const char *channel)
{
	return call_may(call, channel, auth_may_subscribe, "listen on");
}

/* ---- keeping --------------------------------------------------------- */

static void
call_left_cb(struct exchange *exchange UNUSED, void *arg)
{
	struct call *call = arg;

	call->exchange = NULL;
	call->control->n_kept--;
	if (call->left != NULL)
		call->left(call);
}

void *
call_keep(const struct call *call, size_t size)
{
	struct call *kept = xcalloc(1, size);

	memcpy(kept, call, sizeof *kept);
	kept->kept = true;
	kept->control->n_kept++;
	exchange_on_abort(kept->exchange, call_left_cb, kept);
	return kept;
}

/* ---- answering ------------------------------------------------------- */

static void
call_add_headers(const struct call *call, int status, struct buf *out)
{
	if (call->origin != NULL) {
		buf_adds(out, "Access-Control-Allow-Origin: ");
		buf_adds(out, call->origin);
		buf_adds(out, "\r\nVary: Origin\r\n");
	}
	if (status == 401)
		buf_adds(out,
		    "WWW-Authenticate: Bearer\r\n"
		    "WWW-Authenticate: Basic realm=\"waft\"\r\n");
	if (status == 503)
		buf_adds(out, "Retry-After: 1\r\n");
	if (status == 204)
		buf_adds(out,
		    "Access-Control-Allow-Methods: GET, POST, PUT, DELETE\r\n"
		    "Access-Control-Allow-Headers: Authorization, "
		    "Content-Type\r\n"
		    "Access-Control-Max-Age: 600\r\n");
}

void
call_reply(struct call *call, int status, const char *type, const void *body,
    size_t len)
{
	struct http_reply reply = { .status = status,
		.type = type,
		.body = body,
		.len = len };
	struct exchange *exchange = call->exchange;
	struct buf headers;

	if (exchange == NULL)
		return;
	call->exchange = NULL;
	if (call->kept)
		call->control->n_kept--;
	buf_init(&headers, 0);
	call_add_headers(call, status, &headers);
	reply.headers = headers.data;
	exchange_reply(exchange, &reply);
	buf_clear(&headers);
}

void
call_text(struct call *call, int status, const char *text)
{
	call_reply(call, status, "text/plain; charset=utf-8", text,
	    strlen(text));
}

void
call_json(struct call *call, int status, json_t *value)
{
	struct buf body;

	buf_init(&body, 0);
	json_write(value, &body);
	buf_addc(&body, '\n');
	call_reply(call, status, "application/json", body.data, body.len);
	buf_clear(&body);
	json_decref(value);
}

void
call_error(struct call *call, enum err err, const char *fmt, ...)
{
	struct buf detail, body;
	va_list args;
	char text[512];

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!call->wants_json) {
		buf_init(&detail, 0);
		buf_adds(&detail, text);
		buf_addc(&detail, '\n');
		call_text(call, err_http_status(err), detail.data);
		buf_clear(&detail);
		return;
	}
	buf_init(&body, 0);
	buf_adds(&body, "{\"error\":");
	buf_add_json(&body, err_name(err), strlen(err_name(err)));
	buf_adds(&body, ",\"detail\":");
	buf_add_json(&body, text, strlen(text));
	buf_adds(&body, "}\n");
	call_reply(call, err_http_status(err), "application/json", body.data,
	    body.len);
	buf_clear(&body);
}

void
call_store_error(struct call *call, enum err err)
{
	stat_add(&call_failed, 1);
	log_warn("control.store", "err=%s", err_name(err));
	if (err == ERR_NOTFOUND)
		call_error(call, err, "there is no such channel");
	else if (err == ERR_BUSY)
		call_error(call, err, "the store is busy: try again");
	else if (err == ERR_FULL)
		call_error(call, err, "the store's disk is full");
	else
		call_error(call, err, "the store failed: see the log");
}

bool
call_max(struct call *call, size_t *max)
{
	struct slice query = exchange_head(call->exchange)->query;
	uint64_t number = CONTROL_PAGE;
	struct buf text;
	bool good = true;

	buf_init(&text, 0);
	if (query_param(query, "max", &text))
		good = text_to_u64(text.data, text.len, CONTROL_PAGE_MAX,
		           &number) &&
		    number > 0;
	buf_clear(&text);
	*max = (size_t)number;
	if (!good)
		call_error(call, ERR_BAD, "max must be from 1 to %d",
		    CONTROL_PAGE_MAX);
	return good;
}

void
call_position(const struct control *control, uint64_t seq, json_t *object,
    const char *key)
{
	char position[STORE_POSITION_MAX];

	store_position(control->store, seq, position);
	json_object_set_new(object, key, json_string(position));
}

void
call_time(int64_t wall_ms, json_t *object, const char *key)
{
	char stamp[32];

	clock_stamp(wall_ms, stamp, sizeof stamp);
	json_object_set_new(object, key, json_string(stamp));
}
