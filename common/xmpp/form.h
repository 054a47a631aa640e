/*
 * Data forms (XEP-0004): reading what was submitted, writing what is asked or
 * told.  A form's fields are known by its FORM_TYPE (XEP-0068).
 */
#ifndef WAFT_XMPP_FORM_H
#define WAFT_XMPP_FORM_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/xml.h"

#define FORM_NS "jabber:x:data"

/* The form in parent, if it is of the type or of none (or the type is NULL);
 * *form is NULL where
 * there is none at all.  ERR_BAD: of another type, or no `submit` or `cancel`.
 */
enum err form_find(const struct xml *parent, const char *form_type,
    const struct xml **form);
bool form_is_cancel(const struct xml *form);
/* A copy that outlives the stanza; NULL for NULL.  The caller's. */
struct xml *form_copy(struct xml_reader *reader, const struct xml *form);
/* The next of its fields but FORM_TYPE; at NULL: the first. */
const struct xml *form_next(const struct xml *form, const struct xml *at);
/* A field's var; "" when it has none. */
const char *form_var(const struct xml *field);
/* A field's first value; "" when it has none.  The caller's. */
char *form_value(const struct xml *field);
/* All of its values, joined by line ends.  The caller's. */
char *form_values(const struct xml *field);
/* XEP-0004 §3.3: 0, 1, false, true; anything else is false and not ok. */
bool form_bool(const char *value, bool *ok);

/* Type: `form`, `result` or `submit`; form_type NULL: it has none. */
void form_open(struct buf *out, const char *type, const char *form_type);
struct form_field {
	const char *var;
	const char *type;  /* NULL: not told */
	const char *label; /* NULL: none */
	const char *value;
	const char *const *options; /* of a list; ended by NULL; or NULL */
};
void form_add(struct buf *out, const struct form_field *field);
/* What a human reads above it; instructions NULL: none. */
void form_title(struct buf *out, const char *title, const char *instructions);
/* A field to be filled in by the human, without a value; it is closed by
 * form_end_field(). */
void form_ask(struct buf *out, const struct form_field *field);
void form_option(struct buf *out, const char *label, const char *value);
void form_end_field(struct buf *out);
/* A table: its columns, then its rows (XEP-0004 §3.4). */
void form_columns(struct buf *out, const struct form_field *fields,
    size_t count);
void form_row(struct buf *out, const struct form_field *fields,
    const char *const *values, size_t count);
void form_close(struct buf *out);

#endif
