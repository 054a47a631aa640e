/*
 * Publishing by XEP-0060 §7.1: one item a request, stored as one of
 * POST /publish/ is, answered once it is on disk.  A payload is kept as the
 * format `pubsub-item`; one that is JSON (XEP-0335) as `json-object`, so that
 * listeners of every transport know it.
 *
 * An id that the publisher chose overwrites the item of that id; one that was
 * made for him is a duplicate when the same request comes again.
 */
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/form.h"
#include "common/xmpp/payload.h"
#include "common/xmpp/settings.h"

#define PUBLISH_ID_MAX 255

static const struct ask_error publish_item_required = { "modify", "bad-request",
	"item-required", NULL };
static const struct ask_error publish_payload_required = { "modify",
	"bad-request", "payload-required", NULL };
static const struct ask_error publish_invalid_payload = { "modify",
	"bad-request", "invalid-payload", NULL };
static const struct ask_error publish_too_big = { "modify", "not-acceptable",
	"payload-too-big", NULL };
static const struct ask_error publish_too_many = { "cancel", "not-allowed",
	"max-items-exceeded", NULL };

static struct stat_metric publish_stored =
    STAT_COUNTER("waft_xmpp_published_items_total",
        "Items stored that users published over XMPP or BOSH", NULL);
static struct stat_metric publish_duplicates =
    STAT_COUNTER("waft_xmpp_published_duplicates_total",
        "Items that users published again by a repeated request", NULL);

struct publish_work {
	struct entry *entry; /* NULL once the store has it */
	char *id;
	char *ns;            /* of the payload */
	struct xml *options; /* the form; NULL: none */
};

static void
publish_work_free(void *arg)
{
	struct publish_work *work = arg;

	if (work->entry != NULL)
		entry_unref(work->entry);
	free(work->id);
	free(work->ns);
	xml_free(work->options);
	free(work);
}

/* ---- the payload ----------------------------------------------------- */

/* Escaping can make JSON longer than a server takes in a stanza. */
static const struct ask_error *
publish_pack_json(const struct ask *ask, const struct xml *payload,
    struct buf *data)
{
	const struct conf_control *limits = &ask->service->conf->control;
	const struct ask_error *error = NULL;
	struct buf text, escaped;
	struct json_error_at at;
	json_t *json;

	buf_init(&text, 0);
	buf_init(&escaped, 0);
	xml_text(payload, &text);
	json = json_read(text.len == 0 ? "" : text.data, text.len, &at);
	if (json == NULL) {
		error = &publish_invalid_payload;
	} else {
		buf_reset(&text);
		json_write(json, &text);
		payload_json((struct slice){ text.data, text.len }, &escaped);
		if (escaped.len > limits->item_max)
			error = &publish_too_big;
		entry_pack(data, "json-object", text.data, text.len);
	}
	json_decref(json);
	buf_clear(&text);
	buf_clear(&escaped);
	return error;
}

static const struct ask_error *
publish_pack_xml(const struct ask *ask, const struct xml *payload,
    struct buf *data)
{
	const struct ask_error *error = NULL;
	struct buf text;

	buf_init(&text, 0);
	xml_write(payload, "", &text);
	if (text.len > ask->service->conf->control.stanza_max)
		error = &publish_too_big;
	else
		entry_pack(data, "pubsub-item", text.data, text.len);
	buf_clear(&text);
	return error;
}

/* NULL, or what is wrong with the item's payload. */
static const struct ask_error *
publish_pack(const struct ask *ask, const struct xml *item, struct buf *data)
{
	const struct xml *payload = xml_first(item);

	if (payload == NULL)
		return &publish_payload_required;
	/* A name in no namespace would be in that of the event. */
	if (xml_next(payload) != NULL || payload->ns[0] == '\0')
		return &publish_invalid_payload;
	if (xml_is(payload, "urn:xmpp:json:0", "json") &&
	    xml_first(payload) == NULL)
		return publish_pack_json(ask, payload, data);
	return publish_pack_xml(ask, payload, data);
}

/* ---- the request ----------------------------------------------------- */

