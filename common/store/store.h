/*
 * The store: one log of entries, strictly by seq, shared by all daemons, and
 * small private state for each.  The seam: every backend (memory, sqlite)
 * behaves the same and passes the same tests.
 *
 * All calls are asynchronous: the done function is posted to the calling loop,
 * in the order of the calls of that loop and kind (but that an append for which
 * the queue has no room is answered ERR_BUSY at once).  `Borrowed` results are
 * valid while done runs.  Store_free() answers what is outstanding first.
 *
 * Following the log: each process keeps one ring of recent entries, the tail
 * (`tail-size`), filled strictly by seq with its own and with foreign entries.
 * Whoever follows is told "it grew" (which carries no data and may be doubled
 * or late) and reads from its own position; who fell off the ring's end reads
 * the log with store_scan() until it is back.
 */
#ifndef WAFT_STORE_H
#define WAFT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/base/err.h"
#include "common/base/loop.h"
#include "common/store/entry.h"

struct store;

/* ---- life ------------------------------------------------------------ */

/*
 * Opens or makes the store that conf names and starts its threads.  Daemon is
 * "component", "bosh", …: it names the private file.  NULL when it cannot: *why
 * is a sentence with the path and the next step, *status the exit code
 * (sysexits.h: 78 not ours or newer, 73 cannot create, 74 I/O).  Conf is
 * borrowed.
 */
struct store *store_open(const struct conf *conf, const char *daemon,
    struct buf *why, int *status);
/* Finishes what was asked, stops the threads, frees. */
void store_free(struct store *store);

/* Eight hex digits, new for each new store. */
const char *store_epoch(const struct store *store);
/* Newest seq this process has seen; any thread. */
uint64_t store_newest(const struct store *store);
/* True while the last write went through; else *why (static). */
bool store_is_writable(const struct store *store, const char **why);

/* "epoch-seq".  Out holds at least STORE_POSITION_MAX. */
#define STORE_POSITION_MAX 32
void store_position(const struct store *store, uint64_t seq, char *out);
/* ERR_BAD: no position at all; ERR_GONE: of another epoch. */
enum err store_position_parse(const struct store *store, const char *text,
    uint64_t *seq);

/* ---- writing --------------------------------------------------------- */

struct append_result {
	uint64_t seq; /* of the first publish when duplicate */
	uint64_t prev_seq;
	bool duplicate;
};

/* Err ERR_BUSY, ERR_FULL, ERR_IO: nothing of the request is stored. */
typedef void append_fn(enum err err, const struct append_result *results,
    size_t count, void *arg);

/* One request, all or nothing; on disk before done.  Takes one reference of
 * each entry.  Entries is copied.  Items, ENTRY_CREATE, ENTRY_DELETE and
 * ENTRY_NODE: subscriptions have calls of their own.  An ENTRY_NODE that was
 * made from another node than the channel's is `duplicate`: nothing of it is
 * stored, and seq is that of the channel's. */
void store_append(struct store *store, struct loop *loop,
    struct entry **entries, size_t count, append_fn *done, void *arg);

/* ---- reading --------------------------------------------------------- */

enum read_state {
	READ_COMPLETE, /* nothing between after and the first entry is missing
	                */
	READ_PARTIAL   /* items after `after` were trimmed */
};

struct read_result {
	enum err err;
	enum read_state state;
	struct entry **entries; /* borrowed; entry_ref() what is kept */
	size_t count;
	uint64_t upto; /* every item up to it was looked at: the next `after` */
	bool more;     /* there are further ones behind */
};

typedef void read_fn(const struct read_result *result, void *arg);

/* Items of one channel with seq > after, oldest first, at most max.  Requests
 * of one channel waiting together are answered by one query. */
void store_read(struct store *store, struct loop *loop, const char *channel,
    uint64_t after, size_t max, read_fn *done, void *arg);
/* The newest max items of a channel with seq < before (0: of all), oldest of
 * them first. */
void store_read_newest(struct store *store, struct loop *loop,
    const char *channel, uint64_t before, size_t max, read_fn *done, void *arg);
/* Entries of all kinds and channels with seq > after: the log itself. */
void store_scan(struct store *store, struct loop *loop, uint64_t after,
    size_t max, read_fn *done, void *arg);

struct channel_info {
	const char *channel;
	uint64_t last_seq; /* 0: no item yet */
	int64_t last_ms;
	uint64_t items; /* stored now */
	/* What an owner said of it, and the seq of that; 0: nothing. */
	uint64_t node_seq;
	const char *node; /* not NUL-terminated */
	size_t node_len;
};

typedef void channels_fn(enum err err, const struct channel_info *channels,
    size_t count, void *arg);
/* Stored channels by name, those after the name `after` ("" from the start). */
void store_channels(struct store *store, struct loop *loop, const char *after,
    size_t max, channels_fn *done, void *arg);
/* ERR_NOTFOUND when the channel is not stored; else exactly one. */
void store_channel(struct store *store, struct loop *loop, const char *channel,
    channels_fn *done, void *arg);
/* The same without its items, which costs less: last_seq and items are 0. */
void store_node(struct store *store, struct loop *loop, const char *channel,
    channels_fn *done, void *arg);
/* Those of which an owner has said something; items are not counted. */
void store_nodes(struct store *store, struct loop *loop, const char *after,
    size_t max, channels_fn *done, void *arg);
/* Deleting one removes its node, items and subscriptions: append an
 * ENTRY_DELETE. */

/* ---- following ------------------------------------------------------- */

/* Grew(arg) is posted to loop after the tail has grown; at most one such post
 * is under way for each follower. */
struct follower;
struct follower *store_follow(struct store *store, struct loop *loop,
    loop_fn *grew, void *arg);
