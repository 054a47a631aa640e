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
	unsigned char digest[20];

	if (!keys->used)
		return true;
	if (key.p == NULL)
		return false;
	crypto_sha1(key.p, key.len, digest);
	if (!crypto_equal(digest, sizeof(digest), keys->expected,
	        sizeof(keys->expected)))
		return false;
	return keys_expect(keys, newkey.p == NULL ? key : newkey);
}
