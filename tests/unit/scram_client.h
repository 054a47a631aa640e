/* The client's side of SCRAM, for the tests of the server's. */
#ifndef WAFT_SCRAM_CLIENT_H
#define WAFT_SCRAM_CLIENT_H

#include <stdlib.h>
#include <string.h>

#include "common/base/auth_scram.h"
#include "common/base/text.h"
#include "tests/unit/unit.h"

/* client-final for what was said before, and the server-final it must get. */
static inline void
scram_client_final(enum crypto_hash hash, const char *password, const char *gs2,
    const char *bare, const char *challenge, struct buf *message,
    struct buf *wanted)
{
	unsigned char salted[32], key[32], stored[32], signature[32];
	size_t len = crypto_hash_len(hash);
	const char *salt = strstr(challenge, ",s=") + 3;
	const char *count = strstr(challenge, ",i=") + 3;
	struct buf raw, all;

	buf_init(&raw, 0);
	buf_init(&all, 0);
	assert_true(text_base64_decode(salt, strcspn(salt, ","), &raw));
	crypto_pbkdf2(hash, password, strlen(password), raw.data, raw.len,
	    atoi(count), salted);
	crypto_hmac(hash, salted, len, "Client Key", 10, key);
	crypto_hash(hash, key, len, stored);
	buf_adds(message, "c=");
	text_base64(gs2, strlen(gs2), message);
	buf_addf(message, ",%.*s", (int)strcspn(challenge, ","), challenge);
	buf_addf(&all, "%s,%s,%s", bare, challenge, message->data);
	crypto_hmac(hash, stored, len, all.data, all.len, signature);
	for (size_t i = 0; i < len; i++)
		key[i] ^= signature[i];
	buf_adds(message, ",p=");
	text_base64(key, len, message);
	crypto_hmac(hash, salted, len, "Server Key", 10, key);
	crypto_hmac(hash, key, len, all.data, all.len, signature);
	buf_adds(wanted, "v=");
	text_base64(signature, len, wanted);
	buf_clear(&raw);
	buf_clear(&all);
}

#endif
