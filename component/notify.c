#include "component/notify.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/xmpp/jid.h"
#include "component/target.h"

static struct stat_metric notify_no_format =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"no-format\"");
static struct stat_metric notify_iq_off =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-not-allowed\"");
static struct stat_metric notify_quarantined =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"quarantined\"");
static struct stat_metric notify_full =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"channel-too-large\"");
static struct stat_metric notify_rewound =
    STAT_COUNTER("waft_component_rewound_channels_total",
        "Channels taken back to an earlier position", NULL);

/* ---- delivery -------------------------------------------------------- */

static struct target *
target_of(struct sub *sub)
{
	return (struct target *)((char *)sub - offsetof(struct target, sub));
}

static enum sink_result
notify_deliver(struct sub *sub, struct entry *entry)
{
	struct target *target = target_of(sub);
	const struct conf_class *class = target->class;
	const struct stanza *stanza;

	if (entry->kind != ENTRY_ITEM)
		return SINK_TOOK;
	stanza = item_stanza(entry, class->notify);
	if (stanza == NULL) {
		stat_add(&notify_no_format, 1);
		return SINK_TOOK;
	}
	if (suspect_skips(target->notify->suspect, entry->seq)) {
		stat_add(&notify_quarantined, 1);
		return SINK_TOOK;
	}
	if (stanza_kind(stanza) == STANZA_IQ && !class->iq) {
		stat_add(&notify_iq_off, 1);
		return SINK_TOOK;
	}
	return target_send(target, entry, stanza);
}

static void
notify_lagged(struct sub *sub, uint64_t first)
{
	struct target *target = target_of(sub);

	log_warn("component.lagged",
	    "domain=%s channel=%s after=%llu first=%llu",
	    LOGQ(target->notify->domain), LOGQ(target->name),
	    (unsigned long long)sub->cursor, (unsigned long long)first);
}

/* The log's own entry took the members out already. */
static void
notify_deleted(struct sub *sub UNUSED)
{
}

static const struct sink_ops notify_sink = {
	"link",
	notify_deliver,
	notify_lagged,
	notify_deleted,
};

/* ---- targets --------------------------------------------------------- */

static struct target *
notify_find(const struct notify *notify, const char *channel, size_t len)
{
	struct target *target;

	HASH_FIND(hh, notify->targets, channel, len, target);
	return target;
}

static struct target *
notify_make(struct notify *notify, const char *channel)
{
	size_t len = strlen(channel);
	struct target *target = xcalloc(1, sizeof(*target) + len + 1);
	struct buf address;

	memcpy(target->name, channel, len);
	target->notify = notify;
	target->class = conf_class(worker_conf(notify->worker), channel);
	members_init(&target->members);
	buf_init(&target->from, 0);
	buf_init(&address, 0);
	jid_of_channel(channel, notify->domain, &address);
	buf_adds_xml(&target->from, address.data);
	buf_fit(&target->from);
	buf_clear(&address);
	HASH_ADD_KEYPTR(hh, notify->targets, target->name, len, target);
	return target;
}

static void
target_free(struct target *target)
{
	struct notify *notify = target->notify;

	target_stop_waiting(target);
	target_set_late(target, false);
	sub_clear(&target->sub);
	HASH_DEL(notify->targets, target);
	notify->n_members -= target->members.count;
	members_clear(&target->members);
	buf_clear(&target->from);
	free(target);
}

void
notify_add(struct notify *notify, const struct subscription *sub)
{
	struct target *target;

	if (sub->state != SUB_ACTIVE) {
		notify_remove(notify, sub);
		return;
	}
	target = notify_find(notify, sub->channel, strlen(sub->channel));
	if (target == NULL)
		target = notify_make(notify, sub->channel);
	if (members_put(&target->members, sub->n, sub->since, sub->address))
		notify->n_members++;
	else if (target->members.text.failed) {
		stat_add(&notify_full, 1);
		log_warn("component.full", "channel=%s members=%zu",
		    LOGQ(sub->channel), target->members.count);
	}
	if (notify->begun && !sub_is_set(&target->sub))
		sub_init(&target->sub, notify->worker, target->name,
		    &notify_sink, sub->since);
}

