/* What owners say of channels, over both backends and across a restart; and
 * reading a channel from its end. */
#include "tests/unit/store_fixture.h"

static void
nodes_cb(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	char *text = arg;

	if (err != ERR_OK)
		strcat(text, err_name(err));
	for (size_t i = 0; i < count; i++)
		sprintf(text + strlen(text), "%s=%.*s@%llu;",
		    channels[i].channel, (int)channels[i].node_len,
		    channels[i].node, (unsigned long long)channels[i].node_seq);
	strcat(text, "|");
}

static struct append_result
put_node(struct fixture *f, const char *channel, const char *text,
    uint64_t made_from)
{
	struct entry *entry =
	    entry_create(ENTRY_NODE, channel, "", NULL, text, strlen(text));

	entry->prev_seq = made_from;
	return put_entry(f, entry).results[0];
}

static void
keeps_the_last_node_of_a_channel_that_was_made_from_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct append_result first, second, late;
	char text[200] = "", expected[200];
	struct got got;

	put(f, "a", "1", "x");
	first = put_node(f, "a", "one", 0);
	assert_false(first.duplicate);
	second = put_node(f, "a", "two", first.seq);
	assert_false(second.duplicate);
	late = put_node(f, "a", "three", first.seq);
	assert_true(late.duplicate);
	assert_int_equal(late.seq, second.seq);
	late = put_node(f, "b", "x", 7);
	assert_true(late.duplicate);
	assert_int_equal(late.seq, 0);
	store_channel(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	snprintf(expected, sizeof(expected), "a=two@%llu;|",
	    (unsigned long long)second.seq);
	assert_string_equal(text, expected);
	get(f, NULL, first.seq, 10, &got);
	assert_int_equal(got.entries[0].kind, ENTRY_NODE);
	assert_int_equal(got.entries[0].seq, second.seq);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 1);
	text[0] = '\0';
	store_node(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	assert_string_equal(text, expected);
	put_entry(f, entry_create(ENTRY_DELETE, "a", "", NULL, NULL, 0));
	text[0] = '\0';
	store_node(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "notfound|");
	put(f, "a", "2", "x");
	text[0] = '\0';
	store_node(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "a=@0;|");
	text[0] = '\0';
	store_channel(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "a=@0;|");
}

static void
lists_the_channels_that_have_a_node(void **state)
{
	struct fixture *f = *state;
	char text[200] = "", expected[200];
	uint64_t b, c;

	put(f, "a", "1", "x");
	c = put_node(f, "c", "3", 0).seq;
	b = put_node(f, "b", "2", 0).seq;
	store_nodes(f->store, f->loop, "", 10, nodes_cb, text);
	await_bar(f, text);
	snprintf(expected, sizeof(expected), "b=2@%llu;c=3@%llu;|",
	    (unsigned long long)b, (unsigned long long)c);
	assert_string_equal(text, expected);
	text[0] = '\0';
	store_nodes(f->store, f->loop, "b", 1, nodes_cb, text);
	await_bar(f, text);
	assert_string_equal(text, strchr(expected, ';') + 1);
}

static void
keeps_nodes_across_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t seq = put_node(f, "a", "one", 0).seq;
	char text[100] = "", expected[100];

	reopen(f);
	store_channel(f->store, f->loop, "a", nodes_cb, text);
	await_bar(f, text);
	snprintf(expected, sizeof(expected), "a=one@%llu;|",
	    (unsigned long long)seq);
	assert_string_equal(text, expected);
	assert_true(put_node(f, "a", "two", 0).duplicate);
	assert_false(put_node(f, "a", "two", seq).duplicate);
}

static void
reads_the_newest_before_a_seq(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	uint64_t third = 0;
	char id[16];

	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(f, "b", id, id);
		if (put(f, "a", id, id) != 0 && i == 3)
			third = store_newest(f->store);
	}
	store_read_newest(f->store, f->loop, "a", third, 2, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 2);
	assert_string_equal(got.entries[0].text, "1");
	assert_string_equal(got.entries[1].text, "2");
	third = got.entries[0].seq;
	memset(&got, 0, sizeof(got));
	store_read_newest(f->store, f->loop, "a", third, 2, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.entries[0].text, "0");
}

#define BOTH(rule) ON("memory", rule), ON("sqlite", rule)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(
		    keeps_the_last_node_of_a_channel_that_was_made_from_the_one_before),
		BOTH(lists_the_channels_that_have_a_node),
		BOTH(reads_the_newest_before_a_seq),
		ON("sqlite", keeps_nodes_across_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
