#include "common/base/auth_scram.h"

#include <string.h>

#include "common/base/text.h"

void
auth_scram_derive(enum crypto_hash hash, const char *password, size_t len,
    struct auth_scram *scram)
{
	size_t size = crypto_hash_len(hash);
	unsigned char salted[CRYPTO_HASH_MAX], client[CRYPTO_HASH_MAX];

	crypto_pbkdf2(hash, password, len, scram->salt, scram->salt_len,
	    scram->iterations, salted);
	crypto_hmac(hash, salted, size, "Client Key", 10, client);
	crypto_hash(hash, client, size, scram->stored);
	crypto_hmac(hash, salted, size, "Server Key", 10, scram->server);
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client, sizeof client);
}

/* One part, min to max bytes of base64, up to a colon or the end. */
static bool
auth_scram_part(const char **text, size_t min, size_t max, unsigned char *out,
    size_t *out_len)
{
	size_t len = strcspn(*text, ":");
	struct buf part;
	bool ok;

	buf_init(&part, max);
	ok = text_base64_decode(*text, len, &part) && part.len >= min;
	if (ok) {
		memcpy(out, part.data, part.len);
		*out_len = part.len;
		*text += len + ((*text)[len] == ':');
	}
	buf_clear(&part);
	return ok;
}

bool
auth_scram_parse(enum crypto_hash hash, const char *text,
    struct auth_scram *scram)
{
	size_t len = strcspn(text, ":"), size = crypto_hash_len(hash), got;
	uint64_t iterations;

	memset(scram, 0, sizeof *scram);
	if (text[len] == '\0' ||
	    !text_to_u64(text, len, AUTH_SCRAM_MAX, &iterations) ||
	    iterations < AUTH_SCRAM_MIN)
		return false;
	scram->iterations = (int)iterations;
	text += len + 1;
	return auth_scram_part(&text, AUTH_SCRAM_SALT_MIN, AUTH_SCRAM_SALT_MAX,
	           scram->salt, &scram->salt_len) &&
	    auth_scram_part(&text, size, size, scram->stored, &got) &&
	    auth_scram_part(&text, size, size, scram->server, &got) &&
	    *text == '\0' && text[-1] != ':';
}

void
auth_scram_write(enum crypto_hash hash, const struct auth_scram *scram,
    struct buf *out)
{
	buf_addf(out, "%d:", scram->iterations);
	text_base64(scram->salt, scram->salt_len, out);
	buf_addc(out, ':');
	text_base64(scram->stored, crypto_hash_len(hash), out);
	buf_addc(out, ':');
	text_base64(scram->server, crypto_hash_len(hash), out);
}
