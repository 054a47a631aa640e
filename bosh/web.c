#include "bosh/web.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bosh/body.h"
#include "bosh/files.h"
#include "bosh/framing.h"
#include "bosh/hostmeta.h"
#include "bosh/sender.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/http/route.h"

#define WEB_LISTEN_MAX 16

#define WEB_ALWAYS                    \
	"Cache-Control: no-store\r\n" \
	"X-Content-Type-Options: nosniff\r\n"
#define WEB_PREFLIGHT                                          \
	"Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n" \
	"Access-Control-Allow-Headers: Content-Type, "         \
	"X-Requested-With\r\n"                                 \
	"Access-Control-Max-Age: 86400\r\n"

static struct stat_metric web_refused =
    STAT_COUNTER("waft_websocket_refused_total",
        "Requests for a WebSocket that were refused", NULL);

/* The header lines for one origin: ordinary answers, and a preflight's. */
struct web_cors {
	const char *origin; /* NULL: whatever the request says */
	char *headers;
	char *preflight;
};

struct web {
	struct gateway *gateway;
	const struct conf *conf;
	struct proxies *proxies;
	struct http_server *servers[WEB_LISTEN_MAX];
	int n_servers;
	struct web_cors *cors; /* the first is for origins not listed */
	size_t n_cors;
};

/* ---- CORS ------------------------------------------------------------ */

static void
web_set_cors(struct web_cors *cors, const char *allow)
{
	cors->headers = xasprintf("%s%s", allow, WEB_ALWAYS);
	cors->preflight = xasprintf("%s%s%s", allow, WEB_ALWAYS,
	    *allow == '\0' ? "" : WEB_PREFLIGHT);
}

/* `*` has no credentials; a listed origin is echoed (Fetch §3.2). */
static void
web_create_cors(struct web *web)
{
	const struct conf_strings *origins = &web->conf->bosh.origins;
	bool all = false;
	char *allow;

	for (size_t i = 0; i < origins->count; i++)
		all |= strcmp(origins->list[i], "*") == 0;
	web->cors = xcalloc(1 + origins->count, sizeof(web->cors[0]));
	web->n_cors = all ? 1 : 1 + origins->count;
	web_set_cors(&web->cors[0],
	    all ? "Access-Control-Allow-Origin: *\r\n" : "");
	for (size_t i = 1; i < web->n_cors; i++) {
		web->cors[i].origin = origins->list[i - 1];
		allow = xasprintf("Access-Control-Allow-Origin: %s\r\n"
		                  "Access-Control-Allow-Credentials: true\r\n"
		                  "Vary: Origin\r\n",
		    web->cors[i].origin);
		web_set_cors(&web->cors[i], allow);
		free(allow);
	}
}

static const struct web_cors *
web_cors(const struct web *web, const struct http_head *head)
{
	struct slice origin;

	if (web->n_cors == 1 || head == NULL ||
	    !http_header(head, "Origin", &origin))
		return &web->cors[0];
	for (size_t i = 1; i < web->n_cors; i++)
		if (slice_is(origin, web->cors[i].origin))
			return &web->cors[i];
	return &web->cors[0];
}

static const char *
web_headers(const struct http_head *head, void *arg)
{
	const struct web *web = arg;

	return web_cors(web, head)->headers;
}

/* ---- BOSH ------------------------------------------------------------ */

static void
web_reply(struct exchange *exchange, int status, const char *type,
    const char *headers, const char *text)
{
	struct http_reply reply = { .status = status,
		.type = type,
		.headers = headers,
		.body = text,
		.len = strlen(text) };

	exchange_reply(exchange, &reply);
}

static void
web_info(struct exchange *exchange, const struct web_cors *cors)
{
	struct slice query = exchange_head(exchange)->query;

	/* Script syntax (XEP-0252): not spoken, said so without a text. */
	if (query.len >= 3 && strncasecmp(query.p, "%3C", 3) == 0)
		web_reply(exchange, 404, NULL, cors->headers, "");
	else
		web_reply(exchange, 200, "text/plain; charset=utf-8",
		    cors->headers,
		    "This is the BOSH endpoint of waft (XEP-0124). "
		    "An XMPP client sends its requests here by POST.\n");
}

