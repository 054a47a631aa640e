/*
 * The thread that writes the log.  A transaction takes everything that was
 * queued while the last one was made durable; inside it, first what other
 * processes wrote is read, and only then ids are checked and seqs given, so
 * that the ledger is exact (DESIGN 6).
 */
#include "common/store/writer.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/stat.h"

/* A look whether others wrote something, for a bell that was not heard. */
#define WRITER_LOOK_MS 1000

static struct stat_metric writer_late = STAT_COUNTER("waft_store_refused_total",
    "Appends answered busy", "reason=\"lock\"");
static struct stat_metric writer_commits =
    STAT_COUNTER("waft_store_commits_total", "Transactions of the log", NULL);
static struct stat_metric writer_entries =
    STAT_COUNTER("waft_store_entries_total",
        "Entries this process has seen in the log, own and foreign", NULL);

/* ---- transactions ---------------------------------------------------- */

void
writer_batch(struct writer *writer, struct entry *entry)
{
	if (writer->n_batch == writer->batch_size) {
		writer->batch_size =
		    writer->batch_size == 0 ? 64 : 2 * writer->batch_size;
		writer->batch = xreallocarray(writer->batch, writer->batch_size,
		    sizeof(*writer->batch));
	}
	writer->batch[writer->n_batch++] = entry;
}

static void
writer_deliver(struct writer *writer)
{
	if (writer->n_batch == 0)
		return;
	stat_add(&writer_entries, (int64_t)writer->n_batch);
	for (size_t i = 0; i < writer->n_batch; i++)
		trim_saw(writer->trim, writer->batch[i]);
	tail_put(writer->store->tail, writer->batch, writer->n_batch);
	writer->n_batch = 0;
}

/* Rows that went unseen, trimmed already: nothing in memory can be trusted. */
static int
writer_reload(struct writer *writer)
{
	int code;

	log_warn("store.reload",
	    "newest=%llu reason=\"rows were trimmed "
	    "before this process saw them\"",
	    (unsigned long long)writer->newest);
	writer_deliver(writer);
	code = load_ledger(writer);
	writer->loaded = code == SQLITE_OK;
	if (writer->loaded)
		tail_skip(writer->store->tail, writer->newest);
	return code;
}

/* A foreign row that was trimmed before it was seen. */
static void
writer_saw_stub(struct writer *writer)
{
	sqlite3_stmt *stmt = writer->foreign;
	struct ledger_id id;
	const char *name = db_text(stmt, 2);
	struct ledger_channel *channel = ledger_channel(writer->ledger, name);

	id.seq = (uint64_t)sqlite3_column_int64(stmt, 0);
	id.prev_seq = (uint64_t)sqlite3_column_int64(stmt, 3);
	id.time_ms = sqlite3_column_int64(stmt, 6);
	channel->last_seq = id.seq;
	channel->last_ms = id.time_ms;
	channel->stored = true;
	ledger_add_id(writer->ledger, name, db_text(stmt, 4), &id);
	writer_deliver(writer);
	tail_skip(writer->store->tail, id.seq);
}

/* Reads what others wrote; inside a transaction of any kind. */
static int
writer_sync(struct writer *writer)
{
	sqlite3_stmt *stmt = writer->foreign;
	uint64_t last, seq = writer->newest, rows = 0;
	struct entry *entry;
	int code;

	last = (uint64_t)db_number(writer->last_seq, 0);
	if (last == writer->newest)
		return SQLITE_OK;
	ledger_begin(writer->ledger);
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)writer->newest);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		rows++;
		seq = (uint64_t)sqlite3_column_int64(stmt, 0);
		if (sqlite3_column_int(stmt, 1) == ROW_STUB) {
			writer_saw_stub(writer);
			continue;
		}
		entry = db_entry(stmt);
		if (entry == NULL)
			continue;
		ledger_add(writer->ledger, entry);
		writer_batch(writer, entry);
	}
	sqlite3_reset(stmt);
	if (rows != (code == SQLITE_DONE ? last : seq) - writer->newest)
		return writer_reload(writer);
	writer->newest = seq;
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The ledger is read on this thread, so that nobody waits for it but the first
 * append.  The transaction is the one that writer_open() began: between what
 * the tail begins behind and what the ledger knows nothing can slip through. */
static void
writer_load(struct writer *writer)
{
	int code = load_ledger(writer);

	db_exec(writer->db, "COMMIT");
	writer->loaded = code == SQLITE_OK;
	if (code != SQLITE_OK)
		writer_failed(writer, "load", code);
}

