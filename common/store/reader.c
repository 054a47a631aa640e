/*
 * The thread that reads the log for history and lists.  Reads of one channel
 * that wait together are answered by one query.  Checkpoints run here too, off
 * the publish path, while no read of ours holds the WAL.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/store/sqlite.h"

/* Frames of 4 KB: what a passive checkpoint waits for.  Small ones are over
 * sooner and disturb the commits less. */
#define READER_CHECKPOINT_FRAMES 1000
/* Until the next attempt after one that found the lock taken. */
#define READER_CHECKPOINT_AGAIN 100
/* How long a checkpoint that must empty the WAL waits for writers and other
 * readers, and how often it looks.  Between two commits under load the lock is
 * free for some microseconds only; SQLite's own handler sleeps up to 25 ms,
 * never finds it so, and the WAL grows without end. */
#define READER_CHECKPOINT_WAIT_MS 100
#define READER_CHECKPOINT_LOOK_US 100
/* While a process that comes after a crash recovers the WAL. */
#define READER_WAIT_MS     5000
#define READER_FRAME_BYTES 4096

struct reader {
	struct sqlite *sqlite;
	sqlite3 *db;
	struct queue queue;
	pthread_t thread;
	bool started;
	struct answers answers;
	_Atomic int frames;
	_Atomic int done_frames; /* after the last checkpoint */
	int64_t busy_ms;         /* since when a lock is waited for */

	sqlite3_stmt *begin, *commit, *last_seq;
	sqlite3_stmt *channel_find, *items, *newest, *scan, *node, *nodes;
	sqlite3_stmt *channels, *channel;
	sqlite3_stmt *subs, *subs_channel, *subs_address;
};

static struct stat_metric reader_checkpoints =
    STAT_COUNTER("waft_store_checkpoints_total", "Checkpoints of the WAL",
        NULL);
static struct stat_metric reader_wal =
    STAT_GAUGE("waft_store_wal_frames", "Pages in the write-ahead log", NULL);

/* ---- items ----------------------------------------------------------- */

/* Takes rows into the request while there is room; more tells that there was
 * one too many. */
static int
reader_rows(struct request *request, sqlite3_stmt *stmt)
{
	struct read_request *read = &request->u.read;
	struct read_result *result = &read->result;
	struct entry *entry;
	int code;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (read->before != 0 &&
		    (uint64_t)sqlite3_column_int64(stmt, 0) >= read->before)
			break;
		if (result->count == read->max) {
			result->more = true;
			break;
		}
		if (sqlite3_column_int(stmt, 1) == ROW_STUB) {
			result->state = READ_PARTIAL;
			continue;
		}
		entry = db_entry(stmt);
		if (entry == NULL)
			continue;
		request_add_entry(request, entry);
		entry_unref(entry);
	}
	sqlite3_reset(stmt);
	if (result->more)
		result->upto = result->count == 0 ?
		    read->after :
		    result->entries[result->count - 1]->seq;
	return code == SQLITE_ROW ? SQLITE_DONE : code;
}

/* The channel's number and, when all its items are trimmed, its last seq. */
static int64_t
reader_channel(struct reader *reader, const char *name, uint64_t *last_seq)
{
	sqlite3_stmt *stmt = reader->channel_find;
	int64_t row = 0;

	*last_seq = 0;
	db_bind_text(stmt, 1, name);
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		row = sqlite3_column_int64(stmt, 0);
		*last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	sqlite3_reset(stmt);
	return row;
}

static int
reader_read(struct reader *reader, struct request *request)
{
	struct read_request *read = &request->u.read;
	uint64_t last_seq;
	int64_t row = reader_channel(reader, read->channel, &last_seq);
	int code = SQLITE_DONE;

	if (row != 0) {
		sqlite3_bind_int64(reader->items, 1, row);
		sqlite3_bind_int64(reader->items, 2,
		    (sqlite3_int64)read->after);
		sqlite3_bind_int64(reader->items, 3,
		    (sqlite3_int64)read->max + 1);
		code = reader_rows(request, reader->items);
	}
	request_judge(request);
	if (read->result.count == 0 && last_seq > read->after)
		read->result.state = READ_PARTIAL;
	return code;
}

static int
reader_newest(struct reader *reader, struct request *request)
{
	struct read_request *read = &request->u.read;
	uint64_t last_seq;
	int64_t row = reader_channel(reader, read->channel, &last_seq);
	int64_t first;

	if (row == 0 || read->max == 0)
		return SQLITE_DONE;
	sqlite3_bind_int64(reader->newest, 1, row);
	sqlite3_bind_int64(reader->newest, 2,
	    read->before == 0 ? INT64_MAX : (sqlite3_int64)read->before);
	sqlite3_bind_int64(reader->newest, 3, (sqlite3_int64)read->max - 1);
	first = db_number(reader->newest, 0);
	sqlite3_bind_int64(reader->items, 1, row);
	sqlite3_bind_int64(reader->items, 2, first == 0 ? 0 : first - 1);
	sqlite3_bind_int64(reader->items, 3, (sqlite3_int64)read->max + 1);
	return reader_rows(request, reader->items);
}

