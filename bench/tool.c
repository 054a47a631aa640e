#include "bench/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHA1_BLOCK 64

void
tool_die(const char *format, ...)
{
	va_list ap;

	fputs("load: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *
tool_calloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		tool_die("no memory");
	return p;
}

void *
tool_realloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (p == NULL)
		tool_die("no memory");
	return p;
}

uint64_t
tool_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const char *
tool_find(const char *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text));
}

static uint32_t
sha1_rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void
sha1_round(size_t i, const uint32_t h[5], uint32_t *f, uint32_t *k)
{
	if (i < 20) {
		*f = (h[1] & h[2]) | (~h[1] & h[3]);
		*k = 0x5a827999;
	} else if (i < 40) {
		*f = h[1] ^ h[2] ^ h[3];
		*k = 0x6ed9eba1;
	} else if (i < 60) {
		*f = (h[1] & h[2]) | (h[1] & h[3]) | (h[2] & h[3]);
		*k = 0x8f1bbcdc;
	} else {
		*f = h[1] ^ h[2] ^ h[3];
		*k = 0xca62c1d6;
	}
}

static void
sha1_block(uint32_t sum[5], const unsigned char *p)
{
	uint32_t w[80], h[5], f, k, t;
	size_t i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		    (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (; i < 80; i++)
		w[i] =
		    sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(h, sum, sizeof h);
	for (i = 0; i < 80; i++) {
		sha1_round(i, h, &f, &k);
		t = sha1_rotate(h[0], 5) + f + h[4] + k + w[i];
		h[4] = h[3];
		h[3] = h[2];
		h[2] = sha1_rotate(h[1], 30);
		h[1] = h[0];
		h[0] = t;
	}
	for (i = 0; i < 5; i++)
		sum[i] += h[i];
}

void
tool_sha1_hex(const char *data, size_t len, char hex[41])
{
	uint32_t sum[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	size_t blocks = (len + 8) / SHA1_BLOCK + 1, i;
	unsigned char *padded = tool_calloc(blocks, SHA1_BLOCK);

	memcpy(padded, data, len);
	padded[len] = 0x80;
	for (i = 0; i < 8; i++)
		padded[blocks * SHA1_BLOCK - 1 - i] =
		    (unsigned char)((uint64_t)len * 8 >> (8 * i));
	for (i = 0; i < blocks; i++)
		sha1_block(sum, padded + i * SHA1_BLOCK);
	free(padded);
	for (i = 0; i < 5; i++)
		snprintf(hex + 8 * i, 9, "%08x", sum[i]);
}
