#include "common/base/text.h"

#include <string.h>
#include <strings.h>

#define TEXT_NAME_MAX 63

bool
slice_is(struct slice slice, const char *text)
{
	size_t len = strlen(text);

	return slice.p != NULL && slice.len == len &&
	    strncasecmp(slice.p, text, len) == 0;
}

static inline bool
text_is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* RFC 3629 §4: the first byte says how many follow and, by what the second may
 * be, keeps out overlong forms, surrogates and what is past U+10FFFF. */
static size_t
text_utf8_long(const unsigned char *p, size_t len, uint32_t *code)
{
	if (p[0] < 0xc2 || p[0] > 0xf4 || len < 2 || !text_is_tail(p[1]))
		return 0;
	if (p[0] < 0xe0) {
		*code = (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
		return 2;
	}
	if (len < 3 || !text_is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0) {
		*code =
		    (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
		return *code < 0x800 || (*code >= 0xd800 && *code < 0xe000) ?
		    0 :
		    3;
	}
	if (len < 4 || !text_is_tail(p[3]))
		return 0;
	*code = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 |
	    (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	return *code < 0x10000 || *code > 0x10ffff ? 0 : 4;
}

size_t
text_utf8_next(const char *text, size_t len, uint32_t *code)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t value = 0;
	size_t n = 0;

	if (len > 0 && p[0] < 0x80) {
		value = p[0];
		n = 1;
	} else if (len > 0)
		n = text_utf8_long(p, len, &value);
	if (code != NULL)
		*code = value;
	return n;
}

bool
text_is_utf8(const char *text, size_t len)
{
	uint64_t word;
	size_t n;

	while (len > 0) {
		if (len >= sizeof(word)) {
			memcpy(&word, text, sizeof(word));
			if ((word & UINT64_C(0x8080808080808080)) == 0) {
				text += sizeof(word);
				len -= sizeof(word);
				continue;
			}
		}
		if ((n = text_utf8_next(text, len, NULL)) == 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

/* Each byte is 0x20 to 0x7f: high bits clear, and adding 0x60 sets them all. */
static inline bool
text_is_plain_word(const char *text)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return (word & high) == 0 &&
	    ((word + UINT64_C(0x6060606060606060)) & high) == high;
}

static inline bool
text_is_xml_char(uint32_t code)
{
	if (code < 0x20)
		return code == '\t' || code == '\n' || code == '\r';
	return code != 0xfffe && code != 0xffff;
}

bool
text_is_xml(const char *text, size_t len, size_t *at)
{
	uint32_t code;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		if (len - i >= 8 && text_is_plain_word(text + i)) {
			n = 8;
			continue;
		}
		n = text_utf8_next(text + i, len - i, &code);
		if (n == 0 || !text_is_xml_char(code)) {
			if (at != NULL)
				*at = i;
			return false;
		}
	}
	return true;
}

bool
text_is_channel(const char *text, size_t len)
{
	uint32_t code;
	size_t i, n;

	if (len == 0 || len > TEXT_CHANNEL_MAX)
		return false;
	for (i = 0; i < len; i += n) {
		n = text_utf8_next(text + i, len - i, &code);
		if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		    !text_is_xml_char(code))
			return false;
	}
	return true;
}

bool
text_to_u64(const char *text, size_t len, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;
	size_t i;

	if (len == 0 || (text[0] == '0' && len > 1))
		return false;
	for (i = 0; i < len; i++) {
		unsigned digit = (unsigned char)text[i] - (unsigned)'0';

		if (digit > 9 || value > (max - digit) / 10 || digit > max)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

struct text_unit {
	const char *name;
	uint64_t factor;
};

/* A number and one of the units; units end with a NULL name. */
static bool
text_to_scaled(const char *text, const struct text_unit *units, uint64_t max,
    uint64_t *number)
{
	size_t digits = strspn(text, "0123456789");

	for (; units->name != NULL; units++)
		if (strcmp(text + digits, units->name) == 0)
			break;
	if (units->name == NULL ||
	    !text_to_u64(text, digits, max / units->factor, number))
		return false;
	*number *= units->factor;
	return true;
}

bool
text_to_ms(const char *text, int64_t *ms)
{
	static const struct text_unit units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
		{ "d", 24 * 60 * 60 * 1000 },
		{ NULL, 0 },
	};
	uint64_t number;

	if (!text_to_scaled(text, units, INT64_MAX, &number))
		return false;
	*ms = (int64_t)number;
	return true;
}

bool
text_to_size(const char *text, uint64_t *size)
{
	static const struct text_unit units[] = {
		{ "", 1 },
		{ "K", UINT64_C(1) << 10 },
		{ "M", UINT64_C(1) << 20 },
		{ "G", UINT64_C(1) << 30 },
		{ NULL, 0 },
	};

	return text_to_scaled(text, units, UINT64_MAX, size);
}

/* A `?` takes a whole character; broken UTF-8 goes byte by byte. */
static size_t
text_step(const char *text)
{
	size_t n = text_utf8_next(text, strnlen(text, 4), NULL);

	return n == 0 ? 1 : n;
}

bool
text_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *back = NULL;

	/* Only the last star is ever widened: an earlier one that matched its
	 * literal as soon as it could leaves the most for what follows. */
	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			back = text;
		} else if (*pattern == '?') {
			pattern++;
			text += text_step(text);
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			back += text_step(back);
			pattern = star;
			text = back;
		} else
			return false;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static size_t
text_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Inserted, lost, changed and swapped characters; b within TEXT_NAME_MAX. */
static size_t
text_distance(const char *a, const char *b)
{
	size_t rows[3][TEXT_NAME_MAX + 1], *old = rows[0], *last = rows[1];
	size_t *now = rows[2], *spare, i, j, b_len = strlen(b);

	for (j = 0; j <= b_len; j++)
		last[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		now[0] = i;
		for (j = 1; j <= b_len; j++) {
			now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			now[j] = text_min(now[j], last[j] + 1);
			now[j] = text_min(now[j], now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = text_min(now[j], old[j - 2] + 1);
		}
		spare = old;
		old = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *
text_nearest(const char *name, const char *const *names)
{
	size_t best = strlen(name) / 3 + 1, distance;
	const char *nearest = NULL;

	if (strlen(name) > TEXT_NAME_MAX)
		return NULL;
	for (; *names != NULL; names++) {
		distance = text_distance(*names, name);
		if (distance < best) {
			best = distance;
			nearest = *names;
		}
	}
	return nearest;
}
