#include "component/domain.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/crypto.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "component/barrier.h"
#include "component/bookmark.h"
#include "component/inbound.h"
#include "component/link.h"
#include "component/load.h"
#include "component/multicast.h"
#include "component/notify.h"
#include "component/roster.h"

/* Answers wait in memory up to so many windows of a server that does not
 * read. */
#define DOMAIN_ANSWER_WINDOWS 4

static struct stat_metric domain_barriers =
    STAT_COUNTER("waft_component_barriers_total",
        "Barriers put behind stanzas on the link", NULL);
static struct stat_metric domain_confirms =
    STAT_COUNTER("waft_component_confirmed_total",
        "Barriers that the server answered", NULL);
static struct stat_times domain_trips =
    STAT_TIMES("waft_component_confirm_seconds",
        "From a barrier to its answer: what the server has before it");
static struct stat_metric domain_dropped =
    STAT_COUNTER("waft_component_dropped_answers_total",
        "Answers to users dropped: the link was down or full", NULL);
static struct stat_metric domain_quarantined =
    STAT_COUNTER("waft_component_quarantined_items_total",
        "Items left out because the server ends the link over them", NULL);

struct domain {
	struct worker *worker;
	struct store *store;
	struct loop *loop;
	const struct conf_component *conf;
	const struct domain_ops *ops;
	void *arg;
	struct store_lease lease; /* its name is the position's key, too */
	struct link *link;
	struct barrier barrier;
	struct multicast multicast;
	struct bookmark bookmark;
	struct suspect suspect;
	struct notify *notify;
	struct inbound *inbound;
	struct load *load; /* while it runs */
	struct event *timer;
	struct deferred flush;
	uint32_t epoch; /* of the connection */
	bool answered;  /* answers may be among what is unconfirmed */
	bool draining;
	bool closing; /* the end of the stream is on its way */
	bool ended;   /* drained() was called: nothing is stored any more */
	int64_t drain_ms;
};

/* ---- barriers and time ----------------------------------------------- */

static void
domain_set_window(struct domain *domain)
{
	bool careful =
	    suspect_is_careful(&domain->suspect, loop_now_ms(domain->loop));

	barrier_set_window(&domain->barrier,
	    careful ? 1 : domain->conf->window_stanzas);
	multicast_set_careful(&domain->multicast, careful);
}

/* Note is NULL when the barrier was void. */
static void
domain_confirm(struct domain *domain, struct position_note *note)
{
	stat_add(&domain_confirms, 1);
	stat_took(&domain_trips, domain->barrier.took_ms);
	if (note != NULL)
		bookmark_confirm(&domain->bookmark, note);
	if (barrier_is_clean(&domain->barrier))
		domain->answered = false;
	domain_set_window(domain);
	notify_resume(domain->notify);
}

static void
domain_set_timer(struct domain *domain)
{
	int64_t now_ms = loop_now_ms(domain->loop);
	int64_t wait = BARRIER_IDLE_MS;
	struct timeval when;

	if (link_is_up(domain->link))
		wait = barrier_wait_ms(&domain->barrier, now_ms);
	wait = bookmark_wait_ms(&domain->bookmark, wait);
	if (domain->draining && domain->drain_ms - now_ms < wait)
		wait = domain->drain_ms - now_ms;
	if (wait < 1)
		wait = 1;
	when.tv_sec = wait / 1000;
	when.tv_usec = wait % 1000 * 1000;
	event_add(domain->timer, &when);
}

static void
domain_put_barrier(void *arg)
{
	struct domain *domain = arg;

	barrier_put(&domain->barrier, notify_note(domain->notify),
	    loop_now_ms(domain->loop), link_out(domain->link));
	stat_add(&domain_barriers, 1);
}

static void
domain_check_peer(struct domain *domain)
{
	int64_t now_ms = loop_now_ms(domain->loop);

	if (barrier_is_dead(&domain->barrier, now_ms)) {
		link_cut(domain->link, LINK_END_SILENT);
		return;
	}
	if (!barrier_wants_fallback(&domain->barrier, now_ms)) {
		if (barrier_wants_again(&domain->barrier, now_ms))
			barrier_again(&domain->barrier, now_ms,
			    link_out(domain->link));
		return;
	}
	log_warn("component.fallback",
	    "domain=%s ping=%s fix=\"set ping to a domain that answers\"",
	    LOGQ(domain->conf->domain), LOGQ(domain->conf->ping));
	barrier_fall_back(&domain->barrier);
	domain_put_barrier(domain);
}

