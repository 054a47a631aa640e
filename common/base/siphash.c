#include "common/base/siphash.h"

#include <endian.h>
#include <string.h>

struct siphash {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
siphash_rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
	s->v2 = siphash_rotate(s->v2, 32);
}

static inline void
siphash_word(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	siphash_round(s);
	s->v0 ^= word;
}

static inline uint64_t
siphash_load(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* The last 0 to 7 bytes; no read past the end. */
static inline uint64_t
siphash_tail(const unsigned char *p, size_t n)
{
	uint32_t low, high;
	uint16_t half;

	if (n >= 4) {
		memcpy(&low, p, 4);
		memcpy(&high, p + n - 4, 4);
		return le32toh(low) | (uint64_t)le32toh(high) << (n - 4) * 8;
	}
	if (n >= 2) {
		memcpy(&half, p, 2);
		return le16toh(half) | (uint64_t)p[n - 1] << (n - 1) * 8;
	}
	return n == 1 ? p[0] : 0;
}

static inline void
siphash_input(struct siphash *s, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t left;

	for (left = len; left >= 8; left -= 8, p += 8)
		siphash_word(s, siphash_load(p));
	siphash_word(s, siphash_tail(p, left) | (uint64_t)len << 56);
}

static inline uint64_t
siphash_finish(struct siphash *s)
{
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline struct siphash
siphash_start(const uint64_t key[2])
{
	return (struct siphash){
		.v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
		.v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = key[1] ^ UINT64_C(0x7465646279746573),
	};
}

uint64_t
siphash13(const uint64_t key[2], const void *data, size_t len)
{
	struct siphash s = siphash_start(key);

	siphash_input(&s, data, len);
	s.v2 ^= 0xff;
	return siphash_finish(&s);
}

void
siphash13_128(const uint64_t key[2], const void *data, size_t len,
    uint64_t out[2])
{
	struct siphash s = siphash_start(key);

	s.v1 ^= 0xee;
	siphash_input(&s, data, len);
	s.v2 ^= 0xee;
	out[0] = siphash_finish(&s);
	s.v1 ^= 0xdd;
	out[1] = siphash_finish(&s);
}
