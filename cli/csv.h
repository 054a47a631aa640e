/*
 * One line of comma separated values, read and written (RFC 4180).  A field in
 * quotes may hold commas and, doubled, quotes, but no line's end: nothing that
 * is imported here has one.
 */
#ifndef WAFT_CLI_CSV_H
#define WAFT_CLI_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

#define CSV_FIELDS_MAX 32

struct csv {
	struct buf text; /* the fields, each with a NUL at its end */
	size_t at[CSV_FIELDS_MAX];
	size_t count;
};

/* Of a row used again and again; csv_clear() at the end. */
void csv_init(struct csv *row);
void csv_clear(struct csv *row);
/* Line is without its end.  False: no CSV, and *why (static) says what. */
bool csv_read(struct csv *row, const char *line, size_t len, const char **why);
/* "" when the row has fewer. */
const char *csv_field(const struct csv *row, size_t i);
/* In quotes where it needs them. */
void csv_add(struct buf *out, const char *field);

#endif
