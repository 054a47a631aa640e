/* The writer's birth and end, and what others hand to it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/store/writer.h"
#include "schema.h"

/* Between two attempts at a lock that another process holds. */
#define WRITER_LOCK_US 300
#define WRITER_CACHE   "PRAGMA cache_size = -8000"

static struct stat_metric writer_refused =
    STAT_COUNTER("waft_store_refused_total", "Appends answered busy",
        "reason=\"queue\"");

static int
writer_wal_cb(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct writer *writer = arg;

	(void)db;
	(void)name;
	writer->frames = frames;
	return SQLITE_OK;
}

static int
writer_busy_cb(void *arg, int count)
{
	struct writer *writer = arg;

	(void)count;
	if (clock_mono_ms() >= writer->wait_ms)
		return 0;
	usleep(WRITER_LOCK_US);
	return 1;
}

static int
writer_epoch(struct writer *writer)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[8];
	char epoch[9] = { 0 };
	sqlite3_stmt *stmt;
	int code;

	crypto_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		epoch[i] = digits[random[i] & 15];
	stmt = db_prepare(writer->db,
	    "INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', ?)");
	db_bind_text(stmt, 1, epoch);
	code = db_run(stmt);
	sqlite3_finalize(stmt);
	stmt = db_prepare(writer->db,
	    "SELECT value FROM meta WHERE key = 'epoch'");
	if (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(writer->store->epoch, sizeof(writer->store->epoch),
		    "%s", db_text(stmt, 0));
	sqlite3_finalize(stmt);
	return code;
}

static void
writer_prepare(struct writer *writer)
{
	sqlite3 *db = writer->db;

	writer->begin = db_prepare(db, "BEGIN IMMEDIATE");
	writer->commit = db_prepare(db, "COMMIT");
	writer->rollback = db_prepare(db, "ROLLBACK");
	writer->last_seq = db_prepare(db,
	    "SELECT seq FROM sqlite_sequence WHERE name = 'log'");
	writer->foreign = db_prepare(db,
	    "SELECT " DB_ENTRY_COLUMNS " WHERE l.seq > ? ORDER BY l.seq");
	writer->data_version = db_prepare(db, "PRAGMA data_version");
	writer->channel_find =
	    db_prepare(db, "SELECT id FROM channel WHERE name = ?");
	writer->channel_add = db_prepare(db,
	    "INSERT INTO channel (name, stored, deleted_seq, last_seq, "
	    "last_time) VALUES (?, 0, 0, 0, 0)");
	writer->probe =
	    db_prepare(db, "UPDATE meta SET value = value WHERE key = 'epoch'");
	apply_prepare(writer);
}

struct writer *
writer_open(struct sqlite *sqlite, struct buf *why, int *status)
{
	struct db_open how = { .path = sqlite->path,
		.app_id = SQLITE_LOG_ID,
		.schema = schema,
		.n_schema = (int)ARRAY_LEN(schema),
		.durable = true };
	struct writer *writer = xcalloc(1, sizeof(*writer));
	int code;

	writer->sqlite = sqlite;
	writer->store = sqlite->store;
	writer->bell.fd = writer->bell.inotify = writer->wake_fd = -1;
	writer->db = db_open(&how, why, status);
	if (writer->db == NULL || !bell_open(&writer->bell, sqlite->path, why))
		goto fail;
	writer->wait_ms =
	    clock_mono_ms() + sqlite->store->conf->store.publish_timeout_ms;
	sqlite3_busy_handler(writer->db, writer_busy_cb, writer);
	db_exec(writer->db, WRITER_CACHE);
	writer_prepare(writer);
	code = writer_epoch(writer);
	if (code == SQLITE_OK) {
		writer->trim = trim_create(writer);
		code = db_exec(writer->db, "BEGIN");
		writer->newest = (uint64_t)db_number(writer->last_seq, 0);
	}
	if (code != SQLITE_OK) {
		buf_addf(why, "%s: %s", sqlite->path,
		    sqlite3_errmsg(writer->db));
		*status = EX_IOERR;
		goto fail;
	}
	sqlite3_wal_hook(writer->db, writer_wal_cb, writer);
	writer->version = -1;
	sqlite->store->tail =
	    tail_create(sqlite->store->conf->store.tail_size, writer->newest);
	writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue_init(&writer->queue, writer->wake_fd);
	pthread_mutex_init(&writer->pin_lock, NULL);
	return writer;
fail:
	writer_close(writer);
	return NULL;
}

void
writer_start(struct writer *writer)
{
	if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0)
		fatal(EX_OSERR, "store.thread", "name=writer");
	writer->started = true;
}

void
writer_submit(struct writer *writer, struct request *request)
{
	struct answers answers = { 0 };

	if (queue_put(&writer->queue, request))
		return;
	stat_add(&writer_refused, 1);
	request->err = ERR_BUSY;
	answers_add(&answers, request);
	answers_post(&answers);
	answers_clear(&answers);
}

void
writer_pin(struct writer *writer, const char *owner, uint64_t seq)
{
	struct writer_pin *pin;
	size_t i;

	pthread_mutex_lock(&writer->pin_lock);
	for (i = 0; i < writer->n_pins; i++)
		if (strcmp(writer->pins[i].owner, owner) == 0)
			break;
	if (i == writer->n_pins) {
		writer->pins =
		    xreallocarray(writer->pins, i + 1, sizeof(*writer->pins));
		writer->pins[writer->n_pins++] =
		    (struct writer_pin){ xstrdup(owner), UINT64_MAX, false };
	}
	pin = &writer->pins[i];
	if (pin->seq != seq) {
		pin->seq = seq;
		pin->dirty = true;
		writer->pins_dirty = true;
	}
	pthread_mutex_unlock(&writer->pin_lock);
}

void
writer_close(struct writer *writer)
{
	sqlite3_stmt *stmt;

	if (writer == NULL)
		return;
	if (writer->started) {
		queue_end(&writer->queue);
		pthread_join(writer->thread, NULL);
	}
	trim_free(writer->trim);
	while (writer->db != NULL &&
	    (stmt = sqlite3_next_stmt(writer->db, NULL)) != NULL)
		sqlite3_finalize(stmt);
	sqlite3_close(writer->db);
	bell_close(&writer->bell);
	if (writer->wake_fd >= 0) {
		close(writer->wake_fd);
		queue_clear(&writer->queue);
		pthread_mutex_destroy(&writer->pin_lock);
	}
	for (size_t i = 0; i < writer->n_pins; i++)
		free(writer->pins[i].owner);
	free(writer->pins);
	free(writer->batch);
	answers_clear(&writer->answers);
	ledger_free(writer->ledger);
	free(writer);
}
