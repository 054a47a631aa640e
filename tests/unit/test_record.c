#include "bosh/record.h"

#include <stdlib.h>

#include "bosh/body.h"
#include "tests/unit/unit.h"

#define SLICE(text) ((struct slice){ (text), sizeof(text) - 1 })

/* A record with all there is; the lists are the caller's to clear. */
static void
make(struct record *record, struct buf *lists)
{
	for (int i = 0; i < 3; i++)
		buf_init(&lists[i], 0);
	record_add_sub(&lists[0],
	    &(struct record_sub){ SLICE("news"), 77, true });
	record_add_sub(&lists[0],
	    &(struct record_sub){ SLICE("a/\xc3\xbc"), UINT64_MAX, false });
	record_add_answer(&lists[1],
	    &(struct record_answer){ 41, SLICE("<body/>") });
	record_add_text(&lists[2],
	    &(struct record_text){ true, SLICE("<f/>") });
	record_add_text(&lists[2], &(struct record_text){ false, SLICE("") });
	*record = (struct record){ .flags = RECORD_KEYS | RECORD_ACKS,
		.state = 2,
		.created = 40,
		.rid = UINT64_C(9007199254740991),
		.upto = UINT64_MAX,
		.wait_ms = 60000,
		.key = SLICE("01234567890123456789"),
		.jid = SLICE("me@here/there"),
		.subs = { lists[0].data, lists[0].len },
		.answers = { lists[1].data, lists[1].len },
		.texts = { lists[2].data, lists[2].len } };
}

static void
clear(struct buf *lists)
{
	for (int i = 0; i < 3; i++)
		buf_clear(&lists[i]);
}

static void
same(struct slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_memory_equal(slice.p, text, slice.len);
}

TEST(a_record_comes_back_as_it_was_written)
{
	struct record in, out;
	struct record_sub sub;
	struct record_answer answer;
	struct record_text said;
	struct buf lists[3], text;

	make(&in, lists);
	buf_init(&text, 0);
	record_write(&in, &text);
	assert_true(record_read(text.data, text.len, &out));
	assert_true(out.rid == in.rid && out.upto == in.upto);
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.wait_ms, 60000);
	assert_null(out.user.p);
	same(out.jid, "me@here/there");
	assert_true(record_next_sub(&out.subs, &sub));
	same(sub.channel, "news");
	assert_true(sub.since == 77 && sub.durable);
	assert_true(record_next_sub(&out.subs, &sub));
	assert_true(sub.since == UINT64_MAX && !sub.durable);
	assert_false(record_next_sub(&out.subs, &sub));
	assert_true(record_next_answer(&out.answers, &answer));
	assert_int_equal(answer.rid, 41);
	same(answer.text, "<body/>");
	assert_true(record_next_text(&out.texts, &said));
	assert_true(said.stream);
	assert_true(record_next_text(&out.texts, &said));
	assert_false(said.stream);
	assert_int_equal(said.text.len, 0);
	assert_false(record_next_text(&out.texts, &said));
	buf_clear(&text);
	clear(lists);
}

/* Each in a piece of memory of its own length, so that the address sanitizer
 * sees a read past its end. */
static bool
read_cut(const char *data, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct record record;
	bool good;

	memcpy(copy, data, len);
	good = record_read(copy, len, &record);
	free(copy);
	return good;
}

TEST(a_record_cut_short_or_too_long_is_none)
{
	struct record in;
	struct buf lists[3], text;

	make(&in, lists);
	buf_init(&text, 0);
	record_write(&in, &text);
	for (size_t len = 0; len < text.len; len++)
		assert_false(read_cut(text.data, len));
	buf_addc(&text, 'x');
	assert_false(read_cut(text.data, text.len));
	buf_clear(&text);
	clear(lists);
}

TEST(a_record_of_another_version_is_none)
{
	struct record in;
	struct buf lists[3], text;

	make(&in, lists);
	buf_init(&text, 0);
	record_write(&in, &text);
	assert_true(read_cut(text.data, text.len));
	text.data[0]++;
	assert_false(read_cut(text.data, text.len));
	buf_clear(&text);
	clear(lists);
}

TEST(garbage_is_no_record_and_harms_nothing)
{
	struct record in;
	struct buf lists[3], text;
	char *copy;

	make(&in, lists);
	buf_init(&text, 0);
	record_write(&in, &text);
	copy = malloc(text.len);
	for (size_t at = 0; at < text.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(copy, text.data, text.len);
			copy[at] = (char)(copy[at] ^ 1 << bit);
			read_cut(copy, text.len);
		}
	memset(copy, 0xff, text.len);
	assert_false(read_cut(copy, text.len));
	free(copy);
	buf_clear(&text);
	clear(lists);
}

TEST(a_page_gives_its_places_in_order)
{
	struct record_place in = { "abcdefg", 5, 6, false }, out;
	struct slice page;
	struct buf text;

	buf_init(&text, 0);
	record_add_place(&text, &in);
	in.rid = BODY_RID_MAX;
	in.settled = true;
	record_add_place(&text, &in);
	page = (struct slice){ text.data, text.len };
	assert_true(record_next_place(&page, &out));
	assert_int_equal(out.rid, 5);
	assert_int_equal(out.upto, 6);
	assert_false(out.settled);
	assert_memory_equal(out.hash, in.hash, RECORD_HASH);
	assert_true(record_next_place(&page, &out));
	assert_true(out.rid == BODY_RID_MAX);
	assert_true(out.settled);
	assert_false(record_next_place(&page, &out));
	page = (struct slice){ text.data, 9 };
	assert_false(record_next_place(&page, &out));
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_as_it_was_written),
		cmocka_unit_test(a_record_cut_short_or_too_long_is_none),
		cmocka_unit_test(a_record_of_another_version_is_none),
		cmocka_unit_test(garbage_is_no_record_and_harms_nothing),
		cmocka_unit_test(a_page_gives_its_places_in_order),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
