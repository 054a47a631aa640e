#include "component/seat.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/stat.h"
#include "component/domain.h"
#include "component/resolve.h"
#include "component/spare.h"
#include "component/tenure.h"

static struct stat_metric seat_takes =
    STAT_COUNTER("waft_component_leases_taken_total",
        "Times this process became the one that serves a domain", NULL);
static struct stat_metric seat_losses =
    STAT_COUNTER("waft_component_leases_lost_total",
        "Times another process took a domain from this one", NULL);
static struct stat_metric seat_standing_by =
    STAT_GAUGE("waft_component_standing_by",
        "Domains that another process serves now", NULL);

/* A question to the store; it outlives its seat. */
struct seat_ask {
	struct seat *seat; /* NULL: nobody wants to know */
};

struct seat {
	struct worker *worker;
	struct store *store;
	struct loop *loop;
	const struct conf_component *conf;
	const struct seat_ops *ops;
	void *arg;
	char ip[RESOLVE_MAX];
	char as[PROCESS_NAME_MAX];
	char *lease; /* its name */
	struct tenure tenure;
	struct seat_ask *ask; /* under way */
	struct event *timer;
	struct domain *domain; /* while the lease is ours */
	int spare;             /* a low descriptor for its link, meanwhile */
	char *holder;          /* who has it, while we stand by */
	char *why;             /* of seat_is_ready() */
	bool following;
	bool draining;
	bool drained;
};

static void seat_ask(struct seat *seat);

/* ---- the domain ------------------------------------------------------ */

static void
seat_entry(struct entry *entry, void *arg)
{
	struct seat *seat = arg;

	domain_entry(seat->domain, entry);
}

static void
seat_loaded(void *arg, enum err err)
{
	struct seat *seat = arg;

	if (err != ERR_OK) {
		seat->ops->failed(seat->arg, err);
		return;
	}
	seat->following = true;
	worker_follow(seat->worker, domain_seq(seat->domain), seat_entry, seat);
	domain_begin(seat->domain);
	if (seat->draining)
		domain_drain(seat->domain);
}

static void
seat_changed(void *arg)
{
	struct seat *seat = arg;

	seat->ops->changed(seat->arg);
}

static void
seat_pause(void *arg, bool paused)
{
	struct seat *seat = arg;

	worker_pause(seat->worker, paused);
}

static void
seat_set_drained(struct seat *seat)
{
	if (seat->drained)
		return;
	seat->drained = true;
	event_del(seat->timer);
	seat->ops->drained(seat->arg);
}

static void
seat_dropped_cb(enum err err, uint64_t generation UNUSED,
    const char *holder UNUSED, void *arg)
{
	struct seat_ask *ask = arg;
	struct seat *seat = ask->seat;

	free(ask);
	if (seat == NULL)
		return;
	seat->ask = NULL;
	log_info("component.lease", "domain=%s state=dropped err=%s",
	    LOGQ(seat->conf->domain), err_name(err));
	seat_set_drained(seat);
}

static struct seat_ask *
seat_make_ask(struct seat *seat)
{
	if (seat->ask != NULL)
		seat->ask->seat = NULL;
	seat->ask = xcalloc(1, sizeof(*seat->ask));
	seat->ask->seat = seat;
	return seat->ask;
}

/* Behind the last position, so whoever takes it next reads that. */
static void
seat_drop(struct seat *seat)
{
	struct store_lease lease = { seat->lease, seat->tenure.generation };

	event_del(seat->timer);
	store_lease_drop(seat->store, seat->loop, &lease, seat_dropped_cb,
	    seat_make_ask(seat));
}

static void
seat_domain_drained(void *arg)
{
	struct seat *seat = arg;

	if (!seat->drained && seat->tenure.held)
		seat_drop(seat);
}

static const struct domain_ops seat_domain_ops = {
	.loaded = seat_loaded,
	.changed = seat_changed,
	.pause = seat_pause,
	.drained = seat_domain_drained,
};

