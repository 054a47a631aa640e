#include "common/channel/item.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/change.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/payload.h"
#include "common/xmpp/stamp.h"

/* Of items that some process of ours let in before: only against harm. */
#define ITEM_STORED_SIZE (16u << 20)

/*
 * What was made of the entry so far.  Each is made once, by whoever needs it
 * first: NULL is "not yet", item_none "there is none".
 */
struct item {
	_Atomic(struct stanza *) raw;
	_Atomic(struct stanza *) event;
};

static char item_none_mark;

static struct stanza *
item_none(void)
{
	return (struct stanza *)(void *)&item_none_mark;
}

/* ---- the view -------------------------------------------------------- */

static void
item_free_stanza(struct stanza *stanza)
{
	if (stanza != item_none())
		stanza_free(stanza);
}

static void
item_free(void *view)
{
	struct item *item = view;

	item_free_stanza(atomic_load(&item->raw));
	item_free_stanza(atomic_load(&item->event));
	free(item);
}

/* The first to come wins; the others throw theirs away. */
static struct item *
item_view(struct entry *entry)
{
	void *found = atomic_load_explicit(&entry->view, memory_order_acquire);
	struct item *item;

	if (found != NULL)
		return found;
	item = xcalloc(1, sizeof *item);
	/* Every writer writes the same. */
	entry->view_free = item_free;
	if (atomic_compare_exchange_strong(&entry->view, &found, item))
		return item;
	free(item);
	return found;
}

static struct stanza *
item_settle(_Atomic(struct stanza *) *slot, struct stanza *made)
{
	struct stanza *found = NULL;

	if (made == NULL)
		made = item_none();
	if (atomic_compare_exchange_strong(slot, &found, made))
		return made;
	item_free_stanza(made);
	return found;
}

/* ---- making what is asked for ---------------------------------------- */

static pthread_key_t item_reader_key;
static pthread_once_t item_reader_once = PTHREAD_ONCE_INIT;

static void
item_reader_free(void *reader)
{
	xml_reader_free(reader);
}

static void
item_reader_init(void)
{
	pthread_key_create(&item_reader_key, item_reader_free);
}

/* This thread's, for items that another process published. */
static struct xml_reader *
item_reader(void)
{
	static const struct xml_limits limits = { ITEM_STORED_SIZE, 1024, 1024,
		1 << 20 };
	struct xml_reader *reader;

	pthread_once(&item_reader_once, item_reader_init);
	reader = pthread_getspecific(item_reader_key);
	if (reader == NULL) {
		reader = xml_reader_create(&limits);
		pthread_setspecific(item_reader_key, reader);
	}
	return reader;
}

static struct stanza *
item_raw_make(const struct entry *entry)
{
	struct xml_error error;
	struct stanza *stanza = NULL;
	struct slice text;

	if (entry_format(entry, "xmpp-stanza", &text))
		stanza_parse(item_reader(), text.p, text.len, &stanza, &error);
	return stanza;
}

static struct stanza *
item_change_make(const struct entry *entry, struct change *change)
{
	struct stanza *stanza = NULL;
	struct buf inner;

	buf_init(&inner, 0);
	change_event(change, entry->channel, &inner);
	if (!change->silent)
		stanza = stanza_event_of(inner.data, inner.len);
	buf_clear(&inner);
	change_clear(change);
	return stanza;
}

static struct stanza *
item_event_make(const struct entry *entry)
{
	struct stanza *stanza;
	struct change change;
	struct slice text;
	struct buf payload;

	if (change_read(entry, &change))
		return item_change_make(entry, &change);
	if (entry_format(entry, "pubsub-item", &text))
		return stanza_event(entry->channel, entry->id, text.p,
		    text.len);
	if (!entry_format(entry, "json-object", &text))
		return NULL;
	buf_init(&payload, 0);
	payload_json(text, &payload);
	stanza =
	    stanza_event(entry->channel, entry->id, payload.data, payload.len);
	buf_clear(&payload);
	return stanza;
}

static struct stanza *
item_raw(struct entry *entry, struct item *item)
{
	struct stanza *stanza = atomic_load(&item->raw);

	if (stanza == NULL)
		stanza = item_settle(&item->raw, item_raw_make(entry));
	return stanza == item_none() ? NULL : stanza;
}

