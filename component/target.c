#include "component/target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/xmpp/change.h"
#include "common/xmpp/jid.h"
#include "component/comeback.h"
#include "component/roster.h"

static struct stat_metric target_sent =
    STAT_COUNTER("waft_component_sent_stanzas_total",
        "Stanzas of items written to the link, repeats included", NULL);
static struct stat_metric target_iq_bare =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-to-bare-jid\"");

static struct stat_metric target_no_format =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"no-format\"");
static struct stat_metric target_iq_off =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-not-allowed\"");
static struct stat_metric target_quarantined =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"quarantined\"");
static struct stat_metric target_away =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"away\"");

static struct stat_metric target_untold =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"channel-deleted\"");

/* ---- lists ----------------------------------------------------------- */

static void
target_check_pause(struct notify *notify)
{
	bool paused = notify->paused ?
	    notify->n_waiting > NOTIFY_WAITING_MAX / 2 :
	    notify->n_waiting > NOTIFY_WAITING_MAX;

	if (paused == notify->paused)
		return;
	notify->paused = paused;
	notify->pause(notify->arg, paused);
}

void
target_wait(struct target *target)
{
	struct notify *notify = target->notify;

	if (target->waiting)
		return;
	target->waiting = true;
	TAILQ_INSERT_TAIL(&notify->waiting, target, wait_entry);
	notify->n_waiting++;
	target_check_pause(notify);
}

/* It has had its turn, or does not need it any more. */
static void
target_end_turn(struct target *target)
{
	if (target->granted)
		target->notify->n_granted--;
	target->granted = false;
}

void
target_stop_waiting(struct target *target)
{
	struct notify *notify = target->notify;

	target_end_turn(target);
	if (!target->waiting)
		return;
	target->waiting = false;
	TAILQ_REMOVE(&notify->waiting, target, wait_entry);
	notify->n_waiting--;
	target_check_pause(notify);
}

void
target_set_late(struct target *target, bool late)
{
	struct notify *notify = target->notify;

	if (late == target->late)
		return;
	target->late = late;
	if (late) {
		TAILQ_REMOVE(&notify->quiet, target, late_entry);
		TAILQ_INSERT_TAIL(&notify->late, target, late_entry);
		notify->n_quiet--;
	} else {
		TAILQ_REMOVE(&notify->late, target, late_entry);
		TAILQ_INSERT_TAIL(&notify->quiet, target, late_entry);
		notify->n_quiet++;
	}
}

void
target_took(struct target *target)
{
	struct notify *notify = target->notify;

	target_end_turn(target);
	if (target->took)
		return;
	target->took = true;
	TAILQ_INSERT_TAIL(&notify->took, target, took_entry);
	loop_defer(worker_loop(notify->worker), &notify->settle);
}

void
target_settle(void *arg)
{
	struct notify *notify = arg;
	struct target *target;

	while ((target = TAILQ_FIRST(&notify->took)) != NULL) {
		TAILQ_REMOVE(&notify->took, target, took_entry);
		target->took = false;
		if (target->sub.cursor < target->last)
			continue;
		if (target->back != NULL)
			comeback_arrive(target);
		else
			target_set_late(target, false);
	}
	while (notify->n_quiet > NOTIFY_QUIET_MAX)
		target_free(TAILQ_FIRST(&notify->quiet));
	replay_more(notify);
}

/* ---- life ------------------------------------------------------------ */

struct target *
target_make(struct notify *notify, const char *name, size_t len)
{
	struct target *target = xcalloc(1, sizeof(*target) + len + 1);
	struct buf address;

	memcpy(target->name, name, len);
	target->notify = notify;
	target->class = conf_class(worker_conf(notify->worker), target->name);
	buf_init(&target->from, 0);
	buf_init(&address, 0);
	jid_of_channel(target->name, notify->domain, &address);
	buf_adds_xml(&target->from, address.data);
	buf_clear(&address);
	return target;
}

struct target *
target_create(struct notify *notify, struct roll_channel *channel)
{
	struct target *target;
	const char *name;
	size_t len;

	name = roll_name(channel, &len);
	target = target_make(notify, name, len);
	target->channel = channel;
	channel->round = notify->replay.round;
	target->members = roll_open(channel);
	TAILQ_INSERT_TAIL(&notify->quiet, target, late_entry);
	notify->n_quiet++;
	HASH_ADD_KEYPTR(hh, notify->targets, target->name, len, target);
	return target;
}

