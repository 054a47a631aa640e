#include "common/base/stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct stat_metric *_Atomic stat_metrics;
static struct stat_times *_Atomic stat_all_times;

/* The last bucket takes the rest. */
static const struct {
	int64_t ms;
	const char *seconds;
} stat_bounds[STAT_BUCKETS - 1] = { { 10, "0.01" }, { 100, "0.1" },
	{ 1000, "1" }, { 10000, "10" }, { 60000, "60" } };

static __attribute__((noinline)) void
stat_register(struct stat_metric *metric)
{
	struct stat_metric *head;

	if (atomic_exchange(&metric->registered, 1) != 0)
		return;
	head = atomic_load(&stat_metrics);
	do
		metric->next = head;
	while (!atomic_compare_exchange_weak(&stat_metrics, &head, metric));
}

static inline void
stat_need(struct stat_metric *metric)
{
	if (!atomic_load_explicit(&metric->registered, memory_order_relaxed))
		stat_register(metric);
}

/* The calling thread's among the shards. */
static unsigned
stat_shard(void)
{
	static _Atomic unsigned threads;
	static _Thread_local unsigned number;

	if (number == 0)
		number = 1 + atomic_fetch_add(&threads, 1) % STAT_SHARDS;
	return number - 1;
}

void
stat_add(struct stat_metric *metric, int64_t n)
{
	stat_need(metric);
	atomic_fetch_add_explicit(&metric->shards[stat_shard()].value, n,
	    memory_order_relaxed);
}

void
stat_set(struct stat_metric *metric, int64_t value)
{
	stat_need(metric);
	atomic_store_explicit(&metric->shards[0].value, value,
	    memory_order_relaxed);
}

void
stat_max(struct stat_metric *metric, int64_t value)
{
	_Atomic int64_t *at = &metric->shards[0].value;
	int64_t old = atomic_load_explicit(at, memory_order_relaxed);

	stat_need(metric);
	while (value > old && !atomic_compare_exchange_weak(at, &old, value))
		continue;
}

int64_t
stat_get(struct stat_metric *metric)
{
	int64_t sum = 0;

	for (int i = 0; i < STAT_SHARDS; i++)
		sum += atomic_load_explicit(&metric->shards[i].value,
		    memory_order_relaxed);
	return sum;
}

int64_t
stat_sum(const char *name)
{
	struct stat_metric *metric;
	int64_t sum = 0;

	for (metric = atomic_load(&stat_metrics); metric != NULL;
	     metric = metric->next)
		if (strcmp(metric->name, name) == 0)
			sum += stat_get(metric);
	return sum;
}

void
stat_took(struct stat_times *times, int64_t ms)
{
	struct stat_times *head;
	int i = 0;

	if (atomic_load_explicit(&times->registered, memory_order_relaxed) ==
	        0 &&
	    atomic_exchange(&times->registered, 1) == 0) {
		head = atomic_load(&stat_all_times);
		do
			times->next = head;
		while (!atomic_compare_exchange_weak(&stat_all_times, &head,
		    times));
	}
	while (i < STAT_BUCKETS - 1 && ms > stat_bounds[i].ms)
		i++;
	atomic_fetch_add_explicit(&times->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&times->sum_ms, ms, memory_order_relaxed);
}

static int
stat_compare(const void *a, const void *b)
{
	const struct stat_metric *const *x = a, *const *y = b;
	const char *x_labels = (*x)->labels, *y_labels = (*y)->labels;
	int order = strcmp((*x)->name, (*y)->name);

	if (order != 0)
		return order;
	return strcmp(x_labels == NULL ? "" : x_labels,
	    y_labels == NULL ? "" : y_labels);
}

static struct stat_metric **
stat_sorted(size_t *count)
{
	struct stat_metric *first = atomic_load(&stat_metrics), *metric;
	struct stat_metric **sorted;
	size_t n = 0;

	for (metric = first; metric != NULL; metric = metric->next)
		n++;
	sorted = xcalloc(n, sizeof(*sorted));
	*count = n;
	for (n = 0, metric = first; metric != NULL; metric = metric->next)
		sorted[n++] = metric;
	qsort(sorted, n, sizeof(*sorted), stat_compare);
	return sorted;
}

static void
stat_print_head(struct buf *out, const struct stat_metric *metric)
{
	const char *p;

	buf_adds(out, "# HELP ");
	buf_adds(out, metric->name);
	buf_addc(out, ' ');
	for (p = metric->help; *p != '\0'; p++) {
		if (*p == '\\' || *p == '\n')
			buf_addc(out, '\\');
		buf_addc(out, *p == '\n' ? 'n' : *p);
	}
	buf_adds(out, "\n# TYPE ");
	buf_adds(out, metric->name);
	buf_adds(out,
	    metric->kind == STAT_KIND_COUNTER ? " counter\n" : " gauge\n");
}

static void
stat_print_times(struct buf *out, struct stat_times *times)
{
	int64_t sum = atomic_load(&times->sum_ms), count = 0;

	buf_addf(out, "# HELP %s %s\n# TYPE %s histogram\n", times->name,
	    times->help, times->name);
	for (int i = 0; i < STAT_BUCKETS; i++) {
		count += atomic_load(&times->counts[i]);
		buf_addf(out, "%s_bucket{le=\"%s\"} %" PRId64 "\n", times->name,
		    i < STAT_BUCKETS - 1 ? stat_bounds[i].seconds : "+Inf",
		    count);
	}
	buf_addf(out, "%s_sum %" PRId64 ".%03d\n%s_count %" PRId64 "\n",
	    times->name, sum / 1000, (int)(sum % 1000), times->name, count);
}

static void
stat_print_line(struct buf *out, const struct stat_metric *metric,
    int64_t value)
{
	buf_adds(out, metric->name);
	if (metric->labels != NULL && metric->labels[0] != '\0') {
		buf_addc(out, '{');
		buf_adds(out, metric->labels);
		buf_addc(out, '}');
	}
	buf_addf(out, " %" PRId64 "\n", value);
}

void
stat_print(struct buf *out)
{
	struct stat_metric **sorted;
	struct stat_times *times;
	size_t count, i;
	int64_t value = 0;

	sorted = stat_sorted(&count);
	for (i = 0; i < count; i++) {
		if (i == 0 || strcmp(sorted[i - 1]->name, sorted[i]->name) != 0)
			stat_print_head(out, sorted[i]);
		value += stat_get(sorted[i]);
		if (i + 1 < count &&
		    stat_compare(&sorted[i], &sorted[i + 1]) == 0)
			continue;
		stat_print_line(out, sorted[i], value);
		value = 0;
	}
	free(sorted);
	for (times = atomic_load(&stat_all_times); times != NULL;
	     times = times->next)
		stat_print_times(out, times);
}
