#include "common/store/tail.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/list.h"
#include "common/base/mem.h"

#define TAIL_SLOTS_MIN  64
#define TAIL_DROP_BATCH 64

/* Counted by the list of followers and by the post under way, so that neither
 * finds it freed. */
struct follower {
	TAILQ_ENTRY(follower) entry;
	struct tail *tail;
	struct loop *loop;
	loop_fn *grew;
	void *arg;
	_Atomic int refs;
	_Atomic bool posted;
	bool gone; /* of the loop's thread */
};

struct tail {
	pthread_mutex_t lock;
	struct entry **slots; /* a power of two of them */
	size_t n_slots;
	size_t first;
	size_t count;
	uint64_t bytes;
	uint64_t size;
	uint64_t floor; /* every entry above it is in the ring */
	_Atomic uint64_t newest;
	/* Of its own: who is woken reads the ring at once. */
	pthread_mutex_t followers_lock;
	TAILQ_HEAD(, follower) followers;
};

struct tail *
tail_create(uint64_t size, uint64_t newest)
{
	struct tail *tail = xcalloc(1, sizeof(*tail));

	pthread_mutex_init(&tail->lock, NULL);
	pthread_mutex_init(&tail->followers_lock, NULL);
	tail->n_slots = TAIL_SLOTS_MIN;
	tail->slots = xcalloc(tail->n_slots, sizeof(*tail->slots));
	tail->size = size;
	tail->floor = newest;
	atomic_init(&tail->newest, newest);
	TAILQ_INIT(&tail->followers);
	return tail;
}

static struct entry **
tail_slot(struct tail *tail, size_t at)
{
	return &tail->slots[(tail->first + at) & (tail->n_slots - 1)];
}

void
tail_free(struct tail *tail)
{
	if (tail == NULL)
		return;
	for (size_t i = 0; i < tail->count; i++)
		entry_unref(*tail_slot(tail, i));
	free(tail->slots);
	pthread_mutex_destroy(&tail->lock);
	pthread_mutex_destroy(&tail->followers_lock);
	free(tail);
}

static void
tail_widen(struct tail *tail)
{
	struct entry **slots;

	slots = xcalloc(2 * tail->n_slots, sizeof(*slots));
	for (size_t i = 0; i < tail->count; i++)
		slots[i] = *tail_slot(tail, i);
	free(tail->slots);
	tail->slots = slots;
	tail->n_slots *= 2;
	tail->first = 0;
}

/* Takes what is too much out of the ring; returns how many.  The caller drops
 * them outside the lock: the last reference may free a whole view. */
static size_t
tail_shrink(struct tail *tail, struct entry **dropped, size_t max)
{
	size_t n = 0;

	while (n < max && tail->bytes > tail->size && tail->count > 1) {
		struct entry *oldest = *tail_slot(tail, 0);

		tail->floor = oldest->seq;
		tail->bytes -= entry_size(oldest);
		tail->first = (tail->first + 1) & (tail->n_slots - 1);
		tail->count--;
		dropped[n++] = oldest;
	}
	return n;
}

static void
follower_unref(struct follower *follower)
{
	if (atomic_fetch_sub(&follower->refs, 1) == 1)
		free(follower);
}

static void
follower_post_cb(void *arg)
{
	struct follower *follower = arg;

	/* First the flag: what is put from now on posts again. */
	atomic_store(&follower->posted, false);
	if (!follower->gone)
		follower->grew(follower->arg);
	follower_unref(follower);
}

static void
tail_ring(struct tail *tail)
{
	struct follower *follower;

	pthread_mutex_lock(&tail->followers_lock);
	TAILQ_FOREACH(follower, &tail->followers, entry) {
		if (atomic_exchange(&follower->posted, true))
			continue;
		atomic_fetch_add(&follower->refs, 1);
		loop_post(follower->loop, follower_post_cb, follower);
	}
	pthread_mutex_unlock(&tail->followers_lock);
}

void
tail_put(struct tail *tail, struct entry **entries, size_t count)
{
	struct entry *dropped[TAIL_DROP_BATCH];
	size_t n;

	if (count == 0)
		return;
	pthread_mutex_lock(&tail->lock);
	for (size_t i = 0; i < count; i++) {
		if (tail->count == tail->n_slots)
			tail_widen(tail);
		*tail_slot(tail, tail->count++) = entries[i];
		tail->bytes += entry_size(entries[i]);
	}
	atomic_store(&tail->newest, entries[count - 1]->seq);
	n = tail_shrink(tail, dropped, TAIL_DROP_BATCH);
	pthread_mutex_unlock(&tail->lock);
	tail_ring(tail);
	while (n != 0) {
		for (size_t i = 0; i < n; i++)
			entry_unref(dropped[i]);
		pthread_mutex_lock(&tail->lock);
		n = tail_shrink(tail, dropped, TAIL_DROP_BATCH);
		pthread_mutex_unlock(&tail->lock);
	}
}

void
tail_skip(struct tail *tail, uint64_t newest)
{
	pthread_mutex_lock(&tail->lock);
	while (tail->count != 0)
		entry_unref(*tail_slot(tail, --tail->count));
	tail->bytes = 0;
	tail->floor = newest;
	atomic_store(&tail->newest, newest);
	pthread_mutex_unlock(&tail->lock);
	tail_ring(tail);
}

uint64_t
tail_newest(const struct tail *tail)
{
	return atomic_load(&tail->newest);
}

/* Index of the first entry above after. */
static size_t
tail_find(struct tail *tail, uint64_t after)
{
	size_t low = 0, high = tail->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if ((*tail_slot(tail, mid))->seq > after)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

int
tail_get(struct tail *tail, uint64_t after, struct entry **entries, int max)
{
	int n = 0;

	if (after >= tail_newest(tail))
		return 0;
	pthread_mutex_lock(&tail->lock);
	if (after < tail->floor)
		n = -1;
	else
		for (size_t i = tail_find(tail, after);
		     i < tail->count && n < max; i++)
			entries[n++] = entry_ref(*tail_slot(tail, i));
	pthread_mutex_unlock(&tail->lock);
	return n;
}

struct follower *
tail_follow(struct tail *tail, struct loop *loop, loop_fn *grew, void *arg)
{
	struct follower *follower = xcalloc(1, sizeof(*follower));

	follower->tail = tail;
	follower->loop = loop;
	follower->grew = grew;
	follower->arg = arg;
	atomic_init(&follower->refs, 1);
	pthread_mutex_lock(&tail->followers_lock);
	TAILQ_INSERT_TAIL(&tail->followers, follower, entry);
	pthread_mutex_unlock(&tail->followers_lock);
	return follower;
}

void
tail_unfollow(struct follower *follower)
{
	struct tail *tail;

	if (follower == NULL)
		return;
	tail = follower->tail;
	pthread_mutex_lock(&tail->followers_lock);
	TAILQ_REMOVE(&tail->followers, follower, entry);
	pthread_mutex_unlock(&tail->followers_lock);
	follower->gone = true;
	follower_unref(follower);
}
