#include "common/base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/conf_options.h"
#include "common/base/mem.h"
#include "tests/unit/conf_fixture.h"

/* ---- defaults --------------------------------------------------------- */

TEST(every_default_is_valid_and_in_bounds)
{
	const struct conf_option *o;
	char *place = xcalloc(1, sizeof(struct conf));
	struct buf why;

	buf_init(&why, 0);
	for (o = conf_options; o->name != NULL; o++) {
		if (o->def == NULL)
			continue;
		if (!conf_value_set_text(o, place, o->def, &why))
			fail_msg("%s.%s: %s", o->section, o->name, why.data);
		conf_value_clear(o, place);
		memset(place, 0, sizeof(struct conf));
	}
	free(place);
}

TEST(an_empty_file_works_on_loopback)
{
	struct conf *conf = load("");

	assert_int_equal(conf->n_components, 0);
	assert_int_equal(conf->log_level, LOG_INFO);
	assert_string_equal(conf->store.engine, "sqlite");
	assert_string_equal(conf->store.path, "./waft.db");
	assert_int_equal(conf->store.publish_timeout_ms, 5000);
	assert_int_equal(conf->store.tail_size, 16 << 20);
	assert_int_equal(conf->bosh.listen.count, 1);
	assert_string_equal(conf->bosh.listen.list[0], "127.0.0.1:7999");
	assert_string_equal(conf->bosh.control, "127.0.0.1:5561");
	assert_true(conf->bosh.assume_secure);
	assert_true(conf->bosh.anonymous);
	assert_int_equal(conf->control.auth, AUTH_NONE);
	assert_int_equal(conf->http.pipeline_max, 16);
	assert_int_equal(conf->n_classes, 1);
	assert_string_equal(conf->classes[0].pattern, "*");
	assert_int_equal(conf->classes[0].history_items, 100);
	assert_int_equal(conf->classes[0].history_age_ms, 3600000);
	assert_int_equal(conf->classes[0].subscribe, ACCESS_ANYONE);
	assert_int_equal(conf->classes[0].publish, ACCESS_NONE);
	conf_free(conf);
}

TEST(a_component_fills_in_what_it_can)
{
	struct conf *conf =
	    load("component \"Push.Example.org\" { secret = s }\n"
	         "component \"lan\" { server = \"[::1]:5348\" secret = t }\n");
	struct conf_component *c = conf->components;

	assert_int_equal(conf->n_components, 2);
	assert_string_equal(c[0].domain, "push.example.org");
	assert_string_equal(c[0].ping, "example.org");
	assert_string_equal(c[0].host, "127.0.0.1");
	assert_int_equal(c[0].port, 5347);
	assert_int_equal(c[0].window_stanzas, 1000);
	assert_string_equal(c[0].control, "127.0.0.1:5562");
	assert_string_equal(c[1].host, "::1");
	assert_int_equal(c[1].port, 5348);
	assert_string_equal(c[1].ping, "lan");
	conf_free(conf);
}

TEST(plain_is_assumed_secure_on_loopback_alone)
{
	struct conf *conf;

	conf = load("bosh { listen = {\"127.0.0.1:1\", \"0.0.0.0:1\"} }");
	assert_int_equal(conf->bosh.listen.count, 2);
	assert_false(conf->bosh.assume_secure);
	conf_free(conf);
	conf = load("bosh { listen = {\"0.0.0.0:1\"} assume-secure = yes }");
	assert_true(conf->bosh.assume_secure);
	conf_free(conf);
}

/* ---- reading ---------------------------------------------------------- */

TEST(the_first_class_that_matches_decides)
{
	struct conf *conf = load("channels \"news.*\" { iq = yes }\n"
	                         "channels \"n*\" { notify = raw }\n");

	assert_int_equal(conf->n_classes, 3);
	assert_ptr_equal(conf_class(conf, "news.x"), &conf->classes[0]);
	assert_ptr_equal(conf_class(conf, "nemo"), &conf->classes[1]);
	assert_ptr_equal(conf_class(conf, "other"), &conf->classes[2]);
	assert_string_equal(conf->classes[2].pattern, "*");
	conf_free(conf);
}

