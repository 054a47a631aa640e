/*
 * Between the seam and a backend: a request is one call of store.h on its way
 * through the backend's threads and back to the loop that asked; a backend is
 * one const table.  Only common/store/ includes this.
 *
 * A request owns what it carries.  The backend fills in its results and its
 * err, and hands it to answers_add(); answers_post() then sends what was
 * gathered, one post a loop, where done runs and the request is freed.
 */
#ifndef WAFT_STORE_BACKEND_H
#define WAFT_STORE_BACKEND_H

#include <stdatomic.h>

#include "common/base/list.h"
#include "common/store/lease.h"
#include "common/store/store.h"
#include "common/store/tail.h"

enum request_kind {
	REQUEST_APPEND,
	REQUEST_SUB_PUT,
	REQUEST_SUB_DEL,
	REQUEST_READ,
	REQUEST_NEWEST,
	REQUEST_SCAN,
	REQUEST_CHANNELS,
	REQUEST_SUBS,
	REQUEST_STATE_PUT,
	REQUEST_STATE_DEL,
	REQUEST_STATE_LIST,
	REQUEST_LEASE
};

/* Changes of subscriptions and of channels stay in the log so long, for whoever
 * follows it slowly; a daemon that starts lists them instead. */
#define STORE_CHANGES_KEEP_MS (24 * 3600 * INT64_C(1000))

struct append_request {
	struct entry **entries; /* set to NULL where the log took it */
	struct append_result *results;
	size_t count;
	size_t bytes;
	append_fn *done;
};

struct read_request {
	char *channel; /* NULL: scan */
	uint64_t after;
	uint64_t before; /* of the newest; 0: no end */
	size_t max;
	struct read_result result; /* entries are counted references */
	size_t size;
	read_fn *done;
};

struct channels_request {
	char *name; /* those after it, or with one the one */
	bool one;
	bool nodes; /* of all: those with a node; items are not counted */
	size_t max;
	struct channel_info *list; /* names are the request's */
	size_t count;
	channels_fn *done;
};

struct sub_request {
	struct subscription sub; /* strings are the request's */
	bool existed;
	sub_put_fn *done;
};

struct subs_request {
	char *owner, *channel, *address;
	uint64_t after_n;
	size_t max;
	struct subscription *list; /* strings are the request's */
	size_t count;
	uint64_t as_of;
	sub_list_fn *done;
};

struct state_request {
	char *key; /* of a list: the prefix */
	void *value;
	size_t len;
	char *lease; /* what it is put under; NULL: nothing */
	uint64_t generation;
	state_fn *done;
	struct state_row *rows; /* keys and values are the request's */
	size_t count;
	state_list_fn *list_done;
};

struct lease_request {
	enum lease_verb verb;
	char *name;
	char as[LEASE_HOLDER_MAX];
	uint64_t generation;
	char holder[LEASE_HOLDER_MAX];
	lease_fn *done;
};

struct request {
	STAILQ_ENTRY(request) entry;
	enum request_kind kind;
	struct loop *loop;
	void *arg;
	enum err err;
	int64_t asked_ms; /* monotonic */
	union {
		struct append_request append;
		struct read_request read;
		struct channels_request channels;
		struct sub_request sub;
		struct subs_request subs;
		struct state_request state;
		struct lease_request lease;
	} u;
};
STAILQ_HEAD(requests, request);

struct request *request_create(enum request_kind kind, struct loop *loop,
    void *arg);
void request_free(struct request *request);

/* Takes one reference. */
void request_add_entry(struct request *request, struct entry *entry);
/* Names are copied. */
void request_add_channel(struct request *request,
    const struct channel_info *info);
void request_add_sub(struct request *request, const struct subscription *sub);
void request_add_row(struct request *request, const char *key,
    const void *value, size_t len);

/* Every item after `after` that should be among the entries is, by the chain of
 * prev_seq; else READ_PARTIAL. */
void request_judge(struct request *request);

struct answers {
	struct answers_loop {
		struct loop *loop;
		struct requests *requests; /* NULL: none */
	} * loops;
	size_t count;
};
/* Zeroed memory is an empty one.  Takes the request. */
void answers_add(struct answers *answers, struct request *request);
void answers_post(struct answers *answers);
void answers_clear(struct answers *answers);

/* Does to the row what the request says, and gives it the answer; true when the
 * row is to be written. */
bool request_lease(struct request *request, struct lease_row *row,
    int64_t now_ms);

void subscription_copy(struct subscription *to,
    const struct subscription *from);
void subscription_clear(struct subscription *sub);
/* What the store gave the one that is there. */
void subscription_keep(struct subscription *sub,
    const struct subscription *old);
/* Fills in what the store gives one that is put as seq; old is the one that is
 * there, NULL for none. */
void subscription_change(struct subscription *sub,
    const struct subscription *old, uint64_t seq, int64_t now_ms);
/* Would the put change nothing of the one that is there?  Whose they are is not
 * looked at. */
bool subscription_is_same(const struct subscription *old,
    const struct subscription *put);
/* Data of an ENTRY_SUB or ENTRY_UNSUB. */
void subscription_pack(const struct subscription *sub, struct buf *out);
/* Address is the filter's, or a resource of it when that is a bare JID. */
bool subscription_is_of(const struct subscription *sub, const char *address);

struct store_ops {
	const char *name;
	/* Sets backend, epoch and tail.  False: why and status are set. */
	bool (*open)(struct store *store, const char *daemon, struct buf *why,
	    int *status);
	/* Answers what it was given and frees all of its own. */
	void (*close)(struct store *store);
	/* Takes the request; any thread. */
	void (*submit)(struct store *store, struct request *request);
	void (*pin)(struct store *store, const char *owner, uint64_t seq);
};

struct store {
	const struct store_ops *ops;
	const struct conf *conf;
	void *backend;
	struct tail *tail;
	char epoch[9];
	/* NULL while writing works; else a static sentence. */
	_Atomic(const char *) trouble;
};

extern const struct store_ops store_memory;
extern const struct store_ops store_sqlite;

#endif
