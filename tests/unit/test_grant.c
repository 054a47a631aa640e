#include "common/base/auth.h"

#include <string.h>

#include "common/base/auth_scram.h"
#include "common/base/text.h"
#include "tests/unit/conf_fixture.h"

/* What a credential allows, kept and read again. */

static const char all[] =
    "user \"ann\" { password = wonder publish = {\"a.*\"} }\n"
    "user \"bob\" { password = other subscribe = {} }\n"
    "token \"shop\" { secret = x subscribe = {\"s.*\"} }\n"
    "channels \"a.*\" { publish = token subscribe = token }\n"
    "channels \"s.*\" { publish = token subscribe = token }\n"
    "channels \"free\" { publish = anyone }\n"
    "channels \"shut\" { subscribe = none }\n";

static struct auth_grant
grant_of(const struct conf *conf, const char *user, const char *token)
{
	struct auth_grant grant = { 0 };

	if (user != NULL)
		grant.user = conf_user(conf, user);
	if (token != NULL)
		grant.token = conf_token(conf, token);
	return grant;
}

TEST(a_user_may_what_the_class_and_the_patterns_say)
{
	struct conf *conf = load(all);
	struct auth_grant ann = grant_of(conf, "ann", NULL);
	struct auth_grant bob = grant_of(conf, "bob", NULL);
	struct auth_grant shop = grant_of(conf, NULL, "shop");

	assert_true(auth_user_may_publish(conf, &ann, "a.1", 1));
	assert_false(auth_user_may_publish(conf, &ann, "s.1", 1));
	assert_false(auth_user_may_publish(conf, &bob, "a.1", 1));
	assert_true(auth_user_may_publish(conf, &shop, "a.1", 1));
	assert_false(auth_user_may_publish(conf, NULL, "a.1", 1));
	assert_true(auth_user_may_publish(conf, NULL, "free", 1));
	assert_false(auth_user_may_publish(conf, &ann, "other", 1));
	assert_true(auth_user_may_subscribe(conf, &ann, "s.1", 1));
	assert_false(auth_user_may_subscribe(conf, &bob, "s.1", 1));
	assert_true(auth_user_may_subscribe(conf, &shop, "s.1", 1));
	assert_false(auth_user_may_subscribe(conf, &shop, "a.1", 1));
	assert_true(auth_user_may_subscribe(conf, NULL, "other", 1));
	assert_false(auth_user_may_subscribe(conf, &ann, "shut", 1));
	conf_free(conf);
}

TEST(a_grant_allows_nothing_once_its_time_is_over)
{
	struct conf *conf = load(all);
	struct auth_grant ann = grant_of(conf, "ann", NULL);

	ann.expires_ms = 1000;
	assert_true(auth_user_may_publish(conf, &ann, "a.1", 999));
	assert_false(auth_user_may_publish(conf, &ann, "a.1", 1000));
	assert_false(auth_user_may_subscribe(conf, &ann, "a.1", 1000));
	conf_free(conf);
}

TEST(a_stored_grant_is_the_same_when_it_is_read)
{
	struct conf *conf = load(all);
	struct auth_grant read, grant = grant_of(conf, NULL, "shop");
	struct buf text;
	const char *why;

	grant.expires_ms = 5000;
	strcpy(grant.subject, "a tab\there");
	buf_init(&text, 0);
	auth_grant_write(&grant, &text);
	assert_null(memchr(text.data, '\n', text.len));
	assert_int_equal(auth_grant_read(conf, text.data, text.len, 4999, &read,
	                     &why),
	    ERR_OK);
	assert_ptr_equal(read.token, grant.token);
	assert_null(read.user);
	assert_string_equal(read.subject, "a tab\there");
	assert_int_equal(read.expires_ms, 5000);
	assert_int_equal(auth_grant_read(conf, text.data, text.len, 5000, &read,
	                     &why),
	    ERR_AUTH);
	assert_string_equal(why, "its time is over");
	for (size_t len = 0; len + strlen("a tab\there") < text.len; len++)
		assert_int_equal(auth_grant_read(conf, text.data, len, 0, &read,
		                     &why),
		    ERR_AUTH);
	buf_clear(&text);
	conf_free(conf);
}

