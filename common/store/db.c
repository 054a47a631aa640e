#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/store/sqlite.h"

/* Several daemons may open a new store at the same moment. */
#define DB_OPEN_WAIT_MS 5000
#define DB_HEADER_LEN   100

static struct stat_metric db_failures = STAT_COUNTER("waft_store_errors_total",
    "Operations of the store that the disk or the database refused", NULL);
static struct stat_metric db_damaged =
    STAT_COUNTER("waft_store_damaged_rows_total",
        "Rows of the log that could not be understood", NULL);

enum err
db_err(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_FULL:
		return ERR_FULL;
	default:
		return ERR_IO;
	}
}

void
db_failed(sqlite3 *db, const char *what, int code)
{
	static _Atomic int64_t last_ms;
	int64_t now_ms = clock_mono_ms(), last = atomic_load(&last_ms);

	stat_add(&db_failures, 1);
	if (last != 0 && now_ms - last < 1000)
		return;
	atomic_store(&last_ms, now_ms);
	log_error("store.failed", "what=%s err=%s code=%d why=%s errno=%d",
	    what, err_name(db_err(code)), code, LOGQ(sqlite3_errmsg(db)),
	    sqlite3_system_errno(db));
}

sqlite3_stmt *
db_prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
	        NULL) != SQLITE_OK)
		fatal(EX_SOFTWARE, "store.sql", "why=%s sql=%s",
		    LOGQ(sqlite3_errmsg(db)), LOGQ(sql));
	return stmt;
}

