#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/auth.h"
#include "common/base/auth_jwt.h"
#include "common/base/mem.h"
#include "common/base/text.h"

/* The payload of RFC 7515's examples: iss joe, exp 1300819380. */
#define CLAIMS                                                            \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF" \
	"tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define EXPIRES_MS INT64_C(1300819380000)

/* RFC 7515 A.1 */
#define HS_KEY                                                   \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75" \
	"aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define HS_TOKEN                                           \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS \
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
/* RFC 7515 A.2 */
#define RS_KEY                                                               \
	"-----BEGIN PUBLIC KEY-----\n"                                       \
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n" \
	"NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n" \
	"P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n" \
	"9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n" \
	"EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n" \
	"FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n" \
	"oQIDAQAB\n"                                                         \
	"-----END PUBLIC KEY-----\n"
#define RS_TOKEN                                                       \
	"eyJhbGciOiJSUzI1NiJ9." CLAIMS                                 \
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5" \
	"RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAc" \
	"QjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQ" \
	"BMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsq" \
	"tFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98r" \
	"qVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
/* RFC 7515 A.3 */
#define ES_KEY                                                               \
	"-----BEGIN PUBLIC KEY-----\n"                                       \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n" \
	"6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"     \
	"-----END PUBLIC KEY-----\n"
#define ES_TOKEN                                                       \
	"eyJhbGciOiJFUzI1NiJ9." CLAIMS                                 \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8" \
	"ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
/* RFC 8037 A.4, and a token by the same key: iss joe, sub alice. */
#define ED_KEY                                                           \
	"-----BEGIN PUBLIC KEY-----\n"                                   \
	"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n" \
	"-----END PUBLIC KEY-----\n"
#define ED_DATA "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define ED_SIGNATURE                                                   \
	"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylG" \
	"jg5BhVsPt9g7sVvpAr_MuM0KAg"
#define ED_TOKEN                                                       \
	"eyJhbGciOiJFZERTQSJ9."                                        \
	"eyJpc3MiOiJqb2UiLCJleHAiOjEzMDA4MTkzODAsInN1YiI6ImFsaWNlIn0." \
	"U1GD9eCh9aCWyDaTmtnHjJ6IqPY29xuGjL2S_QgnCCDXnYSlEwFXOq0OP3bq" \
	"0wqHCKPqmUYsey1jw7xA7HNiDA"

static struct conf_token tokens[4];
static struct conf conf;

/* A configuration with the one section joe, of kind jwt. */
static void
use_jwt(const char *alg, const void *key, size_t len)
{
	static char name[] = "joe", algs[8];
	static struct buf copy;
	static char any[] = "*", *everything[] = { any };

	buf_clear(&copy);
	buf_add(&copy, key, len);
	strcpy(algs, alg);
	memset(tokens, 0, sizeof tokens);
	memset(&conf, 0, sizeof conf);
	tokens[0].name = tokens[0].issuer = name;
	tokens[0].kind = TOKEN_JWT;
	tokens[0].alg = algs;
	tokens[0].key = copy;
	tokens[0].publish.list = tokens[0].subscribe.list = everything;
	tokens[0].publish.count = tokens[0].subscribe.count = 1;
	conf.control.auth = AUTH_TOKEN;
	conf.tokens = tokens;
	conf.n_tokens = 1;
}

static void
use_hs256(void)
{
	struct buf key;

	buf_init(&key, 0);
	assert_true(text_base64url_decode(HS_KEY, strlen(HS_KEY), &key));
	use_jwt("HS256", key.data, key.len);
	buf_clear(&key);
}

static enum err
bearer(const char *token, int64_t now_ms, struct auth_grant *grant)
{
	char *header = xasprintf("Bearer %s", token);
	const char *why = NULL;
	enum err err;

	err = auth_check(&conf, header, NULL, now_ms, grant, &why);
	assert_true(err == ERR_OK || why != NULL);
	free(header);
	return err;
}

static void
assert_refused(const char *token, const char *why_has)
{
	struct auth_claims claims;
	struct slice text = { token, strlen(token) };
	const char *why = "";

	assert_int_equal(auth_jwt_verify(&conf, text, EXPIRES_MS - 1000,
	                     &claims, &why),
	    ERR_AUTH);
	if (strstr(why, why_has) == NULL)
		fail_msg("\"%s\" is not about \"%s\"", why, why_has);
}

TEST(accepts_hs256_of_rfc_7515)
{
	struct auth_grant grant;

	use_hs256();
	assert_int_equal(bearer(HS_TOKEN, EXPIRES_MS - 1, &grant), ERR_OK);
	assert_ptr_equal(grant.token, &tokens[0]);
	assert_int_equal(grant.expires_ms, EXPIRES_MS);
	assert_string_equal(grant.subject, "");
}

