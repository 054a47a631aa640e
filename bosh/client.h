/*
 * A client: one session, over BOSH or a WebSocket, with what belongs to it
 * whichever carries it: who it is, what waits for it, what it listens to.
 * Lives in one worker and is touched by that one alone.
 *
 * Counted: one reference is the gateway's table's until the session is over,
 * one each for an answer of the service that is outstanding.
 */
#ifndef WAFT_CLIENT_H
#define WAFT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event_struct.h>

#include "bosh/gateway.h"
#include "bosh/keys.h"
#include "bosh/sasl.h"
#include "bosh/session.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/channel/channel.h"
#include "common/xmpp/stanza.h"

/* One thing that waits: an item, written when its turn comes, or a text. */
struct client_out {
	void *what;                  /* struct entry, counted, or char */
	const struct stanza *stanza; /* of the entry; NULL: a text */
	uint32_t len;
	bool stream; /* the text uses the prefix `stream` */
	bool late;   /* the item was there before it was asked for */
};

/* A channel that the client listens to. */
struct client_sub {
	TAILQ_ENTRY(client_sub) entry;
	struct client *client;
	struct sub sub;
	uint64_t start; /* it listens to what follows */
	uint64_t stale; /* items up to it were there before it listened */
	bool durable;   /* of the bare JID, in the store */
	bool full;      /* its sink said SINK_FULL */
	bool slow;      /* has not taken anything since */
};

/* What carries a client's stanzas: BOSH (bosh.c) or a WebSocket (framing.c).
 */
struct carrier {
	/* At the end of a turn in which something came to wait. */
	void (*flush)(struct client *client);
	/* When timeout() is due; INT64_MAX: never. */
	int64_t (*deadline)(const struct client *client);
	void (*timeout)(struct client *client);
	/* Tells the client, then calls client_over(). */
	void (*end)(struct client *client, enum condition condition,
	    struct arrival *offender, const char *reason);
	/* The program is to end. */
	void (*release)(struct client *client);
	/* The least seq among the items that the client may not have got; 0:
	 * none. */
	uint64_t (*oldest_mark)(const struct client *client);
	void (*free)(struct client *client);
	/* Fetches what flush() will look at, from step 1 on (sink_ops.fetch);
	 * the client itself is there.  May be NULL. */
	void (*fetch)(const struct client *client, int step);
};

enum client_state {
	CLIENT_NEW,
	CLIENT_AUTHENTICATED,
	CLIENT_BOUND
};

struct client {
	/* What every answer and every request looks at: CLIENT_NEAR. */
	struct gateway *gateway;
	const struct carrier *carrier;
	struct session *session; /* NULL: it has a WebSocket, */
	struct framing *framing; /* this one */
	TAILQ_HEAD(, client_sub) subs;
	struct client_out *out; /* a ring */
	uint32_t out_first;
	uint32_t out_count;
	uint32_t out_size;
	uint32_t out_streams; /* texts among them that use `stream` */
	size_t out_bytes;
	struct deferred flush;
	char *to; /* the full JID, escaped for an attribute */
	size_t to_len;
	const char *content;      /* Content-Type; static */
	struct auth_grant *grant; /* NULL for an anonymous user */
	int64_t timer_at;         /* INT64_MAX: not set */
	uint64_t created;         /* rid */
	uint64_t applied; /* rid of the request whose payload is looked at */
	uint32_t named;   /* items of it that were given an id */
	uint32_t place;   /* in the pages, from 1; 0: none */
	uint32_t asking;  /* answers of the service that are outstanding, */
	uint16_t storing; /* records being written: answers wait */
	bool legacy;      /* named no `ver`: errors by HTTP status */
	bool over;
	bool secure; /* nobody could read its creation on the way */
	bool acks;
	bool has_ver;
	bool anonymous;
	bool durable;   /* one of subs is, or was */
	bool moved;     /* in the gateway's list of that name */
	bool some_full; /* one of subs is */
	bool overflow;  /* texts past client_queue: it ends */
	/* For keep.c. */
	bool changed;    /* the record must be written before an answer */
	bool unsaved;    /* that failed */
	bool texts_kept; /* the record has stanzas that are no items */
	bool releasing;
	bool resume_due; /* position_resume(), once the bind is answered */
	uint8_t ver_minor;
	char sid[SID_SIZE];
	char prefix[2]; /* of the first sid's worker */
	UT_hash_handle hh;
	struct keys keys;
	/* The rest. */
	int refs;
	enum client_state state;
	uint64_t asked; /* asking: the first for the request of this rid */
	int64_t wait_ms;
	char *lang; /* or NULL */
	char *peer; /* address it is counted by; NULL: not counted */
	char *user; /* node; then */
	char *jid;  /* the full JID once bound */
	const char *stream_error; /* static; for COND_REMOTE_STREAM_ERROR */
	struct sasl sasl;
	int n_subs;
	TAILQ_ENTRY(client) moved_entry;
	struct event timer;
};

#define CLIENT_NEAR offsetof(struct client, refs)

/* One that nothing carries yet. */
struct client *client_alloc(struct gateway *gateway, const char *peer);
/* From a creation request that was found good. */
struct client *client_create(struct gateway *gateway, const struct body *body,
    const char *peer);
/* Takes up the session of before a restart. */
void client_take_up(struct client *client, const struct session_opts *opts,
    const struct session_past *past);
/* The Content-Type that a client may ask for; static. */
const char *client_content(struct slice content);
struct client *client_ref(struct client *client);
void client_unref(struct client *client);

/* A request of this session; its answer is the session's business. */
void client_receive(struct client *client, struct body *body,
    struct arrival *arrival);
void client_aborted(struct client *client, struct arrival *arrival);
/* Ends the session; told as session_end() says. */
void client_end(struct client *client, enum condition condition,
    struct arrival *offender, const char *reason);
/* An XMPP stream error; static text, a whole element. */
void client_stream_error(struct client *client, const char *error,
    const char *reason);
/* For carriers.  It is over: forgotten by all.  Told: its client knows. */
void client_over(struct client *client, enum condition condition, bool told,
    const char *reason);
/* Ends what is held, for the program is to end. */
void client_release(struct client *client);

/* Takes what `out` holds. */
void client_push(struct client *client, struct client_out out);
/* For carriers: sets its timer, when the deadline has come nearer. */
void client_arm(struct client *client);
/* For carriers: appends the first of what waits.  Mark: the least seq of the
 * items so far, 0 for none. */
void client_pop(struct client *client, struct buf *text, uint64_t *mark);
/* The same is done with for now: there may be room again. */
void client_popped(struct client *client, uint64_t mark);
/* What waits fits in client_queue with what may be asked for again. */
bool client_has_room(const struct client *client, size_t len);
/* Lets those of its channels go on that its queue had no room for. */
void client_resume(struct client *client);
/* A whole element for the client, to be sent at the end of the turn. */
void client_send(struct client *client, const char *text, size_t len);
/* The same, using the prefix `stream`. */
void client_send_stream(struct client *client, const char *text, size_t len);

/* Listens to a channel; ERR_LIMIT past subscriptions_per_session. */
enum err client_listen(struct client *client, const char *channel,
    uint64_t after, bool durable, bool *existed);
/* False when it did not listen. */
bool client_unlisten(struct client *client, const char *channel);
struct client_sub *client_find_sub(struct client *client, const char *channel);
/* The address is its full JID, or the bare one of a named user. */
bool client_is_address(const struct client *client, const char *address);

#endif
