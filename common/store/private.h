/*
 * The private state of the memory backend: what the keeper has in a file.  The
 * caller's lock is held.  Only common/store/memory.c includes this.
 */
#ifndef WAFT_STORE_PRIVATE_H
#define WAFT_STORE_PRIVATE_H

#include "common/store/backend.h"

struct private_value;
struct private_lease;

/* Zeroed memory is an empty one. */
struct private_state {
	struct private_value *values;
	struct private_lease *leases;
};

void private_clear(struct private_state *state);
/* REQUEST_STATE_… and REQUEST_LEASE; answers it. */
void private_do(struct private_state *state, struct request *request);

#endif