int
db_run(sqlite3_stmt *stmt)
{
	int code;

	do
		code = sqlite3_step(stmt);
	while (code == SQLITE_ROW);
	sqlite3_reset(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int
db_exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int64_t
db_number(sqlite3_stmt *stmt, int64_t missing)
{
	int64_t number = missing;

	if (sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return number;
}

void
db_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

const char *
db_text(sqlite3_stmt *stmt, int at)
{
	const unsigned char *text = sqlite3_column_text(stmt, at);

	return text == NULL ? "" : (const char *)text;
}

struct entry *
db_entry(sqlite3_stmt *stmt)
{
	int kind = sqlite3_column_int(stmt, 1);
	bool sub = kind == ENTRY_SUB || kind == ENTRY_UNSUB;
	const char *name = db_text(stmt, sub ? 4 : 2);
	const char *id = sub ? "" : db_text(stmt, 4);
	const char *data = sqlite3_column_blob(stmt, 7);
	size_t len = (size_t)sqlite3_column_bytes(stmt, 7);
	struct subscription unpacked;
	struct entry *entry;

	entry = entry_create((enum entry_kind)kind, name, id,
	    (const char *)sqlite3_column_text(stmt, 5), data, len);
	entry->seq = (uint64_t)sqlite3_column_int64(stmt, 0);
	entry->prev_seq = (uint64_t)sqlite3_column_int64(stmt, 3);
	entry->time_ms = sqlite3_column_int64(stmt, 6);
	if (((kind >= ENTRY_ITEM && kind <= ENTRY_CREATE) ||
	        kind == ENTRY_NODE) &&
	    name[0] != '\0' &&
	    (kind != ENTRY_ITEM || entry_data_ok(entry->data, len)) &&
	    (!sub || subscription_unpack(entry, &unpacked)))
		return entry;
	stat_add(&db_damaged, 1);
	log_error("store.damaged-row", "seq=%llu kind=%d",
	    (unsigned long long)entry->seq, kind);
	entry_unref(entry);
	return NULL;
}

/* ---- opening --------------------------------------------------------- */

static int64_t
db_ask(sqlite3 *db, const char *sql, int *code)
{
	sqlite3_stmt *stmt = NULL;
	int64_t number = 0;

	*code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (*code == SQLITE_OK) {
		*code = sqlite3_step(stmt);
		if (*code == SQLITE_ROW)
			number = sqlite3_column_int64(stmt, 0);
	}
	sqlite3_finalize(stmt);
	if (*code == SQLITE_ROW || *code == SQLITE_DONE)
		*code = SQLITE_OK;
	return number;
}

static void
db_say(const struct db_open *how, sqlite3 *db, int code, struct buf *why,
    int *status)
{
	*status = EX_IOERR;
	switch (code & 0xff) {
	case SQLITE_NOTADB:
		*status = EX_CONFIG;
		buf_addf(why,
		    "%s: not a waft store: choose another store.path, or move "
		    "the file away",
		    how->path);
		return;
	case SQLITE_CANTOPEN:
		*status = EX_CANTCREAT;
		buf_addf(why,
		    "%s: cannot be opened or made (%s): the folder must exist "
		    "and be writable",
		    how->path, strerror(sqlite3_system_errno(db)));
		return;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		buf_addf(why,
		    "%s: cannot be written: give this user the file, its "
		    "-wal, -shm and its folder",
		    how->path);
		return;
	case SQLITE_FULL:
		buf_addf(why, "%s: the disk is full: make room", how->path);
		return;
	case SQLITE_BUSY:
		buf_addf(why, "%s: locked by another program for %d s",
		    how->path, DB_OPEN_WAIT_MS / 1000);
		return;
	case SQLITE_CORRUPT:
		buf_addf(why,
		    "%s: damaged (%s): restore a backup, or move it away to "
		    "begin anew",
		    how->path, sqlite3_errmsg(db));
		return;
	default:
		buf_addf(why, "%s: %s", how->path, sqlite3_errmsg(db));
	}
}

/* SQLITE_NOTADB for a file of another program, before anything is written to
 * it. */
static int
db_check(sqlite3 *db, const struct db_open *how, struct buf *why, int *status)
{
	int code;
	int64_t app_id = 0, version = 0, tables = 0;
	struct stat st;

	/* SQLite takes a file shorter than its header for an empty one. */
	if (stat(how->path, &st) == 0 && st.st_size > 0 &&
	    st.st_size < DB_HEADER_LEN)
		return SQLITE_NOTADB;
	if (sqlite3_db_readonly(db, "main") == 1)
		return SQLITE_READONLY;
	/* One look: another daemon may be making the store right now. */
	code = db_exec(db, "BEGIN");
	if (code == SQLITE_OK)
		tables =
		    db_ask(db, "SELECT count(*) FROM sqlite_schema", &code);
	if (code == SQLITE_OK)
		app_id = db_ask(db, "PRAGMA application_id", &code);
	if (code == SQLITE_OK)
		version = db_ask(db, "PRAGMA user_version", &code);
	if (!sqlite3_get_autocommit(db))
		db_exec(db, "COMMIT");
	if (code != SQLITE_OK)
		return code;
	if (app_id == 0 && version == 0 && tables == 0)
		return SQLITE_OK;
	if (app_id != (int64_t)how->app_id)
		return SQLITE_NOTADB;
	if (version > how->n_schema) {
		*status = EX_CONFIG;
		buf_addf(why,
		    "%s: made by a newer waft (schema %lld, this program "
		    "knows %d): install that version",
		    how->path, (long long)version, how->n_schema);
		return SQLITE_ERROR;
	}
	return SQLITE_OK;
}

/* The steps that are missing, all or nothing; another daemon may be doing the
 * same. */
static int
db_upgrade(sqlite3 *db, const struct db_open *how)
{
	int64_t version;
	int code;
	char *sql;

	code = db_exec(db, "BEGIN IMMEDIATE");
	if (code != SQLITE_OK)
		return code;
	version = db_ask(db, "PRAGMA user_version", &code);
	if (code == SQLITE_OK && version >= how->n_schema)
		return db_exec(db, "ROLLBACK");
	for (; code == SQLITE_OK && version < how->n_schema; version++)
		code = db_exec(db, how->schema[version]);
	if (code == SQLITE_OK) {
		sql = xasprintf("PRAGMA application_id = %u;"
		                "PRAGMA user_version = %d",
		    how->app_id, how->n_schema);
		code = db_exec(db, sql);
		free(sql);
	}
	if (code == SQLITE_OK)
		code = db_exec(db, "COMMIT");
	if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
		db_exec(db, "ROLLBACK");
	return code;
}

static int
db_prime(sqlite3 *db, const struct db_open *how, struct buf *why, int *status)
{
	int64_t until_ms = clock_mono_ms() + DB_OPEN_WAIT_MS;
	int64_t version;
	int code;

	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, DB_OPEN_WAIT_MS);
	code = db_check(db, how, why, status);
	if (code != SQLITE_OK)
		return code;
	/* The switch to WAL does not wait for its lock by itself. */
	while ((code = db_exec(db, "PRAGMA journal_mode = WAL")) != SQLITE_OK) {
		if ((code & 0xff) != SQLITE_BUSY || clock_mono_ms() > until_ms)
			return code;
		usleep(2000);
	}
	code = db_exec(db,
	    how->durable ? "PRAGMA synchronous = FULL" :
	                   "PRAGMA synchronous = NORMAL");
	if (code != SQLITE_OK)
		return code;
	version = db_ask(db, "PRAGMA user_version", &code);
	if (code == SQLITE_OK && version < how->n_schema)
		code = db_upgrade(db, how);
	return code;
}

sqlite3 *
db_open(const struct db_open *how, struct buf *why, int *status)
{
	sqlite3 *db = NULL;
	size_t said = why->len;
	int code;

	code = sqlite3_open_v2(how->path, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	    NULL);
	if (code == SQLITE_OK)
		code = db_prime(db, how, why, status);
	if (code == SQLITE_OK)
		return db;
	if (why->len == said)
		db_say(how, db, code, why, status);
	sqlite3_close(db);
	return NULL;
}

sqlite3 *
db_reopen(const char *path, struct buf *why, int *status)
{
	const struct db_open how = { .path = path };
	sqlite3 *db = NULL;
	int code;

	code = sqlite3_open_v2(path, &db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK) {
		sqlite3_extended_result_codes(db, 1);
		sqlite3_busy_timeout(db, DB_OPEN_WAIT_MS);
		return db;
	}
	db_say(&how, db, code, why, status);
	sqlite3_close(db);
	return NULL;
}
