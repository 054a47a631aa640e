#include "component/bouncer.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/bounce.h"
#include "component/domain.h"
#include "component/peer.h"

/* Subscriptions read at once; looks for those to try again at most so far
 * apart; alarms about items. */
#define BOUNCER_PAGE     1000
#define BOUNCER_LOOK_MS  300000
#define BOUNCER_ALARM_MS 1000

#define BOUNCES(kind)                                            \
	STAT_COUNTER("waft_component_bounces_total",             \
	    "Deliveries that came back, by what it says of him", \
	    "kind=\"" kind "\"")
static struct stat_metric bouncer_kinds[BOUNCE_MEANS] = {
	[BOUNCE_GONE] = BOUNCES("gone"),
	[BOUNCE_REFUSED] = BOUNCES("refused"),
	[BOUNCE_AWAY] = BOUNCES("away"),
	[BOUNCE_UNREACHABLE] = BOUNCES("unreachable"),
	[BOUNCE_ITEM] = BOUNCES("item"),
	[BOUNCE_TROUBLE] = BOUNCES("trouble"),
};
static struct stat_metric bouncer_busy = BOUNCES("not-looked-up");
static struct stat_metric bouncer_ended =
    STAT_COUNTER("waft_component_bounced_subscriptions_total",
        "Subscriptions suspended or removed over bounces", NULL);
static struct stat_metric bouncer_woken =
    STAT_COUNTER("waft_component_woken_subscriptions_total",
        "Suspended subscriptions woken by presence or to be tried again", NULL);

/* The bare JID of one who has a suspended subscription. */
struct sleeper {
	UT_hash_handle hh;
	uint64_t key[2];
};

struct bouncer {
	struct inbound *inbound;
	struct bounce_table *table;
	struct sleeper *sleepers;
	struct event *timer;
	uint64_t after_n; /* of the look under way */
	bool looking;
	int asked; /* bounces that the store is asked about */
	int64_t alarm_ms;
};

/* ---- who sleeps ------------------------------------------------------ */

static struct sleeper *
bouncer_sleeper(const struct bouncer *bouncer, const char *bare, size_t len)
{
	struct sleeper *sleeper;
	uint64_t key[2];

	crypto_siphash128(bare, len, key);
	HASH_FIND(hh, bouncer->sleepers, key, sizeof(key), sleeper);
	return sleeper;
}

static void
bouncer_wait(struct bouncer *bouncer)
{
	int64_t ms = bouncer->inbound->component->bounce_retry_ms / 4;
	struct timeval when;

	if (ms > BOUNCER_LOOK_MS)
		ms = BOUNCER_LOOK_MS;
	if (ms < 100)
		ms = 100;
	when.tv_sec = ms / 1000;
	when.tv_usec = ms % 1000 * 1000;
	event_add(bouncer->timer, &when);
}

void
bouncer_see_sub(struct bouncer *bouncer, const struct subscription *sub)
{
	const char *slash = strchr(sub->address, '/');
	size_t len = slash == NULL ? strlen(sub->address) :
	                             (size_t)(slash - sub->address);
	struct sleeper *sleeper;

	if (sub->state != SUB_SUSPENDED ||
	    bouncer_sleeper(bouncer, sub->address, len) != NULL)
		return;
	sleeper = xcalloc(1, sizeof(*sleeper));
	crypto_siphash128(sub->address, len, sleeper->key);
	HASH_ADD(hh, bouncer->sleepers, key, sizeof(sleeper->key), sleeper);
	if (!event_pending(bouncer->timer, EV_TIMEOUT, NULL) &&
	    !bouncer->looking)
		bouncer_wait(bouncer);
}

/* ---- waking ---------------------------------------------------------- */

struct waking {
	struct bouncer *bouncer;
	struct jid jid;
};

