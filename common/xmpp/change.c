#include "common/xmpp/change.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/text.h"

static bool
change_of_json(const json_t *json, struct change *change)
{
	const char *id = json_str(json, "retract", NULL);

	change->silent = json_is_true(json_object_get(json, "silent"));
	change->id = NULL;
	if (id != NULL) {
		/* It is written into stanzas. */
		if (strlen(id) > CHANGE_ID_MAX ||
		    !text_is_xml(id, strlen(id), NULL))
			return false;
		change->kind = CHANGE_RETRACT;
		change->id = xstrdup(id);
	} else if (json_is_true(json_object_get(json, "purge"))) {
		change->kind = CHANGE_PURGE;
	} else if (json_is_true(json_object_get(json, "configuration"))) {
		change->kind = CHANGE_CONFIGURATION;
	} else {
		return false;
	}
	return true;
}

bool
change_read(const struct entry *entry, struct change *change)
{
	struct json_error_at at;
	struct slice text;
	json_t *json;
	bool ok;

	if (!entry_format(entry, CHANGE_FORMAT, &text))
		return false;
	json = json_read(text.p, text.len, &at);
	ok = json_is_object(json) && change_of_json(json, change);
	json_decref(json);
	return ok;
}

void
change_clear(struct change *change)
{
	free(change->id);
	change->id = NULL;
}

void
change_pack(const struct change *change, struct buf *data)
{
	json_t *json = json_object();
	struct buf text;

	if (change->kind == CHANGE_RETRACT)
		json_object_set_new(json, "retract", json_string(change->id));
	else if (change->kind == CHANGE_PURGE)
		json_object_set_new(json, "purge", json_true());
	else
		json_object_set_new(json, "configuration", json_true());
	if (change->silent)
		json_object_set_new(json, "silent", json_true());
	buf_init(&text, 0);
	json_write(json, &text);
	entry_pack(data, CHANGE_FORMAT, text.data, text.len);
	buf_clear(&text);
	json_decref(json);
}

void
change_event(const struct change *change, const char *node, struct buf *out)
{
	static const char *const names[] = { "items", "purge",
		"configuration" };

	buf_addc(out, '<');
	buf_adds(out, names[change->kind]);
	buf_adds(out, " node='");
	buf_adds_xml(out, node);
	if (change->kind == CHANGE_RETRACT) {
		buf_adds(out, "'><retract id='");
		buf_adds_xml(out, change->id);
		buf_adds(out, "'/></items>");
	} else {
		buf_adds(out, "'/>");
	}
}

struct stanza *
change_deleted(const char *node)
{
	struct stanza *stanza;
	struct buf inner;

	buf_init(&inner, 0);
	buf_adds(&inner, "<delete node='");
	buf_adds_xml(&inner, node);
	buf_adds(&inner, "'/>");
	stanza = stanza_event_of(inner.data, inner.len);
	buf_clear(&inner);
	return stanza;
}
