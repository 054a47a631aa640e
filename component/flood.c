#include "component/flood.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"

#define FLOOD_SWEEP    1024 /* JIDs below which nobody is forgotten */
#define FLOOD_SWEEP_MS 1000 /* between two searches for them */

static struct stat_metric flood_dropped =
    STAT_COUNTER("waft_component_limited_total",
        "Received stanzas that were dropped, by the limit they passed",
        "limit=\"stanzas-per-jid\"");
static struct stat_metric flood_uncounted =
    STAT_COUNTER("waft_component_uncounted_total",
        "Received stanzas whose sender was not counted, past jids-max", NULL);

struct flood_jid {
	UT_hash_handle hh;
	uint64_t key[2];
	/* GCRA: when all that was taken would be used up at the full rate. */
	int64_t used_us;
	int64_t told_ms; /* 0: was not */
};

struct flood {
	struct flood_jid *jids;
	int64_t cost_us; /* of one stanza */
	unsigned max;
	unsigned sweep_at;
	int64_t swept_ms;
};

struct flood *
flood_create(int rate, int jids_max)
{
	struct flood *flood = xcalloc(1, sizeof(*flood));

	flood->cost_us = INT64_C(1000000) / rate;
	flood->max = (unsigned)jids_max;
	flood->sweep_at = FLOOD_SWEEP;
	flood->swept_ms = -FLOOD_SWEEP_MS;
	return flood;
}

void
flood_free(struct flood *flood)
{
	struct flood_jid *jid, *next;

	if (flood == NULL)
		return;
	MAP_FOREACH(jid, next, flood->jids) {
		HASH_DEL(flood->jids, jid);
		free(jid);
	}
	free(flood);
}

unsigned
flood_count(const struct flood *flood)
{
	return HASH_COUNT(flood->jids);
}

static void
flood_sweep(struct flood *flood, int64_t now_ms)
{
	struct flood_jid *jid, *next;
	unsigned count;

	MAP_FOREACH(jid, next, flood->jids)
		if (jid->used_us <= now_ms * 1000) {
			HASH_DEL(flood->jids, jid);
			free(jid);
		}
	flood->swept_ms = now_ms;
	count = flood_count(flood);
	flood->sweep_at = count < FLOOD_SWEEP / 2 ? FLOOD_SWEEP : 2 * count;
}

/* NULL when there are too many. */
static struct flood_jid *
flood_find(struct flood *flood, const char *text, size_t len, int64_t now_ms)
{
	struct flood_jid *jid;
	uint64_t key[2];

	crypto_siphash128(text, len, key);
	HASH_FIND(hh, flood->jids, key, sizeof(key), jid);
	if (jid != NULL)
		return jid;
	if ((flood_count(flood) >= flood->sweep_at ||
	        flood_count(flood) >= flood->max) &&
	    now_ms - flood->swept_ms >= FLOOD_SWEEP_MS)
		flood_sweep(flood, now_ms);
	if (flood_count(flood) >= flood->max)
		return NULL;
	jid = xcalloc(1, sizeof(*jid));
	memcpy(jid->key, key, sizeof(key));
	HASH_ADD(hh, flood->jids, key, sizeof(jid->key), jid);
	return jid;
}

enum flood_verdict
flood_take(struct flood *flood, const char *text, size_t len, bool told,
    int64_t now_ms)
{
	struct flood_jid *jid = flood_find(flood, text, len, now_ms);
	int64_t now_us = now_ms * 1000, used_us;

	if (jid == NULL) {
		stat_add(&flood_uncounted, 1);
		return FLOOD_TAKE;
	}
	used_us = jid->used_us > now_us ? jid->used_us : now_us;
	if (used_us + flood->cost_us - now_us <= FLOOD_BURST_MS * 1000) {
		jid->used_us = used_us + flood->cost_us;
		return FLOOD_TAKE;
	}
	stat_add(&flood_dropped, 1);
	if (!told ||
	    (jid->told_ms != 0 && now_ms - jid->told_ms < FLOOD_TELL_MS))
		return FLOOD_DROP;
	if (jid->told_ms == 0)
		log_warn("component.flood", "jid=%s", log_quote(text, len));
	jid->told_ms = now_ms;
	return FLOOD_TELL;
}
