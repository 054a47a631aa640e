/*
 * The thread that keeps this daemon's private state: one table of keys and
 * values in a file of its own, PATH.daemon, readable by nobody else.  Without
 * an fsync for each commit: it survives kill -9, and a power cut costs repeats.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/store/sqlite.h"

static const char *const keeper_schema[] = {
	"CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) "
	"WITHOUT ROWID;",
	/* Until: monotonic clock of the machine; holder "": nobody. */
	"CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, "
	"generation INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;",
};

struct keeper {
	sqlite3 *db;
	struct queue queue;
	pthread_t thread;
	bool started;
	struct answers answers;
	sqlite3_stmt *begin, *commit, *rollback, *put, *del, *list;
	sqlite3_stmt *lease_get, *lease_put;
};

/* ---- leases ---------------------------------------------------------- */

static int
keeper_read_lease(struct keeper *keeper, const char *name,
    struct lease_row *row)
{
	sqlite3_stmt *stmt = keeper->lease_get;
	int code;

	memset(row, 0, sizeof(*row));
	db_bind_text(stmt, 1, name);
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		snprintf(row->holder, sizeof(row->holder), "%s",
		    db_text(stmt, 0));
		row->generation = (uint64_t)sqlite3_column_int64(stmt, 1);
		row->until_ms = sqlite3_column_int64(stmt, 2);
	}
	sqlite3_reset(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
keeper_lease(struct keeper *keeper, struct request *request)
{
	sqlite3_stmt *stmt = keeper->lease_put;
	struct lease_row row;
	int code = keeper_read_lease(keeper, request->u.lease.name, &row);

	if (code != SQLITE_OK || !request_lease(request, &row, clock_mono_ms()))
		return code;
	db_bind_text(stmt, 1, request->u.lease.name);
	db_bind_text(stmt, 2, row.holder);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)row.generation);
	sqlite3_bind_int64(stmt, 4, row.until_ms);
	return db_run(stmt);
}

/* ---- state ----------------------------------------------------------- */

/* False: it is put under a lease that another has taken since. */
static bool
keeper_may_put(struct keeper *keeper, struct request *request, int *code)
{
	const struct state_request *state = &request->u.state;
	struct lease_row row;

	if (state->lease == NULL)
		return true;
	*code = keeper_read_lease(keeper, state->lease, &row);
	if (*code != SQLITE_OK)
		return false;
	if (lease_is(&row, state->generation))
		return true;
	lease_refused(state->key, state->generation);
	request->err = ERR_GONE;
	return false;
}

static int
keeper_put(struct keeper *keeper, struct request *request)
{
	const struct state_request *state = &request->u.state;
	int code = SQLITE_OK;

	if (!keeper_may_put(keeper, request, &code))
		return code;
	db_bind_text(keeper->put, 1, state->key);
	if (state->len == 0)
		sqlite3_bind_zeroblob(keeper->put, 2, 0);
	else
		sqlite3_bind_blob64(keeper->put, 2, state->value, state->len,
		    SQLITE_STATIC);
	return db_run(keeper->put);
}

