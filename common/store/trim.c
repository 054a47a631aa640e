/*
 * Retention: by count and age for each channel, by size for the whole store,
 * in small steps inside transactions that commit anyway, or in its own when
 * nothing else is to do.  One process at a time trims: it holds a lease in the
 * log.  What it trims, no other process is told; the next to hold the lease
 * counts anew.
 *
 * Channels that are over wait in a list until due_ms, so that a busy channel is
 * visited every other second, for many rows at once.  What visits find is
 * sorted by seq before it goes: neighbours share pages, and writing a page for
 * each row would cost as much as the publish did.
 */
#include "common/store/trim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/stat.h"

#define TRIM_STEP_US   2000 /* of one transaction */
#define TRIM_STEP_ROWS 300
#define TRIM_FOUND_MAX 20000 /* rows sorted together */
#define TRIM_VISIT_MAX 2000  /* rows of one channel in one visit */
#define TRIM_VISIT_MS  1000  /* until a channel that is still over is next */
#define TRIM_PASS_MS   1000  /* between two looks for what has aged */
#define TRIM_PASS_MAX  5000  /* channels in one look */
#define TRIM_EXPIRE_MS 5000  /* between two looks for expired ids */
#define TRIM_SIZE_MS   200   /* between two looks at the size */
#define TRIM_YIELD_MS  100   /* after somebody published */
#define TRIM_SAY_MS    60000

static struct stat_metric trim_counters[TRIM_REASONS] = {
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"count\""),
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"age\""),
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"size\""),
};

static void
trim_prepare(struct trim *trim)
{
	sqlite3 *db = trim->writer->db;

	trim->oldest = db_prepare(db,
	    "SELECT seq, time FROM log WHERE channel = ? AND kind = 0 "
	    "ORDER BY seq LIMIT ?");
	/* Without the time the index alone answers. */
	trim->oldest_seqs = db_prepare(db,
	    "SELECT seq FROM log WHERE channel = ? AND kind = 0 "
	    "ORDER BY seq LIMIT ?");
	trim->count = db_prepare(db,
	    "SELECT count(*) FROM log WHERE channel = ? AND kind = 0");
	/* Naming the key makes it a removal and an insertion, which joins the
	 * pages that become empty; a plain update leaves them. */
	trim->stub = db_prepare(db,
	    "UPDATE log SET seq = seq, kind = 5, data = NULL, prev_id = NULL "
	    "WHERE seq = ? AND kind = 0 AND time > ?");
	trim->remove = db_prepare(db, "DELETE FROM log WHERE seq = ?");
	trim->last = db_prepare(db,
	    "UPDATE channel SET last_seq = ?1, last_time = ifnull((SELECT "
	    "time FROM log WHERE seq = ?1), last_time) WHERE id = ?2");
	trim->by_seq = db_prepare(db,
	    "SELECT l.seq, l.kind, c.name, length(l.data) FROM log AS l "
	    "LEFT JOIN channel AS c ON c.id = l.channel WHERE l.seq > ? "
	    "ORDER BY l.seq LIMIT ?");
	trim->pages = db_prepare(db, "PRAGMA page_count");
	trim->free_pages = db_prepare(db, "PRAGMA freelist_count");
	trim->page_size = db_prepare(db, "PRAGMA page_size");
	hold_prepare(trim);
	expire_prepare(trim);
}

struct trim *
trim_create(struct writer *writer)
{
	struct trim *trim = xcalloc(1, sizeof(*trim));
	uint64_t random;

	trim->writer = writer;
	TAILQ_INIT(&trim->due);
	crypto_random(&random, sizeof(random));
	snprintf(trim->holder, sizeof(trim->holder), "%ld-%016llx",
	    (long)getpid(), (unsigned long long)random);
	trim_prepare(trim);
	return trim;
}

void
trim_free(struct trim *trim)
{
	if (trim == NULL)
		return;
	free(trim->rows);
	free(trim);
}

