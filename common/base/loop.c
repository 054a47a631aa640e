#include "common/base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

/* Room that a burst made and that is given back after it. */
#define LOOP_QUEUE_KEEP 4096
/* Rounds that loop_free() grants to work which makes more work. */
#define LOOP_LAST_ROUNDS 100

static struct stat_metric loop_slow = STAT_COUNTER("waft_loop_slow_turns_total",
    "Turns of a loop of more than 50 ms, in which all else on it waited", NULL);
static struct stat_metric loop_longest = STAT_GAUGE("waft_loop_turn_max_ms",
    "Longest turn of a loop since the start", NULL);

struct loop_call {
	loop_fn *fn;
	void *arg;
};

struct loop_queue {
	struct loop_call *calls;
	size_t count;
	size_t size;
};

TAILQ_HEAD(loop_works, deferred);

struct loop {
	struct event_base *base;
	struct event *wake_event;
	int wake_fd;

	pthread_mutex_t lock; /* over posts, asleep, owner and stopped */
	struct loop_queue posts;
	bool asleep; /* waits, or is about to, and must be woken */
	bool stopped;
	pthread_t owner; /* its own posts are taken at the end of the turn */

	struct loop_queue taken; /* the posts that run now */
	struct loop_queue reaps;
	struct loop_works works[LOOP_STAGES];
	struct loop_works late;
	uint32_t turn;
	int found;        /* events, in the turn before */
	long long now_ms; /* 0: not read in this turn */

	struct event *signals[3];
	loop_fn *stop_fn;
	loop_fn *reload_fn;
	void *signal_arg;
};

static void
loop_queue_add(struct loop_queue *queue, loop_fn *fn, void *arg)
{
	if (queue->count == queue->size) {
		queue->size = queue->size == 0 ? 16 : queue->size * 2;
		queue->calls = xreallocarray(queue->calls, queue->size,
		    sizeof(*queue->calls));
	}
	queue->calls[queue->count].fn = fn;
	queue->calls[queue->count++].arg = arg;
}

static void
loop_queue_clear(struct loop_queue *queue)
{
	free(queue->calls);
	*queue = (struct loop_queue){ 0 };
}

/* Runs what is there, and what is added meanwhile. */
static void
loop_queue_run(struct loop_queue *queue)
{
	struct loop_call call;
	size_t i;

	for (i = 0; i < queue->count; i++) {
		call = queue->calls[i];
		call.fn(call.arg);
	}
	queue->count = 0;
	if (queue->size > LOOP_QUEUE_KEEP)
		loop_queue_clear(queue);
}

/* Nothing to do: to be awake was all.  Edge-triggered, so the counter is never
 * read and each write wakes. */
static void
loop_wake_cb(UNUSED int fd, UNUSED short what, UNUSED void *arg)
{
}

static struct event_base *
loop_create_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_require_features(config, EV_FEATURE_ET);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (base == NULL)
		fatal(EX_OSERR, "loop.create", "errno=%d", errno);
	return base;
}

struct loop *
loop_create(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	int stage;

	signal(SIGPIPE, SIG_IGN);
	for (stage = 0; stage < LOOP_STAGES; stage++)
		TAILQ_INIT(&loop->works[stage]);
	TAILQ_INIT(&loop->late);
	loop->turn = 1;
	pthread_mutex_init(&loop->lock, NULL);
	loop->base = loop_create_base();
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		fatal(EX_OSERR, "loop.wake", "errno=%d", errno);
	loop->wake_event = event_new(loop->base, loop->wake_fd,
	    EV_READ | EV_ET | EV_PERSIST, loop_wake_cb, NULL);
	if (loop->wake_event == NULL || event_add(loop->wake_event, NULL) != 0)
		fatal(EX_OSERR, "loop.wake", "errno=%d", errno);
	return loop;
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

/* Holds the lock; lets go of it. */
static void
loop_unlock_and_wake(struct loop *loop)
{
	const uint64_t one = 1;
	bool wake = loop->asleep && !pthread_equal(loop->owner, pthread_self());

	if (wake)
		loop->asleep = false;
	pthread_mutex_unlock(&loop->lock);
	if (wake)
		while (write(loop->wake_fd, &one, sizeof(one)) < 0 &&
		    errno == EINTR)
			continue;
}

void
loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
	pthread_mutex_lock(&loop->lock);
	loop_queue_add(&loop->posts, fn, arg);
	loop_unlock_and_wake(loop);
}

void
loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stopped = true;
	loop_unlock_and_wake(loop);
}

static bool
loop_is_stopped(struct loop *loop)
{
	bool stopped;

	pthread_mutex_lock(&loop->lock);
	stopped = loop->stopped;
	pthread_mutex_unlock(&loop->lock);
	return stopped;
}

static bool
loop_is_due(struct loop *loop)
{
	int stage;

	if (!TAILQ_EMPTY(&loop->late) || loop->reaps.count > 0)
		return true;
	for (stage = 0; stage < LOOP_STAGES; stage++)
		if (!TAILQ_EMPTY(&loop->works[stage]))
			return true;
	return false;
}

/* Whether the turn may wait.  From a yes on, posters wake the loop. */
static bool
loop_fall_asleep(struct loop *loop)
{
	bool asleep;

	if (loop_is_due(loop))
		return false;
	pthread_mutex_lock(&loop->lock);
	asleep = loop->posts.count == 0 && !loop->stopped;
	loop->asleep = asleep;
	loop->owner = pthread_self();
	pthread_mutex_unlock(&loop->lock);
	return asleep;
}

static void
loop_run_posts(struct loop *loop)
{
	struct loop_queue empty = loop->taken;

	pthread_mutex_lock(&loop->lock);
	loop->asleep = false;
	loop->taken = loop->posts;
	loop->posts = empty;
	pthread_mutex_unlock(&loop->lock);
	loop_queue_run(&loop->taken);
}