static void
publish_stored_cb(enum err err, const struct append_result *results,
    size_t count, void *arg)
{
	struct ask *ask = arg;
	const struct publish_work *work = ask->work;
	struct buf out;

	if (err == ERR_OK)
		stat_add(results[count - 1].duplicate ? &publish_duplicates :
		                                        &publish_stored,
		    1);
	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><publish node='");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, "'><item id='");
	buf_adds_xml(&out, work->id);
	buf_adds(&out, "'/></publish></pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* A node that the item makes goes before it, in one transaction. */
static void
publish_append(struct ask *ask)
{
	struct publish_work *work = ask->work;
	struct entry *entries[2] = { NULL, work->entry };
	bool made = ask->node != NULL && ask->node->seq == 0;
	const struct ask_error *error = NULL;
	const char *type;

	if (work->options != NULL)
		error = made ? settings_apply(ask, work->options, ask->node) :
		               settings_check(ask, work->options, ask->node);
	if (error != NULL) {
		ask_error(ask, error);
		return;
	}
	type = ask->node == NULL ? "" : ask->node->type;
	if (type[0] != '\0' && strcmp(type, work->ns) != 0) {
		ask_error(ask, &publish_invalid_payload);
		return;
	}
	if (made)
		entries[0] = node_entry(ask->node, ask->channel);
	work->entry = NULL;
	store_append(ask->service->store, ask->service->loop,
	    made ? entries : entries + 1, made ? 2 : 1, publish_stored_cb, ask);
}

static void
publish_make(struct ask *ask, const char *id, const char *ns,
    const struct buf *data)
{
	struct publish_work *work = xcalloc(1, sizeof *work);
	struct buf made;

	buf_init(&made, 0);
	if (id == NULL)
		ask->service->ops->item_id(ask->peer, &made);
	else
		buf_adds(&made, id);
	work->entry = entry_create(ENTRY_ITEM, ask->channel,
	    made.len == 0 ? NULL : made.data, NULL, data->data, data->len);
	work->entry->update = id != NULL;
	work->id = xstrdup(work->entry->id);
	work->ns = xstrdup(ns);
	buf_clear(&made);
	ask->work = work;
	ask->work_free = publish_work_free;
}

/* Makes ask->work; false, and the ask is gone, when the item is no good. */
static bool
publish_read(struct ask *ask, const struct xml *item)
{
	const char *id = xml_attr(item, "id");
	const struct ask_error *error;
	struct buf data;

	if (id != NULL && (id[0] == '\0' || strlen(id) > PUBLISH_ID_MAX)) {
		ask_fail(ask, ERR_BAD);
		return false;
	}
	buf_init(&data, 0);
	error = publish_pack(ask, item, &data);
	if (error == NULL)
		publish_make(ask, id, xml_first(item)->ns, &data);
	else
		ask_error(ask, error);
	buf_clear(&data);
	return error == NULL;
}

/* §7.1.5: what the node has to be like.  False, and the ask is gone, when that
 * cannot be read. */
static bool
publish_read_options(struct ask *ask, const struct xml *options)
{
	struct publish_work *work = ask->work;
	const struct xml *form;

	if (options == NULL)
		return true;
	if (!xml_is(options, ASK_PUBSUB, "publish-options") ||
	    form_find(options, SETTINGS_OPTIONS, &form) != ERR_OK ||
	    form == NULL) {
		ask_fail(ask, ERR_BAD);
		return false;
	}
	work->options = form_copy(ask->service->reader, form);
	ask->wants_node = true;
	return true;
}

void
pubsub_publish(struct ask *ask, const struct xml *publish)
{
	const struct xml *item = xml_first(publish);

	if (!pubsub_node(ask, publish))
		return;
	if (item == NULL)
		ask_error(ask, &publish_item_required);
	else if (!xml_is(item, ASK_PUBSUB, "item"))
		ask_fail(ask, ERR_BAD);
	else if (xml_next(item) != NULL)
		ask_error(ask, &publish_too_many);
	else if (publish_read(ask, item) &&
	    publish_read_options(ask, xml_next(publish)))
		access_to_publish(ask, publish_append);
}
