#include "bosh/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct scram {
	enum crypto_hash hash;
	struct auth_scram keys;
	struct buf bound;  /* what `c` must be: base64 of the gs2 header */
	struct buf nonce;  /* both parts */
	struct buf before; /* client-first-bare `,` server-first */
	size_t challenge;  /* where server-first begins in it */
};

/* Takes the text up to the next comma, or all; false when nothing is left. */
static bool
scram_part(struct slice *message, struct slice *part)
{
	const char *comma;

	if (message->p == NULL)
		return false;
	comma =
	    message->len == 0 ? NULL : memchr(message->p, ',', message->len);
	*part = *message;
	if (comma == NULL) {
		*message = (struct slice){ NULL, 0 };
		return true;
	}
	part->len = (size_t)(comma - part->p);
	message->p = comma + 1;
	message->len -= part->len + 1;
	return true;
}

/* A part `name=value` with a value. */
static bool
scram_attribute(struct slice *message, char name, struct slice *value)
{
	if (!scram_part(message, value) || value->len < 3 ||
	    value->p[0] != name || value->p[1] != '=')
		return false;
	value->p += 2;
	value->len -= 2;
	return true;
}

/* saslname: `=2C` is a comma, `=3D` an equals sign, no other `=`. */
static bool
scram_name(struct slice text, char *name)
{
	size_t i, len = 0;

	if (text.len > SCRAM_NAME_MAX || !text_is_utf8(text.p, text.len) ||
	    memchr(text.p, '\0', text.len) != NULL)
		return false;
	for (i = 0; i < text.len; i++) {
		name[len] = text.p[i];
		if (text.p[i] == '=') {
			if (text.len - i >= 3 &&
			    memcmp(text.p + i, "=2C", 3) == 0)
				name[len] = ',';
			else if (text.len - i < 3 ||
			    memcmp(text.p + i, "=3D", 3) != 0)
				return false;
			i += 2;
		}
		len++;
	}
	name[len] = '\0';
	return true;
}

static bool
scram_is_nonce(struct slice nonce)
{
	if (nonce.len > SCRAM_NONCE_MAX)
		return false;
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
			return false;
	return true;
}

/* What follows in a message and is not known: attributes (RFC 5802 §7). */
static bool
scram_extensions(struct slice rest)
{
	struct slice part;

	while (scram_part(&rest, &part))
		if (part.len < 3 || part.p[1] != '=' ||
		    !((part.p[0] | 0x20) >= 'a' && (part.p[0] | 0x20) <= 'z') ||
		    memchr(part.p, '\0', part.len) != NULL)
			return false;
	return true;
}

bool
scram_read_first(struct slice message, struct scram_first *first)
{
	struct slice rest = message, flag, part;

	memset(first, 0, sizeof(*first));
	/* `y`: the client could, and saw rightly that we cannot. */
	if (!scram_part(&rest, &flag) || flag.len != 1 ||
	    (*flag.p != 'n' && *flag.p != 'y') || !scram_part(&rest, &part) ||
	    rest.p == NULL)
		return false;
	if (part.len > 0 &&
	    (part.len < 3 || memcmp(part.p, "a=", 2) != 0 ||
	        !scram_name((struct slice){ part.p + 2, part.len - 2 },
	            first->authzid)))
		return false;
	first->gs2 = (struct slice){ message.p, (size_t)(rest.p - message.p) };
	first->bare = rest;
	return scram_attribute(&rest, 'n', &part) &&
	    scram_name(part, first->user) &&
	    scram_attribute(&rest, 'r', &first->nonce) &&
	    scram_is_nonce(first->nonce) && scram_extensions(rest);
}

