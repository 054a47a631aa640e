#include <errno.h>
#include <unistd.h>

#include "common/store/sqlite.h"

void
queue_init(struct queue *queue, int wake_fd)
{
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->cond, NULL);
	STAILQ_INIT(&queue->requests);
	queue->wake_fd = wake_fd;
}

void
queue_clear(struct queue *queue)
{
	pthread_cond_destroy(&queue->cond);
	pthread_mutex_destroy(&queue->lock);
}

/*
 * Holds the lock; lets go of it, and only then wakes who sleeps, who would meet
 * it otherwise.  One wake-up for a burst: who is awake looks again before it
 * sleeps.
 */
static void
queue_unlock_and_wake(struct queue *queue)
{
	static const uint64_t one = 1;
	bool wake = queue->asleep;

	queue->asleep = false;
	if (wake && queue->wake_fd < 0)
		pthread_cond_signal(&queue->cond);
	pthread_mutex_unlock(&queue->lock);
	if (wake && queue->wake_fd >= 0)
		while (write(queue->wake_fd, &one, sizeof(one)) < 0 &&
		    errno == EINTR)
			;
}

static size_t
queue_cost(const struct request *request)
{
	return request->kind == REQUEST_APPEND ? request->u.append.bytes : 0;
}

bool
queue_put(struct queue *queue, struct request *request)
{
	size_t cost = queue_cost(request);
	bool fits;

	pthread_mutex_lock(&queue->lock);
	fits = cost == 0 || queue->bytes == 0 ||
	    queue->bytes + cost <= SQLITE_QUEUE_MAX;
	if (!fits) {
		pthread_mutex_unlock(&queue->lock);
		return false;
	}
	queue->bytes += cost;
	STAILQ_INSERT_TAIL(&queue->requests, request, entry);
	queue_unlock_and_wake(queue);
	return true;
}

void
queue_nudge(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->nudged = true;
	queue_unlock_and_wake(queue);
}

void
queue_end(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ending = true;
	queue_unlock_and_wake(queue);
}

static bool
queue_move(struct queue *queue, struct requests *to, size_t max)
{
	struct request *request;
	size_t n = 0, bytes = 0;

	while (n < max && (request = STAILQ_FIRST(&queue->requests)) != NULL) {
		size_t cost = queue_cost(request);

		if (n != 0 && bytes + cost > SQLITE_GROUP_MAX)
			break;
		STAILQ_REMOVE_HEAD(&queue->requests, entry);
		STAILQ_INSERT_TAIL(to, request, entry);
		queue->bytes -= cost;
		bytes += cost;
		n++;
	}
	queue->nudged = false;
	return n != 0 || !queue->ending;
}

bool
queue_take(struct queue *queue, struct requests *to, size_t max)
{
	bool more;

	pthread_mutex_lock(&queue->lock);
	queue->asleep = false;
	more = queue_move(queue, to, max);
	pthread_mutex_unlock(&queue->lock);
	return more;
}

bool
queue_wait(struct queue *queue, struct requests *to, size_t max)
{
	bool more;

	pthread_mutex_lock(&queue->lock);
	while (STAILQ_EMPTY(&queue->requests) && !queue->nudged &&
	    !queue->ending) {
		queue->asleep = true;
		pthread_cond_wait(&queue->cond, &queue->lock);
	}
	queue->asleep = false;
	more = queue_move(queue, to, max);
	pthread_mutex_unlock(&queue->lock);
	return more;
}

bool
queue_sleep(struct queue *queue)
{
	bool idle;

	pthread_mutex_lock(&queue->lock);
	idle =
	    STAILQ_EMPTY(&queue->requests) && !queue->nudged && !queue->ending;
	queue->asleep = idle;
	pthread_mutex_unlock(&queue->lock);
	return idle;
}
