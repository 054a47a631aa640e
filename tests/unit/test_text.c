#include "common/base/text.h"

#include "common/base/mem.h"
#include "tests/unit/unit.h"

#define TEXT(literal) literal, sizeof(literal) - 1

TEST(a_slice_is_compared_without_case)
{
	assert_true(
	    slice_is((struct slice){ TEXT("Keep-Alive") }, "keep-alive"));
	assert_false(slice_is((struct slice){ TEXT("keep") }, "keep-alive"));
	assert_false(slice_is((struct slice){ TEXT("keep-alive") }, "keep"));
	assert_true(slice_is((struct slice){ TEXT("") }, ""));
	assert_false(slice_is((struct slice){ NULL, 0 }, ""));
}

static const struct {
	const char *text;
	size_t len;
	bool good;
} utf8_cases[] = {
	{ TEXT(""), true },
	{ TEXT("\0"), true },
	{ TEXT("plain"), true },
	{ TEXT("\xc2\x80"), true },
	{ TEXT("\xdf\xbf"), true },
	{ TEXT("\xe0\xa0\x80"), true },
	{ TEXT("\xed\x9f\xbf"), true },
	{ TEXT("\xee\x80\x80"), true },
	{ TEXT("\xef\xbf\xbf"), true },
	{ TEXT("\xf0\x90\x80\x80"), true },
	{ TEXT("\xf4\x8f\xbf\xbf"), true },
	/* A tail alone, a head alone, a tail missing. */
	{ TEXT("\x80"), false },
	{ TEXT("\xbf"), false },
	{ TEXT("\xc3"), false },
	{ TEXT("\xe2\x82"), false },
	{ TEXT("\xf0\x9f\x98"), false },
	{ TEXT("\xc3("), false },
	{ TEXT("\xe2(\xa1"), false },
	{ TEXT("\xe2\x82("), false },
	{ TEXT("\xf0\x9f\x98("), false },
	{ TEXT("\xc3\xc3"), false },
	/* Overlong. */
	{ TEXT("\xc0\x80"), false },
	{ TEXT("\xc1\xbf"), false },
	{ TEXT("\xe0\x80\x80"), false },
	{ TEXT("\xe0\x9f\xbf"), false },
	{ TEXT("\xf0\x8f\xbf\xbf"), false },
	/* Surrogates. */
	{ TEXT("\xed\xa0\x80"), false },
	{ TEXT("\xed\xbf\xbf"), false },
	/* Past U+10FFFF, and heads that never were. */
	{ TEXT("\xf4\x90\x80\x80"), false },
	{ TEXT("\xf5\x80\x80\x80"), false },
	{ TEXT("\xf8\x88\x80\x80\x80"), false },
	{ TEXT("\xfe"), false },
	{ TEXT("\xff"), false },
};

/* At each offset from a word's start, before and after plain text, and with
 * nothing readable behind. */
TEST(utf8_is_that_of_rfc_3629)
{
	char text[32], *guarded;
	size_t i, before, len;

	for (i = 0; i < ARRAY_LEN(utf8_cases); i++)
		for (before = 0; before < 18; before++) {
			len = before + utf8_cases[i].len;
			memset(text, 'a', sizeof(text));
			memcpy(text + before, utf8_cases[i].text,
			    utf8_cases[i].len);
			assert_int_equal(text_is_utf8(text, sizeof(text)),
			    utf8_cases[i].good);
			guarded = unit_guard(text, len);
			assert_int_equal(text_is_utf8(guarded, len),
			    utf8_cases[i].good);
			unit_unguard(guarded, len);
		}
}

TEST(a_character_is_read_with_its_number)
{
	uint32_t code;

	assert_int_equal(text_utf8_next(TEXT("a!"), &code), 1);
	assert_int_equal(code, 'a');
	assert_int_equal(text_utf8_next(TEXT("\xc3\xa9!"), &code), 2);
	assert_int_equal(code, 0xe9);
	assert_int_equal(text_utf8_next(TEXT("\xe2\x82\xac!"), &code), 3);
	assert_int_equal(code, 0x20ac);
	assert_int_equal(text_utf8_next(TEXT("\xf0\x9f\x98\x80"), &code), 4);
	assert_int_equal(code, 0x1f600);
	assert_int_equal(text_utf8_next("", 0, &code), 0);
}