TEST(tokens_have_keys_secrets_and_files)
{
	char *secret = put("secret", "from-file\n");
	char *text = xasprintf(
	    "token \"a\" { secret-file = \"%s\" publish = {} }\n"
	    "token \"b\" { kind = basic secret = \"x y\" }\n"
	    "token \"c\" { kind = jwt key = \"base64:AAEC\" prefix = yes }\n",
	    secret);
	struct conf *conf = load(text);

	assert_int_equal(conf->n_tokens, 3);
	assert_string_equal(conf->tokens[0].secret, "from-file");
	assert_int_equal(conf->tokens[0].publish.count, 0);
	assert_int_equal(conf->tokens[0].subscribe.count, 1);
	assert_string_equal(conf->tokens[0].issuer, "a");
	assert_string_equal(conf->tokens[1].secret, "x y");
	assert_int_equal(conf->tokens[2].key.len, 3);
	assert_memory_equal(conf->tokens[2].key.data, "\0\1\2", 3);
	assert_string_equal(conf->tokens[2].alg, "HS256");
	assert_true(conf->tokens[2].prefix);
	assert_ptr_equal(conf_token(conf, "b"), &conf->tokens[1]);
	assert_null(conf_token(conf, "B"));
	conf_free(conf);
	free(text);
	free(secret);
}

TEST(includes_stand_beside_the_including_file)
{
	char *folder = xasprintf("%s/conf.d", dir), *name;
	struct conf *conf;
	int i;

	assert_int_equal(mkdir(folder, 0700), 0);
	/* More than the scanner itself could stack. */
	for (i = 10; i < 30; i++) {
		char *text = xasprintf("channels \"c%d\" { }\n"
		                       "store { path = \"p%d\" }\n",
		    i, i);

		name = xasprintf("conf.d/%d.conf", i);
		free(put(name, text));
		free(name);
		free(text);
	}
	conf = load("include(\"conf.d/*.conf\")\nchannels \"first\" { }\n"
	            "store { wal-size = 2M }\ninclude(\"none/*.conf\")\n");
	assert_int_equal(conf->n_classes, 22);
	assert_string_equal(conf->classes[0].pattern, "first");
	assert_string_equal(conf->classes[20].pattern, "c29");
	assert_string_equal(conf->store.path, "p29");
	assert_int_equal(conf->store.wal_size, 2 << 20);
	conf_free(conf);
	free(put("conf.d/15.conf", "\nstore { pth = x }"));
	name = xasprintf("%s/conf.d/15.conf:2: no such option \"pth\" (did "
	                 "you mean \"path\"?)\n",
	    dir);
	assert_faults("include(\"conf.d/15.conf\")", name);
	free(name);
	free(folder);
}

TEST(sets_change_options_in_order)
{
	static const char *const sets[] = { "store.path=a", "store.path=b=c",
		"bosh.listen=127.0.0.1:0,[::1]:0", "component.secret=x",
		"push.example.org.ping=y.z", "news.history-items=5",
		"channels.iq=yes", "bosh.origins=" };
	struct conf *conf;

	conf = load_set("component \"push.example.org\" { }\n"
	                "channels \"news\" { }\nchannels \"*\" { }",
	    sets, 6);
	assert_string_equal(conf->store.path, "b=c");
	assert_int_equal(conf->bosh.listen.count, 2);
	assert_string_equal(conf->bosh.listen.list[1], "[::1]:0");
	assert_string_equal(conf->components[0].secret, "x");
	assert_string_equal(conf->components[0].ping, "y.z");
	assert_int_equal(conf->classes[0].history_items, 5);
	assert_int_equal(conf->classes[1].history_items, 100);
	conf_free(conf);
	conf = load_set("", sets + 6, 2);
	assert_true(conf->classes[0].iq);
	assert_int_equal(conf->bosh.origins.count, 0);
	conf_free(conf);
}

