/* The rules of the store, over both backends. */
#include "tests/unit/store_fixture.h"

/* ---- the rules of both ----------------------------------------------- */

static void
gives_each_item_a_seq_and_the_one_before_it_on_its_channel(void **state)
{
	struct fixture *f = *state;
	uint64_t a1 = put(f, "a", "1", "x"), b1 = put(f, "b", "1", "y");
	uint64_t a2 = put(f, "a", "2", "z");
	struct got got;

	assert_true(a1 < b1 && b1 < a2);
	assert_int_equal(store_newest(f->store), a2);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 2);
	assert_int_equal(got.entries[0].seq, a1);
	assert_int_equal(got.entries[0].prev_seq, 0);
	assert_int_equal(got.entries[1].seq, a2);
	assert_int_equal(got.entries[1].prev_seq, a1);
	assert_string_equal(got.entries[1].text, "z");
	assert_int_equal(got.state, READ_COMPLETE);
}

static void
answers_a_known_id_as_the_first_time_and_stores_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t first = put(f, "a", "1", "x"), between = put(f, "a", "2", "x");
	struct put again = put_entry(f, item("a", "1", "other"));
	struct got got;

	assert_int_equal(again.err, ERR_OK);
	assert_true(again.results[0].duplicate);
	assert_int_equal(again.results[0].seq, first);
	assert_int_equal(store_newest(f->store), between);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 2);
	assert_true(put(f, "b", "1", "x") > between);
}

static void
finds_a_duplicate_inside_one_request(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[3] = { item("a", "1", "x"), item("a", "1", "y"),
		item("a", "2", "z") };
	struct put put = { 0 };

	store_append(f->store, f->loop, entries, 3, put_cb, &put);
	await(f, &put.done);
	assert_false(put.results[0].duplicate);
	assert_true(put.results[1].duplicate);
	assert_int_equal(put.results[1].seq, put.results[0].seq);
	assert_false(put.results[2].duplicate);
	assert_int_equal(put.results[2].prev_seq, put.results[0].seq);
}

static void
takes_a_known_id_as_new_after_the_ttl(void **state)
{
	struct fixture *f = *state;
	uint64_t first, second = 0;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;

	store_free(f->store);
	f->conf.store.duplicate_ttl_ms = 300;
	open_store(f);
	first = put(f, "a", "1", "x");
	while (second <= first && clock_mono_ms() < until_ms)
		second = put(f, "a", "1", "x");
	assert_true(second > first);
}

static void
reads_on_from_where_the_last_answer_ended(void **state)
{
	struct fixture *f = *state;
	struct got got;
	char id[16];

	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(f, "a", id, id);
		put(f, "b", id, id);
	}
	get(f, "a", 0, 3, &got);
	assert_int_equal(got.count, 3);
	assert_true(got.more);
	assert_int_equal(got.upto, got.entries[2].seq);
	get(f, "a", got.upto, 3, &got);
	assert_int_equal(got.count, 2);
	assert_false(got.more);
	assert_string_equal(got.entries[0].text, "3");
	assert_int_equal(got.upto, store_newest(f->store));
	get(f, "a", got.upto, 3, &got);
	assert_int_equal(got.count, 0);
	assert_int_equal(got.state, READ_COMPLETE);
}

static void
reads_the_newest_oldest_of_them_first(void **state)
{
	struct fixture *f = *state;
	struct got got = { 0 };
	char id[16];

	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(f, "a", id, id);
		put(f, "b", id, id);
	}
	store_read_newest(f->store, f->loop, "a", 0, 2, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 2);
	assert_string_equal(got.entries[0].text, "3");
	assert_string_equal(got.entries[1].text, "4");
	memset(&got, 0, sizeof(got));
	store_read_newest(f->store, f->loop, "b", 0, 50, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 5);
	memset(&got, 0, sizeof(got));
	store_read_newest(f->store, f->loop, "none", 0, 50, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 0);
}

