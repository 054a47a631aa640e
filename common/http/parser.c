#include "common/http/parser.h"

#include <string.h>
#include <strings.h>

enum {
	PARSER_TOKEN = 1,  /* RFC 9110 §5.6.2 */
	PARSER_VALUE = 2,  /* RFC 9110 §5.5: no control but tab */
	PARSER_TARGET = 4, /* no control, no white space, no fragment */
	PARSER_HOST = 8    /* of an authority without user and without comma */
};

#define T (PARSER_TOKEN | PARSER_VALUE | PARSER_TARGET)
#define H (PARSER_HOST | PARSER_VALUE | PARSER_TARGET)
#define A (T | PARSER_HOST)
#define V (PARSER_VALUE | PARSER_TARGET)

static const unsigned char parser_class[256] = {
	['\t'] = PARSER_VALUE,
	[' '] = PARSER_VALUE,
	['#'] = PARSER_TOKEN | PARSER_VALUE,
	['!'] = A,
	['"'] = V,
	['$'] = A,
	['%'] = A,
	['&'] = A,
	['\''] = A,
	['('] = H,
	[')'] = H,
	['*'] = A,
	['+'] = A,
	[','] = V,
	['-'] = A,
	['.'] = A,
	['/'] = V,
	['0' ... '9'] = A,
	[':'] = H,
	[';'] = H,
	['<'] = V,
	['='] = H,
	['>'] = V,
	['?'] = V,
	['@'] = V,
	['A' ... 'Z'] = A,
	['['] = H,
	['\\'] = V,
	[']'] = H,
	['^'] = T,
	['_'] = A,
	['`'] = T,
	['a' ... 'z'] = A,
	['{'] = V,
	['|'] = T,
	['}'] = V,
	['~'] = A,
	/* Raw UTF-8, which careless clients send in a target. */
	[0x80 ... 0xff] = V,
};

#undef T
#undef H
#undef A
#undef V

#define PARSER_ONES 0x0101010101010101ULL
#define PARSER_TOPS 0x8080808080808080ULL

struct parser {
	const char *p;
	const char *end;
	struct http_head *head;
	int status;
	const char *why;
	bool has_host;
	bool has_connection_close;
	bool has_connection_keep;
};

static enum http_parse
parser_refuse(struct parser *parser, int status, const char *why)
{
	parser->status = status;
	parser->why = why;
	return HTTP_REFUSED;
}

static bool
parser_is(char c, int class)
{
	return parser_class[(unsigned char)c] & class;
}

static const char *
parser_skip(const char *p, const char *end, int class)
{
	while (p < end && parser_is(*p, class))
		p++;
	return p;
}

static bool
parser_all(struct slice slice, int class)
{
	return parser_skip(slice.p, slice.p + slice.len, class) ==
	    slice.p + slice.len;
}

/* First control character other than tab; eight bytes at a time. */
static const char *
parser_skip_value(const char *p, const char *end)
{
	uint64_t word;
	uint64_t del;

	while (end - p >= 8) {
		memcpy(&word, p, 8);
		del = word ^ (PARSER_ONES * 0x7f);
		if ((((word - PARSER_ONES * 0x20) & ~word) |
		        ((del - PARSER_ONES) & ~del)) &
		    PARSER_TOPS)
			break;
		p += 8;
	}
	return parser_skip(p, end, PARSER_VALUE);
}

static bool
parser_same(struct slice slice, const char *text, size_t len)
{
	return slice.len == len && strncasecmp(slice.p, text, len) == 0;
}

#define PARSER_SAME(slice, text) parser_same((slice), (text), sizeof(text) - 1)

/* At a line's end: over its CRLF, or what is wrong with it. */
static enum http_parse
parser_line_end(struct parser *parser)
{
	if (parser->p == parser->end)
		return HTTP_MORE;
	if (*parser->p != '\r')
		return parser_refuse(parser, 400,
		    *parser->p == '\n' ? "a line does not end in CRLF" :
		                         "a control character in the head");
	if (parser->p + 1 == parser->end)
		return HTTP_MORE;
	if (parser->p[1] != '\n')
		return parser_refuse(parser, 400, "a CR without its LF");
	parser->p += 2;
	return HTTP_DONE;
}

