#include "common/base/crypto.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sysexits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/log.h"
#include "common/base/siphash.h"

/* Fetched and drawn once: EVP_sha1() would look its provider up on each use. */
static struct {
	pthread_once_t once;
	_Atomic bool ready;
	uint64_t key[2];
	EVP_MD *sha1;
	EVP_MD *sha256;
} crypto = { .once = PTHREAD_ONCE_INIT };

void
crypto_random(void *out, size_t len)
{
	unsigned char *p = out;
	ssize_t n;

	while (len > 0) {
		n = getrandom(p, len, 0);
		if (n < 0 && errno != EINTR)
			fatal(EX_OSERR, "crypto.random", "errno=%d", errno);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void
crypto_start(void)
{
	crypto_random(crypto.key, sizeof(crypto.key));
	crypto.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	crypto.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (crypto.sha1 == NULL || crypto.sha256 == NULL)
		fatal(EX_SOFTWARE, "crypto.digest", "");
	atomic_store_explicit(&crypto.ready, true, memory_order_release);
}

static inline void
crypto_need(void)
{
	if (!atomic_load_explicit(&crypto.ready, memory_order_acquire))
		pthread_once(&crypto.once, crypto_start);
}

static void
crypto_digest(EVP_MD *md, const void *data, size_t len, unsigned char *out)
{
	if (EVP_Digest(data, len, out, NULL, md, NULL) != 1)
		fatal(EX_SOFTWARE, "crypto.digest", "");
}

void
crypto_sha1(const void *data, size_t len, unsigned char out[20])
{
	crypto_need();
	crypto_digest(crypto.sha1, data, len, out);
}

void
crypto_sha256(const void *data, size_t len, unsigned char out[32])
{
	crypto_need();
	crypto_digest(crypto.sha256, data, len, out);
}

void
crypto_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char out[32])
{
	crypto_hmac(CRYPTO_SHA256, key, key_len, data, len, out);
}

static EVP_MD *
crypto_md(enum crypto_hash hash)
{
	crypto_need();
	return hash == CRYPTO_SHA1 ? crypto.sha1 : crypto.sha256;
}

size_t
crypto_hash_len(enum crypto_hash hash)
{
	return hash == CRYPTO_SHA1 ? 20 : 32;
}

void
crypto_hash(enum crypto_hash hash, const void *data, size_t len,
    unsigned char *out)
{
	crypto_digest(crypto_md(hash), data, len, out);
}

void
crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len,
    const void *data, size_t len, unsigned char *out)
{
	if (HMAC(crypto_md(hash), key_len == 0 ? "" : key, (int)key_len, data,
	        len, out, NULL) == NULL)
		fatal(EX_SOFTWARE, "crypto.hmac", "");
}

void
crypto_pbkdf2(enum crypto_hash hash, const char *password, size_t len,
    const void *salt, size_t salt_len, int iterations, unsigned char *out)
{
	if (PKCS5_PBKDF2_HMAC(password, (int)len, salt, (int)salt_len,
	        iterations, crypto_md(hash), (int)crypto_hash_len(hash),
	        out) != 1)
		fatal(EX_SOFTWARE, "crypto.pbkdf2", "");
}

bool
crypto_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}

uint64_t
crypto_siphash(const void *data, size_t len)
{
	crypto_need();
	return siphash13(crypto.key, data, len);
}

void
crypto_siphash128(const void *data, size_t len, uint64_t out[2])
{
	crypto_need();
	siphash13_128(crypto.key, data, len, out);
}
