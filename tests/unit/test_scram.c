#include "bosh/scram.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/scram_client.h"
#include "tests/unit/unit.h"

static struct slice
slice(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

static struct auth_scram
keys_of(enum crypto_hash hash, const char *salt)
{
	struct auth_scram keys = { .iterations = 4096 };
	struct buf raw;

	buf_init(&raw, 0);
	assert_true(text_base64_decode(salt, strlen(salt), &raw));
	memcpy(keys.salt, raw.data, raw.len);
	keys.salt_len = raw.len;
	auth_scram_derive(hash, "pencil", 6, &keys);
	buf_clear(&raw);
	return keys;
}

struct vector {
	enum crypto_hash hash;
	const char *salt, *nonce, *first, *challenge, *last, *wanted;
};

#define SHA1_NONCE   "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define SHA256_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

static const struct vector vectors[] = {
	/* RFC 5802 §5 */
	{ CRYPTO_SHA1, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j",
	    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	    "r=" SHA1_NONCE ",s=QSXCR+Q6sek8bf92,i=4096",
	    "c=biws,r=" SHA1_NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	/* RFC 7677 §3 */
	{ CRYPTO_SHA256,
	    "W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	    "r=" SHA256_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	    "c=biws,r=" SHA256_NONCE
	    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static struct scram *
begin(const struct vector *vector)
{
	struct auth_scram keys = keys_of(vector->hash, vector->salt);
	struct scram_first first;

	assert_true(scram_read_first(slice(vector->first), &first));
	assert_string_equal(first.user, "user");
	assert_string_equal(first.authzid, "");
	return scram_create(vector->hash, &first, &keys, vector->nonce);
}

TEST(the_examples_of_the_rfcs_pass)
{
	char final[SCRAM_FINAL_MAX];
	struct scram *scram;

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		scram = begin(&vectors[i]);
		assert_string_equal(scram_challenge(scram),
		    vectors[i].challenge);
		assert_int_equal(scram_finish(scram, slice(vectors[i].last),
		                     final),
		    SCRAM_OK);
		assert_string_equal(final, vectors[i].wanted);
		scram_free(scram);
	}
}

TEST(any_altered_byte_of_the_last_message_is_refused)
{
	char final[SCRAM_FINAL_MAX], *copy;
	struct scram *scram;

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		scram = begin(&vectors[i]);
		copy = xstrdup(vectors[i].last);
		for (size_t at = 0; at < strlen(copy); at++) {
			copy[at] ^= 1;
			assert_int_not_equal(scram_finish(scram, slice(copy),
			                         final),
			    SCRAM_OK);
			copy[at] ^= 1;
			assert_int_not_equal(scram_finish(scram,
			                         (struct slice){ copy, at },
			                         final),
			    SCRAM_OK);
		}
		free(copy);
		scram_free(scram);
	}
}

TEST(a_first_message_is_taken_apart)
{
	struct scram_first first;

	assert_true(
	    scram_read_first(slice("y,a=b=2Cc,n=x=3Dy=2C,r=nonce,e=more,f=1"),
	        &first));
	assert_string_equal(first.user, "x=y,");
	assert_string_equal(first.authzid, "b,c");
	assert_int_equal(first.gs2.len, strlen("y,a=b=2Cc,"));
	assert_int_equal(first.nonce.len, 5);
}

/* No channel binding (`p`), nothing mandatory (`m`), no bad saslname. */
TEST(a_bad_first_message_is_refused)
{
	static const char *const bad[] = { "", "n", "n,", "n,,", "n,,n=a",
		"n,,n=,r=b", "n,,n=a,r=", "n,,r=b,n=a", "x,,n=a,r=b",
		"p=tls-exporter,,n=a,r=b", "p,,n=a,r=b", "n,,m=x,n=a,r=b",
		"n,b=c,n=a,r=b", "n,a=,n=a,r=b", "n,,n=a=2,r=b",
		"n,,n=a=2c,r=b", "n,,n=a=,r=b", "n,,n=\xff,r=b", "n,,n=a,r=b c",
		"n,,n=a,r=b\x7f", "n,,n=a,r=b,", "n,,n=a,r=b,1=c",
		"n,,n=a,r=b,ext" };
	struct scram_first first;
	struct buf text;
	char *guarded;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		guarded = unit_guard(bad[i], strlen(bad[i]));
		assert_false(
		    scram_read_first((struct slice){ guarded, strlen(bad[i]) },
		        &first));
		unit_unguard(guarded, strlen(bad[i]));
	}
	buf_init(&text, 0);
	buf_adds(&text, "n,,n=a,r=");
	for (int i = 0; i <= SCRAM_NONCE_MAX; i++)
		buf_addc(&text, 'x');
	assert_false(
	    scram_read_first((struct slice){ text.data, text.len }, &first));
	assert_true(scram_read_first((struct slice){ text.data, text.len - 1 },
	    &first));
	buf_clear(&text);
}

TEST(a_bad_last_message_is_refused)
{
#define PROOF "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
	static const struct {
		const char *text;
		enum scram_result wanted;
	} bad[] = {
		{ "", SCRAM_MALFORMED },
		{ PROOF, SCRAM_MALFORMED },
		{ "," PROOF, SCRAM_MALFORMED },
		{ "c=biws," PROOF, SCRAM_MALFORMED },
		{ "r=" SHA1_NONCE ",c=biws," PROOF, SCRAM_MALFORMED },
		{ "c=biws,r=" SHA1_NONCE, SCRAM_MALFORMED },
		{ "c=biws,r=" SHA1_NONCE ",p=", SCRAM_MALFORMED },
		{ "c=biws,r=" SHA1_NONCE ",p=AAAA", SCRAM_MALFORMED },
		{ "c=biws,r=" SHA1_NONCE ",p=!", SCRAM_MALFORMED },
		{ "c=biws,r=" SHA1_NONCE ",x," PROOF, SCRAM_MALFORMED },
		{ "c=eSws,r=" SHA1_NONCE "," PROOF, SCRAM_WRONG },
		{ "c=biws,r=other," PROOF, SCRAM_WRONG },
		{ "c=biws,r=" SHA1_NONCE ",x=y," PROOF, SCRAM_WRONG },
	};
	struct scram *scram = begin(&vectors[0]);
	char final[SCRAM_FINAL_MAX];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(scram_finish(scram, slice(bad[i].text), final),
		    bad[i].wanted);
	assert_int_equal(scram_finish(scram, (struct slice){ NULL, 0 }, final),
	    SCRAM_MALFORMED);
	scram_free(scram);
}

/* What is proved includes the header: no one can make `y` an `n`. */
TEST(the_header_is_part_of_the_proof)
{
	static const char text[] = "y,a=user,n=user,r=abc";
	struct auth_scram keys = keys_of(CRYPTO_SHA256, "QSXCR+Q6sek8bf92");
	char final[SCRAM_FINAL_MAX];
	struct scram_first first;
	struct buf last, wanted;
	struct scram *scram;

	buf_init(&last, 0);
	buf_init(&wanted, 0);
	assert_true(scram_read_first(slice(text), &first));
	scram = scram_create(CRYPTO_SHA256, &first, &keys, "def");
	scram_client_final(CRYPTO_SHA256, "pencil", "n,a=user,", "n=user,r=abc",
	    scram_challenge(scram), &last, &wanted);
	assert_int_equal(scram_finish(scram, slice(last.data), final),
	    SCRAM_WRONG);
	buf_reset(&last);
	buf_reset(&wanted);
	scram_client_final(CRYPTO_SHA256, "pencil", "y,a=user,", "n=user,r=abc",
	    scram_challenge(scram), &last, &wanted);
	assert_int_equal(scram_finish(scram, slice(last.data), final),
	    SCRAM_OK);
	assert_string_equal(final, wanted.data);
	scram_free(scram);
	buf_clear(&last);
	buf_clear(&wanted);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_the_rfcs_pass),
		cmocka_unit_test(
		    any_altered_byte_of_the_last_message_is_refused),
		cmocka_unit_test(a_first_message_is_taken_apart),
		cmocka_unit_test(a_bad_first_message_is_refused),
		cmocka_unit_test(a_bad_last_message_is_refused),
		cmocka_unit_test(the_header_is_part_of_the_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
