#include "component/bounce.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"

#define BOUNCE_STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"

struct bounce_row {
	const char *condition;
	enum bounce_means means;
	enum bounce_means to_full; /* when it was sent to a full JID */
};

static const struct bounce_row bounce_rows[] = {
	{ "gone", BOUNCE_GONE, BOUNCE_GONE },
	{ "item-not-found", BOUNCE_GONE, BOUNCE_GONE },
	{ "jid-malformed", BOUNCE_GONE, BOUNCE_GONE },
	{ "service-unavailable", BOUNCE_AWAY, BOUNCE_REFUSED },
	{ "recipient-unavailable", BOUNCE_AWAY, BOUNCE_AWAY },
	{ "remote-server-timeout", BOUNCE_AWAY, BOUNCE_AWAY },
	{ "resource-constraint", BOUNCE_AWAY, BOUNCE_AWAY },
	{ "remote-server-not-found", BOUNCE_UNREACHABLE, BOUNCE_UNREACHABLE },
	{ "forbidden", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "not-allowed", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "not-authorized", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "policy-violation", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "subscription-required", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "registration-required", BOUNCE_REFUSED, BOUNCE_REFUSED },
	{ "bad-request", BOUNCE_ITEM, BOUNCE_ITEM },
	{ "not-acceptable", BOUNCE_ITEM, BOUNCE_ITEM },
	{ "undefined-condition", BOUNCE_ITEM, BOUNCE_ITEM },
	{ "internal-server-error", BOUNCE_TROUBLE, BOUNCE_TROUBLE },
};

static const struct bounce_row *
bounce_row(const struct xml *error)
{
	size_t i;

	for (i = 0; error != NULL && i < ARRAY_LEN(bounce_rows); i++)
		if (xml_child(error, BOUNCE_STANZAS,
		        bounce_rows[i].condition) != NULL)
			return &bounce_rows[i];
	return NULL;
}

/* What has no condition that we know says nothing of the receiver. */
enum bounce_means
bounce_read(const struct xml *stanza, bool full, const char **condition)
{
	const struct bounce_row *row =
	    bounce_row(xml_child(stanza, NULL, "error"));

	*condition = row == NULL ? "" : row->condition;
	if (row == NULL)
		return BOUNCE_TROUBLE;
	return full ? row->to_full : row->means;
}

static bool
bounce_is(const char *condition, enum bounce_means means)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(bounce_rows); i++)
		if (strcmp(bounce_rows[i].condition, condition) == 0)
			return bounce_rows[i].means == means;
	return false;
}

bool
bounce_is_temporary(const char *condition)
{
	return bounce_is(condition, BOUNCE_AWAY) ||
	    bounce_is(condition, BOUNCE_UNREACHABLE);
}

bool
bounce_may_wake(const char *condition)
{
	return bounce_is_temporary(condition) ||
	    bounce_is(condition, BOUNCE_GONE);
}

const char *
bounce_name(enum bounce_means means)
{
	static const char *const names[BOUNCE_MEANS] = {
		[BOUNCE_GONE] = "gone",
		[BOUNCE_REFUSED] = "refused",
		[BOUNCE_AWAY] = "away",
		[BOUNCE_UNREACHABLE] = "unreachable",
		[BOUNCE_ITEM] = "item",
		[BOUNCE_TROUBLE] = "trouble",
	};

	return names[means];
}

/* ---- rows ------------------------------------------------------------ */

struct bounce_entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(bounce_entry) entry;
	uint64_t key[2];
	uint64_t position; /* of the first */
	unsigned count;
	unsigned tries;
};

struct bounce_table {
	struct bounce_entry *entries;
	TAILQ_HEAD(, bounce_entry) order; /* the longest quiet first */
	size_t max;
};

struct bounce_table *
bounce_create(size_t max)
{
	struct bounce_table *table = xcalloc(1, sizeof(*table));

	table->max = max;
	TAILQ_INIT(&table->order);
	return table;
}

static void
bounce_remove(struct bounce_table *table, struct bounce_entry *entry)
{
	HASH_DEL(table->entries, entry);
	TAILQ_REMOVE(&table->order, entry, entry);
	free(entry);
}

void
bounce_free(struct bounce_table *table)
{
	struct bounce_entry *entry, *next;

	if (table == NULL)
		return;
	MAP_FOREACH(entry, next, table->entries)
		bounce_remove(table, entry);
	free(table);
}

static struct bounce_entry *
bounce_find(const struct bounce_table *table, const char *who, size_t len)
{
	struct bounce_entry *entry;
	uint64_t key[2];

	crypto_siphash128(who, len, key);
	HASH_FIND(hh, table->entries, key, sizeof(key), entry);
	return entry;
}

static struct bounce_entry *
bounce_make(struct bounce_table *table, const char *who, size_t len,
    uint64_t position)
{
	struct bounce_entry *entry = TAILQ_FIRST(&table->order);

	if (entry != NULL && HASH_COUNT(table->entries) >= table->max)
		bounce_remove(table, entry);
	entry = xcalloc(1, sizeof(*entry));
	crypto_siphash128(who, len, entry->key);
	entry->position = position;
	HASH_ADD(hh, table->entries, key, sizeof(entry->key), entry);
	TAILQ_INSERT_TAIL(&table->order, entry, entry);
	return entry;
}

bool
bounce_count(struct bounce_table *table, const char *who, size_t len,
    uint64_t *position)
{
	struct bounce_entry *entry = bounce_find(table, who, len);

	if (entry == NULL)
		entry = bounce_make(table, who, len, *position);
	TAILQ_REMOVE(&table->order, entry, entry);
	TAILQ_INSERT_TAIL(&table->order, entry, entry);
	entry->count++;
	/* One that was tried again begins where it bounces again. */
	if (entry->tries > 0)
		return true;
	*position = entry->position;
	return entry->count >= BOUNCE_ROW;
}

bool
bounce_end_row(struct bounce_table *table, const char *who, size_t len)
{
	struct bounce_entry *entry = bounce_find(table, who, len);

	if (entry == NULL)
		return false;
	bounce_remove(table, entry);
	return true;
}

int64_t
bounce_retry_ms(const struct bounce_table *table, const char *who, size_t len,
    int64_t first_ms)
{
	const struct bounce_entry *entry = bounce_find(table, who, len);
	int64_t times = 1;
	unsigned i;

	for (i = 0; entry != NULL && i < entry->tries; i++)
		times = times * 2 < BOUNCE_RETRY_TIMES ? times * 2 :
		                                         BOUNCE_RETRY_TIMES;
	return times * first_ms;
}

void
bounce_tried(struct bounce_table *table, const char *who, size_t len)
{
	struct bounce_entry *entry = bounce_find(table, who, len);

	if (entry == NULL)
		entry = bounce_make(table, who, len, 0);
	if (entry->tries < 8)
		entry->tries++;
}
