/*
 * What the workers of the gateway share, and the way of a request between them.
 *
 * A session lives in one worker; its sid names it.  A request that arrives at
 * another worker is posted to that one as text; its answer is posted back to
 * the worker whose connection it is.  A request is counted: its connection's
 * worker has a reference until the answer or the death of the connection, the
 * session's worker until it has answered or was told of that death.  Fields
 * belong to one of the two; nothing of them is locked.
 */
#ifndef WAFT_RELAY_H
#define WAFT_RELAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "bosh/limit.h"
#include "common/base/text.h"
#include "common/channel/worker.h"
#include "common/http/conn.h"

struct client;
struct gateway;
struct limits;
struct logins;
struct name;
struct relay;
struct sender;
struct served;

struct arrival {
	_Atomic int refs;
	struct relay *relay;
	short origin;           /* index of the worker whose connection it is */
	short owner;            /* of the one whose session it is */
	bool secure;            /* nobody could read it on its way */
	struct limit_peer peer; /* whom it is counted by */
	/* Origin's. */
	const struct sender *sender; /* valid while it arrives */
	struct exchange *exchange;   /* NULL once it is gone */
	const char *headers;         /* further header lines; static */
	/* Owner's. */
	struct client *client; /* NULL until it is held, and once answered */
	bool dead;             /* was told of its death when not held */
	/* Whoever has it at the time: the request's text, then the answer's. */
	char *text;
	size_t len;
	const char *type; /* static */
	int status;       /* 0: the connection is to be closed */
	uint32_t at_ms;   /* when it arrived, by its origin's loop */
};

struct relay {
	const struct conf *conf;
	struct store *store;
	struct logins *logins; /* for gateway_create(); borrowed */
	int n_gateways;
	struct gateway **gateways;
	_Atomic int sessions;
	struct served *served;
	char mark[17];          /* of this process's pages (keep.h) */
	_Atomic int unrestored; /* workers that still read old sessions */
	struct limits *limits;
	pthread_mutex_t lock; /* of what follows */
	struct name *names;
};

struct relay *relay_create(const struct conf *conf, struct store *store,
    int n_gateways);
/* All sessions have ended and the gateways are freed before. */
void relay_free(struct relay *relay);

/* ---- requests -------------------------------------------------------- */

/* Of an exchange that arrived at worker `origin`.  Headers is static, sender
 * for the call that handles it. */
struct arrival *arrival_create(struct relay *relay, int origin,
    struct exchange *exchange, const struct sender *sender,
    const char *headers);
/* Posts it to the worker that owns its session. */
void arrival_forward(struct arrival *arrival, int owner, struct slice text);
/* By the owner: ends the request.  Type is static, the text is copied. */
void arrival_answer(struct arrival *arrival, int status, const char *type,
    struct slice text);

/* Before arrival_answer(), so that it waits for no memory (mem_fetch()): in
 * step 0 the request, in step 1 its connection. */
void arrival_fetch(const struct arrival *arrival, int step);
/* By the owner: ends the request by closing its connection. */
void arrival_cut(struct arrival *arrival);

/* ---- what is counted over all workers -------------------------------- */

/* Counts a session of this address; false (and nothing counted) when a limit is
 * reached: *why is its name.  Peer NULL: not counted by address. */
bool relay_enter(struct relay *relay, const char *peer, const char **why);
void relay_leave(struct relay *relay, const char *peer);

/* ---- full JIDs ------------------------------------------------------- */

/* The session of worker `index` is now the one of this JID.  The sid of the one
 * it was before is copied to `old` (of SID_SIZE), with its worker; false when
 * there was none. */
bool relay_bind(struct relay *relay, const char *jid, int index,
    const char *sid, char *old, int *old_index);
/* That session has another sid now; false if the JID is no longer its. */
bool relay_rename(struct relay *relay, const char *jid, const char *sid,
    const char *new_sid);
/* No longer, if it still is that session. */
void relay_unbind(struct relay *relay, const char *jid, const char *sid);

#endif