static struct stanza *
item_event(struct entry *entry, struct item *item)
{
	struct stanza *stanza = atomic_load(&item->event);

	if (stanza == NULL)
		stanza = item_settle(&item->event, item_event_make(entry));
	return stanza == item_none() ? NULL : stanza;
}

const struct stanza *
item_stanza(struct entry *entry, enum conf_notify notify)
{
	struct item *item = item_view(entry);
	struct stanza *stanza = NULL;

	if (notify != NOTIFY_EVENT)
		stanza = item_raw(entry, item);
	if (stanza == NULL && notify != NOTIFY_RAW)
		stanza = item_event(entry, item);
	return stanza;
}

/* ---- showing --------------------------------------------------------- */

/* Exactly: a name of other case is another format. */
static bool
item_format_is(struct slice format, const char *name)
{
	return format.len == strlen(name) &&
	    memcmp(format.p, name, format.len) == 0;
}

static json_t *
item_format_to_json(struct slice format, struct slice text)
{
	struct json_error_at at;

	if (item_format_is(format, "xmpp-stanza"))
		return json_pack("{s:s%}", "content", text.p, text.len);
	if (item_format_is(format, "pubsub-item"))
		return json_stringn(text.p, text.len);
	return json_read(text.p, text.len, &at);
}

json_t *
item_to_json(const struct entry *entry, const char *epoch)
{
	json_t *json = json_object(), *formats = json_object();
	struct slice format, text;
	struct buf position;
	char stamp[32];
	size_t at = 0;

	buf_init(&position, 0);
	item_stanza_id(epoch, entry, &position);
	clock_stamp(entry->time_ms, stamp, sizeof stamp);
	json_object_set_new(json, "position", json_string(position.data));
	json_object_set_new(json, "channel", json_string(entry->channel));
	json_object_set_new(json, "id", json_string(entry->id));
	if (entry->prev_id != NULL)
		json_object_set_new(json, "prev-id",
		    json_string(entry->prev_id));
	json_object_set_new(json, "time", json_string(stamp));
	while (entry_next(entry, &at, &format, &text))
		json_object_setn_new(formats, format.p, format.len,
		    item_format_to_json(format, text));
	json_object_set_new(json, "formats", formats);
	buf_clear(&position);
	return json;
}

/* ---- publishing ------------------------------------------------------ */

struct item_build {
	const struct item_source *source;
	struct item_error *error;
	struct buf channel;
	struct buf data;
	struct buf text; /* one format's */
	struct stanza *stanza;
	int n_formats;
};

static enum err
item_build_channel(struct item_build *build, const json_t *json)
{
	const json_t *member = json_object_get(json, "channel");
	const char *given = build->source->channel;
	const char *name = given;

	if (member != NULL) {
		if (!json_is_string(member))
			return item_refuse(build->error, ERR_BAD, "channel",
			    NULL, "must be a string");
		name = json_string_value(member);
		if (given != NULL && strcmp(given, name) != 0)
			return item_refuse(build->error, ERR_BAD, "channel",
			    NULL, "is not the one of the path");
	}
	if (name == NULL)
		return item_refuse(build->error, ERR_BAD, "", NULL,
		    "object does not contain 'channel'");
	buf_adds(&build->channel, build->source->prefix);
	buf_adds(&build->channel, name);
	if (*name == '\0' ||
	    !text_is_channel(build->channel.data, build->channel.len))
		return item_refuse(build->error, ERR_BAD, "channel", NULL,
		    "must be 1 to 255 bytes without control characters");
	return ERR_OK;
}

/* Ids become attributes of XML, so they must be XML characters. */
static enum err
item_check_id(const json_t *json, const char *field, const char **id,
    struct item_error *error)
{
	const json_t *member = json_object_get(json, field);
	size_t len;

	*id = NULL;
	if (member == NULL)
		return ERR_OK;
	if (!json_is_string(member))
		return item_refuse(error, ERR_BAD, field, NULL,
		    "must be a string");
	*id = json_string_value(member);
	len = json_string_length(member);
	if (len == 0 || len > ITEM_ID_MAX)
		return item_refuse(error, ERR_BAD, field, NULL,
		    "must be 1 to 255 bytes");
	if (!text_is_xml(*id, len, NULL))
		return item_refuse(error, ERR_BAD, field, NULL,
		    "must not hold control characters");
	return ERR_OK;
}

