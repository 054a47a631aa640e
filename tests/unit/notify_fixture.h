/*
 * A domain's notify over the memory store, with a buffer in place of the link
 * and barriers that the test answers.
 */
#ifndef WAFT_NOTIFY_FIXTURE_H
#define WAFT_NOTIFY_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/channel/channel.h"
#include "component/notify.h"
#include "tests/unit/unit.h"

#define DOMAIN "push.example.org"

/* A worker over the memory store and a buffer in place of the link. */
struct world {
	struct conf *conf;
	struct store *store;
	struct worker *worker;
	struct barrier barrier;
	struct suspect suspect;
	struct notify *notify;
	struct buf out;
	struct buf barriers;
	uint64_t n; /* of the last subscription */
	uint32_t epoch;
	bool paused;
	bool marks;                 /* barriers stand in out, too */
	bool in_out;                /* they go there alone, in real time */
	struct position_note *note; /* last confirmed */
};

static inline void
wrote_cb(void *arg UNUSED)
{
}

static inline void
batch_cb(void *arg)
{
	struct world *world = arg;

	barrier_put(&world->barrier, notify_note(world->notify),
	    world->in_out ? loop_now_ms(worker_loop(world->worker)) : 0,
	    world->in_out ? &world->out : &world->barriers);
	if (world->marks)
		buf_addf(&world->out, "<barrier n='%llu'/>",
		    (unsigned long long)world->barrier.seq);
}

static inline void
pause_cb(void *arg, bool paused)
{
	struct world *world = arg;

	world->paused = paused;
	worker_pause(world->worker, paused);
}

static inline void
entry_cb(struct entry *entry, void *arg)
{
	struct world *world = arg;

	notify_entry(world->notify, entry);
}

static inline void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg UNUSED)
{
	assert_int_equal(err, ERR_OK);
}

static inline void
turn(struct world *world)
{
	int i;

	for (i = 0; i < 50; i++)
		loop_turn(worker_loop(world->worker), false);
}

static inline void
publish(struct world *world, const char *channel, const char *stanza)
{
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, "xmpp-stanza", stanza, strlen(stanza));
	entry =
	    entry_create(ENTRY_ITEM, channel, NULL, NULL, data.data, data.len);
	buf_clear(&data);
	store_append(world->store, worker_loop(world->worker), &entry, 1,
	    appended_cb, NULL);
}

static inline struct subscription
subscribe(struct world *world, const char *channel, const char *jid)
{
	struct subscription sub = {
		.n = ++world->n,
		.since = store_newest(world->store),
		.owner = DOMAIN,
		.channel = channel,
		.address = jid,
	};

	notify_add(world->notify, &sub);
	return sub;
}

static inline void
begin_opts(struct world *world, uint64_t window, bool iq,
    const struct multicast *multicast)
{
	struct barrier_opts barrier = { DOMAIN, "example.org", window, window,
		1 << 20, free };
	struct notify_opts notify = { .domain = DOMAIN,
		.local = "example.org",
		.multicast = multicast,
		.barrier = &world->barrier,
		.suspect = &world->suspect,
		.out = &world->out,
		.wrote = wrote_cb,
		.batch = batch_cb,
		.pause = pause_cb,
		.arg = world };
	struct position_note *note;
	struct buf why;
	int status;

	memset(world, 0, sizeof(*world));
	buf_init(&why, 0);
	buf_init(&world->out, 0);
	buf_init(&world->barriers, 0);
	world->conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(world->conf);
	world->conf->classes[0].iq = iq;
	world->conf->classes[0].multicast = multicast != NULL;
	free(world->conf->store.engine);
	world->conf->store.engine = xstrdup("memory");
	world->store = store_open(world->conf, "test", &why, &status);
	assert_non_null(world->store);
	world->worker = worker_create(world->conf, world->store);
	barrier_init(&world->barrier, &barrier);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	notify.worker = world->worker;
	notify.epoch = store_epoch(world->store);
	world->notify = notify_create(&notify);
	note = notify_note(world->notify);
	worker_follow(world->worker, 0, entry_cb, world);
	notify_go_to(world->notify, note);
	notify_open(world->notify, true);
	free(note);
	buf_clear(&why);
}

static inline void
begin_with(struct world *world, uint64_t window, bool iq)
{
	begin_opts(world, window, iq, NULL);
}

static inline void
begin(struct world *world, uint64_t window)
{
	begin_with(world, window, false);
}

static inline void
end(struct world *world)
{
	notify_free(world->notify);
	barrier_clear(&world->barrier);
	worker_stop(world->worker);
	store_free(world->store);
	worker_free(world->worker);
	conf_free(world->conf);
	buf_clear(&world->out);
	buf_clear(&world->barriers);
	free(world->note);
}

static inline void
answer(struct world *world, uint64_t barrier)
{
	char id[64];
	void *note;

	snprintf(id, sizeof(id), "b-%08x-%llu", world->epoch,
	    (unsigned long long)barrier);
	assert_true(
	    barrier_answer(&world->barrier, id, "example.org", 0, &note));
	assert_non_null(note);
	free(world->note);
	world->note = note;
	notify_resume(world->notify);
	turn(world);
}

/* The server answers everything sent so far. */
static inline void
confirm(struct world *world)
{
	if (barrier_unasked(&world->barrier) > 0 || world->barrier.open == 0)
		batch_cb(world);
	answer(world, world->barrier.seq);
}

/* The link is lost and comes back: all goes on behind the last note. */
static inline void
lose_link(struct world *world)
{
	notify_open(world->notify, false);
	barrier_reset(&world->barrier, ++world->epoch, 0);
	buf_reset(&world->out);
	notify_go_to(world->notify, world->note);
	notify_open(world->notify, true);
	turn(world);
}

static inline int
count(const struct world *world, const char *text)
{
	const char *at = world->out.data;
	int found = 0;

	while (at != NULL && (at = strstr(at, text)) != NULL) {
		found++;
		at += strlen(text);
	}
	return found;
}

static inline void
assert_out(struct world *world, const char *want)
{
	assert_string_equal(world->out.data == NULL ? "" : world->out.data,
	    want);
	buf_reset(&world->out);
}

static inline void
subscribe_many(struct world *world, const char *channel, int many)
{
	char jid[64];
	int i;

	for (i = 0; i < many; i++) {
		snprintf(jid, sizeof(jid), "u%d@example.org", i);
		subscribe(world, channel, jid);
	}
}

#endif