/* The first attempt failed, and what was written since is not in the tail. */
static int
writer_load_again(struct writer *writer)
{
	int code = db_exec(writer->db, "BEGIN");

	if (code != SQLITE_OK)
		return code;
	writer_load(writer);
	if (!writer->loaded)
		return SQLITE_IOERR;
	tail_skip(writer->store->tail, writer->newest);
	return SQLITE_OK;
}

int
writer_begin(struct writer *writer)
{
	int code = SQLITE_OK;

	if (!writer->loaded)
		code = writer_load_again(writer);
	if (code == SQLITE_OK)
		code = db_run(writer->begin);
	if (code != SQLITE_OK)
		return code;
	writer->wrote = false;
	code = writer_sync(writer);
	if (code == SQLITE_OK) {
		/* What is foreign is committed whatever becomes of us. */
		writer_deliver(writer);
		ledger_begin(writer->ledger);
		writer->base = writer->newest;
		return SQLITE_OK;
	}
	db_run(writer->rollback);
	return code;
}

static void
writer_undo(struct writer *writer)
{
	/* A full disk has rolled back by itself. */
	if (!sqlite3_get_autocommit(writer->db))
		db_run(writer->rollback);
	ledger_rollback(writer->ledger);
	for (size_t i = 0; i < writer->n_batch; i++)
		entry_unref(writer->batch[i]);
	writer->n_batch = 0;
	writer->newest = writer->base;
	pthread_mutex_lock(&writer->pin_lock);
	for (size_t i = 0; i < writer->n_pins; i++)
		writer->pins[i].dirty = true;
	writer->pins_dirty = writer->n_pins != 0;
	pthread_mutex_unlock(&writer->pin_lock);
}

int
writer_end(struct writer *writer, int code)
{
	if (code == SQLITE_OK)
		code = db_run(writer->commit);
	if (code != SQLITE_OK) {
		writer_undo(writer);
		return code;
	}
	ledger_begin(writer->ledger);
	if (!writer->wrote)
		return SQLITE_OK;
	stat_add(&writer_commits, 1);
	atomic_store(&writer->store->trouble, NULL);
	writer_deliver(writer);
	if (writer->newest != writer->base)
		bell_ring(&writer->bell, writer->newest);
	reader_checkpoint(writer->sqlite->reader, writer->frames);
	return SQLITE_OK;
}

void
writer_failed(struct writer *writer, const char *what, int code)
{
	static const char *const troubles[ERR_MAX] = {
		[ERR_FULL] = "the disk of the store is full",
		[ERR_IO] = "the store cannot be written",
	};

	if (troubles[db_err(code)] != NULL)
		atomic_store(&writer->store->trouble, troubles[db_err(code)]);
	db_failed(writer->db, what, code);
}

int64_t
writer_row(struct writer *writer, struct ledger_channel *channel, bool make,
    int *code)
{
	*code = SQLITE_OK;
	if (channel->row != 0)
		return channel->row;
	db_bind_text(writer->channel_find, 1, channel->name);
	channel->row = db_number(writer->channel_find, 0);
	if (channel->row != 0 || !make)
		return channel->row;
	db_bind_text(writer->channel_add, 1, channel->name);
	*code = db_run(writer->channel_add);
	if (*code != SQLITE_OK)
		return 0;
	ledger_note(writer->ledger, channel);
	channel->row = sqlite3_last_insert_rowid(writer->db);
	return channel->row;
}

/* ---- groups of requests ---------------------------------------------- */

static void
writer_answer(struct writer *writer, struct requests *requests, enum err err)
{
	struct request *request;

	while ((request = STAILQ_FIRST(requests)) != NULL) {
		STAILQ_REMOVE_HEAD(requests, entry);
		if (err != ERR_OK)
			request->err = err;
		answers_add(&writer->answers, request);
	}
	answers_post(&writer->answers);
}

/* The lock did not come in time for those who asked first. */
static void
writer_expire(struct writer *writer, struct requests *requests)
{
	int64_t timeout_ms = writer->store->conf->store.publish_timeout_ms;
	int64_t now_ms = clock_mono_ms();
	struct requests late = STAILQ_HEAD_INITIALIZER(late);
	struct request *request;
	int n = 0;

	while ((request = STAILQ_FIRST(requests)) != NULL &&
	    request->asked_ms + timeout_ms <= now_ms) {
		STAILQ_REMOVE_HEAD(requests, entry);
		STAILQ_INSERT_TAIL(&late, request, entry);
		n++;
	}
	stat_add(&writer_late, n);
	log_warn("store.busy",
	    "requests=%d waited_ms=%lld reason=\"another process holds the "
	    "lock\"",
	    n, (long long)timeout_ms);
	writer_answer(writer, &late, ERR_BUSY);
}

