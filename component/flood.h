/*
 * How much one user may send: so many stanzas a second of one bare JID, ten
 * seconds of that in a burst.  Past it he is told once a second, and what he
 * sends is not looked at, so that a flood costs nobody else and an echo that
 * answers every answer runs dry.
 *
 * The table holds those whose burst has not recovered; past its bound new ones
 * are not counted.  Keys are hashed under the process's key and not kept. Pure:
 * time is a parameter (milliseconds, monotonic).
 */
#ifndef WAFT_COMPONENT_FLOOD_H
#define WAFT_COMPONENT_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bursts are as long as this at the full rate. */
#define FLOOD_BURST_MS 10000
/* Between two answers to one who sends too much. */
#define FLOOD_TELL_MS 1000

struct flood;

enum flood_verdict {
	FLOOD_TAKE,
	FLOOD_TELL, /* not taken, and he is to be told */
	FLOOD_DROP  /* not taken; he was told */
};

struct flood *flood_create(int rate, int jids_max);
void flood_free(struct flood *flood);
/* Jid is a bare one.  Told: he may be, else he never gets FLOOD_TELL. */
enum flood_verdict flood_take(struct flood *flood, const char *jid, size_t len,
    bool told, int64_t now_ms);
/* For the tests: JIDs in the table. */
unsigned flood_count(const struct flood *flood);

#endif
