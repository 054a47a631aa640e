/*
 * A growable run of bytes with a limit given at birth.  Once an append would
 * pass the limit the buffer is `failed`: it keeps what it had, takes nothing
 * more, and says so until cleared, so that a writer can append freely and check
 * once at the end.  The bytes are always followed by a NUL that does not count.
 * Appending no bytes does nothing.
 */
#ifndef WAFT_BUF_H
#define WAFT_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"

struct buf {
	char *data; /* NULL while nothing was ever appended */
	size_t len;
	size_t size;
	size_t max;
	bool failed;
};

/* Holds no memory until the first append.  Max 0: no limit. */
void buf_init(struct buf *buf, size_t max);
/* Frees the memory; the buffer is as after buf_init() with its old limit. */
void buf_clear(struct buf *buf);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *buf);
/* Gives back the room behind the bytes, where it is to be kept as it is. */
void buf_fit(struct buf *buf);
/* Gives the bytes away (NUL-terminated, the caller frees; never NULL). */
char *buf_detach(struct buf *buf, size_t *len);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_addc(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Decimal, without the cost of printf. */
void buf_addu(struct buf *buf, uint64_t number);
/* Takes n bytes off the front. */
void buf_drain(struct buf *buf, size_t n);
/* Makes room for n more and a NUL and returns where they go; NULL, and failed,
 * past the limit.  The caller adds what it wrote to len, and sets the NUL if
 * anyone will look for it. */
char *buf_reserve(struct buf *buf, size_t n);

/* Text as XML character data or as an attribute in either quote: &<>'", tab, CR
 * and LF are escaped.  It must be XML characters already (text_is_xml()). */
void buf_add_xml(struct buf *buf, const char *text, size_t len);
void buf_adds_xml(struct buf *buf, const char *text);
/* ` NAME='VALUE'`, the value escaped; nothing for a NULL value. */
void buf_add_attr(struct buf *buf, const char *name, const char *value);
/* Text as a JSON string with its quotes; bad UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *buf, const char *text, size_t len);

#endif
