#include "common/store/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/stat.h"

#define LEDGER_TABLES    5
#define LEDGER_SLOTS_MIN 256

/* A slot whose keys are zero is empty; seq 0 with keys: taken back. */
struct ledger_slot {
	uint64_t key[2];
	struct ledger_id id;
};

/* The ids of a quarter of the ttl. */
struct ledger_table {
	struct ledger_slot *slots; /* a power of two of them */
	size_t n_slots;
	size_t count;
	int64_t first_ms;
	int64_t last_ms;
};

struct ledger_undo {
	struct ledger_channel *channel;
	int64_t row;
	uint64_t last_seq;
	uint64_t deleted_seq;
	int64_t last_ms;
	uint64_t items;
	bool stored;
	uint64_t key[2];      /* of the id that was added; zero: none */
	struct ledger_id was; /* under the same key before; seq 0: nothing */
};

struct ledger {
	int64_t ttl_ms;
	struct ledger_channel *channels;
	struct ledger_table tables[LEDGER_TABLES];
	int current;
	struct ledger_undo *undo;
	size_t n_undo;
	size_t undo_size;
};

static struct stat_metric ledger_forgotten =
    STAT_COUNTER("waft_store_ids_forgotten_total",
        "Ids dropped from the memory of duplicates before their time", NULL);

struct ledger *
ledger_create(int64_t ttl_ms)
{
	struct ledger *ledger = xcalloc(1, sizeof(*ledger));

	ledger->ttl_ms = ttl_ms;
	return ledger;
}

void
ledger_free(struct ledger *ledger)
{
	struct ledger_channel *channel, *tmp;

	if (ledger == NULL)
		return;
	MAP_FOREACH(channel, tmp, ledger->channels)
		ledger_forget(ledger, channel);
	for (int i = 0; i < LEDGER_TABLES; i++)
		free(ledger->tables[i].slots);
	free(ledger->undo);
	free(ledger);
}

struct ledger_channel *
ledger_find(struct ledger *ledger, const char *name)
{
	struct ledger_channel *channel;

	HASH_FIND(hh, ledger->channels, name, strlen(name), channel);
	return channel;
}

struct ledger_channel *
ledger_channel(struct ledger *ledger, const char *name)
{
	struct ledger_channel *channel = ledger_find(ledger, name);
	size_t len;

	if (channel != NULL)
		return channel;
	len = strlen(name);
	channel = xcalloc(1, sizeof(*channel) + len + 1);
	memcpy(channel->name, name, len);
	HASH_ADD_KEYPTR(hh, ledger->channels, channel->name, len, channel);
	return channel;
}

struct ledger_channel *
ledger_channels(struct ledger *ledger)
{
	return ledger->channels;
}

void
ledger_forget(struct ledger *ledger, struct ledger_channel *channel)
{
	HASH_DEL(ledger->channels, channel);
	free(channel);
}

/* The NUL between them keeps ("ab", "c") apart from ("a", "bc"): neither may
 * hold one. */
static void
ledger_key(const char *channel, const char *id, uint64_t key[2])
{
	char small[512], *both = small;
	size_t channel_len = strlen(channel) + 1, id_len = strlen(id);

	if (channel_len + id_len > sizeof(small))
		both = xmalloc(channel_len + id_len);
	memcpy(both, channel, channel_len);
	memcpy(both + channel_len, id, id_len);
	crypto_siphash128(both, channel_len + id_len, key);
	if (key[0] == 0 && key[1] == 0)
		key[0] = 1;
	if (both != small)
		free(both);
}

/* The slot that holds key, or the empty one where it would go. */
static struct ledger_slot *
ledger_slot(const struct ledger_table *table, const uint64_t key[2])
{
	size_t at = key[0] & (table->n_slots - 1);
	struct ledger_slot *slot;

	for (;;) {
		slot = &table->slots[at];
		if (slot->key[0] == key[0] && slot->key[1] == key[1])
			return slot;
		if (slot->key[0] == 0 && slot->key[1] == 0)
			return slot;
		at = (at + 1) & (table->n_slots - 1);
	}
}