void
trim_reset(struct trim *trim)
{
	/* The channels are about to be freed with their ledger. */
	TAILQ_INIT(&trim->due);
	trim->n_rows = trim->next_row = 0;
	trim->pass = NULL;
	trim->pass_ms = 0;
	trim->term++;
}

/* ---- what is due ----------------------------------------------------- */

static const struct conf_class *
trim_class(struct trim *trim, struct ledger_channel *channel)
{
	if (channel->class == NULL)
		channel->class =
		    conf_class(trim->writer->store->conf, channel->name);
	return channel->class;
}

static void
trim_enqueue(struct trim *trim, struct ledger_channel *channel, int64_t due_ms)
{
	if (channel->due_ms != 0)
		return;
	channel->due_ms = due_ms;
	TAILQ_INSERT_TAIL(&trim->due, channel, due_entry);
}

static struct ledger_channel *
trim_next_due(struct trim *trim)
{
	struct ledger_channel *channel = TAILQ_FIRST(&trim->due);

	if (channel == NULL || channel->due_ms > trim->now_ms)
		return NULL;
	TAILQ_REMOVE(&trim->due, channel, due_entry);
	channel->due_ms = 0;
	return channel;
}

void
trim_saw(struct trim *trim, const struct entry *entry)
{
	struct ledger_channel *channel;

	hold_saw(trim, entry);
	if (entry->kind != ENTRY_ITEM)
		return;
	channel = ledger_find(trim->writer->ledger, entry->channel);
	if (channel != NULL &&
	    channel->items > (uint64_t)trim_class(trim, channel)->history_items)
		trim_enqueue(trim, channel, entry->time_ms + TRIM_GRACE_MS);
}

/* Deleted so long ago that the log knows nothing of it either. */
static bool
trim_may_forget(const struct trim *trim, const struct ledger_channel *channel)
{
	return !channel->stored && channel->due_ms == 0 && channel->row == 0 &&
	    channel->last_seq != 0 && trim->n_rows == 0 &&
	    channel->last_ms < trim->now_ms - STORE_CHANGES_KEEP_MS;
}

/* Some channels at a time: those whose oldest item has aged go into the list,
 * those that were deleted long ago out of memory. */
static void
trim_pass(struct trim *trim, bool idle)
{
	int64_t mono_ms = clock_mono_ms();
	struct ledger_channel *channel, *next;

	if (trim->pass == NULL) {
		if (trim->pass_ms != 0 &&
		    mono_ms - trim->pass_ms < TRIM_PASS_MS)
			return;
		trim->pass_ms = mono_ms;
		trim->pass = ledger_channels(trim->writer->ledger);
	}
	channel = trim->pass;
	for (int i = 0; i < TRIM_PASS_MAX && channel != NULL; i++) {
		next = channel->hh.next;
		if (channel->items != 0 &&
		    channel->oldest_ms <= trim->now_ms -
		            trim_class(trim, channel)->history_age_ms)
			trim_enqueue(trim, channel, trim->now_ms);
		/* Not inside a transaction, which may have to undo it. */
		if (idle && trim_may_forget(trim, channel))
			ledger_forget(trim->writer->ledger, channel);
		channel = next;
	}
	trim->pass = channel;
}

uint64_t
trim_used(struct trim *trim)
{
	int64_t pages =
	    db_number(trim->pages, 0) - db_number(trim->free_pages, 0);

	return (uint64_t)(pages * db_number(trim->page_size, 0));
}

/* Bytes there are too many. */
static uint64_t
trim_excess(struct trim *trim)
{
	uint64_t max = trim->writer->store->conf->store.max_size;
	uint64_t used = max == 0 ? 0 : trim_used(trim);

	return used > max ? used - max : 0;
}

