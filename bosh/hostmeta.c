#include "bosh/hostmeta.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define HOSTMETA_XRD  "/.well-known/host-meta"
#define HOSTMETA_JRD  "/.well-known/host-meta.json"
#define HOSTMETA_CORS "Access-Control-Allow-Origin: *\r\n"

static const struct hostmeta_link {
	const char *rel;
	const char *scheme;
	const char *path;
} hostmeta_links[] = {
	{ "urn:xmpp:alt-connections:xbosh", "https", "/http-bind" },
	{ "urn:xmpp:alt-connections:websocket", "wss", "/ws" },
};

static void
hostmeta_href(const struct hostmeta_link *link, const char *public_url,
    struct buf *out)
{
	size_t len;

	public_url += strlen("https");
	len = strlen(public_url);
	while (len > 0 && public_url[len - 1] == '/')
		len--;
	buf_adds(out, link->scheme);
	buf_add(out, public_url, len);
	buf_adds(out, link->path);
}

static void
hostmeta_xrd(const char *public_url, struct buf *out)
{
	struct buf href;

	buf_init(&href, 0);
	buf_adds(out,
	    "<?xml version='1.0' encoding='utf-8'?>\n"
	    "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n");
	for (size_t i = 0; i < ARRAY_LEN(hostmeta_links); i++) {
		buf_reset(&href);
		hostmeta_href(&hostmeta_links[i], public_url, &href);
		buf_addf(out, "  <Link rel='%s' href='", hostmeta_links[i].rel);
		buf_add_xml(out, href.data, href.len);
		buf_adds(out, "'/>\n");
	}
	buf_adds(out, "</XRD>\n");
	buf_clear(&href);
}

static void
hostmeta_jrd(const char *public_url, struct buf *out)
{
	struct buf href;

	buf_init(&href, 0);
	buf_adds(out, "{\"links\":[");
	for (size_t i = 0; i < ARRAY_LEN(hostmeta_links); i++) {
		buf_reset(&href);
		hostmeta_href(&hostmeta_links[i], public_url, &href);
		buf_addf(out, "%s{\"rel\":\"%s\",\"href\":", i == 0 ? "" : ",",
		    hostmeta_links[i].rel);
		buf_add_json(out, href.data, href.len);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
	buf_clear(&href);
}

bool
hostmeta_is_path(struct slice path)
{
	return slice_is(path, HOSTMETA_XRD) || slice_is(path, HOSTMETA_JRD);
}

static void
hostmeta_reply(struct exchange *exchange, int status, const char *type,
    const char *headers, const struct buf *text)
{
	struct http_reply reply = { .status = status,
		.type = type,
		.headers = headers,
		.body = text->data,
		.len = text->len };

	exchange_reply(exchange, &reply);
}

void
hostmeta_serve(struct exchange *exchange, const char *public_url)
{
	const struct http_head *head = exchange_head(exchange);
	struct buf text;

	buf_init(&text, 0);
	if (head->method != HTTP_GET && head->method != HTTP_HEAD) {
		buf_adds(&text, "This is read by GET.\n");
		hostmeta_reply(exchange, 405, "text/plain; charset=utf-8",
		    HOSTMETA_CORS "Allow: GET, HEAD\r\n", &text);
	} else if (public_url == NULL) {
		buf_adds(&text,
		    "Where clients connect to is not told here: the option "
		    "public-url of the section bosh is not set.\n");
		hostmeta_reply(exchange, 404, "text/plain; charset=utf-8",
		    HOSTMETA_CORS, &text);
	} else if (slice_is(head->path, HOSTMETA_XRD)) {
		hostmeta_xrd(public_url, &text);
		hostmeta_reply(exchange, 200,
		    "application/xrd+xml; charset=utf-8", HOSTMETA_CORS, &text);
	} else {
		hostmeta_jrd(public_url, &text);
		hostmeta_reply(exchange, 200, "application/json", HOSTMETA_CORS,
		    &text);
	}
	buf_clear(&text);
}