static void
ledger_widen(struct ledger_table *table)
{
	struct ledger_slot *old = table->slots;
	size_t n = table->n_slots;

	table->n_slots = n == 0 ? LEDGER_SLOTS_MIN : 2 * n;
	table->slots = xcalloc(table->n_slots, sizeof(*table->slots));
	table->count = 0;
	for (size_t i = 0; i < n; i++) {
		if (old[i].id.seq == 0)
			continue;
		*ledger_slot(table, old[i].key) = old[i];
		table->count++;
	}
	free(old);
}

/* The table that an id of this time goes into.  Five quarters of the ttl stay,
 * so that the oldest is of no use when it goes. */
static struct ledger_table *
ledger_turn(struct ledger *ledger, int64_t time_ms)
{
	struct ledger_table *table = &ledger->tables[ledger->current];

	if (table->count == 0) {
		table->first_ms = time_ms;
		return table;
	}
	if (time_ms < table->first_ms + ledger->ttl_ms / 4 &&
	    table->count < LEDGER_IDS_MAX / LEDGER_TABLES)
		return table;
	ledger->current = (ledger->current + 1) % LEDGER_TABLES;
	table = &ledger->tables[ledger->current];
	if (table->count != 0 && table->last_ms > time_ms - ledger->ttl_ms) {
		stat_add(&ledger_forgotten, (int64_t)table->count);
		log_warn("store.ids-forgotten",
		    "count=%zu limit=%d reason=\"more ids within "
		    "duplicate-ttl than are remembered\"",
		    table->count, LEDGER_IDS_MAX);
	}
	free(table->slots);
	memset(table, 0, sizeof(*table));
	table->first_ms = time_ms;
	return table;
}

/* Returns what the key's slot held before; seq 0: nothing. */
static struct ledger_id
ledger_keep(struct ledger *ledger, const uint64_t key[2],
    const struct ledger_id *value)
{
	struct ledger_id was;
	struct ledger_table *table = ledger_turn(ledger, value->time_ms);
	struct ledger_slot *slot;

	if (table->count >= table->n_slots / 4 * 3)
		ledger_widen(table);
	slot = ledger_slot(table, key);
	if (slot->key[0] == 0 && slot->key[1] == 0)
		table->count++;
	slot->key[0] = key[0];
	slot->key[1] = key[1];
	was = slot->id;
	slot->id = *value;
	if (value->time_ms > table->last_ms)
		table->last_ms = value->time_ms;
	return was;
}

/* The id's slot if it counts as known. */
static const struct ledger_slot *
ledger_seen(const struct ledger *ledger, const struct ledger_channel *channel,
    const uint64_t key[2], int64_t now_ms)
{
	for (int i = 0; i < LEDGER_TABLES; i++) {
		const struct ledger_table *table =
		    &ledger->tables[(ledger->current + LEDGER_TABLES - i) %
		        LEDGER_TABLES];
		const struct ledger_slot *slot;

		if (table->count == 0)
			continue;
		slot = ledger_slot(table, key);
		if (slot->id.seq > channel->deleted_seq &&
		    slot->id.time_ms > now_ms - ledger->ttl_ms)
			return slot;
	}
	return NULL;
}

void
ledger_begin(struct ledger *ledger)
{
	ledger->n_undo = 0;
}

static struct ledger_undo *
ledger_push(struct ledger *ledger, struct ledger_channel *channel)
{
	struct ledger_undo *undo;

	if (ledger->n_undo == ledger->undo_size) {
		ledger->undo_size =
		    ledger->undo_size == 0 ? 64 : 2 * ledger->undo_size;
		ledger->undo = xreallocarray(ledger->undo, ledger->undo_size,
		    sizeof(*ledger->undo));
	}
	undo = &ledger->undo[ledger->n_undo++];
	undo->channel = channel;
	undo->row = channel->row;
	undo->last_seq = channel->last_seq;
	undo->deleted_seq = channel->deleted_seq;
	undo->last_ms = channel->last_ms;
	undo->items = channel->items;
	undo->stored = channel->stored;
	undo->key[0] = undo->key[1] = 0;
	undo->was.seq = 0;
	return undo;
}

