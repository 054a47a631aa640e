/*
 * Retention: by count and age for each channel, by size for the whole store,
 * in small steps inside transactions that commit anyway, or in its own when
 * nothing else is to do.  One process at a time trims: it holds a lease in the
 * log.  What it trims, no other process is told; counts in their ledgers are
 * put right when they look.
 *
 * Channels that are over wait in a list until due_ms, so that a busy channel is
 * visited about once a second, for many rows at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/store/writer.h"

#define TRIM_LEASE_MS  15000
#define TRIM_STEP_US   2000 /* of one transaction */
#define TRIM_STEP_ROWS 300
#define TRIM_VISIT_MS  1000 /* between two visits of a channel */
#define TRIM_PASS_MS   1000 /* between two looks for what has aged */
#define TRIM_PASS_MAX  5000 /* channels in one look */
#define TRIM_EXPIRE_MS 5000 /* between two looks for expired ids */
#define TRIM_SIZE_MS   200  /* between two looks at the size */
#define TRIM_SAY_MS    60000
#define TRIM_MARKS     64 /* how finely the bytes behind a pin are known */

enum trim_reason {
	TRIM_COUNT,
	TRIM_AGE,
	TRIM_SIZE,
	TRIM_REASONS
};

struct trim_mark {
	uint64_t seq;
	uint64_t bytes; /* of all entries up to it, since the process began */
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

	char holder[40];
	int64_t held_ms;  /* wall clock: the lease is ours until then */
	int64_t asked_ms; /* monotonic: ask for it again then */

	/* Of the step under way. */
	int64_t began_us;
	int64_t now_ms;
	int rows;
	uint64_t floor; /* nothing above it is trimmed */

	struct trim_mark marks[TRIM_MARKS];
	size_t n_marks;
	uint64_t bytes;
	bool overrun; /* a pin holds no more, and that was said */

	int64_t trimmed[TRIM_REASONS]; /* since it was last said */

	sqlite3_stmt *oldest, *count, *stub, *remove, *last;
	sqlite3_stmt *by_seq, *expired, *forget;
	sqlite3_stmt *pages, *free_pages, *page_size, *pins;
	sqlite3_stmt *lease_get, *lease_take, *lease_drop;
};

static struct stat_metric trim_counters[TRIM_REASONS] = {
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"count\""),
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"age\""),
	STAT_COUNTER("waft_store_trimmed_total", "Items trimmed by retention",
	    "reason=\"size\""),
};
static struct stat_metric trim_overruns =
    STAT_COUNTER("waft_store_pin_overruns_total",
        "Times a listener fell behind by more than pin-size and holds no more",
        NULL);

static void
trim_prepare(struct trim *trim)
{
	sqlite3 *db = trim->writer->db;

	trim->oldest = db_prepare(db,
	    "SELECT seq, time FROM log WHERE channel = ? AND kind = 0 "
	    "ORDER BY seq LIMIT ?");
	trim->count = db_prepare(db,
	    "SELECT count(*) FROM log WHERE channel = ? AND kind = 0");
	/* Naming the key makes it a removal and an insertion, which joins the
	 * pages that become empty; a plain update leaves them. */
	trim->stub = db_prepare(db,
	    "UPDATE log SET seq = seq, kind = 5, data = NULL, prev_id = NULL "
	    "WHERE seq = ?");
	trim->remove = db_prepare(db, "DELETE FROM log WHERE seq = ?");
	trim->last = db_prepare(db,
	    "UPDATE channel SET last_seq = ?, last_time = ? WHERE id = ?");
	trim->by_seq = db_prepare(db,
	    "SELECT l.seq, l.time, l.kind, c.name, length(l.data) "
	    "FROM log AS l LEFT JOIN "
	    "channel AS c ON c.id = l.channel WHERE l.seq > ? "
	    "ORDER BY l.seq LIMIT ?");
	trim->expired = db_prepare(db,
	    "SELECT seq, time, channel FROM log WHERE kind > 0 AND kind = ? "
	    "ORDER BY seq LIMIT ?");
	trim->forget =
	    db_prepare(db, "DELETE FROM channel WHERE id = ? AND stored = 0");
	trim->pages = db_prepare(db, "PRAGMA page_count");
	trim->free_pages = db_prepare(db, "PRAGMA freelist_count");
	trim->page_size = db_prepare(db, "PRAGMA page_size");
	trim->pins = db_prepare(db, "SELECT owner, seq FROM pin");
	trim->lease_get = db_prepare(db,
	    "SELECT until FROM lease WHERE name = 'trim' AND holder <> ?");
	trim->lease_take = db_prepare(db,
	    "INSERT OR REPLACE INTO lease (name, holder, until) "
	    "VALUES ('trim', ?, ?)");
	trim->lease_drop = db_prepare(db,
	    "DELETE FROM lease WHERE name = 'trim' AND holder = ?");
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
	free(trim);
}

