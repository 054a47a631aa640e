/*
 * Reads what a domain stored: its position, then its subscriptions, page by
 * page.  What changes meanwhile comes with the log, which is followed from the
 * position on.
 */
#ifndef WAFT_COMPONENT_LOAD_H
#define WAFT_COMPONENT_LOAD_H

#include "common/base/loop.h"
#include "common/store/store.h"
#include "component/position.h"

struct load;

struct load_ops {
	void (*sub)(void *arg, const struct subscription *sub);
	/* The end of it; note is NULL on an error and else the callee's. */
	void (*done)(void *arg, enum err err, struct position_note *note);
};

/* Domain and key are borrowed until done() or load_cancel(); ops is static. */
struct load *load_start(struct store *store, struct loop *loop,
    const char *domain, const char *key, const struct load_ops *ops, void *arg);
/* Calls nothing any more; the store may still answer. */
void load_cancel(struct load *load);

#endif
