/*
 * gzip coding of answers (RFC 9110 §8.4.1.3), over zlib: one state for all
 * connections of a server, used for one answer at a time.
 */
#ifndef WAFT_HTTP_GZIP_H
#define WAFT_HTTP_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/http/parser.h"

/* Shorter answers would hardly shrink. */
#define GZIP_MIN 1024

struct gzip;

struct gzip *gzip_create(void);
void gzip_free(struct gzip *gzip);
/* The coded bytes, valid until the next call; false when they would not be
 * fewer. */
bool gzip_encode(struct gzip *gzip, const void *data, size_t len,
    struct slice *out);
/* Whether Accept-Encoding allows it (RFC 9110 §12.5.3): by name, else by `*`,
 * with a weight above 0. */
bool gzip_is_accepted(const struct http_head *head);

#endif
