/*
 * Key sequencing (XEP-0124 §15): a client may prove with each request that it
 * is the one that opened the session.  Each key is the SHA-1 of the next, so
 * the receiver knows the last one and learns nothing of those to come.
 */
#ifndef WAFT_KEYS_H
#define WAFT_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"

#define KEYS_SIZE 20

struct keys {
	bool used;
	uint64_t rid;                      /* of the last one; its owner's */
	unsigned char expected[KEYS_SIZE]; /* SHA-1 of the key to come */
};

/* From the `newkey` of a creation; p NULL: none are used.  False when it is no
 * hexadecimal SHA-1. */
bool keys_init(struct keys *keys, struct slice newkey);
/* True if the key fits; the next one is then expected. */
bool keys_check(struct keys *keys, struct slice key, struct slice newkey);
/* The same where `steps` keys lie between, which nobody remembers. */
bool keys_check_far(struct keys *keys, uint64_t steps, struct slice key,
    struct slice newkey);
/* True if the key was the last one, or the one `back` before it. */
bool keys_check_again(const struct keys *keys, uint64_t back, struct slice key,
    struct slice newkey);

#endif
