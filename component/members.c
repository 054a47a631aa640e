#include "component/members.h"

#include <stdlib.h>
#include <string.h>

void
members_init(struct members *members)
{
	memset(members, 0, sizeof(*members));
	buf_init(&members->text, UINT32_MAX);
}

void
members_clear(struct members *members)
{
	free(members->list);
	buf_clear(&members->text);
	members_init(members);
}

size_t
members_after(const struct members *members, uint64_t n)
{
	size_t low = 0, high = members->count, middle;

	/* New ones are the common case: n grows. */
	if (high > 0 && members->list[high - 1].n <= n)
		return high;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (members->list[middle].n <= n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
members_grow(struct members *members)
{
	if (members->count < members->size)
		return;
	members->size = members->size == 0 ? 1 : members->size * 2;
	members->list =
	    xreallocarray(members->list, members->size, sizeof(*members->list));
}

bool
members_put(struct members *members, const struct member *member,
    const char *text)
{
	size_t i = members_after(members, member->n), at = members->text.len;
	struct member *place;

	if (i > 0 && members->list[i - 1].n == member->n)
		return false;
	buf_add(&members->text, text, member->len);
	if (members->text.failed)
		return false;
	members_grow(members);
	place = &members->list[i];
	memmove(place + 1, place,
	    (members->count - i) * sizeof(*members->list));
	members->count++;
	*place = *member;
	place->at = (uint32_t)at;
	return true;
}

/* Takes the holes out of the text once they are half of it. */
static void
members_pack(struct members *members)
{
	struct member *member;
	struct buf text;
	size_t i;

	if (members->dead * 2 <= members->text.len)
		return;
	buf_init(&text, UINT32_MAX);
	for (i = 0; i < members->count; i++) {
		member = &members->list[i];
		buf_add(&text, members->text.data + member->at, member->len);
		member->at = (uint32_t)(text.len - member->len);
	}
	buf_clear(&members->text);
	members->text = text;
	members->dead = 0;
}

bool
members_del(struct members *members, uint64_t n)
{
	size_t i = members_after(members, n);
	struct member *member;

	if (i == 0 || members->list[i - 1].n != n)
		return false;
	member = &members->list[i - 1];
	members->dead += member->len;
	memmove(member, member + 1,
	    (members->count - i) * sizeof(*members->list));
	members->count--;
	members_pack(members);
	return true;
}

void
members_del_before(struct members *members, uint64_t seq)
{
	size_t i, kept = 0;

	for (i = 0; i < members->count; i++) {
		if (members->list[i].since < seq)
			members->dead += members->list[i].len;
		else
			members->list[kept++] = members->list[i];
	}
	members->count = kept;
	members_pack(members);
}

const char *
members_text(const struct members *members, const struct member *member)
{
	return members->text.data + member->at;
}