static void
loop_run_stage(struct loop *loop, enum loop_stage stage)
{
	struct loop_works *works = &loop->works[stage];
	struct deferred *work;

	while ((work = TAILQ_FIRST(works)) != NULL) {
		TAILQ_REMOVE(works, work, entry);
		work->queued = false;
		work->turn = loop->turn;
		work->fn(work->arg);
	}
}

static void
loop_run_stages(struct loop *loop)
{
	loop_run_stage(loop, LOOP_READ);
	loop_run_stage(loop, LOOP_DELIVER);
	loop_run_stage(loop, LOOP_FLUSH);
	do {
		loop_run_stage(loop, LOOP_REAP);
		loop_queue_run(&loop->reaps);
	} while (!TAILQ_EMPTY(&loop->works[LOOP_REAP]));
}

/* What was put off from the turn before goes first. */
static void
loop_begin(struct loop *loop)
{
	struct deferred *work;

	loop->now_ms = 0;
	loop->turn++;
	while ((work = TAILQ_LAST(&loop->late, loop_works)) != NULL) {
		TAILQ_REMOVE(&loop->late, work, entry);
		TAILQ_INSERT_HEAD(&loop->works[work->stage], work, entry);
		work->late = false;
	}
}

static int64_t
loop_clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
loop_took(int64_t ms)
{
	stat_max(&loop_longest, ms);
	if (ms > LOOP_SLOW_MS)
		stat_add(&loop_slow, 1);
}

void
loop_turn(struct loop *loop, bool block)
{
	bool waits = block && loop_fall_asleep(loop);
	clockid_t clock = waits ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
	int64_t begin_us = loop_clock_us(clock);

	loop_begin(loop);
	event_base_loop(loop->base,
	    waits ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop->found =
	    event_base_get_max_events(loop->base, EVENT_BASE_COUNT_ACTIVE, 1);
	loop_run_posts(loop);
	loop_run_stages(loop);
	loop_took((loop_clock_us(clock) - begin_us) / 1000);
}

static void
loop_nap(const struct loop *loop)
{
	static const struct timespec nap = { 0, LOOP_NAP_US * 1000L };

	if (loop->found >= LOOP_NAP_FROM && loop->found < LOOP_NAP_TO &&
	    event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ADDED) >=
	        LOOP_NAP_EVENTS)
		nanosleep(&nap, NULL);
}

void
loop_run(struct loop *loop)
{
	while (!loop_is_stopped(loop)) {
		loop_nap(loop);
		loop_turn(loop, true);
	}
	pthread_mutex_lock(&loop->lock);
	loop->stopped = false;
	pthread_mutex_unlock(&loop->lock);
}

void
loop_free(struct loop *loop)
{
	size_t i;

	for (i = 0; i < LOOP_LAST_ROUNDS; i++) {
		loop_begin(loop);
		loop_run_posts(loop);
		loop_run_stages(loop);
		if (loop->posts.count == 0 && !loop_is_due(loop))
			break;
	}
	for (i = 0; i < ARRAY_LEN(loop->signals); i++)
		if (loop->signals[i] != NULL)
			event_free(loop->signals[i]);
	event_free(loop->wake_event);
	event_base_free(loop->base);
	close(loop->wake_fd);
	loop_queue_clear(&loop->posts);
	loop_queue_clear(&loop->taken);
	loop_queue_clear(&loop->reaps);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

void
loop_defer_init(struct deferred *work, enum loop_stage stage, loop_fn *fn,
    void *arg)
{
	*work = (struct deferred){
		.fn = fn,
		.arg = arg,
		.stage = (uint8_t)stage,
	};
}

void
loop_defer(struct loop *loop, struct deferred *work)
{
	if (work->queued)
		return;
	work->queued = true;
	work->late = work->turn == loop->turn;
	TAILQ_INSERT_TAIL(work->late ? &loop->late : &loop->works[work->stage],
	    work, entry);
}

void
loop_defer_cancel(struct loop *loop, struct deferred *work)
{
	if (!work->queued)
		return;
	work->queued = false;
	TAILQ_REMOVE(work->late ? &loop->late : &loop->works[work->stage], work,
	    entry);
}

void
loop_reap(struct loop *loop, loop_fn *fn, void *ptr)
{
	loop_queue_add(&loop->reaps, fn, ptr);
}

long long
loop_now_ms(struct loop *loop)
{
	if (loop->now_ms == 0)
		loop->now_ms = clock_mono_ms();
	return loop->now_ms;
}

static void
loop_signal_cb(int number, UNUSED short what, void *arg)
{
	struct loop *loop = arg;
	loop_fn *fn = number == SIGHUP ? loop->reload_fn : loop->stop_fn;

	fn(loop->signal_arg);
}

static void
loop_on_signal(struct loop *loop, size_t slot, int number)
{
	loop->signals[slot] =
	    evsignal_new(loop->base, number, loop_signal_cb, loop);
	if (loop->signals[slot] == NULL ||
	    evsignal_add(loop->signals[slot], NULL) != 0)
		fatal(EX_OSERR, "loop.signal", "signal=%d", number);
}

void
loop_on_signals(struct loop *loop, loop_fn *stop, loop_fn *reload, void *arg)
{
	loop->stop_fn = stop;
	loop->reload_fn = reload;
	loop->signal_arg = arg;
	if (stop != NULL) {
		loop_on_signal(loop, 0, SIGINT);
		loop_on_signal(loop, 1, SIGTERM);
	}
	if (reload != NULL)
		loop_on_signal(loop, 2, SIGHUP);
}