TEST(xml_characters_are_those_of_xml_1_0)
{
	char text[24];
	size_t at, before;
	int c;

	for (c = 0; c < 128; c++)
		for (before = 0; before < 10; before++) {
			memset(text, ' ', sizeof(text));
			text[before] = (char)c;
			at = 99;
			assert_int_equal(text_is_xml(text, sizeof(text), &at),
			    c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
			assert_int_equal(at,
			    text_is_xml(text, sizeof(text), NULL) ? 99 :
			                                            before);
		}
	assert_true(text_is_xml(TEXT("\xef\xbf\xbd\xf0\x9f\x98\x80"), NULL));
	assert_false(text_is_xml(TEXT("ab\xef\xbf\xbe"), &at));
	assert_int_equal(at, 2);
	assert_false(text_is_xml(TEXT("ab\xef\xbf\xbf"), NULL));
	assert_false(text_is_xml(TEXT("\xed\xa0\x80"), NULL));
}

TEST(a_channel_is_up_to_255_bytes_without_controls)
{
	char text[256];

	memset(text, 'c', sizeof(text));
	assert_true(text_is_channel(text, 1));
	assert_true(text_is_channel(text, 255));
	assert_false(text_is_channel(text, 256));
	assert_false(text_is_channel(text, 0));
	assert_true(text_is_channel(TEXT("a b/c?d \xc3\xa9")));
	assert_false(text_is_channel(TEXT("a\nb")));
	assert_false(text_is_channel(TEXT("a\tb")));
	assert_false(text_is_channel(TEXT("a\0b")));
	assert_false(text_is_channel(TEXT("a\x7f")));
	assert_false(text_is_channel(TEXT("a\xc2\x85")));
	assert_false(text_is_channel(TEXT("a\xff")));
	assert_false(text_is_channel(TEXT("a\xef\xbf\xbf")));
}

typedef bool decoder_fn(const char *text, size_t len, struct buf *out);

/* Expected NULL: refused, with nothing appended. */
static void
assert_decodes(decoder_fn *decode, const char *text, const char *expected)
{
	size_t len = strlen(text);
	char *guarded = unit_guard(text, len);
	struct buf out;
	bool good;

	buf_init(&out, 0);
	buf_addc(&out, '>');
	good = decode(guarded, len, &out);
	unit_unguard(guarded, len);
	assert_int_equal(good, expected != NULL);
	assert_string_equal(out.data + 1, expected == NULL ? "" : expected);
	assert_int_equal(out.len, strlen(out.data));
	buf_clear(&out);
}

TEST(percent_decoding_refuses_what_is_no_escape)
{
	assert_decodes(text_percent_decode, "", "");
	assert_decodes(text_percent_decode, "a+b%2Fc%2f%C3%a9",
	    "a+b/c/\xc3\xa9");
	assert_decodes(text_percent_decode, "%25%3", NULL);
	assert_decodes(text_percent_decode, "a%", NULL);
	assert_decodes(text_percent_decode, "a%2", NULL);
	assert_decodes(text_percent_decode, "a%2x", NULL);
	assert_decodes(text_percent_decode, "a%x2", NULL);
	assert_decodes(text_percent_decode, "a%00", NULL);
	assert_decodes(text_percent_decode, "a% 2", NULL);
}

TEST(percent_encoding_comes_back_for_all_bytes)
{
	struct buf encoded, back;
	char all[255];
	size_t i;

	for (i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	buf_init(&encoded, 0);
	buf_init(&back, 0);
	text_percent_encode(all, sizeof(all), &encoded);
	assert_int_equal(encoded.len, 66 + (255 - 66) * 3);
	assert_true(text_percent_decode(encoded.data, encoded.len, &back));
	assert_int_equal(back.len, sizeof(all));
	assert_memory_equal(back.data, all, sizeof(all));
	buf_reset(&encoded);
	text_percent_encode(TEXT("a/b c~\xc3\xa9"), &encoded);
	assert_string_equal(encoded.data, "a%2Fb%20c~%C3%A9");
	buf_clear(&encoded);
	buf_clear(&back);
}

/* RFC 4648 §10. */
TEST(base64_is_that_of_the_rfc)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" },
		{ "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" } };
	struct buf out;
	size_t i;

	for (i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_init(&out, 0);
		text_base64(pairs[i][0], strlen(pairs[i][0]), &out);
		assert_string_equal(out.data == NULL ? "" : out.data,
		    pairs[i][1]);
		buf_clear(&out);
		assert_decodes(text_base64_decode, pairs[i][1], pairs[i][0]);
	}
}