/* ---- the lease ------------------------------------------------------- */

static void
seat_set_holder(struct seat *seat, const char *holder)
{
	bool by = seat->holder != NULL;

	if (holder != NULL && by && strcmp(holder, seat->holder) == 0)
		return;
	free(seat->holder);
	seat->holder = holder == NULL ? NULL : xstrdup(holder);
	stat_add(&seat_standing_by, (holder != NULL) - by);
	if (holder != NULL)
		log_info("component.lease",
		    "domain=%s state=standing-by holder=%s",
		    LOGQ(seat->conf->domain), LOGQ(holder));
	seat_changed(seat);
}

static void
seat_took(struct seat *seat, const char *before)
{
	struct domain_opts opts = {
		.worker = seat->worker,
		.component = seat->conf,
		.ip = seat->ip,
		.lease = { seat->lease, seat->tenure.generation },
		.until_ms = seat->tenure.until_ms,
		.eager = before[0] != '\0',
		.ops = &seat_domain_ops,
		.arg = seat,
	};

	stat_add(&seat_takes, 1);
	log_info("component.lease", "domain=%s state=held generation=%llu%s%s",
	    LOGQ(seat->conf->domain),
	    (unsigned long long)seat->tenure.generation,
	    before[0] == '\0' ? "" : " from=",
	    before[0] == '\0' ? "" : LOGQ(before));
	seat_set_holder(seat, NULL);
	spare_give(&seat->spare);
	seat->domain = domain_create(&opts);
	domain_load(seat->domain);
}

static void
seat_end_domain(struct seat *seat)
{
	if (seat->domain == NULL)
		return;
	domain_free(seat->domain);
	seat->domain = NULL;
	if (seat->following)
		worker_unfollow(seat->worker);
	seat->following = false;
}

static void
seat_lost(struct seat *seat)
{
	stat_add(&seat_losses, 1);
	log_warn("component.lease",
	    "domain=%s state=lost generation=%llu why=\"it was not renewed for "
	    "too long, and another process has taken it\"",
	    LOGQ(seat->conf->domain),
	    (unsigned long long)seat->tenure.generation);
	seat_end_domain(seat);
	spare_take(&seat->spare);
	if (seat->draining)
		seat_set_drained(seat);
	else
		seat_ask(seat);
}

static void
seat_set_timer(struct seat *seat)
{
	int64_t wait = tenure_wait_ms(&seat->tenure, clock_mono_ms());
	struct timeval when = { wait / 1000, wait % 1000 * 1000 };

	if (!seat->drained)
		event_add(seat->timer, &when);
}

static void
seat_answer_cb(enum err err, uint64_t generation, const char *holder, void *arg)
{
	struct seat_ask *ask = arg;
	struct seat *seat = ask->seat;

	free(ask);
	if (seat == NULL)
		return;
	seat->ask = NULL;
	switch (tenure_answer(&seat->tenure, err, generation)) {
	case TENURE_TOOK:
		seat_took(seat, holder);
		break;
	case TENURE_KEPT:
		domain_allow(seat->domain, seat->tenure.until_ms);
		break;
	case TENURE_LOST:
		seat_lost(seat);
		return;
	case TENURE_SAME:
		if (err == ERR_CONFLICT)
			seat_set_holder(seat, holder);
		break;
	}
	seat_set_timer(seat);
}

/* The clock is read anew: the loop's may be from before a freeze. */
static void
seat_ask(struct seat *seat)
{
	struct store_lease lease = { seat->lease, seat->tenure.generation };
	int64_t now_ms = clock_mono_ms();

	switch (tenure_next(&seat->tenure, now_ms)) {
	case TENURE_TAKE:
		tenure_asked(&seat->tenure, now_ms);
		store_lease_take(seat->store, seat->loop, seat->lease, seat->as,
		    seat_answer_cb, seat_make_ask(seat));
		break;
	case TENURE_RENEW:
		tenure_asked(&seat->tenure, now_ms);
		store_lease_renew(seat->store, seat->loop, &lease,
		    seat_answer_cb, seat_make_ask(seat));
		break;
	case TENURE_WAIT:
		seat_set_timer(seat);
		break;
	}
}

