/*
 * What proves a password without being it (RFC 5802 §3): salt, iterations,
 * StoredKey and ServerKey, for one hash.  As text, in the configuration:
 *
 *	ITERATIONS:SALT:STORED-KEY:SERVER-KEY		the last three in base64
 */
#ifndef WAFT_AUTH_SCRAM_H
#define WAFT_AUTH_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/crypto.h"

#define AUTH_SCRAM_MIN      4096 /* iterations; RFC 7677 §4 */
#define AUTH_SCRAM_MAX      100000
#define AUTH_SCRAM_SALT     16 /* bytes of one that we make */
#define AUTH_SCRAM_SALT_MIN 8
#define AUTH_SCRAM_SALT_MAX 64

struct auth_scram {
	int iterations;
	size_t salt_len;
	unsigned char salt[AUTH_SCRAM_SALT_MAX];
	unsigned char stored[CRYPTO_HASH_MAX];
	unsigned char server[CRYPTO_HASH_MAX];
};

/* From a password, prepared; salt and iterations are set before. */
void auth_scram_derive(enum crypto_hash hash, const char *password, size_t len,
    struct auth_scram *scram);
/* False when it is none. */
bool auth_scram_parse(enum crypto_hash hash, const char *text,
    struct auth_scram *scram);
void auth_scram_write(enum crypto_hash hash, const struct auth_scram *scram,
    struct buf *out);

#endif