static void
bouncer_put_cb(enum err err, const struct subscription *sub,
    bool existed UNUSED, void *arg)
{
	struct bouncer *bouncer = arg;

	if (err == ERR_OK)
		stat_add(&bouncer_woken, 1);
	else
		log_warn("component.wake", "channel=%s jid=%s err=%s",
		    LOGQ(sub->channel), LOGQ(sub->address), err_name(err));
	inbound_unref(bouncer->inbound);
}

static void
bouncer_wake(struct bouncer *bouncer, const struct subscription *sub)
{
	struct inbound *inbound = bouncer->inbound;
	struct subscription woken = *sub;

	woken.state = SUB_ACTIVE;
	woken.reason = NULL;
	woken.ways = 0;
	inbound_ref(inbound);
	store_sub_put(inbound->store, inbound->loop, &woken, bouncer_put_cb,
	    bouncer);
}

/* A full JID is woken by the client itself. */
static void
bouncer_woken_cb(enum err err UNUSED, const struct subscription *subs,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct waking *waking = arg;
	struct bouncer *bouncer = waking->bouncer;
	size_t i;

	for (i = 0; i < count; i++)
		if (subs[i].state == SUB_SUSPENDED && subs[i].reason != NULL &&
		    bounce_may_wake(subs[i].reason) &&
		    (strchr(subs[i].address, '/') == NULL ||
		        strcmp(subs[i].address, waking->jid.full) == 0))
			bouncer_wake(bouncer, &subs[i]);
	inbound_unref(bouncer->inbound);
	free(waking);
}

void
bouncer_see_alive(struct bouncer *bouncer, const struct jid *from)
{
	struct inbound *inbound = bouncer->inbound;
	size_t len = jid_bare_len(from);
	struct sleeper *sleeper;
	struct sub_filter filter = { inbound->component->domain, NULL, NULL };
	struct waking *waking;
	struct buf bare;

	bounce_end_row(bouncer->table, from->full, len);
	sleeper = bouncer_sleeper(bouncer, from->full, len);
	if (sleeper == NULL)
		return;
	HASH_DEL(bouncer->sleepers, sleeper);
	free(sleeper);
	waking = xmalloc(sizeof(*waking));
	waking->bouncer = bouncer;
	waking->jid = *from;
	buf_init(&bare, 0);
	buf_add(&bare, from->full, len);
	filter.address = bare.data;
	inbound_ref(inbound);
	store_sub_list(inbound->store, inbound->loop, &filter, 0,
	    (size_t)worker_conf(inbound->worker)->control.subscriptions_per_jid,
	    bouncer_woken_cb, waking);
	buf_clear(&bare);
}

/* ---- trying again ---------------------------------------------------- */

static void bouncer_look(struct bouncer *bouncer);

static void
bouncer_try(struct bouncer *bouncer, const struct subscription *sub)
{
	const char *slash = strchr(sub->address, '/');
	size_t len = slash == NULL ? strlen(sub->address) :
	                             (size_t)(slash - sub->address);
	int64_t wait;

	if (sub->state != SUB_SUSPENDED || sub->reason == NULL ||
	    !bounce_is_temporary(sub->reason))
		return;
	wait = bounce_retry_ms(bouncer->table, sub->address, len,
	    bouncer->inbound->component->bounce_retry_ms);
	if (clock_wall_ms() - sub->changed_ms < wait)
		return;
	bounce_tried(bouncer->table, sub->address, len);
	bouncer_wake(bouncer, sub);
}

static void
bouncer_looked_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct bouncer *bouncer = arg;
	struct inbound *inbound = bouncer->inbound;
	size_t i;

	bouncer->looking = false;
	if (inbound->arg != NULL) {
		for (i = 0; i < count; i++)
			bouncer_try(bouncer, &subs[i]);
		if (err == ERR_OK && count == BOUNCER_PAGE) {
			bouncer->after_n = subs[count - 1].n;
			bouncer_look(bouncer);
		} else {
			bouncer_wait(bouncer);
		}
	}
	inbound_unref(inbound);
}

