/*
 * Retention's insides: trim.c decides which items go and removes them, hold.c
 * knows what keeps it from doing so, expire.c removes what they leave.
 */
#ifndef WAFT_STORE_TRIM_H
#define WAFT_STORE_TRIM_H

#include "common/store/writer.h"

#define TRIM_MARKS 64

enum trim_reason {
	TRIM_COUNT,
	TRIM_AGE,
	TRIM_SIZE,
	TRIM_REASONS
};

struct trim_row {
	uint64_t seq;
	struct ledger_channel *channel;
	enum trim_reason reason;
};

/* What the log had reached at some moment. */
struct trim_mark {
	uint64_t seq;
	uint64_t bytes; /* of all entries up to it, since the process began */
	int64_t time_ms;
};

struct trim_marks {
	struct trim_mark marks[TRIM_MARKS]; /* the oldest fall off */
	size_t count;
};

struct trim {
	struct writer *writer;
	TAILQ_HEAD(, ledger_channel) due;
	struct ledger_channel *pass; /* where the look for aged ones stands */
	int64_t pass_ms;
	int64_t expire_ms;
	int64_t said_ms;
	int64_t size_ms;
	bool over;        /* more is stored than max-size */
	uint64_t size_at; /* where trimming for size stands */
	bool expire;      /* rows have done their duty */

	/* What was found to go, by seq; applied a little at a time. */
	struct trim_row *rows;
	size_t n_rows;
	size_t next_row;

	int64_t stepped_ms; /* when somebody's transaction last took us along */

	/* Of the step under way. */
	int64_t began_us;
	int64_t now_ms;
	int done;
	uint64_t floor; /* nothing above it is trimmed */

	char holder[40];
	int64_t held_ms;  /* wall clock: the lease is ours until then */
	int64_t asked_ms; /* monotonic: ask for it again then */
	unsigned term;    /* grows with each lease that is not a renewal */
	uint64_t bytes;
	struct trim_marks by_bytes;
	struct trim_marks by_time;
	bool overrun; /* a pin holds no more, and that was said */

	int64_t trimmed[TRIM_REASONS]; /* since it was last said */

	sqlite3_stmt *oldest, *oldest_seqs, *count, *stub, *remove, *last;
	sqlite3_stmt *by_seq, *expired, *forget;
	sqlite3_stmt *pages, *free_pages, *page_size, *pins;
	sqlite3_stmt *lease_get, *lease_take, *lease_drop;
};

void hold_prepare(struct trim *trim);
/* Inside a transaction: may this process trim? */
bool hold_lease(struct trim *trim, int *code);
void hold_saw(struct trim *trim, const struct entry *entry);
/* Sets the floor: what pins hold, and what others may not have seen yet. */
void hold_look(struct trim *trim);

void expire_prepare(struct trim *trim);
/* How long a row must stay, or leave its id. */
int64_t expire_keep_ms(const struct trim *trim);
bool expire_is_due(struct trim *trim);
/* Removes some; trim->expire again when there are more. */
int expire_run(struct trim *trim);

/* Bytes of the file that hold something. */
uint64_t trim_used(struct trim *trim);

#endif
