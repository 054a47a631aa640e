/*
 * A table of paths.  A pattern is a path whose segments are literal or `*`,
 * which takes one percent-encoded segment; a pattern ending in `/` also matches
 * without it, one ending in `**` matches every path below.
 */
#ifndef WAFT_HTTP_ROUTE_H
#define WAFT_HTTP_ROUTE_H

#include "common/http/conn.h"

#define ROUTE_ARGS_MAX 4

/* The decoded `*` segments, NUL-terminated, valid while the handler runs. */
struct route_args {
	const char *arg[ROUTE_ARGS_MAX];
	int count;
};

typedef void route_fn(struct exchange *exchange, const struct route_args *args,
    void *arg);

struct route {
	int methods; /* enum http_method, or-ed */
	const char *pattern;
	route_fn *fn;
};

/* Calls the first match.  Answers 404, 405 (with Allow) and 400 (bad escape)
 * itself. */
void route_dispatch(const struct route *routes, size_t n_routes,
    struct exchange *exchange, void *arg);

/* Value of a query parameter, decoded into out; false when absent or bad. */
bool query_param(struct slice query, const char *name, struct buf *out);

#endif