static void
bouncer_look(struct bouncer *bouncer)
{
	struct inbound *inbound = bouncer->inbound;
	const struct sub_filter filter = { inbound->component->domain, NULL,
		NULL };

	bouncer->looking = true;
	inbound_ref(inbound);
	store_sub_list(inbound->store, inbound->loop, &filter, bouncer->after_n,
	    BOUNCER_PAGE, bouncer_looked_cb, bouncer);
}

static void
bouncer_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct bouncer *bouncer = arg;

	if (bouncer->sleepers == NULL)
		return;
	bouncer->after_n = 0;
	bouncer_look(bouncer);
}

/* ---- bounces --------------------------------------------------------- */

struct bounced {
	struct bouncer *bouncer;
	const char *condition; /* static */
	enum bounce_means means;
	uint64_t position;
	struct jid address;
	int open;
};

static void
bounced_end(struct bounced *bounced)
{
	struct inbound *inbound = bounced->bouncer->inbound;

	if (--bounced->open > 0)
		return;
	bounced->bouncer->asked--;
	free(bounced);
	inbound_unref(inbound);
}

static void
bounced_changed_cb(enum err err, const struct subscription *sub,
    bool existed UNUSED, void *arg)
{
	struct bounced *bounced = arg;

	if (err == ERR_OK) {
		stat_add(&bouncer_ended, 1);
		log_info("component.bounced",
		    "channel=%s jid=%s means=%s condition=%s",
		    LOGQ(sub->channel), LOGQ(sub->address),
		    bounce_name(bounced->means), bounced->condition);
	} else if (err != ERR_NOTFOUND)
		log_warn("component.bounced", "jid=%s err=%s",
		    LOGQ(bounced->address.full), err_name(err));
	bounced_end(bounced);
}

static void
bounced_change(struct bounced *bounced, const struct subscription *sub)
{
	struct inbound *inbound = bounced->bouncer->inbound;
	struct subscription suspended = *sub;

	bounced->open++;
	if (inbound->component->bounce == BOUNCE_REMOVE &&
	    !bounce_is_temporary(bounced->condition)) {
		store_sub_del(inbound->store, inbound->loop, sub->owner,
		    sub->channel, sub->address, bounced_changed_cb, bounced);
		return;
	}
	suspended.state = SUB_SUSPENDED;
	suspended.reason = bounced->condition;
	suspended.position =
	    bounced->position > sub->since ? bounced->position : sub->since;
	suspended.ways = 0;
	store_sub_put(inbound->store, inbound->loop, &suspended,
	    bounced_changed_cb, bounced);
}

/* A put would make a subscription for whoever sends us an error, so it has to
 * be there already.  Of a bare JID that is gone all its clients are. */
static void
bounced_found_cb(enum err err UNUSED, const struct subscription *subs,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct bounced *bounced = arg;
	size_t i;

	for (i = 0; i < count; i++)
		if (subs[i].state == SUB_ACTIVE &&
		    (bounced->means == BOUNCE_GONE ||
		        strcmp(subs[i].address, bounced->address.full) == 0))
			bounced_change(bounced, &subs[i]);
	bounced_end(bounced);
}

static void
bouncer_end_subs(struct bouncer *bouncer, const struct jid *from,
    const char *channel, struct bounced *found)
{
	struct inbound *inbound = bouncer->inbound;
	struct bounced *bounced;
	struct sub_filter filter = { inbound->component->domain, channel,
		NULL };

	if (bouncer->asked >= INBOUND_BOUNCES_MAX) {
		stat_add(&bouncer_busy, 1);
		return;
	}
	bounced = xmalloc(sizeof(*bounced));
	*bounced = *found;
	bounced->address = *from;
	bounced->open = 1;
	bouncer->asked++;
	inbound_ref(inbound);
	filter.address = bounced->address.full;
	store_sub_list(inbound->store, inbound->loop, &filter, 0,
	    (size_t)worker_conf(inbound->worker)->control.subscriptions_per_jid,
	    bounced_found_cb, bounced);
}