/* Looks without writing, so that an idle store stays idle. */
static bool
trim_is_due(struct trim *trim, bool idle)
{
	int64_t mono_ms = clock_mono_ms();
	struct ledger_channel *first;

	trim->now_ms = clock_wall_ms();
	trim_pass(trim, idle);
	if (mono_ms >= trim->size_ms) {
		trim->size_ms = mono_ms + TRIM_SIZE_MS;
		trim->over = trim_excess(trim) != 0;
	}
	if (mono_ms >= trim->expire_ms) {
		trim->expire_ms = mono_ms + TRIM_EXPIRE_MS;
		trim->expire = expire_is_due(trim);
	}
	first = TAILQ_FIRST(&trim->due);
	return trim->over || trim->expire || trim->n_rows != 0 ||
	    (first != NULL && first->due_ms <= trim->now_ms);
}

/* ---- finding --------------------------------------------------------- */

static bool
trim_is_spent(const struct trim *trim)
{
	return trim->done >= TRIM_STEP_ROWS ||
	    clock_mono_us() - trim->began_us >= TRIM_STEP_US;
}

static void
trim_find(struct trim *trim, struct ledger_channel *channel, uint64_t seq,
    enum trim_reason reason)
{
	if (trim->rows == NULL)
		trim->rows = xreallocarray(NULL,
		    TRIM_FOUND_MAX + TRIM_VISIT_MAX, sizeof(*trim->rows));
	trim->rows[trim->n_rows++] = (struct trim_row){ seq, channel, reason };
}

/* By the index alone: the oldest of those there are too many. */
static uint64_t
trim_find_excess(struct trim *trim, struct ledger_channel *channel,
    uint64_t excess)
{
	uint64_t found = 0, seq;

	sqlite3_bind_int64(trim->oldest_seqs, 1, channel->row);
	sqlite3_bind_int64(trim->oldest_seqs, 2, (sqlite3_int64)excess);
	while (
	    found < excess && sqlite3_step(trim->oldest_seqs) == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(trim->oldest_seqs, 0);
		if (seq > trim->floor)
			break;
		trim_find(trim, channel, seq, TRIM_COUNT);
		found++;
	}
	sqlite3_reset(trim->oldest_seqs);
	return found;
}

/* The same, and what has aged; learns how old the oldest is that stays. */
static uint64_t
trim_find_aged(struct trim *trim, struct ledger_channel *channel,
    uint64_t excess)
{
	int64_t aged_ms =
	    trim->now_ms - trim_class(trim, channel)->history_age_ms;
	uint64_t found = 0, seq;

	channel->oldest_ms = INT64_MAX;
	sqlite3_bind_int64(trim->oldest, 1, channel->row);
	sqlite3_bind_int64(trim->oldest, 2, TRIM_VISIT_MAX + 1);
	while (sqlite3_step(trim->oldest) == SQLITE_ROW) {
		channel->oldest_ms = sqlite3_column_int64(trim->oldest, 1);
		seq = (uint64_t)sqlite3_column_int64(trim->oldest, 0);
		if ((channel->oldest_ms > aged_ms && found >= excess) ||
		    seq > trim->floor || found == TRIM_VISIT_MAX)
			break;
		trim_find(trim, channel, seq,
		    channel->oldest_ms > aged_ms ? TRIM_COUNT : TRIM_AGE);
		found++;
		channel->oldest_ms = INT64_MAX;
	}
	sqlite3_reset(trim->oldest);
	return found;
}

/* One channel's turn.  What is too young, or held back, comes again later. */
static int
trim_visit(struct trim *trim, struct ledger_channel *channel)
{
	const struct conf_class *class = trim_class(trim, channel);
	uint64_t keep = (uint64_t) class->history_items, excess, found;
	int code;

	if (writer_row(trim->writer, channel, false, &code) == 0)
		return code;
	if (channel->term != trim->term) {
		sqlite3_bind_int64(trim->count, 1, channel->row);
		ledger_note(trim->writer->ledger, channel);
		channel->items = (uint64_t)db_number(trim->count, 0);
		channel->term = trim->term;
	}
	excess = channel->items > keep ? channel->items - keep : 0;
	if (channel->oldest_ms <= trim->now_ms - class->history_age_ms)
		found = trim_find_aged(trim, channel, excess);
	else
		found = trim_find_excess(trim, channel,
		    excess < TRIM_VISIT_MAX ? excess : TRIM_VISIT_MAX);
	if (found < excess)
		trim_enqueue(trim, channel, trim->now_ms + TRIM_VISIT_MS);
	return SQLITE_OK;
}

