/*
 * An item on its way to the members of a channel: spliced into its template
 * and written to the link, once for each; or, where the class wants it and the
 * server has a multicast service (multicast.h), once for each group of those
 * who are of the server's own domain.
 *
 * The service has a queue of its own, so what goes directly overtakes what goes
 * through it.  So a channel's members get all items the same way, and when that
 * changes, what is under way is waited for.  It is also waited for when the
 * next item's groups would be others, and when somebody is in a group for the
 * first time: if one is refused, nobody in it has had a later item.  Private to
 * target.c, notify.c and comeback.c.
 */
#ifndef WAFT_COMPONENT_SEND_H
#define WAFT_COMPONENT_SEND_H

#include "component/target.h"

/* Bytes of the addresses in one group. */
#define SEND_GROUP_BYTES (64 * 1024)

/* From where the target stands inside the item, as far as the window goes;
 * SINK_FULL: it waits. */
enum sink_result send_item(struct target *target, struct entry *entry,
    const struct stanza *stanza);
/* Tells the members that the channel was deleted, as far as that is possible at
 * once: the link is up, and the channel has at most TARGET_TOLD_MAX. */
void send_deleted(struct target *target, const struct entry *entry);
/* Nothing more is written to it until what is under way is confirmed. */
void send_hold(struct target *target);

#endif
