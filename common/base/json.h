/*
 * JSON: the only files that include jansson go through here.  Strict: UTF-8, no
 * NUL, no text after the value, no double keys.  Values are jansson's own type
 * and calls; what this adds is the one way in and the one way out.
 */
#ifndef WAFT_JSON_H
#define WAFT_JSON_H

#include <stddef.h>

#include <jansson.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct json_error_at {
	int line;
	int column;
	char why[160];
};

/* The caller json_decref()s.  NULL and *at filled when it is not JSON.  Any
 * value is allowed at the top. */
json_t *json_read(const char *text, size_t len, struct json_error_at *at);
/* Compact, key order kept. */
void json_write(const json_t *value, struct buf *out);
/* Borrowed string of a member; NULL if absent or no string. */
const char *json_str(const json_t *object, const char *key, size_t *len);

#endif