static void
answers_reads_of_one_channel_that_wait_together(void **state)
{
	struct fixture *f = *state;
	static struct got got[8];
	uint64_t seqs[6];
	char id[16];

	memset(got, 0, sizeof(got));
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "%d", i);
		seqs[i] = put(f, "a", id, id);
	}
	for (int i = 0; i < 8; i++)
		store_read(f->store, f->loop, "a", i < 6 ? seqs[i] : 0,
		    i == 7 ? 2 : 50, got_cb, &got[i]);
	for (int i = 0; i < 8; i++)
		await(f, &got[i].done);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(got[i].count, 5 - i);
		assert_int_equal(got[i].state, READ_COMPLETE);
		assert_int_equal(got[i].upto, seqs[5]);
		if (i < 5)
			assert_int_equal(got[i].entries[0].seq, seqs[i + 1]);
	}
	assert_int_equal(got[6].count, 6);
	assert_int_equal(got[7].count, 2);
	assert_true(got[7].more);
	assert_int_equal(got[7].upto, seqs[1]);
}

static void
keeps_the_newest_items_and_says_what_is_missing(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t seqs[10];
	struct got got;
	char id[16];

	f->class.history_items = 3;
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "%d", i);
		seqs[i] = put(f, "a", id, id);
	}
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.count > 3 && clock_mono_ms() < until_ms);
	assert_int_equal(got.count, 3);
	assert_int_equal(got.state, READ_PARTIAL);
	assert_int_equal(got.entries[0].seq, seqs[7]);
	assert_int_equal(got.entries[0].prev_seq, seqs[6]);
	get(f, "a", seqs[6], 50, &got);
	assert_int_equal(got.count, 3);
	assert_int_equal(got.state, READ_COMPLETE);
	get(f, "a", seqs[5], 50, &got);
	assert_int_equal(got.state, READ_PARTIAL);
	get(f, NULL, seqs[5], 50, &got);
	assert_int_equal(got.state, READ_PARTIAL);
	get(f, NULL, seqs[6], 50, &got);
	assert_int_equal(got.state, READ_COMPLETE);
	/* A trimmed item is still known by its id. */
	assert_int_equal(put(f, "a", "0", "x"), seqs[0]);
}

static void
remembers_the_order_of_a_channel_whose_items_have_all_aged(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t last;
	struct got got;
	struct put next;

	f->class.history_age_ms = 1;
	put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.count != 0 && clock_mono_ms() < until_ms);
	assert_int_equal(got.count, 0);
	assert_int_equal(got.state, READ_PARTIAL);
	get(f, "a", last, 50, &got);
	assert_int_equal(got.state, READ_COMPLETE);
	next = put_entry(f, item("a", "3", "x"));
	assert_int_equal(next.results[0].prev_seq, last);
}

static void
holds_back_what_follows_a_pin(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t seqs[6];
	struct got got;
	char id[16];

	f->class.history_items = 1;
	store_pin(f->store, "link", 2);
	for (int i = 0; i < 6; i++) {
		snprintf(id, sizeof(id), "%d", i);
		seqs[i] = put(f, "a", id, id);
	}
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.entries[0].seq == seqs[0] && clock_mono_ms() < until_ms);
	assert_int_equal(got.count, 4);
	assert_int_equal(got.entries[0].seq, seqs[2]);
	store_pin(f->store, "link", 0);
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.count > 1 && clock_mono_ms() < until_ms);
	assert_int_equal(got.count, 1);
}

static void
drops_the_oldest_of_all_when_there_is_too_much(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	static char text[8000];
	uint64_t last = 0;
	struct got got;
	char id[16];

	store_free(f->store);
	f->conf.store.max_size = 200000;
	open_store(f);
	memset(text, 'x', sizeof(text) - 1);
	put(f, "quiet", "1", "x");
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%d", i);
		last = put(f, "a", id, text);
	}
	do {
		get(f, "quiet", 0, 50, &got);
		usleep(20000);
	} while (got.count != 0 && clock_mono_ms() < until_ms);
	assert_int_equal(got.count, 0);
	get(f, "a", last - 1, 50, &got);
	assert_int_equal(got.count, 1);
}