void
trim_reset(struct trim *trim)
{
	/* The channels are about to be freed with their ledger. */
	TAILQ_INIT(&trim->due);
	trim->pass = NULL;
	trim->pass_ms = 0;
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
	uint64_t step = trim->writer->store->conf->store.pin_size / TRIM_MARKS;

	trim->bytes += entry_size(entry);
	if (trim->n_marks == 0 ||
	    trim->bytes - trim->marks[trim->n_marks - 1].bytes > step) {
		if (trim->n_marks == TRIM_MARKS)
			memmove(trim->marks, trim->marks + 1,
			    --trim->n_marks * sizeof(*trim->marks));
		trim->marks[trim->n_marks++] =
		    (struct trim_mark){ entry->seq, trim->bytes };
	}
	if (entry->kind != ENTRY_ITEM)
		return;
	channel = ledger_find(trim->writer->ledger, entry->channel);
	if (channel != NULL &&
	    channel->items > (uint64_t)trim_class(trim, channel)->history_items)
		trim_enqueue(trim, channel, entry->time_ms + TRIM_GRACE_MS);
}

/* Some channels at a time: those whose oldest item has aged go into the list,
 * those that were deleted long ago out of memory. */
static void
trim_pass(struct trim *trim, bool may_forget)
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
		if (may_forget && !channel->stored && channel->due_ms == 0 &&
		    channel->last_ms < trim->now_ms - STORE_CHANGES_KEEP_MS &&
		    channel->row == 0 && channel->last_seq != 0)
			ledger_forget(trim->writer->ledger, channel);
		channel = next;
	}
	trim->pass = channel;
}

/* Bytes of the file that hold something. */
static uint64_t
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

static int64_t
trim_keep_ms(const struct trim *trim)
{
	int64_t ttl_ms = trim->writer->store->conf->store.duplicate_ttl_ms;

	return ttl_ms > TRIM_KEEP_MIN_MS ? ttl_ms : TRIM_KEEP_MIN_MS;
}

static bool
trim_has_expired(struct trim *trim, int kind, int64_t keep_ms)
{
	int64_t time_ms = INT64_MAX;

	sqlite3_bind_int(trim->expired, 1, kind);
	sqlite3_bind_int(trim->expired, 2, 1);
	if (sqlite3_step(trim->expired) == SQLITE_ROW)
		time_ms = sqlite3_column_int64(trim->expired, 1);
	sqlite3_reset(trim->expired);
	return time_ms <= trim->now_ms - keep_ms;
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
		trim->expire =
		    trim_has_expired(trim, ROW_STUB, trim_keep_ms(trim));
		for (int kind = ENTRY_SUB; kind <= ENTRY_CREATE; kind++)
			if (trim_has_expired(trim, kind, STORE_CHANGES_KEEP_MS))
				trim->expire = true;
	}
	first = TAILQ_FIRST(&trim->due);
	return trim->over || trim->expire ||
	    (first != NULL && first->due_ms <= trim->now_ms);
}

/* ---- pins ------------------------------------------------------------ */

/* Bytes of entries behind seq, to within a mark; for those from before this
 * process began, by the average of the file. */
static uint64_t
trim_behind(struct trim *trim, uint64_t seq)
{
	uint64_t rows = trim->writer->newest, used;
	size_t i;

	for (i = trim->n_marks; i-- > 0;)
		if (trim->marks[i].seq <= seq)
			return trim->bytes - trim->marks[i].bytes;
	used = (uint64_t)(db_number(trim->pages, 0) -
	           db_number(trim->free_pages, 0)) *
	    (uint64_t)db_number(trim->page_size, 0);
	if (trim->n_marks != 0)
		rows = trim->marks[0].seq;
	if (seq >= rows)
		return trim->bytes;
	return trim->bytes + (rows - seq) * (used / (trim->writer->newest + 1));
}

static void
trim_find_floor(struct trim *trim)
{
	uint64_t limit = trim->writer->store->conf->store.pin_size, seq;
	bool overrun = false;

	trim->floor = UINT64_MAX;
	while (sqlite3_step(trim->pins) == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(trim->pins, 1);
		if (seq >= trim->writer->newest)
			continue;
		if (trim_behind(trim, seq) > limit) {
			overrun = true;
			if (!trim->overrun)
				log_warn("store.pin-overrun",
				    "owner=%s seq=%llu limit=%llu "
				    "reason=\"too far behind: its items are "
				    "trimmed like all others\"",
				    LOGQ(db_text(trim->pins, 0)),
				    (unsigned long long)seq,
				    (unsigned long long)limit);
		} else if (seq < trim->floor)
			trim->floor = seq;
	}
	sqlite3_reset(trim->pins);
	if (overrun && !trim->overrun)
		stat_add(&trim_overruns, 1);
	trim->overrun = overrun;
}