static int
reader_scan(struct reader *reader, struct request *request)
{
	struct read_request *read = &request->u.read;
	int code;

	sqlite3_bind_int64(reader->scan, 1, (sqlite3_int64)read->after);
	code = reader_rows(request, reader->scan);
	request_judge(request);
	return code;
}

static int
reader_run(struct reader *reader, struct request *request)
{
	switch (request->kind) {
	case REQUEST_READ:
		return reader_read(reader, request);
	case REQUEST_NEWEST:
		return reader_newest(reader, request);
	default:
		return reader_scan(reader, request);
	}
}

/* ---- reads together -------------------------------------------------- */

/* Answers one from the result of another in the same transaction.  False when
 * that one did not look at enough. */
static bool
reader_share(struct request *to, const struct request *from)
{
	const struct read_result *have = &from->u.read.result;
	struct read_request *read = &to->u.read;
	struct read_result *result = &read->result;
	size_t first = 0, count;

	if (from->kind != REQUEST_READ || from->err != ERR_OK ||
	    read->after < from->u.read.after || have->count == 0 ||
	    strcmp(read->channel, from->u.read.channel) != 0)
		return false;
	while (first < have->count && have->entries[first]->seq <= read->after)
		first++;
	count = have->count - first;
	if (count == 0 || (have->more && count < read->max))
		return false;
	result->more = have->more || count > read->max;
	if (count > read->max)
		count = read->max;
	for (size_t i = 0; i < count; i++)
		request_add_entry(to, have->entries[first + i]);
	result->upto = have->upto;
	if (result->more)
		result->upto =
		    count == 0 ? read->after : result->entries[count - 1]->seq;
	request_judge(to);
	return true;
}

static int
reader_items(struct reader *reader, struct request *request,
    const struct requests *batch)
{
	struct request *other;

	if (request->kind == REQUEST_READ)
		STAILQ_FOREACH(other, batch, entry) {
			if (other == request)
				break;
			if (reader_share(request, other))
				return SQLITE_DONE;
		}
	request->u.read.result.upto = (uint64_t)db_number(reader->last_seq, 0);
	return reader_run(reader, request);
}

/* ---- lists ----------------------------------------------------------- */

static int
reader_channels(struct reader *reader, struct request *request)
{
	struct channels_request *asked = &request->u.channels;
	sqlite3_stmt *stmt = asked->nodes ?
	    asked->one ? reader->node : reader->nodes :
	    asked->one ? reader->channel :
	                 reader->channels;
	struct channel_info info;
	int code;

	db_bind_text(stmt, 1, asked->name);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)asked->max);
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		info.channel = db_text(stmt, 0);
		info.last_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
		info.last_ms = sqlite3_column_int64(stmt, 2);
		info.items = (uint64_t)sqlite3_column_int64(stmt, 3);
		info.node_seq = (uint64_t)sqlite3_column_int64(stmt, 4);
		info.node = sqlite3_column_blob(stmt, 5);
		info.node_len = (size_t)sqlite3_column_bytes(stmt, 5);
		request_add_channel(request, &info);
	}
	sqlite3_reset(stmt);
	if (asked->one && asked->count == 0)
		request->err = ERR_NOTFOUND;
	return code;
}

static int
reader_subs(struct reader *reader, struct request *request)
{
	struct subs_request *asked = &request->u.subs;
	sqlite3_stmt *stmt = asked->address != NULL ? reader->subs_address :
	    asked->channel != NULL                  ? reader->subs_channel :
	                                              reader->subs;
	bool bare =
	    asked->address != NULL && strchr(asked->address, '/') == NULL;
	char *low = xasprintf("%s/", bare ? asked->address : "");
	char *high = xasprintf("%s0", bare ? asked->address : "");
	struct subscription sub;
	int code;

	asked->as_of = (uint64_t)db_number(reader->last_seq, 0);
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)asked->after_n);
	db_bind_text(stmt, 2, asked->owner);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)asked->max);
	if (stmt != reader->subs)
		db_bind_text(stmt, 4, asked->channel);
	if (asked->address != NULL) {
		db_bind_text(stmt, 5, asked->address);
		db_bind_text(stmt, 6, bare ? low : asked->address);
		db_bind_text(stmt, 7, bare ? high : asked->address);
	}
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		sub.n = (uint64_t)sqlite3_column_int64(stmt, 0);
		sub.owner = db_text(stmt, 1);
		sub.channel = db_text(stmt, 2);
		sub.address = db_text(stmt, 3);
		sub.since = (uint64_t)sqlite3_column_int64(stmt, 4);
		sub.time_ms = sqlite3_column_int64(stmt, 5);
		sub.state = (enum sub_state)sqlite3_column_int(stmt, 6);
		sub.reason = (const char *)sqlite3_column_text(stmt, 7);
		sub.position = (uint64_t)sqlite3_column_int64(stmt, 8);
		sub.changed = (uint64_t)sqlite3_column_int64(stmt, 9);
		sub.changed_ms = sqlite3_column_int64(stmt, 10);
		sub.ways = (unsigned)sqlite3_column_int(stmt, 11);
		request_add_sub(request, &sub);
	}
	sqlite3_reset(stmt);
	free(low);
	free(high);
	return code;
}