static void
lists_stored_channels_by_name(void **state)
{
	struct fixture *f = *state;
	struct entry *made =
	    entry_create(ENTRY_CREATE, "made", "", NULL, NULL, 0);
	char text[200] = "", expected[200];
	uint64_t b, a;

	b = put(f, "b", "1", "x");
	put(f, "a", "1", "x");
	a = put(f, "a", "2", "x");
	put_entry(f, made);
	subscribe(f, "never-stored", "u@x", SUB_ACTIVE);
	store_channels(f->store, f->loop, "", 10, channels_cb, text);
	await_bar(f, text);
	snprintf(expected, sizeof(expected), "a:2/%llu;b:1/%llu;made:0/0;|",
	    (unsigned long long)a, (unsigned long long)b);
	assert_string_equal(text, expected);
	text[0] = '\0';
	store_channels(f->store, f->loop, "a", 1, channels_cb, text);
	await_bar(f, text);
	snprintf(expected, sizeof(expected), "b:1/%llu;|",
	    (unsigned long long)b);
	assert_string_equal(text, expected);
	text[0] = '\0';
	store_channel(f->store, f->loop, "never-stored", channels_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "notfound;|");
	text[0] = '\0';
	store_channel(f->store, f->loop, "b", channels_cb, text);
	await_bar(f, text);
	assert_string_equal(text, expected);
}

static void
deletes_a_channel_with_its_items_and_subscriptions(void **state)
{
	struct fixture *f = *state;
	uint64_t last, gone;
	char text[100] = "";
	struct got got;
	struct put again;

	put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	put(f, "b", "1", "x");
	subscribe(f, "a", "u@x", SUB_ACTIVE);
	subscribe(f, "b", "u@x", SUB_ACTIVE);
	gone = put_entry(f, entry_create(ENTRY_DELETE, "a", "", NULL, NULL, 0))
	           .results[0]
	           .seq;
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 0);
	assert_int_equal(got.state, READ_PARTIAL);
	assert_string_equal(list(f, (struct sub_filter){ 0 }, 0, 10).text,
	    "b u@x;");
	store_channel(f->store, f->loop, "a", channels_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "notfound;|");
	get(f, NULL, gone - 1, 10, &got);
	assert_int_equal(got.entries[0].kind, ENTRY_DELETE);
	assert_string_equal(got.entries[0].channel, "a");
	/* An id of before is no duplicate of anything any more. */
	again = put_entry(f, item("a", "1", "y"));
	assert_false(again.results[0].duplicate);
	assert_int_equal(again.results[0].prev_seq, last);
	text[0] = '\0';
	store_channel(f->store, f->loop, "a", channels_cb, text);
	await_bar(f, text);
	assert_non_null(strstr(text, "a:1/"));
}

static void
tells_followers_and_lets_them_read_the_tail(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[8];
	uint64_t from = store_newest(f->store), first;
	struct follower *follower;
	int grew = 0;

	follower = store_follow(f->store, f->loop, count_cb, &grew);
	first = put(f, "a", "1", "x");
	await(f, &grew);
	put(f, "b", "1", "y");
	assert_int_equal(store_tail(f->store, from, entries, 8), 2);
	assert_int_equal(entries[0]->seq, first);
	assert_string_equal(entries[1]->channel, "b");
	entry_unref(entries[0]);
	entry_unref(entries[1]);
	assert_int_equal(store_tail(f->store, first, entries, 8), 1);
	entry_unref(entries[0]);
	assert_int_equal(store_tail(f->store, store_newest(f->store), entries,
	                     8),
	    0);
	store_unfollow(follower);
	grew = 0;
	put(f, "a", "2", "x");
	loop_turn(f->loop, false);
	assert_int_equal(grew, 0);
}

static void
sends_who_fell_off_the_tail_to_the_log(void **state)
{
	struct fixture *f = *state;
	struct entry *entries[64];
	struct got got;
	uint64_t from;
	char id[16];
	int n;

	store_free(f->store);
	f->conf.store.tail_size = 2000;
	open_store(f);
	from = store_newest(f->store);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(f, "a", id, id);
	}
	assert_int_equal(store_tail(f->store, from, entries, 64), -1);
	get(f, NULL, from, 45, &got);
	assert_int_equal(got.count, 45);
	assert_true(got.more);
	n = store_tail(f->store, got.upto, entries, 64);
	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++) {
		assert_int_equal(entries[i]->seq, got.upto + 1 + (uint64_t)i);
		entry_unref(entries[i]);
	}
}