static void
domain_finish(struct domain *domain)
{
	if (domain->ended)
		return;
	bookmark_flush(&domain->bookmark, true);
	domain->ended = true;
	domain->ops->drained(domain->arg);
}

/* Ends the stream once nothing is unconfirmed any more, or it is too late. */
static void
domain_check_drain(struct domain *domain)
{
	bool late = loop_now_ms(domain->loop) >= domain->drain_ms;

	if (domain->closing) {
		if (late)
			domain_finish(domain);
		return;
	}
	if (late ||
	    (!roster_is_telling(inbound_roster(domain->inbound)) &&
	        barrier_is_clean(&domain->barrier))) {
		bookmark_keep_up(&domain->bookmark, true);
		domain->closing = link_close(domain->link);
		if (!domain->closing)
			domain_finish(domain);
	} else if (barrier_unasked(&domain->barrier) > 0 &&
	    barrier_can_put(&domain->barrier))
		domain_put_barrier(domain);
}

/* Last in a turn in which something was written or answered, and by timer. */
static void
domain_flush_cb(void *arg)
{
	struct domain *domain = arg;
	int64_t now_ms = loop_now_ms(domain->loop);

	if (domain->ended)
		return;
	if (link_is_up(domain->link)) {
		domain_check_peer(domain);
		multicast_tick(&domain->multicast, now_ms);
		if (barrier_is_due(&domain->barrier, now_ms))
			domain_put_barrier(domain);
		link_flush(domain->link);
	}
	if (domain->draining)
		domain_check_drain(domain);
	bookmark_keep_up(&domain->bookmark, false);
	bookmark_flush(&domain->bookmark, false);
	domain_set_timer(domain);
}

static void
domain_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct domain *domain = arg;

	loop_defer(domain->loop, &domain->flush);
}

static void
domain_wrote(void *arg)
{
	struct domain *domain = arg;

	loop_defer(domain->loop, &domain->flush);
}

static void
domain_pause(void *arg, bool paused)
{
	struct domain *domain = arg;

	domain->ops->pause(domain->arg, paused);
}

/* ---- the link's events ----------------------------------------------- */

static void
domain_up(void *arg)
{
	struct domain *domain = arg;

	barrier_reset(&domain->barrier, ++domain->epoch,
	    loop_now_ms(domain->loop));
	multicast_up(&domain->multicast, domain->epoch);
	domain_set_window(domain);
	notify_open(domain->notify, true);
	roster_up(inbound_roster(domain->inbound));
	domain_wrote(domain);
	domain->ops->changed(domain->arg);
}

/* The server did not like something of what was out. */
static void
domain_suspect(struct domain *domain)
{
	bool alone =
	    barrier_unconfirmed(&domain->barrier) == 1 && !domain->answered;
	uint64_t seq = alone ? notify_last(domain->notify) : 0;
	char position[STORE_POSITION_MAX];

	if (!suspect_end(&domain->suspect, seq, loop_now_ms(domain->loop)))
		return;
	stat_add(&domain_quarantined, 1);
	store_position(domain->store, seq, position);
	log_error("component.quarantine",
	    "domain=%s item=%s why=\"the XMPP server ends the link over it; "
	    "it is not sent again\"",
	    LOGQ(domain->conf->domain), position);
}

static void
domain_down(void *arg, enum link_end end)
{
	struct domain *domain = arg;
	uint64_t unconfirmed = barrier_unconfirmed(&domain->barrier);

	if (end == LINK_END_STANZA)
		domain_suspect(domain);
	multicast_down(&domain->multicast, end == LINK_END_STANZA,
	    loop_now_ms(domain->loop));
	domain->answered = false;
	notify_open(domain->notify, false);
	roster_down(inbound_roster(domain->inbound));
	barrier_reset(&domain->barrier, ++domain->epoch,
	    loop_now_ms(domain->loop));
	domain->ops->changed(domain->arg);
	if (end == LINK_END_CLOSED) {
		domain_finish(domain);
		return;
	}
	bookmark_rewind(&domain->bookmark, unconfirmed);
	notify_go_to(domain->notify, bookmark_newest(&domain->bookmark));
	bookmark_save(&domain->bookmark);
	domain_wrote(domain);
}

