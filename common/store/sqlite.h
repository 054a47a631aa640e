/*
 * The SQLite backend, inside.  Four threads' worth of state, each with its own
 * connection, which nobody else touches:
 *
 *	writer  the log: appends, subscriptions, retention, what others wrote
 *	reader  the log: history and lists; checkpoints of the WAL
 *	keeper  the private file of this daemon
 *
 * Requests go into a thread's queue; what is queued while a transaction runs is
 * the next transaction.
 */
#ifndef WAFT_STORE_SQLITE_H
#define WAFT_STORE_SQLITE_H

#include <pthread.h>

#include <sqlite3.h>

#include "common/store/backend.h"
#include "common/store/ledger.h"

/* "waft" and "wafp", big endian: PRAGMA application_id. */
#define SQLITE_LOG_ID     0x77616674
#define SQLITE_PRIVATE_ID 0x77616670

/* Appends waiting for the writer; past it they are answered ERR_BUSY. */
#define SQLITE_QUEUE_MAX (64 << 20)
/* Of one transaction, so that no answer waits for another's megabytes. */
#define SQLITE_GROUP_MAX (8 << 20)
/* Reads answered together. */
#define SQLITE_READS_MAX 64

struct sqlite;

/* ---- db: connections ------------------------------------------------- */

struct db_open {
	const char *path;
	uint32_t app_id;
	const char *const *schema;
	int n_schema;
	bool durable; /* synchronous=FULL, else NORMAL */
};

/* NULL: why and status are set, and nothing was changed. */
sqlite3 *db_open(const struct db_open *how, struct buf *why, int *status);
/* The next connection to what db_open() has opened. */
sqlite3 *db_reopen(const char *path, struct buf *why, int *status);
/* Ends the process when the SQL is wrong. */
sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql);
/* Runs to its end and resets; SQLITE_OK or the error. */
int db_run(sqlite3_stmt *stmt);
int db_exec(sqlite3 *db, const char *sql);
/* The first column of the first row; missing when there is none. */
int64_t db_number(sqlite3_stmt *stmt, int64_t missing);
void db_bind_text(sqlite3_stmt *stmt, int at, const char *text);
const char *db_text(sqlite3_stmt *stmt, int at);
enum err db_err(int code);
/* Counts and logs a failure, at most one line a second. */
void db_failed(sqlite3 *db, const char *what, int code);

/* Columns: seq, kind, channel's name, prev_seq, id, prev_id, time, data.  NULL
 * when the row is damaged, which is counted and logged. */
/* log.kind of a trimmed item; no entry is made of it. */
#define ROW_STUB 5

#define DB_ENTRY_COLUMNS                                                     \
	"l.seq, l.kind, c.name, l.prev_seq, l.id, l.prev_id, l.time, l.data" \
	" FROM log AS l LEFT JOIN channel AS c ON c.id = l.channel"
struct entry *db_entry(sqlite3_stmt *stmt);

/* ---- queue ----------------------------------------------------------- */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct requests requests;
	size_t bytes; /* of appends */
	bool asleep;
	bool ending;
	bool nudged; /* something else to do than requests */
	int wake_fd; /* -1: it waits for cond */
};

void queue_init(struct queue *queue, int wake_fd);
void queue_clear(struct queue *queue);
/* False: over SQLITE_QUEUE_MAX, and not taken. */
bool queue_put(struct queue *queue, struct request *request);
/* Wakes the thread with nothing queued. */
void queue_nudge(struct queue *queue);
void queue_end(struct queue *queue);
/* Moves at most max requests and SQLITE_GROUP_MAX bytes over; true while the
 * queue has not ended or still holds something. */
bool queue_take(struct queue *queue, struct requests *to, size_t max);
/* The same, but waits until there is something, a nudge, or the end. */
bool queue_wait(struct queue *queue, struct requests *to, size_t max);
/* About to poll wake_fd: true if it may, that is, there is nothing to do. */
bool queue_sleep(struct queue *queue);

/* ---- bell: the hint between processes -------------------------------- */

struct bell {
	int fd;
	int inotify;
	uint64_t rung; /* what we wrote last */
};

bool bell_open(struct bell *bell, const char *path, struct buf *why);
void bell_close(struct bell *bell);
/* Newest was committed by us. */
void bell_ring(struct bell *bell, uint64_t newest);
/* After the inotify descriptor was readable: true when somebody else may have
 * written something that is newer than newest. */
bool bell_heard(struct bell *bell, uint64_t newest);

/* ---- the threads ----------------------------------------------------- */

struct writer;
struct reader;
struct keeper;

struct sqlite {
	struct store *store;
	char *path;
	struct writer *writer;
	struct reader *reader;
	struct keeper *keeper;
};

/* Reads what the log holds; then writer_start(). */
struct writer *writer_open(struct sqlite *sqlite, struct buf *why, int *status);
void writer_start(struct writer *writer);
void writer_submit(struct writer *writer, struct request *request);
void writer_pin(struct writer *writer, const char *owner, uint64_t seq);
/* Finishes the queue; joins. */
void writer_close(struct writer *writer);

struct reader *reader_open(struct sqlite *sqlite, struct buf *why, int *status);
void reader_submit(struct reader *reader, struct request *request);
/* Any thread: so many frames are in the WAL now. */
void reader_checkpoint(struct reader *reader, int frames);
void reader_close(struct reader *reader);

struct keeper *keeper_open(struct sqlite *sqlite, const char *daemon,
    struct buf *why, int *status);
void keeper_submit(struct keeper *keeper, struct request *request);
void keeper_close(struct keeper *keeper);

#endif
