#include "component/send.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/xmpp/change.h"
#include "common/xmpp/jid.h"
#include "component/apart.h"
#include "component/multicast.h"
#include "component/roster.h"

#define SEND_SKIPPED(reason)                         \
	STAT_COUNTER("waft_component_skipped_total", \
	    "Deliveries left out, by reason", "reason=\"" reason "\"")
static struct stat_metric send_iq_bare = SEND_SKIPPED("iq-to-bare-jid");
static struct stat_metric send_away = SEND_SKIPPED("away");
static struct stat_metric send_untold = SEND_SKIPPED("channel-deleted");
static struct stat_metric send_stanzas =
    STAT_COUNTER("waft_component_sent_stanzas_total",
        "Stanzas of items written to the link, repeats included", NULL);
static struct stat_metric send_groups =
    STAT_COUNTER("waft_component_multicast_stanzas_total",
        "Those of them that the multicast service copies", NULL);
static struct stat_metric send_copies =
    STAT_COUNTER("waft_component_multicast_copies_total",
        "Receivers in stanzas for the multicast service", NULL);

/* One item for one target. */
struct send {
	struct target *target;
	struct notify *notify;
	const struct entry *entry;
	const struct stanza *stanza;
	struct stanza_fill fill;
	enum barrier_way way; /* to local members */
	size_t group_max;
	size_t group_n; /* in notify->group */
	size_t between; /* stanzas since that was begun */
	bool unproven;  /* one of them is */
	bool ragged;    /* groups may be others for the next item */
	size_t written; /* stanzas */
};

/* ---- addresses ------------------------------------------------------- */

/* The publisher's sender, where it is an address of this link's domain: any
 * other would end the stream. */
static bool
send_keeps_from(const struct send *send)
{
	const char *from = stanza_from(send->stanza), *why;
	struct jid jid;

	return from != NULL &&
	    jid_parse(from, strlen(from), &jid, &why) == ERR_OK &&
	    jid_domain_is(&jid, send->notify->domain);
}

static void
send_fill(struct send *send)
{
	struct notify *notify = send->notify;
	struct target *target = send->target;
	struct stanza_fill *fill = &send->fill;
	struct buf *id = &notify->id, *inner = &notify->inner;

	if (!send_keeps_from(send)) {
		fill->from = target->from.data;
		fill->from_len = target->from.len;
	}
	buf_reset(inner);
	item_stamp(send->entry, send->stanza,
	    &(struct item_sender){ target->class, notify->epoch, notify->domain,
	        &target->from },
	    send->entry->seq <= notify->stale, inner);
	buf_reset(id);
	if (stanza_id(send->stanza) != NULL &&
	    stanza_kind(send->stanza) != STANZA_IQ)
		return;
	item_stanza_id(notify->epoch, send->entry, id);
	fill->id = id->data;
	fill->id_len = id->len;
}

/* ---- which way ------------------------------------------------------- */

/* A channel of one has nothing to gain. */
static enum barrier_way
send_way(const struct target *target, const struct stanza *stanza)
{
	const struct notify *notify = target->notify;

	return target->class->multicast && target->back == NULL &&
	        target->members->count > 1 &&
	        stanza_kind(stanza) == STANZA_MESSAGE &&
	        !stanza_is_addressed(stanza) && notify->multicast != NULL &&
	        multicast_limit(notify->multicast,
	            loop_now_ms(worker_loop(notify->worker))) > 0 ?
	    BARRIER_COPIES :
	    BARRIER_DIRECT;
}

static void
send_begin(struct send *send, struct target *target, const struct entry *entry,
    const struct stanza *stanza)
{
	struct notify *notify = target->notify;

	memset(send, 0, sizeof(*send));
	send->target = target;
	send->notify = notify;
	send->entry = entry;
	send->stanza = stanza;
	send->way = send_way(target, stanza);
	if (send->way == BARRIER_COPIES)
		send->group_max = multicast_limit(notify->multicast,
		    loop_now_ms(worker_loop(notify->worker)));
	send_fill(send);
	buf_reset(&notify->group);
}

void
send_hold(struct target *target)
{
	target->hold = barrier_mark(target->notify->barrier);
}

/* False: something under way has to be confirmed before. */
static bool
send_may_begin(struct target *target, enum barrier_way way)
{
	const struct barrier *barrier = target->notify->barrier;

	if (target->way != way && target->mark > target->hold)
		target->hold = target->mark;
	target->way = way;
	if (!barrier_is_sure(barrier, target->hold))
		return false;
	if (target->proof != 0 && barrier_is_sure(barrier, target->proof)) {
		target->proof = 0;
		apart_settle(target);
	}
	return true;
}

