#include "component/notify.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/apart.h"
#include "component/comeback.h"
#include "component/send.h"
#include "component/target.h"

static struct stat_metric notify_full =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"channel-too-large\"");
static struct stat_metric notify_rewound =
    STAT_COUNTER("waft_component_rewound_channels_total",
        "Channels taken back to an earlier position", NULL);

/* ---- targets --------------------------------------------------------- */

static struct target *
notify_find(const struct notify *notify, const char *channel, size_t len)
{
	struct target *target;

	HASH_FIND(hh, notify->targets, channel, len, target);
	return target;
}

void
notify_add(struct notify *notify, const struct subscription *sub)
{
	size_t len = strlen(sub->channel);
	struct target *target;
	bool behind;
	enum err err;

	if (sub->state != SUB_ACTIVE) {
		notify_remove(notify, sub);
		return;
	}
	if (sub->position != 0 && comeback_add(notify, sub))
		return;
	if (comeback_is_running(notify, sub->n))
		return;
	/* The first of a channel gets what it has missed. */
	behind = notify->begun && sub->since < notify->seen &&
	    roll_find(&notify->roll, sub->channel, len) == NULL;
	err = roll_put(&notify->roll, sub);
	if (err == ERR_LARGE) {
		stat_add(&notify_full, 1);
		log_warn("component.full", "channel=%s", LOGQ(sub->channel));
	}
	if (!behind)
		return;
	target =
	    target_create(notify, roll_find(&notify->roll, sub->channel, len));
	target->last = notify->seen;
	target_set_late(target, true);
	target_begin(target, sub->since);
}

void
notify_hold(struct notify *notify, const char *name)
{
	struct target *target = notify_find(notify, name, strlen(name));

	if (target == NULL)
		notify->gone = barrier_mark(notify->barrier);
	else if (target->class->multicast)
		send_hold(target);
}

void
notify_drop_member(struct notify *notify, const char *name, uint64_t n)
{
	size_t len = strlen(name);
	struct roll_channel *channel = roll_find(&notify->roll, name, len);
	struct target *target = notify_find(notify, name, len);

	if (channel == NULL || !roll_del(&notify->roll, channel, n))
		return;
	if (target == NULL)
		return;
	/* The others move up. */
	if (target->class->multicast)
		send_hold(target);
	if (target->members->count == 0)
		target_free(target);
}

void
notify_remove(struct notify *notify, const struct subscription *sub)
{
	comeback_del(notify, sub->n);
	notify_drop_member(notify, sub->channel, sub->n);
}

static void
notify_delete_channel(struct notify *notify, const struct entry *entry)
{
	struct roll_channel *channel =
	    roll_find(&notify->roll, entry->channel, entry->channel_len);
	struct target *target;

	comeback_see_delete(notify, entry);
	if (channel == NULL)
		return;
	target = notify_find(notify, entry->channel, entry->channel_len);
	if (target == NULL)
		target = target_create(notify, channel);
	send_deleted(target, entry);
	roll_del_before(&notify->roll, channel, entry->seq);
	if (target->members->count == 0 || !sub_is_set(&target->sub))
		target_free(target);
}

/* Where a channel without a target stands: all that passed was taken. */
static uint64_t
notify_position(const struct notify *notify)
{
	uint64_t position = worker_position(notify->worker);

	return position > notify->seen ? position : notify->seen;
}

/* What is to be read again comes first. */
static struct target *
notify_wake(struct notify *notify, struct roll_channel *channel)
{
	struct replay *replay = &notify->replay;
	struct target *target;

	if (replay->on && channel->round != replay->round)
		return replay_revive(notify, channel);
	target = target_create(notify, channel);
	target_begin(target, notify_position(notify));
	return target;
}

void
notify_set_roster(struct notify *notify, const struct roster *roster)
{
	notify->roster = roster;
}

void
notify_join(struct notify *notify, const char *channel, const char *jid,
    uint64_t n)
{
	const struct subscription sub = { .n = n,
		.since = notify_position(notify),
		.owner = notify->domain,
		.channel = channel,
		.address = jid,
		.state = SUB_ACTIVE };

	notify_add(notify, &sub);
}

