#include "common/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/store/backend.h"

static const struct store_ops *const store_engines[] = {
	&store_memory,
	&store_sqlite,
};

struct store *
store_open(const struct conf *conf, const char *daemon, struct buf *why,
    int *status)
{
	struct store *store;

	for (size_t i = 0; i < ARRAY_LEN(store_engines); i++) {
		if (strcmp(store_engines[i]->name, conf->store.engine) != 0)
			continue;
		store = xcalloc(1, sizeof(*store));
		store->conf = conf;
		store->ops = store_engines[i];
		if (store->ops->open(store, daemon, why, status))
			return store;
		free(store);
		return NULL;
	}
	buf_addf(why, "store engine \"%s\" is not known: use sqlite or memory",
	    conf->store.engine);
	*status = EX_CONFIG;
	return NULL;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	store->ops->close(store);
	tail_free(store->tail);
	free(store);
}

const char *
store_epoch(const struct store *store)
{
	return store->epoch;
}

uint64_t
store_newest(const struct store *store)
{
	return tail_newest(store->tail);
}

bool
store_is_writable(const struct store *store, const char **why)
{
	const char *trouble = atomic_load(&store->trouble);

	if (why != NULL)
		*why = trouble;
	return trouble == NULL;
}

void
store_position(const struct store *store, uint64_t seq, char *out)
{
	char digits[20];
	size_t n = 0, at = strlen(store->epoch);

	do
		digits[n++] = (char)('0' + seq % 10);
	while ((seq /= 10) != 0);
	memcpy(out, store->epoch, at);
	out[at++] = '-';
	while (n != 0)
		out[at++] = digits[--n];
	out[at] = '\0';
}

enum err
store_position_parse(const struct store *store, const char *text, uint64_t *seq)
{
	size_t len = strlen(store->epoch);

	if (strspn(text, "0123456789abcdef") != len || text[len] != '-')
		return ERR_BAD;
	if (!text_to_u64(text + len + 1, strlen(text + len + 1), INT64_MAX,
	        seq))
		return ERR_BAD;
	return memcmp(text, store->epoch, len) == 0 ? ERR_OK : ERR_GONE;
}

static void
store_submit(struct store *store, struct request *request)
{
	store->ops->submit(store, request);
}

void
store_append(struct store *store, struct loop *loop, struct entry **entries,
    size_t count, append_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_APPEND, loop, arg);
	struct append_request *append = &request->u.append;

	append->entries = xreallocarray(NULL, count, sizeof(*entries));
	append->results = xcalloc(count, sizeof(*append->results));
	append->count = count;
	append->done = done;
	for (size_t i = 0; i < count; i++) {
		append->entries[i] = entries[i];
		append->bytes += entry_size(entries[i]);
	}
	store_submit(store, request);
}

static void
store_submit_read(struct store *store, struct request *request,
    const char *channel, uint64_t after, size_t max)
{
	request->u.read.channel = channel == NULL ? NULL : xstrdup(channel);
	request->u.read.after = after;
	request->u.read.max = max;
	store_submit(store, request);
}

void
store_read(struct store *store, struct loop *loop, const char *channel,
    uint64_t after, size_t max, read_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_READ, loop, arg);

	request->u.read.done = done;
	store_submit_read(store, request, channel, after, max);
}

void
store_read_newest(struct store *store, struct loop *loop, const char *channel,
    uint64_t before, size_t max, read_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_NEWEST, loop, arg);

	request->u.read.before = before;
	request->u.read.done = done;
	store_submit_read(store, request, channel, 0, max);
}

void
store_scan(struct store *store, struct loop *loop, uint64_t after, size_t max,
    read_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_SCAN, loop, arg);

	request->u.read.done = done;
	store_submit_read(store, request, NULL, after, max);
}

static void
store_submit_channels(struct store *store, struct request *request,
    const char *name, size_t max, channels_fn *done)
{
	request->u.channels.name = xstrdup(name);
	request->u.channels.max = max;
	request->u.channels.done = done;
	store_submit(store, request);
}

void
store_channels(struct store *store, struct loop *loop, const char *after,
    size_t max, channels_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_CHANNELS, loop, arg);

	store_submit_channels(store, request, after, max, done);
}

void
store_nodes(struct store *store, struct loop *loop, const char *after,
    size_t max, channels_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_CHANNELS, loop, arg);

	request->u.channels.nodes = true;
	store_submit_channels(store, request, after, max, done);
}

void
store_node(struct store *store, struct loop *loop, const char *channel,
    channels_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_CHANNELS, loop, arg);

	request->u.channels.one = true;
	request->u.channels.nodes = true;
	store_submit_channels(store, request, channel, 1, done);
}

void
store_channel(struct store *store, struct loop *loop, const char *channel,
    channels_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_CHANNELS, loop, arg);

	request->u.channels.one = true;
	store_submit_channels(store, request, channel, 1, done);
}

