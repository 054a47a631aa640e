#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/store/backend.h"

struct request *
request_create(enum request_kind kind, struct loop *loop, void *arg)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->kind = kind;
	request->loop = loop;
	request->arg = arg;
	request->asked_ms = clock_mono_ms();
	return request;
}

static void
request_free_channels(struct channels_request *channels)
{
	for (size_t i = 0; i < channels->count; i++) {
		free((char *)(uintptr_t)channels->list[i].channel);
		free((char *)(uintptr_t)channels->list[i].node);
	}
	free(channels->list);
	free(channels->name);
}

static void
request_free_subs(struct subs_request *subs)
{
	for (size_t i = 0; i < subs->count; i++)
		subscription_clear(&subs->list[i]);
	free(subs->list);
	free(subs->owner);
	free(subs->channel);
	free(subs->address);
}

static void
request_free_state(struct state_request *state)
{
	for (size_t i = 0; i < state->count; i++)
		free((char *)(uintptr_t)state->rows[i].key);
	free(state->rows);
	free(state->key);
	free(state->value);
	free(state->lease);
}

static void
request_free_entries(struct entry **entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		entry_unref(entries[i]);
	free(entries);
}

void
request_free(struct request *request)
{
	switch (request->kind) {
	case REQUEST_APPEND:
		request_free_entries(request->u.append.entries,
		    request->u.append.count);
		free(request->u.append.results);
		break;
	case REQUEST_READ:
	case REQUEST_NEWEST:
	case REQUEST_SCAN:
		request_free_entries(request->u.read.result.entries,
		    request->u.read.result.count);
		free(request->u.read.channel);
		break;
	case REQUEST_CHANNELS:
		request_free_channels(&request->u.channels);
		break;
	case REQUEST_SUB_PUT:
	case REQUEST_SUB_DEL:
		subscription_clear(&request->u.sub.sub);
		break;
	case REQUEST_SUBS:
		request_free_subs(&request->u.subs);
		break;
	case REQUEST_STATE_PUT:
	case REQUEST_STATE_DEL:
	case REQUEST_STATE_LIST:
		request_free_state(&request->u.state);
		break;
	case REQUEST_LEASE:
		free(request->u.lease.name);
		break;
	}
	free(request);
}

/* Room for one more of a list that grows by doubling. */
static void *
request_room(void *list, size_t count, size_t width)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return list;
	return xreallocarray(list, count == 0 ? 1 : 2 * count, width);
}

void
request_add_entry(struct request *request, struct entry *entry)
{
	struct read_result *result = &request->u.read.result;

	result->entries = request_room(result->entries, result->count,
	    sizeof(struct entry *));
	result->entries[result->count++] = entry_ref(entry);
}

void
request_add_channel(struct request *request, const struct channel_info *info)
{
	struct channels_request *channels = &request->u.channels;
	struct channel_info *to;
	char *node;

	channels->list =
	    request_room(channels->list, channels->count, sizeof(*to));
	to = &channels->list[channels->count++];
	*to = *info;
	to->channel = xstrdup(info->channel);
	to->node = NULL;
	if (info->node_len == 0)
		return;
	node = xmalloc(info->node_len);
	memcpy(node, info->node, info->node_len);
	to->node = node;
}

void
request_add_sub(struct request *request, const struct subscription *sub)
{
	struct subs_request *subs = &request->u.subs;

	subs->list = request_room(subs->list, subs->count, sizeof(*sub));
	subscription_copy(&subs->list[subs->count++], sub);
}

void
request_add_row(struct request *request, const char *key, const void *value,
    size_t len)
{
	struct state_request *state = &request->u.state;
	size_t key_len = strlen(key) + 1;
	char *copy = xmalloc(key_len + len);

	memcpy(copy, key, key_len);
	if (len != 0)
		memcpy(copy + key_len, value, len);
	state->rows =
	    request_room(state->rows, state->count, sizeof(*state->rows));
	state->rows[state->count++] =
	    (struct state_row){ copy, copy + key_len, len };
}

