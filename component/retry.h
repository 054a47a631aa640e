/*
 * When to try a link again: 1, 2, 4 … seconds with jitter, from the start again
 * after a minute of being up; slowly where only the operator can mend it; half
 * a minute where an old connection may still hold the name, but a second where
 * we know whose it was (component-checklist 2.7, 4.1).  Never longer than the
 * configured maximum.
 *
 * Pure: time and chance are parameters.
 */
#ifndef WAFT_COMPONENT_RETRY_H
#define WAFT_COMPONENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_FIRST_MS    1000
#define RETRY_STABLE_MS   60000
#define RETRY_FAULT_MS    60000
#define RETRY_CONFLICT_MS 30000
#define RETRY_EAGER_MS    30000

/* Why a link is down. */
enum link_end {
	LINK_END_NONE,     /* it is not, or never was up */
	LINK_END_CLOSED,   /* we closed it in order */
	LINK_END_REFUSED,  /* nobody listens, or no way there */
	LINK_END_SILENT,   /* no handshake, or no answer any more */
	LINK_END_LOST,     /* the server went away */
	LINK_END_SHUTDOWN, /* and said that it would */
	LINK_END_SECRET,   /* not-authorized */
	LINK_END_HOST,     /* host-unknown: it does not know our domain */
	LINK_END_CONFLICT, /* somebody else has our domain */
	LINK_END_STANZA,   /* it did not like what we sent */
	LINK_END_OTHER,
	LINK_END_MAX
};

struct retry {
	int attempt; /* failed ones in a row */
	int64_t up_ms;
	int64_t eager_ms; /* a conflict is tried again at once until then */
};

/* A word for logs and /status. */
const char *link_end_name(enum link_end end);
/* What the operator can do about it; NULL when it may mend itself. */
const char *link_end_fix(enum link_end end);

void retry_up(struct retry *retry, int64_t now_ms);
/* Milliseconds until the next attempt.  Was_up: the link had been
 * authenticated. */
int64_t retry_down(struct retry *retry, enum link_end end, bool was_up,
    int64_t now_ms, int64_t max_ms, uint32_t chance);

#endif
