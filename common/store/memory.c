/*
 * The memory backend: the reference for what a store does, and the engine of
 * unit tests.  One lock; every request is done where it is asked and answered
 * by a post.  Nothing survives the process.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/map.h"
#include "common/base/stat.h"
#include "common/store/backend.h"
#include "common/store/ledger.h"
#include "common/store/nodes.h"
#include "common/store/private.h"

struct memory_slot {
	uint64_t seq;
	uint64_t before;     /* bytes ever written before it */
	struct entry *entry; /* NULL: trimmed */
};

struct memory_pin {
	UT_hash_handle hh;
	uint64_t seq;
	char owner[];
};

struct memory {
	pthread_mutex_t lock;
	struct ledger *ledger;
	struct memory_slot *log; /* by seq */
	size_t count;
	size_t size;
	uint64_t written; /* bytes ever */
	uint64_t stored;  /* bytes of items now */
	uint64_t newest;
	size_t fresh; /* entries since the last look for what to trim */
	struct subscription *subs; /* by n */
	size_t n_subs;
	struct nodes nodes;
	struct private_state private;
	struct memory_pin *pins;
	struct answers answers;
};

static struct stat_metric memory_trimmed =
    STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
        "reason=\"memory\"");

static bool
memory_open(struct store *store, const char *daemon, struct buf *why,
    int *status)
{
	struct memory *memory = xcalloc(1, sizeof(*memory));
	static const char digits[] = "0123456789abcdef";
	unsigned char random[8];

	(void)daemon;
	(void)why;
	(void)status;
	pthread_mutex_init(&memory->lock, NULL);
	memory->ledger = ledger_create(store->conf->store.duplicate_ttl_ms);
	crypto_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		store->epoch[i] = digits[random[i] & 15];
	store->tail = tail_create(store->conf->store.tail_size, 0);
	store->backend = memory;
	return true;
}

