#include "common/channel/held.h"

#include <stdlib.h>

#include "common/base/mem.h"

#define HELD_MIN 8

static void
held_grow(struct held *held)
{
	unsigned size = held->size == 0 ? HELD_MIN : held->size * 2;
	struct entry **ring = xreallocarray(NULL, size, sizeof *ring);

	for (unsigned i = 0; i < held->count; i++)
		ring[i] = held_at(held, i);
	free(held->ring);
	held->ring = ring;
	held->size = size;
	held->first = 0;
}

void
held_add(struct held *held, struct entry *entry)
{
	if (held->count == held->size)
		held_grow(held);
	held->ring[(held->first + held->count) & (held->size - 1)] = entry;
	held->count++;
}

struct entry *
held_take(struct held *held)
{
	struct entry *entry = held_at(held, 0);

	held->first = (held->first + 1) & (held->size - 1);
	held->count--;
	return entry;
}

unsigned
held_find(const struct held *held, uint64_t seq)
{
	unsigned low = 0, high = held->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (held_at(held, middle)->seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
held_shrink(struct held *held)
{
	if (held->size > HELD_MIN)
		held_free(held);
}

void
held_free(struct held *held)
{
	free(held->ring);
	*held = (struct held){ 0 };
}