static bool
domain_is_answer(struct domain *domain, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	enum barrier_heard heard;
	void *note;

	if (type == NULL ||
	    (strcmp(type, "result") != 0 && strcmp(type, "error") != 0 &&
	        strcmp(type, "headline") != 0))
		return false;
	heard = barrier_answer(&domain->barrier, xml_attr(stanza, "id"),
	    xml_attr(stanza, "from"), loop_now_ms(domain->loop), &note);
	if (heard == BARRIER_NO_ANSWER)
		return false;
	if (heard == BARRIER_CONFIRMED)
		domain_confirm(domain, note);
	domain_wrote(domain);
	return true;
}

static void
domain_stanza(void *arg, const struct xml *stanza)
{
	struct domain *domain = arg;

	if (multicast_stanza(&domain->multicast, stanza,
	        loop_now_ms(domain->loop)) ||
	    domain_is_answer(domain, stanza))
		return;
	if (multicast_is_malformed(stanza))
		notify_malformed(domain->notify, xml_attr(stanza, "from"));
	inbound_stanza(domain->inbound, stanza);
}

static void
domain_over(void *arg, const struct xml *stanza)
{
	struct domain *domain = arg;

	inbound_over(domain->inbound, stanza);
}

static const struct link_ops domain_link_ops = {
	domain_up,
	domain_down,
	domain_stanza,
	domain_over,
};

/* Answers count as unconfirmed like items, but do not wait for the window. */
static void
domain_send(void *arg, const char *text, size_t len)
{
	struct domain *domain = arg;

	if (!link_is_up(domain->link) ||
	    domain->barrier.bytes >
	        domain->conf->window_bytes * DOMAIN_ANSWER_WINDOWS) {
		stat_add(&domain_dropped, 1);
		log_debug("component.answer", "domain=%s dropped=%zu",
		    LOGQ(domain->conf->domain), len);
		return;
	}
	buf_add(link_out(domain->link), text, len);
	domain->answered = true;
	barrier_sent(&domain->barrier, len, loop_now_ms(domain->loop));
	domain_wrote(domain);
}

static size_t
domain_suspect_group(void *arg, const struct xml *group)
{
	struct domain *domain = arg;

	return notify_suspect(domain->notify, group);
}

/* As after a lost link, but that what was routed directly comes twice, too. */
static void
domain_back(void *arg)
{
	struct domain *domain = arg;

	barrier_void(&domain->barrier);
	notify_go_to(domain->notify, bookmark_newest(&domain->bookmark));
	notify_resume(domain->notify);
	domain_wrote(domain);
}

static const struct multicast_ops domain_multicast_ops = {
	domain_send,
	domain_suspect_group,
	domain_back,
};

/* ---- loading --------------------------------------------------------- */

static void
domain_load_sub(void *arg, const struct subscription *sub)
{
	struct domain *domain = arg;

	notify_add(domain->notify, sub);
	inbound_load(domain->inbound, sub);
}

static void
domain_load_done(void *arg, enum err err, struct position_note *note)
{
	struct domain *domain = arg;

	domain->load = NULL;
	if (err == ERR_OK) {
		bookmark_start(&domain->bookmark, note);
		log_info("component.loaded",
		    "domain=%s subscriptions=%zu channels=%zu seq=%llu",
		    LOGQ(domain->conf->domain), notify_members(domain->notify),
		    notify_channels(domain->notify),
		    (unsigned long long)note->seq);
	}
	domain->ops->loaded(domain->arg, err);
}

void
domain_load(struct domain *domain)
{
	static const struct load_ops ops = { domain_load_sub,
		domain_load_done };

	domain->load = load_start(domain->store, domain->loop,
	    domain->conf->domain, domain->lease.name, &ops, domain);
}

uint64_t
domain_seq(const struct domain *domain)
{
	return bookmark_newest(&domain->bookmark)->seq;
}

uint64_t
domain_oldest(const struct domain *domain)
{
	return bookmark_newest(&domain->bookmark)->oldest;
}

void
domain_begin(struct domain *domain)
{
	notify_go_to(domain->notify, bookmark_newest(&domain->bookmark));
	bookmark_save(&domain->bookmark);
	link_start(domain->link);
	domain_set_timer(domain);
}

void
domain_entry(struct domain *domain, const struct entry *entry)
{
	notify_entry(domain->notify, entry);
	inbound_entry(domain->inbound, entry);
	if (bookmark_passed(&domain->bookmark))
		domain_wrote(domain);
}

/* ---- life ------------------------------------------------------------ */

