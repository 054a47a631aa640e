/*
 * The writer's insides, for writer*.c and trim.c.  All of it belongs to the
 * writer's thread but the queue and the pins.
 */
#ifndef WAFT_STORE_WRITER_H
#define WAFT_STORE_WRITER_H

#include "common/store/sqlite.h"

/* Rows are not trimmed before every process has had the time to see them. */
#define TRIM_GRACE_MS 2000
/* Rows younger than this or than duplicate-ttl leave their id. */
#define TRIM_KEEP_MIN_MS 60000

struct trim;

struct writer {
	struct sqlite *sqlite;
	struct store *store;
	sqlite3 *db;
	struct ledger *ledger;
	struct trim *trim;
	struct bell bell;
	struct queue queue;
	int wake_fd;
	pthread_t thread;
	bool started;
	bool loaded; /* the ledger is */

	uint64_t newest;   /* of the log, as far as this process knows */
	uint64_t base;     /* the same when the transaction began */
	int64_t wait_ms;   /* until when (monotonic) to wait for the lock */
	int64_t version;   /* PRAGMA data_version at the last look */
	int64_t looked_ms; /* when that was */
	int frames;        /* in the WAL after the last commit */
	bool wrote;        /* this transaction has changed something */

	/* Newly seen entries by seq, foreign before own; referenced. */
	struct entry **batch;
	size_t n_batch;
	size_t batch_size;
	struct answers answers;

	pthread_mutex_t pin_lock;
	struct writer_pin {
		char *owner;
		uint64_t seq;
		bool dirty;
	} * pins;
	size_t n_pins;
	bool pins_dirty;
	int64_t pinned_ms; /* when they were last written */

	sqlite3_stmt *begin, *commit, *rollback;
	sqlite3_stmt *last_seq, *foreign, *data_version;
	sqlite3_stmt *channel_find, *channel_add, *channel_store;
	sqlite3_stmt *insert;
	sqlite3_stmt *delete_items, *delete_subs, *delete_mark;
	sqlite3_stmt *node_find, *node_set;
	sqlite3_stmt *sub_find, *sub_add, *sub_set, *sub_del;
	sqlite3_stmt *pin_set, *pin_del, *probe;
};

/* ---- writer ---------------------------------------------------------- */

/* The thread. */
void *writer_main(void *writer);

/* BEGIN IMMEDIATE, waiting until wait_ms, then what others wrote is read. */
int writer_begin(struct writer *writer);
/* Ends the transaction; what it brought goes to the tail.  A code other than
 * SQLITE_OK undoes it instead. */
int writer_end(struct writer *writer, int code);
/* Takes the entry: it is in the log once this transaction is. */
void writer_batch(struct writer *writer, struct entry *entry);
void writer_failed(struct writer *writer, const char *what, int code);

/* The number of a channel's name; made when `make`.  0: there is none, or
 * *code says why not. */
int64_t writer_row(struct writer *writer, struct ledger_channel *channel,
    bool make, int *code);

/* ---- apply: what a request changes, inside a transaction ------------- */

void apply_prepare(struct writer *writer);
int apply_request(struct writer *writer, struct request *request);
int apply_pins(struct writer *writer);

/* ---- load: what the log holds when it is opened ---------------------- */

int load_ledger(struct writer *writer);

/* ---- wal: the file that commits are appended to ---------------------- */

/* Lengthens the WAL to a few MB if it is shorter, so that commits write over
 * what is there.  Nothing is lost where it cannot. */
void wal_make_room(struct writer *writer);

/* ---- trim: retention ------------------------------------------------- */

struct trim *trim_create(struct writer *writer);
void trim_free(struct trim *trim);
/* The ledger was made anew. */
void trim_reset(struct trim *trim);
/* An entry, own or foreign, was committed. */
void trim_saw(struct trim *trim, const struct entry *entry);
/* Inside a transaction that commits anyway: does a little of what is due. */
int trim_step(struct trim *trim);
/* Between transactions, nothing else to do.  Returns how long there will be
 * nothing, in ms. */
int trim_idle(struct trim *trim);
/* Gives the lease back. */
void trim_end(struct trim *trim);

#endif
