/*
 * Randomness, digests and comparison, over OpenSSL.  Also the keyed hash for
 * tables whose keys strangers choose: SipHash-1-3 with a key drawn at start.
 */
#ifndef WAFT_CRYPTO_H
#define WAFT_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From the operating system; ends the process when there is none. */
void crypto_random(void *out, size_t len);
void crypto_sha1(const void *data, size_t len, unsigned char out[20]);
void crypto_sha256(const void *data, size_t len, unsigned char out[32]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char out[32]);

enum crypto_hash {
	CRYPTO_SHA1,
	CRYPTO_SHA256
};
#define CRYPTO_HASH_MAX 32 /* bytes of the longest */

size_t crypto_hash_len(enum crypto_hash hash);
void crypto_hash(enum crypto_hash hash, const void *data, size_t len,
    unsigned char *out);
void crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len,
    const void *data, size_t len, unsigned char *out);
/* PBKDF2 (RFC 8018 §5.2): one block, crypto_hash_len() bytes. */
void crypto_pbkdf2(enum crypto_hash hash, const char *password, size_t len,
    const void *salt, size_t salt_len, int iterations, unsigned char *out);

/* Constant time in the contents; lengths may show. */
bool crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len);

uint64_t crypto_siphash(const void *data, size_t len);
/* Two independent 64-bit halves, for tables that keep no copy of the key. */
void crypto_siphash128(const void *data, size_t len, uint64_t out[2]);

#endif