/* All up to it he has had: the item that came back follows it.  An id that is
 * the publisher's does not say which that is, but it cannot be confirmed yet.
 */
static uint64_t
bouncer_position(const struct inbound *inbound, const struct xml *stanza)
{
	const char *id = xml_attr(stanza, "id");
	uint64_t seq;

	if (id != NULL &&
	    store_position_parse(inbound->store, id, &seq) == ERR_OK && seq > 1)
		return seq - 1;
	return domain_oldest(inbound->domain);
}

static void
bouncer_alarm(struct bouncer *bouncer, const struct jid *from,
    const struct xml *stanza, const char *condition)
{
	int64_t now_ms = loop_now_ms(bouncer->inbound->loop);
	const char *id = xml_attr(stanza, "id");

	if (bouncer->alarm_ms != 0 &&
	    now_ms - bouncer->alarm_ms < BOUNCER_ALARM_MS)
		return;
	bouncer->alarm_ms = now_ms;
	log_warn("component.item-refused", "jid=%s item=%s condition=%s",
	    LOGQ(from->full), LOGQ(id == NULL ? "" : id), condition);
}

/* Is it often enough?  *Position: of the first of his row. */
static bool
bouncer_count(struct bouncer *bouncer, const struct jid *from,
    enum bounce_means means, uint64_t *position)
{
	bool often = bounce_count(bouncer->table, from->full,
	    jid_bare_len(from), position);
	const char *domain = strchr(from->full, '@');
	uint64_t other = *position;
	size_t len;

	if (means != BOUNCE_UNREACHABLE)
		return often;
	domain = domain == NULL ? from->full : domain + 1;
	len = jid_bare_len(from) - (size_t)(domain - from->full);
	return bounce_count(bouncer->table, domain, len, &other) || often;
}

void
bouncer_take(struct bouncer *bouncer, const struct jid *from,
    const struct jid *to, const struct xml *stanza)
{
	struct bounced found = { .bouncer = bouncer };
	struct buf channel;

	found.means =
	    bounce_read(stanza, from->resource_len > 0, &found.condition);
	stat_add(&bouncer_kinds[found.means], 1);
	if (found.means == BOUNCE_ITEM)
		bouncer_alarm(bouncer, from, stanza, found.condition);
	if (found.means == BOUNCE_ITEM || found.means == BOUNCE_TROUBLE ||
	    bouncer->inbound->component->bounce == BOUNCE_IGNORE)
		return;
	found.position = bouncer_position(bouncer->inbound, stanza);
	if ((found.means == BOUNCE_AWAY || found.means == BOUNCE_UNREACHABLE) &&
	    !bouncer_count(bouncer, from, found.means, &found.position))
		return;
	buf_init(&channel, 0);
	if (jid_channel(to, &channel))
		bouncer_end_subs(bouncer, from,
		    found.means == BOUNCE_GONE ? NULL : channel.data, &found);
	buf_clear(&channel);
}

/* ---- life ------------------------------------------------------------ */

struct bouncer *
bouncer_create(struct inbound *inbound)
{
	struct bouncer *bouncer = xcalloc(1, sizeof(*bouncer));

	bouncer->inbound = inbound;
	bouncer->table = bounce_create(BOUNCE_TABLE_MAX);
	bouncer->timer =
	    evtimer_new(loop_base(inbound->loop), bouncer_timer_cb, bouncer);
	if (bouncer->timer == NULL)
		fatal(EX_OSERR, "component.timer", "");
	return bouncer;
}

void
bouncer_stop(struct bouncer *bouncer)
{
	event_del(bouncer->timer);
}

void
bouncer_free(struct bouncer *bouncer)
{
	struct sleeper *sleeper, *next;

	MAP_FOREACH(sleeper, next, bouncer->sleepers) {
		HASH_DEL(bouncer->sleepers, sleeper);
		free(sleeper);
	}
	bounce_free(bouncer->table);
	event_free(bouncer->timer);
	free(bouncer);
}
