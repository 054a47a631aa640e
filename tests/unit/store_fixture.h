/*
 * A store in a folder of its own, a loop, and calls that wait for their
 * answer; for the tests of the store.
 */
#ifndef WAFT_STORE_FIXTURE_H
#define WAFT_STORE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

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

static inline void
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

static inline void
reopen(struct fixture *f)
{
	store_free(f->store);
	open_store(f);
}

static inline int
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

static inline int
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
static inline void
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

static inline void
put_cb(enum err err, const struct append_result *results, size_t count,
    void *arg)
{
	struct put *put = arg;

	put->err = err;
	put->done++;
	memcpy(put->results, results, count * sizeof(*results));
}

static inline struct entry *
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

static inline struct put
put_entry(struct fixture *f, struct entry *entry)
{
	struct put put = { 0 };

	store_append(f->store, f->loop, &entry, 1, put_cb, &put);
	assert_int_equal(put.done, 0);
	await(f, &put.done);
	return put;
}

static inline uint64_t
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

static inline void
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

static inline void
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
	uint64_t n, since, position, changed;
	unsigned ways;
};

static inline void
subbed_cb(enum err err, const struct subscription *sub, bool existed, void *arg)
{
	struct subbed *subbed = arg;

	subbed->done++;
	subbed->err = err;
	subbed->existed = existed;
	subbed->n = sub->n;
	subbed->since = sub->since;
	subbed->position = sub->position;
	subbed->changed = sub->changed;
	subbed->ways = sub->ways;
}

/* Suspended: position 0 is where the log is. */
static inline struct subbed
subscribe_at(struct fixture *f, const char *channel, const char *address,
    enum sub_state state, uint64_t position)
{
	struct subscription sub = { .owner = "push.example",
		.channel = channel,
		.address = address,
		.state = state,
		.reason = state == SUB_SUSPENDED ? "gone" : NULL,
		.position = position };
	struct subbed subbed = { 0 };

	store_sub_put(f->store, f->loop, &sub, subbed_cb, &subbed);
	assert_int_equal(subbed.done, 0);
	await(f, &subbed.done);
	return subbed;
}

static inline struct subbed
subscribe(struct fixture *f, const char *channel, const char *address,
    enum sub_state state)
{
	return subscribe_at(f, channel, address, state, 0);
}

struct listed {
	int done;
	size_t count;
	uint64_t as_of;
	char text[400];
};

static inline void
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

static inline struct listed
list(struct fixture *f, struct sub_filter filter, uint64_t after_n, size_t max)
{
	struct listed listed = { 0 };

	store_sub_list(f->store, f->loop, &filter, after_n, max, listed_cb,
	    &listed);
	await(f, &listed.done);
	return listed;
}

static inline void
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

static inline void
await_bar(struct fixture *f, const char *text)
{
	int64_t until_ms = clock_mono_ms() + DEADLINE_MS;

	while (strchr(text, '|') == NULL && clock_mono_ms() < until_ms) {
		loop_turn(f->loop, false);
		usleep(200);
	}
}

static inline void
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

static inline void
count_cb(void *arg)
{
	(*(int *)arg)++;
}

#define ON(engine, rule)                                  \
	{                                                 \
		engine ": " #rule, rule, setup, teardown, \
		    (void *)(uintptr_t)engine             \
	}

#endif