static void
carries_a_subscription_in_the_log(void **state)
{
	struct fixture *f = *state;
	uint64_t from = put(f, "a", "1", "x");
	struct subbed first = subscribe(f, "a", "u@x", SUB_ACTIVE), again;
	struct subscription sub;
	struct entry *entries[4];

	assert_int_equal(first.err, ERR_OK);
	assert_false(first.existed);
	assert_true(first.n > from);
	assert_int_equal(first.since, first.n);
	again = subscribe(f, "a", "u@x", SUB_ACTIVE);
	assert_true(again.existed);
	assert_int_equal(again.n, first.n);
	again = subscribe(f, "a", "u@x", SUB_SUSPENDED);
	assert_false(again.existed);
	assert_int_equal(again.n, first.n);
	memset(&again, 0, sizeof(again));
	store_sub_del(f->store, f->loop, "push.example", "a", "u@x", subbed_cb,
	    &again);
	await(f, &again.done);
	assert_int_equal(again.err, ERR_OK);
	assert_int_equal(again.n, first.n);

	assert_int_equal(store_tail(f->store, from, entries, 4), 3);
	assert_int_equal(entries[0]->kind, ENTRY_SUB);
	assert_true(subscription_unpack(entries[0], &sub));
	assert_int_equal(sub.n, first.n);
	assert_int_equal(sub.n, entries[0]->seq);
	assert_string_equal(sub.address, "u@x");
	assert_string_equal(sub.channel, "a");
	assert_string_equal(sub.owner, "push.example");
	assert_null(sub.reason);
	assert_true(subscription_unpack(entries[1], &sub));
	assert_int_equal(sub.state, SUB_SUSPENDED);
	assert_string_equal(sub.reason, "gone");
	assert_int_equal(entries[2]->kind, ENTRY_UNSUB);
	for (int i = 0; i < 3; i++)
		entry_unref(entries[i]);

	memset(&again, 0, sizeof(again));
	store_sub_del(f->store, f->loop, "push.example", "a", "u@x", subbed_cb,
	    &again);
	await(f, &again.done);
	assert_int_equal(again.err, ERR_NOTFOUND);
}

/* Its own position is kept from the suspension that began it on. */
static void
a_suspended_subscription_knows_where_it_stopped(void **state)
{
	struct fixture *f = *state;
	uint64_t item = put(f, "a", "1", "x");
	struct subbed sub = subscribe(f, "a", "u@x", SUB_ACTIVE);
	struct subscription logged;
	struct entry *entry;

	assert_int_equal(sub.position, 0);
	assert_int_equal(sub.changed, sub.n);
	sub = subscribe_at(f, "a", "u@x", SUB_SUSPENDED, item);
	assert_int_equal(sub.position, item);
	assert_int_equal(sub.changed, store_newest(f->store));
	put(f, "a", "2", "x");
	sub = subscribe_at(f, "a", "u@x", SUB_ACTIVE, 99);
	assert_int_equal(sub.position, item);
	assert_int_equal(sub.changed, store_newest(f->store));
	assert_true(sub.changed > sub.n);
	assert_int_equal(store_tail(f->store, sub.changed - 1, &entry, 1), 1);
	assert_true(subscription_unpack(entry, &logged));
	assert_int_equal(logged.n, sub.n);
	assert_int_equal(logged.position, item);
	assert_int_equal(logged.changed, sub.changed);
	assert_true(logged.changed_ms >= logged.time_ms);
	entry_unref(entry);
	/* Nobody said where: at the moment. */
	sub = subscribe(f, "a", "u@x", SUB_SUSPENDED);
	assert_int_equal(sub.position, sub.changed);
	sub = subscribe(f, "a", "u@x", SUB_SUSPENDED);
	assert_true(sub.existed);
	assert_true(sub.position == sub.changed && sub.changed > sub.n);
}

static void
lists_subscriptions_by_n_and_filter(void **state)
{
	struct fixture *f = *state;
	uint64_t second;
	struct listed all;

	subscribe(f, "a", "u@x", SUB_ACTIVE);
	second = subscribe(f, "b", "u@x/r", SUB_SUSPENDED).n;
	subscribe(f, "a", "u@xy", SUB_ACTIVE);
	all = list(f, (struct sub_filter){ 0 }, 0, 10);
	assert_string_equal(all.text, "a u@x;b u@x/r!;a u@xy;");
	assert_int_equal(all.as_of, store_newest(f->store));
	assert_string_equal(list(f, (struct sub_filter){ 0 }, second, 10).text,
	    "a u@xy;");
	assert_string_equal(list(f, (struct sub_filter){ 0 }, 0, 1).text,
	    "a u@x;");
	assert_string_equal(
	    list(f, (struct sub_filter){ .channel = "a" }, 0, 10).text,
	    "a u@x;a u@xy;");
	assert_string_equal(
	    list(f, (struct sub_filter){ .address = "u@x" }, 0, 10).text,
	    "a u@x;b u@x/r!;");
	assert_string_equal(
	    list(f, (struct sub_filter){ .address = "u@x/r" }, 0, 10).text,
	    "b u@x/r!;");
	assert_string_equal(
	    list(f, (struct sub_filter){ .owner = "other" }, 0, 10).text, "");
}