void store_unfollow(struct follower *follower);
/* Up to max entries of the tail with seq > after, each referenced for the
 * caller. Returns how many, or -1 when the tail no longer reaches back that
 * far: then store_scan(). */
int store_tail(struct store *store, uint64_t after, struct entry **entries,
    int max);

/* ---- subscriptions --------------------------------------------------- */

enum sub_state {
	SUB_ACTIVE = 0,
	SUB_SUSPENDED = 1,
	SUB_PENDING = 2 /* an owner is to approve it */
};

/* What it was made by: it lasts until all of them are taken back. */
#define SUB_BY_REQUEST  1U
#define SUB_BY_PRESENCE 2U /* a contact in his roster (RFC 6121 §3) */
#define SUB_WAYS_EXACT  4U /* in a put: these, and no others any more */

struct subscription {
	uint64_t n;        /* grows; the order of delivery */
	uint64_t since;    /* items after this seq belong to it */
	int64_t time_ms;   /* when it began */
	const char *owner; /* component's or BOSH domain, or "webhook" */
	const char *channel;
	const char *address; /* JID or URL */
	enum sub_state state;
	const char *reason; /* why suspended; NULL */
	unsigned ways;
	/* Where one that is, or was, suspended stopped: what follows it waits
	 * for the subscriber's return.  0: never was. */
	uint64_t position;
	uint64_t changed;   /* seq of the ENTRY_SUB that brought its state */
	int64_t changed_ms; /* when that was */
};

/* Existed: an equal one was there already and was left alone. */
typedef void sub_put_fn(enum err err, const struct subscription *sub,
    bool existed, void *arg);
typedef void sub_list_fn(enum err err, const struct subscription *subs,
    size_t count, uint64_t as_of, void *arg);

/* Adds it, or changes state and reason of the one with the same owner, channel
 * and address.  N, since and time are given by the store: n and since are the
 * seq of the ENTRY_SUB that began it.  Position counts when it becomes
 * suspended by this (0: now) and is kept from then on.  Ways are added to those
 * that are there; 0 adds none, and is a request where there is none.  An
 * ENTRY_SUB of the log carries it to every daemon.  The strings are copied. */
void store_sub_put(struct store *store, struct loop *loop,
    const struct subscription *sub, sub_put_fn *done, void *arg);
/* ERR_NOTFOUND when there is none. */
void store_sub_del(struct store *store, struct loop *loop, const char *owner,
    const char *channel, const char *address, sub_put_fn *done, void *arg);

struct sub_filter {
	const char *owner;   /* NULL: any */
	const char *channel; /* NULL: any */
	const char
	    *address; /* exact, or for a bare JID all its resources too; NULL */
};
/* By n, those with n > after_n.  As_of is the seq the answer is true at. */
void store_sub_list(struct store *store, struct loop *loop,
    const struct sub_filter *filter, uint64_t after_n, size_t max,
    sub_list_fn *done, void *arg);

/* An ENTRY_SUB or ENTRY_UNSUB unpacked; false when malformed.  Strings borrow
 * from the entry. */
bool subscription_unpack(const struct entry *entry, struct subscription *sub);

/* ---- holding items back ---------------------------------------------- */

/* What follows seq is not trimmed, up to pin-size.  Owner as in subscriptions.
 * Written within a second.  Seq 0: unpins. */
void store_pin(struct store *store, const char *owner, uint64_t seq);

/* ---- leases ---------------------------------------------------------- */

/*
 * A name that one process at a time holds, of those that share the private file
 * (the daemons of one kind on one machine).  Held for STORE_LEASE_MS from each
 * renewal on; free at once when the holder drops it or has ended.
 */
#define STORE_LEASE_MS 3000

struct store_lease {
	const char *name;
	uint64_t generation; /* of the taking; grows with each */
};

/* Holder: of a take, who held it before ("" when it was dropped, or never
 * taken) or, with ERR_CONFLICT, who does; else "".  Borrowed. */
typedef void lease_fn(enum err err, uint64_t generation, const char *holder,
    void *arg);
/* ERR_CONFLICT: another holds it.  As: a name of one's own, such as
 * process_name()'s. */
void store_lease_take(struct store *store, struct loop *loop, const char *name,
    const char *as, lease_fn *done, void *arg);
/* ERR_GONE: another has taken it since. */
void store_lease_renew(struct store *store, struct loop *loop,
    const struct store_lease *lease, lease_fn *done, void *arg);
void store_lease_drop(struct store *store, struct loop *loop,
    const struct store_lease *lease, lease_fn *done, void *arg);

/* ---- private state --------------------------------------------------- */

/*
 * Keyed blobs of this daemon alone (PATH.daemon): positions of links, BOSH
 * sessions, retry state.  Survives kill -9; a power cut may take the last
 * moments.  Puts of one turn are one transaction.  Done may be NULL.
 */
typedef void state_fn(enum err err, void *arg);
void store_state_put(struct store *store, struct loop *loop, const char *key,
    const void *value, size_t len, state_fn *done, void *arg);
void store_state_del(struct store *store, struct loop *loop, const char *key,
    state_fn *done, void *arg);

/* The same, but only while the lease of this name is of this generation: else
 * ERR_GONE, counted and logged.  Never with puts of other calls half done. */
void store_state_put_under(struct store *store, struct loop *loop,
    const struct store_lease *lease, const char *key, const void *value,
    size_t len, state_fn *done, void *arg);

struct state_row {
	const char *key;
	const void *value;
	size_t len;
};
typedef void state_list_fn(enum err err, const struct state_row *rows,
    size_t count, void *arg);
/* All keys that start with prefix, by key. */
void store_state_list(struct store *store, struct loop *loop,
    const char *prefix, state_list_fn *done, void *arg);

#endif
