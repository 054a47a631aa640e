/*
 * Keeps the BOSH sessions of one worker in the daemon's private state, so that
 * a restart or a kill -9 is not noticed (DESIGN 7).
 *
 * Two kinds of rows.  A session's record (record.h), under the hash of its sid,
 * holds who it is, what it listens to, its key, and the stanzas that are no
 * items and may not have arrived; it is written before the answer that tells of
 * a change, and that answer waits for it.  Rid and position change with every
 * request: they have a place in a page of KEEP_PAGE sessions, and the pages in
 * which something moved are written every KEEP_MS.
 *
 * Pages begin with a mark of the process; those of an older process are read at
 * the start, and removed once all workers have written theirs.
 */
#ifndef WAFT_KEEP_H
#define WAFT_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "bosh/record.h"
#include "common/base/text.h"
#include "common/store/store.h"

#define KEEP_MS   100
#define KEEP_PAGE 64

/* A sid's hash: its first bytes are the name of its place. */
#define KEEP_HASH 20

struct arrival;
struct client;
struct gateway;
struct keep;

struct keep *keep_create(struct gateway *gateway);
void keep_free(struct keep *keep);
/* Reads the sessions of before; once, before the loop runs. */
void keep_load(struct keep *keep);
/* While it reads them, requests of unknown sids wait here; false: it does not.
 */
bool keep_park(struct keep *keep, struct arrival *arrival, struct slice text);

/* A new session, sid set. */
void keep_add(struct keep *keep, struct client *client);
/* It is over: its record goes. */
void keep_remove(struct keep *keep, struct client *client);
/* Something of its record changed. */
void keep_changed(struct client *client);
/* Its rid or its position changed. */
void keep_moved(struct client *client);
/* Before answers: writes the record if it changed.  True while one is being
 * written: answers wait, the client is flushed again. */
bool keep_holds_back(struct client *client);
/* Writes what moved, now. */
void keep_write(struct keep *keep);
/* From now on ends remove nothing: the program stops, the sessions stay. */
void keep_stay(struct keep *keep);
bool keep_stays(const struct keep *keep);

void keep_hash(const char *sid, size_t len, unsigned char hash[KEEP_HASH]);
/* The name in its client's `sid` until its client comes back: # and the hash
 * in hex. */
void keep_name(const unsigned char hash[KEEP_HASH], char *name);

/* ---- between keep.c, restore.c and revive.c -------------------------- */

/* What stands in the record of a client, and a client from it (revive.c). */
void revive_write(const struct client *client, struct buf *out);
/* NULL and *why (static): it is not to go on.  Hash is of its sid. */
struct client *revive_client(struct gateway *gateway,
    const struct record *record, const unsigned char hash[KEEP_HASH],
    const char **why);
/* All up to it took effect, and what it said is in the record. */
uint64_t revive_rid(const struct client *client);
/* Items up to it have arrived. */
uint64_t revive_upto(const struct client *client);
/* Stanzas that are no items may not have arrived. */
bool revive_has_texts(const struct client *client);

/* One that was restored (keep.c). */
void keep_put_back(struct keep *keep, struct client *client,
    const unsigned char hash[KEEP_HASH]);
struct gateway *keep_gateway(const struct keep *keep);
/* Every place anew; done when that is on disk. */
void keep_write_all(struct keep *keep, state_fn *done, void *arg);

#define KEEP_RECORDS "session/"
#define KEEP_PAGES   "page/"

/* Mark of this process's pages, hex. */
const char *keep_mark(const struct keep *keep);
/* The reading has ended: parked requests go on. */
void keep_loaded(struct keep *keep);

/* restore.c */
void restore_begin(struct keep *keep);

#endif
