#include "bosh/limit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

#define LIMIT_SWEEP    1024    /* addresses below which nobody is forgotten */
#define LIMIT_SWEEP_US 1000000 /* between two searches for them */
#define LIMIT_SAY_MS   10000   /* between two log lines of one address */

struct limit_address {
	UT_hash_handle hh;
	struct limit_peer peer;
	int sessions;
	int64_t said_ms; /* 0: nothing was */
	/* Rates by GCRA: when all that was taken would have been used up at
	 * the full rate, in microseconds. */
	int64_t used_us[LIMIT_MAX];
};

struct limits {
	pthread_mutex_t lock;
	struct limit_address *addresses;
	unsigned sweep_at;
	int64_t swept_us;
};

#define LIMITED(limit)                                                 \
	STAT_COUNTER("waft_bosh_limited_total",                        \
	    "What was refused because its address did too much of it", \
	    "limit=\"" limit "\"")
static struct stat_metric limit_refused[LIMIT_MAX] = {
	[LIMIT_CREATIONS] = LIMITED("creations-per-address"),
	[LIMIT_REQUESTS] = LIMITED("requests-per-address"),
	[LIMIT_LOGINS] = LIMITED("login-failures-per-address"),
	[LIMIT_SIDS] = LIMITED("unknown-sids-per-address"),
};

static const char *const limit_names[LIMIT_MAX] = {
	[LIMIT_CREATIONS] = "creations-per-address",
	[LIMIT_REQUESTS] = "requests-per-address",
	[LIMIT_LOGINS] = "login-failures-per-address",
	[LIMIT_SIDS] = "unknown-sids-per-address",
};

/* ---- addresses ------------------------------------------------------- */

/* An IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2). */
static const unsigned char limit_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff };

struct limit_peer
limit_peer(const char *text)
{
	struct limit_peer peer = { { 0 } };
	unsigned char raw[16];

	if (text == NULL)
		return peer;
	if (inet_pton(AF_INET, text, raw) == 1) {
		memcpy(peer.key, limit_mapped, 12);
		memcpy(peer.key + 12, raw, 4);
	} else if (inet_pton(AF_INET6, text, raw) == 1) {
		memcpy(peer.key, raw,
		    memcmp(raw, limit_mapped, 12) == 0 ? 16 : 8);
	}
	return peer;
}

static bool
limit_is_counted(const struct limit_peer *peer)
{
	static const struct limit_peer none;

	return memcmp(peer, &none, sizeof(none)) != 0;
}

static void
limit_show(const struct limit_peer *peer, char out[INET6_ADDRSTRLEN])
{
	out[0] = '\0';
	if (memcmp(peer->key, limit_mapped, 12) == 0)
		inet_ntop(AF_INET, peer->key + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, peer->key, out, INET6_ADDRSTRLEN);
}

/* ---- the table ------------------------------------------------------- */

struct limits *
limits_create(void)
{
	struct limits *limits = xcalloc(1, sizeof(*limits));

	pthread_mutex_init(&limits->lock, NULL);
	limits->sweep_at = LIMIT_SWEEP;
	return limits;
}

