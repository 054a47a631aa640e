/*
 * Many durable subscriptions in one request: POST /subscriptions/, a line of
 * JSON each.  Every line stands for itself: good ones are stored, together in
 * as few transactions as the store can make of them, and of bad ones the answer
 * has the number and the reason.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/control/subscriptions.h"

static struct stat_metric import_refused =
    STAT_COUNTER("waft_control_import_refused_total",
        "Lines of POST /subscriptions/ that were refused", NULL);

struct import {
	struct call call;
	uint64_t newest;  /* of the log when it came: what is older was there */
	size_t under_way; /* in the store, and one while lines are read */
	json_int_t added, changed, unchanged;
	enum err err; /* of the store, the last */
	json_t *refused;
};

static void
import_done(struct import *import)
{
	struct call *call = &import->call;

	if (--import->under_way > 0)
		return;
	if (call->exchange == NULL)
		json_decref(import->refused);
	else if (import->err != ERR_OK) {
		json_decref(import->refused);
		call_store_error(call, import->err);
	} else
		call_json(call, 200,
		    json_pack("{s:I,s:I,s:I,s:o}", "added", import->added,
		        "changed", import->changed, "unchanged",
		        import->unchanged, "refused", import->refused));
	free(import);
}

static void
import_put_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct import *import = arg;

	if (err != ERR_OK)
		import->err = err;
	else if (existed)
		import->unchanged++;
	else if (sub->n <= import->newest)
		import->changed++;
	else
		import->added++;
	import_done(import);
}

static bool
import_is_text(const char *text)
{
	return text_is_channel(text, strlen(text));
}

static bool
import_find_owner(const struct import *import, const json_t *line,
    struct subscription *sub, struct whose *whose)
{
	whose->text = sub->address;
	whose->component = json_str(line, "component", NULL);
	if (whose->component != NULL && whose->component[0] == '\0')
		whose->component = NULL;
	if (!subscriptions_whose(import->call.control, whose))
		return false;
	sub->owner = whose->owner;
	sub->address = whose->jid.full;
	return true;
}

/* False: *what of the line is wrong, and *why. */
static bool
import_read(const struct import *import, const json_t *line,
    struct subscription *sub, const char **what, const char **why)
{
	const char *state = json_str(line, "state", NULL);

	sub->channel = json_str(line, "channel", NULL);
	sub->address = json_str(line, "jid", NULL);
	sub->reason = json_str(line, "reason", NULL);
	if (sub->reason != NULL && sub->reason[0] == '\0')
		sub->reason = NULL;
	*what = "channel";
	*why = "not 1 to 255 bytes of UTF-8 without control characters";
	if (sub->channel == NULL || !import_is_text(sub->channel))
		return false;
	*why = "this token may not listen on it";
	if (!auth_may_subscribe(&import->call.grant, sub->channel))
		return false;
	*what = "jid";
	*why = "not there, or no string";
	if (sub->address == NULL)
		return false;
	*what = "state";
	*why = "not active, suspended or pending";
	if (json_object_get(line, "state") != NULL &&
	    (state == NULL || !subscriptions_state(state, &sub->state)))
		return false;
	*what = "reason";
	*why = "more than 255 bytes, or control characters";
	return sub->reason == NULL || import_is_text(sub->reason);
}

static bool
import_put(struct import *import, const json_t *line, const char **what,
    const char **why)
{
	const struct control *control = import->call.control;
	struct subscription sub = { .state = SUB_ACTIVE };
	struct whose whose;

	if (!import_read(import, line, &sub, what, why))
		return false;
	if (!import_find_owner(import, line, &sub, &whose)) {
		*what = whose.what;
		*why = whose.why;
		return false;
	}
	import->under_way++;
	store_sub_put(control->store, control->loop, &sub, import_put_cb,
	    import);
	return true;
}

static void
import_refuse(struct import *import, size_t number, const char *what,
    const char *why)
{
	struct buf error;

	buf_init(&error, 0);
	buf_addf(&error, "%s: %s", what, why);
	stat_add(&import_refused, 1);
	json_array_append_new(import->refused,
	    json_pack("{s:I,s:s}", "line", (json_int_t)number, "error",
	        error.data));
	buf_clear(&error);
}

static void
import_line(struct import *import, size_t number, struct slice text)
{
	const char *what = "JSON", *why = "not an object";
	struct json_error_at at;
	json_t *line;

	line = json_read(text.p, text.len, &at);
	if (line == NULL)
		import_refuse(import, number, "JSON", at.why);
	else if (!json_is_object(line) ||
	    !import_put(import, line, &what, &why))
		import_refuse(import, number, what, why);
	json_decref(line);
}

static bool
import_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The line that begins at *at, without its end; *at moves behind it. */
static struct slice
import_next(struct slice body, size_t *at)
{
	struct slice line = { body.p + *at, body.len - *at };
	const char *end = memchr(line.p, '\n', line.len);

	if (end != NULL)
		line.len = (size_t)(end - line.p);
	*at += line.len + 1;
	while (line.len > 0 && import_is_blank(line.p[line.len - 1]))
		line.len--;
	return line;
}

static size_t
import_count(struct slice body)
{
	size_t at = 0, count = 0;

	while (at < body.len)
		if (import_next(body, &at).len > 0)
			count++;
	return count;
}

void
subscriptions_import(struct exchange *exchange,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;
	struct slice body = exchange_body(exchange), line;
	size_t max = (size_t)call->control->conf->control.items_max;
	size_t at = 0, number = 0;
	struct import *import;

	if (!call_authorize(call, NULL))
		return;
	if (import_count(body) > max) {
		call_error(call, ERR_LARGE,
		    "more lines than control.items-max: %zu", max);
		return;
	}
	import = call_keep(call, sizeof(*import));
	import->newest = store_newest(call->control->store);
	import->refused = json_array();
	import->under_way = 1;
	while (at < body.len) {
		line = import_next(body, &at);
		number++;
		if (line.len > 0)
			import_line(import, number, line);
	}
	import_done(import);
}