/* RFC 9112 §2.2: empty lines before a request are passed over. */
static enum http_parse
parser_empty_lines(struct parser *parser)
{
	enum http_parse result;

	while (parser->p < parser->end && *parser->p == '\r') {
		result = parser_line_end(parser);
		if (result != HTTP_DONE)
			return result;
	}
	return parser->p < parser->end ? HTTP_DONE : HTTP_MORE;
}

static enum http_method
parser_method(struct slice text)
{
	static const struct {
		const char *name;
		size_t len;
		enum http_method method;
	} methods[] = {
		{ "POST", 4, HTTP_POST },
		{ "GET", 3, HTTP_GET },
		{ "HEAD", 4, HTTP_HEAD },
		{ "OPTIONS", 7, HTTP_OPTIONS },
		{ "PUT", 3, HTTP_PUT },
		{ "DELETE", 6, HTTP_DELETE },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].len == text.len &&
		    memcmp(methods[i].name, text.p, text.len) == 0)
			return methods[i].method;
	return HTTP_OTHER;
}

static void
parser_path(struct http_head *head, struct slice target)
{
	const char *mark = memchr(target.p, '?', target.len);

	head->path = target;
	head->query = (struct slice){ NULL, 0 };
	if (mark == NULL)
		return;
	head->path.len = mark - target.p;
	head->query.p = mark + 1;
	head->query.len = target.len - head->path.len - 1;
}

/* RFC 9112 §3.2.2: the authority in the target outranks Host. */
static enum http_parse
parser_absolute(struct parser *parser, struct slice rest)
{
	struct http_head *head = parser->head;
	size_t len = 0;

	while (len < rest.len && rest.p[len] != '/' && rest.p[len] != '?')
		len++;
	head->host = (struct slice){ rest.p, len };
	if (len == 0 || !parser_all(head->host, PARSER_HOST))
		return parser_refuse(parser, 400, "the target's host is bad");
	rest.p += len;
	rest.len -= len;
	parser_path(head, rest);
	if (head->path.len == 0)
		head->path = (struct slice){ "/", 1 };
	return HTTP_DONE;
}

static enum http_parse
parser_target(struct parser *parser, struct slice target)
{
	struct http_head *head = parser->head;

	head->host = (struct slice){ NULL, 0 };
	if (target.len > 0 && target.p[0] == '/') {
		parser_path(head, target);
		return HTTP_DONE;
	}
	if (target.len > 7 && strncasecmp(target.p, "http://", 7) == 0)
		return parser_absolute(parser,
		    (struct slice){ target.p + 7, target.len - 7 });
	if (target.len > 8 && strncasecmp(target.p, "https://", 8) == 0)
		return parser_absolute(parser,
		    (struct slice){ target.p + 8, target.len - 8 });
	if (PARSER_SAME(target, "*") && head->method == HTTP_OPTIONS) {
		parser_path(head, target);
		return HTTP_DONE;
	}
	if (PARSER_SAME(head->method_text, "CONNECT"))
		return parser_refuse(parser, 501, "this is not a proxy");
	return parser_refuse(parser, 400,
	    "the target is neither a path nor an absolute URL");
}

