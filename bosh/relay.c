#include "bosh/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/gateway.h"
#include "bosh/sender.h"
#include "bosh/served.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

static struct stat_metric relay_forwarded =
    STAT_COUNTER("waft_bosh_relayed_requests_total",
        "Requests that arrived at another worker than their session's", NULL);

static struct stat_metric relay_requests =
    STAT_COUNTER("waft_bosh_requests_total", "BOSH requests", NULL);
static struct stat_metric relay_waiting = STAT_GAUGE("waft_bosh_waiting",
    "BOSH requests that wait for their answer now", NULL);
static struct stat_metric relay_dead = STAT_COUNTER("waft_bosh_dead_total",
    "BOSH requests whose connection closed before the answer", NULL);
static struct stat_metric relay_bytes =
    STAT_COUNTER("waft_bosh_answer_bytes_total",
        "Bytes of answers to BOSH requests", NULL);

static struct stat_metric relay_bytes_in =
    STAT_COUNTER("waft_bosh_request_bytes_total", "Bytes of BOSH requests",
        NULL);
static struct stat_times relay_held = STAT_TIMES("waft_bosh_hold_seconds",
    "From the arrival of a BOSH request to its answer");

/* The session that a full JID is bound to. */
struct name {
	UT_hash_handle hh;
	int index;
	char sid[SID_SIZE];
	char jid[];
};

struct relay *
relay_create(const struct conf *conf, struct store *store, int n_gateways)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->conf = conf;
	relay->store = store;
	relay->n_gateways = n_gateways;
	relay->served = served_create();
	snprintf(relay->mark, sizeof(relay->mark), "%016llx",
	    (unsigned long long)clock_wall_ms());
	atomic_init(&relay->unrestored, n_gateways);
	relay->gateways =
	    xcalloc((size_t)n_gateways, sizeof(relay->gateways[0]));
	relay->limits = limits_create();
	pthread_mutex_init(&relay->lock, NULL);
	return relay;
}

void
relay_free(struct relay *relay)
{
	if (relay == NULL)
		return;
	served_free(relay->served);
	pthread_mutex_destroy(&relay->lock);
	limits_free(relay->limits);
	free(relay->gateways);
	free(relay);
}

/* ---- requests -------------------------------------------------------- */

static void
arrival_unref(struct arrival *arrival, int count)
{
	if (atomic_fetch_sub(&arrival->refs, count) > count)
		return;
	free(arrival->text);
	free(arrival);
}

/* On the owner's thread, with the reference that the origin gave up. */
static void
arrival_aborted(void *arg)
{
	struct arrival *arrival = arg;
	bool held = arrival->client != NULL;

	if (held)
		gateway_aborted(arrival);
	else
		arrival->dead = true;
	arrival_unref(arrival, held ? 2 : 1);
}

static struct loop *
arrival_loop(const struct arrival *arrival, int index)
{
	return gateway_loop(arrival->relay->gateways[index]);
}

static void
arrival_abort_cb(struct exchange *exchange UNUSED, void *arg)
{
	struct arrival *arrival = arg;

	arrival->exchange = NULL;
	stat_add(&relay_dead, 1);
	stat_add(&relay_waiting, -1);
	if (arrival->origin == arrival->owner)
		arrival_aborted(arrival);
	else
		loop_post(arrival_loop(arrival, arrival->owner),
		    arrival_aborted, arrival);
}

struct arrival *
arrival_create(struct relay *relay, int origin, struct exchange *exchange,
    const struct sender *sender, const char *headers)
{
	struct arrival *arrival = xcalloc(1, sizeof(*arrival));

	atomic_init(&arrival->refs, 2);
	arrival->relay = relay;
	arrival->origin = arrival->owner = (short)origin;
	arrival->secure = sender->secure;
	arrival->peer = limit_peer(sender_counted(sender, &relay->conf->bosh));
	arrival->sender = sender;
	arrival->exchange = exchange;
	arrival->headers = headers;
	exchange_on_abort(exchange, arrival_abort_cb, arrival);
	arrival->at_ms =
	    (uint32_t)loop_now_ms(arrival_loop(arrival, arrival->origin));
	stat_add(&relay_requests, 1);
	stat_add(&relay_bytes_in, (int64_t)exchange_body(exchange).len);
	stat_add(&relay_waiting, 1);
	return arrival;
}

/* On the owner's thread. */
static void
arrival_received(void *arg)
{
	struct arrival *arrival = arg;
	char *text = arrival->text;
	size_t len = arrival->len;

	arrival->text = NULL;
	gateway_receive(arrival->relay->gateways[arrival->owner], arrival,
	    (struct slice){ text, len });
	free(text);
}