static void
memory_close(struct store *store)
{
	struct memory *memory = store->backend;
	struct memory_pin *pin, *pin_tmp;

	for (size_t i = 0; i < memory->count; i++)
		entry_unref(memory->log[i].entry);
	free(memory->log);
	for (size_t i = 0; i < memory->n_subs; i++)
		subscription_clear(&memory->subs[i]);
	free(memory->subs);
	private_clear(&memory->private);
	MAP_FOREACH(pin, pin_tmp, memory->pins) {
		HASH_DEL(memory->pins, pin);
		free(pin);
	}
	nodes_clear(&memory->nodes);
	ledger_free(memory->ledger);
	answers_clear(&memory->answers);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

/* First slot above after. */
static size_t
memory_find(const struct memory *memory, uint64_t after)
{
	size_t low = 0, high = memory->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memory->log[mid].seq > after)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* ---- retention ------------------------------------------------------- */

/* What follows this seq is held back for somebody. */
static uint64_t
memory_floor(struct memory *memory, uint64_t pin_size)
{
	struct memory_pin *pin, *tmp;
	uint64_t floor = UINT64_MAX;

	MAP_FOREACH(pin, tmp, memory->pins) {
		size_t at = memory_find(memory, pin->seq);

		if (at == memory->count || pin->seq >= floor)
			continue;
		if (memory->written - memory->log[at].before <= pin_size)
			floor = pin->seq;
	}
	return floor;
}

static void
memory_drop(struct memory *memory, struct memory_slot *slot)
{
	struct ledger_channel *channel;

	if (slot->entry->kind == ENTRY_ITEM) {
		channel = ledger_find(memory->ledger, slot->entry->channel);
		if (channel != NULL && channel->items != 0)
			channel->items--;
		memory->stored -= entry_size(slot->entry);
	}
	entry_unref(slot->entry);
	slot->entry = NULL;
}

static bool
memory_is_over(struct store *store, const struct entry *entry, int64_t now_ms)
{
	struct memory *memory = store->backend;
	const struct conf_store *limits = &store->conf->store;
	const struct conf_class *class;
	struct ledger_channel *channel;

	if (entry->kind != ENTRY_ITEM)
		return entry->time_ms <= now_ms - STORE_CHANGES_KEEP_MS;
	if (limits->max_size != 0 && memory->stored > limits->max_size)
		return true;
	class = conf_class(store->conf, entry->channel);
	channel = ledger_find(memory->ledger, entry->channel);
	return entry->time_ms <= now_ms - class->history_age_ms ||
	    channel == NULL || channel->items > (uint64_t) class->history_items;
}

/* Oldest first, so that a channel's newest items are what is left. */
static void
memory_trim(struct store *store)
{
	struct memory *memory = store->backend;
	uint64_t floor = memory_floor(memory, store->conf->store.pin_size);
	int64_t now_ms = clock_wall_ms();
	size_t kept = 0;

	memory->fresh = 0;
	for (size_t i = 0; i < memory->count; i++) {
		struct memory_slot *slot = &memory->log[i];

		if (slot->seq <= floor &&
		    memory_is_over(store, slot->entry, now_ms)) {
			if (slot->entry->kind == ENTRY_ITEM)
				stat_add(&memory_trimmed, 1);
			memory_drop(memory, slot);
			continue;
		}
		memory->log[kept++] = *slot;
	}
	memory->count = kept;
}

/* ---- writing --------------------------------------------------------- */

static void
memory_log(struct memory *memory, struct entry *entry)
{
	struct memory_slot *slot;

	if (memory->count == memory->size) {
		memory->size = memory->size == 0 ? 64 : 2 * memory->size;
		memory->log = xreallocarray(memory->log, memory->size,
		    sizeof(*memory->log));
	}
	slot = &memory->log[memory->count++];
	slot->seq = memory->newest = entry->seq;
	slot->before = memory->written;
	slot->entry = entry_ref(entry);
	memory->written += entry_size(entry);
	memory->fresh++;
	if (entry->kind == ENTRY_ITEM)
		memory->stored += entry_size(entry);
}

static void
memory_unsubscribe(struct memory *memory, size_t at)
{
	subscription_clear(&memory->subs[at]);
	memory->n_subs--;
	memmove(&memory->subs[at], &memory->subs[at + 1],
	    (memory->n_subs - at) * sizeof(*memory->subs));
}

static void
memory_delete_channel(struct memory *memory, const char *channel)
{
	size_t kept = 0;

	for (size_t i = 0; i < memory->count; i++) {
		struct memory_slot *slot = &memory->log[i];

		if (slot->entry->kind == ENTRY_ITEM &&
		    strcmp(slot->entry->channel, channel) == 0)
			memory_drop(memory, slot);
		else
			memory->log[kept++] = *slot;
	}
	memory->count = kept;
	for (size_t i = memory->n_subs; i-- > 0;)
		if (strcmp(memory->subs[i].channel, channel) == 0)
			memory_unsubscribe(memory, i);
}

static void
memory_append(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct append_request *append = &request->u.append;
	int64_t now_ms = clock_wall_ms();

	ledger_begin(memory->ledger);
	for (size_t i = 0; i < append->count; i++) {
		struct entry *entry = append->entries[i];

		if (nodes_is_late(&memory->nodes, entry, &append->results[i]) ||
		    !ledger_decide(memory->ledger,
		        ledger_channel(memory->ledger, entry->channel), entry,
		        memory->newest + 1, now_ms, &append->results[i]))
			continue;
		if (entry->kind == ENTRY_DELETE)
			memory_delete_channel(memory, entry->channel);
		nodes_follow(&memory->nodes, entry);
		memory_log(memory, entry);
		tail_put(store->tail, &entry, 1);
		append->entries[i] = NULL;
	}
	/* A look costs the whole log; readers look for themselves. */
	if (memory->fresh > memory->count / 8)
		memory_trim(store);
}

static struct subscription *
memory_sub(struct memory *memory, const struct subscription *like)
{
	for (size_t i = 0; i < memory->n_subs; i++) {
		struct subscription *sub = &memory->subs[i];

		if (strcmp(sub->address, like->address) == 0 &&
		    strcmp(sub->channel, like->channel) == 0 &&
		    strcmp(sub->owner, like->owner) == 0)
			return sub;
	}
	return NULL;
}

static void
memory_log_sub(struct store *store, enum entry_kind kind,
    const struct subscription *sub)
{
	struct memory *memory = store->backend;
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	subscription_pack(sub, &data);
	entry = entry_create(kind, sub->channel, "", NULL, data.data, data.len);
	buf_clear(&data);
	entry->seq = memory->newest + 1;
	entry->time_ms = clock_wall_ms();
	memory_log(memory, entry);
	tail_put(store->tail, &entry, 1);
}

static void
memory_sub_put(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct subscription *sub = &request->u.sub.sub;
	struct subscription *old = memory_sub(memory, sub);
	uint64_t seq = memory->newest + 1;

	if (old == NULL) {
		subscription_change(sub, NULL, seq, clock_wall_ms());
		memory->subs = xreallocarray(memory->subs, memory->n_subs + 1,
		    sizeof(*memory->subs));
		subscription_copy(&memory->subs[memory->n_subs++], sub);
	} else {
		request->u.sub.existed = subscription_is_same(old, sub);
		if (request->u.sub.existed) {
			subscription_keep(sub, old);
			return;
		}
		subscription_change(sub, old, seq, clock_wall_ms());
		subscription_clear(old);
		subscription_copy(old, sub);
	}
	memory_log_sub(store, ENTRY_SUB, sub);
}

static void
memory_sub_del(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct subscription *old = memory_sub(memory, &request->u.sub.sub);

	if (old == NULL) {
		request->err = ERR_NOTFOUND;
		return;
	}
	subscription_clear(&request->u.sub.sub);
	subscription_copy(&request->u.sub.sub, old);
	request->u.sub.existed = true;
	memory_unsubscribe(memory, (size_t)(old - memory->subs));
	memory_log_sub(store, ENTRY_UNSUB, &request->u.sub.sub);
}

/* ---- reading --------------------------------------------------------- */

static void
memory_read(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct read_request *read = &request->u.read;
	struct read_result *result = &read->result;
	struct ledger_channel *channel;

	memory_trim(store);
	result->upto = memory->newest;
	for (size_t i = memory_find(memory, read->after); i < memory->count;
	     i++) {
		struct entry *entry = memory->log[i].entry;

		if (read->channel != NULL &&
		    (entry->kind != ENTRY_ITEM ||
		        strcmp(entry->channel, read->channel) != 0))
			continue;
		if (result->count == read->max) {
			result->more = true;
			break;
		}
		request_add_entry(request, entry);
	}
	if (result->more)
		result->upto = result->count == 0 ?
		    read->after :
		    result->entries[result->count - 1]->seq;
	request_judge(request);
	if (read->channel == NULL || result->count != 0)
		return;
	channel = ledger_find(memory->ledger, read->channel);
	if (channel != NULL && channel->last_seq > read->after)
		result->state = READ_PARTIAL;
}

static void
memory_newest(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct read_request *read = &request->u.read;
	size_t i, end, found = 0;

	memory_trim(store);
	read->result.upto = memory->newest;
	end = read->before == 0 ? memory->count :
	                          memory_find(memory, read->before - 1);
	for (i = end; i-- > 0 && found < read->max;)
		if (memory->log[i].entry->kind == ENTRY_ITEM &&
		    strcmp(memory->log[i].entry->channel, read->channel) == 0)
			found++;
	for (i = i + 1; found != 0 && i < end; i++)
		if (memory->log[i].entry->kind == ENTRY_ITEM &&
		    strcmp(memory->log[i].entry->channel, read->channel) == 0)
			request_add_entry(request, memory->log[i].entry);
}

static int
memory_by_name(const void *a, const void *b)
{
	const struct ledger_channel *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static void
memory_add_channel(const struct memory *memory, struct request *request,
    const struct ledger_channel *channel)
{
	struct channel_info info = { .channel = channel->name,
		.last_ms = channel->last_ms,
		.items = channel->items };

	if (channel->last_seq > channel->deleted_seq)
		info.last_seq = channel->last_seq;
	nodes_show(&memory->nodes, &info);
	request_add_channel(request, &info);
}

static void
memory_channels(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct channels_request *asked = &request->u.channels;
	struct ledger_channel *channel, *tmp, **list;
	size_t n = 0;

	memory_trim(store);
	list = xcalloc(HASH_COUNT(ledger_channels(memory->ledger)) + 1,
	    sizeof(struct ledger_channel *));
	MAP_FOREACH(channel, tmp, ledger_channels(memory->ledger)) {
		int order = strcmp(channel->name, asked->name);

		if (channel->stored && (asked->one ? order == 0 : order > 0) &&
		    (!asked->nodes || asked->one ||
		        nodes_find(&memory->nodes, channel->name) != NULL))
			list[n++] = channel;
	}
	qsort(list, n, sizeof(*list), memory_by_name);
	for (size_t i = 0; i < n && i < asked->max; i++)
		memory_add_channel(memory, request, list[i]);
	free(list);
	if (asked->one && asked->count == 0)
		request->err = ERR_NOTFOUND;
}

static void
memory_subs(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;
	struct subs_request *asked = &request->u.subs;

	asked->as_of = memory->newest;
	for (size_t i = 0; i < memory->n_subs && asked->count < asked->max;
	     i++) {
		const struct subscription *sub = &memory->subs[i];

		if (sub->n <= asked->after_n)
			continue;
		if (asked->owner != NULL &&
		    strcmp(asked->owner, sub->owner) != 0)
			continue;
		if (asked->channel != NULL &&
		    strcmp(asked->channel, sub->channel) != 0)
			continue;
		if (asked->address != NULL &&
		    !subscription_is_of(sub, asked->address))
			continue;
		request_add_sub(request, sub);
	}
}

static void
memory_private(struct store *store, struct request *request)
{
	struct memory *memory = store->backend;

	private_do(&memory->private, request);
}

/* ---- the table ------------------------------------------------------- */

static void
memory_submit(struct store *store, struct request *request)
{
	static void (*const calls[])(struct store *, struct request *) = {
		[REQUEST_APPEND] = memory_append,
		[REQUEST_SUB_PUT] = memory_sub_put,
		[REQUEST_SUB_DEL] = memory_sub_del,
		[REQUEST_READ] = memory_read,
		[REQUEST_NEWEST] = memory_newest,
		[REQUEST_SCAN] = memory_read,
		[REQUEST_CHANNELS] = memory_channels,
		[REQUEST_SUBS] = memory_subs,
		[REQUEST_STATE_PUT] = memory_private,
		[REQUEST_STATE_DEL] = memory_private,
		[REQUEST_STATE_LIST] = memory_private,
		[REQUEST_LEASE] = memory_private,
	};
	struct memory *memory = store->backend;

	pthread_mutex_lock(&memory->lock);
	calls[request->kind](store, request);
	answers_add(&memory->answers, request);
	answers_post(&memory->answers);
	pthread_mutex_unlock(&memory->lock);
}

static void
memory_pin(struct store *store, const char *owner, uint64_t seq)
{
	struct memory *memory = store->backend;
	size_t len = strlen(owner);
	struct memory_pin *pin;

	pthread_mutex_lock(&memory->lock);
	HASH_FIND(hh, memory->pins, owner, len, pin);
	if (pin == NULL) {
		pin = xcalloc(1, sizeof(*pin) + len + 1);
		memcpy(pin->owner, owner, len);
		HASH_ADD_KEYPTR(hh, memory->pins, pin->owner, len, pin);
	}
	pin->seq = seq;
	if (seq == 0) {
		HASH_DEL(memory->pins, pin);
		free(pin);
	}
	pthread_mutex_unlock(&memory->lock);
}

const struct store_ops store_memory = {
	"memory",
	memory_open,
	memory_close,
	memory_submit,
	memory_pin,
};
