/*
 * Who gets a channel's items over the link: the JIDs of its subscriptions,
 * packed, in order of n, and escaped, for each is written into a start tag with
 * every item.  Owned by the channel (roll.h).
 */
#ifndef WAFT_COMPONENT_MEMBERS_H
#define WAFT_COMPONENT_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

struct member {
	uint64_t n;
	uint64_t since; /* items up to it are not for this one */
	uint32_t at;    /* in text */
	uint16_t len;
	bool full; /* a full JID */
};

struct members {
	struct member *list; /* by n */
	size_t count;
	size_t size;
	struct buf text;
	size_t dead; /* bytes of text that nobody uses */
};

void members_init(struct members *members);
void members_clear(struct members *members);
/* As member says but for `at`; text is the JID, escaped.  False: its n was
 * there already, or the channel takes no more (text.failed). */
bool members_put(struct members *members, const struct member *member,
    const char *text);
/* False: was not there. */
bool members_del(struct members *members, uint64_t n);
/* Takes out those whose since is before seq. */
void members_del_before(struct members *members, uint64_t seq);
/* Index of the first whose n is above; count when there is none. */
size_t members_after(const struct members *members, uint64_t n);
const char *members_text(const struct members *members,
    const struct member *member);

#endif
