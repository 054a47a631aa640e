#include "config.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/jid.h"
#include "tests/unit/unit.h"

#define DOMAIN "push.example.org"

static void
assert_jid(const char *text, const char *wanted)
{
	const char *why = NULL;
	struct jid jid;

	if (jid_parse(text, strlen(text), &jid, &why) != ERR_OK)
		fail_msg("%s: %s", text, why);
	assert_string_equal(jid.full, wanted);
	assert_null(why);
}

static void
assert_no_jid(const char *text, size_t len)
{
	const char *why = NULL;
	struct jid jid;

	if (jid_parse(text, len, &jid, &why) != ERR_BAD)
		fail_msg("accepted %s", text);
	assert_non_null(why);
}

static struct jid
jid_of(const char *text)
{
	const char *why;
	struct jid jid;

	assert_int_equal(jid_parse(text, strlen(text), &jid, &why), ERR_OK);
	return jid;
}

TEST(prepares_what_is_equal_to_equal_bytes)
{
	assert_jid("User@Example.COM/Home", "user@example.com/Home");
	assert_jid("example.com", "example.com");
	assert_jid("Example.com./r", "example.com/r");
	assert_jid("a@[::1]/x y", "a@[::1]/x y");
	assert_jid("a@127.0.0.1", "a@127.0.0.1");
	assert_jid("example.com/a@b/c", "example.com/a@b/c");
	assert_jid("a_b.example/@", "a_b.example/@");
}

