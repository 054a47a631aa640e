#include "common/xmpp/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/form.h"

static const struct ask_error settings_bad = { "modify", "bad-request", NULL,
	NULL };
static const struct ask_error settings_refused = { "modify", "not-acceptable",
	NULL, NULL };
static const struct ask_error settings_unmet = { "cancel", "conflict",
	"precondition-not-met", NULL };

static const char *const settings_last_items[] = { "never", "on_sub", NULL };

enum settings_kind {
	SETTINGS_TEXT,   /* char * */
	SETTINGS_CHOICE, /* int: an index in the words */
	SETTINGS_BOOL,
	SETTINGS_LAST, /* bool, by two words */
	SETTINGS_FIXED /* told alone */
};

struct settings_field {
	const char *var;
	enum settings_kind kind;
	size_t offset; /* in struct node */
	const char *const *words;
	const char *label;
	/* A fixed one's value. */
	void (*value)(const struct ask *ask, struct buf *out);
};

/* ---- what is as it is ------------------------------------------------ */

static const struct conf_class *
settings_class(const struct ask *ask)
{
	return conf_class(ask->service->conf,
	    ask->channel == NULL ? "" : ask->channel);
}

static void
settings_yes(const struct ask *ask UNUSED, struct buf *out)
{
	buf_addc(out, '1');
}

static void
settings_no(const struct ask *ask UNUSED, struct buf *out)
{
	buf_addc(out, '0');
}

static void
settings_leaf(const struct ask *ask UNUSED, struct buf *out)
{
	buf_adds(out, "leaf");
}

static void
settings_available(const struct ask *ask, struct buf *out)
{
	buf_addc(out, settings_class(ask)->available_only ? '1' : '0');
}

static void
settings_persist(const struct ask *ask, struct buf *out)
{
	buf_addc(out, settings_class(ask)->history_items > 0 ? '1' : '0');
}

static void
settings_max_items(const struct ask *ask, struct buf *out)
{
	buf_addu(out, (uint64_t)settings_class(ask)->history_items);
}

static void
settings_expire(const struct ask *ask, struct buf *out)
{
	buf_addu(out, (uint64_t)settings_class(ask)->history_age_ms / 1000);
}

static void
settings_max_payload(const struct ask *ask, struct buf *out)
{
	buf_addu(out, ask->service->conf->control.stanza_max);
}

/* ---- the fields ------------------------------------------------------ */

#define SETTINGS_SET(var, kind, field, words, label)                      \
	{                                                                 \
		"pubsub#" var, kind, offsetof(struct node, field), words, \
		    label, NULL                                           \
	}
#define SETTINGS_TOLD(var, value, label)                             \
	{                                                            \
		"pubsub#" var, SETTINGS_FIXED, 0, NULL, label, value \
	}

static const struct settings_field settings_fields[] = {
	SETTINGS_SET("title", SETTINGS_TEXT, title, NULL, "Title"),
	SETTINGS_SET("description", SETTINGS_TEXT, description, NULL,
	    "Description"),
	SETTINGS_SET("type", SETTINGS_TEXT, type, NULL,
	    "Namespace that payloads must have"),
	SETTINGS_SET("access_model", SETTINGS_CHOICE, access, node_accesses,
	    "Who may subscribe"),
	SETTINGS_SET("publish_model", SETTINGS_CHOICE, model, node_models,
	    "Who may publish"),
	SETTINGS_SET("send_last_published_item", SETTINGS_LAST, send_last,
	    settings_last_items, "When the last item is sent"),
	SETTINGS_SET("notify_config", SETTINGS_BOOL, notify_config, NULL,
	    "Tell subscribers when the configuration changes"),
	SETTINGS_SET("notify_retract", SETTINGS_BOOL, notify_retract, NULL,
	    "Tell subscribers when items are taken back"),
	SETTINGS_TOLD("notify_delete", settings_yes,
	    "Tell subscribers when the node is deleted"),
	SETTINGS_TOLD("notify_sub", settings_no, "Tell owners of subscribers"),
	SETTINGS_TOLD("deliver_notifications", settings_yes,
	    "Deliver notifications"),
	SETTINGS_TOLD("deliver_payloads", settings_yes,
	    "Deliver payloads with notifications"),
	SETTINGS_TOLD("presence_based_delivery", settings_available,
	    "Only to those who are available"),
	SETTINGS_TOLD("persist_items", settings_persist, "Items are kept"),
	SETTINGS_TOLD("max_items", settings_max_items,
	    "How many items are kept"),
	SETTINGS_TOLD("item_expire", settings_expire,
	    "Seconds that items are kept for"),
	SETTINGS_TOLD("max_payload_size", settings_max_payload,
	    "Bytes of a payload"),
	SETTINGS_TOLD("purge_offline", settings_no,
	    "Purge items when the publisher goes offline"),
	SETTINGS_TOLD("node_type", settings_leaf, "Leaf or collection"),
};

static const struct settings_field *
settings_find(const char *var)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(settings_fields); i++)
		if (strcmp(settings_fields[i].var, var) == 0)
			return &settings_fields[i];
	return NULL;
}

static void *
settings_at(const struct settings_field *field, const struct node *node)
{
	return (char *)(uintptr_t)node + field->offset;
}

/* Its value as text, which is made in out. */
static const char *
settings_get(const struct ask *ask, const struct settings_field *field,
    const struct node *node, struct buf *out)
{
	const void *at = settings_at(field, node);

	buf_reset(out);
	switch (field->kind) {
	case SETTINGS_TEXT:
		buf_adds(out, *(char *const *)at);
		break;
	case SETTINGS_CHOICE:
		buf_adds(out, field->words[*(const int *)at]);
		break;
	case SETTINGS_BOOL:
		buf_addc(out, *(const bool *)at ? '1' : '0');
		break;
	case SETTINGS_LAST:
		buf_adds(out, field->words[*(const bool *)at]);
		break;
	case SETTINGS_FIXED:
		field->value(ask, out);
		break;
	}
	return out->len == 0 ? "" : out->data;
}