void
limits_free(struct limits *limits)
{
	struct limit_address *address, *next;

	if (limits == NULL)
		return;
	MAP_FOREACH(address, next, limits->addresses) {
		HASH_DEL(limits->addresses, address);
		free(address);
	}
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

unsigned
limits_count(struct limits *limits)
{
	unsigned count;

	pthread_mutex_lock(&limits->lock);
	count = HASH_COUNT(limits->addresses);
	pthread_mutex_unlock(&limits->lock);
	return count;
}

static bool
limit_is_idle(const struct limit_address *address, int64_t now_us)
{
	for (int i = 0; i < LIMIT_MAX; i++)
		if (address->used_us[i] > now_us)
			return false;
	return address->sessions == 0;
}

static void
limits_sweep(struct limits *limits, int64_t now_us)
{
	struct limit_address *address, *next;
	unsigned count;

	MAP_FOREACH(address, next, limits->addresses)
		if (limit_is_idle(address, now_us)) {
			HASH_DEL(limits->addresses, address);
			free(address);
		}
	limits->swept_us = now_us;
	count = HASH_COUNT(limits->addresses);
	limits->sweep_at = count < LIMIT_SWEEP / 2 ? LIMIT_SWEEP : 2 * count;
}

static struct limit_address *
limits_find(struct limits *limits, const struct limit_peer *peer)
{
	struct limit_address *address;

	HASH_FIND(hh, limits->addresses, peer, sizeof(*peer), address);
	return address;
}

/* NULL when there are too many. */
static struct limit_address *
limits_get(struct limits *limits, const struct limit_peer *peer, unsigned max,
    int64_t now_us)
{
	struct limit_address *address = limits_find(limits, peer);
	unsigned count = HASH_COUNT(limits->addresses);

	if (address != NULL)
		return address;
	if ((count >= limits->sweep_at || count >= max) &&
	    (limits->swept_us == 0 ||
	        now_us - limits->swept_us >= LIMIT_SWEEP_US)) {
		limits_sweep(limits, now_us);
		count = HASH_COUNT(limits->addresses);
	}
	if (count >= max)
		return NULL;
	address = xcalloc(1, sizeof(*address));
	address->peer = *peer;
	HASH_ADD(hh, limits->addresses, peer, sizeof(address->peer), address);
	return address;
}

/* ---- rates ----------------------------------------------------------- */

/* What one event uses of its address's time. */
static int64_t
limit_cost_us(const struct conf_bosh *conf, enum limit limit)
{
	switch (limit) {
	case LIMIT_CREATIONS:
		return INT64_C(1000000) / conf->creations_per_address;
	case LIMIT_REQUESTS:
		return INT64_C(1000000) / conf->requests_per_address;
	case LIMIT_LOGINS:
		return INT64_C(60000000) / conf->login_failures_per_address;
	default:
		return INT64_C(60000000) / conf->unknown_sids_per_address;
	}
}

/* A rate a minute may be used up at once, one a second within a burst. */
static int64_t
limit_burst_us(enum limit limit)
{
	return limit == LIMIT_LOGINS || limit == LIMIT_SIDS ?
	    INT64_C(60000000) :
	    LIMIT_BURST_MS * INT64_C(1000);
}

static bool
limit_fits(const struct conf_bosh *conf, const struct limit_address *address,
    enum limit limit, int64_t now_us, int64_t *used_us)
{
	*used_us =
	    address->used_us[limit] > now_us ? address->used_us[limit] : now_us;
	*used_us += limit_cost_us(conf, limit);
	return *used_us - now_us <= limit_burst_us(limit);
}

static bool
limit_use(const struct conf_bosh *conf, struct limit_address *address,
    enum limit limit, int64_t now_us)
{
	char text[INET6_ADDRSTRLEN];
	int64_t used_us;

	if (limit_fits(conf, address, limit, now_us, &used_us)) {
		address->used_us[limit] = used_us;
		return true;
	}
	stat_add(&limit_refused[limit], 1);
	if (address->said_ms == 0 ||
	    now_us / 1000 - address->said_ms >= LIMIT_SAY_MS) {
		address->said_ms = now_us / 1000;
		limit_show(&address->peer, text);
		log_warn("bosh.limit", "peer=%s limit=%s", text,
		    limit_names[limit]);
	}
	return false;
}

bool
limits_take(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, enum limit limit, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000;
	struct limit_address *address;
	bool ok = true;

	if (!limit_is_counted(peer))
		return true;
	pthread_mutex_lock(&limits->lock);
	address =
	    limits_get(limits, peer, (unsigned)conf->addresses_max, now_us);
	if (address != NULL)
		ok = limit_use(conf, address, limit, now_us);
	pthread_mutex_unlock(&limits->lock);
	return ok;
}

bool
limits_is_over(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, enum limit limit, int64_t now_ms)
{
	struct limit_address *address;
	int64_t used_us;
	bool over = false;

	if (!limit_is_counted(peer))
		return false;
	pthread_mutex_lock(&limits->lock);
	address = limits_find(limits, peer);
	if (address != NULL)
		over =
		    !limit_fits(conf, address, limit, now_ms * 1000, &used_us);
	pthread_mutex_unlock(&limits->lock);
	return over;
}

/* ---- sessions -------------------------------------------------------- */

bool
limits_enter(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, int64_t now_ms, const char **why)
{
	struct limit_address *address;

	*why = NULL;
	if (!limit_is_counted(peer))
		return true;
	pthread_mutex_lock(&limits->lock);
	address = limits_get(limits, peer, (unsigned)conf->addresses_max,
	    now_ms * 1000);
	if (address == NULL)
		*why = "addresses-max";
	else if (address->sessions >= conf->sessions_per_address)
		*why = "sessions-per-address";
	else
		address->sessions++;
	pthread_mutex_unlock(&limits->lock);
	return *why == NULL;
}

void
limits_leave(struct limits *limits, const struct limit_peer *peer)
{
	struct limit_address *address;

	if (!limit_is_counted(peer))
		return;
	pthread_mutex_lock(&limits->lock);
	address = limits_find(limits, peer);
	if (address != NULL && address->sessions > 0)
		address->sessions--;
	pthread_mutex_unlock(&limits->lock);
}
