/*
 * The channels that JIDs of a domain listen to, and who they are.  Most have
 * one listener and no item under way: such a channel is one block of memory,
 * its name and the JID behind a few numbers.  One with more listeners, or one
 * that is open, has a struct members; only while it is open may that be held
 * on to.
 *
 * A table with open addressing and a keyed hash, for strangers choose the
 * names: 12 bytes a slot, at most four fifths of them taken.  The hashes stand
 * apart, so that growing it does not touch the channels.
 */
#ifndef WAFT_COMPONENT_ROLL_H
#define WAFT_COMPONENT_ROLL_H

#include "common/base/buf.h"
#include "common/store/store.h"
#include "component/members.h"

/* Fields but for round are private to roll.c. */
struct roll_channel {
	union {
		struct {
			uint64_t n;
			uint64_t since;
		} one;
		struct members *many;
	} of;
	uint16_t jid_len; /* of the one's, escaped, behind the name */
	uint8_t name_len;
	bool is_many:1;
	bool is_open:1;
	bool is_full:1;  /* the one's is a full JID */
	bool is_local:1; /* … and of the roll's local domain */
	uint8_t round;   /* the caller's */
	char text[];
};

struct roll {
	uint32_t *hashes;
	struct roll_channel **channels; /* NULL: the slot is free */
	size_t size;                    /* 0 or a power of two */
	size_t n_channels;
	size_t n_members;
	struct buf escaped;
	const char *local;
};

/* Local: the domain whose JIDs are marked so (members.h); borrowed. */
void roll_init(struct roll *roll, const char *local);
/* Closes what is open, too. */
void roll_clear(struct roll *roll);

/* NULL when nobody listens to it.  Moves when members come and go, but not
 * while it is open. */
struct roll_channel *roll_find(const struct roll *roll, const char *name,
    size_t len);
/* Walks all: *at starts at 0; NULL at the end.  Nothing may come or go. */
struct roll_channel *roll_next(const struct roll *roll, size_t *at);
const char *roll_name(const struct roll_channel *channel, size_t *len);
/* NULL: it has one, and is not open. */
struct members *roll_members(const struct roll_channel *channel);

/* ERR_CONFLICT: its n is there already; ERR_LARGE: the channel takes no more.
 */
enum err roll_put(struct roll *roll, const struct subscription *sub);
bool roll_has(const struct roll_channel *channel, uint64_t n);
/* False: was not there.  The last one takes the channel along, unless that is
 * open. */
bool roll_del(struct roll *roll, struct roll_channel *channel, uint64_t n);
/* Takes out those whose since is before seq. */
void roll_del_before(struct roll *roll, struct roll_channel *channel,
    uint64_t seq);

/* Its members, the roll's to change, until roll_close(); not twice. */
struct members *roll_open(struct roll_channel *channel);
bool roll_is_open(const struct roll_channel *channel);
/* The channel is gone when it has no members, and else may have moved. */
void roll_close(struct roll *roll, struct roll_channel *channel);

#endif