TEST(accepts_rs256_of_rfc_7515)
{
	struct auth_grant grant;

	use_jwt("RS256", RS_KEY, strlen(RS_KEY));
	assert_int_equal(bearer(RS_TOKEN, EXPIRES_MS - 1, &grant), ERR_OK);
}

TEST(accepts_es256_of_rfc_7515)
{
	struct auth_grant grant;

	use_jwt("ES256", ES_KEY, strlen(ES_KEY));
	assert_int_equal(bearer(ES_TOKEN, EXPIRES_MS - 1, &grant), ERR_OK);
}

TEST(accepts_eddsa_of_rfc_8037)
{
	struct slice data = { ED_DATA, strlen(ED_DATA) };
	struct auth_grant grant;
	struct buf sig;

	use_jwt("EdDSA", ED_KEY, strlen(ED_KEY));
	buf_init(&sig, 0);
	assert_true(
	    text_base64url_decode(ED_SIGNATURE, strlen(ED_SIGNATURE), &sig));
	assert_true(auth_jwt_signed(&tokens[0], data,
	    (const unsigned char *)sig.data, sig.len));
	sig.data[5] ^= 1;
	assert_false(auth_jwt_signed(&tokens[0], data,
	    (const unsigned char *)sig.data, sig.len));
	buf_clear(&sig);
	assert_int_equal(bearer(ED_TOKEN, EXPIRES_MS - 1, &grant), ERR_OK);
	assert_string_equal(grant.subject, "alice");
}

TEST(a_token_lives_until_exp_and_a_minute)
{
	static const char *const algs[][3] = {
		{ "RS256", RS_KEY, RS_TOKEN },
		{ "ES256", ES_KEY, ES_TOKEN },
		{ "EdDSA", ED_KEY, ED_TOKEN },
	};
	struct auth_grant grant;
	size_t i;

	use_hs256();
	assert_int_equal(bearer(HS_TOKEN, EXPIRES_MS + 59999, &grant), ERR_OK);
	assert_int_equal(bearer(HS_TOKEN, EXPIRES_MS + 60000, &grant),
	    ERR_AUTH);
	/* A remembered signature does not prolong it. */
	for (i = 0; i < ARRAY_LEN(algs); i++) {
		use_jwt(algs[i][0], algs[i][1], strlen(algs[i][1]));
		assert_int_equal(bearer(algs[i][2], EXPIRES_MS + 59999, &grant),
		    ERR_OK);
		assert_int_equal(bearer(algs[i][2], EXPIRES_MS + 60000, &grant),
		    ERR_AUTH);
	}
}

TEST(any_altered_byte_is_refused)
{
	static const char *const tokens_of[][3] = {
		{ "HS256", NULL, HS_TOKEN },
		{ "RS256", RS_KEY, RS_TOKEN },
		{ "ES256", ES_KEY, ES_TOKEN },
		{ "EdDSA", ED_KEY, ED_TOKEN },
	};
	struct auth_grant grant;
	char *copy;
	size_t i, at;

	for (i = 0; i < ARRAY_LEN(tokens_of); i++) {
		if (tokens_of[i][1] == NULL)
			use_hs256();
		else
			use_jwt(tokens_of[i][0], tokens_of[i][1],
			    strlen(tokens_of[i][1]));
		copy = xstrdup(tokens_of[i][2]);
		assert_int_equal(bearer(copy, EXPIRES_MS - 1, &grant), ERR_OK);
		for (at = 0; at < strlen(copy); at += 3) {
			copy[at] ^= 1;
			assert_int_equal(bearer(copy, EXPIRES_MS - 1, &grant),
			    ERR_AUTH);
			copy[at] ^= 1;
		}
		free(copy);
	}
}

TEST(alg_none_is_refused)
{
	use_hs256();
	/* {"alg":"none"} */
	assert_refused("eyJhbGciOiJub25lIn0." CLAIMS ".", "alg");
	assert_refused("eyJhbGciOiJub25lIn0." CLAIMS
	               ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	    "alg");
}

/* The classic: HS256 keyed with the text of the public key. */
TEST(the_algorithm_is_that_of_the_key)
{
	struct auth_grant grant;
	const char *why;
	struct buf minted;

	buf_init(&minted, 0);
	use_jwt("HS256", RS_KEY, strlen(RS_KEY));
	assert_int_equal(auth_mint(&tokens[0], NULL, EXPIRES_MS, &minted, &why),
	    ERR_OK);
	use_jwt("RS256", RS_KEY, strlen(RS_KEY));
	assert_int_equal(bearer(minted.data, EXPIRES_MS - 1, &grant), ERR_AUTH);
	assert_refused(minted.data, "alg");
	buf_clear(&minted);
}