/* ---- the lease ------------------------------------------------------- */

/* Inside a transaction. */
static bool
trim_lease(struct trim *trim, int *code)
{
	int64_t mono_ms = clock_mono_ms(), until_ms;

	if (trim->held_ms - trim->now_ms > TRIM_LEASE_MS / 3 &&
	    trim->held_ms - trim->now_ms <= TRIM_LEASE_MS)
		return true;
	if (mono_ms < trim->asked_ms)
		return false;
	db_bind_text(trim->lease_get, 1, trim->holder);
	until_ms = db_number(trim->lease_get, 0);
	/* A time too far ahead is one of a clock that was wrong. */
	if (until_ms > trim->now_ms &&
	    until_ms <= trim->now_ms + TRIM_LEASE_MS) {
		trim->held_ms = 0;
		trim->asked_ms = mono_ms + (until_ms - trim->now_ms);
		return false;
	}
	db_bind_text(trim->lease_take, 1, trim->holder);
	sqlite3_bind_int64(trim->lease_take, 2, trim->now_ms + TRIM_LEASE_MS);
	*code = db_run(trim->lease_take);
	trim->writer->wrote = true;
	trim->held_ms = trim->now_ms + TRIM_LEASE_MS;
	return *code == SQLITE_OK;
}

/* ---- trimming -------------------------------------------------------- */

static bool
trim_is_spent(const struct trim *trim)
{
	return trim->rows >= TRIM_STEP_ROWS ||
	    clock_mono_us() - trim->began_us >= TRIM_STEP_US;
}

static int
trim_item(struct trim *trim, struct ledger_channel *channel, uint64_t seq,
    int64_t time_ms, enum trim_reason reason)
{
	bool young = time_ms > trim->now_ms - trim_keep_ms(trim);
	sqlite3_stmt *stmt = young ? trim->stub : trim->remove;
	int code;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq);
	code = db_run(stmt);
	trim->writer->wrote = true;
	trim->rows++;
	trim->trimmed[reason]++;
	stat_add(&trim_counters[reason], 1);
	if (channel->items != 0)
		channel->items--;
	/* Its place in the order outlives it. */
	if (code == SQLITE_OK && seq == channel->last_seq) {
		sqlite3_bind_int64(trim->last, 1, (sqlite3_int64)seq);
		sqlite3_bind_int64(trim->last, 2, time_ms);
		sqlite3_bind_int64(trim->last, 3, channel->row);
		code = db_run(trim->last);
	}
	return code;
}

struct trim_row {
	uint64_t seq;
	int64_t time_ms;
};

static size_t
trim_oldest(struct trim *trim, int64_t row, struct trim_row *rows, size_t max)
{
	size_t n = 0;

	sqlite3_bind_int64(trim->oldest, 1, row);
	sqlite3_bind_int64(trim->oldest, 2, (sqlite3_int64)max);
	while (n < max && sqlite3_step(trim->oldest) == SQLITE_ROW) {
		rows[n].seq = (uint64_t)sqlite3_column_int64(trim->oldest, 0);
		rows[n].time_ms = sqlite3_column_int64(trim->oldest, 1);
		n++;
	}
	sqlite3_reset(trim->oldest);
	return n;
}

/* One channel's turn.  What is too young, or held back, comes again later. */
static int
trim_channel(struct trim *trim, struct ledger_channel *channel)
{
	const struct conf_class *class = trim_class(trim, channel);
	uint64_t keep = (uint64_t) class->history_items;
	struct trim_row rows[TRIM_STEP_ROWS + 1];
	size_t n, i;
	int code;

	if (writer_row(trim->writer, channel, false, &code) == 0)
		return code;
	ledger_note(trim->writer->ledger, channel);
	sqlite3_bind_int64(trim->count, 1, channel->row);
	channel->items = (uint64_t)db_number(trim->count, 0);
	n = trim_oldest(trim, channel->row, rows, ARRAY_LEN(rows));
	for (i = 0; i < n && code == SQLITE_OK && !trim_is_spent(trim); i++) {
		bool old =
		    rows[i].time_ms <= trim->now_ms - class->history_age_ms;

		if ((!old && channel->items <= keep) ||
		    rows[i].seq > trim->floor ||
		    rows[i].time_ms > trim->now_ms - TRIM_GRACE_MS)
			break;
		code = trim_item(trim, channel, rows[i].seq, rows[i].time_ms,
		    old ? TRIM_AGE : TRIM_COUNT);
	}
	channel->oldest_ms = i < n ? rows[i].time_ms : INT64_MAX;
	if (channel->items > keep)
		trim_enqueue(trim, channel,
		    trim->now_ms + (trim_is_spent(trim) ? 1 : TRIM_VISIT_MS));
	return code;
}

