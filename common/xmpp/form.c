#include "common/xmpp/form.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

const char *
form_var(const struct xml *field)
{
	const char *var = xml_attr(field, "var");

	return var == NULL ? "" : var;
}

char *
form_value(const struct xml *field)
{
	const struct xml *value = xml_child(field, FORM_NS, "value");
	struct buf text;

	buf_init(&text, 0);
	if (value != NULL)
		xml_text(value, &text);
	if (text.len > 0)
		return buf_detach(&text, NULL);
	buf_clear(&text);
	return xstrdup("");
}

char *
form_values(const struct xml *field)
{
	const struct xml *value;
	struct buf text;
	bool first = true;

	buf_init(&text, 0);
	for (value = xml_first(field); value != NULL; value = xml_next(value)) {
		if (!xml_is(value, FORM_NS, "value"))
			continue;
		if (!first)
			buf_addc(&text, '\n');
		first = false;
		xml_text(value, &text);
	}
	return buf_detach(&text, NULL);
}

/* With no FORM_TYPE the place where it stands says what it is. */
static bool
form_is_of(const struct xml *form, const char *form_type)
{
	const struct xml *field;
	char *value;
	bool is = true;

	for (field = xml_first(form); form_type != NULL && field != NULL;
	     field = xml_next(field)) {
		if (!xml_is(field, FORM_NS, "field") ||
		    strcmp(form_var(field), "FORM_TYPE") != 0)
			continue;
		value = form_value(field);
		is = strcmp(value, form_type) == 0;
		free(value);
	}
	return is;
}

enum err
form_find(const struct xml *parent, const char *form_type,
    const struct xml **form)
{
	const char *type;

	*form = xml_child(parent, FORM_NS, "x");
	if (*form == NULL)
		return ERR_OK;
	type = xml_attr(*form, "type");
	if (type == NULL ||
	    (strcmp(type, "submit") != 0 && strcmp(type, "cancel") != 0) ||
	    !form_is_of(*form, form_type))
		return ERR_BAD;
	return ERR_OK;
}

struct xml *
form_copy(struct xml_reader *reader, const struct xml *form)
{
	struct xml_error error;
	struct xml *copy = NULL;
	struct buf text;

	if (form == NULL)
		return NULL;
	buf_init(&text, 0);
	xml_write(form, "", &text);
	if (xml_parse(reader, text.data, text.len, false, &copy, &error) !=
	    ERR_OK)
		copy = NULL;
	buf_clear(&text);
	return copy;
}

bool
form_is_cancel(const struct xml *form)
{
	const char *type = xml_attr(form, "type");

	return type != NULL && strcmp(type, "cancel") == 0;
}

const struct xml *
form_next(const struct xml *form, const struct xml *at)
{
	at = at == NULL ? xml_first(form) : xml_next(at);
	while (at != NULL &&
	    (!xml_is(at, FORM_NS, "field") ||
	        strcmp(form_var(at), "FORM_TYPE") == 0))
		at = xml_next(at);
	return at;
}

bool
form_bool(const char *value, bool *ok)
{
	bool yes = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;

	*ok = yes || strcmp(value, "0") == 0 || strcmp(value, "false") == 0;
	return yes;
}

/* ---- writing --------------------------------------------------------- */

void
form_open(struct buf *out, const char *type, const char *form_type)
{
	const struct form_field field = { .var = "FORM_TYPE",
		.type = "hidden",
		.value = form_type };

	buf_adds(out, "<x xmlns='" FORM_NS "'");
	buf_add_attr(out, "type", type);
	buf_addc(out, '>');
	if (form_type != NULL)
		form_add(out, &field);
}

static void
form_open_field(struct buf *out, const struct form_field *field)
{
	buf_adds(out, "<field");
	buf_add_attr(out, "var", field->var);
	buf_add_attr(out, "type", field->type);
	buf_add_attr(out, "label", field->label);
}

static void
form_add_value(struct buf *out, const char *value)
{
	buf_adds(out, "<value>");
	buf_adds_xml(out, value);
	buf_adds(out, "</value>");
}

void
form_add(struct buf *out, const struct form_field *field)
{
	const char *const *option;

	form_open_field(out, field);
	buf_addc(out, '>');
	form_add_value(out, field->value);
	for (option = field->options; option != NULL && *option != NULL;
	     option++)
		form_option(out, NULL, *option);
	form_end_field(out);
}

void
form_title(struct buf *out, const char *title, const char *instructions)
{
	buf_adds(out, "<title>");
	buf_adds_xml(out, title);
	buf_adds(out, "</title>");
	if (instructions == NULL)
		return;
	buf_adds(out, "<instructions>");
	buf_adds_xml(out, instructions);
	buf_adds(out, "</instructions>");
}

void
form_ask(struct buf *out, const struct form_field *field)
{
	form_open_field(out, field);
	buf_adds(out, "><required/>");
}

void
form_option(struct buf *out, const char *label, const char *value)
{
	buf_adds(out, "<option");
	buf_add_attr(out, "label", label);
	buf_addc(out, '>');
	form_add_value(out, value);
	buf_adds(out, "</option>");
}

void
form_end_field(struct buf *out)
{
	buf_adds(out, "</field>");
}

void
form_columns(struct buf *out, const struct form_field *fields, size_t count)
{
	buf_adds(out, "<reported>");
	for (size_t i = 0; i < count; i++) {
		form_open_field(out, &fields[i]);
		buf_adds(out, "/>");
	}
	buf_adds(out, "</reported>");
}

void
form_row(struct buf *out, const struct form_field *fields,
    const char *const *values, size_t count)
{
	buf_adds(out, "<item>");
	for (size_t i = 0; i < count; i++) {
		buf_adds(out, "<field");
		buf_add_attr(out, "var", fields[i].var);
		buf_addc(out, '>');
		form_add_value(out, values[i]);
		form_end_field(out);
	}
	buf_adds(out, "</item>");
}

void
form_close(struct buf *out)
{
	buf_adds(out, "</x>");
}
