#include <string.h>

#include "common/base/text.h"

#define ENCODE_NONE 0xff

static const char encode_hex[] = "0123456789abcdef";
static const char encode_hex_upper[] = "0123456789ABCDEF";
static const char encode_base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char encode_base64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Takes back what was written after the first len bytes. */
static bool
encode_undo(struct buf *out, size_t len)
{
	if (out->data != NULL) {
		out->len = len;
		out->data[len] = '\0';
	}
	return false;
}

static unsigned
encode_unhex(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return ENCODE_NONE;
}

bool
text_percent_decode(const char *text, size_t len, struct buf *out)
{
	size_t start = out->len, run;
	unsigned high, low;
	const char *mark;

	while (len > 0) {
		mark = memchr(text, '%', len);
		run = mark == NULL ? len : (size_t)(mark - text);
		buf_add(out, text, run);
		text += run;
		len -= run;
		if (len == 0)
			break;
		if (len < 3)
			return encode_undo(out, start);
		high = encode_unhex(text[1]);
		low = encode_unhex(text[2]);
		if (high == ENCODE_NONE || low == ENCODE_NONE ||
		    (high | low) == 0)
			return encode_undo(out, start);
		buf_addc(out, (char)(high << 4 | low));
		text += 3;
		len -= 3;
	}
	return !out->failed;
}

static bool
encode_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

void
text_percent_encode(const char *text, size_t len, struct buf *out)
{
	unsigned char c;
	size_t run;

	while (len > 0) {
		for (run = 0; run < len; run++)
			if (!encode_is_unreserved(text[run]))
				break;
		buf_add(out, text, run);
		if (run == len)
			return;
		c = (unsigned char)text[run];
		buf_add(out,
		    (char[]){ '%', encode_hex_upper[c >> 4],
		        encode_hex_upper[c & 15] },
		    3);
		text += run + 1;
		len -= run + 1;
	}
}

/* Room is made once: bodies come this way. */
static void
encode_64(const unsigned char *p, size_t len, const char *alphabet, bool pad,
    struct buf *out)
{
	size_t rest = len % 3 == 0 ? 0 : pad ? 4 : len % 3 + 1;
	char *start = buf_reserve(out, len / 3 * 4 + rest);
	char *to = start;
	uint32_t bits;

	if (start == NULL)
		return;
	for (; len >= 3; len -= 3, p += 3) {
		bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		*to++ = alphabet[bits >> 6 & 63];
		*to++ = alphabet[bits & 63];
	}
	if (len > 0) {
		bits = (uint32_t)p[0] << 16;
		if (len == 2)
			bits |= (uint32_t)p[1] << 8;
		*to++ = alphabet[bits >> 18];
		*to++ = alphabet[bits >> 12 & 63];
		if (len == 2)
			*to++ = alphabet[bits >> 6 & 63];
		for (; pad && len < 3; len++)
			*to++ = '=';
	}
	*to = '\0';
	out->len += (size_t)(to - start);
}

void
text_base64(const void *data, size_t len, struct buf *out)
{
	encode_64(data, len, encode_base64, true, out);
}

void
text_base64url(const void *data, size_t len, struct buf *out)
{
	encode_64(data, len, encode_base64url, false, out);
}

static unsigned
encode_unbase64(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	if (c == alphabet[62])
		return 62;
	if (c == alphabet[63])
		return 63;
	return ENCODE_NONE;
}

/* Without padding.  Bits left over must be zero, so that each run of bytes has
 * one text only (RFC 4648 §3.5). */
static bool
encode_from_64(const char *text, size_t len, const char *alphabet,
    struct buf *out)
{
	size_t size = len / 4 * 3 + len % 4 * 3 / 4, i;
	uint32_t bits = 0;
	unsigned value;
	char *to;

	if (len % 4 == 1 || (to = buf_reserve(out, size)) == NULL)
		return false;
	for (i = 0; i < len; i++) {
		value = encode_unbase64(text[i], alphabet);
		if (value == ENCODE_NONE)
			return encode_undo(out, out->len);
		bits = bits << 6 | value;
		/* Six bits come, and from the second on eight go. */
		if (i % 4 != 0)
			*to++ = (char)(bits >> (6 - i % 4 * 2));
	}
	if ((len % 4 == 2 && (bits & 15) != 0) ||
	    (len % 4 == 3 && (bits & 3) != 0))
		return encode_undo(out, out->len);
	*to = '\0';
	out->len += size;
	return true;
}

bool
text_base64_decode(const char *text, size_t len, struct buf *out)
{
	size_t pad = 0;

	if (len % 4 != 0)
		return false;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	return encode_from_64(text, len - pad, encode_base64, out);
}

bool
text_base64url_decode(const char *text, size_t len, struct buf *out)
{
	return encode_from_64(text, len, encode_base64url, out);
}

void
text_hex(const void *data, size_t len, struct buf *out)
{
	const unsigned char *p = data, *end = p + len;
	char *to = buf_reserve(out, len * 2);

	if (to == NULL)
		return;
	for (; p < end; p++) {
		*to++ = encode_hex[*p >> 4];
		*to++ = encode_hex[*p & 15];
	}
	*to = '\0';
	out->len += len * 2;
}