/* The oldest items of the whole log, whichever channel they are of. */
static int
trim_size(struct trim *trim)
{
	sqlite3_stmt *stmt = trim->by_seq;
	struct trim_row rows[TRIM_STEP_ROWS];
	struct ledger_channel *channels[TRIM_STEP_ROWS];
	size_t n = 0;
	uint64_t seq = trim->size_at, excess, found = 0;
	int code = SQLITE_OK;

	excess = trim_excess(trim);
	trim->over = excess != 0;
	if (!trim->over) {
		trim->size_at = 0;
		return SQLITE_OK;
	}
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq);
	sqlite3_bind_int64(stmt, 2, TRIM_STEP_ROWS);
	while (found < excess && sqlite3_step(stmt) == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		rows[n].seq = seq;
		rows[n].time_ms = sqlite3_column_int64(stmt, 1);
		if (seq > trim->floor ||
		    rows[n].time_ms > trim->now_ms - TRIM_GRACE_MS)
			break;
		trim->size_at = seq;
		if (sqlite3_column_int(stmt, 2) != ENTRY_ITEM)
			continue;
		found += (uint64_t)sqlite3_column_int64(stmt, 4);
		channels[n++] =
		    ledger_channel(trim->writer->ledger, db_text(stmt, 3));
	}
	sqlite3_reset(stmt);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++) {
		ledger_note(trim->writer->ledger, channels[i]);
		if (writer_row(trim->writer, channels[i], false, &code) != 0)
			code = trim_item(trim, channels[i], rows[i].seq,
			    rows[i].time_ms, TRIM_SIZE);
	}
	/* All that may go has gone: look again at the usual time. */
	if (n < TRIM_STEP_ROWS && found < excess)
		trim->over = false;
	return code;
}

/* Rows of a kind that have done their duty. */
static int
trim_expire(struct trim *trim, int kind, int64_t keep_ms)
{
	struct trim_row rows[TRIM_STEP_ROWS];
	int64_t channels[TRIM_STEP_ROWS];
	size_t n = 0;
	int code = SQLITE_OK;

	sqlite3_bind_int(trim->expired, 1, kind);
	sqlite3_bind_int(trim->expired, 2, TRIM_STEP_ROWS);
	while (sqlite3_step(trim->expired) == SQLITE_ROW) {
		rows[n].seq = (uint64_t)sqlite3_column_int64(trim->expired, 0);
		rows[n].time_ms = sqlite3_column_int64(trim->expired, 1);
		channels[n] = sqlite3_column_int64(trim->expired, 2);
		if (rows[n].time_ms > trim->now_ms - keep_ms ||
		    rows[n].seq > trim->floor)
			break;
		n++;
	}
	sqlite3_reset(trim->expired);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++) {
		sqlite3_bind_int64(trim->remove, 1, (sqlite3_int64)rows[i].seq);
		code = db_run(trim->remove);
		trim->writer->wrote = true;
		if (code == SQLITE_OK && kind == ENTRY_DELETE) {
			sqlite3_bind_int64(trim->forget, 1, channels[i]);
			code = db_run(trim->forget);
		}
	}
	trim->rows += (int)n;
	if (n == TRIM_STEP_ROWS)
		trim->expire = true;
	return code;
}

static int
trim_expire_all(struct trim *trim)
{
	int code;

	if (!trim->expire)
		return SQLITE_OK;
	trim->expire = false;
	code = trim_expire(trim, ROW_STUB, trim_keep_ms(trim));
	for (int kind = ENTRY_SUB; kind <= ENTRY_CREATE && code == SQLITE_OK;
	     kind++)
		code = trim_expire(trim, kind, STORE_CHANGES_KEEP_MS);
	return code;
}

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
	struct ledger_channel *channel;
	int code = SQLITE_OK;

	if (!trim_is_due(trim, false) || !trim_lease(trim, &code))
		return code;
	trim->began_us = clock_mono_us();
	trim->rows = 0;
	trim_find_floor(trim);
	code = trim_expire_all(trim);
	if (code == SQLITE_OK)
		code = trim_size(trim);
	while (code == SQLITE_OK && !trim_is_spent(trim) &&
	    (channel = trim_next_due(trim)) != NULL)
		code = trim_channel(trim, channel);
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

	if (trim_is_due(trim, true)) {
		/* Another process holds the lease. */
		if (trim->held_ms <= trim->now_ms && mono_ms < trim->asked_ms)
			return 1000;
		wait_ms = trim_own(trim);
		if (wait_ms != 0)
			return wait_ms;
	}
	if (trim->over || trim->expire)
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