TEST(bad_sets_are_named)
{
	static const char *const sets[] = { "store", "stor.path=x",
		"store.pth=x", "component.secret=x", "channels.iq=yes",
		"bosh.workers=many" };

	assert_faults_set("channels \"a\" { }\nchannels \"*\" { }", sets,
	    ARRAY_LEN(sets),
	    "--set store: must be SECTION.OPTION=VALUE\n"
	    "--set stor.path: no section \"stor\" (did you mean \"store\"?)\n"
	    "--set store.pth: no such option \"pth\" (did you mean "
	    "\"path\"?)\n"
	    "--set component.secret: no section \"component\" in the "
	    "configuration\n"
	    "--set channels.iq: more than one section: say its title\n"
	    "--set bosh.workers: workers: \"many\" is no number\n");
}

/* ---- faults ----------------------------------------------------------- */

TEST(unknown_names_get_the_nearest_one)
{
	assert_faults("component \"a.b\" {\n  sever = \"1.2.3.4:1\"\n}",
	    "FILE:2: no such option \"sever\" (did you mean \"server\"?)\n");
	assert_faults("\nstroe { }",
	    "FILE:2: no such section \"stroe\" (did you mean \"store\"?)\n");
	assert_faults("store { quux = 1 }",
	    "FILE:1: no such option \"quux\"\n");
}

TEST(broken_text_is_refused_and_the_next_file_is_read)
{
	assert_faults("store { path = {\"a\", \"b\"} }",
	    "FILE:1: unexpected token '{'\n");
	assert_faults("store {\n path = \"x",
	    "FILE:2: premature end of file\n");
	assert_faults("store { path = 'x",
	    "FILE:1: unterminated string constant\n");
	assert_faults("store { }\n/* bosh { }",
	    "FILE: a comment has no end: */ is missing\n");
	assert_faults("store {\n path = x", "FILE:2: premature end of file\n");
	conf_free(load("store { } # the end"));
	assert_faults("token \"a\" { secret = x }\ntoken \"a\" { }",
	    "FILE:2: found duplicate title 'a'\n");
	conf_free(load("store { path = \"x\" }"));
}

TEST(each_wrong_value_is_a_line)
{
	assert_faults("store {\n"
	              "  duplicate-ttl = 10\n"
	              "  tail-size = 1X\n"
	              "  engine = sqlit\n"
	              "  path = \"\"\n"
	              "  publish-timeout = 1h\n"
	              "}\n"
	              "bosh {\n"
	              "  demo = maybe\n"
	              "  listen = { \"localhost\" }\n"
	              "  max-hold = 9\n"
	              "  origins = { \"www.example.org\" }\n"
	              "}\n",
	    "FILE:4: engine: \"sqlit\" is none of sqlite, memory (did you "
	    "mean \"sqlite\"?)\n"
	    "FILE:5: path: is empty\n"
	    "FILE:6: publish-timeout: must be from 100ms to 5m\n"
	    "FILE:2: duplicate-ttl: \"10\" is no duration (such as 500ms, "
	    "55s, 10m, 24h, 7d)\n"
	    "FILE:3: tail-size: \"1X\" is no size (such as 512, 64K, 1M, "
	    "2G)\n"
	    "FILE:10: listen: \"localhost\" is no address to listen on (such "
	    "as 127.0.0.1:7999, [::]:7999)\n"
	    "FILE:11: max-hold: must be from 1 to 4\n"
	    "FILE:12: origins: \"www.example.org\" is no origin (such as "
	    "https://www.example.org, or * for any)\n"
	    "FILE:9: demo: \"maybe\" is neither yes nor no\n"
	    "FILE:10: listen: needs an address, or tls-listen does\n");
}

