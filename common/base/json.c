#include "common/base/json.h"

#include <stdio.h>

/* Jansson draws its seed on first use unless told; before threads is better. */
__attribute__((constructor)) static void
json_seed(void)
{
	json_object_seed(0);
}

json_t *
json_read(const char *text, size_t len, struct json_error_at *at)
{
	json_error_t error;
	json_t *value;

	value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
	    &error);
	if (value == NULL) {
		at->line = error.line;
		at->column = error.column > 0 ? error.column : 1;
		snprintf(at->why, sizeof at->why, "%s", error.text);
	}
	return value;
}

static int
json_write_cb(const char *text, size_t len, void *arg)
{
	buf_add(arg, text, len);
	return 0;
}

void
json_write(const json_t *value, struct buf *out)
{
	json_dump_callback(value, json_write_cb, out,
	    JSON_COMPACT | JSON_ENCODE_ANY);
}

const char *
json_str(const json_t *object, const char *key, size_t *len)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return NULL;
	if (len != NULL)
		*len = json_string_length(value);
	return json_string_value(value);
}
