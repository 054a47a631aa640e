/* One set of rules over both backends; then what only a file can do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/store/store.h"
#include "tests/unit/unit.h"

#define DEADLINE_MS 10000

struct fixture {
	char dir[64];
	char path[80];
	char pattern[2];
	struct conf conf;
	struct conf_class class;
	struct loop *loop;
	struct store *store;
	int answers;
};

/* ---- fixture --------------------------------------------------------- */

static void
open_store(struct fixture *f)
{
	struct buf why;
	int status = 0;

	buf_init(&why, 0);
	f->store = store_open(&f->conf, "test", &why, &status);
	if (f->store == NULL)
		fail_msg("%s", why.data);
	buf_clear(&why);
}

static void
reopen(struct fixture *f)
{
	store_free(f->store);
	open_store(f);
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/waft-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/waft.db", f->dir);
	strcpy(f->pattern, "*");
	f->conf.store.engine = *state;
	f->conf.store.path = f->path;
	f->conf.store.publish_timeout_ms = 5000;
	f->conf.store.duplicate_ttl_ms = 600000;
	f->conf.store.tail_size = 1 << 20;
	f->conf.store.max_size = 1 << 30;
	f->conf.store.wal_size = 1 << 24;
	f->conf.store.pin_size = 1 << 20;
	f->class.pattern = f->pattern;
	f->class.history_items = 100;
	f->class.history_age_ms = 3600000;
	f->conf.classes = &f->class;
	f->conf.n_classes = 1;
	f->loop = loop_create();
	open_store(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "", "-wal", "-shm", "-bell",
		".test", ".test-wal", ".test-shm" };
	struct fixture *f = *state;
	char name[100];

	store_free(f->store);
	loop_free(f->loop);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(name, sizeof(name), "%s%s", f->path, names[i]);
		unlink(name);
	}
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* Turns until the answer has come. */
static void
await(struct fixture *f, const int *flag)
{
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;

	while (*flag == 0 && clock_mono_ms() < until_ms) {
		loop_turn(f->loop, false);
		usleep(200);
	}
	assert_int_not_equal(*flag, 0);
}

/* ---- calls that wait for their answer -------------------------------- */

struct put {
	int done;
	enum err err;
	struct append_result results[16];
};

static void
put_cb(enum err err, const struct append_result *results, size_t count,
    void *arg)
{
	struct put *put = arg;

	put->err = err;
	put->done++;
	memcpy(put->results, results, count * sizeof(*results));
}

static struct entry *
item(const char *channel, const char *id, const char *text)
{
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, "json-object", text, strlen(text));
	entry =
	    entry_create(ENTRY_ITEM, channel, id, NULL, data.data, data.len);
	buf_clear(&data);
	return entry;
}

static struct put
put_entry(struct fixture *f, struct entry *entry)
{
	struct put put = { 0 };

	store_append(f->store, f->loop, &entry, 1, put_cb, &put);
	assert_int_equal(put.done, 0);
	await(f, &put.done);
	return put;
}

static uint64_t
put(struct fixture *f, const char *channel, const char *id, const char *text)
{
	struct put result = put_entry(f, item(channel, id, text));

	assert_int_equal(result.err, ERR_OK);
	return result.results[0].seq;
}

struct got {
	int done;
	enum err err;
	enum read_state state;
	size_t count;
	uint64_t upto;
	bool more;
	struct {
		uint64_t seq;
		uint64_t prev_seq;
		enum entry_kind kind;
		char channel[32];
		char id[40];
		char text[32];
	} entries[200];
};

static void
got_cb(const struct read_result *result, void *arg)
{
	struct got *got = arg;
	struct slice text;

	got->done++;
	got->err = result->err;
	got->state = result->state;
	got->count = result->count;
	got->upto = result->upto;
	got->more = result->more;
	assert_in_range(result->count, 0, ARRAY_LEN(got->entries));
	for (size_t i = 0; i < result->count; i++) {
		const struct entry *entry = result->entries[i];

		got->entries[i].seq = entry->seq;
		got->entries[i].prev_seq = entry->prev_seq;
		got->entries[i].kind = entry->kind;
		strcpy(got->entries[i].channel, entry->channel);
		strcpy(got->entries[i].id, entry->id);
		if (entry->kind == ENTRY_ITEM) {
			assert_true(entry_format(entry, "json-object", &text));
			snprintf(got->entries[i].text,
			    sizeof(got->entries[i].text), "%.*s", (int)text.len,
			    text.p);
		}
	}
}

