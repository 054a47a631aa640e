#include "component/position.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

#define EPOCH "0badcafe"

static struct position_note *
make_note(uint64_t seq)
{
	struct position_note *note;
	struct buf text;

	buf_init(&text, 0);
	position_note_begin(&text, EPOCH, seq);
	note = position_note_read(text.data, text.len, EPOCH);
	buf_clear(&text);
	assert_non_null(note);
	return note;
}

static struct position_note *
read_text(const char *text)
{
	return position_note_read(text, strlen(text), EPOCH);
}

TEST(a_note_comes_back_as_it_was_written)
{
	struct position_behind in[2] = { { 7, 9, 12, "a b/ü", 6 },
		{ 3, 0, 0, "x", 1 } };
	struct position_behind out;
	struct position_note *note;
	struct buf text;
	size_t at = 0;

	buf_init(&text, 0);
	position_note_begin(&text, EPOCH, 20);
	position_note_add(&text, &in[0]);
	position_note_add(&text, &in[1]);
	note = position_note_read(text.data, text.len, EPOCH);
	buf_clear(&text);
	assert_non_null(note);
	assert_int_equal(note->seq, 20);
	assert_int_equal(note->oldest, 3);
	assert_true(position_note_next(note, &at, &out));
	assert_int_equal(out.seq, 7);
	assert_int_equal(out.part_seq, 9);
	assert_int_equal(out.part_n, 12);
	assert_int_equal(out.channel_len, 6);
	assert_memory_equal(out.channel, "a b/ü", 6);
	assert_true(position_note_next(note, &at, &out));
	assert_memory_equal(out.channel, "x", 1);
	assert_false(position_note_next(note, &at, &out));
	free(note);
}

TEST(a_note_of_another_store_or_cut_short_is_none)
{
	const char *bad[] = { "", "1", "1 0badcafe", "1 0badcafe ",
		"1 0badcafe 5", "1 0badbeef 5\n", "2 0badcafe 5\n",
		"1 0badcafe -5\n", "1 0badcafe 5\n3", "1 0badcafe 5\n3 0 0 x",
		"1 0badcafe 5\n3 0 x\n", "1 0badcafe 5\n3 0 0 \n" };
	struct position_note *note;
	char *guarded;
	size_t i, len;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = strlen(bad[i]);
		guarded = unit_guard(bad[i], len);
		assert_null(position_note_read(guarded, len, EPOCH));
		unit_unguard(guarded, len);
	}
	note = read_text("1 0badcafe 5\n");
	assert_non_null(note);
	free(note);
}

TEST(steps_back_to_what_was_sure_five_seconds_before)
{
	struct position position;
	uint64_t i;

	position_init(&position, 5000);
	position_start(&position, make_note(0));
	for (i = 1; i <= 20; i++)
		position_confirm(&position, make_note(i), (int64_t)i * 1000);
	assert_int_equal(position_newest(&position)->seq, 20);
	position_rewind(&position, 20500);
	assert_int_equal(position_newest(&position)->seq, 15);
	/* Losing the link again at once goes no further back than that. */
	position_rewind(&position, 20600);
	assert_int_equal(position_newest(&position)->seq, 15);
	position_clear(&position);
}

TEST(does_not_step_back_after_a_quiet_while)
{
	struct position position;

	position_init(&position, 5000);
	position_start(&position, make_note(1));
	position_confirm(&position, make_note(2), 1000);
	position_confirm(&position, make_note(3), 2000);
	position_rewind(&position, 7000);
	assert_int_equal(position_newest(&position)->seq, 3);
	position_clear(&position);
}

TEST(keeps_few_notes_and_never_steps_back_too_little)
{
	struct position position;
	uint64_t i, seq;

	position_init(&position, 5000);
	position_start(&position, make_note(0));
	for (i = 1; i <= 30000; i++) {
		position_confirm(&position, make_note(i), (int64_t)i);
		assert_true(position.count <= POSITION_NOTES);
	}
	assert_int_equal(position_newest(&position)->seq, 30000);
	position_rewind(&position, 30000);
	seq = position_newest(&position)->seq;
	assert_true(seq <= 25000);
	assert_true(seq >= 25000 - 2 * POSITION_SPACING_MS);
	position_clear(&position);
}

TEST(the_oldest_note_is_the_one_to_hold_items_back_for)
{
	struct position position;

	position_init(&position, 5000);
	position_start(&position, make_note(1));
	position_confirm(&position, make_note(2), 1000);
	position_confirm(&position, make_note(3), 3000);
	assert_int_equal(position_oldest(&position)->seq, 1);
	position_confirm(&position, make_note(4), 6500);
	assert_int_equal(position_oldest(&position)->seq, 2);
	position_clear(&position);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_comes_back_as_it_was_written),
		cmocka_unit_test(a_note_of_another_store_or_cut_short_is_none),
		cmocka_unit_test(
		    steps_back_to_what_was_sure_five_seconds_before),
		cmocka_unit_test(does_not_step_back_after_a_quiet_while),
		cmocka_unit_test(
		    keeps_few_notes_and_never_steps_back_too_little),
		cmocka_unit_test(
		    the_oldest_note_is_the_one_to_hold_items_back_for),
	};

	return cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
