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

/* Does the multicast service take the JID?  One that it does not take makes it
 * refuse a whole group (multicast.h). */
enum member_proof {
	MEMBER_NEW,   /* nobody knows */
	MEMBER_SENT,  /* a group with it is under way */
	MEMBER_PROVEN /* one was taken */
};
/* Is it in no group, but gets a stanza of its own (apart.h)? */
enum member_apart {
	MEMBER_GROUPED,
	MEMBER_SUSPECT, /* a group with it was refused */
	MEMBER_ASKED,   /* its own stanza is under way, and will tell */
	MEMBER_REFUSED  /* it is the one */
};

struct member {
	uint64_t n;
	uint64_t since; /* items up to it are not for this one */
	uint32_t at;    /* in text */
	uint16_t len;
	bool full:1;     /* a full JID */
	bool local:1;    /* of the domain that the multicast service is for */
	uint8_t proof:2; /* enum member_proof */
	uint8_t apart:2; /* enum member_apart */
	bool cleared:1;  /* was suspect once, and was not the one */
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