static void
seat_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	seat_ask(arg);
}

/* ---- life ------------------------------------------------------------ */

struct seat *
seat_create(const struct seat_opts *opts, int *status)
{
	struct seat *seat = xcalloc(1, sizeof(*seat));

	*status = resolve_server(opts->component, seat->ip, sizeof(seat->ip));
	if (*status != 0) {
		free(seat);
		return NULL;
	}
	seat->worker = worker_create_beside(opts->worker);
	seat->store = worker_store(opts->worker);
	seat->loop = worker_loop(opts->worker);
	seat->conf = opts->component;
	seat->ops = opts->ops;
	seat->arg = opts->arg;
	seat->lease = xasprintf("link/%s", opts->component->domain);
	process_name(seat->as);
	seat->timer = evtimer_new(loop_base(seat->loop), seat_timer_cb, seat);
	if (seat->timer == NULL)
		fatal(EX_OSERR, "component.timer", "");
	seat->spare = -1;
	spare_take(&seat->spare);
	return seat;
}

void
seat_free(struct seat *seat)
{
	if (seat == NULL)
		return;
	seat_end_domain(seat);
	if (seat->ask != NULL)
		seat->ask->seat = NULL;
	event_free(seat->timer);
	spare_give(&seat->spare);
	free(seat->holder);
	free(seat->lease);
	free(seat->why);
	free(seat);
}

void
seat_start(struct seat *seat)
{
	seat_ask(seat);
}

void
seat_drain(struct seat *seat)
{
	seat->draining = true;
	if (seat->following)
		domain_drain(seat->domain);
	else if (seat->tenure.held)
		seat_drop(seat);
	else
		seat_set_drained(seat);
}

bool
seat_is_ready(struct seat *seat, const char **why)
{
	const char *what = "the lease of its domain is being asked for";

	if (seat->holder != NULL)
		return true;
	if (seat->domain != NULL && domain_is_ready(seat->domain, &what)) {
		if (tenure_holds(&seat->tenure, clock_mono_ms()))
			return true;
		what = "its lease could not be renewed, so nothing is sent";
	}
	free(seat->why);
	seat->why = xasprintf("%s: %s", seat->conf->domain, what);
	*why = seat->why;
	return false;
}

const char *
seat_name(const struct seat *seat)
{
	return seat->conf->domain;
}

static bool
seat_is_current(const struct seat *seat, const struct conf *conf)
{
	const struct conf_component *now;
	size_t i;

	for (i = 0; i < conf->n_components; i++) {
		now = &conf->components[i];
		if (strcmp(now->domain, seat->conf->domain) == 0)
			return conf_component_same(seat->conf, now);
	}
	return false;
}

void
seat_reload(struct seat *seat, const struct conf *conf)
{
	if (seat->domain != NULL)
		domain_reload(seat->domain, conf);
	if (!seat_is_current(seat, conf))
		log_warn("component.reload",
		    "domain=%s why=\"its section changed; restart "
		    "waft-component to apply it\"",
		    LOGQ(seat->conf->domain));
}

void
seat_status(const struct seat *seat, void *json_array)
{
	json_t *json = json_object();

	json_object_set_new(json, "domain", json_string(seat->conf->domain));
	json_object_set_new(json, "state",
	    json_string(seat->domain != NULL ? "active" :
	            seat->holder != NULL     ? "standing-by" :
	                                       "starting"));
	if (seat->domain != NULL)
		domain_status(seat->domain, json);
	else
		json_object_set_new(json, "up", json_false());
	if (seat->holder != NULL)
		json_object_set_new(json, "holder", json_string(seat->holder));
	json_array_append_new(json_array, json);
}