static void
writer_group(struct writer *writer, struct requests *requests)
{
	int64_t timeout_ms = writer->store->conf->store.publish_timeout_ms;
	struct request *request;
	int code = SQLITE_BUSY;

	while (!STAILQ_EMPTY(requests)) {
		writer->wait_ms = STAILQ_FIRST(requests)->asked_ms + timeout_ms;
		code = writer_begin(writer);
		if (db_err(code) != ERR_BUSY)
			break;
		writer_expire(writer, requests);
	}
	if (STAILQ_EMPTY(requests))
		return;
	if (code == SQLITE_OK) {
		STAILQ_FOREACH(request, requests, entry) {
			code = apply_request(writer, request);
			if (code != SQLITE_OK)
				break;
		}
		if (code == SQLITE_OK && writer->wrote) {
			code = apply_pins(writer);
			if (code == SQLITE_OK)
				code = trim_step(writer->trim);
		}
		code = writer_end(writer, code);
	}
	if (code != SQLITE_OK)
		writer_failed(writer, "append", code);
	writer_answer(writer, requests, db_err(code));
}

/* ---- what others do -------------------------------------------------- */

static void
writer_look(struct writer *writer)
{
	int code;

	if (!writer->loaded)
		return;
	writer->wait_ms = clock_mono_ms() + WRITER_LOOK_MS;
	code = db_exec(writer->db, "BEGIN");
	if (code == SQLITE_OK) {
		code = writer_sync(writer);
		db_exec(writer->db, "COMMIT");
		writer_deliver(writer);
		ledger_begin(writer->ledger);
	}
	if (code != SQLITE_OK)
		db_failed(writer->db, "look", code);
}

/* A transaction of our own that somebody else need not wait for. */
static void
writer_chore(struct writer *writer, const char *what,
    int (*chore)(struct writer *))
{
	int code;

	writer->wait_ms = clock_mono_ms() + 50;
	code = writer_begin(writer);
	if (db_err(code) == ERR_BUSY)
		return;
	if (code == SQLITE_OK)
		code = writer_end(writer, chore(writer));
	if (code != SQLITE_OK)
		writer_failed(writer, what, code);
}

static int
writer_probe(struct writer *writer)
{
	writer->wrote = true;
	return db_run(writer->probe);
}

static void
writer_tick(struct writer *writer)
{
	int64_t now_ms = clock_mono_ms(), version;
	bool pins;

	if (now_ms - writer->looked_ms < WRITER_LOOK_MS)
		return;
	writer->looked_ms = now_ms;
	version = db_number(writer->data_version, 0);
	if (version != writer->version)
		writer_look(writer);
	writer->version = version;
	/* Only a write tells whether there is room again. */
	if (atomic_load(&writer->store->trouble) != NULL)
		writer_chore(writer, "probe", writer_probe);
	pthread_mutex_lock(&writer->pin_lock);
	pins = writer->pins_dirty;
	pthread_mutex_unlock(&writer->pin_lock);
	if (pins)
		writer_chore(writer, "pin", apply_pins);
}

static void
writer_wait(struct writer *writer, int wait_ms)
{
	struct pollfd fds[2] = { { .fd = writer->wake_fd, .events = POLLIN },
		{ .fd = writer->bell.inotify, .events = POLLIN } };
	uint64_t wakes;

	if (!queue_sleep(&writer->queue))
		return;
	if (poll(fds, 2, wait_ms) <= 0)
		return;
	if (fds[0].revents != 0 &&
	    read(writer->wake_fd, &wakes, sizeof(wakes)) < 0)
		log_debug("store.wake", "err=read");
	if (fds[1].revents != 0 && bell_heard(&writer->bell, writer->newest))
		writer_look(writer);
}

void *
writer_main(void *arg)
{
	struct writer *writer = arg;
	struct requests requests = STAILQ_HEAD_INITIALIZER(requests);
	int wait_ms;

	pthread_setname_np(pthread_self(), "waft-store");
	writer_load(writer);
	wal_make_room(writer);
	while (queue_take(&writer->queue, &requests, SIZE_MAX)) {
		wait_ms = 0;
		if (!STAILQ_EMPTY(&requests))
			writer_group(writer, &requests);
		else if (writer->loaded)
			wait_ms = trim_idle(writer->trim);
		else
			wait_ms = WRITER_LOOK_MS;
		writer_tick(writer);
		if (wait_ms > WRITER_LOOK_MS)
			wait_ms = WRITER_LOOK_MS;
		if (wait_ms != 0)
			writer_wait(writer, wait_ms);
	}
	writer->pinned_ms = 0;
	if (writer->pins_dirty)
		writer_chore(writer, "pin", apply_pins);
	if (writer->loaded)
		trim_end(writer->trim);
	return NULL;
}
