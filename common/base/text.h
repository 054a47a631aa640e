/*
 * Small pure functions over text: what is valid, and the encodings.  Decoders
 * are strict: what they do not know they refuse.
 */
#ifndef WAFT_TEXT_H
#define WAFT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* A borrowed run of bytes. */
struct slice {
	const char *p; /* not NUL-terminated; NULL when absent */
	size_t len;
};

/* The same text, ASCII letters of any case. */
bool slice_is(struct slice slice, const char *text);

/* RFC 3629: no surrogates, nothing overlong, nothing past U+10FFFF. */
bool text_is_utf8(const char *text, size_t len);
/* The length of the one character at the front, 0 where there is none or a
 * broken one; its number in *code (may be NULL). */
size_t text_utf8_next(const char *text, size_t len, uint32_t *code);
/* UTF-8 and every character an XML 1.0 Char (no controls but tab, CR, LF; no
 * U+FFFE, U+FFFF).  Says where it breaks in *at when it does (may be NULL). */
bool text_is_xml(const char *text, size_t len, size_t *at);
#define TEXT_CHANNEL_MAX 255
/* A channel's name: UTF-8, 1 to 255 bytes, no control characters, and nothing
 * that could not stand in XML. */
bool text_is_channel(const char *text, size_t len);

/* The decoders append to out; when they refuse they leave it as it was, unless
 * it was its limit that stopped them. */

/* Percent-decoding of one path segment ("%2F" is data, "+" is itself).
 * False on a bad escape or %00. */
bool text_percent_decode(const char *text, size_t len, struct buf *out);
/* Encodes everything but unreserved characters (RFC 3986 §2.3). */
void text_percent_encode(const char *text, size_t len, struct buf *out);

void text_base64(const void *data, size_t len, struct buf *out);
void text_base64url(const void *data, size_t len, struct buf *out);
/* Padding required; false on any other character, white space too. */
bool text_base64_decode(const char *text, size_t len, struct buf *out);
/* No padding allowed (RFC 7515 §2). */
bool text_base64url_decode(const char *text, size_t len, struct buf *out);
void text_hex(const void *data, size_t len, struct buf *out);

/* Whole text is a decimal number of at most max, no sign, no leading zeros
 * other than "0" itself. */
bool text_to_u64(const char *text, size_t len, uint64_t max, uint64_t *number);
/* "55s", "10m", "24h", "7d", "250ms" → milliseconds. */
bool text_to_ms(const char *text, int64_t *ms);
/* "512", "64K", "1M", "2G" → bytes. */
bool text_to_size(const char *text, uint64_t *size);

/* Shell-like match of a channel pattern: `*` any run, `?` one character, all
 * else itself. */
bool text_glob(const char *pattern, const char *text);
/* The name nearest to a mistyped one, or NULL if none is near (edit distance at
 * most a third of its length).  Names ends with NULL. */
const char *text_nearest(const char *name, const char *const *names);

#endif
