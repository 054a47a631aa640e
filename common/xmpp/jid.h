/*
 * JIDs, prepared (RFC 6122: nodeprep, nameprep, resourceprep), so that equal
 * users have equal bytes.  ASCII takes a fast path, the rest goes through
 * libidn. A jid is a value: copy it, keep it, no free.
 */
#ifndef WAFT_XMPP_JID_H
#define WAFT_XMPP_JID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define JID_MAX 3071 /* 1023 a part, and two separators */

struct jid {
	uint16_t node_len; /* 0: none */
	uint16_t domain_len;
	uint16_t resource_len; /* 0: none */
	char full[JID_MAX + 1];
};

/* ERR_BAD and *why (static) when it is no JID. */
enum err jid_parse(const char *text, size_t len, struct jid *jid,
    const char **why);
size_t jid_bare_len(const struct jid *jid);
/* Where the domain begins; domain_len bytes, not NUL-terminated. */
const char *jid_domain_of(const struct jid *jid);
/* Same node and domain. */
bool jid_same_bare(const struct jid *a, const struct jid *b);
bool jid_equal(const struct jid *a, const struct jid *b);
/* Makes it bare in place. */
void jid_to_bare(struct jid *jid);
bool jid_domain_is(const struct jid *jid, const char *domain);

/*
 * A password prepared by SASLprep (RFC 4013), appended to out; here because
 * libidn has one owner.  False when it is empty, or has what that forbids.
 */
bool jid_saslprep(const char *text, size_t len, struct buf *out);

/*
 * The address a channel speaks from (DESIGN 8): `channel@domain` with the
 * channel escaped by XEP-0106, or `domain/CHANNEL` when nodeprep would change
 * the name or it has a space at an end.  A name that is no resource either
 * speaks from the domain; so do characters newer than Unicode 3.2 (emoji), as
 * ejabberd bounces a stanza from an address that has them.
 */
void jid_of_channel(const char *channel, const char *domain, struct buf *out);
/* The channel a JID of ours stands for: from its node, unescaped.  False when
 * it has no node, or one that escapes a space at an end (XEP-0106 §4.1). */
bool jid_channel(const struct jid *jid, struct buf *channel);

/* Is one of these, a bare JID or a domain for all who are there, this user?
 * What is no address is nobody. */
bool jid_is_listed(const struct jid *jid, char *const *list, size_t count);

#endif
