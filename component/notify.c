#include "component/notify.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/stat.h"
#include "common/channel/channel.h"
#include "common/channel/item.h"
#include "common/xmpp/jid.h"
#include "component/members.h"

static struct stat_metric notify_sent =
    STAT_COUNTER("waft_component_sent_stanzas_total",
        "Stanzas of items written to the link, repeats included", NULL);
static struct stat_metric notify_no_format =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"no-format\"");
static struct stat_metric notify_iq_off =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-not-allowed\"");
static struct stat_metric notify_iq_bare =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-to-bare-jid\"");
static struct stat_metric notify_full =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"channel-too-large\"");
static struct stat_metric notify_rewound =
    STAT_COUNTER("waft_component_rewound_channels_total",
        "Channels taken back to an earlier position", NULL);

TAILQ_HEAD(targets, target);

struct target {
	UT_hash_handle hh;
	TAILQ_ENTRY(target) wait_entry;
	TAILQ_ENTRY(target) late_entry;
	struct notify *notify;
	struct sub sub;
	struct members members;
	struct buf from; /* the channel's address, escaped */
	uint64_t last;   /* the newest item known to be on the channel */
	uint64_t want;   /* where notify_go_to() takes it */
	/* What was reached inside the item after the cursor; 0: nothing. */
	uint64_t part_seq;
	uint64_t part_n;
	int budget; /* stanzas until the others' turn */
	bool waiting;
	bool late; /* in the list of those that may be behind */
	char name[];
};

struct notify {
	struct worker *worker;
	const char *domain;
	const char *epoch;
	struct barrier *barrier;
	struct buf *out;
	void (*wrote)(void *arg);
	void (*pause)(void *arg, bool paused);
	void *arg;
	struct target *targets;
	struct targets waiting;
	/* A superset of those whose cursor is before their last item. */
	struct targets late;
	size_t n_waiting;
	size_t n_members;
	uint64_t seen; /* entries up to it have passed */
	struct deferred again;
	struct buf id;
	bool begun;
	bool open;
	bool paused;
};

static const struct sink_ops notify_sink;

/* ---- lists ----------------------------------------------------------- */

static void
notify_check_pause(struct notify *notify)
{
	bool paused = notify->paused ?
	    notify->n_waiting > NOTIFY_WAITING_MAX / 2 :
	    notify->n_waiting > NOTIFY_WAITING_MAX;

	if (paused == notify->paused)
		return;
	notify->paused = paused;
	notify->pause(notify->arg, paused);
}

static void
target_wait(struct target *target)
{
	struct notify *notify = target->notify;

	if (target->waiting)
		return;
	target->waiting = true;
	TAILQ_INSERT_TAIL(&notify->waiting, target, wait_entry);
	notify->n_waiting++;
	notify_check_pause(notify);
}

static void
target_stop_waiting(struct target *target)
{
	struct notify *notify = target->notify;

	if (!target->waiting)
		return;
	target->waiting = false;
	TAILQ_REMOVE(&notify->waiting, target, wait_entry);
	notify->n_waiting--;
	notify_check_pause(notify);
}

static void
target_set_late(struct target *target, bool late)
{
	struct notify *notify = target->notify;

	if (late && !target->late)
		TAILQ_INSERT_TAIL(&notify->late, target, late_entry);
	if (!late && target->late)
		TAILQ_REMOVE(&notify->late, target, late_entry);
	target->late = late;
}

/* ---- delivery -------------------------------------------------------- */

static bool
notify_has_room(const struct notify *notify)
{
	return notify->open && !barrier_is_full(notify->barrier);
}

/* Lets as many go on as the window has turns for, in the order they came. */
static void
notify_grant(void *arg)
{
	struct notify *notify = arg;
	struct target *target;
	uint64_t room = barrier_room(notify->barrier), given = 0;

	if (!notify_has_room(notify))
		return;
	while (given < room && (target = TAILQ_FIRST(&notify->waiting))) {
		target_stop_waiting(target);
		target->budget = NOTIFY_QUANTUM;
		given += NOTIFY_QUANTUM;
		sub_resume(&target->sub);
	}
	/* Whoever did not need his turn leaves room: look again. */
	if (!TAILQ_EMPTY(&notify->waiting))
		loop_defer(worker_loop(notify->worker), &notify->again);
}

/* May this target write one more stanza? */
static bool
target_may_write(struct target *target)
{
	struct notify *notify = target->notify;

	if (!notify_has_room(notify))
		return false;
	if (target->budget > 0)
		return true;
	if (!TAILQ_EMPTY(&notify->waiting)) {
		loop_defer(worker_loop(notify->worker), &notify->again);
		return false;
	}
	target->budget = NOTIFY_QUANTUM;
	return true;
}

