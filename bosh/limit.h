/*
 * What one client address may do: how many sessions it has, and how often it
 * makes one, fails to log in, names a session that is not there, or asks at
 * all.  Each has its option in the section `bosh`.  One table for all workers,
 * behind a lock; the time is a parameter in milliseconds of any clock that all
 * of them share.
 *
 * An IPv6 address counts by its first 64 bits, which is what one customer gets.
 * An address is forgotten once it has no sessions and all its rates are back
 * at zero; past addresses-max new ones get no session, and their rates are not
 * counted.
 */
#ifndef WAFT_LIMIT_H
#define WAFT_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/conf.h"

/* Bursts are as long as this at the full rate. */
#define LIMIT_BURST_MS 10000

enum limit {
	LIMIT_CREATIONS, /* a second */
	LIMIT_REQUESTS,  /* a second */
	LIMIT_LOGINS,    /* a minute; failures */
	LIMIT_SIDS,      /* a minute; unknown ones */
	LIMIT_MAX
};

/* An address as it is counted; all zero: not counted. */
struct limit_peer {
	unsigned char key[16];
};

/* Text NULL, or no address: not counted. */
struct limit_peer limit_peer(const char *text);

struct limits;

struct limits *limits_create(void);
void limits_free(struct limits *limits);

/* Counts a session; false, nothing counted, and *why the option's name when it
 * is one too many. */
bool limits_enter(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, int64_t now_ms, const char **why);
void limits_leave(struct limits *limits, const struct limit_peer *peer);

/* Counts one event.  False when it is past the rate: then it is not counted
 * towards it, but in a metric, and logged now and then. */
bool limits_take(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, enum limit limit, int64_t now_ms);
/* Would limits_take() refuse? */
bool limits_is_over(struct limits *limits, const struct conf_bosh *conf,
    const struct limit_peer *peer, enum limit limit, int64_t now_ms);

/* For the tests. */
unsigned limits_count(struct limits *limits);

#endif
