/*
 * An item that says nothing new but changes what its channel shows over
 * XEP-0060: an item is retracted, all are purged, the configuration is another.
 * The log is never rewritten: a change is an item like any other, in its place
 * among them, delivered to XMPP listeners as the XEP's event; whoever reads the
 * channel leaves out what it took away.
 *
 * Format `pubsub-event`: {"retract": ID}, {"purge": true} or {"configuration":
 * true}; with "silent": true nobody is told.
 */
#ifndef WAFT_XMPP_CHANGE_H
#define WAFT_XMPP_CHANGE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/store/entry.h"
#include "common/xmpp/stanza.h"

#define CHANGE_FORMAT "pubsub-event"
#define CHANGE_ID_MAX 255 /* bytes of an item's id */

enum change_kind {
	CHANGE_RETRACT,
	CHANGE_PURGE,
	CHANGE_CONFIGURATION
};

struct change {
	enum change_kind kind;
	bool silent;
	char *id; /* of a retract */
};

/* False: the entry is no change.  On success change_clear() it. */
bool change_read(const struct entry *entry, struct change *change);
void change_clear(struct change *change);
/* As an item's format. */
void change_pack(const struct change *change, struct buf *data);
/* What stands in the <event/>. */
void change_event(const struct change *change, const char *node,
    struct buf *out);
/* The event that a node was deleted (§8.4.2), which is no item: nothing is left
 * to hold one. */
struct stanza *change_deleted(const char *node);

#endif
