#include <stdlib.h>

#include "common/base/mem.h"
#include "common/store/backend.h"
#include "tests/unit/unit.h"

static struct entry *
make(void (*fill)(struct buf *))
{
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	fill(&data);
	entry =
	    entry_create(ENTRY_ITEM, "news", "42", "41", data.data, data.len);
	buf_clear(&data);
	return entry;
}

static void
fill_two(struct buf *data)
{
	entry_pack(data, "xmpp-stanza", "<message/>", 10);
	entry_pack(data, "json-object", "{\"n\":\0}", 7);
}

TEST(finds_each_format_by_its_whole_name)
{
	struct entry *entry = make(fill_two);
	struct slice text;

	assert_true(entry_format(entry, "json-object", &text));
	assert_int_equal(text.len, 7);
	assert_memory_equal(text.p, "{\"n\":\0}", 7);
	assert_true(entry_format(entry, "xmpp-stanza", &text));
	assert_int_equal(text.len, 10);
	assert_false(entry_format(entry, "xmpp", &text));
	assert_null(text.p);
	assert_false(entry_format(entry, "xmpp-stanza2", &text));
	entry_unref(entry);
}

TEST(walks_the_formats_in_the_order_they_were_packed)
{
	struct entry *entry = make(fill_two);
	struct slice format, text;
	size_t at = 0;

	assert_true(entry_next(entry, &at, &format, &text));
	assert_true(slice_is(format, "xmpp-stanza"));
	assert_true(entry_next(entry, &at, &format, &text));
	assert_true(slice_is(format, "json-object"));
	assert_false(entry_next(entry, &at, &format, &text));
	assert_int_equal(at, entry->data_len);
	entry_unref(entry);
}

TEST(takes_damaged_data_for_damaged_and_reads_no_further)
{
	struct buf data;
	char *guarded;

	buf_init(&data, 0);
	fill_two(&data);
	assert_true(entry_data_ok(data.data, data.len));
	assert_true(entry_data_ok("", 0));
	for (size_t len = 1; len < data.len; len++) {
		guarded = unit_guard(data.data, len);
		/* Only a cut between the two leaves something whole. */
		assert_int_equal(entry_data_ok(guarded, len),
		    len == 6 + 11 + 10);
		unit_unguard(guarded, len);
	}
	memset(data.data, 0xff, 6);
	guarded = unit_guard(data.data, data.len);
	assert_false(entry_data_ok(guarded, data.len));
	unit_unguard(guarded, data.len);
	buf_clear(&data);
}

TEST(refuses_a_name_that_its_length_cannot_say)
{
	char *name = xmalloc(70001);
	struct buf data;

	memset(name, 'x', 70000);
	name[70000] = '\0';
	buf_init(&data, 0);
	entry_pack(&data, name, "", 0);
	assert_true(data.failed);
	assert_int_equal(data.len, 0);
	buf_clear(&data);
	free(name);
}

TEST(makes_an_id_that_is_new_each_time)
{
	struct entry *a, *b;

	a = entry_create(ENTRY_ITEM, "c", NULL, NULL, NULL, 0);
	b = entry_create(ENTRY_ITEM, "c", NULL, NULL, NULL, 0);
	assert_int_equal(strlen(a->id), 32);
	assert_string_not_equal(a->id, b->id);
	assert_null(a->prev_id);
	assert_int_equal(a->channel_hash, b->channel_hash);
	entry_unref(a);
	entry_unref(b);
}

static int views_freed;

static void
view_free_cb(void *view)
{
	assert_string_equal(view, "view");
	views_freed++;
}

TEST(frees_its_view_with_the_last_reference)
{
	struct entry *entry = make(fill_two);
	char view[] = "view";

	entry->view_free = view_free_cb;
	atomic_store(&entry->view, view);
	assert_ptr_equal(entry_ref(entry), entry);
	entry_unref(entry);
	assert_int_equal(views_freed, 0);
	entry_unref(entry);
	assert_int_equal(views_freed, 1);
	entry_unref(NULL);
}

TEST(unpacks_a_subscription_only_when_it_is_whole)
{
	struct subscription sub = { .n = 7,
		.since = 9,
		.time_ms = -1,
		.owner = "push.example",
		.channel = "news",
		.address = "u@x/r",
		.state = SUB_SUSPENDED,
		.reason = "gone" };
	struct subscription got;
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	subscription_pack(&sub, &data);
	for (size_t len = 0; len <= data.len; len++) {
		entry =
		    entry_create(ENTRY_SUB, "news", "", NULL, data.data, len);
		assert_int_equal(subscription_unpack(entry, &got),
		    len == data.len);
		if (len == data.len) {
			assert_int_equal(got.n, 7);
			assert_int_equal(got.since, 9);
			assert_int_equal(got.time_ms, -1);
			assert_int_equal(got.state, SUB_SUSPENDED);
			assert_string_equal(got.owner, "push.example");
			assert_string_equal(got.address, "u@x/r");
			assert_string_equal(got.reason, "gone");
		}
		entry_unref(entry);
	}
	data.data[24] = 9;
	entry = entry_create(ENTRY_SUB, "news", "", NULL, data.data, data.len);
	assert_false(subscription_unpack(entry, &got));
	entry_unref(entry);
	buf_clear(&data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_format_by_its_whole_name),
		cmocka_unit_test(
		    walks_the_formats_in_the_order_they_were_packed),
		cmocka_unit_test(
		    takes_damaged_data_for_damaged_and_reads_no_further),
		cmocka_unit_test(refuses_a_name_that_its_length_cannot_say),
		cmocka_unit_test(makes_an_id_that_is_new_each_time),
		cmocka_unit_test(frees_its_view_with_the_last_reference),
		cmocka_unit_test(unpacks_a_subscription_only_when_it_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
