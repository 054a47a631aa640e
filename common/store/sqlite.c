/* The SQLite backend: opens its three threads and hands requests to them. */
#include "common/store/sqlite.h"

#include <stdlib.h>
#include <sysexits.h>

#include "common/base/mem.h"

static void
sqlite_close(struct store *store)
{
	struct sqlite *sqlite = store->backend;

	/* The writer last asks the reader for checkpoints. */
	writer_close(sqlite->writer);
	reader_close(sqlite->reader);
	keeper_close(sqlite->keeper);
	free(sqlite->path);
	free(sqlite);
}

static bool
sqlite_open(struct store *store, const char *daemon, struct buf *why,
    int *status)
{
	struct sqlite *sqlite = xcalloc(1, sizeof(*sqlite));

	store->backend = sqlite;
	sqlite->store = store;
	sqlite->path = xstrdup(store->conf->store.path);
	*status = EX_IOERR;
	sqlite->writer = writer_open(sqlite, why, status);
	if (sqlite->writer != NULL)
		sqlite->reader = reader_open(sqlite, why, status);
	if (sqlite->reader != NULL)
		sqlite->keeper = keeper_open(sqlite, daemon, why, status);
	if (sqlite->keeper != NULL) {
		writer_start(sqlite->writer);
		return true;
	}
	sqlite_close(store);
	tail_free(store->tail);
	return false;
}

static void
sqlite_submit(struct store *store, struct request *request)
{
	struct sqlite *sqlite = store->backend;

	switch (request->kind) {
	case REQUEST_APPEND:
	case REQUEST_SUB_PUT:
	case REQUEST_SUB_DEL:
		writer_submit(sqlite->writer, request);
		break;
	case REQUEST_READ:
	case REQUEST_NEWEST:
	case REQUEST_SCAN:
	case REQUEST_CHANNELS:
	case REQUEST_SUBS:
		reader_submit(sqlite->reader, request);
		break;
	case REQUEST_STATE_PUT:
	case REQUEST_STATE_DEL:
	case REQUEST_STATE_LIST:
	case REQUEST_LEASE:
		keeper_submit(sqlite->keeper, request);
		break;
	}
}

static void
sqlite_pin(struct store *store, const char *owner, uint64_t seq)
{
	struct sqlite *sqlite = store->backend;

	writer_pin(sqlite->writer, owner, seq);
}

const struct store_ops store_sqlite = {
	"sqlite",
	sqlite_open,
	sqlite_close,
	sqlite_submit,
	sqlite_pin,
};
