/*
 * The items that a channel holds in memory for its listeners: a ring of
 * entries in the order of their seq, each counted once.
 */
#ifndef WAFT_CHANNEL_HELD_H
#define WAFT_CHANNEL_HELD_H

#include <stdint.h>

#include "common/store/store.h"

/* Zeroed memory is an empty one. */
struct held {
	struct entry **ring;
	unsigned first;
	unsigned count;
	unsigned size; /* a power of two, or 0 */
};

/* The i-th, from the oldest on; i below count. */
static inline struct entry *
held_at(const struct held *held, unsigned i)
{
	return held->ring[(held->first + i) & (held->size - 1)];
}

/* Takes the caller's reference; newer than all that is held. */
void held_add(struct held *held, struct entry *entry);
/* The oldest, with its reference. */
struct entry *held_take(struct held *held);
/* Index of the first one behind seq; count where there is none. */
unsigned held_find(const struct held *held, uint64_t seq);
/* Of an empty one: gives back the room that a burst made. */
void held_shrink(struct held *held);
/* Of an empty one. */
void held_free(struct held *held);

#endif
