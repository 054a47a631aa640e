/*
 * The thread that keeps this daemon's private state: one table of keys and
 * values in a file of its own, PATH.daemon, readable by nobody else.  Without
 * an fsync for each commit: it survives kill -9, and a power cut costs repeats.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/store/sqlite.h"

static const char *const keeper_schema[] = {
	"CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) "
	"WITHOUT ROWID;",
};

struct keeper {
	sqlite3 *db;
	struct queue queue;
	pthread_t thread;
	bool started;
	struct answers answers;
	sqlite3_stmt *begin, *commit, *rollback, *put, *del, *list;
};

static int
keeper_put(struct keeper *keeper, const struct state_request *state)
{
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
		return keeper_put(keeper, &request->u.state);
	case REQUEST_STATE_DEL:
		db_bind_text(keeper->del, 1, request->u.state.key);
		return db_run(keeper->del);
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
