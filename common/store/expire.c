/*
 * Rows that have done their duty: ids of trimmed items once duplicate-ttl is
 * over, and changes of subscriptions and channels that everybody has seen.
 */
#include "common/store/trim.h"

#define EXPIRE_ROWS 300 /* of a kind in one step */

/* Changes of subscriptions and of channels. */
static const int expire_changes[] = { ENTRY_SUB, ENTRY_UNSUB, ENTRY_DELETE,
	ENTRY_CREATE, ENTRY_NODE };

void
expire_prepare(struct trim *trim)
{
	sqlite3 *db = trim->writer->db;

	trim->expired = db_prepare(db,
	    "SELECT seq, time, channel FROM log WHERE kind > 0 AND kind = ? "
	    "ORDER BY seq LIMIT ?");
	trim->forget =
	    db_prepare(db, "DELETE FROM channel WHERE id = ? AND stored = 0");
}

int64_t
expire_keep_ms(const struct trim *trim)
{
	int64_t ttl_ms = trim->writer->store->conf->store.duplicate_ttl_ms;

	return ttl_ms > TRIM_KEEP_MIN_MS ? ttl_ms : TRIM_KEEP_MIN_MS;
}

static bool
expire_has(struct trim *trim, int kind, int64_t keep_ms)
{
	int64_t time_ms = INT64_MAX;

	sqlite3_bind_int(trim->expired, 1, kind);
	sqlite3_bind_int(trim->expired, 2, 1);
	if (sqlite3_step(trim->expired) == SQLITE_ROW)
		time_ms = sqlite3_column_int64(trim->expired, 1);
	sqlite3_reset(trim->expired);
	return time_ms <= trim->now_ms - keep_ms;
}

bool
expire_is_due(struct trim *trim)
{
	for (size_t i = 0; i < ARRAY_LEN(expire_changes); i++)
		if (expire_has(trim, expire_changes[i], STORE_CHANGES_KEEP_MS))
			return true;
	return expire_has(trim, ROW_STUB, expire_keep_ms(trim));
}

/* Rows of a kind that have done their duty. */
static int
expire_kind(struct trim *trim, int kind, int64_t keep_ms)
{
	struct {
		int64_t seq, channel;
	} rows[EXPIRE_ROWS];
	sqlite3_stmt *stmt = trim->expired;
	size_t n = 0;
	int code = SQLITE_OK;

	sqlite3_bind_int(stmt, 1, kind);
	sqlite3_bind_int(stmt, 2, EXPIRE_ROWS);
	while (n < EXPIRE_ROWS && sqlite3_step(stmt) == SQLITE_ROW) {
		if (sqlite3_column_int64(stmt, 1) > trim->now_ms - keep_ms)
			break;
		rows[n].seq = sqlite3_column_int64(stmt, 0);
		rows[n++].channel = sqlite3_column_int64(stmt, 2);
	}
	sqlite3_reset(stmt);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++) {
		sqlite3_bind_int64(trim->remove, 1, rows[i].seq);
		code = db_run(trim->remove);
		trim->writer->wrote = true;
		if (code == SQLITE_OK && kind == ENTRY_DELETE) {
			sqlite3_bind_int64(trim->forget, 1, rows[i].channel);
			code = db_run(trim->forget);
		}
	}
	trim->done += (int)n;
	if (n == EXPIRE_ROWS)
		trim->expire = true;
	return code;
}

int
expire_run(struct trim *trim)
{
	int code;

	trim->expire = false;
	code = expire_kind(trim, ROW_STUB, expire_keep_ms(trim));
	for (size_t i = 0; i < ARRAY_LEN(expire_changes) && code == SQLITE_OK;
	     i++)
		code =
		    expire_kind(trim, expire_changes[i], STORE_CHANGES_KEEP_MS);
	return code;
}
