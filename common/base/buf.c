#include "common/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

#define BUF_SIZE_MIN 64

/* In buf_escapes: how a byte leaves the run that is copied as it is. */
enum {
	BUF_JSON = 1,
	BUF_XML = 2
};

static const unsigned char buf_escapes[256] = {
	[0 ... 8] = BUF_JSON,
	[0x0b ... 0x0c] = BUF_JSON,
	[0x0e ... 0x1f] = BUF_JSON,
	['\t'] = BUF_JSON | BUF_XML,
	['\n'] = BUF_JSON | BUF_XML,
	['\r'] = BUF_JSON | BUF_XML,
	['"'] = BUF_JSON | BUF_XML,
	['\\'] = BUF_JSON,
	['&'] = BUF_XML,
	['<'] = BUF_XML,
	['>'] = BUF_XML,
	['\''] = BUF_XML,
	[0x80 ... 0xff] = BUF_JSON,
};

static const char buf_digits[] = "00010203040506070809101112131415161718192021"
                                 "22232425262728293031323334353637383940414243"
                                 "44454647484950515253545556575859606162636465"
                                 "66676869707172737475767778798081828384858687"
                                 "888990919293949596979899";

void
buf_init(struct buf *buf, size_t max)
{
	memset(buf, 0, sizeof(*buf));
	buf->max = max;
}

void
buf_clear(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

void
buf_fit(struct buf *buf)
{
	if (buf->data == NULL || buf->size == buf->len + 1)
		return;
	buf->data = xreallocarray(buf->data, buf->len + 1, 1);
	buf->size = buf->len + 1;
}

char *
buf_detach(struct buf *buf, size_t *len)
{
	char *data = buf->data;

	if (len != NULL)
		*len = buf->len;
	if (data == NULL)
		data = xstrdup("");
	buf_init(buf, buf->max);
	return data;
}

/* Out of line, so that the appends stay short. */
static __attribute__((noinline)) char *
buf_grow(struct buf *buf, size_t n)
{
	size_t size;

	if (buf->failed || n >= SIZE_MAX / 2 - buf->len ||
	    (buf->max != 0 && n > buf->max - buf->len)) {
		buf->failed = true;
		return NULL;
	}
	size = buf->size < BUF_SIZE_MIN ? BUF_SIZE_MIN : buf->size * 2;
	if (buf->max != 0 && size > buf->max)
		size = buf->max + 1;
	if (size < buf->len + n + 1)
		size = buf->len + n + 1;
	buf->data = xreallocarray(buf->data, size, 1);
	buf->size = size;
	buf->data[buf->len] = '\0';
	return buf->data + buf->len;
}

char *
buf_reserve(struct buf *buf, size_t n)
{
	if (n < buf->size - buf->len && !buf->failed &&
	    (buf->max == 0 || n <= buf->max - buf->len))
		return buf->data + buf->len;
	return buf_grow(buf, n);
}

void
buf_add(struct buf *buf, const void *data, size_t len)
{
	char *to;

	if (len == 0 || (to = buf_reserve(buf, len)) == NULL)
		return;
	memcpy(to, data, len);
	to[len] = '\0';
	buf->len += len;
}

void
buf_adds(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void
buf_addc(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void
buf_addf(struct buf *buf, const char *fmt, ...)
{
	char text[256], *to;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < (int)sizeof(text)) {
		buf_add(buf, text, len < 0 ? 0 : (size_t)len);
		return;
	}
	if ((to = buf_reserve(buf, (size_t)len)) == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(to, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
}

void
buf_addu(struct buf *buf, uint64_t number)
{
	char text[20], *p = text + sizeof(text);

	while (number >= 100) {
		p -= 2;
		memcpy(p, buf_digits + number % 100 * 2, 2);
		number /= 100;
	}
	if (number >= 10) {
		p -= 2;
		memcpy(p, buf_digits + number * 2, 2);
	} else
		*--p = (char)('0' + number);
	buf_add(buf, p, (size_t)(text + sizeof(text) - p));
}

void
buf_drain(struct buf *buf, size_t n)
{
	if (n >= buf->len) {
		n = buf->len;
		if (n == 0)
			return;
	}
	buf->len -= n;
	memmove(buf->data, buf->data + n, buf->len + 1);
}

/* The length of the run at the front that needs no escape of this kind. */
static size_t
buf_plain_run(const char *text, size_t len, int kind)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf_escapes[(unsigned char)text[i]] & kind)
			break;
	return i;
}

static const char *
buf_xml_escape(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	default:
		return "&#13;";
	}
}

void
buf_add_xml(struct buf *buf, const char *text, size_t len)
{
	size_t run;

	for (;;) {
		run = buf_plain_run(text, len, BUF_XML);
		buf_add(buf, text, run);
		if (run == len)
			return;
		buf_adds(buf, buf_xml_escape(text[run]));
		text += run + 1;
		len -= run + 1;
	}
}

void
buf_adds_xml(struct buf *buf, const char *text)
{
	buf_add_xml(buf, text, strlen(text));
}

void
buf_add_attr(struct buf *buf, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_addc(buf, ' ');
	buf_adds(buf, name);
	buf_adds(buf, "='");
	buf_adds_xml(buf, value);
	buf_addc(buf, '\'');
}

static void
buf_add_json_escape(struct buf *buf, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	size_t i;

	for (i = 0; i < sizeof(named) - 1; i += 2)
		if ((unsigned char)named[i] == c) {
			text[1] = named[i + 1];
			buf_add(buf, text, 2);
			return;
		}
	buf_add(buf, text, sizeof(text));
}

void
buf_add_json(struct buf *buf, const char *text, size_t len)
{
	size_t n;

	buf_addc(buf, '"');
	while (len > 0) {
		if ((n = buf_plain_run(text, len, BUF_JSON)) > 0)
			buf_add(buf, text, n);
		else if ((unsigned char)*text < 0x80) {
			buf_add_json_escape(buf, (unsigned char)*text);
			n = 1;
		} else if ((n = text_utf8_next(text, len, NULL)) > 0)
			buf_add(buf, text, n);
		else {
			buf_adds(buf, "\xef\xbf\xbd");
			n = 1;
		}
		text += n;
		len -= n;
	}
	buf_addc(buf, '"');
}
