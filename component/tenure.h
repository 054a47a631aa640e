/*
 * Whether a link is ours, as far as the lease of its domain tells (store.h):
 * when to ask the store, what its answer means, and until when something may be
 * sent.
 *
 * A holder counts from when it asked, not from when it was answered, so it
 * believes in its lease no longer than the store does.  When that time is over,
 * because the process was frozen or the disk is slow, nothing is sent until the
 * store says that nobody has taken the lease meanwhile.
 *
 * Pure; time is a parameter (milliseconds, monotonic).
 */
#ifndef WAFT_COMPONENT_TENURE_H
#define WAFT_COMPONENT_TENURE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

#define TENURE_RENEW_MS 1000
#define TENURE_LOOK_MS  500

enum tenure_step {
	TENURE_WAIT,
	TENURE_TAKE,
	TENURE_RENEW
};

enum tenure_change {
	TENURE_SAME,
	TENURE_TOOK,
	TENURE_KEPT,
	TENURE_LOST
};

/* Zeroed memory is one that is due to take the lease. */
struct tenure {
	bool held;
	bool taken; /* another has it, by the last answer */
	bool asking;
	int64_t asked_ms; /* the last question; 0: none yet */
	int64_t until_ms; /* may be sent on until then */
	uint64_t generation;
};

/* What to ask the store now; then tenure_asked(). */
enum tenure_step tenure_next(const struct tenure *tenure, int64_t now_ms);
void tenure_asked(struct tenure *tenure, int64_t now_ms);
enum tenure_change tenure_answer(struct tenure *tenure, enum err err,
    uint64_t generation);
/* Until tenure_next() may say something else. */
int64_t tenure_wait_ms(const struct tenure *tenure, int64_t now_ms);
/* May something be sent? */
bool tenure_holds(const struct tenure *tenure, int64_t now_ms);

#endif
