#include "bosh/login.h"

#include <string.h>

#include "tests/unit/conf_fixture.h"

#define HASHED                                                               \
	"5000:W22ZaJ0SNY7soEsUEjb6gQ==:WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLm" \
	"tbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static struct logins *
make(const struct conf *conf, const struct logins *old, int bad)
{
	struct logins *logins;
	int found;

	logins = logins_create(conf, old, &found);
	assert_int_equal(found, bad);
	return logins;
}

TEST(users_and_tokens_log_in_by_password)
{
	struct conf *conf = load("user \"Ann\" { password = wonder }\n"
	                         "token \"bob\" { secret = builder }\n");
	struct logins *logins = make(conf, NULL, 0);
	struct auth_scram keys;

	assert_ptr_equal(logins_password(logins, "ann", "wonder")->user,
	    &conf->users[0]);
	assert_ptr_equal(logins_password(logins, "bob", "builder")->token,
	    &conf->tokens[0]);
	assert_null(logins_password(logins, "ann", "wondeR"));
	assert_null(logins_password(logins, "ann", ""));
	assert_null(logins_password(logins, "Ann", "wonder"));
	assert_null(logins_password(logins, "", ""));
	assert_null(logins_password(logins, "eve", "wonder"));
	assert_non_null(logins_scram(logins, "ann", CRYPTO_SHA1, &keys));
	assert_non_null(logins_scram(logins, "bob", CRYPTO_SHA256, &keys));
	assert_true(logins_have(logins, CRYPTO_SHA1));
	logins_unref(logins);
	conf_free(conf);
}

TEST(a_hash_stands_for_a_password)
{
	struct conf *conf =
	    load("user \"user\" { scram-sha-256 = \"4096:W22ZaJ0SNY7soEsUEjb6gQ"
	         "==:WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWh"
	         "TAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\" }\n"
	         "user \"ann\" { password = wonder }\n");
	struct logins *logins = make(conf, NULL, 0);
	struct auth_scram keys;

	assert_non_null(logins_password(logins, "user", "pencil"));
	assert_null(logins_password(logins, "user", "pencils"));
	assert_non_null(logins_password(logins, "ann", "wonder"));
	assert_null(logins_password(logins, "eve", "pencil"));
	assert_null(logins_scram(logins, "user", CRYPTO_SHA1, &keys));
	assert_non_null(logins_scram(logins, "user", CRYPTO_SHA256, &keys));
	assert_true(logins_have(logins, CRYPTO_SHA256));
	assert_false(logins_have(logins, CRYPTO_SHA1));
	logins_unref(logins);
	conf_free(conf);
}

/* I9: the salt of a stranger is always the same, and of the usual shape. */
TEST(a_stranger_looks_like_one_who_is_there)
{
	struct conf *conf =
	    load("user \"a\" { scram-sha-256 = \"" HASHED "\" }\n");
	struct logins *logins = make(conf, NULL, 0), *again;
	struct auth_scram keys, other;

	again = make(conf, NULL, 0);
	assert_null(logins_scram(logins, "eve", CRYPTO_SHA256, &keys));
	assert_int_equal(keys.iterations, 5000);
	assert_int_equal(keys.salt_len, 16);
	assert_null(logins_scram(again, "eve", CRYPTO_SHA256, &other));
	assert_memory_equal(&keys, &other, sizeof keys);
	assert_null(logins_scram(logins, "mallory", CRYPTO_SHA256, &other));
	assert_memory_not_equal(keys.salt, other.salt, 16);
	logins_unref(logins);
	logins_unref(again);
	conf_free(conf);
}

TEST(a_salt_stays_when_others_change)
{
	struct conf *conf = load("user \"a\" { password = x }\n");
	struct conf *more = load("user \"a\" { password = x }\n"
	                         "user \"b\" { password = y }\n");
	struct logins *logins = make(conf, NULL, 0), *grown;
	struct auth_scram before, after;

	logins_scram(logins, "a", CRYPTO_SHA256, &before);
	grown = make(more, logins, 0);
	logins_scram(grown, "a", CRYPTO_SHA256, &after);
	assert_memory_equal(&before, &after, sizeof before);
	logins_unref(logins);
	logins_unref(grown);
	conf_free(conf);
	conf_free(more);
}

TEST(a_password_is_prepared)
{
	/* RFC 4013 §3: a soft hyphen goes, a no-break space is a space. */
	struct conf *conf = load("user \"a\" { password = \"I\u00adX y\" }\n");
	struct logins *logins = make(conf, NULL, 0);

	assert_non_null(logins_password(logins, "a", "IX\u00a0y"));
	assert_null(logins_password(logins, "a", "ix y"));
	assert_null(logins_password(logins, "a", "IX y\a"));
	logins_unref(logins);
	conf_free(conf);
}

TEST(those_who_cannot_be_are_left_out)
{
	struct conf *conf = load("user \"a\" { password = x }\n"
	                         "user \"A\" { password = y }\n"
	                         "user \"b\" { password = \"z\\x7f\" }\n"
	                         "token \"not a node\" { secret = w }\n");
	struct logins *logins = make(conf, NULL, 2);

	assert_non_null(logins_password(logins, "a", "x"));
	assert_null(logins_password(logins, "a", "y"));
	assert_null(logins_password(logins, "b", "z\x7f"));
	logins_unref(logins);
	conf_free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_and_tokens_log_in_by_password),
		cmocka_unit_test(a_hash_stands_for_a_password),
		cmocka_unit_test(a_stranger_looks_like_one_who_is_there),
		cmocka_unit_test(a_salt_stays_when_others_change),
		cmocka_unit_test(a_password_is_prepared),
		cmocka_unit_test(those_who_cannot_be_are_left_out),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
