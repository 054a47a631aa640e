#include "bosh/keys.h"

#include <string.h>

#include "common/base/crypto.h"

static int
keys_hex(char c)
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
keys_expect(struct keys *keys, struct slice hex)
{
	int high, low;

	if (hex.len != 2 * sizeof(keys->expected))
		return false;
	for (size_t i = 0; i < sizeof(keys->expected); i++) {
		high = keys_hex(hex.p[2 * i]);
		low = keys_hex(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		keys->expected[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

bool
keys_init(struct keys *keys, struct slice newkey)
{
	memset(keys, 0, sizeof(*keys));
	if (newkey.p == NULL)
		return true;
	keys->used = true;
	return keys_expect(keys, newkey);
}

bool
keys_check(struct keys *keys, struct slice key, struct slice newkey)
{
	return keys_check_far(keys, 0, key, newkey);
}

/* A key is the text of the SHA-1 of the one after it. */
static void
keys_hash(unsigned char digest[KEYS_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * KEYS_SIZE];

	for (size_t i = 0; i < KEYS_SIZE; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	crypto_sha1(hex, sizeof(hex), digest);
}

bool
keys_check_far(struct keys *keys, uint64_t steps, struct slice key,
    struct slice newkey)
{
	unsigned char digest[KEYS_SIZE];

	if (!keys->used)
		return true;
	if (key.p == NULL)
		return false;
	crypto_sha1(key.p, key.len, digest);
	for (; steps > 0; steps--)
		keys_hash(digest);
	if (!crypto_equal(digest, sizeof(digest), keys->expected,
	        sizeof(keys->expected)))
		return false;
	return keys_expect(keys, newkey.p == NULL ? key : newkey);
}

bool
keys_check_again(const struct keys *keys, uint64_t back, struct slice key,
    struct slice newkey)
{
	struct keys said = { .used = true };
	unsigned char digest[KEYS_SIZE];

	memcpy(digest, keys->expected, sizeof(digest));
	for (; back > 0; back--)
		keys_hash(digest);
	return key.p != NULL &&
	    keys_expect(&said, newkey.p == NULL ? key : newkey) &&
	    crypto_equal(said.expected, sizeof(said.expected), digest,
	        sizeof(digest));
}