/* False: no such value. */
static bool
settings_set(const struct settings_field *field, struct node *node,
    const char *value)
{
	void *at = settings_at(field, node);
	bool ok = true;
	int word;

	switch (field->kind) {
	case SETTINGS_TEXT:
		if (strlen(value) > NODE_TEXT_MAX)
			return false;
		free(*(char **)at);
		*(char **)at = xstrdup(value);
		return true;
	case SETTINGS_BOOL:
		*(bool *)at = form_bool(value, &ok);
		return ok;
	case SETTINGS_CHOICE:
	case SETTINGS_LAST:
		word = node_word(field->words, value);
		if (word < 0)
			return false;
		if (field->kind == SETTINGS_LAST)
			*(bool *)at = word == 1;
		else
			*(int *)at = word;
		return true;
	case SETTINGS_FIXED:
		break;
	}
	return false;
}

/* Says the value what is so anyway? */
static bool
settings_is(const struct ask *ask, const struct settings_field *field,
    const struct node *node, const char *value)
{
	bool is, yes, ok;
	const char *text;
	struct buf now;

	buf_init(&now, 0);
	text = settings_get(ask, field, node, &now);
	yes = form_bool(value, &ok);
	is = strcmp(text, value) == 0 ||
	    (ok && strcmp(text, yes ? "1" : "0") == 0) ||
	    (strcmp(value, "max") == 0 &&
	        (field->value == settings_max_items ||
	            field->value == settings_expire));
	buf_clear(&now);
	return is;
}

/* ---- forms ----------------------------------------------------------- */

static const struct ask_error *
settings_apply_field(const struct ask *ask, const struct xml *at,
    struct node *node)
{
	const struct settings_field *field = settings_find(form_var(at));
	const struct ask_error *error = NULL;
	char *value;

	/* What is not ours to know is ignored (XEP-0004 §3.2). */
	if (field == NULL)
		return strncmp(form_var(at), "pubsub#", 7) == 0 ?
		    &settings_refused :
		    NULL;
	value = form_value(at);
	if (field->kind == SETTINGS_FIXED) {
		if (!settings_is(ask, field, node, value))
			error = &settings_refused;
	} else if (!settings_set(field, node, value)) {
		error = &settings_refused;
	}
	free(value);
	return error;
}

const struct ask_error *
settings_apply(const struct ask *ask, const struct xml *form, struct node *node)
{
	const struct ask_error *error = NULL;
	const struct xml *at = NULL;

	if (form == NULL)
		return &settings_bad;
	while (error == NULL && (at = form_next(form, at)) != NULL)
		error = settings_apply_field(ask, at, node);
	return error;
}

const struct ask_error *
settings_check(const struct ask *ask, const struct xml *form,
    const struct node *node)
{
	const struct ask_error *error = NULL;
	const struct settings_field *field;
	const struct xml *at = NULL;
	struct node *made = NULL;
	char *value;

	if (node == NULL)
		node = made = node_create(settings_class(ask));
	while (error == NULL && (at = form_next(form, at)) != NULL) {
		field = settings_find(form_var(at));
		value = form_value(at);
		if (field == NULL)
			error = &settings_refused;
		else if (!settings_is(ask, field, node, value))
			error = &settings_unmet;
		free(value);
	}
	node_free(made);
	return error;
}

void
settings_write_form(const struct ask *ask, const struct node *node,
    struct buf *out)
{
	static const char *const types[] = { "text-single", "list-single",
		"boolean", "list-single", "text-single" };
	struct buf value;
	size_t i;

	buf_init(&value, 0);
	form_open(out, "form", SETTINGS_FORM);
	for (i = 0; i < ARRAY_LEN(settings_fields); i++) {
		const struct settings_field *field = &settings_fields[i];
		const char *type = types[field->kind], *text;

		text = settings_get(ask, field, node, &value);
		if (field->value == settings_yes ||
		    field->value == settings_no ||
		    field->value == settings_persist)
			type = "boolean";
		form_add(out,
		    &(struct form_field){ field->var, type, field->label, text,
		        field->words });
	}
	form_close(out);
	buf_clear(&value);
}

static void
settings_write_field(const struct ask *ask, const char *var,
    const struct node *node, struct buf *out)
{
	const struct settings_field *field = settings_find(var);
	struct buf value;

	const char *text;

	buf_init(&value, 0);
	text = settings_get(ask, field, node, &value);
	form_add(out,
	    &(struct form_field){ var, NULL, field->label, text, NULL });
	buf_clear(&value);
}

void
settings_write_meta(const struct ask *ask, struct buf *out)
{
	static const char *const vars[] = { "pubsub#title",
		"pubsub#description", "pubsub#type", "pubsub#access_model",
		"pubsub#publish_model", "pubsub#max_items",
		"pubsub#persist_items" };
	const struct node *node = ask->node;
	struct node *made = NULL;
	size_t i;

	if (node == NULL)
		node = made = node_create(settings_class(ask));
	form_open(out, "result", SETTINGS_META);
	for (i = 0; i < ARRAY_LEN(vars); i++)
		settings_write_field(ask, vars[i], node, out);
	for (i = 0; i < node->n_members; i++)
		if (node->members[i].affiliation == NODE_OWNER)
			form_add(out,
			    &(struct form_field){ "pubsub#owner", "jid-multi",
			        "Owner", node->members[i].jid, NULL });
	form_close(out);
	node_free(made);
}
