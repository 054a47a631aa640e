/*
 * Sessions of one worker that ended a short while ago: a late repeat of the
 * request that ended one, or the first that hears of it, is told how.  The
 * newest ENDED_MAX are kept, for ENDED_MS each.  Time is the loop's.
 */
#ifndef WAFT_ENDED_H
#define WAFT_ENDED_H

#include <stdbool.h>

#include "bosh/gateway.h"

#define ENDED_MAX 4096
#define ENDED_MS  30000

struct ended {
	char sid[SID_SIZE];
	enum condition condition;
	bool legacy;              /* its client named no `ver` */
	const char *stream_error; /* of COND_REMOTE_STREAM_ERROR; static */
	int64_t until;            /* 0: the place is free */
};

struct ended_ring;

/* The loop is borrowed. */
struct ended_ring *ended_create(struct loop *loop);
void ended_free(struct ended_ring *ring);
/* Remembers a BOSH session; one over WebSocket has no late repeats. */
void ended_add(struct ended_ring *ring, const struct client *client,
    enum condition condition);
/* Of a session unknown to the gateway; NULL if it is not among them.  Borrowed
 * until the next ended_add(). */
const struct ended *ended_find(const struct ended_ring *ring, struct slice sid);
/* Counts a session's end by its condition. */
void ended_count(enum condition condition);

#endif
