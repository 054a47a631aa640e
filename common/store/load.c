/*
 * What the log holds when it is opened: the newest item of each channel from
 * the index alone, the ids of the last duplicate-ttl from the rows themselves.
 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/store/writer.h"

static int
load_channels(struct writer *writer)
{
	sqlite3_stmt *stmt = db_prepare(writer->db,
	    "SELECT id, name, stored, deleted_seq, last_seq, last_time "
	    "FROM channel");
	int code;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct ledger_channel *channel =
		    ledger_channel(writer->ledger, db_text(stmt, 1));

		channel->stored = sqlite3_column_int(stmt, 2) != 0;
		channel->row =
		    channel->stored ? sqlite3_column_int64(stmt, 0) : 0;
		channel->deleted_seq = (uint64_t)sqlite3_column_int64(stmt, 3);
		channel->last_seq = (uint64_t)sqlite3_column_int64(stmt, 4);
		channel->last_ms = sqlite3_column_int64(stmt, 5);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
load_newest(struct writer *writer)
{
	sqlite3_stmt *stmt = db_prepare(writer->db,
	    "SELECT c.name, g.last, g.items FROM (SELECT channel, "
	    "max(seq) AS last, count(*) AS items FROM log WHERE kind = 0 "
	    "GROUP BY channel) AS g JOIN channel AS c ON c.id = g.channel");
	int code;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct ledger_channel *channel =
		    ledger_channel(writer->ledger, db_text(stmt, 0));

		channel->last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
		channel->items = (uint64_t)sqlite3_column_int64(stmt, 2);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The first seq whose row is younger than since_ms.  Times grow with seq but
 * for steps of the clock, which cost no more than an id. */
static uint64_t
load_first(struct writer *writer, int64_t since_ms)
{
	sqlite3_stmt *stmt = db_prepare(writer->db,
	    "SELECT time FROM log WHERE seq >= ? ORDER BY seq LIMIT 1");
	uint64_t low = 0, high = writer->newest + 1;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		sqlite3_bind_int64(stmt, 1, (sqlite3_int64)mid);
		if (db_number(stmt, INT64_MAX) > since_ms)
			high = mid;
		else
			low = mid + 1;
	}
	sqlite3_finalize(stmt);
	return low;
}

static int
load_ids(struct writer *writer)
{
	int64_t since_ms =
	    clock_wall_ms() - writer->store->conf->store.duplicate_ttl_ms;
	sqlite3_stmt *stmt = db_prepare(writer->db,
	    "SELECT l.seq, l.prev_seq, l.time, l.id, c.name FROM log AS l "
	    "JOIN channel AS c ON c.id = l.channel "
	    "WHERE l.seq >= ? AND l.kind IN (0, 5) ORDER BY l.seq");
	struct ledger_id id;
	int code;

	sqlite3_bind_int64(stmt, 1,
	    (sqlite3_int64)load_first(writer, since_ms));
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		id.seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		id.prev_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
		id.time_ms = sqlite3_column_int64(stmt, 2);
		ledger_add_id(writer->ledger, db_text(stmt, 4),
		    db_text(stmt, 3), &id);
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
load_ledger(struct writer *writer)
{
	int code;

	trim_reset(writer->trim);
	ledger_free(writer->ledger);
	writer->ledger =
	    ledger_create(writer->store->conf->store.duplicate_ttl_ms);
	writer->newest = (uint64_t)db_number(writer->last_seq, 0);
	code = load_channels(writer);
	if (code == SQLITE_OK)
		code = load_newest(writer);
	if (code == SQLITE_OK)
		code = load_ids(writer);
	/* What was read once, mostly of a log that is long, is of no use. */
	sqlite3_db_release_memory(writer->db);
	mem_trim();
	return code;
}