void
target_free(struct target *target)
{
	struct notify *notify = target->notify;

	target_stop_waiting(target);
	target_set_late(target, false);
	TAILQ_REMOVE(&notify->quiet, target, late_entry);
	notify->n_quiet--;
	if (target->took)
		TAILQ_REMOVE(&notify->took, target, took_entry);
	sub_clear(&target->sub);
	HASH_DEL(notify->targets, target);
	if (target->last > notify->dropped)
		notify->dropped = target->last;
	roll_close(&notify->roll, target->channel);
	buf_clear(&target->from);
	free(target);
}

/* ---- delivery -------------------------------------------------------- */

static bool
target_has_room(const struct notify *notify)
{
	return notify->open && !barrier_is_full(notify->barrier);
}

/* Lets as many go on as the window has turns for, in the order they came. */
void
target_grant(void *arg)
{
	struct notify *notify = arg;
	struct target *target;
	uint64_t room = barrier_room(notify->barrier), given = 0;

	if (!target_has_room(notify))
		return;
	while (given < room && (target = TAILQ_FIRST(&notify->waiting))) {
		target_stop_waiting(target);
		target->budget = NOTIFY_QUANTUM;
		target->granted = true;
		notify->n_granted++;
		given += target->members->count < NOTIFY_QUANTUM ?
		    target->members->count :
		    NOTIFY_QUANTUM;
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

	if (!target_has_room(notify))
		return false;
	if (target->budget > 0)
		return true;
	if (!TAILQ_EMPTY(&notify->waiting) || notify->n_granted > 0) {
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
target_fill(struct target *target, const struct entry *entry,
    const struct stanza *stanza, struct stanza_fill *fill)
{
	struct notify *notify = target->notify;
	struct buf *id = &notify->id, *inner = &notify->inner;

	memset(fill, 0, sizeof(*fill));
	if (!target_keeps_from(target, stanza)) {
		fill->from = target->from.data;
		fill->from_len = target->from.len;
	}
	buf_reset(inner);
	item_stamp(entry, stanza,
	    &(struct item_sender){ target->class, notify->epoch, notify->domain,
	        &target->from },
	    entry->seq <= notify->stale, inner);
	fill->inner = inner->data;
	fill->inner_len = inner->len;
	buf_reset(id);
	if (stanza_id(stanza) != NULL && stanza_kind(stanza) != STANZA_IQ)
		return;
	item_stanza_id(notify->epoch, entry, id);
	fill->id = id->data;
	fill->id_len = id->len;
}

static void
target_write(struct target *target, const struct entry *entry,
    const struct stanza *stanza, struct stanza_fill *fill,
    const struct member *member)
{
	struct notify *notify = target->notify;
	struct buf *out = notify->out, *id = &notify->id;
	size_t before = out->len, id_len = fill->id_len;

	fill->to = members_text(target->members, member);
	fill->to_len = member->len;
	if (stanza_kind(stanza) == STANZA_IQ) {
		buf_addc(id, '-');
		buf_addu(id, member->n);
		fill->id = id->data;
		fill->id_len = id->len;
	}
	stanza_write(stanza, STANZA_LINK, fill, out);
	barrier_sent(notify->barrier, out->len - before,
	    loop_now_ms(worker_loop(notify->worker)));
	notify->last = entry->seq;
	target->budget--;
	if (stanza_kind(stanza) == STANZA_IQ) {
		id->len = id_len;
		fill->id_len = id_len;
	}
}

/* What may not stand in a bare JID needs no escape, either. */
static bool
target_is_away(const struct target *target, const struct member *member)
{
	return !member->full &&
	    roster_is_away(target->notify->roster,
	        members_text(target->members, member), member->len,
	        target->name);
}

static bool
target_wants(const struct target *target, const struct member *member,
    const struct entry *entry, const struct stanza *stanza)
{
	if (member->since >= entry->seq)
		return false;
	if (stanza_kind(stanza) == STANZA_IQ && !member->full) {
		stat_add(&target_iq_bare, 1);
		return false;
	}
	if (target->class->available_only && target_is_away(target, member)) {
		stat_add(&target_away, 1);
		return false;
	}
	return true;
}

/* A barrier belongs behind each batch, not behind all that the window took: the
 * server must have work while it answers.  The note of it says where inside the
 * item it stands. */
static void
target_check_batch(struct target *target, const struct entry *entry,
    uint64_t done)
{
	struct notify *notify = target->notify;

	if (!barrier_is_due(notify->barrier,
	        loop_now_ms(worker_loop(notify->worker))))
		return;
	target->part_seq = entry->seq;
	target->part_n = done;
	notify->batch(notify->arg);
}

static enum sink_result
target_send(struct target *target, struct entry *entry,
    const struct stanza *stanza)
{
	struct members *members = target->members;
	struct stanza_fill fill;
	const struct member *member;
	uint64_t done = target->part_seq == entry->seq ? target->part_n : 0;
	size_t i;
	int sent = 0;

	target_end_turn(target);
	if (target->last < entry->seq)
		target->last = entry->seq;
	target_set_late(target, true);
	target_fill(target, entry, stanza, &fill);
	for (i = members_after(members, done); i < members->count; i++) {
		member = &members->list[i];
		if (!target_wants(target, member, entry, stanza))
			continue;
		if (!target_may_write(target))
			break;
		target_write(target, entry, stanza, &fill, member);
		done = member->n;
		sent++;
		target_check_batch(target, entry, done);
	}
	if (sent > 0) {
		stat_add(&target_sent, sent);
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

/* ---- the sink ----------------------------------------------------------- */

static struct target *
target_of(struct sub *sub)
{
	return (struct target *)((char *)sub - offsetof(struct target, sub));
}

/* NULL: there is nothing to send, and a counter says why. */
static const struct stanza *
target_stanza(const struct target *target, struct entry *entry)
{
	const struct conf_class *class = target->class;
	const struct stanza *stanza;

	if (entry->kind != ENTRY_ITEM)
		return NULL;
	stanza = item_stanza(entry, class->notify);
	if (stanza == NULL) {
		stat_add(&target_no_format, 1);
		return NULL;
	}
	if (suspect_skips(target->notify->suspect, entry->seq)) {
		stat_add(&target_quarantined, 1);
		return NULL;
	}
	if (stanza_kind(stanza) == STANZA_IQ && !class->iq) {
		stat_add(&target_iq_off, 1);
		return NULL;
	}
	return stanza;
}

static enum sink_result
target_deliver(struct sub *sub, struct entry *entry)
{
	struct target *target = target_of(sub);
	const struct stanza *stanza = target_stanza(target, entry);
	enum sink_result result = SINK_TOOK;

	if (stanza != NULL)
		result = target_send(target, entry, stanza);
	if (result == SINK_TOOK)
		target_took(target);
	return result;
}

static void
target_lagged(struct sub *sub, uint64_t first)
{
	struct target *target = target_of(sub);

	log_warn("component.lagged",
	    "domain=%s channel=%s after=%llu first=%llu",
	    LOGQ(target->notify->domain), LOGQ(target->name),
	    (unsigned long long)sub->cursor, (unsigned long long)first);
	target_took(target);
}

/* The log's own entry took the members out already. */
static void
target_deleted(struct sub *sub)
{
	target_took(target_of(sub));
}

static const struct sink_ops target_sink = {
	"link",
	target_deliver,
	target_lagged,
	target_deleted,
};

void
target_begin(struct target *target, uint64_t after)
{
	sub_init(&target->sub, target->notify->worker, target->name,
	    &target_sink, after);
}

/* ---- the end -------------------------------------------------------- */

/* Without a place in the log it is not repeated and not confirmed. */
void
target_tell_deleted(struct target *target, const struct entry *entry)
{
	struct notify *notify = target->notify;
	const struct member *member;
	struct stanza_fill fill;
	struct stanza *stanza;
	size_t i, told = 0;

	if (target->class->notify == NOTIFY_RAW)
		return;
	stanza = change_deleted(target->name);
	target_fill(target, entry, stanza, &fill);
	for (i = 0; i < target->members->count && told < TARGET_TOLD_MAX &&
	     notify->open;
	     i++) {
		member = &target->members->list[i];
		if (member->since >= entry->seq)
			continue;
		fill.to = members_text(target->members, member);
		fill.to_len = member->len;
		stanza_write(stanza, STANZA_LINK, &fill, notify->out);
		told++;
	}
	if (told > 0)
		notify->wrote(notify->arg);
	if (i < target->members->count) {
		stat_add(&target_untold, (int64_t)(target->members->count - i));
		log_info("component.untold", "channel=%s members=%zu",
		    LOGQ(target->name), target->members->count - i);
	}
	stanza_free(stanza);
}