/* None is read (XEP-0124 §7.2 names no such thing).  Old libpurple puts a media
 * type there; it means nothing by that. */
static bool
web_is_coded(const struct http_head *head)
{
	struct slice coding;

	return http_header(head, "Content-Encoding", &coding) &&
	    coding.len > 0 && !slice_is(coding, "identity") &&
	    memchr(coding.p, '/', coding.len) == NULL;
}

static void
web_post(struct web *web, struct exchange *exchange,
    const struct web_cors *cors)
{
	struct gateway *gateway = web->gateway;
	const struct conf_bosh *conf = &gateway->conf->bosh;
	struct limit_peer peer;
	struct arrival *arrival;
	struct sender sender;
	char *headers;

	if (web_is_coded(exchange_head(exchange))) {
		web_reply(exchange, 415, "text/plain; charset=utf-8",
		    cors->headers, "Requests are read without coding.\n");
		return;
	}
	proxies_sender(web->proxies, exchange, &sender);
	peer = limit_peer(sender_counted(&sender, conf));
	/* 503 and no error of BOSH: clients come again with the same rid. */
	if (!limits_take(gateway->relay->limits, conf, &peer, LIMIT_REQUESTS,
	        loop_now_ms(gateway->loop))) {
		headers = xasprintf("%sRetry-After: 1\r\n", cors->headers);
		web_reply(exchange, 503, "text/plain; charset=utf-8", headers,
		    "Too many requests from this address.\n");
		free(headers);
		return;
	}
	arrival = arrival_create(gateway->relay, gateway->index, exchange,
	    &sender, cors->headers);
	gateway_arrive(gateway, arrival, exchange_body(exchange));
}

static void
web_bosh(struct web *web, struct exchange *exchange)
{
	const struct web_cors *cors = web_cors(web, exchange_head(exchange));

	switch (exchange_head(exchange)->method) {
	case HTTP_POST:
		web_post(web, exchange, cors);
		break;
	case HTTP_OPTIONS:
		web_reply(exchange, 204, NULL, cors->preflight, "");
		break;
	case HTTP_GET:
	case HTTP_HEAD:
		web_info(exchange, cors);
		break;
	default:
		web_reply(exchange, 405, "text/plain; charset=utf-8",
		    cors->headers, "BOSH requests are made by POST.\n");
	}
}

/* ---- WebSocket ------------------------------------------------------- */

/* The page is of this server itself. */
static bool
web_is_own(const struct http_head *head, struct slice origin)
{
	static const char *const schemes[] = { "http://", "https://" };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		len = strlen(schemes[i]);
		if (origin.len == len + head->host.len && head->host.len > 0 &&
		    memcmp(origin.p, schemes[i], len) == 0 &&
		    memcmp(origin.p + len, head->host.p, head->host.len) == 0)
			return true;
	}
	return false;
}

/* CORS does not keep a foreign page from opening a WebSocket: the server must
 * (RFC 6455 §10.2). */
static bool
web_is_welcome(const struct web *web, const struct exchange *exchange)
{
	const struct conf_strings *origins = &web->conf->bosh.origins;
	const struct http_head *head = exchange_head(exchange);
	struct slice origin;

	if (!http_header(head, "Origin", &origin) || web_is_own(head, origin))
		return true;
	for (size_t i = 0; i < origins->count; i++)
		if (strcmp(origins->list[i], "*") == 0 ||
		    slice_is(origin, origins->list[i]))
			return true;
	return false;
}

static void
web_refuse(struct exchange *exchange, int status, const char *headers,
    const char *why)
{
	char *text = xasprintf("%s\n", why);

	stat_add(&web_refused, 1);
	log_debug("websocket.refuse", "status=%d reason=%s", status, LOGQ(why));
	web_reply(exchange, status, "text/plain; charset=utf-8", headers, text);
	free(text);
}

