#include "component/roll.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"

#define ROLL_SLOTS_MIN 16

/* ---- the table ------------------------------------------------------- */

static uint32_t
roll_hash(const char *name, size_t len)
{
	return (uint32_t)crypto_siphash(name, len);
}

static bool
roll_is(const struct roll_channel *channel, const char *name, size_t len)
{
	return channel->name_len == len &&
	    memcmp(channel->text, name, len) == 0;
}

/* The slot where the name is, or the free one where it would go. */
static size_t
roll_slot(const struct roll *roll, uint32_t hash, const char *name, size_t len)
{
	size_t at = hash & (roll->size - 1);

	while (roll->channels[at] != NULL &&
	    (roll->hashes[at] != hash ||
	        !roll_is(roll->channels[at], name, len)))
		at = (at + 1) & (roll->size - 1);
	return at;
}

static size_t
roll_slot_of(const struct roll *roll, const struct roll_channel *channel)
{
	return roll_slot(roll, roll_hash(channel->text, channel->name_len),
	    channel->text, channel->name_len);
}

static void
roll_grow(struct roll *roll)
{
	struct roll old = *roll;
	size_t i, at;

	roll->size = old.size == 0 ? ROLL_SLOTS_MIN : old.size * 2;
	roll->hashes = xreallocarray(NULL, roll->size, sizeof(*roll->hashes));
	roll->channels = xcalloc(roll->size, sizeof(struct roll_channel *));
	for (i = 0; i < old.size; i++) {
		if (old.channels[i] == NULL)
			continue;
		at = old.hashes[i] & (roll->size - 1);
		while (roll->channels[at] != NULL)
			at = (at + 1) & (roll->size - 1);
		roll->hashes[at] = old.hashes[i];
		roll->channels[at] = old.channels[i];
	}
	free(old.hashes);
	free(old.channels);
}

static void
roll_insert(struct roll *roll, struct roll_channel *channel)
{
	uint32_t hash = roll_hash(channel->text, channel->name_len);
	size_t at;

	if (roll->n_channels >= roll->size / 5 * 4)
		roll_grow(roll);
	at = roll_slot(roll, hash, channel->text, channel->name_len);
	roll->hashes[at] = hash;
	roll->channels[at] = channel;
	roll->n_channels++;
}

/* Those behind it that looked for its slot first move up. */
static void
roll_remove(struct roll *roll, size_t at)
{
	size_t mask = roll->size - 1, next = at, home;

	for (;;) {
		next = (next + 1) & mask;
		if (roll->channels[next] == NULL)
			break;
		home = roll->hashes[next] & mask;
		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		roll->channels[at] = roll->channels[next];
		roll->hashes[at] = roll->hashes[next];
		at = next;
	}
	roll->channels[at] = NULL;
	roll->n_channels--;
}

/* ---- channels -------------------------------------------------------- */

static struct members *
roll_members_create(void)
{
	struct members *members = xmalloc(sizeof(*members));

	members_init(members);
	return members;
}

static void
roll_members_free(struct members *members)
{
	members_clear(members);
	free(members);
}

static struct roll_channel *
roll_channel_create(const char *name, size_t name_len,
    const struct member *member, const char *jid)
{
	struct roll_channel *channel = xmalloc(
	    offsetof(struct roll_channel, text) + name_len + member->len);

	memset(channel, 0, offsetof(struct roll_channel, text));
	channel->of.one.n = member->n;
	channel->of.one.since = member->since;
	channel->name_len = (uint8_t)name_len;
	channel->jid_len = member->len;
	channel->is_full = member->full;
	channel->is_local = member->local;
	memcpy(channel->text, name, name_len);
	memcpy(channel->text + name_len, jid, member->len);
	return channel;
}

static void
roll_channel_free(struct roll_channel *channel)
{
	if (channel->is_many)
		roll_members_free(channel->of.many);
	free(channel);
}

static void
roll_drop(struct roll *roll, struct roll_channel *channel)
{
	roll_remove(roll, roll_slot_of(roll, channel));
	roll_channel_free(channel);
}

static void
roll_unpack(struct roll_channel *channel)
{
	struct member one = {
		.n = channel->of.one.n,
		.since = channel->of.one.since,
		.len = channel->jid_len,
		.full = channel->is_full,
		.local = channel->is_local,
	};

	if (channel->is_many)
		return;
	channel->of.many = roll_members_create();
	channel->is_many = true;
	members_put(channel->of.many, &one, channel->text + channel->name_len);
}

/* A channel of one back into one block; of none: out. */
static void
roll_pack(struct roll *roll, struct roll_channel *channel)
{
	struct members *members = channel->of.many;
	struct roll_channel *packed;

	if (channel->is_open || members->count > 1)
		return;
	if (members->count == 0) {
		roll_drop(roll, channel);
		return;
	}
	packed = roll_channel_create(channel->text, channel->name_len,
	    &members->list[0], members_text(members, &members->list[0]));
	packed->round = channel->round;
	roll->channels[roll_slot_of(roll, channel)] = packed;
	roll_channel_free(channel);
}