TEST(base64_refuses_what_no_encoder_makes)
{
	assert_decodes(text_base64_decode, "Zg", NULL);
	assert_decodes(text_base64_decode, "Zg=", NULL);
	assert_decodes(text_base64_decode, "Zg===", NULL);
	assert_decodes(text_base64_decode, "Z===", NULL);
	assert_decodes(text_base64_decode, "====", NULL);
	assert_decodes(text_base64_decode, "Zh==", NULL);
	assert_decodes(text_base64_decode, "Zm9=", NULL);
	assert_decodes(text_base64_decode, "Zg==Zg==", NULL);
	assert_decodes(text_base64_decode, "Zm9v\nZm9v", NULL);
	assert_decodes(text_base64_decode, "Zm9v Zm", NULL);
	assert_decodes(text_base64_decode, "-_-_", NULL);
}

TEST(base64url_has_its_alphabet_and_no_padding)
{
	struct buf out;

	buf_init(&out, 0);
	text_base64url("\xfb\xff\xbf\xfb", 4, &out);
	assert_string_equal(out.data, "-_-_-w");
	buf_clear(&out);
	assert_decodes(text_base64url_decode, "-_-_-w", "\xfb\xff\xbf\xfb");
	assert_decodes(text_base64url_decode, "", "");
	assert_decodes(text_base64url_decode, "Zm8", "fo");
	assert_decodes(text_base64url_decode, "Zm8=", NULL);
	assert_decodes(text_base64url_decode, "Zm9", NULL);
	assert_decodes(text_base64url_decode, "+/+/", NULL);
	assert_decodes(text_base64url_decode, "Zm9vY", NULL);
}

TEST(a_decoder_stops_at_the_limit_of_its_buffer)
{
	struct buf out;

	buf_init(&out, 3);
	assert_true(text_base64_decode(TEXT("Zm9v"), &out));
	assert_false(text_base64_decode(TEXT("Zg=="), &out));
	assert_true(out.failed);
	buf_reset(&out);
	assert_false(text_percent_decode(TEXT("ab%20c"), &out));
	buf_reset(&out);
	text_base64url("ab", 2, &out);
	assert_false(out.failed);
	assert_string_equal(out.data, "YWI");
	text_hex("a", 1, &out);
	assert_true(out.failed);
	assert_string_equal(out.data, "YWI");
	buf_clear(&out);
}

static bool
number_is(const char *text, uint64_t max, uint64_t expected)
{
	uint64_t number;

	return text_to_u64(text, strlen(text), max, &number) &&
	    number == expected;
}

TEST(a_number_is_canonical_decimal_up_to_its_maximum)
{
	uint64_t number;

	assert_true(number_is("0", 0, 0));
	assert_true(number_is("10", 10, 10));
	assert_true(number_is("18446744073709551615", UINT64_MAX, UINT64_MAX));
	assert_false(number_is("18446744073709551616", UINT64_MAX, 0));
	assert_false(number_is("99999999999999999999", UINT64_MAX, 0));
	assert_false(text_to_u64(TEXT("11"), 10, &number));
	assert_false(text_to_u64(TEXT("5"), 4, &number));
	assert_false(text_to_u64(TEXT("1"), 0, &number));
	assert_false(text_to_u64(TEXT(""), 10, &number));
	assert_false(text_to_u64(TEXT("01"), 10, &number));
	assert_false(text_to_u64(TEXT("00"), 10, &number));
	assert_false(text_to_u64(TEXT("+1"), 10, &number));
	assert_false(text_to_u64(TEXT("-1"), 10, &number));
	assert_false(text_to_u64(TEXT(" 1"), 10, &number));
	assert_false(text_to_u64(TEXT("1 "), 10, &number));
}

TEST(durations_need_a_unit_that_is_known)
{
	static const char *const bad[] = { "", "5", "s", "5 s", "-5s", "5S",
		"1.5h", "5sm", "05s", "9223372036854775808ms",
		"106751991168d" };
	int64_t ms;
	size_t i;

	assert_true(text_to_ms("55s", &ms) && ms == 55000);
	assert_true(text_to_ms("10m", &ms) && ms == 600000);
	assert_true(text_to_ms("24h", &ms) && ms == 86400000);
	assert_true(text_to_ms("7d", &ms) && ms == 604800000);
	assert_true(text_to_ms("250ms", &ms) && ms == 250);
	assert_true(text_to_ms("0s", &ms) && ms == 0);
	assert_true(
	    text_to_ms("9223372036854775807ms", &ms) && ms == INT64_MAX);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(text_to_ms(bad[i], &ms));
}

