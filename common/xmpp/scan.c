#include "common/xmpp/scan.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmpp/change.h"
#include "common/xmpp/payload.h"

#define SCAN_PAGE 100 /* entries in one read */

/* An id that is hidden from here on back. */
struct scan_id {
	UT_hash_handle hh;
	uint64_t key[2];
};

struct scan {
	const struct scan_ops *ops;
	enum conf_notify notify;
	struct scan_id *hidden;
	uint64_t before; /* entries from here on were looked at; 0: none */
	size_t looked;
	bool enough;
	bool whole;
};

static void scan_page(struct ask *ask);

void
scan_free(struct scan *scan)
{
	struct scan_id *id, *next;

	if (scan == NULL)
		return;
	MAP_FOREACH(id, next, scan->hidden) {
		HASH_DEL(scan->hidden, id);
		free(id);
	}
	free(scan);
}

/* False: it was hidden already. */
static bool
scan_hide(struct scan *scan, const char *text)
{
	struct scan_id *id;
	uint64_t key[2];

	crypto_siphash128(text, strlen(text), key);
	HASH_FIND(hh, scan->hidden, key, sizeof(key), id);
	if (id != NULL)
		return false;
	id = xcalloc(1, sizeof(*id));
	memcpy(id->key, key, sizeof(key));
	HASH_ADD(hh, scan->hidden, key, sizeof(id->key), id);
	return true;
}

static void
scan_change(struct scan *scan, struct change *change)
{
	if (change->kind == CHANGE_RETRACT)
		scan_hide(scan, change->id);
	scan->whole = change->kind == CHANGE_PURGE;
	change_clear(change);
}

static void
scan_entry(struct ask *ask, struct entry *entry)
{
	struct scan *scan = ask->scan;
	struct change change;

	if (change_read(entry, &change))
		scan_change(scan, &change);
	else if (scan_hide(scan, entry->id) && payload_has(entry, scan->notify))
		scan->enough = !scan->ops->see(ask, entry);
}

static void
scan_page_cb(const struct read_result *result, void *arg)
{
	struct ask *ask = arg;
	struct scan *scan = ask->scan;
	size_t i;

	if (ask_is_late(ask))
		return;
	for (i = result->count; i-- > 0 && !scan->enough && !scan->whole;)
		scan_entry(ask, result->entries[i]);
	if (result->count > 0)
		scan->before = result->entries[0]->seq;
	scan->looked += result->count;
	if (result->count < SCAN_PAGE || scan->looked >= SCAN_MAX)
		scan->whole = true;
	if (result->err == ERR_OK && !scan->enough && !scan->whole)
		scan_page(ask);
	else
		scan->ops->done(ask, result->err, scan->whole && !scan->enough);
}

static void
scan_page(struct ask *ask)
{
	store_read_newest(ask->service->store, ask->service->loop, ask->channel,
	    ask->scan->before, SCAN_PAGE, scan_page_cb, ask);
}

void
scan_start(struct ask *ask, const struct scan_ops *ops)
{
	scan_free(ask->scan);
	ask->scan = xcalloc(1, sizeof(*ask->scan));
	ask->scan->ops = ops;
	ask->scan->notify =
	    conf_class(ask->service->conf, ask->channel)->notify;
	scan_page(ask);
}
