#include "cli/csv.h"

#include <string.h>

void
csv_init(struct csv *row)
{
	buf_init(&row->text, 0);
	row->count = 0;
}

void
csv_clear(struct csv *row)
{
	buf_clear(&row->text);
	row->count = 0;
}

/* From its opening quote to behind its closing one; NULL: there is none. */
static const char *
csv_quoted(struct buf *text, const char *p, const char *end)
{
	const char *quote;

	for (p++; (quote = memchr(p, '"', (size_t)(end - p))) != NULL;
	     p = quote + 2) {
		buf_add(text, p, (size_t)(quote - p));
		if (quote + 1 == end || quote[1] != '"')
			return quote + 1;
		buf_addc(text, '"');
	}
	return NULL;
}

static const char *
csv_plain(struct buf *text, const char *p, const char *end)
{
	const char *comma = memchr(p, ',', (size_t)(end - p));

	if (comma == NULL)
		comma = end;
	buf_add(text, p, (size_t)(comma - p));
	return comma;
}

bool
csv_read(struct csv *row, const char *line, size_t len, const char **why)
{
	const char *p = line, *end = line + len;

	buf_reset(&row->text);
	row->count = 0;
	*why = "a zero byte is in it";
	if (memchr(line, '\0', len) != NULL)
		return false;
	for (;; p++) {
		*why = "too many columns";
		if (row->count == CSV_FIELDS_MAX)
			return false;
		row->at[row->count++] = row->text.len;
		*why = "a quote is not closed";
		if (p < end && *p == '"')
			p = csv_quoted(&row->text, p, end);
		else
			p = csv_plain(&row->text, p, end);
		if (p == NULL)
			return false;
		buf_addc(&row->text, '\0');
		if (p == end)
			return true;
		*why = "text behind a closing quote";
		if (*p != ',')
			return false;
	}
}

const char *
csv_field(const struct csv *row, size_t i)
{
	return i < row->count ? row->text.data + row->at[i] : "";
}

void
csv_add(struct buf *out, const char *field)
{
	const char *p;

	if (strpbrk(field, ",\"\r\n") == NULL) {
		buf_adds(out, field);
		return;
	}
	buf_addc(out, '"');
	for (p = field; *p != '\0'; p++) {
		if (*p == '"')
			buf_addc(out, '"');
		buf_addc(out, *p);
	}
	buf_addc(out, '"');
}
