/*
 * Who is sent a stanza of his own because the multicast service refused a group
 * that he was in.  An address that a server does not like (a character that is
 * not in its Unicode, say) makes the whole group fail, and is not named.  So
 * all of the group are suspect, and get the item directly: for the one at
 * fault that is answered by an error, and he stays apart; the others go back to
 * the groups once it is confirmed.  Whoever is suspect a second time stays
 * apart, too.  Private to notify.c, target.c and send.c.
 */
#ifndef WAFT_COMPONENT_APART_H
#define WAFT_COMPONENT_APART_H

#include "common/base/xml.h"
#include "component/target.h"

/* Those of the JIDs in an <addresses/> that are members of a channel,
 * whichever: how many there are. */
size_t apart_suspect(struct notify *notify, const struct xml *group);
/* A stanza came back from the JID: as malformed, if he was suspect. */
void apart_bounced(struct notify *notify, const char *jid);
/* What was written to its members last is confirmed. */
void apart_settle(struct target *target);

#endif