static void
assert_renewed(const char *text, const char *user, enum err wanted)
{
	struct conf *old = load(all), *conf = load(text);
	struct auth_grant grant = grant_of(old, user, NULL);
	const char *why = "";

	assert_int_equal(auth_grant_renew(conf, 1, &grant, &why), wanted);
	if (wanted == ERR_OK)
		assert_ptr_equal(grant.user, conf_user(conf, user));
	else
		assert_ptr_equal(grant.user, conf_user(old, user));
	conf_free(old);
	conf_free(conf);
}

TEST(a_grant_ends_with_its_user_or_with_another_password)
{
	assert_renewed(all, "ann", ERR_OK);
	assert_renewed("user \"ann\" { password = wonder publish = {} }", "ann",
	    ERR_OK);
	assert_renewed("user \"ann\" { password = Wonder }", "ann", ERR_AUTH);
	assert_renewed("user \"bob\" { password = wonder }", "ann", ERR_AUTH);
	assert_renewed("token \"ann\" { secret = wonder }", "ann", ERR_AUTH);
}

/* RFC 7677 §3: user `user`, password `pencil`; keys by RFC 5802 §3. */
TEST(what_proves_a_password_is_made_and_read)
{
	static const char line[] =
	    "4096:W22ZaJ0SNY7soEsUEjb6gQ==:"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
	struct auth_scram scram;
	struct buf out;

	buf_init(&out, 0);
	assert_true(auth_scram_parse(CRYPTO_SHA256, line, &scram));
	assert_int_equal(scram.iterations, 4096);
	memset(scram.stored, 0, sizeof scram.stored);
	memset(scram.server, 0, sizeof scram.server);
	auth_scram_derive(CRYPTO_SHA256, "pencil", 6, &scram);
	auth_scram_write(CRYPTO_SHA256, &scram, &out);
	assert_string_equal(out.data, line);
	assert_false(auth_scram_parse(CRYPTO_SHA1, line, &scram));
	buf_clear(&out);
}

TEST(a_bad_line_is_not_read)
{
	static const char *const bad[] = { "", "4096", "4096:", "4096::::",
		"4095:W22ZaJ0SNY7soEsUEjb6gQ==:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		"D+CSWLOshSulAsxiupA+qs2/fTE=",
		"4096:QSXCR+Q6sek8bf92:6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
		"4096:QSXCR+Q6sek8bf92:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		"D+CSWLOshSulAsxiupA+qs2/fTE=:",
		"4096:QSXCR:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		"D+CSWLOshSulAsxiupA+qs2/fTE=",
		"4096:QQ==:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		"D+CSWLOshSulAsxiupA+qs2/fTE=" };
	struct auth_scram scram;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(auth_scram_parse(CRYPTO_SHA1, bad[i], &scram));
	assert_true(auth_scram_parse(CRYPTO_SHA1,
	    "4096:QSXCR+Q6sek8bf92:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
	    "D+CSWLOshSulAsxiupA+qs2/fTE=",
	    &scram));
}

TEST(a_user_needs_a_password_or_its_proof)
{
	assert_faults("user \"a\" { }",
	    "FILE:1: user \"a\" needs a password, a password-file or "
	    "scram-sha-256\n");
	assert_faults("user \"a@b\" { password = x }",
	    "FILE:1: user \"a@b\": a name is 1 to 255 bytes without control "
	    "characters, spaces and \"&'/:<>@\n");
	assert_faults("user \"a\" { password = x }\n"
	              "token \"a\" { secret = y }",
	    "FILE:1: user \"a\": there is a token of that name\n");
	assert_faults("user \"a\" {\nscram-sha-256 = x\n}",
	    "FILE:2: scram-sha-256: must be ITERATIONS:SALT:STORED-KEY:"
	    "SERVER-KEY, 4096 to 100000 iterations and the rest in base64, as "
	    "`waft user` makes it\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_user_may_what_the_class_and_the_patterns_say),
		cmocka_unit_test(a_grant_allows_nothing_once_its_time_is_over),
		cmocka_unit_test(a_stored_grant_is_the_same_when_it_is_read),
		cmocka_unit_test(
		    a_grant_ends_with_its_user_or_with_another_password),
		cmocka_unit_test(what_proves_a_password_is_made_and_read),
		cmocka_unit_test(a_bad_line_is_not_read),
		cmocka_unit_test(a_user_needs_a_password_or_its_proof),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
