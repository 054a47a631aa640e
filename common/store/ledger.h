/*
 * What this process knows of the log without asking the disk: the newest item
 * of each channel, and the ids of the last `duplicate-ttl`.  Exact, because
 * every entry, own or foreign, is added strictly by seq before the next append
 * is decided (DESIGN 6).  Belongs to whoever appends; no locks.
 *
 * Ids are kept as 128 bits of a keyed hash, in five tables that are dropped
 * whole as they age.  Past LEDGER_IDS_MAX the oldest of them goes early; that
 * is counted and logged.
 */
#ifndef WAFT_STORE_LEDGER_H
#define WAFT_STORE_LEDGER_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/store/store.h"

#define LEDGER_IDS_MAX (4 << 20)

struct ledger;

struct ledger_channel {
	UT_hash_handle hh;
	int64_t row;          /* the backend's name for it; 0: none yet */
	uint64_t last_seq;    /* its newest item, trimmed or not; 0: none */
	uint64_t deleted_seq; /* ids up to it do not count any more */
	int64_t last_ms;
	uint64_t items; /* stored now; the backend counts down */
	bool stored;    /* published to or created, and not deleted since */

	/* The backend's, for retention. */
	TAILQ_ENTRY(ledger_channel) due_entry;
	const struct conf_class *class;
	int64_t oldest_ms; /* of its oldest item; 0: not known */
	unsigned term;     /* of the lease in which its items were counted */
	int64_t due_ms;    /* look for what to trim then; 0: not in the list */
	char name[];
};

struct ledger_id {
	uint64_t seq;
	uint64_t prev_seq;
	int64_t time_ms;
};

struct ledger *ledger_create(int64_t ttl_ms);
void ledger_free(struct ledger *ledger);

struct ledger_channel *ledger_find(struct ledger *ledger, const char *name);
/* Made when it is not there. */
struct ledger_channel *ledger_channel(struct ledger *ledger, const char *name);
/* All of them: MAP_FOREACH(). */
struct ledger_channel *ledger_channels(struct ledger *ledger);
void ledger_forget(struct ledger *ledger, struct ledger_channel *channel);

/*
 * Decides on an entry to be appended to its channel as seq: false when it is a
 * duplicate and no update, and result says of what; else the entry gets its
 * seq, prev_seq and time and is added.
 */
bool ledger_decide(struct ledger *ledger, struct ledger_channel *channel,
    struct entry *entry, uint64_t seq, int64_t now_ms,
    struct append_result *result);
/* Learns of an entry that has its seq, prev_seq and time. */
void ledger_add(struct ledger *ledger, const struct entry *entry);
/* Learns of an id alone, as when a store is opened; by seq. */
void ledger_add_id(struct ledger *ledger, const char *channel, const char *id,
    const struct ledger_id *value);

/* What is added from begin on can be taken back once, until the next begin. */
void ledger_begin(struct ledger *ledger);
void ledger_rollback(struct ledger *ledger);
/* The backend is about to change fields of a channel: rollback restores them.
 */
void ledger_note(struct ledger *ledger, struct ledger_channel *channel);

#endif
