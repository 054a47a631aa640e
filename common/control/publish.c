/* POST /publish/: fanout-protocols 1.1 to 1.6. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/channel/item.h"
#include "common/control/call.h"

static struct stat_metric publish_items_in =
    STAT_COUNTER("waft_published_items_total", "Items stored by POST /publish/",
        NULL);
static struct stat_metric publish_duplicates =
    STAT_COUNTER("waft_published_duplicates_total",
        "Items of POST /publish/ that were there already", NULL);
static struct stat_metric publish_bad =
    STAT_COUNTER("waft_publish_refused_total", "Publish requests refused",
        NULL);

/* A request that waits for its commit. */
struct publish {
	struct call call;
};

/* ---- the answer ------------------------------------------------------ */

static void
publish_answer_json(struct call *call, const struct append_result *results,
    size_t count)
{
	const char *epoch = store_epoch(call->control->store);
	struct buf body;

	buf_init(&body, 0);
	buf_adds(&body, "{\"message\":\"Published\",\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_adds(&body,
		    i == 0 ? "{\"position\":\"" : ",{\"position\":\"");
		buf_adds(&body, epoch);
		buf_addc(&body, '-');
		buf_addu(&body, results[i].seq);
		buf_adds(&body,
		    results[i].duplicate ? "\",\"duplicate\":true}" :
		                           "\",\"duplicate\":false}");
	}
	buf_adds(&body, "]}\n");
	call_reply(call, 200, "application/json", body.data, body.len);
	buf_clear(&body);
}

static void
publish_answer(struct call *call, const struct append_result *results,
    size_t count)
{
	size_t duplicates = 0;

	for (size_t i = 0; i < count; i++)
		duplicates += results[i].duplicate;
	stat_add(&publish_items_in, (int64_t)(count - duplicates));
	stat_add(&publish_duplicates, (int64_t)duplicates);
	if (call->exchange == NULL)
		return;
	if (call->wants_json)
		publish_answer_json(call, results, count);
	else
		call_text(call, 200, "Published\n");
}

static void
publish_committed(enum err err, const struct append_result *results,
    size_t count, void *arg)
{
	struct publish *publish = arg;

	if (err == ERR_OK)
		publish_answer(&publish->call, results, count);
	else if (publish->call.exchange != NULL)
		call_store_error(&publish->call, err);
	free(publish);
}

/* ---- refusals -------------------------------------------------------- */

static void
publish_refuse(struct call *call, enum err err, const char *text,
    const char *detail)
{
	stat_add(&publish_bad, 1);
	log_info("publish.refused", "peer=%s err=%s why=%s",
	    exchange_peer(call->exchange), err_name(err),
	    LOGQ(detail == NULL ? text : detail));
	call_error(call, err, "%s%s%s", text, detail == NULL ? "" : ": ",
	    detail == NULL ? "" : detail);
}

/* Text is as Pushpin's; where it is broken is worth knowing in the log and in
 * the JSON form. */
static void
publish_refuse_json(struct call *call, const struct json_error_at *at)
{
	char detail[256];

	snprintf(detail, sizeof detail, "%d:%d: %s", at->line, at->column,
	    at->why);
	publish_refuse(call, ERR_BAD, "Body is not valid JSON.",
	    call->wants_json ? detail : NULL);
}

static void
publish_refuse_item(struct call *call, size_t i, const struct item_error *error)
{
	char detail[384];
	int n;

	n = snprintf(detail, sizeof detail, "items[%zu]%s%s", i,
	    error->field[0] == '\0' ? "" : ".", error->field);
	if (error->line > 0)
		n += snprintf(detail + n, sizeof detail - (size_t)n, ":%d:%d",
		    error->line, error->column);
	snprintf(detail + n, sizeof detail - (size_t)n, ": %s", error->why);
	publish_refuse(call, error->err, "Invalid format", detail);
}

/* ---- the request ----------------------------------------------------- */

/* All of them or none: false, answered, and the entries made so far freed. */
static bool
publish_parse(struct call *call, const struct item_source *source,
    const json_t *items, struct entry **entries)
{
	struct item_error error;
	enum err err;
	size_t i, n = json_array_size(items);

	for (i = 0; i < n; i++) {
		err = item_parse(source, json_array_get(items, i), &entries[i],
		    &error);
		if (err != ERR_OK) {
			publish_refuse_item(call, i, &error);
			break;
		}
		if (!call_may_publish(call, entries[i]->channel)) {
			entry_unref(entries[i]);
			break;
		}
	}
	if (i == n)
		return true;
	while (i-- > 0)
		entry_unref(entries[i]);
	return false;
}

static void
publish_append(struct call *call, const struct item_source *source,
    const json_t *items)
{
	struct entry *few[16], **entries = few;
	size_t n = json_array_size(items);

	if (n == 0) {
		publish_answer(call, NULL, 0);
		return;
	}
	if (n > ARRAY_LEN(few))
		entries = xreallocarray(NULL, n, sizeof *entries);
	if (publish_parse(call, source, items, entries))
		store_append(call->control->store, call->control->loop, entries,
		    n, publish_committed,
		    call_keep(call, sizeof(struct publish)));
	if (entries != few)
		free(entries);
}

/* The list under "items", or NULL and answered. */
static const json_t *
publish_list(struct call *call, const json_t *body)
{
	const json_t *items = json_object_get(body, "items");

	if (!json_is_object(body))
		publish_refuse(call, ERR_BAD, "Invalid format.", NULL);
	else if (items == NULL)
		publish_refuse(call, ERR_BAD, "Invalid format",
		    "object does not contain 'items'");
	else if (!json_is_array(items))
		publish_refuse(call, ERR_BAD, "Invalid format",
		    "object contains 'items' with wrong type");
	else if (json_array_size(items) >
	    (size_t)call->control->conf->control.items_max)
		publish_refuse(call, ERR_LARGE, "Invalid format",
		    "'items' has more than control.items-max");
	else
		return items;
	return NULL;
}

static void
publish(struct call *call, const char *realm, const char *channel)
{
	struct slice text = exchange_body(call->exchange);
	struct item_source source = { .conf = call->control->conf,
		.reader = call->control->reader,
		.channel = channel,
		.prefix = "" };
	struct json_error_at at;
	char prefix[256];
	const json_t *items;
	json_t *body;

	if (!call_authorize(call, realm))
		return;
	if (!call->wants_text && !call->wants_json) {
		call_text(call, 406,
		    "Not Acceptable: text/plain or application/json\n");
		return;
	}
	if (call->realm != NULL && call->realm->prefix) {
		snprintf(prefix, sizeof prefix, "%s/", call->realm->name);
		source.prefix = prefix;
	}
	body = json_read(text.p == NULL ? "" : text.p, text.len, &at);
	if (body == NULL) {
		publish_refuse_json(call, &at);
		return;
	}
	items = publish_list(call, body);
	if (items != NULL)
		publish_append(call, &source, items);
	json_decref(body);
}

void
publish_items(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	publish(arg, NULL, NULL);
}

void
publish_channel(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	publish(arg, NULL, args->arg[0]);
}

void
publish_realm(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	publish(arg, args->arg[0], NULL);
}

void
publish_realm_channel(struct exchange *exchange UNUSED,
    const struct route_args *args, void *arg)
{
	publish(arg, args->arg[0], args->arg[1]);
}
