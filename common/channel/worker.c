#include "common/channel/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/channel/channel.h"

/* Entries taken from the log at once. */
#define WORKER_BATCH 256
/* Subs that entries of one turn may touch before connections get their turn. */
#define WORKER_TURN_MAX   100000
#define WORKER_RETRY_SECS 1
#define WORKER_LAST_TURNS 3

static struct stat_metric worker_scans = STAT_COUNTER("waft_worker_scans_total",
    "Reads of the log by workers that fell off the tail in memory", NULL);
static struct stat_metric worker_failures =
    STAT_COUNTER("waft_worker_scan_failures_total",
        "Reads of the log that failed and were repeated", NULL);

/*
 * Entries come in batches, out of the tail or out of the log; a batch is worked
 * off over as many turns as it needs, and is done once next reaches count.
 */
struct worker {
	const struct conf *conf;
	struct store *store;
	struct loop *loop;
	struct channel *channels;
	struct follower *follower;
	worker_entry_fn *hook;
	void *hook_arg;
	uint64_t position;
	uint64_t upto; /* position once the batch is done */
	size_t held;
	int pumping; /* channels that are not done with what was taken */
	int pump_max;
	struct deferred take;
	struct deferred again;
	struct event *retry;
	struct worker *beside; /* the next one of those on the same loop */
	bool is_beside;
	pthread_t thread;
	bool running;
	bool paused;
	bool scanning;
	bool stale; /* what is being scanned is not wanted any more */
	int next;
	int count;
	struct entry *batch[WORKER_BATCH];
};

static void worker_take(void *arg);

static void
worker_grew(void *arg)
{
	struct worker *worker = arg;

	loop_defer(worker->loop, &worker->take);
}

static void
worker_retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	worker_grew(arg);
}

static struct worker *
worker_make(const struct conf *conf, struct store *store, struct loop *loop)
{
	struct worker *worker = xcalloc(1, sizeof *worker);

	worker->conf = conf;
	worker->store = store;
	worker->pump_max = WORKER_PUMP_MAX;
	worker->loop = loop;
	loop_defer_init(&worker->take, LOOP_DELIVER, worker_take, worker);
	/* From the last stage to an earlier one: that is the next turn. */
	loop_defer_init(&worker->again, LOOP_REAP, worker_grew, worker);
	worker->retry =
	    event_new(loop_base(worker->loop), -1, 0, worker_retry_cb, worker);
	if (worker->retry == NULL)
		fatal(EX_OSERR, "worker.event", "reason=memory");
	return worker;
}

struct worker *
worker_create(const struct conf *conf, struct store *store)
{
	return worker_make(conf, store, loop_create());
}

struct worker *
worker_create_beside(struct worker *worker)
{
	struct worker *beside =
	    worker_make(worker->conf, worker->store, worker->loop);

	beside->is_beside = true;
	beside->beside = worker->beside;
	worker->beside = beside;
	return beside;
}

static void
worker_drop_batch(struct worker *worker)
{
	while (worker->next < worker->count)
		entry_unref(worker->batch[worker->next++]);
}

static void
worker_clear(struct worker *worker)
{
	struct channel *channel, *next;

	worker_drop_batch(worker);
	for (channel = worker->channels; channel != NULL; channel = next) {
		next = channel_next(channel);
		channel_free(channel);
	}
	loop_defer_cancel(worker->loop, &worker->take);
	loop_defer_cancel(worker->loop, &worker->again);
	event_free(worker->retry);
	if (!worker->is_beside)
		loop_free(worker->loop);
	free(worker);
}

void
worker_free(struct worker *worker)
{
	struct worker *beside;
	int i;

	if (worker == NULL)
		return;
	/* What was posted or put off at the very end may still clear subs. */
	for (i = 0; i < WORKER_LAST_TURNS; i++)
		loop_turn(worker->loop, false);
	while ((beside = worker->beside) != NULL) {
		worker->beside = beside->beside;
		worker_clear(beside);
	}
	worker_clear(worker);
}

struct loop *
worker_loop(struct worker *worker)
{
	return worker->loop;
}

struct store *
worker_store(struct worker *worker)
{
	return worker->store;
}

const struct conf *
worker_conf(struct worker *worker)
{
	return worker->conf;
}

void
worker_reload(struct worker *worker, const struct conf *conf)
{
	for (; worker != NULL; worker = worker->beside)
		worker->conf = conf;
}

uint64_t
worker_position(const struct worker *worker)
{
	return worker->position;
}

struct channel **
worker_channels(struct worker *worker)
{
	return &worker->channels;
}

bool
worker_is_following(const struct worker *worker)
{
	return worker->follower != NULL;
}

void
worker_hold(struct worker *worker, size_t bytes)
{
	worker->held += bytes;
}

