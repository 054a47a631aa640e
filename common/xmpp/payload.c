#include "common/xmpp/payload.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/xmpp/stanza.h"

/* As character data, where quotes may stay: JSON is made of them. */
static void
payload_text(struct slice text, struct buf *out)
{
	const char *end = text.p + text.len;
	const char *at = text.p, *from = text.p;

	for (; at < end; at++) {
		if (*at != '<' && *at != '>' && *at != '&' && *at != '\r')
			continue;
		buf_add(out, from, (size_t)(at - from));
		buf_add_xml(out, at, 1);
		from = at + 1;
	}
	buf_add(out, from, (size_t)(end - from));
}

void
payload_json(struct slice json, struct buf *out)
{
	struct json_error_at at;
	json_t *value;
	char *ascii;

	buf_adds(out, "<json xmlns='urn:xmpp:json:0'>");
	if (text_is_xml(json.p, json.len, NULL)) {
		payload_text(json, out);
	} else if ((value = json_read(json.p, json.len, &at)) != NULL) {
		ascii = json_dumps(value,
		    JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		payload_text((struct slice){ ascii, strlen(ascii) }, out);
		free(ascii);
		json_decref(value);
	}
	buf_adds(out, "</json>");
}

void
payload_forwarded(struct xml_reader *reader, struct slice text,
    const char *from, int64_t time_ms, struct buf *out)
{
	struct stanza_fill fill = { 0 };
	struct xml_error error;
	struct stanza *stanza;
	struct buf self;
	char stamp[32];

	if (stanza_parse(reader, text.p, text.len, &stanza, &error) != ERR_OK)
		return;
	buf_init(&self, 0);
	buf_adds_xml(&self, from);
	clock_stamp(time_ms, stamp, sizeof stamp);
	buf_adds(out,
	    "<forwarded xmlns='urn:xmpp:forward:0'>"
	    "<delay xmlns='urn:xmpp:delay' from='");
	buf_add(out, self.data, self.len);
	buf_adds(out, "' stamp='");
	buf_adds(out, stamp);
	buf_adds(out, "'/>");
	if (stanza_from(stanza) == NULL) {
		fill.from = self.data;
		fill.from_len = self.len;
	}
	stanza_write(stanza, STANZA_BOSH, &fill, out);
	buf_adds(out, "</forwarded>");
	buf_clear(&self);
	stanza_free(stanza);
}

/* The event's payload (DESIGN 8); false when the item has none. */
static bool
payload_event(const struct entry *entry, struct buf *out)
{
	struct slice text;

	if (entry_format(entry, "pubsub-item", &text))
		buf_add(out, text.p, text.len);
	else if (entry_format(entry, "json-object", &text))
		payload_json(text, out);
	else
		return false;
	return true;
}

bool
payload_has(const struct entry *entry, enum conf_notify notify)
{
	struct slice text;

	return (notify != NOTIFY_EVENT &&
	           entry_format(entry, "xmpp-stanza", &text)) ||
	    (notify != NOTIFY_RAW &&
	        (entry_format(entry, "pubsub-item", &text) ||
	            entry_format(entry, "json-object", &text)));
}

bool
payload_entry(const struct entry *entry, enum conf_notify notify,
    struct xml_reader *reader, const char *from, struct buf *out)
{
	struct slice text;

	if (notify == NOTIFY_EVENT)
		return payload_event(entry, out);
	if (!entry_format(entry, "xmpp-stanza", &text))
		return notify == NOTIFY_AUTO && payload_event(entry, out);
	payload_forwarded(reader, text, from, entry->time_ms, out);
	return true;
}
