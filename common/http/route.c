#include "common/http/route.h"

#include <string.h>

#include "common/base/text.h"

enum route_match {
	ROUTE_NO,
	ROUTE_YES,
	ROUTE_BAD /* the path matches, but for a bad escape */
};

/* The decoded segments stand in text one after the other, each with a NUL. */
struct route_segments {
	struct buf text;
	size_t at[ROUTE_ARGS_MAX];
	int count;
};

/* The part up to the next slash; *p moves to that slash or the end. */
static struct slice
route_segment(const char **p, const char *end)
{
	const char *start = *p;
	const char *slash = memchr(start, '/', end - start);

	*p = slash != NULL ? slash : end;
	return (struct slice){ start, *p - start };
}

static bool
route_take(struct route_segments *segments, struct slice segment)
{
	if (segments->count == ROUTE_ARGS_MAX)
		return false;
	segments->at[segments->count++] = segments->text.len;
	if (!text_percent_decode(segment.p, segment.len, &segments->text))
		return false;
	buf_addc(&segments->text, '\0');
	return true;
}

static bool
route_same(struct slice a, struct slice b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

/* Both begin behind a slash. */
static enum route_match
route_match_segments(const char *pattern, struct slice path,
    struct route_segments *segments)
{
	const char *pattern_end = pattern + strlen(pattern);
	const char *p = path.p;
	const char *end = path.p + path.len;
	enum route_match match = ROUTE_YES;
	struct slice want;
	struct slice have;

	for (;;) {
		want = route_segment(&pattern, pattern_end);
		if (want.len == 2 && memcmp(want.p, "**", 2) == 0)
			return match;
		have = route_segment(&p, end);
		if (want.len == 1 && *want.p == '*' && have.len > 0) {
			if (!route_take(segments, have))
				match = ROUTE_BAD;
		} else if (!route_same(want, have)) {
			return ROUTE_NO;
		}
		if (pattern == pattern_end)
			return p == end ? match : ROUTE_NO;
		if (p == end)
			return strcmp(pattern, "/") == 0 ? match : ROUTE_NO;
		pattern++;
		p++;
	}
}

static enum route_match
route_match(const struct route *route, struct slice path,
    struct route_segments *segments)
{
	segments->count = 0;
	buf_reset(&segments->text);
	if (path.len == 0 || path.p[0] != '/')
		return ROUTE_NO;
	return route_match_segments(route->pattern + 1,
	    (struct slice){ path.p + 1, path.len - 1 }, segments);
}

/* Whoever answers GET answers HEAD: the server leaves the body off. */
static bool
route_allows(const struct route *route, enum http_method method)
{
	return (route->methods & method) ||
	    (method == HTTP_HEAD && (route->methods & HTTP_GET));
}

static void
route_call(const struct route *route, struct exchange *exchange,
    const struct route_segments *segments, void *arg)
{
	struct route_args args = { .count = segments->count };

	for (int i = 0; i < args.count; i++)
		args.arg[i] = segments->text.data + segments->at[i];
	route->fn(exchange, &args, arg);
}

static void
route_refuse_method(struct exchange *exchange, int allowed)
{
	static const struct {
		enum http_method method;
		const char *name;
	} names[] = {
		{ HTTP_GET, "GET, HEAD" },
		{ HTTP_POST, "POST" },
		{ HTTP_PUT, "PUT" },
		{ HTTP_DELETE, "DELETE" },
		{ HTTP_OPTIONS, "OPTIONS" },
	};
	static const char text[] = "this method is not allowed here\n";
	struct http_reply reply = { .status = 405,
		.type = "text/plain; charset=utf-8",
		.body = text,
		.len = sizeof(text) - 1 };
	struct buf headers;
	const char *before = "Allow: ";

	buf_init(&headers, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(allowed & names[i].method))
			continue;
		buf_adds(&headers, before);
		buf_adds(&headers, names[i].name);
		before = ", ";
	}
	buf_adds(&headers, "\r\n");
	reply.headers = headers.data;
	exchange_reply(exchange, &reply);
	buf_clear(&headers);
}

static void
route_refuse(struct exchange *exchange, int allowed, bool bad)
{
	if (bad)
		exchange_reply_text(exchange, 400, "a bad escape in the path");
	else if (allowed == 0)
		exchange_reply_text(exchange, 404, "Not Found");
	else if (exchange_head(exchange)->method == HTTP_OTHER)
		exchange_reply_text(exchange, 501, "this method is unknown");
	else
		route_refuse_method(exchange, allowed);
}

void
route_dispatch(const struct route *routes, size_t n_routes,
    struct exchange *exchange, void *arg)
{
	const struct http_head *head = exchange_head(exchange);
	struct route_segments segments;
	enum route_match match;
	int allowed = 0;
	bool bad = false;

	buf_init(&segments.text, 0);
	for (size_t i = 0; i < n_routes; i++) {
		match = route_match(&routes[i], head->path, &segments);
		if (match == ROUTE_NO)
			continue;
		bad = bad || match == ROUTE_BAD;
		allowed |= routes[i].methods;
		if (match == ROUTE_BAD ||
		    !route_allows(&routes[i], head->method))
			continue;
		route_call(&routes[i], exchange, &segments, arg);
		buf_clear(&segments.text);
		return;
	}
	buf_clear(&segments.text);
	route_refuse(exchange, allowed, bad);
}

/* A form's value: "+" is a space. */
static bool
query_decode(struct slice value, struct buf *out)
{
	const char *p = value.p;
	const char *end = value.p + value.len;
	const char *plus;

	while ((plus = memchr(p, '+', end - p)) != NULL) {
		if (!text_percent_decode(p, plus - p, out))
			return false;
		buf_addc(out, ' ');
		p = plus + 1;
	}
	return text_percent_decode(p, end - p, out);
}

bool
query_param(struct slice query, const char *name, struct buf *out)
{
	size_t name_len = strlen(name);
	const char *p = query.p;
	const char *end;
	const char *next;

	if (p == NULL)
		return false;
	for (end = p + query.len; p <= end; p = next + 1) {
		next = memchr(p, '&', end - p);
		if (next == NULL)
			next = end;
		if ((size_t)(next - p) > name_len && p[name_len] == '=' &&
		    memcmp(p, name, name_len) == 0)
			return query_decode((struct slice){ p + name_len + 1,
			                        next - p - name_len - 1 },
			    out);
	}
	return false;
}