void
notify_part(struct notify *notify, const char *channel, uint64_t n)
{
	const struct subscription sub = { .n = n, .channel = channel };

	notify_remove(notify, &sub);
}

static void
notify_see_item(struct notify *notify, const struct entry *entry)
{
	struct target *target =
	    notify_find(notify, entry->channel, entry->channel_len);
	struct roll_channel *channel;

	comeback_see_item(notify, entry);
	if (target == NULL) {
		channel = roll_find(&notify->roll, entry->channel,
		    entry->channel_len);
		if (channel == NULL || entry->seq <= notify->seen)
			return;
		target = notify_wake(notify, channel);
	}
	if (target->last < entry->seq)
		target->last = entry->seq;
	target_set_late(target, true);
}

static void
notify_see_sub(struct notify *notify, const struct entry *entry)
{
	struct subscription sub;

	if (!subscription_unpack(entry, &sub) ||
	    strcmp(sub.owner, notify->domain) != 0)
		return;
	if (entry->kind == ENTRY_SUB)
		notify_add(notify, &sub);
	else
		notify_remove(notify, &sub);
}

void
notify_entry(struct notify *notify, const struct entry *entry)
{
	switch (entry->kind) {
	case ENTRY_ITEM:
		notify_see_item(notify, entry);
		break;
	case ENTRY_SUB:
	case ENTRY_UNSUB:
		notify_see_sub(notify, entry);
		break;
	case ENTRY_DELETE:
		notify_delete_channel(notify, entry);
		break;
	case ENTRY_CREATE:
	case ENTRY_NODE:
		break;
	}
	if (entry->seq > notify->seen)
		notify->seen = entry->seq;
}

/* ---- positions ------------------------------------------------------- */

/* Those that the note has behind, and may have had more since. */
static void
notify_revive(struct notify *notify, const struct position_note *note)
{
	struct position_behind behind;
	struct roll_channel *channel;
	struct target *target;
	size_t at = 0;

	while (position_note_next(note, &at, &behind)) {
		if (position_is_one(&behind))
			continue;
		channel = roll_find(&notify->roll, behind.channel,
		    behind.channel_len);
		if (channel == NULL)
			continue;
		target =
		    notify_find(notify, behind.channel, behind.channel_len);
		if (target == NULL) {
			target = target_create(notify, channel);
			target->last = notify->dropped;
		}
		if (target->last < note->seq)
			target->last = note->seq;
	}
}

static void
notify_want(struct notify *notify, const struct position_note *note)
{
	struct position_behind behind;
	struct target *target, *next;
	size_t at = 0;

	MAP_FOREACH(target, next, notify->targets) {
		target->channel->round = notify->replay.round;
		target->want = note->seq;
		target->part_seq = target->part_n = 0;
		target->proof = 0;
		if (target->class->multicast)
			send_hold(target);
	}
	while (position_note_next(note, &at, &behind)) {
		target =
		    notify_find(notify, behind.channel, behind.channel_len);
		if (target == NULL || position_is_one(&behind))
			continue;
		target->want = behind.seq;
		target->part_seq = behind.part_seq;
		target->part_n = behind.part_n;
	}
}

static void
notify_go(struct target *target)
{
	if (sub_is_set(&target->sub)) {
		if (target->sub.cursor <= target->want)
			return;
		stat_add(&notify_rewound, 1);
		target_stop_waiting(target);
		sub_clear(&target->sub);
	}
	target_begin(target, target->want);
	if (target->last > target->want)
		target_set_late(target, true);
}

void
notify_go_to(struct notify *notify, const struct position_note *note)
{
	struct target *target, *next;

	if (!notify->begun)
		notify->seen = note->seq;
	notify->begun = true;
	replay_begin(notify, note->seq);
	notify_revive(notify, note);
	notify_want(notify, note);
	MAP_FOREACH(target, next, notify->targets)
		notify_go(target);
	comeback_go_to(notify, note);
}