TEST(malformed_tokens_are_refused)
{
	char *longest = xmalloc(AUTH_JWT_MAX + 2);

	use_hs256();
	assert_refused("", "no JWT");
	assert_refused("a.b", "no JWT");
	assert_refused(HS_TOKEN ".", "no JWT");
	assert_refused(HS_TOKEN "=", "no JWT");
	assert_refused(HS_TOKEN "\n", "no JWT");
	assert_refused("..", "no JWT");
	/* ["alg"] is JSON, but no object. */
	assert_refused("WyJhbGciXQ." CLAIMS ".AAAA", "no JWT");
	memset(longest, 'A', AUTH_JWT_MAX + 1);
	memcpy(longest, HS_TOKEN, strlen(HS_TOKEN));
	longest[AUTH_JWT_MAX + 1] = '\0';
	assert_refused(longest, "no JWT");
	free(longest);
}

TEST(foreign_issuers_and_audiences_are_refused)
{
	char other[] = "ann", shop[] = "shop", bank[] = "bank";
	struct auth_claims claims;
	struct buf minted;
	struct slice text;
	const char *why;

	use_hs256();
	tokens[0].issuer = other;
	assert_refused(HS_TOKEN, "iss");
	use_hs256();
	tokens[0].audience = shop;
	assert_refused(HS_TOKEN, "audience");
	buf_init(&minted, 0);
	assert_int_equal(auth_mint(&tokens[0], NULL, EXPIRES_MS, &minted, &why),
	    ERR_OK);
	text.p = minted.data;
	text.len = minted.len;
	assert_int_equal(auth_jwt_verify(&conf, text, EXPIRES_MS, &claims,
	                     &why),
	    ERR_OK);
	tokens[0].audience = bank;
	assert_int_equal(auth_jwt_verify(&conf, text, EXPIRES_MS, &claims,
	                     &why),
	    ERR_AUTH);
	buf_clear(&minted);
}

TEST(a_minted_token_is_accepted)
{
	struct auth_grant grant;
	struct buf out;
	const char *why;

	use_hs256();
	buf_init(&out, 0);
	assert_int_equal(auth_mint(&tokens[0], "al\"ice", EXPIRES_MS, &out,
	                     &why),
	    ERR_OK);
	assert_int_equal(bearer(out.data, EXPIRES_MS, &grant), ERR_OK);
	assert_string_equal(grant.subject, "al\"ice");
	assert_int_equal(grant.expires_ms, EXPIRES_MS);
	buf_reset(&out);
	use_jwt("ES256", ES_KEY, strlen(ES_KEY));
	assert_int_equal(auth_mint(&tokens[0], NULL, EXPIRES_MS, &out, &why),
	    ERR_UNSUPPORTED);
	buf_clear(&out);
}

TEST(a_key_must_fit_its_algorithm)
{
	const char *why;

	use_jwt("RS256", RS_KEY, strlen(RS_KEY));
	assert_true(auth_key_ok(&tokens[0], &why));
	use_jwt("ES256", ES_KEY, strlen(ES_KEY));
	assert_true(auth_key_ok(&tokens[0], &why));
	use_jwt("EdDSA", ED_KEY, strlen(ED_KEY));
	assert_true(auth_key_ok(&tokens[0], &why));
	use_jwt("ES256", RS_KEY, strlen(RS_KEY));
	assert_false(auth_key_ok(&tokens[0], &why));
	use_jwt("RS256", ED_KEY, strlen(ED_KEY));
	assert_false(auth_key_ok(&tokens[0], &why));
	use_jwt("HS256", RS_KEY, strlen(RS_KEY));
	assert_false(auth_key_ok(&tokens[0], &why));
	use_jwt("EdDSA", "secret", 6);
	assert_false(auth_key_ok(&tokens[0], &why));
}

/* ---- static and Basic ------------------------------------------------- */

static void
use_static(void)
{
	static char ann[] = "ann", bob[] = "bob", one[] = "one-secret",
	            two[] = "two:secret";
	static char pattern[] = "news.*", *news[] = { pattern };

	use_hs256();
	conf.n_tokens = 3;
	tokens[1].name = ann;
	tokens[1].kind = TOKEN_STATIC;
	tokens[1].secret = one;
	tokens[1].publish.list = news;
	tokens[1].publish.count = 1;
	tokens[2].name = bob;
	tokens[2].kind = TOKEN_BASIC;
	tokens[2].secret = two;
}

static enum err
check(const char *header, const char *realm, struct auth_grant *grant)
{
	const char *why;

	return auth_check(&conf, header, realm, EXPIRES_MS, grant, &why);
}

TEST(without_auth_everything_is_granted)
{
	struct auth_grant grant;

	use_static();
	conf.control.auth = AUTH_NONE;
	assert_int_equal(check(NULL, "ann", &grant), ERR_OK);
	assert_null(grant.token);
	assert_true(auth_may_publish(&grant, "any"));
	assert_true(auth_may_subscribe(&grant, "any"));
}

