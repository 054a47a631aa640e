#include <string.h>

#include "common/http/parser.h"

/* Bytes of one chunk's first line and of all trailers together.  Extensions and
 * trailers are read over, RFC 9112 §7.1. */
#define CHUNKS_LINE_MAX     256
#define CHUNKS_TRAILERS_MAX 4096

enum {
	CHUNKS_SIZE, /* before the first digit */
	CHUNKS_DIGITS,
	CHUNKS_SPACE, /* between the digits and `;` */
	CHUNKS_EXTENSION,
	CHUNKS_SIZE_LF,
	CHUNKS_DATA,
	CHUNKS_DATA_CR,
	CHUNKS_DATA_LF,
	CHUNKS_TRAILER, /* at the start of a line */
	CHUNKS_TRAILER_LINE,
	CHUNKS_TRAILER_LF,
	CHUNKS_END_LF,
	CHUNKS_END
};

struct chunks_fault {
	int status;
	const char *why;
};

static int
chunks_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
chunks_is_text(char c)
{
	return ((unsigned char)c >= ' ' && c != 0x7f) || c == '\t';
}

/* The state after c where exactly `want` must come; -1 if it does not. */
static int
chunks_want(char c, char want, int next)
{
	return c == want ? next : -1;
}

static int
chunks_size(struct http_chunks *chunks, char c, uint64_t max,
    struct chunks_fault *fault)
{
	int digit = chunks_digit(c);

	if (digit >= 0) {
		if (chunks->left >> 60 != 0 ||
		    (chunks->left << 4 | (unsigned)digit) >
		        max - chunks->total) {
			fault->status = 413;
			fault->why = "the body is too large";
			return -1;
		}
		chunks->left = chunks->left << 4 | (unsigned)digit;
		return CHUNKS_DIGITS;
	}
	if (chunks->state == CHUNKS_SIZE)
		return -1;
	if (c == '\r')
		return CHUNKS_SIZE_LF;
	/* White space is allowed only before an extension, RFC 9112 §7.1.1. */
	if (c == ' ' || c == '\t')
		return CHUNKS_SPACE;
	return c == ';' ? CHUNKS_EXTENSION : -1;
}

static int
chunks_trailer(const struct http_chunks *chunks, char c)
{
	if (c == '\r')
		return chunks->state == CHUNKS_TRAILER ? CHUNKS_END_LF :
		                                         CHUNKS_TRAILER_LF;
	return chunks_is_text(c) ? CHUNKS_TRAILER_LINE : -1;
}

/* The next state, or -1: refused. */
static int
chunks_step(struct http_chunks *chunks, char c, uint64_t max,
    struct chunks_fault *fault)
{
	switch (chunks->state) {
	case CHUNKS_SIZE:
	case CHUNKS_DIGITS:
		return chunks_size(chunks, c, max, fault);
	case CHUNKS_SPACE:
		if (c == ' ' || c == '\t')
			return CHUNKS_SPACE;
		return chunks_want(c, ';', CHUNKS_EXTENSION);
	case CHUNKS_EXTENSION:
		if (c == '\r')
			return CHUNKS_SIZE_LF;
		return chunks_is_text(c) ? CHUNKS_EXTENSION : -1;
	case CHUNKS_SIZE_LF:
		chunks->line = 0;
		return chunks_want(c, '\n',
		    chunks->left > 0 ? CHUNKS_DATA : CHUNKS_TRAILER);
	case CHUNKS_DATA_CR:
		return chunks_want(c, '\r', CHUNKS_DATA_LF);
	case CHUNKS_DATA_LF:
		chunks->line = 0;
		return chunks_want(c, '\n', CHUNKS_SIZE);
	case CHUNKS_TRAILER_LF:
		return chunks_want(c, '\n', CHUNKS_TRAILER);
	case CHUNKS_END_LF:
		return chunks_want(c, '\n', CHUNKS_END);
	default:
		return chunks_trailer(chunks, c);
	}
}

static size_t
chunks_line_max(const struct http_chunks *chunks)
{
	return chunks->state >= CHUNKS_TRAILER ? CHUNKS_TRAILERS_MAX :
	                                         CHUNKS_LINE_MAX;
}

/* One byte of framing. */
static bool
chunks_frame(struct http_chunks *chunks, char c, uint64_t max,
    struct chunks_fault *fault)
{
	int next;

	if (++chunks->line > chunks_line_max(chunks)) {
		fault->why = "a chunk's line or the trailers are too long";
		return false;
	}
	next = chunks_step(chunks, c, max, fault);
	if (next < 0)
		return false;
	chunks->state = next;
	return true;
}

/* Moves payload to `to`; returns how much. */
static size_t
chunks_take(struct http_chunks *chunks, char *to, const char *from, size_t len)
{
	size_t n = chunks->left < len ? (size_t)chunks->left : len;

	memmove(to, from, n);
	chunks->left -= n;
	chunks->total += n;
	if (chunks->left == 0)
		chunks->state = CHUNKS_DATA_CR;
	return n;
}

enum http_parse
http_chunks_feed(struct http_chunks *chunks, char *data, size_t len,
    uint64_t max, size_t *used, size_t *got, int *status, const char **why)
{
	struct chunks_fault fault = { 400, "bad chunked coding" };
	size_t at = 0;
	size_t n;

	*got = 0;
	while (at < len && chunks->state != CHUNKS_END) {
		if (chunks->state == CHUNKS_DATA) {
			n = chunks_take(chunks, data + *got, data + at,
			    len - at);
			*got += n;
			at += n;
		} else if (chunks_frame(chunks, data[at], max, &fault)) {
			at++;
		} else {
			*status = fault.status;
			*why = fault.why;
			return HTTP_REFUSED;
		}
	}
	*used = at;
	return chunks->state == CHUNKS_END ? HTTP_DONE : HTTP_MORE;
}