static void
web_websocket(struct web *web, struct exchange *exchange)
{
	const struct http_head *head = exchange_head(exchange);
	struct sender sender;
	const char *why;
	struct buf headers;
	int status;

	if (head->method != HTTP_GET) {
		web_refuse(exchange, 405, "Allow: GET\r\n",
		    "a WebSocket is opened by GET");
		return;
	}
	if (!web_is_welcome(web, exchange)) {
		web_refuse(exchange, 403, NULL,
		    "pages of this origin may not connect");
		return;
	}
	proxies_sender(web->proxies, exchange, &sender);
	if (!sender.secure && web->conf->bosh.secure_uri != NULL) {
		web_refuse(exchange, 403, NULL,
		    "a WebSocket is opened over TLS here");
		return;
	}
	buf_init(&headers, 0);
	status = websocket_handshake(head, FRAMING_PROTOCOL, &headers, &why);
	if (status != 101)
		web_refuse(exchange, status, headers.data, why);
	else if (!exchange_may_upgrade(exchange) ||
	    !framing_connect(web->gateway, exchange, &sender, headers.data))
		web_refuse(exchange, 503, NULL, "no more sessions for now");
	buf_clear(&headers);
}

/* ---- everything else ------------------------------------------------- */

static void
web_file(struct exchange *exchange, const struct route_args *args UNUSED,
    void *arg)
{
	const struct web *web = arg;
	struct slice path = exchange_head(exchange)->path;
	size_t skip = strlen("/demo/");

	if (path.len < skip)
		web_reply(exchange, 308, NULL, "Location: /demo/\r\n", "");
	else
		files_serve(exchange, web->conf->bosh.web,
		    (struct slice){ path.p + skip, path.len - skip });
}

static const struct route web_routes[] = {
	{ HTTP_GET | HTTP_HEAD, "/demo/", web_file },
	{ HTTP_GET | HTTP_HEAD, "/demo/**", web_file },
};

static bool
web_is_bosh(struct slice path)
{
	return slice_is(path, "/http-bind") || slice_is(path, "/http-bind/") ||
	    slice_is(path, "/bosh");
}

static void
web_handle(struct exchange *exchange, void *arg)
{
	struct web *web = arg;

	if (web_is_bosh(exchange_head(exchange)->path))
		web_bosh(web, exchange);
	else if (slice_is(exchange_head(exchange)->path, "/ws"))
		web_websocket(web, exchange);
	else if (hostmeta_is_path(exchange_head(exchange)->path))
		hostmeta_serve(exchange, web->gateway->conf->bosh.public_url);
	else
		route_dispatch(web_routes,
		    web->conf->bosh.demo ? ARRAY_LEN(web_routes) : 0, exchange,
		    web);
}

/* ---- life ------------------------------------------------------------ */

struct web *
web_create(struct gateway *gateway)
{
	struct web *web = xcalloc(1, sizeof(*web));

	web->gateway = gateway;
	web->conf = gateway->conf;
	web->proxies = proxies_create(&web->conf->bosh);
	web_create_cors(web);
	return web;
}

int
web_listen(struct web *web, const char *address, struct tls *tls,
    const char **why)
{
	struct http_server_opts opts = { .loop = web->gateway->loop,
		.limits = &web->conf->http,
		.max_body = web->conf->bosh.max_body,
		.upgraded_ms = web->conf->bosh.ws_ping_ms,
		.reuse_port = true,
		.tls = tls,
		.gzip = web->conf->bosh.gzip,
		.headers = web_headers,
		.handle = web_handle,
		.arg = web };
	struct http_server *server;

	if (web->n_servers == WEB_LISTEN_MAX) {
		*why = "too many addresses to listen on";
		return 0;
	}
	server = http_listen(&opts, address, why);
	if (server == NULL)
		return 0;
	web->servers[web->n_servers++] = server;
	return http_server_port(server);
}

void
web_set_tls(struct web *web, struct tls *tls)
{
	for (int i = 0; i < web->n_servers; i++)
		if (http_server_has_tls(web->servers[i]))
			http_server_set_tls(web->servers[i], tls);
}

void
web_drain(struct web *web)
{
	for (int i = 0; i < web->n_servers; i++)
		http_server_drain(web->servers[i]);
}

void
web_free(struct web *web)
{
	if (web == NULL)
		return;
	for (int i = 0; i < web->n_servers; i++)
		http_server_free(web->servers[i]);
	for (size_t i = 0; i < web->n_cors; i++) {
		free(web->cors[i].headers);
		free(web->cors[i].preflight);
	}
	free(web->cors);
	proxies_free(web->proxies);
	free(web);
}