/* ---- writing --------------------------------------------------------- */

static int64_t
send_now(const struct send *send)
{
	return loop_now_ms(worker_loop(send->notify->worker));
}

/* Whether it reaches its receiver will be known with this batch. */
static void
send_prove(struct send *send)
{
	send->target->proof = barrier_mark(send->notify->barrier);
}

static void
send_direct(struct send *send, struct member *member)
{
	struct notify *notify = send->notify;
	struct buf *out = notify->out, *id = &notify->id;
	size_t before = out->len, id_len = id->len;

	send->fill.to = members_text(send->target->members, member);
	send->fill.to_len = member->len;
	send->fill.inner = notify->inner.data;
	send->fill.inner_len = notify->inner.len;
	if (stanza_kind(send->stanza) == STANZA_IQ) {
		buf_addc(id, '-');
		buf_addu(id, member->n);
		send->fill.id = id->data;
		send->fill.id_len = id->len;
	}
	stanza_write(send->stanza, STANZA_LINK, &send->fill, out);
	id->len = id_len;
	barrier_sent(notify->barrier, out->len - before, send_now(send));
	send->written++;
	send->between++;
	if (member->apart == MEMBER_SUSPECT || member->apart == MEMBER_ASKED) {
		notify->n_asked += member->apart == MEMBER_SUSPECT;
		member->apart = MEMBER_ASKED;
		send_prove(send);
	} else if (send->target->class->multicast && member->local &&
	    member->apart == MEMBER_GROUPED) {
		send->target->mark = barrier_mark(notify->barrier);
	}
}

/* The group that was gathered. */
static void
send_group(struct send *send)
{
	struct notify *notify = send->notify;
	struct buf *out = notify->out, *group = &notify->group;
	size_t before = out->len;

	if (send->group_n == 0)
		return;
	buf_adds(group, "</addresses>");
	buf_add(group, notify->inner.data, notify->inner.len);
	send->fill.to = multicast_service(notify->multicast);
	send->fill.to_len = strlen(send->fill.to);
	send->fill.inner = group->data;
	send->fill.inner_len = group->len;
	stanza_write(send->stanza, STANZA_LINK, &send->fill, out);
	barrier_sent_copies(notify->barrier, send->group_n, out->len - before,
	    send_now(send));
	send->written++;
	send->target->mark = barrier_mark(notify->barrier);
	if (send->unproven)
		send_prove(send);
	send->unproven = false;
	stat_add(&send_groups, 1);
	stat_add(&send_copies, (int64_t)send->group_n);
	send->group_n = 0;
	buf_reset(group);
}

/* As XEP-0033 §4.5 has it for receivers that do not see one another. */
static void
send_gather(struct send *send, struct member *member)
{
	struct buf *group = &send->notify->group;

	if (send->group_n == 0) {
		buf_adds(group, "<addresses xmlns='" MULTICAST_NS "'>");
		send->between = 0;
	}
	buf_adds(group, "<address type='bcc' jid='");
	buf_add(group, members_text(send->target->members, member),
	    member->len);
	buf_adds(group, "'/>");
	send->group_n++;
	if (member->proof != MEMBER_PROVEN) {
		member->proof = MEMBER_SENT;
		send->unproven = true;
	}
}

static enum barrier_way
send_way_to(const struct send *send, const struct member *member)
{
	return send->way == BARRIER_COPIES && member->local &&
	        member->apart == MEMBER_GROUPED ?
	    BARRIER_COPIES :
	    BARRIER_DIRECT;
}

static void
send_to(struct send *send, struct member *member)
{
	if (send_way_to(send, member) == BARRIER_COPIES)
		send_gather(send, member);
	else
		send_direct(send, member);
	/* Where a group ends goes by the members alone: see send_hold_next().
	 */
	if (send->group_n >= send->group_max ||
	    send->between >= send->group_max ||
	    send->notify->group.len > SEND_GROUP_BYTES)
		send_group(send);
}

static void
send_end(struct send *send)
{
	send_group(send);
	if (send->written == 0)
		return;
	stat_add(&send_stanzas, (int64_t)send->written);
	send->notify->wrote(send->notify->arg);
}

/* ---- an item --------------------------------------------------------- */

