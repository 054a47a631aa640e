/*
 * What keeps retention from trimming: another process that does it already,
 * listeners that are behind, and rows so young that not every process may have
 * seen them.
 */
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/store/trim.h"

#define HOLD_LEASE_MS 15000
/* How finely times are known: the marks reach over the grace twice. */
#define HOLD_MARK_MS 100

static struct stat_metric hold_overruns =
    STAT_COUNTER("waft_store_pin_overruns_total",
        "Times a listener fell behind by more than pin-size and holds no more",
        NULL);

void
hold_prepare(struct trim *trim)
{
	sqlite3 *db = trim->writer->db;

	trim->pins = db_prepare(db, "SELECT owner, seq FROM pin");
	trim->lease_get = db_prepare(db,
	    "SELECT until FROM lease WHERE name = 'trim' AND holder <> ?");
	trim->lease_take = db_prepare(db,
	    "INSERT OR REPLACE INTO lease (name, holder, until) "
	    "VALUES ('trim', ?, ?)");
	trim->lease_drop = db_prepare(db,
	    "DELETE FROM lease WHERE name = 'trim' AND holder = ?");
}

/* ---- the lease ------------------------------------------------------- */

bool
hold_lease(struct trim *trim, int *code)
{
	int64_t mono_ms = clock_mono_ms(), until_ms;
	int64_t left_ms = trim->held_ms - trim->now_ms;

	if (left_ms > HOLD_LEASE_MS / 3 && left_ms <= HOLD_LEASE_MS)
		return true;
	if (mono_ms < trim->asked_ms)
		return false;
	db_bind_text(trim->lease_get, 1, trim->holder);
	until_ms = db_number(trim->lease_get, 0);
	/* A time too far ahead is one of a clock that was wrong. */
	if (until_ms > trim->now_ms &&
	    until_ms <= trim->now_ms + HOLD_LEASE_MS) {
		trim->held_ms = 0;
		trim->asked_ms = mono_ms + (until_ms - trim->now_ms);
		return false;
	}
	if (left_ms <= 0)
		trim->term++;
	db_bind_text(trim->lease_take, 1, trim->holder);
	sqlite3_bind_int64(trim->lease_take, 2, trim->now_ms + HOLD_LEASE_MS);
	*code = db_run(trim->lease_take);
	trim->writer->wrote = true;
	trim->held_ms = trim->now_ms + HOLD_LEASE_MS;
	return *code == SQLITE_OK;
}

/* ---- marks ----------------------------------------------------------- */

static void
hold_mark(struct trim_marks *marks, const struct trim_mark *mark)
{
	if (marks->count == TRIM_MARKS)
		memmove(marks->marks, marks->marks + 1,
		    --marks->count * sizeof(*marks->marks));
	marks->marks[marks->count++] = *mark;
}

void
hold_saw(struct trim *trim, const struct entry *entry)
{
	uint64_t step = trim->writer->store->conf->store.pin_size / TRIM_MARKS;
	struct trim_marks *bytes = &trim->by_bytes, *times = &trim->by_time;
	struct trim_mark mark;
	int64_t last_ms;

	trim->bytes += entry_size(entry);
	mark = (struct trim_mark){ entry->seq, trim->bytes, entry->time_ms };
	if (bytes->count == 0 ||
	    trim->bytes - bytes->marks[bytes->count - 1].bytes > step)
		hold_mark(bytes, &mark);
	last_ms =
	    times->count == 0 ? 0 : times->marks[times->count - 1].time_ms;
	/* The clock was set back: nothing older says anything. */
	if (entry->time_ms < last_ms)
		times->count = 0;
	if (times->count == 0 || entry->time_ms >= last_ms + HOLD_MARK_MS)
		hold_mark(times, &mark);
}

/* The newest seq that every process has had the time to see. */
static uint64_t
hold_grace(const struct trim *trim)
{
	const struct trim_marks *times = &trim->by_time;

	for (size_t i = 0; i < times->count; i++)
		if (times->marks[i].time_ms > trim->now_ms - TRIM_GRACE_MS)
			return times->marks[i].seq - 1;
	return trim->writer->newest;
}

/* Bytes of entries behind seq, to within a mark; for those from before this
 * process began, by the average of the file. */
static uint64_t
hold_behind(struct trim *trim, uint64_t seq)
{
	const struct trim_marks *bytes = &trim->by_bytes;
	uint64_t first = trim->writer->newest;

	for (size_t i = bytes->count; i-- > 0;)
		if (bytes->marks[i].seq <= seq)
			return trim->bytes - bytes->marks[i].bytes;
	if (bytes->count != 0)
		first = bytes->marks[0].seq;
	if (seq >= first)
		return trim->bytes;
	return trim->bytes +
	    (first - seq) * (trim_used(trim) / (trim->writer->newest + 1));
}

void
hold_look(struct trim *trim)
{
	uint64_t limit = trim->writer->store->conf->store.pin_size, seq;
	bool overrun = false;

	trim->floor = hold_grace(trim);
	while (sqlite3_step(trim->pins) == SQLITE_ROW) {
		seq = (uint64_t)sqlite3_column_int64(trim->pins, 1);
		if (seq >= trim->floor)
			continue;
		if (hold_behind(trim, seq) <= limit) {
			trim->floor = seq;
			continue;
		}
		overrun = true;
		if (!trim->overrun)
			log_warn("store.pin-overrun",
			    "owner=%s seq=%llu limit=%llu reason=\"too far "
			    "behind: its items are trimmed like all others\"",
			    LOGQ(db_text(trim->pins, 0)),
			    (unsigned long long)seq, (unsigned long long)limit);
	}
	sqlite3_reset(trim->pins);
	if (overrun && !trim->overrun)
		stat_add(&hold_overruns, 1);
	trim->overrun = overrun;
}
