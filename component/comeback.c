#include "component/comeback.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/send.h"

static struct stat_metric comeback_count =
    STAT_COUNTER("waft_component_comebacks_total",
        "Suspended subscriptions that went on where they had stopped", NULL);

struct comeback {
	uint64_t n; /* the key in notify->backs */
	uint64_t position;
	uint64_t changed;
	uint64_t done; /* notify->seen when he had everything; 0: not yet */
	struct members members;
	char *address;
};

/* ---- life ------------------------------------------------------------ */

static struct target *
comeback_find(const struct notify *notify, uint64_t n)
{
	struct target *target;

	HASH_FIND(hh, notify->backs, &n, sizeof(n), target);
	return target;
}

static struct target *
comeback_create(struct notify *notify, const struct subscription *sub)
{
	struct target *target =
	    target_make(notify, sub->channel, strlen(sub->channel));
	struct comeback *back = xcalloc(1, sizeof(*back));
	struct member member = {
		.n = sub->n,
		.since = sub->position,
		.full = strchr(sub->address, '/') != NULL,
	};
	struct buf escaped;

	back->n = sub->n;
	back->position = sub->position;
	back->changed = sub->changed;
	back->address = xstrdup(sub->address);
	members_init(&back->members);
	buf_init(&escaped, 0);
	buf_adds_xml(&escaped, sub->address);
	member.len = (uint16_t)escaped.len;
	members_put(&back->members, &member, escaped.data);
	buf_clear(&escaped);
	target->back = back;
	target->members = &back->members;
	target->late = true;
	TAILQ_INSERT_TAIL(&notify->late, target, late_entry);
	HASH_ADD_KEYPTR(hh, notify->backs, &back->n, sizeof(back->n), target);
	notify->n_running++;
	return target;
}

/* Out of the list he is in; he is in no other then. */
static void
comeback_unlist(struct target *target)
{
	struct notify *notify = target->notify;

	target_stop_waiting(target);
	if (target->late) {
		TAILQ_REMOVE(&notify->late, target, late_entry);
		notify->n_running--;
	} else {
		TAILQ_REMOVE(&notify->returned, target, late_entry);
	}
	if (target->took)
		TAILQ_REMOVE(&notify->took, target, took_entry);
	target->took = false;
	sub_clear(&target->sub);
}

static void
comeback_free(struct target *target)
{
	struct comeback *back = target->back;

	comeback_unlist(target);
	HASH_DEL(target->notify->backs, target);
	members_clear(&back->members);
	free(back->address);
	free(back);
	buf_clear(&target->from);
	free(target);
}

/* ---- coming back ----------------------------------------------------- */

static void
comeback_begin(struct target *target, uint64_t after)
{
	struct notify *notify = target->notify;

	if (target->last < notify->seen)
		target->last = notify->seen;
	/* He may have been in a group of the channel's. */
	if (target->class->multicast)
		send_hold(target);
	target_begin(target, after);
}

bool
comeback_add(struct notify *notify, const struct subscription *sub)
{
	const struct roll_channel *channel =
	    roll_find(&notify->roll, sub->channel, strlen(sub->channel));
	struct target *target;

	if (comeback_is_running(notify, sub->n))
		return true;
	if (channel != NULL && roll_has(channel, sub->n))
		return false;
	comeback_del(notify, sub->n);
	target = comeback_create(notify, sub);
	if (!notify->begun)
		return true;
	stat_add(&comeback_count, 1);
	log_info("component.comeback", "channel=%s jid=%s after=%llu",
	    LOGQ(sub->channel), LOGQ(sub->address),
	    (unsigned long long)sub->position);
	comeback_begin(target, sub->position);
	return true;
}

/* He joins where he stands: those before him have had no more than he. */
static void
comeback_join(struct target *target, uint64_t since)
{
	struct comeback *back = target->back;
	struct notify *notify = target->notify;
	const struct subscription sub = {
		.n = back->n,
		.since = since,
		.channel = target->name,
		.address = back->address,
	};

	if (roll_put(&notify->roll, &sub) == ERR_LARGE)
		log_warn("component.full", "channel=%s", LOGQ(target->name));
	notify_hold(notify, target->name);
}

void
comeback_arrive(struct target *target)
{
	struct notify *notify = target->notify;

	comeback_join(target, target->sub.cursor);
	comeback_unlist(target);
	target->late = false;
	target->back->done = notify->seen;
	TAILQ_INSERT_TAIL(&notify->returned, target, late_entry);
}

bool
comeback_is_running(const struct notify *notify, uint64_t n)
{
	const struct target *target = comeback_find(notify, n);

	return target != NULL && target->late;
}

void
comeback_del(struct notify *notify, uint64_t n)
{
	struct target *target = comeback_find(notify, n);

	if (target != NULL)
		comeback_free(target);
}

/* One of seq itself may have been written before he had everything. */
void
comeback_forget(struct notify *notify, uint64_t seq)
{
	struct target *target;

	while ((target = TAILQ_FIRST(&notify->returned)) != NULL &&
	    target->back->done < seq)
		comeback_free(target);
}

void
comeback_clear(struct notify *notify)
{
	struct target *target, *next;

	MAP_FOREACH(target, next, notify->backs)
		comeback_free(target);
}

/* ---- what the log brings --------------------------------------------- */

void
comeback_see_item(struct notify *notify, const struct entry *entry)
{
	struct target *target;

	if (notify->n_running == 0)
		return;
	TAILQ_FOREACH(target, &notify->late, late_entry)
		if (target->back != NULL && target->last < entry->seq &&
		    strcmp(target->name, entry->channel) == 0)
			target->last = entry->seq;
}

void
comeback_see_delete(struct notify *notify, const struct entry *entry)
{
	struct target *target, *next;

	MAP_FOREACH(target, next, notify->backs)
		if (strcmp(target->name, entry->channel) == 0)
			comeback_free(target);
}

/* ---- positions ------------------------------------------------------- */

/* The note's line for him: 0 when it has none. */
static uint64_t
comeback_listed(const struct position_note *note, const struct target *target)
{
	struct position_behind behind;
	size_t at = 0;

	while (position_note_next(note, &at, &behind))
		if (position_is_one(&behind) &&
		    behind.part_n == target->back->n)
			return behind.seq;
	return 0;
}

/* A member no more, but one who comes back. */
static void
comeback_revive(struct target *target)
{
	struct notify *notify = target->notify;
	struct comeback *back = target->back;

	if (target->late) {
		target_stop_waiting(target);
		sub_clear(&target->sub);
		return;
	}
	notify_drop_member(notify, target->name, back->n);
	TAILQ_REMOVE(&notify->returned, target, late_entry);
	TAILQ_INSERT_TAIL(&notify->late, target, late_entry);
	target->late = true;
	back->done = 0;
	notify->n_running++;
}

static void
comeback_go(struct target *target, const struct position_note *note,
    bool loading)
{
	struct comeback *back = target->back;
	uint64_t want = comeback_listed(note, target);

	if (want == 0 && back->changed <= note->seq) {
		/* He had everything by then: before this start, or since. */
		if (loading) {
			comeback_join(target, back->position);
			comeback_free(target);
			return;
		}
		if (!target->late && back->done <= note->seq)
			return;
		want = note->seq;
	} else if (want == 0) {
		want = back->position;
	}
	comeback_revive(target);
	comeback_begin(target, want);
}

void
comeback_go_to(struct notify *notify, const struct position_note *note)
{
	struct target *target, *next;

	MAP_FOREACH(target, next, notify->backs)
		comeback_go(target, note,
		    !sub_is_set(&target->sub) && target->late);
}