/* ---- life ------------------------------------------------------------ */

void
roll_init(struct roll *roll, const char *local)
{
	memset(roll, 0, sizeof(*roll));
	buf_init(&roll->escaped, 0);
	roll->local = local;
}

void
roll_clear(struct roll *roll)
{
	size_t i;

	for (i = 0; i < roll->size; i++)
		if (roll->channels[i] != NULL)
			roll_channel_free(roll->channels[i]);
	free(roll->hashes);
	free(roll->channels);
	buf_clear(&roll->escaped);
	roll_init(roll, roll->local);
}

/* ---- who listens ----------------------------------------------------- */

struct roll_channel *
roll_find(const struct roll *roll, const char *name, size_t len)
{
	if (roll->n_channels == 0)
		return NULL;
	return roll->channels[roll_slot(roll, roll_hash(name, len), name, len)];
}

struct roll_channel *
roll_next(const struct roll *roll, size_t *at)
{
	while (*at < roll->size)
		if (roll->channels[(*at)++] != NULL)
			return roll->channels[*at - 1];
	return NULL;
}

const char *
roll_name(const struct roll_channel *channel, size_t *len)
{
	*len = channel->name_len;
	return channel->text;
}

static bool
roll_is_local(const struct roll *roll, const char *jid)
{
	const char *at = strchr(jid, '@'), *slash = strchr(jid, '/');
	size_t len;

	if (roll->local == NULL)
		return false;
	if (at != NULL && (slash == NULL || at < slash))
		jid = at + 1;
	len = slash == NULL ? strlen(jid) : (size_t)(slash - jid);
	return len == strlen(roll->local) && memcmp(jid, roll->local, len) == 0;
}

struct members *
roll_members(const struct roll_channel *channel)
{
	return channel->is_many ? channel->of.many : NULL;
}

/* Escapes its JID, once for all items, and says the rest of it. */
static struct member
roll_member(struct roll *roll, const struct subscription *sub)
{
	buf_reset(&roll->escaped);
	buf_adds_xml(&roll->escaped, sub->address);
	return (struct member){
		.n = sub->n,
		.since = sub->since,
		.len = (uint16_t)roll->escaped.len,
		.full = strchr(sub->address, '/') != NULL,
		.local = roll_is_local(roll, sub->address),
	};
}

static enum err
roll_put_further(struct roll_channel *channel, const struct member *member,
    const char *jid)
{
	struct members *members;

	if (!channel->is_many && channel->of.one.n == member->n)
		return ERR_CONFLICT;
	roll_unpack(channel);
	members = channel->of.many;
	if (members_put(members, member, jid))
		return ERR_OK;
	return members->text.failed ? ERR_LARGE : ERR_CONFLICT;
}

enum err
roll_put(struct roll *roll, const struct subscription *sub)
{
	size_t len = strlen(sub->channel);
	struct roll_channel *channel = roll_find(roll, sub->channel, len);
	struct member member = roll_member(roll, sub);
	const char *jid = roll->escaped.data;
	enum err err = ERR_OK;

	if (channel == NULL)
		roll_insert(roll,
		    roll_channel_create(sub->channel, len, &member, jid));
	else
		err = roll_put_further(channel, &member, jid);
	if (err == ERR_OK)
		roll->n_members++;
	return err;
}

bool
roll_has(const struct roll_channel *channel, uint64_t n)
{
	size_t i;

	if (!channel->is_many)
		return channel->of.one.n == n;
	i = members_after(channel->of.many, n);
	return i > 0 && channel->of.many->list[i - 1].n == n;
}

bool
roll_del(struct roll *roll, struct roll_channel *channel, uint64_t n)
{
	if (channel->is_many) {
		if (!members_del(channel->of.many, n))
			return false;
		roll_pack(roll, channel);
	} else {
		if (channel->of.one.n != n)
			return false;
		roll_drop(roll, channel);
	}
	roll->n_members--;
	return true;
}

void
roll_del_before(struct roll *roll, struct roll_channel *channel, uint64_t seq)
{
	size_t before;

	if (!channel->is_many) {
		if (channel->of.one.since < seq)
			roll_del(roll, channel, channel->of.one.n);
		return;
	}
	before = channel->of.many->count;
	members_del_before(channel->of.many, seq);
	roll->n_members -= before - channel->of.many->count;
	roll_pack(roll, channel);
}

struct members *
roll_open(struct roll_channel *channel)
{
	roll_unpack(channel);
	channel->is_open = true;
	return channel->of.many;
}

bool
roll_is_open(const struct roll_channel *channel)
{
	return channel->is_open;
}

void
roll_close(struct roll *roll, struct roll_channel *channel)
{
	channel->is_open = false;
	roll_pack(roll, channel);
}