TEST(sizes_are_bytes_or_powers_of_1024)
{
	static const char *const bad[] = { "", "K", "1k", "1KB", "-1", "1 K",
		"18014398509481984K", "1T" };
	uint64_t size;
	size_t i;

	assert_true(text_to_size("512", &size) && size == 512);
	assert_true(text_to_size("64K", &size) && size == 65536);
	assert_true(text_to_size("1M", &size) && size == 1048576);
	assert_true(text_to_size("2G", &size) && size == 2147483648);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(text_to_size(bad[i], &size));
}

TEST(glob_knows_any_run_and_one_character)
{
	assert_true(text_glob("*", ""));
	assert_true(text_glob("*", "any"));
	assert_true(text_glob("", ""));
	assert_false(text_glob("", "a"));
	assert_true(text_glob("news/*", "news/"));
	assert_true(text_glob("news/*", "news/a/b"));
	assert_false(text_glob("news/*", "news"));
	assert_true(text_glob("*.log", "a.log.log"));
	assert_true(text_glob("a*b*c", "a_b_b_c"));
	assert_false(text_glob("a*b*c", "a_b_c_"));
	assert_false(text_glob("a*b*c", "a_c_b"));
	assert_true(text_glob("a?c", "abc"));
	assert_true(text_glob("a?c",
	    "a\xc3\xa9"
	    "c"));
	assert_false(text_glob("a?c", "ac"));
	assert_false(text_glob("a?", "a"));
	assert_true(text_glob("*?", "a"));
	assert_false(text_glob("*?", ""));
	assert_true(text_glob("*\xa9", "\xc3\xa9") == false);
	assert_true(text_glob("a**", "a"));
	assert_true(text_glob("[a]\\", "[a]\\"));
}

/* With backtracking over all stars this would take longer than anyone waits. */
TEST(glob_does_not_blow_up_on_many_stars)
{
	char pattern[201], text[2001];
	size_t i;

	for (i = 0; i < 200; i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + 198, "*b", 3);
	memset(text, 'a', sizeof(text) - 1);
	text[2000] = '\0';
	alarm(20);
	assert_false(text_glob(pattern, text));
	alarm(0);
}

TEST(the_nearest_name_is_near)
{
	static const char *const names[] = { "listen", "domain", "port",
		"hold-max", "history-items", NULL };

	assert_string_equal(text_nearest("lisen", names), "listen");
	assert_string_equal(text_nearest("prot", names), "port");
	assert_string_equal(text_nearest("history_item", names),
	    "history-items");
	assert_string_equal(text_nearest("domain", names), "domain");
	assert_null(text_nearest("secret", names));
	assert_null(text_nearest("x", names));
	assert_null(text_nearest("", names));
	assert_null(text_nearest("a name that is by far too long for any of "
	                         "those that a configuration knows of",
	    names));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slice_is_compared_without_case),
		cmocka_unit_test(utf8_is_that_of_rfc_3629),
		cmocka_unit_test(a_character_is_read_with_its_number),
		cmocka_unit_test(xml_characters_are_those_of_xml_1_0),
		cmocka_unit_test(a_channel_is_up_to_255_bytes_without_controls),
		cmocka_unit_test(percent_decoding_refuses_what_is_no_escape),
		cmocka_unit_test(percent_encoding_comes_back_for_all_bytes),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(base64_refuses_what_no_encoder_makes),
		cmocka_unit_test(base64url_has_its_alphabet_and_no_padding),
		cmocka_unit_test(a_decoder_stops_at_the_limit_of_its_buffer),
		cmocka_unit_test(
		    a_number_is_canonical_decimal_up_to_its_maximum),
		cmocka_unit_test(durations_need_a_unit_that_is_known),
		cmocka_unit_test(sizes_are_bytes_or_powers_of_1024),
		cmocka_unit_test(glob_knows_any_run_and_one_character),
		cmocka_unit_test(glob_does_not_blow_up_on_many_stars),
		cmocka_unit_test(the_nearest_name_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