/* What may not stand in a bare JID needs no escape, either. */
static bool
send_is_away(const struct target *target, const struct member *member)
{
	return !member->full &&
	    roster_is_away(target->notify->roster,
	        members_text(target->members, member), member->len,
	        target->name);
}

static bool
send_is_for(const struct send *send, const struct member *member)
{
	const struct target *target = send->target;

	if (member->since >= send->entry->seq)
		return false;
	if (stanza_kind(send->stanza) == STANZA_IQ && !member->full) {
		stat_add(&send_iq_bare, 1);
		return false;
	}
	if (target->class->available_only && send_is_away(target, member)) {
		stat_add(&send_away, 1);
		return false;
	}
	return true;
}

/* A barrier belongs behind each batch, not behind all that the window took: the
 * server must have work while it answers.  The note of it says where inside the
 * item it stands. */
static void
send_check_batch(struct send *send, uint64_t done)
{
	struct notify *notify = send->notify;

	if (send->group_n > 0 ||
	    !barrier_is_due(notify->barrier, send_now(send)))
		return;
	send->target->part_seq = send->entry->seq;
	send->target->part_n = done;
	notify->batch(notify->arg);
}

/* A group that was begun is made whole, whatever room there is. */
static bool
send_may_write(const struct send *send, const struct member *member)
{
	return send->group_n > 0 ||
	    target_may_write(send->target, send_way_to(send, member));
}

/* All that the window and its turn allow; false: there are more. */
static bool
send_members(struct send *send, uint64_t *done)
{
	struct target *target = send->target;
	struct members *members = target->members;
	struct member *member;
	size_t i;

	for (i = members_after(members, *done); i < members->count; i++) {
		member = &members->list[i];
		if (!send_is_for(send, member)) {
			send->ragged |=
			    send_way_to(send, member) == BARRIER_COPIES;
			continue;
		}
		if (!send_may_write(send, member))
			break;
		send_to(send, member);
		target->budget--;
		send->notify->last = send->entry->seq;
		*done = member->n;
		send_check_batch(send, *done);
	}
	send_end(send);
	return i == members->count;
}

/* The next item is on its way before this one is confirmed only where the same
 * members stand in the same groups: what refuses one of them refuses the next,
 * too, and nobody gets that first. */
static void
send_hold_next(struct target *target)
{
	uint64_t mark = target->proof;

	if ((target->ragged || target->class->available_only) &&
	    target->mark > mark)
		mark = target->mark;
	target->ragged = false;
	if (mark > target->hold)
		target->hold = mark;
}

enum sink_result
send_item(struct target *target, struct entry *entry,
    const struct stanza *stanza)
{
	uint64_t done = target->part_seq == entry->seq ? target->part_n : 0;
	struct send send;
	bool all;

	target_end_turn(target);
	if (target->last < entry->seq)
		target->last = entry->seq;
	target_set_late(target, true);
	send_begin(&send, target, entry, stanza);
	if (!send_may_begin(target, send.way)) {
		target_wait_sure(target);
		return SINK_FULL;
	}
	all = send_members(&send, &done);
	target->ragged |= send.ragged;
	if (all) {
		target->part_seq = target->part_n = 0;
		send_hold_next(target);
		return SINK_TOOK;
	}
	target->part_seq = done > 0 ? entry->seq : 0;
	target->part_n = done;
	if (send.way == BARRIER_COPIES &&
	    barrier_is_full(target->notify->barrier, BARRIER_COPIES))
		target_wait_sure(target);
	else
		target_wait(target);
	return SINK_FULL;
}

/* ---- the end of a channel -------------------------------------------- */

/* Without a place in the log it is not repeated, nor waited for. */
void
send_deleted(struct target *target, const struct entry *entry)
{
	struct members *members = target->members;
	struct stanza *stanza;
	struct send send;
	size_t i, told = 0;

	if (target->class->notify == NOTIFY_RAW)
		return;
	stanza = change_deleted(target->name);
	send_begin(&send, target, entry, stanza);
	for (i = 0; i < members->count && told < TARGET_TOLD_MAX &&
	     target->notify->open;
	     i++) {
		if (members->list[i].since >= entry->seq)
			continue;
		send_to(&send, &members->list[i]);
		told++;
	}
	send_end(&send);
	/* The server may not like it, which is no item's fault. */
	target->notify->last = 0;
	if (i < members->count) {
		stat_add(&send_untold, (int64_t)(members->count - i));
		log_info("component.untold", "channel=%s members=%zu",
		    LOGQ(target->name), members->count - i);
	}
	stanza_free(stanza);
}
