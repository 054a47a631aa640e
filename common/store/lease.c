#include "common/store/lease.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/process.h"
#include "common/base/stat.h"
#include "common/store/store.h"

static struct stat_metric lease_refusals =
    STAT_COUNTER("waft_store_lease_refusals_total",
        "Writes refused because another process has taken the lease", NULL);

static bool
lease_is_free(const struct lease_row *row, int64_t now_ms)
{
	return row->holder[0] == '\0' || row->until_ms <= now_ms ||
	    process_is_gone(row->holder);
}

enum err
lease_take(struct lease_row *row, const char *holder, int64_t now_ms)
{
	if (!lease_is_free(row, now_ms) && strcmp(row->holder, holder) != 0)
		return ERR_CONFLICT;
	snprintf(row->holder, sizeof(row->holder), "%s", holder);
	row->generation++;
	row->until_ms = now_ms + STORE_LEASE_MS;
	return ERR_OK;
}

bool
lease_is(const struct lease_row *row, uint64_t generation)
{
	return row->holder[0] != '\0' && row->generation == generation;
}

/* Late, but nobody has taken it meanwhile: it goes on. */
enum err
lease_renew(struct lease_row *row, uint64_t generation, int64_t now_ms)
{
	if (!lease_is(row, generation))
		return ERR_GONE;
	row->until_ms = now_ms + STORE_LEASE_MS;
	return ERR_OK;
}

enum err
lease_drop(struct lease_row *row, uint64_t generation)
{
	if (!lease_is(row, generation))
		return ERR_GONE;
	row->holder[0] = '\0';
	row->until_ms = 0;
	return ERR_OK;
}

void
lease_refused(const char *key, uint64_t generation)
{
	stat_add(&lease_refusals, 1);
	log_warn("store.lease",
	    "refused=%s generation=%llu why=\"another process has taken it\"",
	    LOGQ(key), (unsigned long long)generation);
}