static int
trim_by_seq(const void *a, const void *b)
{
	const struct trim_row *left = a, *right = b;

	return (left->seq > right->seq) - (left->seq < right->seq);
}

/* ---- removing -------------------------------------------------------- */

static int
trim_row(struct trim *trim, const struct trim_row *row)
{
	struct ledger_channel *channel = row->channel;
	int code = SQLITE_OK;

	ledger_note(trim->writer->ledger, channel);
	trim->writer->wrote = true;
	/* Its place in the order outlives it. */
	if (row->seq == channel->last_seq && channel->row != 0) {
		sqlite3_bind_int64(trim->last, 1, (sqlite3_int64)row->seq);
		sqlite3_bind_int64(trim->last, 2, channel->row);
		code = db_run(trim->last);
	}
	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(trim->stub, 1, (sqlite3_int64)row->seq);
	sqlite3_bind_int64(trim->stub, 2, trim->now_ms - expire_keep_ms(trim));
	code = db_run(trim->stub);
	if (code == SQLITE_OK && sqlite3_changes(trim->writer->db) == 0) {
		sqlite3_bind_int64(trim->remove, 1, (sqlite3_int64)row->seq);
		code = db_run(trim->remove);
	}
	/* None, when its channel was deleted in the meantime. */
	if (code != SQLITE_OK || sqlite3_changes(trim->writer->db) == 0)
		return code;
	if (channel->items != 0)
		channel->items--;
	trim->done++;
	trim->trimmed[row->reason]++;
	stat_add(&trim_counters[row->reason], 1);
	return SQLITE_OK;
}

/* Finds all that is due, however many steps it takes, then removes it. */
static int
trim_channels(struct trim *trim)
{
	struct ledger_channel *channel = NULL;
	int code = SQLITE_OK;

	while (
	    trim->next_row == 0 && code == SQLITE_OK && !trim_is_spent(trim)) {
		if (trim->n_rows < TRIM_FOUND_MAX)
			channel = trim_next_due(trim);
		else
			channel = NULL;
		if (channel == NULL)
			break;
		code = trim_visit(trim, channel);
	}
	if (trim->next_row == 0 && channel != NULL)
		return code;
	if (trim->next_row == 0 && trim->n_rows != 0)
		qsort(trim->rows, trim->n_rows, sizeof(*trim->rows),
		    trim_by_seq);
	while (trim->next_row < trim->n_rows && code == SQLITE_OK &&
	    !trim_is_spent(trim)) {
		const struct trim_row *row = &trim->rows[trim->next_row++];

		/* A pin may have come since. */
		if (row->seq <= trim->floor)
			code = trim_row(trim, row);
		else
			trim_enqueue(trim, row->channel,
			    trim->now_ms + TRIM_VISIT_MS);
	}
	if (trim->next_row == trim->n_rows)
		trim->next_row = trim->n_rows = 0;
	return code;
}

/* The oldest items of the whole log, whichever channel they are of. */
static int
trim_size(struct trim *trim)
{
	sqlite3_stmt *stmt = trim->by_seq;
	struct trim_row rows[TRIM_STEP_ROWS];
	uint64_t excess = trim_excess(trim), found = 0, seq;
	size_t n = 0;
	int code = SQLITE_OK;

	trim->over = excess != 0;
	if (!trim->over) {
		trim->size_at = 0;
		return SQLITE_OK;
	}
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)trim->size_at);
	sqlite3_bind_int64(stmt, 2, TRIM_STEP_ROWS);
	while (found < excess && sqlite3_step(stmt) == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		if (seq > trim->floor)
			break;
		trim->size_at = seq;
		if (sqlite3_column_int(stmt, 1) != ENTRY_ITEM)
			continue;
		found += (uint64_t)sqlite3_column_int64(stmt, 3);
		rows[n].seq = seq;
		rows[n].reason = TRIM_SIZE;
		rows[n++].channel =
		    ledger_channel(trim->writer->ledger, db_text(stmt, 2));
	}
	sqlite3_reset(stmt);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++)
		if (writer_row(trim->writer, rows[i].channel, false, &code) !=
		    0)
			code = trim_row(trim, &rows[i]);
	/* All that may go has gone: look again at the usual time. */
	if (n < TRIM_STEP_ROWS && found < excess)
		trim->over = false;
	return code;
}