static int
keeper_list(struct keeper *keeper, struct request *request)
{
	const char *prefix = request->u.state.key;
	size_t len = strlen(prefix);
	sqlite3_stmt *stmt = keeper->list;
	int code;

	db_bind_text(stmt, 1, prefix);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (strncmp(db_text(stmt, 0), prefix, len) != 0) {
			code = SQLITE_DONE;
			break;
		}
		request_add_row(request, db_text(stmt, 0),
		    sqlite3_column_blob(stmt, 1),
		    (size_t)sqlite3_column_bytes(stmt, 1));
	}
	sqlite3_reset(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
keeper_run(struct keeper *keeper, struct request *request)
{
	switch (request->kind) {
	case REQUEST_STATE_PUT:
		return keeper_put(keeper, request);
	case REQUEST_STATE_DEL:
		db_bind_text(keeper->del, 1, request->u.state.key);
		return db_run(keeper->del);
	case REQUEST_LEASE:
		return keeper_lease(keeper, request);
	default:
		return keeper_list(keeper, request);
	}
}

static void
keeper_batch(struct keeper *keeper, struct requests *batch)
{
	struct request *request;
	int code = db_run(keeper->begin);

	if (code == SQLITE_OK) {
		STAILQ_FOREACH(request, batch, entry) {
			code = keeper_run(keeper, request);
			if (code != SQLITE_OK)
				break;
		}
		if (code == SQLITE_OK)
			code = db_run(keeper->commit);
	}
	if (code != SQLITE_OK) {
		db_failed(keeper->db, "state", code);
		if (!sqlite3_get_autocommit(keeper->db))
			db_run(keeper->rollback);
	}
	while ((request = STAILQ_FIRST(batch)) != NULL) {
		STAILQ_REMOVE_HEAD(batch, entry);
		/* Else it has been given its own. */
		if (code != SQLITE_OK)
			request->err = db_err(code);
		answers_add(&keeper->answers, request);
	}
	answers_post(&keeper->answers);
}

static void *
keeper_main(void *arg)
{
	struct keeper *keeper = arg;
	struct requests batch = STAILQ_HEAD_INITIALIZER(batch);

	pthread_setname_np(pthread_self(), "waft-state");
	while (queue_wait(&keeper->queue, &batch, SIZE_MAX))
		if (!STAILQ_EMPTY(&batch))
			keeper_batch(keeper, &batch);
	return NULL;
}

/* Before SQLite makes it for everyone; its -wal and -shm take its mode. */
static bool
keeper_make(const char *path, struct buf *why, int *status)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	*status = EX_CANTCREAT;
	buf_addf(why, "%s: %s: this daemon keeps its private state there", path,
	    strerror(errno));
	return false;
}

struct keeper *
keeper_open(struct sqlite *sqlite, const char *daemon, struct buf *why,
    int *status)
{
	struct keeper *keeper = xcalloc(1, sizeof(*keeper));
	char *path = xasprintf("%s.%s", sqlite->path, daemon);
	struct db_open how = { .path = path,
		.app_id = SQLITE_PRIVATE_ID,
		.schema = keeper_schema,
		.n_schema = (int)ARRAY_LEN(keeper_schema),
		.durable = false };

	queue_init(&keeper->queue, -1);
	if (keeper_make(path, why, status))
		keeper->db = db_open(&how, why, status);
	free(path);
	if (keeper->db == NULL) {
		keeper_close(keeper);
		return NULL;
	}
	/* It is written and hardly ever read: a page to be changed comes from
	 * the system's cache. */
	db_exec(keeper->db, "PRAGMA cache_size = -128");
	keeper->begin = db_prepare(keeper->db, "BEGIN IMMEDIATE");
	keeper->commit = db_prepare(keeper->db, "COMMIT");
	keeper->rollback = db_prepare(keeper->db, "ROLLBACK");
	keeper->put = db_prepare(keeper->db,
	    "INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)");
	keeper->del = db_prepare(keeper->db, "DELETE FROM state WHERE key = ?");
	keeper->list = db_prepare(keeper->db,
	    "SELECT key, value FROM state WHERE key >= ? ORDER BY key");
	keeper->lease_get = db_prepare(keeper->db,
	    "SELECT holder, generation, until FROM lease WHERE name = ?");
	keeper->lease_put = db_prepare(keeper->db,
	    "INSERT OR REPLACE INTO lease (name, holder, generation, until) "
	    "VALUES (?, ?, ?, ?)");
	if (pthread_create(&keeper->thread, NULL, keeper_main, keeper) != 0)
		fatal(EX_OSERR, "store.thread", "name=keeper");
	keeper->started = true;
	return keeper;
}

void
keeper_submit(struct keeper *keeper, struct request *request)
{
	queue_put(&keeper->queue, request);
}

void
keeper_close(struct keeper *keeper)
{
	sqlite3_stmt *stmt;

	if (keeper == NULL)
		return;
	if (keeper->started) {
		queue_end(&keeper->queue);
		pthread_join(keeper->thread, NULL);
	}
	queue_clear(&keeper->queue);
	while (keeper->db != NULL &&
	    (stmt = sqlite3_next_stmt(keeper->db, NULL)) != NULL)
		sqlite3_finalize(stmt);
	sqlite3_close(keeper->db);
	answers_clear(&keeper->answers);
	free(keeper);
}
