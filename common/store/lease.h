/*
 * The rules of a lease, which both backends follow: a row of it, and what may
 * be done to that.  Only common/store/ includes this.
 *
 * Free is a lease that nobody holds, whose time is over, or whose holder has
 * surely ended.  Each taking has a generation of its own, and what is written
 * under a lease is written only while that generation is the last: so a holder
 * that was frozen writes nothing when it wakes.
 *
 * Pure but for the look at whether a process lives; time is a parameter: the
 * monotonic clock, which all processes of a machine share.
 */
#ifndef WAFT_STORE_LEASE_H
#define WAFT_STORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"

#define LEASE_HOLDER_MAX 128

enum lease_verb {
	LEASE_TAKE,
	LEASE_RENEW,
	LEASE_DROP
};

/* Zeroed memory is one that was never taken. */
struct lease_row {
	char holder[LEASE_HOLDER_MAX]; /* empty: nobody */
	uint64_t generation;
	int64_t until_ms;
};

/* ERR_OK: the row is changed.  ERR_CONFLICT: held by another.  ERR_GONE: it is
 * not of this generation any more. */
enum err lease_take(struct lease_row *row, const char *holder, int64_t now_ms);
enum err lease_renew(struct lease_row *row, uint64_t generation,
    int64_t now_ms);
enum err lease_drop(struct lease_row *row, uint64_t generation);
/* May that generation write? */
bool lease_is(const struct lease_row *row, uint64_t generation);
/* Counts and logs a write that came too late. */
void lease_refused(const char *key, uint64_t generation);

#endif