static void
get(struct fixture *f, const char *channel, uint64_t after, size_t max,
    struct got *got)
{
	memset(got, 0, sizeof(*got));
	if (channel == NULL)
		store_scan(f->store, f->loop, after, max, got_cb, got);
	else
		store_read(f->store, f->loop, channel, after, max, got_cb, got);
	assert_int_equal(got->done, 0);
	await(f, &got->done);
	assert_int_equal(got->err, ERR_OK);
}

struct subbed {
	int done;
	enum err err;
	bool existed;
	uint64_t n, since;
};

static void
subbed_cb(enum err err, const struct subscription *sub, bool existed, void *arg)
{
	struct subbed *subbed = arg;

	subbed->done++;
	subbed->err = err;
	subbed->existed = existed;
	subbed->n = sub->n;
	subbed->since = sub->since;
}

static struct subbed
subscribe(struct fixture *f, const char *channel, const char *address,
    enum sub_state state)
{
	struct subscription sub = { .owner = "push.example",
		.channel = channel,
		.address = address,
		.state = state,
		.reason = state == SUB_SUSPENDED ? "gone" : NULL };
	struct subbed subbed = { 0 };

	store_sub_put(f->store, f->loop, &sub, subbed_cb, &subbed);
	assert_int_equal(subbed.done, 0);
	await(f, &subbed.done);
	return subbed;
}

struct listed {
	int done;
	size_t count;
	uint64_t as_of;
	char text[400];
};

static void
listed_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of, void *arg)
{
	struct listed *listed = arg;

	assert_int_equal(err, ERR_OK);
	listed->done++;
	listed->count = count;
	listed->as_of = as_of;
	for (size_t i = 0; i < count; i++) {
		strcat(listed->text, subs[i].channel);
		strcat(listed->text, " ");
		strcat(listed->text, subs[i].address);
		strcat(listed->text, subs[i].state == SUB_SUSPENDED ? "!" : "");
		strcat(listed->text, ";");
	}
}

static struct listed
list(struct fixture *f, struct sub_filter filter, uint64_t after_n, size_t max)
{
	struct listed listed = { 0 };

	store_sub_list(f->store, f->loop, &filter, after_n, max, listed_cb,
	    &listed);
	await(f, &listed.done);
	return listed;
}

static void
channels_cb(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	char *text = arg;
	size_t at = strlen(text);

	if (err != ERR_OK)
		sprintf(text + at, "%s;", err_name(err));
	for (size_t i = 0; i < count; i++)
		at += (size_t)sprintf(text + at, "%s:%llu/%llu;",
		    channels[i].channel, (unsigned long long)channels[i].items,
		    (unsigned long long)channels[i].last_seq);
	strcat(text, "|");
}

static void
await_bar(struct fixture *f, const char *text)
{
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;

	while (strchr(text, '|') == NULL && clock_mono_ms() < until_ms) {
		loop_turn(f->loop, false);
		usleep(200);
	}
}

static void
state_list_cb(enum err err, const struct state_row *rows, size_t count,
    void *arg)
{
	char *text = arg;

	assert_int_equal(err, ERR_OK);
	for (size_t i = 0; i < count; i++)
		sprintf(text + strlen(text), "%s=%.*s;", rows[i].key,
		    (int)rows[i].len, (const char *)rows[i].value);
	strcat(text, "|");
}

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
	store_read_newest(f->store, f->loop, "a", 2, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 2);
	assert_string_equal(got.entries[0].text, "3");
	assert_string_equal(got.entries[1].text, "4");
	memset(&got, 0, sizeof(got));
	store_read_newest(f->store, f->loop, "b", 50, got_cb, &got);
	await(f, &got.done);
	assert_int_equal(got.count, 5);
	memset(&got, 0, sizeof(got));
	store_read_newest(f->store, f->loop, "none", 50, got_cb, &got);
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
count_cb(void *arg)
{
	(*(int *)arg)++;
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

/* ---- what only a file can do ----------------------------------------- */

/* A disk that is full, or that may not be written, when a test says so: the
 * system's own file functions but for two. */
static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods methods[2]; /* of databases, of their logs */
	const sqlite3_io_methods *real_methods;
	_Atomic bool full;
	_Atomic bool read_only;
} disk;

static int
disk_write_cb(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	if (disk.full)
		return SQLITE_FULL;
	return disk.real_methods->xWrite(file, data, len, at);
}

static int
disk_open_cb(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *out)
{
	sqlite3_io_methods *methods;
	int code;

	(void)vfs;
	if (disk.read_only) {
		flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
		flags |= SQLITE_OPEN_READONLY;
	}
	code = disk.real->xOpen(disk.real, name, file, flags, out);
	if (code == SQLITE_OK) {
		disk.real_methods = file->pMethods;
		methods = &disk.methods[(flags & SQLITE_OPEN_MAIN_DB) == 0];
		*methods = *file->pMethods;
		methods->xWrite = disk_write_cb;
		file->pMethods = methods;
	}
	return code;
}

