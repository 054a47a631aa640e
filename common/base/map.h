/*
 * uthash as waft uses it: keyed hash (strangers choose our keys), allocation
 * failure ends the process.  Include this, never <uthash.h>.
 */
#ifndef WAFT_MAP_H
#define WAFT_MAP_H

#include "common/base/crypto.h"
#include "common/base/mem.h"

#ifdef UTHASH_H
#error "include common/base/map.h before anything that includes <uthash.h>"
#endif

#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)crypto_siphash((keyptr), (keylen)))
#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

/* Safe against removing the current entry. */
#define MAP_FOREACH(entry, tmp, head) HASH_ITER(hh, head, entry, tmp)

#endif
