#include "component/target.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/xmpp/jid.h"
#include "component/comeback.h"
#include "component/send.h"

static struct stat_metric target_no_format =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"no-format\"");
static struct stat_metric target_iq_off =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"iq-not-allowed\"");
static struct stat_metric target_quarantined =
    STAT_COUNTER("waft_component_skipped_total",
        "Deliveries left out, by reason", "reason=\"quarantined\"");

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

static void
target_enqueue(struct target *target, struct targets *queue)
{
	struct notify *notify = target->notify;

	target->waiting = true;
	TAILQ_INSERT_TAIL(queue, target, wait_entry);
	notify->n_waiting++;
	target_check_pause(notify);
}

void
target_wait(struct target *target)
{
	if (!target->waiting)
		target_enqueue(target, &target->notify->waiting);
}

void
target_wait_sure(struct target *target)
{
	struct notify *notify = target->notify;

	if (target->waiting)
		return;
	target->unsure = true;
	target_enqueue(target, &notify->unsure);
	if (barrier_is_askable(notify->barrier, target->hold)) {
		notify->batch(notify->arg);
		notify->wrote(notify->arg);
	}
}

void
target_recheck(struct notify *notify)
{
	struct target *target;

	while ((target = TAILQ_FIRST(&notify->unsure)) != NULL) {
		TAILQ_REMOVE(&notify->unsure, target, wait_entry);
		target->unsure = false;
		TAILQ_INSERT_TAIL(&notify->waiting, target, wait_entry);
	}
}

void
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
	TAILQ_REMOVE(target->unsure ? &notify->unsure : &notify->waiting,
	    target, wait_entry);
	target->waiting = target->unsure = false;
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
	target->hold = notify->changed;
	if (target->class->multicast && notify->gone > target->hold)
		target->hold = notify->gone;
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
	if (target->mark > notify->gone)
		notify->gone = target->mark;
	if (target->proof > notify->gone)
		notify->gone = target->proof;
	roll_close(&notify->roll, target->channel);
	buf_clear(&target->from);
	free(target);
}

/* ---- delivery -------------------------------------------------------- */

/* Lets as many go on as the window has turns for, in the order they came. */
void
target_grant(void *arg)
{
	struct notify *notify = arg;
	struct target *target;
	uint64_t room = barrier_room(notify->barrier), given = 0;

	if (!notify->open || room == 0)
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

bool
target_may_write(struct target *target, enum barrier_way way)
{
	struct notify *notify = target->notify;

	if (!notify->open || barrier_is_full(notify->barrier, way))
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
		result = send_item(target, entry, stanza);
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
	NULL,
};

void
target_begin(struct target *target, uint64_t after)
{
	sub_init(&target->sub, target->notify->worker, target->name,
	    &target_sink, after);
}
