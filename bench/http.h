/*
 * Answers of an HTTP server, as far as the bench meets them: with
 * Content-Length.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http_answer {
	int status;
	const char *body;
	size_t body_len;
	size_t len; /* head and body: what to consume */
};

/* False: not all of it is here yet.  Ends the program on what it cannot read.
 */
bool http_parse(const char *data, size_t len, struct http_answer *answer);

#endif