TEST(components_must_be_safe_and_whole)
{
	assert_faults("component \"a..b\" { secret = x }",
	    "FILE:1: component \"a..b\" is no domain name\n");
	assert_faults("component \"a.b\" { }",
	    "FILE:1: component \"a.b\" needs a secret or a secret-file\n");
	assert_faults("component \"a.b\" { secret = x secret-file = /no }",
	    "FILE:1: secret-file: cannot read /no: No such file or directory\n"
	    "FILE:1: secret and secret-file: give one of them\n"
	    "FILE:1: component \"a.b\" needs a secret or a secret-file\n");
	assert_faults("component \"a.b\" {\n server = \"x.lan:5347\"\n"
	              " secret = x }",
	    "FILE:2: server: x.lan is not this machine and the link is not "
	    "encrypted; if its network can be trusted say allow-plain = "
	    "yes\n");
	conf_free(load("component \"a.b\" { server = \"x.lan:5347\" secret = x "
	               "allow-plain = yes }"));
	assert_faults("component \"a.b\" { secret = x }\n"
	              "bosh { domain = A.b }",
	    "FILE:2: domain: must not be that of a component\n");
}

TEST(a_control_api_off_loopback_needs_auth)
{
	assert_faults("bosh {\n control = \"0.0.0.0:5561\" }",
	    "FILE:2: control: 0.0.0.0:5561 can be reached from elsewhere; "
	    "that needs control { auth = token }\n");
	assert_faults("component \"a.b\" { secret = x\n"
	              " control = \"[::]:5562\" }",
	    "FILE:2: control: [::]:5562 can be reached from elsewhere; that "
	    "needs control { auth = token }\n");
	assert_faults("control { auth = token }",
	    "FILE:1: auth: token needs at least one section token \"NAME\" { "
	    "... }\n");
	conf_free(load("bosh { control = \"0.0.0.0:5561\" }\n"
	               "control { auth = token }\n"
	               "token \"a\" { secret = x }"));
}

TEST(a_token_must_have_what_its_kind_needs)
{
	assert_faults("token \"a\" { kind = basic }",
	    "FILE:1: token \"a\" needs a secret or a secret-file (or kind = "
	    "jwt and a key)\n");
	assert_faults("token \"a\" { kind = jwt secret = x }",
	    "FILE:1: token \"a\" is a jwt and needs a key or a key-file\n");
	assert_faults("token \"a\" { kind = jwt alg = RS256 key = x }",
	    "FILE:1: token \"a\": its key is no public key in PEM (-----BEGIN "
	    "PUBLIC KEY-----)\n");
	assert_faults("token \"a\" { kind = jwt key = \"base64:A\" }",
	    "FILE:1: key: what follows base64: is not base64\n"
	    "FILE:1: token \"a\" is a jwt and needs a key or a key-file\n");
	assert_faults("token \"a/b\" { secret = x }",
	    "FILE:1: token \"a/b\": a name is 1 to 255 bytes without control "
	    "characters, / and :\n");
}

TEST(a_file_that_cannot_be_read_is_said)
{
	struct buf why;

	buf_init(&why, 0);
	assert_null(conf_load("/nonexistent/waft.conf", NULL, 0, &why));
	assert_string_equal(why.data,
	    "/nonexistent/waft.conf: cannot read it: No such file or "
	    "directory\n");
	buf_reset(&why);
	assert_null(conf_load(dir, NULL, 0, &why));
	assert_non_null(strstr(why.data, "cannot read it: Is a directory"));
	buf_clear(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_valid_and_in_bounds),
		cmocka_unit_test(an_empty_file_works_on_loopback),
		cmocka_unit_test(a_component_fills_in_what_it_can),
		cmocka_unit_test(plain_is_assumed_secure_on_loopback_alone),
		cmocka_unit_test(the_first_class_that_matches_decides),
		cmocka_unit_test(tokens_have_keys_secrets_and_files),
		cmocka_unit_test(includes_stand_beside_the_including_file),
		cmocka_unit_test(sets_change_options_in_order),
		cmocka_unit_test(bad_sets_are_named),
		cmocka_unit_test(unknown_names_get_the_nearest_one),
		cmocka_unit_test(
		    broken_text_is_refused_and_the_next_file_is_read),
		cmocka_unit_test(each_wrong_value_is_a_line),
		cmocka_unit_test(components_must_be_safe_and_whole),
		cmocka_unit_test(a_control_api_off_loopback_needs_auth),
		cmocka_unit_test(a_token_must_have_what_its_kind_needs),
		cmocka_unit_test(a_file_that_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
