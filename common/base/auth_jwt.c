#include "common/base/auth_jwt.h"

#include <pthread.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "common/base/auth.h"
#include "common/base/crypto.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define AUTH_RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define AUTH_CACHE_SIZE   256
#define AUTH_CACHE_MS     300000

/* ---- keys and signatures ---------------------------------------------- */

static EVP_PKEY *
auth_key_read(const struct conf_token *token)
{
	BIO *bio = BIO_new_mem_buf(token->key.data, (int)token->key.len);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

static bool
auth_key_fits(const EVP_PKEY *key, const char *alg, const char **why)
{
	char group[32] = "";

	if (strcmp(alg, "RS256") == 0) {
		*why =
		    "does not fit: RS256 needs an RSA key of at least 2048 bits";
		return EVP_PKEY_is_a(key, "RSA") &&
		    EVP_PKEY_get_bits(key) >= AUTH_RSA_BITS_MIN;
	}
	if (strcmp(alg, "ES256") == 0) {
		*why = "does not fit: ES256 needs an EC key on the curve P-256";
		return EVP_PKEY_is_a(key, "EC") &&
		    EVP_PKEY_get_group_name(key, group, sizeof group, NULL) &&
		    strcmp(group, SN_X9_62_prime256v1) == 0;
	}
	*why = "does not fit: EdDSA needs an Ed25519 key";
	return EVP_PKEY_is_a(key, "ED25519");
}

bool
auth_key_ok(const struct conf_token *token, const char **why)
{
	EVP_PKEY *key;
	bool ok;

	if (strcmp(token->alg, "HS256") == 0) {
		/* A public key as a shared secret lets everybody sign. */
		*why = "is a key in PEM, HS256 needs a secret";
		return memmem(token->key.data, token->key.len, "-----BEGIN ",
		           11) == NULL;
	}
	key = auth_key_read(token);
	*why = "is no public key in PEM (-----BEGIN PUBLIC KEY-----)";
	ok = key != NULL && auth_key_fits(key, token->alg, why);
	EVP_PKEY_free(key);
	return ok;
}

/* JWS has r and s side by side (RFC 7518 §3.4), OpenSSL wants DER. */
static int
auth_es256_der(const unsigned char *raw, size_t len, unsigned char **der)
{
	ECDSA_SIG *sig;
	BIGNUM *r, *s;
	int n = -1;

	if (len != 64)
		return -1;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(raw, 32, NULL);
	s = BN_bin2bn(raw + 32, 32, NULL);
	if (sig != NULL && r != NULL && s != NULL &&
	    ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n;
}

static bool
auth_pkey_signed(EVP_PKEY *key, const EVP_MD *md, struct slice data,
    const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	ok = ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, sig, len, (const unsigned char *)data.p,
	        data.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

bool
auth_jwt_signed(const struct conf_token *token, struct slice data,
    const unsigned char *sig, size_t len)
{
	unsigned char mac[32], *der = NULL;
	const char *why;
	EVP_PKEY *key;
	int n;
	bool ok = false;

	if (strcmp(token->alg, "HS256") == 0) {
		crypto_hmac_sha256(token->key.data, token->key.len, data.p,
		    data.len, mac);
		return crypto_equal(mac, sizeof mac, sig, len);
	}
	key = auth_key_read(token);
	if (key == NULL || !auth_key_fits(key, token->alg, &why)) {
		EVP_PKEY_free(key);
		return false;
	}
	if (strcmp(token->alg, "ES256") == 0) {
		n = auth_es256_der(sig, len, &der);
		ok = n > 0 &&
		    auth_pkey_signed(key, EVP_sha256(), data, der, (size_t)n);
		OPENSSL_free(der);
	} else if (strcmp(token->alg, "RS256") == 0) {
		ok = auth_pkey_signed(key, EVP_sha256(), data, sig, len);
	} else if (strcmp(token->alg, "EdDSA") == 0) {
		ok = auth_pkey_signed(key, NULL, data, sig, len);
	}
	EVP_PKEY_free(key);
	return ok;
}

/* ---- verified a moment ago -------------------------------------------- */

/* Public key signatures cost 20 to 120 µs, and a key has to be read for each:
 * who showed a good token may show it again for a while. */
struct auth_cached {
	unsigned char hash[32];
	int64_t until_ms;
};

static pthread_mutex_t auth_cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct auth_cached auth_cache[AUTH_CACHE_SIZE];

/* The key goes in with the token: a reload may bring another.  An algorithm
 * need not: a key fits but one. */
static void
auth_cache_hash(const struct conf_token *token, struct slice text,
    unsigned char hash[32])
{
	unsigned char parts[64];

	crypto_sha256(token->key.data, token->key.len, parts);
	crypto_sha256(text.p, text.len, parts + 32);
	crypto_sha256(parts, sizeof parts, hash);
}

static bool
auth_cache_has(const unsigned char hash[32], int64_t now_ms)
{
	struct auth_cached *cached = &auth_cache[hash[0]];
	bool has;

	pthread_mutex_lock(&auth_cache_lock);
	has = cached->until_ms > now_ms &&
	    memcmp(cached->hash, hash, sizeof cached->hash) == 0;
	pthread_mutex_unlock(&auth_cache_lock);
	return has;
}

static void
auth_cache_put(const unsigned char hash[32], int64_t until_ms)
{
	struct auth_cached *cached = &auth_cache[hash[0]];

	pthread_mutex_lock(&auth_cache_lock);
	memcpy(cached->hash, hash, sizeof cached->hash);
	cached->until_ms = until_ms;
	pthread_mutex_unlock(&auth_cache_lock);
}

/* ---- the token -------------------------------------------------------- */

struct auth_jwt {
	struct slice text;
	struct slice data; /* header.claims, what is signed */
	json_t *header;
	json_t *claims;
	struct buf signature;
};

static json_t *
auth_jwt_part(const char *text, size_t len)
{
	struct json_error_at at;
	json_t *json = NULL;
	struct buf plain;

	buf_init(&plain, AUTH_JWT_MAX);
	if (text_base64url_decode(text, len, &plain) && plain.len > 0)
		json = json_read(plain.data, plain.len, &at);
	buf_clear(&plain);
	if (json != NULL && !json_is_object(json)) {
		json_decref(json);
		json = NULL;
	}
	return json;
}

static void
auth_jwt_clear(struct auth_jwt *jwt)
{
	json_decref(jwt->header);
	json_decref(jwt->claims);
	buf_clear(&jwt->signature);
}

static bool
auth_jwt_read(struct auth_jwt *jwt, struct slice text)
{
	const char *one, *two, *end = text.p + text.len;

	memset(jwt, 0, sizeof *jwt);
	buf_init(&jwt->signature, AUTH_JWT_MAX);
	jwt->text = text;
	if (text.len > AUTH_JWT_MAX ||
	    (one = memchr(text.p, '.', text.len)) == NULL ||
	    (two = memchr(one + 1, '.', (size_t)(end - one - 1))) == NULL ||
	    memchr(two + 1, '.', (size_t)(end - two - 1)) != NULL)
		return false;
	jwt->data.p = text.p;
	jwt->data.len = (size_t)(two - text.p);
	jwt->header = auth_jwt_part(text.p, (size_t)(one - text.p));
	jwt->claims = auth_jwt_part(one + 1, (size_t)(two - one - 1));
	return jwt->header != NULL && jwt->claims != NULL &&
	    text_base64url_decode(two + 1, (size_t)(end - two - 1),
	        &jwt->signature);
}

/* NumericDate (RFC 7519 §2).  False when it is there and no such thing. */
static bool
auth_jwt_date(const json_t *claims, const char *name, int64_t *ms)
{
	const json_t *value = json_object_get(claims, name);
	double seconds;

	*ms = 0;
	if (value == NULL)
		return true;
	seconds = json_number_value(value);
	if (!json_is_number(value) || !(seconds > 0 && seconds < 1e12))
		return false;
	*ms = (int64_t)(seconds * 1000);
	return true;
}

/* RFC 7519 §4.1.3: a string or an array of them. */
static bool
auth_jwt_is_for(const json_t *claims, const char *audience)
{
	const json_t *aud = json_object_get(claims, "aud"), *one;
	size_t i;

	if (json_is_string(aud))
		return strcmp(json_string_value(aud), audience) == 0;
	json_array_foreach(aud, i, one) if (json_is_string(one) &&
	    strcmp(json_string_value(one), audience) == 0) return true;
	return false;
}

static const char *
auth_jwt_claims(const json_t *json, int64_t now_ms, struct auth_claims *claims)
{
	const json_t *sub = json_object_get(json, "sub");
	int64_t not_before_ms;

	if (!auth_jwt_date(json, "exp", &claims->expires_ms) ||
	    !auth_jwt_date(json, "nbf", &not_before_ms))
		return "the token's exp or nbf is no date";
	if (claims->expires_ms != 0 &&
	    now_ms >= claims->expires_ms + AUTH_JWT_LEEWAY_MS)
		return "the token has expired";
	if (now_ms + AUTH_JWT_LEEWAY_MS < not_before_ms)
		return "the token is not valid yet";
	claims->subject[0] = '\0';
	if (sub == NULL)
		return NULL;
	if (!json_is_string(sub) ||
	    json_string_length(sub) >= sizeof claims->subject)
		return "the token's sub is no text or too long";
	memcpy(claims->subject, json_string_value(sub),
	    json_string_length(sub) + 1);
	return NULL;
}

static bool
auth_jwt_is_signed(const struct auth_jwt *jwt, const struct conf_token *token,
    int64_t now_ms)
{
	unsigned char hash[32];
	bool cached = strcmp(token->alg, "HS256") != 0;

	if (cached) {
		auth_cache_hash(token, jwt->text, hash);
		if (auth_cache_has(hash, now_ms))
			return true;
	}
	if (!auth_jwt_signed(token, jwt->data,
	        (const unsigned char *)jwt->signature.data, jwt->signature.len))
		return false;
	if (cached)
		auth_cache_put(hash, now_ms + AUTH_CACHE_MS);
	return true;
}

/* NULL when the token is good under that section. */
static const char *
auth_jwt_try(const struct auth_jwt *jwt, const struct conf_token *token,
    int64_t now_ms, struct auth_claims *claims)
{
	const char *alg = json_str(jwt->header, "alg", NULL);

	if (alg == NULL || strcmp(alg, token->alg) != 0)
		return "the token's alg is not that of its key";
	/* RFC 7515 §4.1.11: what is critical and unknown is refused. */
	if (json_object_get(jwt->header, "crit") != NULL)
		return "the token has a critical extension";
	if (!auth_jwt_is_signed(jwt, token, now_ms))
		return "the token's signature is wrong";
	if (token->audience != NULL &&
	    !auth_jwt_is_for(jwt->claims, token->audience))
		return "the token is for another audience";
	claims->token = token;
	return auth_jwt_claims(jwt->claims, now_ms, claims);
}

enum err
auth_jwt_verify(const struct conf *conf, struct slice text, int64_t now_ms,
    struct auth_claims *claims, const char **why)
{
	const struct conf_token *token;
	struct auth_jwt jwt;
	const char *issuer;
	size_t i;

	if (!auth_jwt_read(&jwt, text)) {
		*why = "the token is unknown, and no JWT";
		auth_jwt_clear(&jwt);
		return ERR_AUTH;
	}
	issuer = json_str(jwt.claims, "iss", NULL);
	*why = "the token's iss is not known here";
	for (i = 0; issuer != NULL && i < conf->n_tokens; i++) {
		token = &conf->tokens[i];
		if (token->kind != TOKEN_JWT ||
		    strcmp(token->issuer, issuer) != 0)
			continue;
		*why = auth_jwt_try(&jwt, token, now_ms, claims);
		if (*why == NULL)
			break;
	}
	auth_jwt_clear(&jwt);
	return *why == NULL ? ERR_OK : ERR_AUTH;
}

/* ---- making one ------------------------------------------------------- */

enum err
auth_mint(const struct conf_token *token, const char *subject,
    int64_t expires_ms, struct buf *out, const char **why)
{
	static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"HS256\"}";
	unsigned char mac[32];
	struct buf claims;
	size_t from = out->len;

	if (token->kind != TOKEN_JWT || strcmp(token->alg, "HS256") != 0) {
		*why = "only tokens of kind jwt with alg HS256 can be made: "
		       "others are signed with a key that is not here";
		return ERR_UNSUPPORTED;
	}
	buf_init(&claims, 0);
	buf_adds(&claims, "{\"iss\":");
	buf_add_json(&claims, token->issuer, strlen(token->issuer));
	if (token->audience != NULL) {
		buf_adds(&claims, ",\"aud\":");
		buf_add_json(&claims, token->audience, strlen(token->audience));
	}
	if (subject != NULL) {
		buf_adds(&claims, ",\"sub\":");
		buf_add_json(&claims, subject, strlen(subject));
	}
	buf_addf(&claims, ",\"exp\":%lld}", (long long)(expires_ms / 1000));
	text_base64url(header, sizeof header - 1, out);
	buf_addc(out, '.');
	text_base64url(claims.data, claims.len, out);
	buf_clear(&claims);
	crypto_hmac_sha256(token->key.data, token->key.len, out->data + from,
	    out->len - from, mac);
	buf_addc(out, '.');
	text_base64url(mac, sizeof mac, out);
	if (out->failed) {
		*why = "the token is too long";
		return ERR_LARGE;
	}
	return ERR_OK;
}