/* Accepted and of no effect; only their types are looked at. */
static enum err
item_check_extras(const json_t *json, struct item_error *error)
{
	const json_t *meta = json_object_get(json, "meta");
	const json_t *size = json_object_get(json, "size");
	const json_t *no_seq = json_object_get(json, "no-seq");

	if (meta != NULL && !json_is_object(meta))
		return item_refuse(error, ERR_BAD, "meta", NULL,
		    "must be an object");
	if (size != NULL &&
	    (!json_is_integer(size) || json_integer_value(size) < 0))
		return item_refuse(error, ERR_BAD, "size", NULL,
		    "must be an integer of 0 or more");
	if (no_seq != NULL && !json_is_boolean(no_seq))
		return item_refuse(error, ERR_BAD, "no-seq", NULL,
		    "must be true or false");
	return ERR_OK;
}

static bool
item_is_ours(const struct conf *conf, const struct jid *from)
{
	size_t i;

	for (i = 0; i < conf->n_components; i++)
		if (jid_domain_is(from, conf->components[i].domain))
			return true;
	return conf->bosh.domain != NULL &&
	    jid_domain_is(from, conf->bosh.domain);
}

static bool
item_stamp_is_ours(const struct jid *jid, void *arg)
{
	return item_is_ours(arg, jid);
}

/* What the publisher says in our name is not stored. */
static void
item_build_stripped(struct item_build *build, const char *text, size_t len)
{
	struct xml_reader *reader = build->source->reader;
	struct xml_error bad;
	struct buf kept;

	buf_init(&kept, 0);
	if (stamp_strip(reader, text, len, item_stamp_is_ours,
	        (void *)(uintptr_t)build->source->conf, &kept)) {
		stanza_free(build->stanza);
		build->stanza = NULL;
		stanza_parse(reader, kept.data, kept.len, &build->stanza, &bad);
		text = kept.data;
		len = kept.len;
	}
	entry_pack(&build->data, "xmpp-stanza", text, len);
	buf_clear(&kept);
}

static enum err
item_build_stanza(struct item_build *build, const char *field,
    const json_t *value)
{
	struct xml_error bad;
	struct jid from;
	const char *text, *address, *why;
	size_t len;
	enum err err;

	text = json_str(value, "content", &len);
	err = stanza_parse(build->source->reader, text, len, &build->stanza,
	    &bad);
	if (err != ERR_OK) {
		item_refuse(build->error, err, field, "content", bad.why);
		build->error->line = bad.line;
		build->error->column = bad.column;
		return err;
	}
	address = stanza_from(build->stanza);
	if (address != NULL &&
	    jid_parse(address, strlen(address), &from, &why) != ERR_OK)
		return item_refuse(build->error, ERR_BAD, field, "content",
		    "'from' is not a JID");
	if (address != NULL && !item_is_ours(build->source->conf, &from))
		return item_refuse(build->error, ERR_BAD, field, "content",
		    "the domain of 'from' is not ours");
	if (stanza_kind(build->stanza) == STANZA_IQ &&
	    !conf_class(build->source->conf, build->channel.data)->iq)
		return item_refuse(build->error, ERR_BAD, field, "content",
		    "the channel's class does not allow an iq");
	if (stanza_is_stamped(build->stanza))
		item_build_stripped(build, text, len);
	else
		entry_pack(&build->data, "xmpp-stanza", text, len);
	return ERR_OK;
}

/* An XEP-0060 payload reaches clients as it is: one whole element. */
static enum err
item_build_payload(struct item_build *build, const char *field,
    const json_t *value)
{
	static const struct xml_handler nothing;
	struct xml_error bad;
	enum err err;

	if (!json_is_string(value))
		return item_refuse(build->error, ERR_BAD, field, NULL,
		    "must be a string");
	err = xml_scan(build->source->reader, json_string_value(value),
	    json_string_length(value), false, &nothing, NULL, &bad);
	if (err != ERR_OK) {
		item_refuse(build->error, err, field, NULL, bad.why);
		build->error->line = bad.line;
		build->error->column = bad.column;
		return err;
	}
	entry_pack(&build->data, "pubsub-item", json_string_value(value),
	    json_string_length(value));
	return ERR_OK;
}

/* Escaping can make JSON five times as long, and a server ends the link at a
 * stanza that is too large for it: what XMPP would carry is bounded as well. */