/* Entries are by seq. */
static bool
request_has(const struct read_result *result, size_t below, uint64_t seq)
{
	size_t low = 0, high = below;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (result->entries[mid]->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low < below && result->entries[low]->seq == seq;
}

void
request_judge(struct request *request)
{
	struct read_result *result = &request->u.read.result;
	uint64_t after = request->u.read.after;

	for (size_t i = 0; i < result->count; i++) {
		const struct entry *entry = result->entries[i];

		if (entry->kind != ENTRY_ITEM || entry->prev_seq <= after)
			continue;
		if (!request_has(result, i, entry->prev_seq)) {
			result->state = READ_PARTIAL;
			return;
		}
		/* Of one channel: only the first can lack its predecessor. */
		if (request->kind == REQUEST_READ)
			return;
	}
}

bool
request_lease(struct request *request, struct lease_row *row, int64_t now_ms)
{
	struct lease_request *lease = &request->u.lease;

	switch (lease->verb) {
	case LEASE_TAKE:
		memcpy(lease->holder, row->holder, sizeof(lease->holder));
		request->err = lease_take(row, lease->as, now_ms);
		lease->generation = row->generation;
		break;
	case LEASE_RENEW:
		request->err = lease_renew(row, lease->generation, now_ms);
		break;
	case LEASE_DROP:
		request->err = lease_drop(row, lease->generation);
		break;
	}
	return request->err == ERR_OK;
}

static void
request_done(struct request *request)
{
	struct append_request *append = &request->u.append;
	struct channels_request *channels = &request->u.channels;
	struct sub_request *sub = &request->u.sub;
	struct subs_request *subs = &request->u.subs;
	struct state_request *state = &request->u.state;
	struct lease_request *lease = &request->u.lease;

	switch (request->kind) {
	case REQUEST_APPEND:
		append->done(request->err, append->results, append->count,
		    request->arg);
		break;
	case REQUEST_SUB_PUT:
	case REQUEST_SUB_DEL:
		sub->done(request->err, &sub->sub, sub->existed, request->arg);
		break;
	case REQUEST_READ:
	case REQUEST_NEWEST:
	case REQUEST_SCAN:
		request->u.read.result.err = request->err;
		request->u.read.done(&request->u.read.result, request->arg);
		break;
	case REQUEST_CHANNELS:
		channels->done(request->err, channels->list, channels->count,
		    request->arg);
		break;
	case REQUEST_SUBS:
		subs->done(request->err, subs->list, subs->count, subs->as_of,
		    request->arg);
		break;
	case REQUEST_STATE_PUT:
	case REQUEST_STATE_DEL:
		state->done(request->err, request->arg);
		break;
	case REQUEST_STATE_LIST:
		state->list_done(request->err, state->rows, state->count,
		    request->arg);
		break;
	case REQUEST_LEASE:
		lease->done(request->err, lease->generation, lease->holder,
		    request->arg);
		break;
	}
}

static void
answers_cb(void *arg)
{
	struct requests *requests = arg;
	struct request *request;

	while ((request = STAILQ_FIRST(requests)) != NULL) {
		STAILQ_REMOVE_HEAD(requests, entry);
		request_done(request);
		request_free(request);
	}
	free(requests);
}

/* A put that nobody waits for wakes nobody. */
static bool
request_is_silent(const struct request *request)
{
	return (request->kind == REQUEST_STATE_PUT ||
	           request->kind == REQUEST_STATE_DEL) &&
	    request->u.state.done == NULL;
}

void
answers_add(struct answers *answers, struct request *request)
{
	struct answers_loop *loop;
	size_t i;

	if (request_is_silent(request)) {
		request_free(request);
		return;
	}
	for (i = 0; i < answers->count; i++)
		if (answers->loops[i].loop == request->loop)
			break;
	if (i == answers->count) {
		answers->loops = xreallocarray(answers->loops,
		    answers->count + 1, sizeof(*answers->loops));
		loop = &answers->loops[answers->count++];
		loop->loop = request->loop;
		loop->requests = NULL;
	}
	loop = &answers->loops[i];
	if (loop->requests == NULL) {
		loop->requests = xmalloc(sizeof(*loop->requests));
		STAILQ_INIT(loop->requests);
	}
	STAILQ_INSERT_TAIL(loop->requests, request, entry);
}

void
answers_post(struct answers *answers)
{
	for (size_t i = 0; i < answers->count; i++) {
		struct answers_loop *loop = &answers->loops[i];

		if (loop->requests == NULL)
			continue;
		loop_post(loop->loop, answers_cb, loop->requests);
		loop->requests = NULL;
	}
}

void
answers_clear(struct answers *answers)
{
	free(answers->loops);
	answers->loops = NULL;
	answers->count = 0;
}
