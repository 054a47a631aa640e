/*
 * A worker: a thread, its loop, and its view of the channels that something
 * here listens to.  It follows the store's log from a position of its own: each
 * turn it takes what is new from the tail (or, when it fell behind, from the
 * log itself), hands each entry to its hook and to the channel it belongs to,
 * and pumps the channels that grew.  Nothing of a worker is ever touched by
 * another thread.
 */
#ifndef WAFT_CHANNEL_WORKER_H
#define WAFT_CHANNEL_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/base/loop.h"
#include "common/store/store.h"

/* What so many subs touch stays in the processor's cache until it is written,
 * and until they answer. */
#define WORKER_PUMP_MAX 64

struct worker;
struct channel;

/* Sees every entry of the log in order, before the channel does. */
typedef void worker_entry_fn(struct entry *entry, void *arg);

/* Has a loop of its own; runs nothing yet. */
struct worker *worker_create(const struct conf *conf, struct store *store);
/* One more on the same loop, with a position, a pause and channels of its own:
 * what holds it up holds up nobody else.  The worker's: stopped, reloaded and
 * freed with it. */
struct worker *worker_create_beside(struct worker *worker);
/* The loop must have stopped and all subs be cleared. */
void worker_free(struct worker *worker);

struct loop *worker_loop(struct worker *worker);
struct store *worker_store(struct worker *worker);
const struct conf *worker_conf(struct worker *worker);

/* Starts following the log behind `after` (store_newest() for "from now on").
 * Hook may be NULL.  Before or after the loop runs; only once before
 * worker_unfollow(). */
void worker_follow(struct worker *worker, uint64_t after, worker_entry_fn *hook,
    void *arg);
/* All its subs are cleared; the hook is not called any more. */
void worker_unfollow(struct worker *worker);
/* Every entry up to it has been taken. */
uint64_t worker_position(const struct worker *worker);
/* As many subs of a channel are offered its new entries in one turn, instead of
 * WORKER_PUMP_MAX. */
void worker_set_pump_max(struct worker *worker, int subs);
/* Reading the log is suspended while paused, for a transport that is full. */
void worker_pause(struct worker *worker, bool paused);

/* Runs the loop on a thread of its own.  Without it, run worker_loop(). */
void worker_start(struct worker *worker);
/* Stops the loop, joins the thread if there is one, and leaves the log: before
 * store_free(), which comes before worker_free(). */
void worker_stop(struct worker *worker);
/* A new configuration, for channels made from now on; the old one stays valid.
 * Worker's own thread. */
void worker_reload(struct worker *worker, const struct conf *conf);

/* ---- for channel.c --------------------------------------------------- */

struct channel **worker_channels(struct worker *worker);
bool worker_is_following(const struct worker *worker);
/* Bytes that channels of this worker hold back for subs that are behind. */
void worker_hold(struct worker *worker, size_t bytes);
void worker_release(struct worker *worker, size_t bytes);
bool worker_holds_too_much(const struct worker *worker);
/* A channel begins (1) or is done with (-1) offering entries to its subs. While
 * one is at it no further entries are taken. */
void worker_pumps(struct worker *worker, int n);
int worker_pump_max(const struct worker *worker);

#endif