/* ---- steps ----------------------------------------------------------- */

static void
trim_say(struct trim *trim)
{
	int64_t mono_ms = clock_mono_ms();

	if (mono_ms - trim->said_ms < TRIM_SAY_MS)
		return;
	trim->said_ms = mono_ms;
	if (trim->trimmed[TRIM_COUNT] + trim->trimmed[TRIM_AGE] +
	        trim->trimmed[TRIM_SIZE] ==
	    0)
		return;
	log_info("store.trimmed", "count=%lld age=%lld size=%lld",
	    (long long)trim->trimmed[TRIM_COUNT],
	    (long long)trim->trimmed[TRIM_AGE],
	    (long long)trim->trimmed[TRIM_SIZE]);
	memset(trim->trimmed, 0, sizeof(trim->trimmed));
}

int
trim_step(struct trim *trim)
{
	int code = SQLITE_OK;

	trim->stepped_ms = clock_mono_ms();
	if (!trim_is_due(trim, false) || !hold_lease(trim, &code))
		return code;
	trim->began_us = clock_mono_us();
	trim->done = 0;
	hold_look(trim);
	if (trim->expire)
		code = expire_run(trim);
	if (code == SQLITE_OK)
		code = trim_size(trim);
	if (code == SQLITE_OK)
		code = trim_channels(trim);
	trim_say(trim);
	return code;
}

static int
trim_own(struct trim *trim)
{
	int code;

	trim->writer->wait_ms = clock_mono_ms() + 20;
	code = writer_begin(trim->writer);
	if (db_err(code) == ERR_BUSY)
		return 100;
	if (code == SQLITE_OK)
		code = writer_end(trim->writer, trim_step(trim));
	trim->stepped_ms = 0;
	if (code == SQLITE_OK)
		return 0;
	writer_failed(trim->writer, "trim", code);
	return 1000;
}

int
trim_idle(struct trim *trim)
{
	int64_t mono_ms = clock_mono_ms();
	struct ledger_channel *first;
	int wait_ms;

	/* While somebody publishes, the work goes into their transactions: one
	 * of our own would be in the way of the next. */
	if (mono_ms - trim->stepped_ms < TRIM_YIELD_MS)
		return TRIM_YIELD_MS;
	if (trim_is_due(trim, true)) {
		/* Another process holds the lease. */
		if (trim->held_ms <= trim->now_ms && mono_ms < trim->asked_ms)
			return 1000;
		wait_ms = trim_own(trim);
		if (wait_ms != 0)
			return wait_ms;
	}
	if (trim->over || trim->expire || trim->n_rows != 0)
		return 1;
	first = TAILQ_FIRST(&trim->due);
	if (first == NULL || first->due_ms > trim->now_ms + 1000)
		return 1000;
	return first->due_ms > trim->now_ms ?
	    (int)(first->due_ms - trim->now_ms) :
	    10;
}

static int
trim_drop(struct writer *writer)
{
	db_bind_text(writer->trim->lease_drop, 1, writer->trim->holder);
	writer->wrote = true;
	return db_run(writer->trim->lease_drop);
}

void
trim_end(struct trim *trim)
{
	int code;

	if (trim->held_ms <= clock_wall_ms())
		return;
	trim->writer->wait_ms = clock_mono_ms() + 100;
	code = writer_begin(trim->writer);
	if (code == SQLITE_OK)
		writer_end(trim->writer, trim_drop(trim->writer));
}
