/*
 * How often one user may have an answer that costs more than it gives: a bucket
 * for each bare JID, full at the start, refilled within a minute.  A fixed
 * table, so strangers cannot make it grow: a user whose bucket is full again is
 * not kept, and past the table's size whoever is nearest to that is forgotten.
 *
 * Pure; time is a parameter, in milliseconds of any clock.
 */
#ifndef WAFT_XMPP_PACE_H
#define WAFT_XMPP_PACE_H

#include <stdint.h>

#include "common/xmpp/jid.h"

enum pace_verdict {
	PACE_OK,
	PACE_OVER,  /* for the first time since it last was not: say so once */
	PACE_SILENT /* still */
};

struct pace;

struct pace *pace_create(void);
void pace_free(struct pace *pace);

/* Counts one event of the bare JID, at most so many a minute. */
enum pace_verdict pace_take(struct pace *pace, const struct jid *jid,
    int per_minute, int64_t now_ms);

#endif