void
notify_open(struct notify *notify, bool open)
{
	notify->open = open;
	if (!open)
		return;
	notify->stale = store_newest(worker_store(notify->worker));
	notify_resume(notify);
}

void
notify_resume(struct notify *notify)
{
	target_recheck(notify);
	loop_defer(worker_loop(notify->worker), &notify->again);
}

struct position_note *
notify_note(const struct notify *notify)
{
	struct position_note *note;
	struct target *target;
	struct buf text;

	buf_init(&text, 0);
	position_note_begin(&text, notify->epoch,
	    notify->replay.on ? notify->replay.at : notify->seen);
	TAILQ_FOREACH(target, &notify->late, late_entry) {
		struct position_behind behind = { target->sub.cursor,
			target->part_seq, target->part_n, target->name,
			strlen(target->name) };

		if (target->back != NULL) {
			behind.part_seq = 0;
			behind.part_n = target->members->list[0].n;
		}

		if (target->sub.cursor >= target->last)
			target_took(target);
		else
			position_note_add(&text, &behind);
	}
	note = position_note_read(text.data, text.len, notify->epoch);
	buf_clear(&text);
	return note;
}

size_t
notify_suspect(struct notify *notify, const struct xml *group)
{
	return apart_suspect(notify, group);
}

void
notify_malformed(struct notify *notify, const char *jid)
{
	apart_bounced(notify, jid);
}

void
notify_forget(struct notify *notify, uint64_t seq)
{
	comeback_forget(notify, seq);
}

/* ---- life ------------------------------------------------------------ */

struct notify *
notify_create(const struct notify_opts *opts)
{
	struct notify *notify = xcalloc(1, sizeof(*notify));

	notify->worker = opts->worker;
	notify->domain = opts->domain;
	notify->epoch = opts->epoch;
	notify->multicast = opts->multicast;
	notify->barrier = opts->barrier;
	notify->suspect = opts->suspect;
	notify->out = opts->out;
	notify->wrote = opts->wrote;
	notify->batch = opts->batch;
	notify->pause = opts->pause;
	notify->arg = opts->arg;
	TAILQ_INIT(&notify->waiting);
	TAILQ_INIT(&notify->unsure);
	TAILQ_INIT(&notify->late);
	TAILQ_INIT(&notify->quiet);
	TAILQ_INIT(&notify->took);
	TAILQ_INIT(&notify->returned);
	roll_init(&notify->roll, opts->local);
	buf_init(&notify->id, 0);
	buf_init(&notify->inner, 0);
	buf_init(&notify->group, 0);
	loop_defer_init(&notify->again, LOOP_DELIVER, target_grant, notify);
	loop_defer_init(&notify->settle, LOOP_REAP, target_settle, notify);
	return notify;
}

void
notify_free(struct notify *notify)
{
	struct target *target, *next;

	if (notify == NULL)
		return;
	MAP_FOREACH(target, next, notify->targets)
		target_free(target);
	comeback_clear(notify);
	replay_stop(notify);
	roll_clear(&notify->roll);
	loop_defer_cancel(worker_loop(notify->worker), &notify->again);
	loop_defer_cancel(worker_loop(notify->worker), &notify->settle);
	buf_clear(&notify->id);
	buf_clear(&notify->inner);
	buf_clear(&notify->group);
	free(notify);
}

void
notify_reload(struct notify *notify, const struct conf *conf)
{
	struct target *target, *next;

	notify->changed = barrier_mark(notify->barrier);
	MAP_FOREACH(target, next, notify->targets) {
		target->class = conf_class(conf, target->name);
		send_hold(target);
	}
	MAP_FOREACH(target, next, notify->backs) {
		target->class = conf_class(conf, target->name);
		send_hold(target);
	}
}

uint64_t
notify_last(const struct notify *notify)
{
	return notify->last;
}

size_t
notify_channels(const struct notify *notify)
{
	return notify->roll.n_channels;
}

size_t
notify_members(const struct notify *notify)
{
	return notify->roll.n_members + notify->n_running;
}