struct follower *
store_follow(struct store *store, struct loop *loop, loop_fn *grew, void *arg)
{
	return tail_follow(store->tail, loop, grew, arg);
}

void
store_unfollow(struct follower *follower)
{
	tail_unfollow(follower);
}

int
store_tail(struct store *store, uint64_t after, struct entry **entries, int max)
{
	return tail_get(store->tail, after, entries, max);
}

void
store_sub_put(struct store *store, struct loop *loop,
    const struct subscription *sub, sub_put_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_SUB_PUT, loop, arg);

	subscription_copy(&request->u.sub.sub, sub);
	request->u.sub.done = done;
	store_submit(store, request);
}

void
store_sub_del(struct store *store, struct loop *loop, const char *owner,
    const char *channel, const char *address, sub_put_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_SUB_DEL, loop, arg);
	struct subscription sub = { .owner = owner,
		.channel = channel,
		.address = address };

	subscription_copy(&request->u.sub.sub, &sub);
	request->u.sub.done = done;
	store_submit(store, request);
}

void
store_sub_list(struct store *store, struct loop *loop,
    const struct sub_filter *filter, uint64_t after_n, size_t max,
    sub_list_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_SUBS, loop, arg);
	struct subs_request *subs = &request->u.subs;

	if (filter->owner != NULL)
		subs->owner = xstrdup(filter->owner);
	if (filter->channel != NULL)
		subs->channel = xstrdup(filter->channel);
	if (filter->address != NULL)
		subs->address = xstrdup(filter->address);
	subs->after_n = after_n;
	subs->max = max;
	subs->done = done;
	store_submit(store, request);
}

void
store_pin(struct store *store, const char *owner, uint64_t seq)
{
	store->ops->pin(store, owner, seq);
}

static struct request *
store_lease_request(enum lease_verb verb, struct loop *loop, const char *name,
    lease_fn *done, void *arg)
{
	struct request *request = request_create(REQUEST_LEASE, loop, arg);

	request->u.lease.verb = verb;
	request->u.lease.name = xstrdup(name);
	request->u.lease.done = done;
	return request;
}

void
store_lease_take(struct store *store, struct loop *loop, const char *name,
    const char *as, lease_fn *done, void *arg)
{
	struct request *request =
	    store_lease_request(LEASE_TAKE, loop, name, done, arg);

	snprintf(request->u.lease.as, sizeof(request->u.lease.as), "%s", as);
	store_submit(store, request);
}

void
store_lease_renew(struct store *store, struct loop *loop,
    const struct store_lease *lease, lease_fn *done, void *arg)
{
	struct request *request =
	    store_lease_request(LEASE_RENEW, loop, lease->name, done, arg);

	request->u.lease.generation = lease->generation;
	store_submit(store, request);
}

void
store_lease_drop(struct store *store, struct loop *loop,
    const struct store_lease *lease, lease_fn *done, void *arg)
{
	struct request *request =
	    store_lease_request(LEASE_DROP, loop, lease->name, done, arg);

	request->u.lease.generation = lease->generation;
	store_submit(store, request);
}

static struct request *
store_state_request(enum request_kind kind, struct loop *loop, const char *key,
    void *arg)
{
	struct request *request = request_create(kind, loop, arg);

	request->u.state.key = xstrdup(key);
	return request;
}

static void
store_submit_put(struct store *store, struct request *request,
    const void *value, size_t len)
{
	if (len != 0) {
		request->u.state.value = xmalloc(len);
		memcpy(request->u.state.value, value, len);
	}
	request->u.state.len = len;
	store_submit(store, request);
}

void
store_state_put(struct store *store, struct loop *loop, const char *key,
    const void *value, size_t len, state_fn *done, void *arg)
{
	struct request *request =
	    store_state_request(REQUEST_STATE_PUT, loop, key, arg);

	request->u.state.done = done;
	store_submit_put(store, request, value, len);
}

void
store_state_put_under(struct store *store, struct loop *loop,
    const struct store_lease *lease, const char *key, const void *value,
    size_t len, state_fn *done, void *arg)
{
	struct request *request =
	    store_state_request(REQUEST_STATE_PUT, loop, key, arg);

	request->u.state.lease = xstrdup(lease->name);
	request->u.state.generation = lease->generation;
	request->u.state.done = done;
	store_submit_put(store, request, value, len);
}

void
store_state_del(struct store *store, struct loop *loop, const char *key,
    state_fn *done, void *arg)
{
	struct request *request =
	    store_state_request(REQUEST_STATE_DEL, loop, key, arg);

	request->u.state.done = done;
	store_submit(store, request);
}

void
store_state_list(struct store *store, struct loop *loop, const char *prefix,
    state_list_fn *done, void *arg)
{
	struct request *request =
	    store_state_request(REQUEST_STATE_LIST, loop, prefix, arg);

	request->u.state.list_done = done;
	store_submit(store, request);
}