/* The publisher's sender, where it is an address of this link's domain: any
 * other would end the stream. */
static bool
target_keeps_from(const struct target *target, const struct stanza *stanza)
{
	const char *from = stanza_from(stanza), *why;
	struct jid jid;

	return from != NULL &&
	    jid_parse(from, strlen(from), &jid, &why) == ERR_OK &&
	    jid_domain_is(&jid, target->notify->domain);
}

static void
target_fill(struct target *target, struct entry *entry,
    const struct stanza *stanza, struct stanza_fill *fill)
{
	struct buf *id = &target->notify->id;

	memset(fill, 0, sizeof(*fill));
	if (!target_keeps_from(target, stanza)) {
		fill->from = target->from.data;
		fill->from_len = target->from.len;
	}
	buf_reset(id);
	if (stanza_id(stanza) != NULL && stanza_kind(stanza) != STANZA_IQ)
		return;
	item_stanza_id(target->notify->epoch, entry, id);
	fill->id = id->data;
	fill->id_len = id->len;
}

static void
target_write(struct target *target, const struct stanza *stanza,
    struct stanza_fill *fill, const struct member *member)
{
	struct notify *notify = target->notify;
	struct buf *out = notify->out, *id = &notify->id;
	size_t before = out->len, id_len = fill->id_len;

	fill->to = members_text(&target->members, member);
	fill->to_len = member->len;
	if (stanza_kind(stanza) == STANZA_IQ) {
		/* Answers are told apart by it. */
		buf_addc(id, '-');
		buf_addu(id, member->n);
		fill->id = id->data;
		fill->id_len = id->len;
	}
	stanza_write(stanza, STANZA_LINK, fill, out);
	barrier_sent(notify->barrier, out->len - before,
	    loop_now_ms(worker_loop(notify->worker)));
	target->budget--;
	if (stanza_kind(stanza) == STANZA_IQ) {
		id->len = id_len;
		fill->id_len = id_len;
	}
}

static bool
target_wants(const struct member *member, const struct entry *entry,
    const struct stanza *stanza)
{
	if (member->since >= entry->seq)
		return false;
	if (stanza_kind(stanza) == STANZA_IQ && !member->full) {
		stat_add(&notify_iq_bare, 1);
		return false;
	}
	return true;
}

static enum sink_result
target_send(struct target *target, struct entry *entry,
    const struct stanza *stanza)
{
	struct members *members = &target->members;
	struct stanza_fill fill;
	const struct member *member;
	uint64_t done = target->part_seq == entry->seq ? target->part_n : 0;
	size_t i;
	int sent = 0;

	target_fill(target, entry, stanza, &fill);
	for (i = members_after(members, done); i < members->count; i++) {
		member = &members->list[i];
		if (!target_wants(member, entry, stanza))
			continue;
		if (!target_may_write(target))
			break;
		target_write(target, stanza, &fill, member);
		done = member->n;
		sent++;
	}
	if (sent > 0) {
		stat_add(&notify_sent, sent);
		target->notify->wrote(target->notify->arg);
	}
	if (i == members->count) {
		target->part_seq = target->part_n = 0;
		return SINK_TOOK;
	}
	target->part_seq = done > 0 ? entry->seq : 0;
	target->part_n = done;
	target_wait(target);
	return SINK_FULL;
}

static struct target *
target_of(struct sub *sub)
{
	return (struct target *)((char *)sub - offsetof(struct target, sub));
}

static enum sink_result
notify_deliver(struct sub *sub, struct entry *entry)
{
	struct target *target = target_of(sub);
	const struct conf_class *class = channel_class(sub->channel);
	const struct stanza *stanza;

	if (entry->kind != ENTRY_ITEM)
		return SINK_TOOK;
	stanza = item_stanza(entry, class->notify);
	if (stanza == NULL) {
		stat_add(&notify_no_format, 1);
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
	members_init(&target->members);
	buf_init(&target->from, 0);
	buf_init(&address, 0);
	jid_of_channel(channel, notify->domain, &address);
	buf_adds_xml(&target->from, address.data);
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
	notify->out = opts->out;
	notify->wrote = opts->wrote;
	notify->pause = opts->pause;
	notify->arg = opts->arg;
	TAILQ_INIT(&notify->waiting);
	TAILQ_INIT(&notify->late);
	buf_init(&notify->id, 0);
	loop_defer_init(&notify->again, LOOP_DELIVER, notify_grant, notify);
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
