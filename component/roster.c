#include "component/roster.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/xmpp/node.h"
#include "component/contacts.h"
#include "component/notify.h"

#define ROSTER_PAGE 1000

static struct stat_metric roster_full = STAT_COUNTER("waft_xmpp_limited_total",
    "Requests of XMPP users past a rate, by its option",
    "option=\"presences-max\"");
static struct stat_metric roster_clients =
    STAT_GAUGE("waft_component_presences", "Clients whose presence is known",
        NULL);
static struct stat_metric roster_joins =
    STAT_COUNTER("waft_component_temporary_subscriptions_total",
        "Clients let in while they are there", NULL);
static struct stat_metric roster_ends =
    STAT_COUNTER("waft_component_temporary_ends_total",
        "Clients that are let in no more, for any reason", NULL);

/* One who was in when the link was lost. */
struct lost {
	char *channel;
	char *jid;
};

enum roster_walk {
	ROSTER_IDLE,
	ROSTER_COMING,
	ROSTER_GOING
};

struct roster {
	struct worker *worker;
	const struct conf_component *component;
	struct service *service;
	const struct service_ops *service_ops;
	void *peer;
	struct notify *notify; /* NULL: stopped */
	size_t counted;        /* of its clients, in the gauge */
	void (*told)(void *arg);
	void *arg;
	struct contacts *contacts;
	uint64_t next_n;
	struct lost *lost;
	size_t n_lost;
	struct event *timer;
	enum roster_walk walk;
	unsigned round; /* a page of an older walk is nobody's */
	uint64_t after_n;
};

struct roster_page {
	struct roster *roster;
	unsigned round;
};

/* ---- coming and going ------------------------------------------------ */

static void
roster_count(struct roster *roster)
{
	size_t now = contacts_count(roster->contacts);

	stat_add(&roster_clients, (int64_t)now - (int64_t)roster->counted);
	roster->counted = now;
}

bool
roster_arrive(struct roster *roster, const struct jid *jid, const char *channel,
    int priority)
{
	const struct conf_control *conf = &worker_conf(roster->worker)->control;
	enum contacts_news news = contacts_arrive(roster->contacts, jid,
	    channel, priority, (size_t)roster->component->presences_max,
	    2 * (size_t)conf->subscriptions_per_jid);

	if (news == CONTACTS_FULL) {
		stat_add(&roster_full, 1);
		log_debug("component.presences", "jid=%s limit=presences-max",
		    LOGQ(jid->full));
	}
	roster_count(roster);
	return news != CONTACTS_KNOWN;
}

enum err
roster_join(struct roster *roster, const struct jid *jid, const char *channel)
{
	uint64_t n = roster->next_n;

	if (roster->notify == NULL)
		return ERR_BUSY;
	if (!contacts_join(roster->contacts, jid, channel, n))
		return ERR_LIMIT;
	roster->next_n++;
	stat_add(&roster_joins, 1);
	notify_join(roster->notify, channel, jid->full, n);
	return ERR_OK;
}

static void
roster_left_cb(const char *channel, const char *jid UNUSED, uint64_t n,
    void *arg)
{
	struct roster *roster = arg;

	stat_add(&roster_ends, 1);
	if (roster->notify != NULL)
		notify_part(roster->notify, channel, n);
}

void
roster_leave(struct roster *roster, const struct jid *jid, const char *channel)
{
	contacts_leave(roster->contacts, jid, channel, roster_left_cb, roster);
	roster_count(roster);
}

void
roster_show(struct roster *roster, const struct jid *jid, const char *channel,
    bool shown)
{
	size_t max = (size_t)roster->component->presences_max;

	if (!shown)
		contacts_forget(roster->contacts, jid, channel);
	else if (conf_class(worker_conf(roster->worker), channel)
	             ->available_only)
		contacts_expect(roster->contacts, jid, channel, max);
}

bool
roster_part(struct roster *roster, const struct jid *jid, const char *channel)
{
	size_t before = contacts_joined(roster->contacts);

	if (before == 0 || jid->resource_len == 0)
		return false;
	contacts_part(roster->contacts, jid, channel, roster_left_cb, roster);
	return contacts_joined(roster->contacts) < before;
}

/* ---- as subscriptions ------------------------------------------------ */

struct roster_listing {
	struct subscription *list;
	size_t count;
	const char *owner;
};

static void
roster_list_cb(const char *channel, const char *jid, uint64_t n, void *arg)
{
	struct roster_listing *listing = arg;

	listing->list = xreallocarray(listing->list, listing->count + 1,
	    sizeof(*listing->list));
	listing->list[listing->count++] = (struct subscription){
		.n = n,
		.owner = listing->owner,
		.channel = xstrdup(channel),
		.address = xstrdup(jid),
		.state = SUB_ACTIVE,
		.ways = SUB_BY_PRESENCE,
	};
}