void
worker_release(struct worker *worker, size_t bytes)
{
	worker->held -= bytes;
}

bool
worker_holds_too_much(const struct worker *worker)
{
	return worker->held > worker->conf->store.tail_size;
}

void
worker_set_pump_max(struct worker *worker, int subs)
{
	worker->pump_max = subs;
}

int
worker_pump_max(const struct worker *worker)
{
	return worker->pump_max;
}

void
worker_pumps(struct worker *worker, int n)
{
	worker->pumping += n;
	if (worker->pumping == 0)
		worker_grew(worker);
}

void
worker_follow(struct worker *worker, uint64_t after, worker_entry_fn *hook,
    void *arg)
{
	struct channel *channel;

	worker->position = worker->upto = after;
	worker->hook = hook;
	worker->hook_arg = arg;
	worker->follower =
	    store_follow(worker->store, worker->loop, worker_grew, worker);
	for (channel = worker->channels; channel != NULL;
	     channel = channel_next(channel))
		channel_follow(channel, after);
	worker_grew(worker);
}

void
worker_unfollow(struct worker *worker)
{
	if (worker->follower != NULL)
		store_unfollow(worker->follower);
	worker->follower = NULL;
	worker->paused = false;
	worker->stale = worker->scanning;
	worker_drop_batch(worker);
	event_del(worker->retry);
}

void
worker_pause(struct worker *worker, bool paused)
{
	if (worker->paused && !paused)
		worker_grew(worker);
	worker->paused = paused;
}

/* Hands one entry on and takes its reference; returns the subs it touches. */
static int
worker_entry(struct worker *worker, struct entry *entry)
{
	struct channel *channel = NULL;
	int subs;

	if (worker->hook != NULL)
		worker->hook(entry, worker->hook_arg);
	if (entry->kind == ENTRY_ITEM || entry->kind == ENTRY_DELETE)
		channel = channel_find(worker, entry->channel);
	worker->position = entry->seq;
	if (channel == NULL) {
		entry_unref(entry);
		return 0;
	}
	subs = channel_subs(channel);
	channel_grew(channel, entry);
	return subs;
}

static void
worker_scanned(const struct read_result *result, void *arg)
{
	struct worker *worker = arg;
	struct timeval wait = { WORKER_RETRY_SECS, 0 };
	bool stale = worker->stale;
	size_t i;

	worker->scanning = worker->stale = false;
	if (worker->follower == NULL)
		return;
	if (stale) {
		worker_grew(worker);
		return;
	}
	if (result->err != ERR_OK) {
		stat_add(&worker_failures, 1);
		log_warn("worker.scan", "err=%s", err_name(result->err));
		event_add(worker->retry, &wait);
		return;
	}
	for (i = 0; i < result->count; i++)
		worker->batch[i] = entry_ref(result->entries[i]);
	worker->next = 0;
	worker->count = (int)result->count;
	worker->upto = result->upto;
	worker_grew(worker);
}

/* Gets the next batch; false when there is none yet. */
static bool
worker_refill(struct worker *worker)
{
	int n;

	if (worker->upto > worker->position)
		worker->position = worker->upto;
	n = store_tail(worker->store, worker->position, worker->batch,
	    WORKER_BATCH);
	if (n < 0) {
		stat_add(&worker_scans, 1);
		worker->scanning = true;
		store_scan(worker->store, worker->loop, worker->position,
		    WORKER_BATCH, worker_scanned, worker);
		return false;
	}
	worker->next = 0;
	worker->count = n;
	return n > 0;
}

static void
worker_take(void *arg)
{
	struct worker *worker = arg;
	int work = 0;

	if (worker->follower == NULL || worker->paused || worker->scanning ||
	    worker->pumping > 0)
		return;
	if (worker->next == worker->count && !worker_refill(worker))
		return;
	while (worker->next < worker->count && !worker->paused &&
	    work < WORKER_TURN_MAX)
		work += worker_entry(worker, worker->batch[worker->next++]);
	if (!worker->paused)
		loop_defer(worker->loop, &worker->again);
}

static void *
worker_main(void *arg)
{
	struct worker *worker = arg;

	loop_run(worker->loop);
	return NULL;
}

void
worker_start(struct worker *worker)
{
	/* Before the thread is there: the flags beside it are then its own. */
	worker->running = true;
	if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
		fatal(EX_OSERR, "worker.thread", "reason=limit");
	pthread_setname_np(worker->thread, "worker");
}

void
worker_stop(struct worker *worker)
{
	loop_stop(worker->loop);
	if (worker->running)
		pthread_join(worker->thread, NULL);
	worker->running = false;
	for (; worker != NULL; worker = worker->beside) {
		if (worker->follower != NULL)
			store_unfollow(worker->follower);
		worker->follower = NULL;
	}
}