static void
keeps_private_state_by_key(void **state)
{
	struct fixture *f = *state;
	char text[100] = "";

	store_state_put(f->store, f->loop, "s/2", "two", 3, NULL, NULL);
	store_state_put(f->store, f->loop, "s/1", "one", 3, NULL, NULL);
	store_state_put(f->store, f->loop, "t/1", "other", 5, NULL, NULL);
	store_state_put(f->store, f->loop, "s/2", "", 0, NULL, NULL);
	store_state_put(f->store, f->loop, "s/3", "x", 1, NULL, NULL);
	store_state_del(f->store, f->loop, "s/3", NULL, NULL);
	store_state_list(f->store, f->loop, "s/", state_list_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "s/1=one;s/2=;|");
}

static void
tells_its_positions_from_others(void **state)
{
	struct fixture *f = *state;
	char text[STORE_POSITION_MAX], other[STORE_POSITION_MAX];
	uint64_t seq = 0;

	assert_int_equal(strlen(store_epoch(f->store)), 8);
	store_position(f->store, 18446744073709551615U, text);
	assert_int_equal(strlen(text), 29);
	store_position(f->store, 42, text);
	assert_int_equal(store_position_parse(f->store, text, &seq), ERR_OK);
	assert_int_equal(seq, 42);
	strcpy(other, text);
	other[0] = other[0] == '0' ? '1' : '0';
	assert_int_equal(store_position_parse(f->store, other, &seq), ERR_GONE);
	assert_int_equal(store_position_parse(f->store, "42", &seq), ERR_BAD);
	assert_int_equal(store_position_parse(f->store, "", &seq), ERR_BAD);
	strcat(text, "x");
	assert_int_equal(store_position_parse(f->store, text, &seq), ERR_BAD);
}

static void
answered_cb(enum err err, const struct append_result *results, size_t count,
    void *arg)
{
	struct fixture *f = arg;

	(void)results;
	(void)count;
	assert_int_equal(err, ERR_OK);
	f->answers++;
}

static void
finishes_what_was_asked_before_it_is_freed(void **state)
{
	struct fixture *f = *state;
	char id[16];

	for (int i = 0; i < 100; i++) {
		struct entry *entry;

		snprintf(id, sizeof(id), "%d", i);
		entry = item("a", id, id);
		store_append(f->store, f->loop, &entry, 1, answered_cb, f);
	}
	store_free(f->store);
	assert_int_equal(f->answers, 0);
	loop_turn(f->loop, false);
	assert_int_equal(f->answers, 100);
	open_store(f);
}

#define BOTH(rule) ON("memory", rule), ON("sqlite", rule)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(
		    gives_each_item_a_seq_and_the_one_before_it_on_its_channel),
		BOTH(answers_a_known_id_as_the_first_time_and_stores_nothing),
		BOTH(finds_a_duplicate_inside_one_request),
		BOTH(takes_a_known_id_as_new_after_the_ttl),
		BOTH(reads_on_from_where_the_last_answer_ended),
		BOTH(reads_the_newest_oldest_of_them_first),
		BOTH(answers_reads_of_one_channel_that_wait_together),
		BOTH(keeps_the_newest_items_and_says_what_is_missing),
		BOTH(
		    remembers_the_order_of_a_channel_whose_items_have_all_aged),
		BOTH(holds_back_what_follows_a_pin),
		BOTH(drops_the_oldest_of_all_when_there_is_too_much),
		BOTH(lists_stored_channels_by_name),
		BOTH(deletes_a_channel_with_its_items_and_subscriptions),
		BOTH(tells_followers_and_lets_them_read_the_tail),
		BOTH(sends_who_fell_off_the_tail_to_the_log),
		BOTH(carries_a_subscription_in_the_log),
		BOTH(a_suspended_subscription_knows_where_it_stopped),
		BOTH(lists_subscriptions_by_n_and_filter),
		BOTH(keeps_private_state_by_key),
		BOTH(tells_its_positions_from_others),
		BOTH(finishes_what_was_asked_before_it_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
