/*
 * Whose presence a component sees, by channel: the clients of each user who
 * have said to it that they are there, with what priority, and which of them it
 * lets in for that long.  Kept only of those who send us presence, and only
 * while the link lasts: whoever restarts knows nothing, and nothing is stored.
 *
 * Pure.  Channels and JIDs are borrowed for the call.
 */
#ifndef WAFT_COMPONENT_CONTACTS_H
#define WAFT_COMPONENT_CONTACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/xmpp/jid.h"

struct contacts;

struct contacts *contacts_create(void);
void contacts_free(struct contacts *contacts);

enum contacts_news {
	CONTACTS_NEW,
	CONTACTS_KNOWN, /* its priority is what it says now */
	CONTACTS_FULL   /* not kept */
};
/* A client, in all at most so many, and so many of one user. */
enum contacts_news contacts_arrive(struct contacts *contacts,
    const struct jid *jid, const char *channel, int priority, size_t max,
    size_t max_of_user);

/* The client gets items, as number n.  False: it is not known to be there. */
bool contacts_join(struct contacts *contacts, const struct jid *jid,
    const char *channel, uint64_t n);

/* One that had joined does so no more. */
typedef void contacts_left_fn(const char *channel, const char *jid, uint64_t n,
    void *arg);

/* A client is gone; or all of a bare JID. */
void contacts_leave(struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_left_fn *left, void *arg);
/* They stay, but get nothing any more; a full JID means one. */
void contacts_part(struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_left_fn *left, void *arg);
/* All of a channel, of users who pass; keep NULL: of nobody. */
typedef bool contacts_keep_fn(const char *bare, void *arg);
void contacts_part_channel(struct contacts *contacts, const char *channel,
    size_t channel_len, contacts_keep_fn *keep, contacts_left_fn *left,
    void *arg);
/* All, and nothing is known any more. */
void contacts_clear(struct contacts *contacts, contacts_left_fn *left,
    void *arg);

/* His server was asked for his presence, or says that it is ours to see: what
 * comes next tells all of it.  Until then a word of his bare JID counts for
 * nothing: Prosody sends `unavailable` from it only to say that it has got our
 * request. */
void contacts_expect(struct contacts *contacts, const struct jid *jid,
    const char *channel, size_t max);
/* It is not ours to see: what we know of his clients is not all. */
void contacts_forget(struct contacts *contacts, const struct jid *jid,
    const char *channel);
/* Is all of his presence known, and has he no client there that takes messages
 * (RFC 6121 §8.5.2: of a priority that is not negative)? */
bool contacts_is_away(const struct contacts *contacts, const char *bare,
    size_t bare_len, const char *channel);

/* Those who joined, of a bare JID; channel NULL: everywhere. */
typedef void contacts_see_fn(const char *channel, const char *jid, uint64_t n,
    void *arg);
void contacts_list(const struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_see_fn *see, void *arg);

size_t contacts_count(const struct contacts *contacts); /* clients */
size_t contacts_joined(const struct contacts *contacts);

#endif
