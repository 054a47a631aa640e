/*
 * HTTP/1.0 and 1.1 request heads and chunked bodies, parsed in place: pure, no
 * I/O, nothing allocated.  Fields point into the caller's bytes.  Rules: RFC
 * 9112; what is ambiguous (both Content-Length and Transfer-Encoding, two
 * lengths, a space before the colon, bare CR, obs-fold, NUL) is refused,
 * because two readers of it may disagree (request smuggling).
 */
#ifndef WAFT_HTTP_PARSER_H
#define WAFT_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"

#define HTTP_HEADERS_MAX 100

struct http_header {
	struct slice name;
	struct slice value; /* outer white space off */
};

enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_DELETE = 16,
	HTTP_OPTIONS = 32,
	HTTP_OTHER = 64
};

struct http_head {
	enum http_method method;
	struct slice method_text;
	struct slice path;  /* of origin or absolute form, still encoded */
	struct slice query; /* after `?`; p NULL when there is none */
	struct slice host;  /* of the absolute form, else of Host */
	int minor;          /* 0 or 1 */
	bool keep_alive;
	bool chunked;
	bool expect_continue;
	uint64_t content_length; /* 0 when absent */
	bool has_length;
	struct http_header headers[HTTP_HEADERS_MAX];
	int n_headers;
};

enum http_parse {
	HTTP_MORE,
	HTTP_DONE,
	HTTP_REFUSED
};

/*
 * HTTP_DONE: *used bytes are the head with its empty line.  HTTP_REFUSED:
 * *status (400, 417, 431, 501, 505) and *why (static) say what to answer before
 * closing.  Head over max bytes: 431.
 */
enum http_parse http_parse_head(const char *data, size_t len, size_t max,
    struct http_head *head, size_t *used, int *status, const char **why);

/* First header of that name (any case); false if absent. */
bool http_header(const struct http_head *head, const char *name,
    struct slice *value);
/* Decodes chunked coding step by step.  Zeroed memory is a fresh one. */
struct http_chunks {
	int state;
	uint64_t left;
	uint64_t total;
	size_t line;
};

/*
 * Takes from data what it can: *used bytes are consumed, payload is moved to
 * the front of data and *got bytes long.  HTTP_DONE after the last chunk and
 * its trailers; refused: 400, or 413 past max bytes in all.
 */
enum http_parse http_chunks_feed(struct http_chunks *chunks, char *data,
    size_t len, uint64_t max, size_t *used, size_t *got, int *status,
    const char **why);

#endif
