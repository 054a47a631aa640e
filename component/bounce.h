/*
 * What an error that a delivery came back with says of its receiver
 * (XEP-0060 §12.4, softened where servers use `cancel` for who is just not
 * there), and how often in a row it was said.  Only a sign of life ends the
 * row; silence is none, for a delivery that is taken is not answered.
 *
 * Pure; time is a parameter (monotonic).  The table is bounded: past its size
 * whoever has not bounced for longest is forgotten.
 */
#ifndef WAFT_COMPONENT_BOUNCE_H
#define WAFT_COMPONENT_BOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/xml.h"

/* In a row, before who is away or out of reach is suspended. */
#define BOUNCE_ROW 3
/* The wait until he is tried again is doubled each time, up to so many. */
#define BOUNCE_RETRY_TIMES 24
#define BOUNCE_TABLE_MAX   100000

enum bounce_means {
	BOUNCE_GONE,        /* there is no such address: all he has ends */
	BOUNCE_REFUSED,     /* he does not want it: this subscription ends */
	BOUNCE_AWAY,        /* offline and nothing stores it, or full */
	BOUNCE_UNREACHABLE, /* his server is */
	BOUNCE_ITEM,        /* what we sent is bad: nobody's fault but its */
	BOUNCE_TROUBLE,     /* of the server */
	BOUNCE_MEANS
};

/* Full: it was sent to a full JID.  *Condition: its name, static; "" when it
 * has none of RFC 6120 §8.3.3. */
enum bounce_means bounce_read(const struct xml *stanza, bool full,
    const char **condition);
/* Is one who was suspended for this to be tried again by time and by presence?
 * Not who refused: he has to ask. */
bool bounce_is_temporary(const char *condition);
bool bounce_may_wake(const char *condition);
const char *bounce_name(enum bounce_means means);

struct bounce_table;

struct bounce_table *bounce_create(size_t max);
void bounce_free(struct bounce_table *table);
/* One more from him (a bare JID, or a domain): true from BOUNCE_ROW on.
 * *Position: in, that of this one; out, that of the first of the row. */
bool bounce_count(struct bounce_table *table, const char *who, size_t len,
    uint64_t *position);
/* He is alive: the row is over.  False: there was none. */
bool bounce_end_row(struct bounce_table *table, const char *who, size_t len);
/* How long one suspended has to wait now; first: the first time. */
int64_t bounce_retry_ms(const struct bounce_table *table, const char *who,
    size_t len, int64_t first_ms);
/* It was tried: the next wait is longer. */
void bounce_tried(struct bounce_table *table, const char *who, size_t len);

#endif