/* ---- the thread ------------------------------------------------------ */

static void
reader_batch(struct reader *reader, struct requests *batch)
{
	struct request *request;
	int code = db_run(reader->begin);

	STAILQ_FOREACH(request, batch, entry) {
		if (code == SQLITE_OK)
			switch (request->kind) {
			case REQUEST_CHANNELS:
				code = reader_channels(reader, request);
				break;
			case REQUEST_SUBS:
				code = reader_subs(reader, request);
				break;
			default:
				code = reader_items(reader, request, batch);
			}
		if (code == SQLITE_DONE)
			code = SQLITE_OK;
		if (code == SQLITE_OK)
			continue;
		request->err = db_err(code);
		db_failed(reader->db, "read", code);
	}
	if (!sqlite3_get_autocommit(reader->db))
		db_run(reader->commit);
	while ((request = STAILQ_FIRST(batch)) != NULL) {
		STAILQ_REMOVE_HEAD(batch, entry);
		answers_add(&reader->answers, request);
	}
	answers_post(&reader->answers);
}

static int
reader_frames_max(const struct reader *reader)
{
	uint64_t size = reader->sqlite->store->conf->store.wal_size;

	return (int)(size / READER_FRAME_BYTES / 4 * 3);
}

static bool
reader_must_checkpoint(struct reader *reader)
{
	int frames = atomic_load(&reader->frames);

	if (frames < atomic_load(&reader->done_frames))
		atomic_store(&reader->done_frames, 0);
	return frames - atomic_load(&reader->done_frames) >=
	    READER_CHECKPOINT_FRAMES;
}

static int
reader_busy_cb(void *arg, int count)
{
	struct reader *reader = arg;

	if (count == 0)
		reader->busy_ms = clock_mono_ms();
	if (clock_mono_ms() - reader->busy_ms >= READER_CHECKPOINT_WAIT_MS)
		return 0;
	usleep(READER_CHECKPOINT_LOOK_US);
	return 1;
}

/* Passive first: that is most of the work, and nobody waits for it.  Under
 * load there are always new frames behind it, so that the WAL never starts
 * over by itself; past its size it is made to, which holds the lock for the
 * small rest. */
