#include "bosh/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bosh/keys.h"
#include "common/base/crypto.h"
#include "tests/unit/scram_client.h"

static const struct xml_limits limits = { 65536, 64, 64, 1000 };
static struct xml_reader *reader;
static struct sasl_outcome outcome;
static char name[] = "alice", secret[] = "wonder", domain[] = "bosh.test";
static struct conf_token token = { .name = name,
	.kind = TOKEN_STATIC,
	.secret = secret };
static struct conf conf = { .bosh = { .domain = domain, .anonymous = true },
	.tokens = &token,
	.n_tokens = 1 };
static struct logins *logins;

/* Of the configuration as it is now. */
static struct sasl_env
env(bool secure)
{
	struct logins *old = logins;
	int bad;

	logins = logins_create(&conf, old, &bad);
	logins_unref(old);
	assert_int_equal(bad, 0);
	return (struct sasl_env){ .conf = &conf,
		.logins = logins,
		.secure = secure,
		.now_ms = 1 };
}

static enum sasl_result
step(struct sasl *sasl, bool secure, const char *element, const char *mechanism,
    const void *message, size_t len)
{
	const struct sasl_env with = env(secure);
	struct xml_error error;
	enum sasl_result result;
	struct xml *root;
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "<%s xmlns='" SASL_NS "' mechanism='%s'>", element,
	    mechanism);
	if (message != NULL)
		text_base64(message, len, &text);
	buf_addf(&text, "</%s>", element);
	assert_int_equal(xml_parse(reader, text.data, text.len, false, &root,
	                     &error),
	    0);
	result = sasl_step(sasl, &with, root, &outcome);
	xml_free(root);
	buf_clear(&text);
	return result;
}

#define AUTH(mechanism, message)                                    \
	step(&(struct sasl){ 0 }, true, "auth", mechanism, message, \
	    sizeof(message) - 1)

static void
gives_an_anonymous_user_a_name(void **state UNUSED)
{
	char first[SASL_USER_MAX + 1];

	assert_int_equal(AUTH("ANONYMOUS", ""), SASL_SUCCESS);
	assert_true(outcome.anonymous);
	assert_true(strlen(outcome.user) >= 16);
	strcpy(first, outcome.user);
	assert_int_equal(AUTH("ANONYMOUS", "trace"), SASL_SUCCESS);
	assert_string_not_equal(outcome.user, first);
}

static void
takes_the_right_password(void **state UNUSED)
{
	assert_int_equal(AUTH("PLAIN", "\0alice\0wonder"), SASL_SUCCESS);
	assert_string_equal(outcome.user, "alice");
	assert_false(outcome.anonymous);
	assert_int_equal(AUTH("PLAIN", "alice@bosh.test\0ALICE\0wonder"),
	    SASL_SUCCESS);
	assert_string_equal(outcome.user, "alice");
	assert_int_equal(AUTH("PLAIN", "\0alice@bosh.test\0wonder"),
	    SASL_SUCCESS);
}