void
arrival_forward(struct arrival *arrival, int owner, struct slice text)
{
	stat_add(&relay_forwarded, 1);
	arrival->owner = (short)owner;
	arrival->text = xstrndup(text.p, text.len);
	arrival->len = text.len;
	loop_post(arrival_loop(arrival, owner), arrival_received, arrival);
}

/* With the owner's reference, and that of the origin if it is still there. */
static void
arrival_reply(struct arrival *arrival, struct slice text)
{
	struct http_reply reply = { .status = arrival->status,
		.type = arrival->type,
		.headers = arrival->headers,
		.body = text.p,
		.len = text.len };
	struct exchange *exchange = arrival->exchange;

	if (exchange != NULL) {
		stat_add(&relay_waiting, -1);
		stat_add(&relay_bytes, (int64_t)text.len);
		stat_took(&relay_held,
		    (uint32_t)loop_now_ms(
		        arrival_loop(arrival, arrival->origin)) -
		        arrival->at_ms);
		if (arrival->status == 0)
			exchange_cut(exchange);
		else
			exchange_reply(exchange, &reply);
		arrival->exchange = NULL;
	}
	arrival_unref(arrival, exchange != NULL ? 2 : 1);
}

/* On the origin's thread, with the owner's reference. */
static void
arrival_answered(void *arg)
{
	struct arrival *arrival = arg;

	arrival_reply(arrival, (struct slice){ arrival->text, arrival->len });
}

void
arrival_answer(struct arrival *arrival, int status, const char *type,
    struct slice text)
{
	arrival->client = NULL;
	arrival->status = status;
	arrival->type = type;
	if (arrival->origin == arrival->owner) {
		arrival_reply(arrival, text);
		return;
	}
	arrival->text = xstrndup(text.p, text.len);
	arrival->len = text.len;
	loop_post(arrival_loop(arrival, arrival->origin), arrival_answered,
	    arrival);
}

void
arrival_fetch(const struct arrival *arrival, int step)
{
	if (step == 0)
		mem_fetch(arrival, sizeof(*arrival));
	else if (arrival->origin == arrival->owner && arrival->exchange != NULL)
		exchange_fetch(arrival->exchange);
}

void
arrival_cut(struct arrival *arrival)
{
	arrival_answer(arrival, 0, NULL, (struct slice){ "", 0 });
}

/* ---- what is counted over all workers -------------------------------- */

bool
relay_enter(struct relay *relay, const char *peer, const char **why)
{
	const struct limit_peer counted = limit_peer(peer);

	if (atomic_fetch_add(&relay->sessions, 1) >=
	    relay->conf->bosh.sessions_max) {
		atomic_fetch_sub(&relay->sessions, 1);
		*why = "sessions-max";
		return false;
	}
	if (limits_enter(relay->limits, &relay->conf->bosh, &counted,
	        clock_mono_ms(), why))
		return true;
	atomic_fetch_sub(&relay->sessions, 1);
	return false;
}

void
relay_leave(struct relay *relay, const char *peer)
{
	const struct limit_peer counted = limit_peer(peer);

	atomic_fetch_sub(&relay->sessions, 1);
	limits_leave(relay->limits, &counted);
}

/* ---- full JIDs ------------------------------------------------------- */

bool
relay_bind(struct relay *relay, const char *jid, int index, const char *sid,
    char *old, int *old_index)
{
	struct name *name;
	size_t len;
	bool had;

	pthread_mutex_lock(&relay->lock);
	HASH_FIND_STR(relay->names, jid, name);
	had = name != NULL;
	if (had) {
		memcpy(old, name->sid, SID_SIZE);
		*old_index = name->index;
	} else {
		len = strlen(jid) + 1;
		name = xcalloc(1, sizeof(*name) + len);
		memcpy(name->jid, jid, len);
		HASH_ADD_STR(relay->names, jid, name);
	}
	snprintf(name->sid, SID_SIZE, "%s", sid);
	name->index = index;
	pthread_mutex_unlock(&relay->lock);
	return had;
}

bool
relay_rename(struct relay *relay, const char *jid, const char *sid,
    const char *new_sid)
{
	struct name *name;
	bool own;

	pthread_mutex_lock(&relay->lock);
	HASH_FIND_STR(relay->names, jid, name);
	own = name != NULL && strcmp(name->sid, sid) == 0;
	if (own)
		snprintf(name->sid, SID_SIZE, "%s", new_sid);
	pthread_mutex_unlock(&relay->lock);
	return own;
}

void
relay_unbind(struct relay *relay, const char *jid, const char *sid)
{
	struct name *name;

	pthread_mutex_lock(&relay->lock);
	HASH_FIND_STR(relay->names, jid, name);
	if (name != NULL && strcmp(name->sid, sid) == 0) {
		HASH_DEL(relay->names, name);
		free(name);
	}
	pthread_mutex_unlock(&relay->lock);
}
