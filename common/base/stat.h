/*
 * Counters and gauges of the process, shown as Prometheus text (format 0.0.4).
 * Every drop, bounce and cut has one.  A counter is declared where it is
 * counted:
 *
 *	static struct stat_metric http_bad = STAT_COUNTER(
 *	    "waft_http_bad_total", "Requests refused", "reason=\"head\"");
 *
 *	stat_add(&http_bad, 1);
 *
 * It registers itself on first use.  Names start with waft_; labels are
 * constants: never a channel, a JID or an address.  The same name and labels in
 * two files count into one line.  Thread-safe, one atomic add.  A
 * gauge that is set, or raised by stat_max(), is not added to.
 */
#ifndef WAFT_STAT_H
#define WAFT_STAT_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"

enum stat_kind {
	STAT_KIND_COUNTER,
	STAT_KIND_GAUGE
};

/* Threads that count at once do so in different lines of memory, as long as
 * there are no more of them than these. */
#define STAT_SHARDS 4

struct stat_shard {
	_Alignas(64) _Atomic int64_t value;
};

struct stat_metric {
	const char *name;
	const char *help;
	const char *labels; /* NULL or `a="b"` */
	enum stat_kind kind;
	_Atomic int registered;
	struct stat_metric *next;
	struct stat_shard shards[STAT_SHARDS]; /* it is their sum */
};

#define STAT_COUNTER(name, help, labels)                        \
	{                                                       \
		name, help, labels, STAT_KIND_COUNTER, 0, NULL, \
		{                                               \
			{                                       \
				0                               \
			}                                       \
		}                                               \
	}
#define STAT_GAUGE(name, help, labels)                        \
	{                                                     \
		name, help, labels, STAT_KIND_GAUGE, 0, NULL, \
		{                                             \
			{                                     \
				0                             \
			}                                     \
		}                                             \
	}

/* How long something took: at most 10 ms, 100 ms, 1 s, 10 s, 60 s, or more;
 * shown in seconds, as a histogram. */
#define STAT_BUCKETS 6

struct stat_times {
	const char *name;
	const char *help;
	_Atomic int64_t counts[STAT_BUCKETS];
	_Atomic int64_t sum_ms;
	_Atomic int registered;
	struct stat_times *next;
};

#define STAT_TIMES(name, help)                \
	{                                     \
		name, help, { 0 }, 0, 0, NULL \
	}

void stat_took(struct stat_times *times, int64_t ms);

void stat_add(struct stat_metric *metric, int64_t n);
void stat_set(struct stat_metric *metric, int64_t value);
/* Raises it to value. */
void stat_max(struct stat_metric *metric, int64_t value);
int64_t stat_get(struct stat_metric *metric);
/* The sum over the labels of the metric of that name; 0 when nothing was
 * counted yet. */
int64_t stat_sum(const char *name);
/* All registered metrics; metrics of one name stand together under one HELP. */
void stat_print(struct buf *out);

#endif