static enum err
item_check_escaped(struct item_build *build, const char *field,
    const char *text, size_t len)
{
	size_t max = build->source->conf->control.item_max, escaped;
	struct buf payload;

	if (len <= max / 6)
		return ERR_OK;
	buf_init(&payload, 0);
	payload_json((struct slice){ text, len }, &payload);
	escaped = payload.len;
	buf_clear(&payload);
	if (escaped <= max)
		return ERR_OK;
	return item_refuse(build->error, ERR_LARGE, field, NULL,
	    "escaped for XML it is larger than item-max");
}

static enum err
item_build_format(struct item_build *build, const char *prefix,
    const char *name, const json_t *value)
{
	char field[ITEM_FORMAT_MAX + 16];
	enum err err;

	if (strlen(name) > ITEM_FORMAT_MAX || *name == '\0')
		return item_refuse(build->error, ERR_BAD, "formats", NULL,
		    "a format's name must be 1 to 64 bytes");
	if (++build->n_formats > ITEM_FORMATS_MAX)
		return item_refuse(build->error, ERR_LARGE, "formats", NULL,
		    "too many formats");
	snprintf(field, sizeof field, "%s%s", prefix, name);
	err = format_check(field, name, value, build->error);
	if (err != ERR_OK)
		return err;
	if (strcmp(name, "xmpp-stanza") == 0)
		return item_build_stanza(build, field, value);
	if (strcmp(name, "pubsub-item") == 0)
		return item_build_payload(build, field, value);
	if (strcmp(name, "fpp") == 0)
		name = "json-object";
	buf_reset(&build->text);
	json_write(value, &build->text);
	entry_pack(&build->data, name, build->text.data, build->text.len);
	if (strcmp(name, "json-object") == 0)
		return item_check_escaped(build, field, build->text.data,
		    build->text.len);
	return ERR_OK;
}

static enum err
item_build_formats(struct item_build *build, const json_t *json)
{
	json_t *formats = json_object_get(json, "formats");
	bool inside = formats != NULL;
	json_t *value;
	const char *name;
	enum err err;

	if (inside && !json_is_object(formats))
		return item_refuse(build->error, ERR_BAD, "formats", NULL,
		    "must be an object");
	if (!inside)
		formats = (json_t *)(uintptr_t)json;
	json_object_foreach(formats, name, value)
	{
		if (!inside && !format_is_known(name))
			continue;
		/* The old name of json-object. */
		if (strcmp(name, "fpp") == 0 &&
		    json_object_get(formats, "json-object") != NULL)
			continue;
		err = item_build_format(build, inside ? "formats." : "", name,
		    value);
		if (err != ERR_OK)
			return err;
	}
	if (build->n_formats == 0)
		return item_refuse(build->error, ERR_BAD, "", NULL,
		    "no formats specified");
	if (build->data.len > build->source->conf->control.item_max)
		return item_refuse(build->error, ERR_LARGE, "", NULL,
		    "the item is larger than item-max");
	return ERR_OK;
}

static struct entry *
item_build_finish(struct item_build *build, const char *id, const char *prev_id)
{
	struct entry *entry = entry_create(ENTRY_ITEM, build->channel.data, id,
	    prev_id, build->data.data, build->data.len);
	struct item *item = item_view(entry);

	atomic_store(&item->raw,
	    build->stanza != NULL ? build->stanza : item_none());
	build->stanza = NULL;
	return entry;
}

enum err
item_parse(const struct item_source *source, const json_t *json,
    struct entry **entry, struct item_error *error)
{
	struct item_build build = { .source = source, .error = error };
	const char *id = NULL, *prev_id = NULL;
	enum err err;

	*entry = NULL;
	if (!json_is_object(json))
		return item_refuse(error, ERR_BAD, "", NULL,
		    "must be an object");
	buf_init(&build.channel, 0);
	buf_init(&build.data, 0);
	buf_init(&build.text, 0);
	err = item_build_channel(&build, json);
	if (err == ERR_OK)
		err = item_check_id(json, "id", &id, error);
	if (err == ERR_OK)
		err = item_check_id(json, "prev-id", &prev_id, error);
	if (err == ERR_OK)
		err = item_check_extras(json, error);
	if (err == ERR_OK)
		err = item_build_formats(&build, json);
	if (err == ERR_OK)
		*entry = item_build_finish(&build, id, prev_id);
	stanza_free(build.stanza);
	buf_clear(&build.channel);
	buf_clear(&build.data);
	buf_clear(&build.text);
	return err;
}
