#include "common/http/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "common/base/mem.h"

#define GZIP_LEVEL  5
#define GZIP_WINDOW (15 + 16) /* 16: gzip's own head and tail */
#define GZIP_MEMORY 8

struct gzip {
	z_stream stream;
	char *out;
	size_t size;
};

struct gzip *
gzip_create(void)
{
	struct gzip *gzip = xcalloc(1, sizeof(*gzip));

	if (deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
	        GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
		return gzip;
	free(gzip);
	return NULL;
}

void
gzip_free(struct gzip *gzip)
{
	if (gzip == NULL)
		return;
	deflateEnd(&gzip->stream);
	free(gzip->out);
	free(gzip);
}

bool
gzip_encode(struct gzip *gzip, const void *data, size_t len, struct slice *out)
{
	z_stream *stream = &gzip->stream;

	if (len > UINT_MAX || deflateReset(stream) != Z_OK)
		return false;
	if (gzip->size < len) {
		free(gzip->out);
		gzip->out = xmalloc(len);
		gzip->size = len;
	}
	stream->next_in = data;
	stream->avail_in = (uInt)len;
	stream->next_out = (Bytef *)gzip->out;
	/* No room for more than there was: then it is not worth it. */
	stream->avail_out = (uInt)len;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return false;
	out->p = gzip->out;
	out->len = stream->total_out;
	return true;
}

/* ---- Accept-Encoding ----------------------------------------------------- */

static struct slice
gzip_trim(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct slice){ p, (size_t)(end - p) };
}

static const char *
gzip_find(const char *p, const char *end, char c)
{
	const char *at = memchr(p, c, (size_t)(end - p));

	return at == NULL ? end : at;
}

/* "q=0", "q=0.", "q=0.000"; any other parameter or weight is not zero. */
static bool
gzip_is_zero(struct slice weight)
{
	const char *end = weight.p + weight.len;
	const char *p = weight.p;

	if (weight.len < 3 || (*p != 'q' && *p != 'Q') || p[1] != '=' ||
	    p[2] != '0')
		return false;
	for (p += 3; p < end; p++)
		if (*p != '.' && *p != '0')
			return false;
	return true;
}

/* One element of the list: 1 allows, 0 forbids, -1 is of another coding. */
static int
gzip_element(const char *p, const char *end, const char *name)
{
	const char *semicolon = gzip_find(p, end, ';');
	const char *next;

	if (!slice_is(gzip_trim(p, semicolon), name))
		return -1;
	for (p = semicolon; p < end; p = next) {
		next = gzip_find(p + 1, end, ';');
		if (gzip_is_zero(gzip_trim(p + 1, next)))
			return 0;
	}
	return 1;
}

static int
gzip_list(struct slice list, const char *name)
{
	const char *end = list.p + list.len;
	const char *p = list.p;
	const char *comma;
	int found;

	for (;; p = comma + 1) {
		comma = gzip_find(p, end, ',');
		found = gzip_element(p, comma, name);
		if (found >= 0 || comma == end)
			return found;
	}
}

bool
gzip_is_accepted(const struct http_head *head)
{
	static const char *const names[] = { "gzip", "x-gzip", "*" };
	int found;

	for (size_t n = 0; n < ARRAY_LEN(names); n++)
		for (int i = 0; i < head->n_headers; i++) {
			if (!slice_is(head->headers[i].name, "Accept-Encoding"))
				continue;
			found = gzip_list(head->headers[i].value, names[n]);
			if (found >= 0)
				return found == 1;
		}
	return false;
}