struct subscription *
roster_list(const struct roster *roster, const struct jid *bare,
    const char *channel, const struct subscription *given, size_t *count)
{
	struct roster_listing listing = { NULL, *count,
		roster->component->domain };

	listing.list = xcalloc(*count + 1, sizeof(*listing.list));
	if (*count > 0)
		memcpy(listing.list, given, *count * sizeof(*given));
	contacts_list(roster->contacts, bare, channel, roster_list_cb,
	    &listing);
	*count = listing.count;
	return listing.list;
}

void
roster_list_free(struct subscription *list, size_t given, size_t count)
{
	for (size_t i = given; i < count; i++) {
		free((char *)(uintptr_t)list[i].channel);
		free((char *)(uintptr_t)list[i].address);
	}
	free(list);
}

/* ---- what the log brings --------------------------------------------- */

static void
roster_tell(struct roster *roster, const char *channel, const char *address,
    const char *type)
{
	struct jid jid;
	const char *why;

	if (jid_parse(address, strlen(address), &jid, &why) == ERR_OK)
		service_greet(roster->service, roster->peer, &jid, channel,
		    type);
}

static void
roster_see_sub(struct roster *roster, const struct entry *entry)
{
	struct subscription sub;
	const char *why;
	struct jid jid;

	if (!subscription_unpack(entry, &sub) || sub.state != SUB_ACTIVE ||
	    strcmp(sub.owner, roster->component->domain) != 0 ||
	    jid_parse(sub.address, strlen(sub.address), &jid, &why) != ERR_OK)
		return;
	contacts_part(roster->contacts, &jid, sub.channel, roster_left_cb,
	    roster);
}

struct roster_node {
	struct roster *roster;
	const struct node *node;
};

static bool
roster_keep_cb(const char *bare, void *arg)
{
	const struct roster_node *at = arg;
	enum node_affiliation affiliation;
	struct jid jid;
	const char *why;

	if (jid_parse(bare, strlen(bare), &jid, &why) != ERR_OK)
		return false;
	affiliation = node_affiliation(at->node, &jid);
	if (affiliation == NODE_NONE)
		return at->node->access == NODE_OPEN;
	return affiliation != NODE_OUTCAST;
}

static void
roster_shut_out_cb(const char *channel, const char *jid, uint64_t n, void *arg)
{
	const struct roster_node *at = arg;

	roster_left_cb(channel, jid, n, at->roster);
	roster_tell(at->roster, channel, jid, "unavailable");
}

static void
roster_see_node(struct roster *roster, const struct entry *entry)
{
	struct node *node = node_read(entry->data, entry->data_len, entry->seq);
	struct roster_node at = { roster, node };

	if (node != NULL)
		contacts_part_channel(roster->contacts, entry->channel,
		    entry->channel_len, roster_keep_cb, roster_shut_out_cb,
		    &at);
	node_free(node);
}

void
roster_entry(struct roster *roster, const struct entry *entry)
{
	if (contacts_joined(roster->contacts) == 0)
		return;
	if (entry->kind == ENTRY_SUB)
		roster_see_sub(roster, entry);
	else if (entry->kind == ENTRY_NODE)
		roster_see_node(roster, entry);
	else if (entry->kind == ENTRY_DELETE)
		contacts_part_channel(roster->contacts, entry->channel,
		    entry->channel_len, NULL, roster_left_cb, roster);
}

/* ---- telling those who have a channel as a contact -------------------- */

static void roster_read(struct roster *roster);

static void
roster_wait(struct roster *roster, size_t told)
{
	int64_t ms = roster->walk == ROSTER_COMING ?
	    (int64_t)(told * 1000 / ROSTER_RATE) :
	    0;
	struct timeval when = { ms / 1000, ms % 1000 * 1000 };

	event_add(roster->timer, &when);
}

static void
roster_walk_end(struct roster *roster)
{
	enum roster_walk walk = roster->walk;

	roster->walk = ROSTER_IDLE;
	if (walk == ROSTER_GOING)
		roster->told(roster->arg);
}

static void
roster_greet(struct roster *roster, const struct subscription *sub)
{
	size_t max = (size_t)roster->component->presences_max;
	struct jid jid;
	const char *why;

	if (roster->walk == ROSTER_GOING) {
		roster_tell(roster, sub->channel, sub->address, "unavailable");
		return;
	}
	roster_tell(roster, sub->channel, sub->address, NULL);
	if (!conf_class(worker_conf(roster->worker), sub->channel)
	         ->available_only ||
	    jid_parse(sub->address, strlen(sub->address), &jid, &why) != ERR_OK)
		return;
	contacts_expect(roster->contacts, &jid, sub->channel, max);
	service_greet(roster->service, roster->peer, &jid, sub->channel,
	    "probe");
}

static void
roster_page(struct roster *roster, const struct subscription *subs,
    size_t count)
{
	size_t i, told = 0;

	for (i = 0; i < count && told < ROSTER_RATE; i++) {
		roster->after_n = subs[i].n;
		if ((subs[i].ways & SUB_BY_PRESENCE) == 0 ||
		    subs[i].state == SUB_PENDING)
			continue;
		roster_greet(roster, &subs[i]);
		told++;
	}
	if (i == count && count < ROSTER_PAGE)
		roster_walk_end(roster);
	else
		roster_wait(roster, told);
}

