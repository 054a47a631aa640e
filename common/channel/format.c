/* What the known formats look like: a table a format, a function a type. */
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "common/channel/item.h"

/* Returns NULL, or a static sentence. */
typedef const char *format_type_fn(const json_t *value);

struct format_field {
	const char *name;
	format_type_fn *type;
};

struct format_rule {
	const char *name;
	const struct format_field *fields; /* NULL: any value */
	/* Of these one must be there, unless `action` is not "send". */
	const char *const *need;
	const char *missing;
};

static const char *
format_string(const json_t *value)
{
	return json_is_string(value) ? NULL : "must be a string";
}

/* An item's id, which stands in stanzas. */
static const char *
format_id(const json_t *value)
{
	const char *why = format_string(value);
	size_t len;

	if (why != NULL)
		return why;
	len = json_string_length(value);
	return len == 0 || len > ITEM_ID_MAX ||
	        !text_is_xml(json_string_value(value), len, NULL) ?
	    "must be the id of an item" :
	    NULL;
}

static const char *
format_true(const json_t *value)
{
	return json_is_true(value) ? NULL : "must be true";
}

static const char *
format_base64(const json_t *value)
{
	const char *why = format_string(value);
	struct buf out;

	if (why != NULL)
		return why;
	buf_init(&out, 0);
	if (!text_base64_decode(json_string_value(value),
	        json_string_length(value), &out))
		why = "must be base64";
	buf_clear(&out);
	return why;
}