static void
disk_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "test-disk";
	disk.vfs.xOpen = disk_open_cb;
	assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static void
disk_remove(void)
{
	assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
}

static void
keeps_everything_across_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t last, seq = 0;
	char text[100] = "", position[STORE_POSITION_MAX];
	struct put again;

	put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	put(f, "b", "1", "x");
	subscribe(f, "a", "u@x", SUB_SUSPENDED);
	store_state_put(f->store, f->loop, "k", "v", 1, NULL, NULL);
	store_position(f->store, last, position);
	reopen(f);
	assert_int_equal(store_position_parse(f->store, position, &seq),
	    ERR_OK);
	again = put_entry(f, item("a", "2", "x"));
	assert_true(again.results[0].duplicate);
	assert_int_equal(again.results[0].seq, last);
	again = put_entry(f, item("a", "3", "x"));
	assert_int_equal(again.results[0].prev_seq, last);
	assert_string_equal(list(f, (struct sub_filter){ 0 }, 0, 10).text,
	    "a u@x!;");
	store_state_list(f->store, f->loop, "", state_list_cb, text);
	await_bar(f, text);
	assert_string_equal(text, "k=v;|");
}

static void
remembers_trimmed_ids_and_deletions_across_a_restart(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	uint64_t first, last;
	struct got got;
	struct put next;

	f->class.history_age_ms = 1;
	first = put(f, "a", "1", "x");
	last = put(f, "a", "2", "x");
	put_entry(f, entry_create(ENTRY_DELETE, "b", "", NULL, NULL, 0));
	do {
		get(f, "a", 0, 50, &got);
		usleep(20000);
	} while (got.count != 0 && clock_mono_ms() < until_ms);
	reopen(f);
	assert_int_equal(put(f, "a", "1", "x"), first);
	next = put_entry(f, item("a", "3", "x"));
	assert_int_equal(next.results[0].prev_seq, last);
	put_entry(f, entry_create(ENTRY_DELETE, "a", "", NULL, NULL, 0));
	reopen(f);
	next = put_entry(f, item("a", "3", "x"));
	assert_false(next.results[0].duplicate);
}

static void
never_gives_a_seq_twice_though_the_newest_row_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t last = put(f, "a", "1", "x");
	sqlite3 *db;

	store_free(f->store);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM log", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	open_store(f);
	assert_int_equal(store_newest(f->store), last);
	assert_int_equal(put(f, "a", "2", "x"), last + 1);
}

static void
sees_what_another_process_writes_by_its_bell(void **state)
{
	struct fixture *f = *state;
	struct fixture other = *f;
	struct entry *entries[4];
	struct follower *follower;
	uint64_t from = store_newest(f->store);
	int64_t began_ms;
	struct put next;
	int grew = 0;

	open_store(&other);
	follower = store_follow(other.store, f->loop, count_cb, &grew);
	began_ms = clock_mono_ms();
	put(f, "a", "1", "x");
	await(f, &grew);
	/* Sooner than the look once a second would have it, and by far. */
	assert_in_range(clock_mono_ms() - began_ms, 0, 500);
	assert_int_equal(store_tail(other.store, from, entries, 4), 1);
	assert_string_equal(entries[0]->id, "1");
	entry_unref(entries[0]);
	next = put_entry(&other, item("a", "1", "x"));
	assert_true(next.results[0].duplicate);
	next = put_entry(&other, item("a", "2", "x"));
	assert_int_equal(next.results[0].prev_seq, from + 1);
	store_unfollow(follower);
	store_free(other.store);
}

static void
answers_busy_when_the_lock_does_not_come(void **state)
{
	struct fixture *f = *state;
	struct put put;
	sqlite3 *db;

	store_free(f->store);
	f->conf.store.publish_timeout_ms = 100;
	open_store(f);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	put = put_entry(f, item("a", "1", "x"));
	assert_int_equal(put.err, ERR_BUSY);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	put = put_entry(f, item("a", "1", "x"));
	assert_int_equal(put.err, ERR_OK);
	assert_false(put.results[0].duplicate);
	assert_int_equal(put.results[0].prev_seq, 0);
}