static void
reader_do_checkpoint(struct reader *reader)
{
	int frames = 0, done = 0, upto = atomic_load(&reader->frames), code;

	sqlite3_busy_handler(reader->db, reader_busy_cb, reader);
	code = sqlite3_wal_checkpoint_v2(reader->db, NULL,
	    SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
	if (code == SQLITE_OK && frames > reader_frames_max(reader))
		code = sqlite3_wal_checkpoint_v2(reader->db, NULL,
		    SQLITE_CHECKPOINT_RESTART, &frames, &done);
	sqlite3_busy_timeout(reader->db, READER_WAIT_MS);
	stat_add(&reader_checkpoints, 1);
	/* Busy tells none. */
	if (frames >= 0)
		stat_set(&reader_wal, frames);
	/* Busy: another process does it, or reads. */
	if (db_err(code) == ERR_BUSY)
		upto -= READER_CHECKPOINT_FRAMES - READER_CHECKPOINT_AGAIN;
	else if (code != SQLITE_OK)
		db_failed(reader->db, "checkpoint", code);
	atomic_store(&reader->done_frames, upto);
}

static void *
reader_main(void *arg)
{
	struct reader *reader = arg;
	struct requests batch = STAILQ_HEAD_INITIALIZER(batch);

	pthread_setname_np(pthread_self(), "waft-history");
	while (queue_wait(&reader->queue, &batch, SQLITE_READS_MAX)) {
		if (!STAILQ_EMPTY(&batch))
			reader_batch(reader, &batch);
		if (reader_must_checkpoint(reader))
			reader_do_checkpoint(reader);
	}
	return NULL;
}

void
reader_checkpoint(struct reader *reader, int frames)
{
	atomic_store(&reader->frames, frames);
	if (reader_must_checkpoint(reader))
		queue_nudge(&reader->queue);
}

void
reader_submit(struct reader *reader, struct request *request)
{
	queue_put(&reader->queue, request);
}

#define READER_SUB                                                        \
	"SELECT n, owner, channel, address, since, time, state, reason, " \
	"position, changed, changed_time, ways FROM "                     \
	"sub WHERE n > ?1 AND (?2 IS NULL OR owner = ?2)"
#define READER_SUB_END " ORDER BY n LIMIT ?3"
/* The last seq of before its deletion is not the channel's any more. */
#define READER_CHANNEL                                                        \
	"SELECT name, last, ifnull((SELECT time FROM log WHERE seq = last), " \
	"last_time), items, node_seq, node FROM (SELECT c.name AS name, "     \
	"c.node_seq AS node_seq, c.node AS node, c.last_time AS "             \
	"last_time, ifnull((SELECT max(seq) FROM log WHERE channel = c.id "   \
	"AND kind = 0), iif(c.last_seq > c.deleted_seq, c.last_seq, 0)) AS "  \
	"last, (SELECT count(*) FROM log WHERE channel = c.id AND kind = 0) " \
	"AS items FROM channel AS c WHERE c.stored = 1 AND c.name "

static void
reader_prepare(struct reader *reader)
{
	sqlite3 *db = reader->db;

	reader->begin = db_prepare(db, "BEGIN");
	reader->commit = db_prepare(db, "COMMIT");
	reader->last_seq = db_prepare(db,
	    "SELECT seq FROM sqlite_sequence WHERE name = 'log'");
	reader->channel_find =
	    db_prepare(db, "SELECT id, last_seq FROM channel WHERE name = ?");
	reader->items = db_prepare(db,
	    "SELECT " DB_ENTRY_COLUMNS " WHERE l.channel = ? AND l.kind = 0 "
	    "AND l.seq > ? ORDER BY l.seq LIMIT ?");
	reader->newest = db_prepare(db,
	    "SELECT seq FROM log WHERE channel = ? AND kind = 0 "
	    "AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?");
	reader->scan = db_prepare(db,
	    "SELECT " DB_ENTRY_COLUMNS " WHERE l.seq > ? ORDER BY l.seq");
	reader->channels =
	    db_prepare(db, READER_CHANNEL "> ?1 ORDER BY c.name LIMIT ?2)");
	reader->node = db_prepare(db,
	    "SELECT name, 0, last_time, 0, node_seq, node FROM channel "
	    "WHERE stored = 1 AND name = ?1 LIMIT ?2");
	reader->nodes = db_prepare(db,
	    "SELECT name, 0, last_time, 0, node_seq, node FROM channel "
	    "WHERE node_seq > 0 AND stored = 1 AND name > ?1 "
	    "ORDER BY name LIMIT ?2");
	reader->channel = db_prepare(db, READER_CHANNEL "= ?1 LIMIT ?2)");
	reader->subs = db_prepare(db, READER_SUB READER_SUB_END);
	reader->subs_channel =
	    db_prepare(db, READER_SUB " AND channel = ?4" READER_SUB_END);
	reader->subs_address = db_prepare(db,
	    READER_SUB
	    " AND (?4 IS NULL OR channel = ?4) AND "
	    "(address = ?5 OR (address > ?6 AND address < ?7))" READER_SUB_END);
}

struct reader *
reader_open(struct sqlite *sqlite, struct buf *why, int *status)
{
	struct reader *reader = xcalloc(1, sizeof(*reader));

	reader->sqlite = sqlite;
	queue_init(&reader->queue, -1);
	reader->db = db_reopen(sqlite->path, why, status);
	if (reader->db == NULL) {
		reader_close(reader);
		return NULL;
	}
	sqlite3_busy_timeout(reader->db, READER_WAIT_MS);
	reader_prepare(reader);
	if (pthread_create(&reader->thread, NULL, reader_main, reader) != 0)
		fatal(EX_OSERR, "store.thread", "name=reader");
	reader->started = true;
	return reader;
}

void
reader_close(struct reader *reader)
{
	sqlite3_stmt *stmt;

	if (reader == NULL)
		return;
	if (reader->started) {
		queue_end(&reader->queue);
		pthread_join(reader->thread, NULL);
	}
	queue_clear(&reader->queue);
	while (reader->db != NULL &&
	    (stmt = sqlite3_next_stmt(reader->db, NULL)) != NULL)
		sqlite3_finalize(stmt);
	sqlite3_close(reader->db);
	answers_clear(&reader->answers);
	free(reader);
}