/* Goes into a line of an HTTP head: a break would begin another line. */
static const char *
format_line(const json_t *value)
{
	const char *why = format_string(value);
	const char *p;

	if (why != NULL)
		return why;
	for (p = json_string_value(value); *p != '\0'; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return "must not hold control characters";
	return NULL;
}

/* RFC 9110 §5.6.2. */
static bool
format_is_token(const char *text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (!(*text >= '0' && *text <= '9') &&
		    !(*text >= 'A' && *text <= 'Z') &&
		    !(*text >= 'a' && *text <= 'z') &&
		    strchr(marks, *text) == NULL)
			return false;
	return true;
}

static const char *
format_method(const json_t *value)
{
	if (!json_is_string(value))
		return "must be a string";
	return format_is_token(json_string_value(value)) ?
	    NULL :
	    "must be a method's name";
}

static const char *
format_code(const json_t *value)
{
	uint64_t code;

	if (json_is_string(value))
		return text_to_u64(json_string_value(value),
		           json_string_length(value), 999, &code) ?
		    NULL :
		    "must be a number from 0 to 999";
	if (!json_is_integer(value))
		return "must be an integer, or one in a string";
	return json_integer_value(value) >= 0 &&
	        json_integer_value(value) <= 999 ?
	    NULL :
	    "must be from 0 to 999";
}

static const char *
format_header(const char *name, const json_t *value)
{
	if (!format_is_token(name))
		return "a header's name is not a token";
	return format_line(value) == NULL ?
	    NULL :
	    "a header's value must be a string of one line";
}

static const char *
format_headers(const json_t *value)
{
	const char *name, *why = NULL;
	json_t *pair, *member;
	size_t i;

	if (json_is_object(value)) {
		/* The loop takes no const; it changes nothing. */
		json_t *object = json_incref((json_t *)(uintptr_t)value);

		json_object_foreach(object, name, member) if (why == NULL) why =
		    format_header(name, member);
		json_decref(object);
		return why;
	}
	if (!json_is_array(value))
		return "must be an object, or a list of pairs";
	json_array_foreach(value, i, pair)
	{
		if (json_array_size(pair) != 2 ||
		    !json_is_string(json_array_get(pair, 0)))
			return "must be a list of pairs of strings";
		why = format_header(json_string_value(json_array_get(pair, 0)),
		    json_array_get(pair, 1));
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
format_list(const json_t *value)
{
	return json_is_array(value) ? NULL : "must be a list";
}

static const char *
format_strings(const json_t *value)
{
	json_t *member;
	size_t i;

	if (!json_is_array(value))
		return "must be a list of strings";
	json_array_foreach(value, i, member) if (
	    !json_is_string(member)) return "must be a list of strings";
	return NULL;
}

static const char *
format_action(const json_t *value)
{
	static const char *const actions[] = { "send", "hint", "close",
		"refresh" };
	size_t i;

	if (!json_is_string(value))
		return "must be a string";
	for (i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(json_string_value(value), actions[i]) == 0)
			return NULL;
	return "must be send, hint, close or refresh";
}

static const struct format_field http_response[] = {
	{ "code", format_code },
	{ "reason", format_line },
	{ "headers", format_headers },
	{ "body", format_string },
	{ "body-bin", format_base64 },
	{ "body-patch", format_list },
	{ "action", format_action },
	{ "content-filters", format_strings },
	{ NULL, NULL },
};
static const struct format_field http_stream[] = {
	{ "content", format_string },
	{ "content-bin", format_base64 },
	{ "action", format_action },
	{ "content-filters", format_strings },
	{ NULL, NULL },
};
static const struct format_field ws_message[] = {
	{ "content", format_string },
	{ "content-bin", format_base64 },
	{ "type", format_string },
	{ "action", format_string },
	{ NULL, NULL },
};
static const struct format_field http_request[] = {
	{ "method", format_method },
	{ "headers", format_headers },
	{ "body", format_string },
	{ "body-bin", format_base64 },
	{ NULL, NULL },
};
static const struct format_field pubsub_event[] = {
	{ "retract", format_id },
	{ "purge", format_true },
	{ "configuration", format_true },
	{ NULL, NULL },
};

static const struct format_field xmpp_stanza[] = {
	{ "content", format_string },
	{ NULL, NULL },
};

static const char *const need_none[] = { NULL };
static const char *const need_body[] = { "body", "body-bin", "body-patch",
	NULL };
static const char *const need_content_bin[] = { "content", "content-bin",
	NULL };
static const char *const need_content[] = { "content", NULL };

static const char *const need_change[] = { "retract", "purge", "configuration",
	NULL };

static const struct format_rule format_rules[] = {
	{ "xmpp-stanza", xmpp_stanza, need_content,
	    "does not contain 'content'" },
	{ "http-response", http_response, need_body,
	    "contains none of 'body', 'body-bin', 'body-patch'" },
	{ "http-stream", http_stream, need_content_bin,
	    "contains neither 'content' nor 'content-bin'" },
	{ "json-object", NULL, need_none, NULL },
	{ "fpp", NULL, need_none, NULL },
	{ "http-request", http_request, need_none, NULL },
	{ "ws-message", ws_message, need_none, NULL },
	{ "pubsub-event", pubsub_event, need_change,
	    "contains none of 'retract', 'purge', 'configuration'" },
};

static const struct format_rule *
format_rule(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(format_rules); i++)
		if (strcmp(format_rules[i].name, name) == 0)
			return &format_rules[i];
	return NULL;
}

bool
format_is_known(const char *name)
{
	return format_rule(name) != NULL;
}

enum err
item_refuse(struct item_error *error, enum err err, const char *field,
    const char *part, const char *why)
{
	error->err = err;
	error->line = error->column = 0;
	snprintf(error->field, sizeof error->field, "%s%s%s", field,
	    part == NULL ? "" : ".", part == NULL ? "" : part);
	snprintf(error->why, sizeof error->why, "%s", why);
	return err;
}

static bool
format_has_needed(const struct format_rule *rule, const json_t *value)
{
	const char *action = json_str(value, "action", NULL);
	size_t i;

	if (rule->need[0] == NULL ||
	    (action != NULL && strcmp(action, "send") != 0))
		return true;
	for (i = 0; rule->need[i] != NULL; i++)
		if (json_object_get(value, rule->need[i]) != NULL)
			return true;
	return false;
}

enum err
format_check(const char *field, const char *format, const json_t *value,
    struct item_error *error)
{
	const struct format_rule *rule = format_rule(format);
	const struct format_field *at;
	const json_t *member;
	const char *why;

	if (rule == NULL || rule->fields == NULL)
		return ERR_OK;
	if (!json_is_object(value))
		return item_refuse(error, ERR_BAD, field, NULL,
		    "must be an object");
	for (at = rule->fields; at->name != NULL; at++) {
		member = json_object_get(value, at->name);
		why = member == NULL ? NULL : at->type(member);
		if (why != NULL)
			return item_refuse(error, ERR_BAD, field, at->name,
			    why);
	}
	if (!format_has_needed(rule, value))
		return item_refuse(error, ERR_BAD, field, NULL, rule->missing);
	return ERR_OK;
}
