#include <stdlib.h>
#include <string.h>

#include "tests/mutate/mutate.h"

/* Much moved in place of a length: a run is rarely longer. */
#define CHANGE_RUN 40

/* What parsers trip over. */
static const char *const change_words[] = { "\r\n", "\r\n\r\n", "\n", "\r",
	"\t", ":", ";", ",", "=", "'", "\"", "<", ">", "</", "/>", "&", "&amp;",
	"&#0;", "&#x10FFFF;", "&lt;", "]]>", "<![CDATA[", "<!--", "-->", "<?",
	"?>", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "<?xml version='1.0'?>",
	"xmlns=''", "xmlns:a='b'", "xml:lang='en'", "<body", "</body>", "<a>",
	"</a>", "\xc3", "\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	"\xef\xbb\xbf", "0", "-1", "+1", "1e9", " ", "9007199254740991",
	"9007199254740992", "18446744073709551615", "18446744073709551616",
	"4294967296", "%00", "%2f", "..", "/", "//", "?", "#", "HTTP/1.1",
	"HTTP/1.0", "HTTP/2.0", "POST ", "GET ", "Content-Length: 0\r\n",
	"Content-Length: 99999999999999999999\r\n",
	"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
	"Connection: close\r\n", "Connection: upgrade\r\n",
	"Expect: 100-continue\r\n", "Host: a\r\n", " folded\r\n", "0\r\n\r\n",
	"ffffffffffffffff\r\n", "type='terminate'", "type='error'", "sid=''",
	"rid='1'" };

unsigned
dice_roll(struct dice *dice, unsigned n)
{
	/* splitmix64: one addition and a mix, any seed will do. */
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % n);
}

bool
dice_one_in(struct dice *dice, unsigned n)
{
	return dice_roll(dice, n) == 0;
}

static void
change_insert(struct buf *bytes, size_t at, const char *data, size_t len)
{
	char *copy = xmalloc(len + 1);

	memcpy(copy, data, len);
	buf_add(bytes, copy, len);
	memmove(bytes->data + at + len, bytes->data + at,
	    bytes->len - len - at);
	memcpy(bytes->data + at, copy, len);
	free(copy);
}

static void
change_remove(struct buf *bytes, size_t at, size_t len)
{
	memmove(bytes->data + at, bytes->data + at + len,
	    bytes->len - at - len);
	bytes->len -= len;
}

/* Digits of a number, if there is one behind `at`. */
static bool
change_number(struct dice *dice, struct buf *bytes, size_t at)
{
	while (
	    at < bytes->len && (bytes->data[at] < '0' || bytes->data[at] > '9'))
		at++;
	if (at == bytes->len)
		return false;
	bytes->data[at] = (char)('0' + dice_roll(dice, 10));
	return true;
}

void
change_bytes(struct dice *dice, struct buf *bytes, size_t from)
{
	size_t room = bytes->len - from, at, run;
	const char *word;

	if (room == 0)
		return;
	at = from + dice_roll(dice, (unsigned)room);
	run = 1 + dice_roll(dice, CHANGE_RUN);
	if (run > bytes->len - at)
		run = bytes->len - at;
	switch (dice_roll(dice, 10)) {
	case 0:
		bytes->data[at] ^= (char)(1 << dice_roll(dice, 8));
		break;
	case 1:
		bytes->data[at] = (char)dice_roll(dice, 256);
		break;
	case 2:
		change_remove(bytes, at, run);
		break;
	case 3:
		change_insert(bytes, at, bytes->data + at, run);
		break;
	case 4:
		change_insert(bytes, from + dice_roll(dice, (unsigned)room),
		    bytes->data + at, run);
		break;
	case 5:
		bytes->len = at;
		break;
	case 6:
		if (change_number(dice, bytes, at))
			break;
		/* fallthrough */
	default:
		word = change_words[dice_roll(dice,
		    sizeof(change_words) / sizeof(change_words[0]))];
		if (dice_one_in(dice, 2))
			change_remove(bytes, at, run);
		change_insert(bytes, at, word, strlen(word));
	}
}