static void
roster_page_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct roster_page *page = arg;
	struct roster *roster = page->roster;

	if (page->round == roster->round && roster->walk != ROSTER_IDLE) {
		if (err == ERR_OK)
			roster_page(roster, subs, count);
		else {
			log_warn("component.greet", "domain=%s err=%s",
			    LOGQ(roster->component->domain), err_name(err));
			roster_walk_end(roster);
		}
	}
	roster->service_ops->unref(roster->peer);
	free(page);
}

static void
roster_read(struct roster *roster)
{
	struct roster_page *page = xmalloc(sizeof(*page));
	const struct sub_filter filter = { roster->component->domain, NULL,
		NULL };

	page->roster = roster;
	page->round = roster->round;
	roster->service_ops->ref(roster->peer);
	store_sub_list(worker_store(roster->worker),
	    worker_loop(roster->worker), &filter, roster->after_n, ROSTER_PAGE,
	    roster_page_cb, page);
}

/* Those who were in when the link was lost come first. */
static size_t
roster_tell_lost(struct roster *roster)
{
	struct lost *lost;
	size_t told;

	for (told = 0; roster->n_lost > 0 && told < ROSTER_RATE; told++) {
		lost = &roster->lost[--roster->n_lost];
		roster_tell(roster, lost->channel, lost->jid, "unavailable");
		free(lost->channel);
		free(lost->jid);
	}
	if (roster->n_lost == 0) {
		free(roster->lost);
		roster->lost = NULL;
	}
	return told;
}

static void
roster_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct roster *roster = arg;

	if (roster->n_lost > 0)
		roster_wait(roster, roster_tell_lost(roster));
	else
		roster_read(roster);
}

static void
roster_walk(struct roster *roster, enum roster_walk walk)
{
	roster->walk = walk;
	roster->round++;
	roster->after_n = 0;
	roster_wait(roster, 0);
}

void
roster_up(struct roster *roster)
{
	roster_walk(roster, ROSTER_COMING);
}

static void
roster_lost_cb(const char *channel, const char *jid, uint64_t n, void *arg)
{
	struct roster *roster = arg;
	struct lost *lost;

	roster_left_cb(channel, jid, n, roster);
	roster->lost = xreallocarray(roster->lost, roster->n_lost + 1,
	    sizeof(*roster->lost));
	lost = &roster->lost[roster->n_lost++];
	lost->channel = xstrdup(channel);
	lost->jid = xstrdup(jid);
}

void
roster_down(struct roster *roster)
{
	enum roster_walk walk = roster->walk;

	contacts_clear(roster->contacts, roster_lost_cb, roster);
	roster_count(roster);
	event_del(roster->timer);
	roster->walk = ROSTER_IDLE;
	if (walk == ROSTER_GOING)
		roster->told(roster->arg);
}

void
roster_drain(struct roster *roster)
{
	contacts_clear(roster->contacts, roster_lost_cb, roster);
	roster_walk(roster, ROSTER_GOING);
}

bool
roster_is_telling(const struct roster *roster)
{
	return roster->walk == ROSTER_GOING;
}

/* ---- asking ---------------------------------------------------------- */

bool
roster_is_away(const struct roster *roster, const char *bare, size_t len,
    const char *channel)
{
	return contacts_is_away(roster->contacts, bare, len, channel);
}

size_t
roster_joined(const struct roster *roster)
{
	return contacts_joined(roster->contacts);
}

/* ---- life ------------------------------------------------------------ */

struct roster *
roster_create(const struct roster_opts *opts)
{
	struct roster *roster = xcalloc(1, sizeof(*roster));

	roster->worker = opts->worker;
	roster->component = opts->component;
	roster->service = opts->service;
	roster->service_ops = opts->service_ops;
	roster->peer = opts->peer;
	roster->notify = opts->notify;
	roster->told = opts->told;
	roster->arg = opts->arg;
	roster->next_n = ROSTER_N;
	roster->contacts = contacts_create();
	roster->timer = evtimer_new(loop_base(worker_loop(opts->worker)),
	    roster_timer_cb, roster);
	if (roster->timer == NULL)
		fatal(EX_OSERR, "component.timer", "");
	return roster;
}

void
roster_stop(struct roster *roster)
{
	roster->walk = ROSTER_IDLE;
	roster->notify = NULL;
	event_del(roster->timer);
}

void
roster_free(struct roster *roster)
{
	if (roster == NULL)
		return;
	event_free(roster->timer);
	stat_add(&roster_clients, -(int64_t)roster->counted);
	while (roster->n_lost > 0) {
		free(roster->lost[--roster->n_lost].channel);
		free(roster->lost[roster->n_lost].jid);
	}
	free(roster->lost);
	contacts_free(roster->contacts);
	free(roster);
}
