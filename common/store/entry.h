/*
 * An entry is one row of the store's log: an item, or a change that every
 * daemon must learn of in order (a subscription, a deleted channel).  Immutable
 * once it has its seq, counted with atomics, shared by all threads; one
 * allocation.
 *
 * An item's formats are kept packed: for `xmpp-stanza` and `pubsub-item` the
 * XML itself, for every other format the JSON text of its value.
 */
#ifndef WAFT_STORE_ENTRY_H
#define WAFT_STORE_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/text.h"

enum entry_kind {
	ENTRY_ITEM = 0,
	ENTRY_SUB = 1,    /* data: a packed subscription, added or changed */
	ENTRY_UNSUB = 2,  /* data: the same, now gone */
	ENTRY_DELETE = 3, /* the channel was deleted, items and all */
	ENTRY_CREATE = 4, /* the channel was made by the operator */
	/* What an owner says of the channel: data is a text.  Made from the
	 * node whose seq prev_seq is, 0 for none; else it is not stored. */
	ENTRY_NODE = 6 /* 5 is a trimmed item's row */
};

struct entry {
	_Atomic int refs;
	enum entry_kind kind;
	/* Set by who appends it: its id may have been used before, and it takes
	 * that item's place instead of being its duplicate.  Not stored. */
	bool update;
	uint64_t seq; /* set once by the store, before anyone else sees it */
	uint64_t prev_seq; /* of the item before it on its channel; 0: none;
	                    * of an ENTRY_NODE: of the node before it */
	int64_t time_ms;   /* wall clock of the commit's transaction */
	uint64_t channel_hash;
	const char *channel; /* NUL-terminated, as are id and prev_id */
	const char *id;      /* never empty for an item */
	const char *prev_id; /* NULL if none */
	const char *data;    /* packed formats or subscription */
	uint32_t data_len;
	uint16_t channel_len;
	/* What a layer above made of it, once; see item.h. */
	_Atomic(void *) view;
	void (*_Atomic view_free)(void *view);
};

/* Copies everything; prev_id may be NULL; id NULL: a random one is made. */
struct entry *entry_create(enum entry_kind kind, const char *channel,
    const char *id, const char *prev_id, const void *data, size_t data_len);
struct entry *entry_ref(struct entry *entry);
void entry_unref(struct entry *entry);
/* Bytes it occupies, for the bounds of rings and queues. */
size_t entry_size(const struct entry *entry);

/* Adds one format to packed data under construction. */
void entry_pack(struct buf *data, const char *format, const void *text,
    size_t len);
/* The text of a format; false when the item has none.  Not NUL-terminated. */
bool entry_format(const struct entry *entry, const char *format,
    struct slice *text);
/* Walks all formats: *at starts at 0; false at the end. */
bool entry_next(const struct entry *entry, size_t *at, struct slice *format,
    struct slice *text);
/* True if data is well packed; for what comes from the disk. */
bool entry_data_ok(const char *data, size_t len);

#endif