TEST(refuses_what_is_no_jid)
{
	static const char *const texts[] = { "", "@", "/", "@example.com", "a@",
		"a@/r", "example.com/", "a b@example.com", "a\"b@example.com",
		"a&b@example.com", "a'b@example.com", "a:b@example.com",
		"a<b@example.com", "a>b@example.com", "a@b@example.com",
		"exa mple.com", "a..b", ".a", "a@[::1", "a@[xyz]", "a@[]",
		"a@example.com/\x7f", "a@example.com/\n", "a@-\x01", "a@b,c",
		"\xff@example.com", "a@example.com/\xc3" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		assert_no_jid(texts[i], strlen(texts[i]));
	assert_no_jid("a\0b@c", 5);
	assert_no_jid("a@c/\xc3\xa9\0", 7);
}

TEST(refuses_parts_that_are_too_long)
{
	char text[JID_MAX + 8];
	const char *why;
	struct jid jid;

	memset(text, 'a', sizeof text);
	text[1023] = '@';
	memcpy(text + 1024, "b/", 2);
	assert_int_equal(jid_parse(text, 1026 + 1023, &jid, &why), ERR_OK);
	assert_int_equal(jid.node_len, 1023);
	assert_int_equal(jid.resource_len, 1023);
	assert_int_equal(jid_parse(text, 1026 + 1024, &jid, &why), ERR_BAD);
	text[1023] = 'a';
	text[1024] = '@';
	assert_int_equal(jid_parse(text, 1030, &jid, &why), ERR_BAD);
	memset(text, 'a', sizeof text);
	assert_int_equal(jid_parse(text, 64, &jid, &why), ERR_BAD);
	assert_int_equal(jid_parse(text, 63, &jid, &why), ERR_OK);
}

TEST(prepares_beyond_ascii)
{
#ifdef HAVE_LIBIDN
	assert_jid("\xc3\x84rger@example.com", "\xc3\xa4rger@example.com");
	assert_jid("a@B\xc3\x9c"
	           "cher.example/\xc3\x84",
	    "a@b\xc3\xbc"
	    "cher.example/\xc3\x84");
	assert_jid("a@b/\xf0\x9f\x8e\x89", "a@b/\xf0\x9f\x8e\x89");
	/* A full-width @ and an Ogham space are what nodeprep forbids. */
	assert_no_jid("a\xef\xbc\xa0"
	              "b@example.com",
	    17);
	assert_no_jid("a\xe1\x9a\x80"
	              "b@example.com",
	    17);
	/* Nothing is left of a soft hyphen. */
	assert_no_jid("\xc2\xad@example.com", 14);
	/* A full-width slash may not make a domain of two labels one. */
	assert_no_jid("a@b\xef\xbc\x8f"
	              "c",
	    7);
#else
	assert_no_jid("\xc3\xa4@example.com", 14);
#endif
}

TEST(compares_and_cuts)
{
	struct jid a = jid_of("u@example.com/one");
	struct jid b = jid_of("u@example.com/two");
	struct jid c = jid_of("u@example.co");

	assert_true(jid_same_bare(&a, &b));
	assert_false(jid_same_bare(&a, &c));
	assert_false(jid_equal(&a, &b));
	assert_true(jid_domain_is(&a, "example.com"));
	assert_false(jid_domain_is(&a, "example.co"));
	assert_false(jid_domain_is(&c, "example.com"));
	jid_to_bare(&a);
	jid_to_bare(&b);
	assert_string_equal(a.full, "u@example.com");
	assert_true(jid_equal(&a, &b));
	assert_int_equal(jid_bare_len(&a), strlen("u@example.com"));
}

static void
assert_address(const char *channel, const char *wanted)
{
	struct buf out;

	buf_init(&out, 0);
	jid_of_channel(channel, DOMAIN, &out);
	assert_string_equal(out.data, wanted);
	buf_clear(&out);
}

TEST(gives_channels_their_addresses)
{
	assert_address("news", "news@" DOMAIN);
	assert_address("a/b c", "a\\2fb\\20c@" DOMAIN);
	assert_address("\"&'/:<>@", "\\22\\26\\27\\2f\\3a\\3c\\3e\\40@" DOMAIN);
	assert_address("a\\b", "a\\b@" DOMAIN);
	assert_address("a\\20b", "a\\5c20b@" DOMAIN);
	assert_address("\\5c", "\\5c5c@" DOMAIN);
	assert_address("\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool@" DOMAIN);
	assert_address("News", DOMAIN "/News");
	assert_address(" a", DOMAIN "/ a");
	assert_address("a ", DOMAIN "/a ");
#ifdef HAVE_LIBIDN
	assert_address("\xc3\xa4", "\xc3\xa4@" DOMAIN);
	assert_address("\xc3\x84", DOMAIN "/\xc3\x84");
	/* An emoji is younger than what ejabberd takes in an address. */
	assert_address("\xf0\x9f\x8e\x89", DOMAIN);
	/* A replacement character is no resource either. */
	assert_address("\xef\xbf\xbd", DOMAIN);
#endif
}

/* The address is a JID as it stands, and means the channel again. */
static void
assert_round_trip(const char *channel)
{
	struct jid jid;
	struct buf address, back;

	buf_init(&address, 0);
	buf_init(&back, 0);
	jid_of_channel(channel, DOMAIN, &address);
	jid = jid_of(address.data);
	assert_string_equal(jid.full, address.data);
	assert_true(jid_domain_is(&jid, DOMAIN));
	if (jid.node_len > 0) {
		assert_true(jid_channel(&jid, &back));
		assert_string_equal(back.data, channel);
	} else {
		assert_false(jid_channel(&jid, &back));
	}
	buf_clear(&address);
	buf_clear(&back);
}

TEST(round_trips_every_pair_of_ascii_characters)
{
	char channel[8];
	int a, b;

	for (a = ' '; a < 0x7f; a++) {
		for (b = ' '; b < 0x7f; b++) {
			channel[0] = (char)a;
			channel[1] = (char)b;
			channel[2] = '\0';
			assert_round_trip(channel);
			memcpy(channel, "x\\.._x", 7);
			channel[2] = (char)a;
			channel[3] = (char)b;
			assert_round_trip(channel);
		}
	}
}

TEST(round_trips_every_run_of_what_escapes_are_made_of)
{
	static const char alphabet[] = "\\52c0 /";
	char channel[6] = "";
	size_t n, i, rest;

	for (n = 0; n < 7 * 7 * 7 * 7 * 7; n++) {
		for (i = 0, rest = n; i < 5; i++, rest /= 7)
			channel[i] = alphabet[rest % 7];
		assert_round_trip(channel);
	}
}

TEST(takes_no_space_at_an_end)
{
	struct jid jid = jid_of("\\20a@" DOMAIN);
	struct buf channel;

	buf_init(&channel, 0);
	assert_false(jid_channel(&jid, &channel));
	buf_clear(&channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepares_what_is_equal_to_equal_bytes),
		cmocka_unit_test(refuses_what_is_no_jid),
		cmocka_unit_test(refuses_parts_that_are_too_long),
		cmocka_unit_test(prepares_beyond_ascii),
		cmocka_unit_test(compares_and_cuts),
		cmocka_unit_test(gives_channels_their_addresses),
		cmocka_unit_test(round_trips_every_pair_of_ascii_characters),
		cmocka_unit_test(
		    round_trips_every_run_of_what_escapes_are_made_of),
		cmocka_unit_test(takes_no_space_at_an_end),
	};

	return cmocka_run_group_tests_name("jid", tests, NULL, NULL);
}