static void
says_the_same_of_a_wrong_password_and_of_no_such_user(void **state UNUSED)
{
	assert_int_equal(AUTH("PLAIN", "\0alice\0wrong"), SASL_FAILURE);
	assert_string_equal(outcome.failure, "not-authorized");
	assert_int_equal(AUTH("PLAIN", "\0bob\0wonder"), SASL_FAILURE);
	assert_string_equal(outcome.failure, "not-authorized");
	assert_int_equal(AUTH("PLAIN", "\0alice@other.test\0wonder"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "not-authorized");
}

static void
refuses_to_speak_for_another(void **state UNUSED)
{
	assert_int_equal(AUTH("PLAIN", "bob\0alice\0wonder"), SASL_FAILURE);
	assert_string_equal(outcome.failure, "invalid-authzid");
}

static void
refuses_a_malformed_message(void **state UNUSED)
{
	static const struct {
		const char *text;
		size_t len;
	} plain[] = { { "", 0 }, { "alice", 5 }, { "\0alice", 6 },
		{ "\0\0wonder", 8 }, { "\0alice\0", 7 },
		{ "\0alice\0won\0der", 14 } };

	for (size_t i = 1; i < ARRAY_LEN(plain); i++) {
		assert_int_equal(step(&(struct sasl){ 0 }, true, "auth",
		                     "PLAIN", plain[i].text, plain[i].len),
		    SASL_FAILURE);
		assert_string_equal(outcome.failure, "malformed-request");
	}
	assert_int_equal(AUTH("OAUTHBEARER", "n,a=alice"), SASL_FAILURE);
	assert_string_equal(outcome.failure, "malformed-request");
	assert_int_equal(AUTH("OAUTHBEARER", "p=x,,\1auth=Bearer x\1\1"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "malformed-request");
}

static void
takes_a_bearer(void **state UNUSED)
{
	assert_int_equal(AUTH("OAUTHBEARER",
	                     "n,a=alice@bosh.test,\1host=x\1auth=Bearer "
	                     "wonder\1\1"),
	    SASL_SUCCESS);
	assert_string_equal(outcome.user, "alice");
	assert_int_equal(AUTH("OAUTHBEARER",
	                     "n,a=alice,\1auth=Bearer wrong\1\1"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "not-authorized");
}

static void
asks_for_the_response_when_there_is_none(void **state UNUSED)
{
	struct sasl sasl = { 0 };

	assert_int_equal(step(&sasl, true, "auth", "PLAIN", NULL, 0),
	    SASL_CHALLENGE);
	assert_int_equal(step(&sasl, true, "response", "", "\0alice\0wonder",
	                     13),
	    SASL_SUCCESS);
	assert_int_equal(step(&sasl, true, "response", "", "x", 1),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "malformed-request");
}

static void
can_be_aborted(void **state UNUSED)
{
	struct sasl sasl = { 0 };

	step(&sasl, true, "auth", "PLAIN", NULL, 0);
	assert_int_equal(step(&sasl, true, "abort", "", NULL, 0), SASL_FAILURE);
	assert_string_equal(outcome.failure, "aborted");
	assert_int_equal(sasl.failures, 1);
}

static void
I7_takes_no_password_over_an_unsafe_way(void **state UNUSED)
{
	struct sasl_env with;
	struct buf out;

	assert_int_equal(step(&(struct sasl){ 0 }, false, "auth", "PLAIN",
	                     "\0alice\0wonder", 13),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "invalid-mechanism");
	buf_init(&out, 0);
	with = env(false);
	sasl_mechanisms(&with, &out);
	assert_null(strstr(out.data, "PLAIN"));
	assert_non_null(strstr(out.data, "ANONYMOUS"));
	buf_clear(&out);
}

static bool
offers(const char *mechanism)
{
	const struct sasl_env with = env(true);
	struct buf out;
	bool found;

	buf_init(&out, 0);
	sasl_mechanisms(&with, &out);
	found = strstr(out.data, mechanism) != NULL;
	buf_clear(&out);
	return found;
}

static void
offers_what_some_token_can_use(void **state UNUSED)
{
	conf.n_tokens = 0;
	assert_true(offers("ANONYMOUS"));
	assert_false(offers("PLAIN"));
	assert_false(offers("SCRAM"));
	conf.n_tokens = 1;
	assert_true(offers("PLAIN"));
	assert_true(offers("<mechanism>SCRAM-SHA-256</mechanism>"
	                   "<mechanism>SCRAM-SHA-1</mechanism>"
	                   "<mechanism>PLAIN</mechanism>"
	                   "<mechanism>ANONYMOUS</mechanism>"));
	assert_false(offers("OAUTHBEARER"));
	token.kind = TOKEN_JWT;
	assert_true(offers("OAUTHBEARER"));
	assert_false(offers("SCRAM"));
	token.kind = TOKEN_STATIC;
}

static void
offers_what_the_configuration_lists(void **state UNUSED)
{
	char plain[] = "PLAIN", scram[] = "SCRAM-SHA-1";
	char *list[] = { plain, scram };

	conf.bosh.mechanisms.list = list;
	conf.bosh.mechanisms.count = 2;
	assert_true(offers("'><mechanism>PLAIN</mechanism>"
	                   "<mechanism>SCRAM-SHA-1</mechanism></mechanisms>"));
	assert_int_equal(AUTH("ANONYMOUS", ""), SASL_FAILURE);
	assert_string_equal(outcome.failure, "invalid-mechanism");
	assert_int_equal(AUTH("PLAIN", "\0alice\0wonder"), SASL_SUCCESS);
	conf.bosh.mechanisms.count = 0;
}

/* ---- SCRAM ----------------------------------------------------------- */

#define NONCE "fyko+d2lbbFgONRv9qkxdawL"

static enum sasl_result
scram(const char *mechanism, const char *gs2, const char *bare,
    const char *password)
{
	struct sasl sasl = { 0 };
	struct buf first, last, wanted;
	enum sasl_result result;

	buf_init(&first, 0);
	buf_init(&last, 0);
	buf_init(&wanted, 0);
	buf_addf(&first, "%s%s", gs2, bare);
	result = step(&sasl, false, "auth", mechanism, first.data, first.len);
	if (result == SASL_CHALLENGE) {
		scram_client_final(strcmp(mechanism, "SCRAM-SHA-1") == 0 ?
		        CRYPTO_SHA1 :
		        CRYPTO_SHA256,
		    password, gs2, bare, outcome.text, &last, &wanted);
		result =
		    step(&sasl, false, "response", "", last.data, last.len);
		if (result == SASL_SUCCESS)
			assert_string_equal(outcome.text, wanted.data);
	}
	assert_null(sasl.exchange);
	buf_clear(&first);
	buf_clear(&last);
	buf_clear(&wanted);
	return result;
}

static void
I7_takes_the_proof_of_the_right_password(void **state UNUSED)
{
	assert_int_equal(scram("SCRAM-SHA-256", "n,,", "n=alice,r=" NONCE,
	                     "wonder"),
	    SASL_SUCCESS);
	assert_string_equal(outcome.user, "alice");
	assert_ptr_equal(outcome.grant.token, &token);
	assert_int_equal(scram("SCRAM-SHA-1", "y,a=alice,",
	                     "n=ALICE@bosh.test,r=" NONCE, "wonder"),
	    SASL_SUCCESS);
	assert_string_equal(outcome.user, "alice");
}

static void
I9_says_the_same_of_a_wrong_proof_and_of_a_stranger(void **state UNUSED)
{
	static const char *const names[] = { "n=alice,r=" NONCE,
		"n=bob,r=" NONCE, "n=a b,r=" NONCE,
		"n=alice@other.test,r=" NONCE };
	struct sasl sasl = { 0 };
	struct buf first;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_init(&first, 0);
		buf_addf(&first, "n,,%s", names[i]);
		assert_int_equal(step(&sasl, true, "auth", "SCRAM-SHA-256",
		                     first.data, first.len),
		    SASL_CHALLENGE);
		assert_int_equal(strlen(outcome.text),
		    strlen("r=" NONCE ",s=,i=4096") + 24 + 24);
		buf_clear(&first);
		assert_int_equal(scram("SCRAM-SHA-256", "n,,", names[i],
		                     "wrong"),
		    SASL_FAILURE);
		assert_string_equal(outcome.failure, "not-authorized");
	}
	sasl_clear(&sasl);
}

static void
I7_refuses_channel_binding_and_another_s_name(void **state UNUSED)
{
	assert_int_equal(scram("SCRAM-SHA-1", "p=tls-unique,,",
	                     "n=alice,r=" NONCE, "wonder"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "malformed-request");
	assert_int_equal(scram("SCRAM-SHA-1", "n,a=bob,", "n=alice,r=" NONCE,
	                     "wonder"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "invalid-authzid");
	assert_int_equal(AUTH("SCRAM-SHA-256-PLUS", "n,,n=alice,r=x"),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "invalid-mechanism");
}

static void
I8_an_exchange_can_be_aborted_and_begun_anew(void **state UNUSED)
{
	static const char first[] = "n,,n=alice,r=" NONCE;
	struct sasl sasl = { 0 };

	assert_int_equal(step(&sasl, true, "auth", "SCRAM-SHA-1", NULL, 0),
	    SASL_CHALLENGE);
	assert_string_equal(outcome.text, "");
	assert_int_equal(step(&sasl, true, "response", "", first,
	                     sizeof(first) - 1),
	    SASL_CHALLENGE);
	assert_int_equal(step(&sasl, true, "abort", "", NULL, 0), SASL_FAILURE);
	assert_string_equal(outcome.failure, "aborted");
	assert_int_equal(step(&sasl, true, "response", "", "x", 1),
	    SASL_FAILURE);
	assert_string_equal(outcome.failure, "malformed-request");
	assert_int_equal(step(&sasl, true, "auth", "SCRAM-SHA-1", first,
	                     sizeof(first) - 1),
	    SASL_CHALLENGE);
	assert_int_equal(step(&sasl, true, "auth", "PLAIN", "\0alice\0wonder",
	                     13),
	    SASL_SUCCESS);
	assert_null(sasl.exchange);
}

static void
refuses_bad_base64(void **state UNUSED)
{
	static const char text[] =
	    "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>a b</auth>";
	const struct sasl_env with = env(true);
	struct sasl sasl = { 0 };
	struct xml_error error;
	struct xml *root;

	assert_int_equal(xml_parse(reader, text, sizeof(text) - 1, false, &root,
	                     &error),
	    0);
	assert_int_equal(sasl_step(&sasl, &with, root, &outcome), SASL_FAILURE);
	assert_string_equal(outcome.failure, "incorrect-encoding");
	xml_free(root);
}

static void
hex_sha1(const char *text, char *out)
{
	unsigned char digest[20];

	crypto_sha1(text, strlen(text), digest);
	for (int i = 0; i < 20; i++)
		sprintf(out + 2 * i, "%02x", digest[i]);
}

static struct slice
slice(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

static void
test_F1_follows_a_chain_of_keys(void **state UNUSED)
{
	char chain[4][41], other[41];
	const struct slice none = { NULL, 0 };
	struct keys keys;

	hex_sha1("seed", chain[0]);
	for (int i = 1; i < 4; i++)
		hex_sha1(chain[i - 1], chain[i]);
	hex_sha1("0123456789012345678901234567890123456789", other);
	assert_true(keys_init(&keys, slice(chain[3])));
	assert_true(keys_check(&keys, slice(chain[2]), none));
	assert_false(keys_check(&keys, slice(chain[2]), none));
	assert_false(keys_check(&keys, none, none));
	assert_true(keys_check(&keys, slice(chain[1]), slice(other)));
	assert_false(keys_check(&keys, slice(chain[0]), none));
	assert_true(keys_check(&keys,
	    slice("0123456789012345678901234567890123456789"), none));
	assert_true(keys_init(&keys, none));
	assert_true(keys_check(&keys, slice("anything"), none));
	assert_false(keys_init(&keys, slice("no hash")));
}

static int
setup(void **state UNUSED)
{
	reader = xml_reader_create(&limits);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	logins_unref(logins);
	xml_reader_free(reader);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_an_anonymous_user_a_name),
		cmocka_unit_test(takes_the_right_password),
		cmocka_unit_test(
		    says_the_same_of_a_wrong_password_and_of_no_such_user),
		cmocka_unit_test(refuses_to_speak_for_another),
		cmocka_unit_test(refuses_a_malformed_message),
		cmocka_unit_test(takes_a_bearer),
		cmocka_unit_test(asks_for_the_response_when_there_is_none),
		cmocka_unit_test(can_be_aborted),
		cmocka_unit_test(I7_takes_no_password_over_an_unsafe_way),
		cmocka_unit_test(offers_what_some_token_can_use),
		cmocka_unit_test(offers_what_the_configuration_lists),
		cmocka_unit_test(I7_takes_the_proof_of_the_right_password),
		cmocka_unit_test(
		    I9_says_the_same_of_a_wrong_proof_and_of_a_stranger),
		cmocka_unit_test(I7_refuses_channel_binding_and_another_s_name),
		cmocka_unit_test(I8_an_exchange_can_be_aborted_and_begun_anew),
		cmocka_unit_test(refuses_bad_base64),
		cmocka_unit_test(test_F1_follows_a_chain_of_keys),
	};

	return cmocka_run_group_tests_name("sasl", tests, setup, teardown);
}
