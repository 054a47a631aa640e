/* Reads the sessions of before, at the start of a worker (keep.h). */
#include <stdlib.h>
#include <string.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

static struct stat_metric restore_sessions =
    STAT_COUNTER("waft_bosh_restored_total",
        "Sessions of before a restart that were taken up", NULL);
static struct stat_metric restore_refused =
    STAT_COUNTER("waft_bosh_restore_refused_total",
        "Sessions of before a restart that were not taken up", NULL);

/* The newest place of a sid. */
struct restore_place {
	UT_hash_handle hh;
	struct record_place place;
};

struct restore {
	struct keep *keep;
	struct restore_place *places;
	char **pages; /* keys of the old ones */
	size_t n_pages;
	int lists; /* of records, not yet read */
	int count;
	int64_t began_ms;
};

static void
restore_free(struct restore *restore)
{
	struct restore_place *place, *next;

	MAP_FOREACH(place, next, restore->places) {
		HASH_DEL(restore->places, place);
		free(place);
	}
	for (size_t i = 0; i < restore->n_pages; i++)
		free(restore->pages[i]);
	free(restore->pages);
	free(restore);
}

/* ---- pages ----------------------------------------------------------- */

static void
restore_take_place(struct restore *restore, const struct record_place *place)
{
	struct restore_place *found;

	HASH_FIND(hh, restore->places, place->hash, RECORD_HASH, found);
	if (found == NULL) {
		found = xcalloc(1, sizeof(*found));
		found->place = *place;
		HASH_ADD(hh, restore->places, place.hash, RECORD_HASH, found);
	} else if (place->rid > found->place.rid)
		found->place = *place;
}

static void
restore_pages_cb(enum err err, const struct state_row *rows, size_t count,
    void *arg)
{
	struct restore *restore = arg;
	const char *mark = keep_mark(restore->keep);
	struct record_place place;
	struct slice page;

	if (err != ERR_OK)
		log_error("bosh.restore", "error=%s", err_name(err));
	restore->pages = xcalloc(count + 1, sizeof(restore->pages[0]));
	for (size_t i = 0; err == ERR_OK && i < count; i++) {
		if (strncmp(rows[i].key + strlen(KEEP_PAGES), mark,
		        strlen(mark)) == 0)
			continue;
		restore->pages[restore->n_pages++] = xstrdup(rows[i].key);
		page = (struct slice){ rows[i].value, rows[i].len };
		while (record_next_place(&page, &place))
			restore_take_place(restore, &place);
	}
}

/* All workers have their own pages now.  Where the program stops meanwhile the
 * relay and the store are gone: the old pages are read again at the next start.
 */
static void
restore_written(enum err err, void *arg)
{
	struct restore *restore = arg;
	struct gateway *gateway = keep_gateway(restore->keep);
	struct relay *relay = gateway->relay;

	if (err == ERR_OK && !keep_stays(restore->keep) &&
	    atomic_fetch_sub(&relay->unrestored, 1) == 1)
		for (size_t i = 0; i < restore->n_pages; i++)
			store_state_del(relay->store, gateway->loop,
			    restore->pages[i], NULL, NULL);
	restore_free(restore);
	gateway_unref(gateway);
}

/* ---- records --------------------------------------------------------- */

static int
restore_nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f'    ? c - 'a' + 10 :
	                              -1;
}

/* "session/", two digits, a slash, the hash in hex. */
static bool
restore_read_key(const char *key, unsigned char hash[KEEP_HASH])
{
	const char *hex = key + strlen(KEEP_RECORDS) + 3;
	int high, low;

	if (strlen(key) != strlen(KEEP_RECORDS) + 3 + 2 * KEEP_HASH)
		return false;
	for (int i = 0; i < KEEP_HASH; i++) {
		high = restore_nibble(hex[2 * i]);
		low = restore_nibble(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		hash[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static struct client *
restore_client(struct restore *restore, const struct state_row *row,
    const char **why)
{
	struct gateway *gateway = keep_gateway(restore->keep);
	unsigned char hash[KEEP_HASH];
	struct restore_place *found;
	struct client *client;
	struct record record;

	*why = "not readable";
	if (gateway->ending) {
		*why = "shutdown = end";
		return NULL;
	}
	if (!restore_read_key(row->key, hash) ||
	    !record_read(row->value, row->len, &record))
		return NULL;
	HASH_FIND(hh, restore->places, hash, RECORD_HASH, found);
	if (found != NULL && found->place.rid > record.rid) {
		record.rid = found->place.rid;
		record.upto = found->place.upto;
		if (found->place.settled)
			record.answers = record.texts =
			    (struct slice){ NULL, 0 };
	}
	client = revive_client(gateway, &record, hash, why);
	if (client == NULL)
		return NULL;
	memcpy(client->prefix, row->key + strlen(KEEP_RECORDS), 2);
	gateway_put_back(gateway, client);
	keep_put_back(restore->keep, client, hash);
	return client;
}

static void
restore_finish(struct restore *restore)
{
	int64_t ms = clock_mono_ms() - restore->began_ms;
	struct gateway *gateway = keep_gateway(restore->keep);

	/* Too late: what was not read is for the next start. */
	if (keep_stays(restore->keep)) {
		restore_free(restore);
		gateway_unref(gateway);
		return;
	}
	if (restore->count > 0)
		log_info("bosh.restored", "sessions=%d ms=%lld", restore->count,
		    (long long)ms);
	keep_loaded(restore->keep);
	keep_write_all(restore->keep, restore_written, restore);
}

static void
restore_records_cb(enum err err, const struct state_row *rows, size_t count,
    void *arg)
{
	struct restore *restore = arg;
	struct gateway *gateway = keep_gateway(restore->keep);
	const char *why;

	if (err != ERR_OK)
		log_error("bosh.restore", "error=%s", err_name(err));
	if (keep_stays(restore->keep))
		count = 0;
	for (size_t i = 0; err == ERR_OK && i < count; i++) {
		if (restore_client(restore, &rows[i], &why) != NULL) {
			restore->count++;
			stat_add(&restore_sessions, 1);
			continue;
		}
		stat_add(&restore_refused, 1);
		log_info("bosh.restore", "reason=%s", LOGQ(why));
		store_state_del(gateway->relay->store, gateway->loop,
		    rows[i].key, NULL, NULL);
	}
	if (--restore->lists == 0)
		restore_finish(restore);
}

/* A sid's prefix is the worker that made it, of as many as there were then. */
void
restore_begin(struct keep *keep)
{
	struct gateway *gateway = keep_gateway(keep);
	struct restore *restore = xcalloc(1, sizeof(*restore));
	struct relay *relay = gateway->relay;
	char *prefix;

	restore->keep = keep;
	gateway->refs++;
	restore->began_ms = clock_mono_ms();
	store_state_list(relay->store, gateway->loop, KEEP_PAGES,
	    restore_pages_cb, restore);
	for (int i = gateway->index; i < WORKERS_MAX; i += relay->n_gateways)
		restore->lists++;
	for (int i = gateway->index; i < WORKERS_MAX; i += relay->n_gateways) {
		prefix = xasprintf(KEEP_RECORDS "%02x/", (unsigned)i);
		store_state_list(relay->store, gateway->loop, prefix,
		    restore_records_cb, restore);
		free(prefix);
	}
}
