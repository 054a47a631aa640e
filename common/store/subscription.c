#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/store/backend.h"

/*
 * Packed: n, since and time (8 bytes each, big endian), the state with the ways
 * above its lowest four bits (1), then
 * owner, channel, address and reason, each ended by a NUL.  One that has been
 * suspended ends with position, changed and the time of that (8 bytes each).
 */
#define SUBSCRIPTION_HEAD 25
#define SUBSCRIPTION_TAIL 24

static void
subscription_add_u64(struct buf *out, uint64_t number)
{
	unsigned char bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (56 - 8 * i));
	buf_add(out, bytes, sizeof(bytes));
}

static uint64_t
subscription_u64(const char *at)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | (unsigned char)at[i];
	return number;
}

void
subscription_pack(const struct subscription *sub, struct buf *out)
{
	const char *reason = sub->reason == NULL ? "" : sub->reason;

	subscription_add_u64(out, sub->n);
	subscription_add_u64(out, sub->since);
	subscription_add_u64(out, (uint64_t)sub->time_ms);
	buf_addc(out, (char)((unsigned)sub->state | sub->ways << 4));
	buf_add(out, sub->owner, strlen(sub->owner) + 1);
	buf_add(out, sub->channel, strlen(sub->channel) + 1);
	buf_add(out, sub->address, strlen(sub->address) + 1);
	buf_add(out, reason, strlen(reason) + 1);
	if (sub->position == 0)
		return;
	subscription_add_u64(out, sub->position);
	subscription_add_u64(out, sub->changed);
	subscription_add_u64(out, (uint64_t)sub->changed_ms);
}

static unsigned
subscription_ways(const struct subscription *put,
    const struct subscription *old)
{
	unsigned ways = put->ways & (SUB_BY_REQUEST | SUB_BY_PRESENCE);

	if (old != NULL && (put->ways & SUB_WAYS_EXACT) == 0)
		ways |= old->ways;
	return ways == 0 ? SUB_BY_REQUEST : ways;
}

void
subscription_keep(struct subscription *sub, const struct subscription *old)
{
	sub->n = old->n;
	sub->since = old->since;
	sub->time_ms = old->time_ms;
	sub->position = old->position;
	sub->changed = old->changed;
	sub->changed_ms = old->changed_ms;
	sub->ways = old->ways;
}

void
subscription_change(struct subscription *sub, const struct subscription *old,
    uint64_t seq, int64_t now_ms)
{
	uint64_t asked = sub->position != 0 ? sub->position : seq;
	bool was = old != NULL && old->state == SUB_SUSPENDED;
	unsigned ways = subscription_ways(sub, old);

	if (old != NULL)
		subscription_keep(sub, old);
	else {
		sub->n = sub->since = seq;
		sub->time_ms = now_ms;
		sub->position = 0;
	}
	if (sub->state == SUB_SUSPENDED && !was)
		sub->position = asked;
	sub->ways = ways;
	sub->changed = seq;
	sub->changed_ms = now_ms;
}

/* What follows the strings; false: not what it should be. */
static bool
subscription_unpack_tail(const char *at, size_t len, struct subscription *sub)
{
	sub->position = 0;
	sub->changed = sub->n;
	sub->changed_ms = sub->time_ms;
	if (len == 0)
		return true;
	if (len != SUBSCRIPTION_TAIL)
		return false;
	sub->position = subscription_u64(at);
	sub->changed = subscription_u64(at + 8);
	sub->changed_ms = (int64_t)subscription_u64(at + 16);
	return true;
}

bool
subscription_unpack(const struct entry *entry, struct subscription *sub)
{
	const char *texts[4], *at = entry->data;
	const char *end = entry->data + entry->data_len;

	if (entry->data_len < SUBSCRIPTION_HEAD)
		return false;
	sub->n = subscription_u64(at);
	sub->since = subscription_u64(at + 8);
	sub->time_ms = (int64_t)subscription_u64(at + 16);
	if ((at[24] & 0xf) > SUB_PENDING || (unsigned char)at[24] >> 4 > 3)
		return false;
	sub->state = (enum sub_state)(at[24] & 0xf);
	sub->ways = (unsigned)at[24] >> 4;
	/* Those of an older store have none. */
	if (sub->ways == 0)
		sub->ways = SUB_BY_REQUEST;
	at += SUBSCRIPTION_HEAD;
	for (int i = 0; i < 4; i++) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));

		if (nul == NULL)
			return false;
		texts[i] = at;
		at = nul + 1;
	}
	sub->owner = texts[0];
	sub->channel = texts[1];
	sub->address = texts[2];
	sub->reason = texts[3][0] == '\0' ? NULL : texts[3];
	return subscription_unpack_tail(at, (size_t)(end - at), sub);
}

void
subscription_copy(struct subscription *to, const struct subscription *from)
{
	*to = *from;
	to->owner = xstrdup(from->owner);
	to->channel = xstrdup(from->channel);
	to->address = xstrdup(from->address);
	to->reason = from->reason == NULL ? NULL : xstrdup(from->reason);
}

void
subscription_clear(struct subscription *sub)
{
	free((char *)(uintptr_t)sub->owner);
	free((char *)(uintptr_t)sub->channel);
	free((char *)(uintptr_t)sub->address);
	free((char *)(uintptr_t)sub->reason);
	memset(sub, 0, sizeof(*sub));
}

bool
subscription_is_same(const struct subscription *old,
    const struct subscription *put)
{
	if (old->state != put->state ||
	    old->ways != subscription_ways(put, old))
		return false;
	if (old->reason == NULL || put->reason == NULL)
		return old->reason == put->reason;
	return strcmp(old->reason, put->reason) == 0;
}

bool
subscription_is_of(const struct subscription *sub, const char *address)
{
	size_t len = strlen(address);

	if (strncmp(sub->address, address, len) != 0)
		return false;
	return sub->address[len] == '\0' ||
	    (sub->address[len] == '/' && strchr(address, '/') == NULL);
}