static void
domain_make_notify(struct domain *domain)
{
	struct barrier_opts barrier = { domain->conf->domain,
		domain->conf->ping, domain->conf->window_stanzas,
		domain->conf->multicast_window, domain->conf->window_bytes,
		free };
	struct notify_opts notify = {
		.worker = domain->worker,
		.domain = domain->conf->domain,
		.epoch = store_epoch(domain->store),
		.local = domain->conf->ping,
		.multicast = &domain->multicast,
		.barrier = &domain->barrier,
		.suspect = &domain->suspect,
		.out = link_out(domain->link),
		.wrote = domain_wrote,
		.batch = domain_put_barrier,
		.pause = domain_pause,
		.arg = domain,
	};
	struct multicast_opts multicast = { domain->conf, &domain->barrier,
		&domain_multicast_ops, domain };

	barrier_init(&domain->barrier, &barrier);
	multicast_init(&domain->multicast, &multicast);
	multicast_set_wanted(&domain->multicast, worker_conf(domain->worker));
	domain->notify = notify_create(&notify);
	bookmark_init(&domain->bookmark,
	    &(struct bookmark_opts){ domain->worker, &domain->lease,
	        domain->conf->domain, domain->conf->rewind_ms, &domain->barrier,
	        domain->notify });
}

static void
domain_make_inbound(struct domain *domain)
{
	struct inbound_opts opts = {
		.worker = domain->worker,
		.component = domain->conf,
		.send = domain_send,
		.notify = domain->notify,
		.told = domain_wrote,
		.domain = domain,
		.arg = domain,
	};

	domain->inbound = inbound_create(&opts);
}

struct domain *
domain_create(const struct domain_opts *opts)
{
	struct domain *domain = xcalloc(1, sizeof(*domain));

	domain->worker = opts->worker;
	domain->store = worker_store(opts->worker);
	domain->loop = worker_loop(opts->worker);
	domain->conf = opts->component;
	domain->ops = opts->ops;
	domain->arg = opts->arg;
	domain->lease = opts->lease;
	crypto_random(&domain->epoch, sizeof(domain->epoch));
	domain->link = link_create(domain->loop, domain->conf, opts->ip,
	    &domain_link_ops, domain);
	link_allow(domain->link, opts->until_ms);
	if (opts->eager)
		link_be_eager(domain->link);
	domain_make_notify(domain);
	domain_make_inbound(domain);
	domain->timer =
	    evtimer_new(loop_base(domain->loop), domain_timer_cb, domain);
	if (domain->timer == NULL)
		fatal(EX_OSERR, "component.timer", "");
	loop_defer_init(&domain->flush, LOOP_FLUSH, domain_flush_cb, domain);
	return domain;
}

void
domain_free(struct domain *domain)
{
	if (domain == NULL)
		return;
	if (domain->load != NULL)
		load_cancel(domain->load);
	loop_defer_cancel(domain->loop, &domain->flush);
	event_free(domain->timer);
	inbound_close(domain->inbound);
	notify_free(domain->notify);
	barrier_clear(&domain->barrier);
	multicast_clear(&domain->multicast);
	bookmark_clear(&domain->bookmark);
	link_free(domain->link);
	free(domain);
}

void
domain_allow(struct domain *domain, int64_t until_ms)
{
	link_allow(domain->link, until_ms);
}

void
domain_drain(struct domain *domain)
{
	domain->draining = true;
	domain->drain_ms = loop_now_ms(domain->loop) + DOMAIN_DRAIN_MS;
	notify_open(domain->notify, false);
	if (link_is_up(domain->link))
		roster_drain(inbound_roster(domain->inbound));
	domain_wrote(domain);
}

bool
domain_is_ready(const struct domain *domain, const char **why)
{
	if (link_is_up(domain->link))
		return true;
	*why = domain->load != NULL ? "subscriptions are being loaded" :
	                              "the XMPP server has not taken the link";
	return false;
}

void
domain_reload(struct domain *domain, const struct conf *conf)
{
	multicast_set_wanted(&domain->multicast, conf);
	notify_reload(domain->notify, conf);
	domain_wrote(domain);
	inbound_reload(domain->inbound, conf);
}

void
domain_status(const struct domain *domain, void *json_object)
{
	bool up = link_is_up(domain->link);

	json_object_update_new(json_object,
	    json_pack("{s:b, s:s?, s:I, s:I, s:I, s:s?}", "up", up, "reason",
	        up ? NULL : link_end_name(link_why(domain->link)), "channels",
	        (json_int_t)notify_channels(domain->notify), "subscriptions",
	        (json_int_t)notify_members(domain->notify), "unconfirmed",
	        (json_int_t)barrier_unconfirmed(&domain->barrier), "multicast",
	        multicast_service(&domain->multicast)));
}