static void
refuses(struct fixture *f, int wanted, const char *word)
{
	struct buf why;
	int status = 0;

	buf_init(&why, 0);
	assert_null(store_open(&f->conf, "test", &why, &status));
	assert_int_equal(status, wanted);
	assert_non_null(strstr(why.data, f->conf.store.path));
	if (strstr(why.data, word) == NULL)
		fail_msg("no \"%s\" in: %s", word, why.data);
	buf_clear(&why);
}

static void
refuses_a_file_that_is_not_ours_and_leaves_it_alone(void **state)
{
	struct fixture *f = *state;
	char text[32] = "";
	sqlite3 *db;
	FILE *file;

	store_free(f->store);
	unlink(f->path);
	file = fopen(f->path, "w");
	fputs("dear diary, these are my notes", file);
	fclose(file);
	refuses(f, EX_CONFIG, "not a waft store");
	file = fopen(f->path, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "dear diary, these are my notes");
	fclose(file);
	unlink(f->path);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL);
	sqlite3_close(db);
	refuses(f, EX_CONFIG, "not a waft store");
	unlink(f->path);
	open_store(f);
}

static void
refuses_an_item_while_the_disk_is_full_and_breaks_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;
	const char *why = NULL;
	uint64_t first;
	struct got got;
	struct put put_;

	store_free(f->store);
	disk_install();
	open_store(f);
	first = put(f, "a", "1", "x");
	assert_true(store_is_writable(f->store, &why));
	disk.full = true;
	put_ = put_entry(f, item("a", "2", "x"));
	assert_int_equal(put_.err, ERR_FULL);
	assert_false(store_is_writable(f->store, &why));
	assert_string_equal(why, "the disk of the store is full");
	assert_int_equal(subscribe(f, "a", "u@x", SUB_ACTIVE).err, ERR_FULL);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 1);
	assert_int_equal(store_newest(f->store), first);
	disk.full = false;
	/* Nobody has to publish for it to notice. */
	while (!store_is_writable(f->store, &why) && clock_mono_ms() < until_ms)
		usleep(1000);
	assert_true(store_is_writable(f->store, &why));
	put_ = put_entry(f, item("a", "2", "x"));
	assert_int_equal(put_.err, ERR_OK);
	assert_false(put_.results[0].duplicate);
	assert_int_equal(put_.results[0].prev_seq, first);
	reopen(f);
	get(f, "a", 0, 10, &got);
	assert_int_equal(got.count, 2);
	assert_int_equal(list(f, (struct sub_filter){ 0 }, 0, 10).count, 0);
	store_free(f->store);
	disk_remove();
	open_store(f);
}

static void
says_that_a_store_is_read_only_or_the_disk_full(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "1", "x");
	store_free(f->store);
	disk_install();
	disk.read_only = true;
	refuses(f, EX_IOERR, "cannot be written");
	disk.read_only = false;
	unlink(f->path);
	disk.full = true;
	refuses(f, EX_IOERR, "disk is full");
	disk.full = false;
	disk_remove();
	open_store(f);
}

static void
refuses_a_newer_store_and_a_folder_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	char path[] = "/nonexistent/folder/waft.db";
	sqlite3 *db;

	store_free(f->store);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	refuses(f, EX_CONFIG, "newer");
	unlink(f->path);
	f->conf.store.path = path;
	refuses(f, EX_CANTCREAT, "folder");
	f->conf.store.path = f->path;
	open_store(f);
}

static void
hides_its_private_file_from_others(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char name[100];

	snprintf(name, sizeof(name), "%s.test", f->path);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

#define ON(engine, rule)                                  \
	{                                                 \
		engine ": " #rule, rule, setup, teardown, \
		    (void *)(uintptr_t)engine             \
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
		BOTH(lists_subscriptions_by_n_and_filter),
		BOTH(keeps_private_state_by_key),
		BOTH(tells_its_positions_from_others),
		BOTH(finishes_what_was_asked_before_it_is_freed),
		ON("sqlite", keeps_everything_across_a_restart),
		ON("sqlite",
		    remembers_trimmed_ids_and_deletions_across_a_restart),
		ON("sqlite",
		    never_gives_a_seq_twice_though_the_newest_row_is_gone),
		ON("sqlite", sees_what_another_process_writes_by_its_bell),
		ON("sqlite", answers_busy_when_the_lock_does_not_come),
		ON("sqlite",
		    refuses_a_file_that_is_not_ours_and_leaves_it_alone),
		ON("sqlite",
		    refuses_an_item_while_the_disk_is_full_and_breaks_nothing),
		ON("sqlite", says_that_a_store_is_read_only_or_the_disk_full),
		ON("sqlite",
		    refuses_a_newer_store_and_a_folder_that_is_not_there),
		ON("sqlite", hides_its_private_file_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