void
ledger_note(struct ledger *ledger, struct ledger_channel *channel)
{
	ledger_push(ledger, channel);
}

static void
ledger_take_back(struct ledger *ledger, const struct ledger_undo *undo)
{
	for (int i = 0; i < LEDGER_TABLES; i++) {
		struct ledger_table *table = &ledger->tables[i];
		struct ledger_slot *slot;

		if (table->count == 0)
			continue;
		slot = ledger_slot(table, undo->key);
		if (slot->id.seq > undo->last_seq)
			slot->id = undo->was;
	}
}

void
ledger_rollback(struct ledger *ledger)
{
	while (ledger->n_undo != 0) {
		struct ledger_undo *undo = &ledger->undo[--ledger->n_undo];
		struct ledger_channel *channel = undo->channel;

		if (undo->key[0] != 0 || undo->key[1] != 0)
			ledger_take_back(ledger, undo);
		channel->row = undo->row;
		channel->last_seq = undo->last_seq;
		channel->deleted_seq = undo->deleted_seq;
		channel->last_ms = undo->last_ms;
		channel->items = undo->items;
		channel->stored = undo->stored;
	}
}

/* Key is NULL or that of the entry's id. */
static void
ledger_learn(struct ledger *ledger, struct ledger_channel *channel,
    const struct entry *entry, const uint64_t *key)
{
	struct ledger_undo *undo = ledger_push(ledger, channel);

	channel->stored = entry->kind != ENTRY_DELETE;
	if (entry->kind == ENTRY_DELETE) {
		channel->deleted_seq = entry->seq;
		channel->items = 0;
		/* Its number may be gone by the time it is needed again. */
		channel->row = 0;
	}
	if (entry->kind != ENTRY_ITEM)
		return;
	channel->last_seq = entry->seq;
	channel->last_ms = entry->time_ms;
	if (channel->items++ == 0)
		channel->oldest_ms = entry->time_ms;
	if (key == NULL)
		return;
	undo->key[0] = key[0];
	undo->key[1] = key[1];
	undo->was = ledger_keep(ledger, key,
	    &(struct ledger_id){ entry->seq, entry->prev_seq, entry->time_ms });
}

void
ledger_add(struct ledger *ledger, const struct entry *entry)
{
	bool keyed = entry->kind == ENTRY_ITEM && ledger->ttl_ms > 0;
	uint64_t key[2];

	if (entry->kind == ENTRY_SUB || entry->kind == ENTRY_UNSUB)
		return;
	if (keyed)
		ledger_key(entry->channel, entry->id, key);
	ledger_learn(ledger, ledger_channel(ledger, entry->channel), entry,
	    keyed ? key : NULL);
}

bool
ledger_decide(struct ledger *ledger, struct ledger_channel *channel,
    struct entry *entry, uint64_t seq, int64_t now_ms,
    struct append_result *result)
{
	bool keyed = entry->kind == ENTRY_ITEM && ledger->ttl_ms > 0;
	const struct ledger_slot *seen = NULL;
	uint64_t key[2];

	if (keyed) {
		ledger_key(entry->channel, entry->id, key);
		if (!entry->update)
			seen = ledger_seen(ledger, channel, key, now_ms);
	}
	if (seen != NULL) {
		result->seq = seen->id.seq;
		result->prev_seq = seen->id.prev_seq;
		result->duplicate = true;
		return false;
	}
	entry->seq = seq;
	if (entry->kind != ENTRY_NODE)
		entry->prev_seq = channel->last_seq;
	entry->time_ms = now_ms;
	ledger_learn(ledger, channel, entry, keyed ? key : NULL);
	result->seq = seq;
	result->prev_seq = entry->prev_seq;
	result->duplicate = false;
	return true;
}

void
ledger_add_id(struct ledger *ledger, const char *channel, const char *id,
    const struct ledger_id *value)
{
	uint64_t key[2];

	if (ledger->ttl_ms <= 0)
		return;
	ledger_key(channel, id, key);
	ledger_keep(ledger, key, value);
}