void
notify_remove(struct notify *notify, const struct subscription *sub)
{
	struct target *target =
	    notify_find(notify, sub->channel, strlen(sub->channel));

	if (target == NULL || !members_del(&target->members, sub->n))
		return;
	notify->n_members--;
	if (target->members.count == 0)
		target_free(target);
}

static void
notify_delete_channel(struct notify *notify, const struct entry *entry)
{
	struct target *target =
	    notify_find(notify, entry->channel, entry->channel_len);
	size_t before;

	if (target == NULL)
		return;
	target_tell_deleted(target, entry);
	before = target->members.count;
	members_del_before(&target->members, entry->seq);
	notify->n_members -= before - target->members.count;
	if (target->members.count == 0)
		target_free(target);
}

static void
notify_see_item(struct notify *notify, const struct entry *entry)
{
	struct target *target =
	    notify_find(notify, entry->channel, entry->channel_len);

	if (target == NULL)
		return;
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

static void
notify_want(struct notify *notify, const struct position_note *note)
{
	struct position_behind behind;
	struct target *target, *next;
	size_t at = 0;

	MAP_FOREACH(target, next, notify->targets) {
		target->want = note->seq;
		target->part_seq = target->part_n = 0;
	}
	while (position_note_next(note, &at, &behind)) {
		target =
		    notify_find(notify, behind.channel, behind.channel_len);
		if (target == NULL)
			continue;
		target->want = behind.seq;
		target->part_seq = behind.part_seq;
		target->part_n = behind.part_n;
		if (target->last < note->seq)
			target->last = note->seq;
	}
}

static void
target_go(struct target *target)
{
	struct notify *notify = target->notify;

	if (sub_is_set(&target->sub)) {
		if (target->sub.cursor <= target->want)
			return;
		stat_add(&notify_rewound, 1);
		target_stop_waiting(target);
		sub_clear(&target->sub);
	}
	sub_init(&target->sub, notify->worker, target->name, &notify_sink,
	    target->want);
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
	notify_want(notify, note);
	MAP_FOREACH(target, next, notify->targets)
		target_go(target);
}

void
notify_open(struct notify *notify, bool open)
{
	notify->open = open;
	if (open)
		notify_resume(notify);
}

void
notify_resume(struct notify *notify)
{
	loop_defer(worker_loop(notify->worker), &notify->again);
}

struct position_note *
notify_note(const struct notify *notify)
{
	struct position_note *note;
	struct target *target, *next;
	struct buf text;

	buf_init(&text, 0);
	position_note_begin(&text, notify->epoch, notify->seen);
	TAILQ_FOREACH_SAFE(target, &notify->late, late_entry, next) {
		struct position_behind behind = { target->sub.cursor,
			target->part_seq, target->part_n, target->name,
			target->hh.keylen };

		if (target->sub.cursor >= target->last)
			target_set_late(target, false);
		else
			position_note_add(&text, &behind);
	}
	note = position_note_read(text.data, text.len, notify->epoch);
	buf_clear(&text);
	return note;
}

/* ---- life ------------------------------------------------------------ */

struct notify *
notify_create(const struct notify_opts *opts)
{
	struct notify *notify = xcalloc(1, sizeof(*notify));

	notify->worker = opts->worker;
	notify->domain = opts->domain;
	notify->epoch = opts->epoch;
	notify->barrier = opts->barrier;
	notify->suspect = opts->suspect;
	notify->out = opts->out;
	notify->wrote = opts->wrote;
	notify->batch = opts->batch;
	notify->pause = opts->pause;
	notify->arg = opts->arg;
	TAILQ_INIT(&notify->waiting);
	TAILQ_INIT(&notify->late);
	buf_init(&notify->id, 0);
	loop_defer_init(&notify->again, LOOP_DELIVER, target_grant, notify);
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
	loop_defer_cancel(worker_loop(notify->worker), &notify->again);
	buf_clear(&notify->id);
	free(notify);
}

void
notify_reload(struct notify *notify, const struct conf *conf)
{
	struct target *target, *next;

	MAP_FOREACH(target, next, notify->targets)
		target->class = conf_class(conf, target->name);
}

uint64_t
notify_last(const struct notify *notify)
{
	return notify->last;
}

size_t
notify_channels(const struct notify *notify)
{
	return HASH_COUNT(notify->targets);
}

size_t
notify_members(const struct notify *notify)
{
	return notify->n_members;
}