/* "HTTP/1." and a digit; a later minor version is spoken to as 1.1. */
static enum http_parse
parser_version(struct parser *parser)
{
	const char *p = parser->p;
	size_t left = parser->end - p;

	if (memcmp(p, "HTTP/", left < 5 ? left : 5) != 0)
		return parser_refuse(parser, 400, "the version is not HTTP");
	if (left < 8)
		return HTTP_MORE;
	if (p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' || p[7] > '9')
		return parser_refuse(parser, 400, "the version is bad");
	if (p[5] != '1')
		return parser_refuse(parser, 505, "only HTTP/1 is spoken here");
	parser->head->minor = p[7] == '0' ? 0 : 1;
	parser->p += 8;
	return parser_line_end(parser);
}

static enum http_parse
parser_request_line(struct parser *parser)
{
	const char *start = parser->p;
	const char *p = parser_skip(start, parser->end, PARSER_TOKEN);
	struct slice target;
	enum http_parse result;

	if (p == parser->end)
		return HTTP_MORE;
	if (p == start || *p != ' ')
		return parser_refuse(parser, 400, "the method is bad");
	parser->head->method_text = (struct slice){ start, p - start };
	parser->head->method = parser_method(parser->head->method_text);
	target.p = ++p;
	p = parser_skip(p, parser->end, PARSER_TARGET);
	if (p == parser->end)
		return HTTP_MORE;
	if (*p != ' ')
		return parser_refuse(parser, 400, "the target is bad");
	target.len = p - target.p;
	result = parser_target(parser, target);
	if (result != HTTP_DONE)
		return result;
	parser->p = p + 1;
	return parser_version(parser);
}

static enum http_parse
parser_content_length(struct parser *parser, struct slice value)
{
	struct http_head *head = parser->head;
	uint64_t number = 0;

	if (head->has_length)
		return parser_refuse(parser, 400, "two Content-Length");
	/* Eighteen digits cannot overflow. */
	if (value.len == 0 || value.len > 18)
		return parser_refuse(parser, 400, "bad Content-Length");
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return parser_refuse(parser, 400, "bad Content-Length");
		number = number * 10 + (unsigned)(value.p[i] - '0');
	}
	head->content_length = number;
	head->has_length = true;
	return HTTP_DONE;
}

static enum http_parse
parser_host(struct parser *parser, struct slice value)
{
	if (parser->has_host)
		return parser_refuse(parser, 400, "two Host");
	if (!parser_all(value, PARSER_HOST))
		return parser_refuse(parser, 400, "bad Host");
	parser->has_host = true;
	if (parser->head->host.p == NULL)
		parser->head->host = value;
	return HTTP_DONE;
}

static enum http_parse
parser_transfer_encoding(struct parser *parser, struct slice value)
{
	if (parser->head->chunked)
		return parser_refuse(parser, 400, "two Transfer-Encoding");
	if (!PARSER_SAME(value, "chunked"))
		return parser_refuse(parser, 400,
		    "Transfer-Encoding is not chunked");
	parser->head->chunked = true;
	return HTTP_DONE;
}

static void
parser_connection(struct parser *parser, struct slice value)
{
	const char *p = value.p;
	const char *end = value.p + value.len;
	struct slice option;

	while (p < end) {
		option.p = p;
		p = parser_skip(p, end, PARSER_TOKEN);
		option.len = p - option.p;
		if (PARSER_SAME(option, "close"))
			parser->has_connection_close = true;
		else if (PARSER_SAME(option, "keep-alive"))
			parser->has_connection_keep = true;
		if (option.len == 0)
			p++;
	}
}

static enum http_parse
parser_expect(struct parser *parser, struct slice value)
{
	if (parser->head->minor == 0)
		return HTTP_DONE;
	if (!PARSER_SAME(value, "100-continue"))
		return parser_refuse(parser, 417, "unknown expectation");
	parser->head->expect_continue = true;
	return HTTP_DONE;
}

static enum http_parse
parser_known(struct parser *parser, struct slice name, struct slice value)
{
	switch (name.len) {
	case 4:
		if (PARSER_SAME(name, "host"))
			return parser_host(parser, value);
		break;
	case 6:
		if (PARSER_SAME(name, "expect"))
			return parser_expect(parser, value);
		break;
	case 10:
		if (PARSER_SAME(name, "connection"))
			parser_connection(parser, value);
		break;
	case 14:
		if (PARSER_SAME(name, "content-length"))
			return parser_content_length(parser, value);
		break;
	case 17:
		if (PARSER_SAME(name, "transfer-encoding"))
			return parser_transfer_encoding(parser, value);
		break;
	}
	return HTTP_DONE;
}

