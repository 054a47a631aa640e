/*
 * What a backend implements: one const table, the same shape as the public
 * calls of store.h.  Only store.c and the backends include this.
 */
#ifndef WAFT_STORE_BACKEND_H
#define WAFT_STORE_BACKEND_H

#include "common/store/store.h"

/* The author of store/ fills this in; see store.h for every contract. */

#endif