TEST(a_static_bearer_is_known_by_its_secret)
{
	struct auth_grant grant;

	use_static();
	assert_int_equal(check("bearer  one-secret", NULL, &grant), ERR_OK);
	assert_ptr_equal(grant.token, &tokens[1]);
	assert_true(auth_may_publish(&grant, "news.today"));
	assert_false(auth_may_publish(&grant, "weather"));
	assert_false(auth_may_subscribe(&grant, "news.today"));
	assert_int_equal(check("Bearer one-secre", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Bearer one-secrets", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Bearer two:secret", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Bearer ", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Digest x", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("", NULL, &grant), ERR_AUTH);
	assert_int_equal(check(NULL, NULL, &grant), ERR_AUTH);
}

TEST(basic_is_the_name_and_the_secret)
{
	struct auth_grant grant;

	use_static();
	/* bob:two:secret, bob:two, ann:two:secret, bob */
	assert_int_equal(check("Basic Ym9iOnR3bzpzZWNyZXQ=", NULL, &grant),
	    ERR_OK);
	assert_ptr_equal(grant.token, &tokens[2]);
	assert_int_equal(check("Basic Ym9iOnR3bw==", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Basic YW5uOnR3bzpzZWNyZXQ=", NULL, &grant),
	    ERR_AUTH);
	assert_int_equal(check("Basic Ym9i", NULL, &grant), ERR_AUTH);
	assert_int_equal(check("Basic !", NULL, &grant), ERR_AUTH);
}

TEST(a_token_of_another_realm_is_denied)
{
	struct auth_grant grant;

	use_static();
	assert_int_equal(check("Bearer one-secret", "ann", &grant), ERR_OK);
	assert_int_equal(check("Bearer one-secret", "joe", &grant), ERR_DENIED);
	assert_null(grant.token);
	assert_int_equal(check("Bearer " HS_TOKEN, "joe", &grant), ERR_OK);
	assert_int_equal(check("Bearer " HS_TOKEN, "ann", &grant), ERR_DENIED);
}

TEST(a_password_is_the_secret_of_that_user)
{
	struct auth_grant grant;
	const char *why;
	struct buf jwt;

	use_static();
	assert_int_equal(auth_secret(&conf, "ann", "one-secret", EXPIRES_MS,
	                     &grant, &why),
	    ERR_OK);
	assert_int_equal(auth_secret(&conf, "bob", "one-secret", EXPIRES_MS,
	                     &grant, &why),
	    ERR_AUTH);
	assert_int_equal(auth_secret(&conf, "", "one-secret", EXPIRES_MS,
	                     &grant, &why),
	    ERR_AUTH);
	assert_int_equal(auth_secret(&conf, NULL, "one-secret", EXPIRES_MS,
	                     &grant, &why),
	    ERR_OK);
	buf_init(&jwt, 0);
	assert_int_equal(auth_mint(&tokens[0], "carol", EXPIRES_MS, &jwt, &why),
	    ERR_OK);
	assert_int_equal(auth_secret(&conf, "carol", jwt.data, EXPIRES_MS,
	                     &grant, &why),
	    ERR_OK);
	assert_string_equal(grant.subject, "carol");
	assert_int_equal(auth_secret(&conf, "carl", jwt.data, EXPIRES_MS,
	                     &grant, &why),
	    ERR_AUTH);
	assert_int_equal(auth_secret(&conf, NULL, jwt.data, EXPIRES_MS, &grant,
	                     &why),
	    ERR_OK);
	buf_clear(&jwt);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_hs256_of_rfc_7515),
		cmocka_unit_test(accepts_rs256_of_rfc_7515),
		cmocka_unit_test(accepts_es256_of_rfc_7515),
		cmocka_unit_test(accepts_eddsa_of_rfc_8037),
		cmocka_unit_test(a_token_lives_until_exp_and_a_minute),
		cmocka_unit_test(any_altered_byte_is_refused),
		cmocka_unit_test(alg_none_is_refused),
		cmocka_unit_test(the_algorithm_is_that_of_the_key),
		cmocka_unit_test(malformed_tokens_are_refused),
		cmocka_unit_test(foreign_issuers_and_audiences_are_refused),
		cmocka_unit_test(a_minted_token_is_accepted),
		cmocka_unit_test(a_key_must_fit_its_algorithm),
		cmocka_unit_test(without_auth_everything_is_granted),
		cmocka_unit_test(a_static_bearer_is_known_by_its_secret),
		cmocka_unit_test(basic_is_the_name_and_the_secret),
		cmocka_unit_test(a_token_of_another_realm_is_denied),
		cmocka_unit_test(a_password_is_the_secret_of_that_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