struct scram *
scram_create(enum crypto_hash hash, const struct scram_first *first,
    const struct auth_scram *keys, const char *nonce)
{
	struct scram *scram = xcalloc(1, sizeof(*scram));

	scram->hash = hash;
	scram->keys = *keys;
	buf_init(&scram->bound, 0);
	buf_init(&scram->nonce, 0);
	buf_init(&scram->before, 0);
	text_base64(first->gs2.p, first->gs2.len, &scram->bound);
	buf_add(&scram->nonce, first->nonce.p, first->nonce.len);
	buf_adds(&scram->nonce, nonce);
	buf_add(&scram->before, first->bare.p, first->bare.len);
	buf_addc(&scram->before, ',');
	scram->challenge = scram->before.len;
	buf_addf(&scram->before, "r=%s,s=", scram->nonce.data);
	text_base64(keys->salt, keys->salt_len, &scram->before);
	buf_addf(&scram->before, ",i=%d", keys->iterations);
	return scram;
}

void
scram_free(struct scram *scram)
{
	if (scram == NULL)
		return;
	buf_clear(&scram->bound);
	buf_clear(&scram->nonce);
	buf_clear(&scram->before);
	explicit_bzero(&scram->keys, sizeof(scram->keys));
	free(scram);
}

const char *
scram_challenge(const struct scram *scram)
{
	return scram->before.data + scram->challenge;
}

static bool
scram_is(struct slice part, const struct buf *wanted)
{
	return part.len == wanted->len &&
	    memcmp(part.p, wanted->data, part.len) == 0;
}

/* The key that the proof hides is the one whose hash we store. */
static bool
scram_proves(const struct scram *scram, const struct buf *proof,
    const struct buf *message)
{
	size_t len = crypto_hash_len(scram->hash);
	unsigned char key[CRYPTO_HASH_MAX], hashed[CRYPTO_HASH_MAX];

	crypto_hmac(scram->hash, scram->keys.stored, len, message->data,
	    message->len, key);
	for (size_t i = 0; i < len; i++)
		key[i] ^= (unsigned char)proof->data[i];
	crypto_hash(scram->hash, key, len, hashed);
	explicit_bzero(key, sizeof(key));
	return crypto_equal(hashed, len, scram->keys.stored, len);
}

static void
scram_sign(const struct scram *scram, const struct buf *message,
    char final[SCRAM_FINAL_MAX])
{
	unsigned char signature[CRYPTO_HASH_MAX];
	struct buf text;

	crypto_hmac(scram->hash, scram->keys.server,
	    crypto_hash_len(scram->hash), message->data, message->len,
	    signature);
	buf_init(&text, 0);
	text_base64(signature, crypto_hash_len(scram->hash), &text);
	snprintf(final, SCRAM_FINAL_MAX, "v=%s", text.data);
	buf_clear(&text);
}

/* The proof is the last part; it is cut off what it proves. */
static bool
scram_cut_proof(const struct scram *scram, struct slice *message,
    struct buf *proof)
{
	struct slice value;
	size_t at = message->len;

	while (at > 0 && message->p[at - 1] != ',')
		at--;
	if (at == 0)
		return false;
	value = (struct slice){ message->p + at, message->len - at };
	if (value.len < 3 || memcmp(value.p, "p=", 2) != 0 ||
	    !text_base64_decode(value.p + 2, value.len - 2, proof) ||
	    proof->len != crypto_hash_len(scram->hash))
		return false;
	message->len = at - 1;
	return true;
}

enum scram_result
scram_finish(const struct scram *scram, struct slice message,
    char final[SCRAM_FINAL_MAX])
{
	enum scram_result result = SCRAM_MALFORMED;
	struct slice rest, bound, nonce;
	struct buf proof, all;

	buf_init(&proof, 0);
	buf_init(&all, 0);
	if (!scram_cut_proof(scram, &message, &proof))
		goto out;
	rest = message;
	if (!scram_attribute(&rest, 'c', &bound) ||
	    !scram_attribute(&rest, 'r', &nonce) || !scram_extensions(rest))
		goto out;
	result = SCRAM_WRONG;
	buf_add(&all, scram->before.data, scram->before.len);
	buf_addc(&all, ',');
	buf_add(&all, message.p, message.len);
	if (!scram_is(bound, &scram->bound) ||
	    !scram_is(nonce, &scram->nonce) ||
	    !scram_proves(scram, &proof, &all))
		goto out;
	scram_sign(scram, &all, final);
	result = SCRAM_OK;
out:
	buf_clear(&proof);
	buf_clear(&all);
	return result;
}