static const char *
parser_name_fault(const char *start, const char *at)
{
	if (*start == ' ' || *start == '\t')
		return "a folded header";
	if (at > start && (*at == ' ' || *at == '\t'))
		return "white space before a colon";
	return "a bad header name";
}

static enum http_parse
parser_header(struct parser *parser)
{
	struct http_head *head = parser->head;
	struct slice name;
	struct slice value;
	const char *p = parser_skip(parser->p, parser->end, PARSER_TOKEN);
	enum http_parse result;

	if (p == parser->end)
		return HTTP_MORE;
	if (*p != ':' || p == parser->p)
		return parser_refuse(parser, 400,
		    parser_name_fault(parser->p, p));
	name = (struct slice){ parser->p, p - parser->p };
	for (p++; p < parser->end && (*p == ' ' || *p == '\t');)
		p++;
	value.p = p;
	parser->p = parser_skip_value(p, parser->end);
	value.len = parser->p - p;
	result = parser_line_end(parser);
	if (result != HTTP_DONE)
		return result;
	while (value.len > 0 &&
	    (value.p[value.len - 1] == ' ' || value.p[value.len - 1] == '\t'))
		value.len--;
	if (head->n_headers == HTTP_HEADERS_MAX)
		return parser_refuse(parser, 431, "too many headers");
	head->headers[head->n_headers].name = name;
	head->headers[head->n_headers++].value = value;
	return parser_known(parser, name, value);
}

static enum http_parse
parser_finish(struct parser *parser)
{
	struct http_head *head = parser->head;

	if (head->minor == 1 && !parser->has_host)
		return parser_refuse(parser, 400, "no Host");
	if (head->chunked && head->has_length)
		return parser_refuse(parser, 400,
		    "both Content-Length and Transfer-Encoding");
	/* RFC 9112 §6.1: the framing of such a message cannot be trusted. */
	if (head->chunked && head->minor == 0)
		return parser_refuse(parser, 400,
		    "Transfer-Encoding in HTTP/1.0");
	head->keep_alive = !parser->has_connection_close &&
	    (head->minor == 1 || parser->has_connection_keep);
	return HTTP_DONE;
}

static enum http_parse
parser_head(struct parser *parser)
{
	enum http_parse result = parser_empty_lines(parser);

	if (result == HTTP_DONE)
		result = parser_request_line(parser);
	while (result == HTTP_DONE) {
		if (parser->p == parser->end)
			return HTTP_MORE;
		if (*parser->p == '\r') {
			result = parser_line_end(parser);
			break;
		}
		result = parser_header(parser);
	}
	return result == HTTP_DONE ? parser_finish(parser) : result;
}

enum http_parse
http_parse_head(const char *data, size_t len, size_t max,
    struct http_head *head, size_t *used, int *status, const char **why)
{
	struct parser parser = { .p = data, .head = head };
	enum http_parse result;

	/* What lies past max is not looked at, so that the outcome does not
	 * depend on how the bytes arrived. */
	parser.end = data + (len < max ? len : max);
	head->n_headers = 0;
	head->minor = 1;
	head->keep_alive = false;
	head->chunked = false;
	head->expect_continue = false;
	head->content_length = 0;
	head->has_length = false;
	result = parser_head(&parser);
	if (result == HTTP_MORE && len >= max)
		result = parser_refuse(&parser, 431, "the head is too large");
	if (result == HTTP_REFUSED) {
		*status = parser.status;
		*why = parser.why;
	} else if (result == HTTP_DONE) {
		*used = parser.p - data;
	}
	return result;
}

bool
http_header(const struct http_head *head, const char *name, struct slice *value)
{
	for (int i = 0; i < head->n_headers; i++) {
		if (!slice_is(head->headers[i].name, name))
			continue;
		*value = head->headers[i].value;
		return true;
	}
	return false;
}
