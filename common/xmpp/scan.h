/*
 * A channel's items as XEP-0060 shows them, newest first: without those that a
 * newer one of the same id stands for (§7.1.2), those retracted or purged, and
 * those that have nothing for XMPP.  For the files of common/xmpp alone.
 *
 * Reads as far as it is asked to, at most SCAN_MAX entries.
 */
#ifndef WAFT_XMPP_SCAN_H
#define WAFT_XMPP_SCAN_H

#include "common/xmpp/ask.h"

#define SCAN_MAX 10000

struct scan_ops {
	/* The next item; borrowed.  False: that is enough. */
	bool (*see)(struct ask *ask, struct entry *entry);
	/* Whole: there are no further items.  The ask is not late. */
	void (*done)(struct ask *ask, enum err err, bool whole);
};

/* One at a time for an ask. */
void scan_start(struct ask *ask, const struct scan_ops *ops);
/* Of an ask; may be NULL. */
void scan_free(struct scan *scan);

#endif
