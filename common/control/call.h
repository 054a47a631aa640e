/*
 * A call is one request to the control API and its one answer: who asks, in
 * what form the answer goes, and the exchange until it is answered or its peer
 * has left.  Handlers that answer at once keep it on the stack; those that ask
 * the store make it the first member of something of their own (call_keep).
 *
 * Only common/control/ includes this.
 */
#ifndef WAFT_CONTROL_CALL_H
#define WAFT_CONTROL_CALL_H

#include "common/base/auth.h"
#include "common/base/json.h"
#include "common/base/xml.h"
#include "common/control/control.h"
#include "common/http/conn.h"
#include "common/http/route.h"

/* Of a listing: how many at once, unless `max` says less. */
#define CONTROL_PAGE_MAX 1000
#define CONTROL_PAGE     100

struct items_wait;
TAILQ_HEAD(items_waits, items_wait);

struct control {
	struct control_opts opts;
	const struct conf *conf;
	struct loop *loop;
	struct store *store;
	struct http_server *server;
	struct xml_reader *reader; /* with the limits of a stanza */
	struct items_waits waits;
	bool draining;
	int n_kept; /* calls not answered yet */
	long long started_ms;
};

struct call {
	struct control *control;   /* not after the exchange is NULL */
	struct exchange *exchange; /* NULL: answered, or the peer has left */
	const char *origin;        /* a listed one, from conf; NULL: none */
	bool wants_json;           /* errors as JSON */
	bool wants_text;           /* Accept allows text/plain */
	bool kept;                 /* counted in n_kept */
	struct auth_grant grant;   /* after call_authorize() */
	const struct conf_token *realm; /* of /realm/R/; NULL */
	/* The peer has left a kept call; NULL: nothing to do. */
	void (*left)(struct call *call);
};

/* Looks at Accept and Origin.  False: refused and answered (Host, Origin). */
bool call_init(struct call *call, struct control *control,
    struct exchange *exchange);
/* Realm NULL: any token.  False: answered. */
bool call_authorize(struct call *call, const char *realm);
/* Answers ERR_DENIED unless the grant allows it; channel must be valid, too. */
bool call_may_publish(struct call *call, const char *channel);
bool call_may_subscribe(struct call *call, const char *channel);

/* Moves the call into size bytes of zeroed heap memory, first member, and sees
 * to the peer leaving.  The caller frees it after the answer. */
void *call_keep(const struct call *call, size_t size);

/* Each of these answers; after the peer has left they do nothing. */
void call_reply(struct call *call, int status, const char *type,
    const void *body, size_t len);
void call_text(struct call *call, int status, const char *text);
/* Takes the value. */
void call_json(struct call *call, int status, json_t *value);
/* {"error":…,"detail":…}, or the detail as text, by Accept. */
void call_error(struct call *call, enum err err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A store call failed. */
void call_store_error(struct call *call, enum err err);

/* Query parameter `max`; false: bad, and answered. */
bool call_max(struct call *call, size_t *max);
void call_position(const struct control *control, uint64_t seq, json_t *object,
    const char *key);
void call_time(int64_t wall_ms, json_t *object, const char *key);

/* The handlers; arg is the struct call of the request, on the stack. */
route_fn publish_items, publish_channel, publish_realm, publish_realm_channel;
route_fn channels_list, channel_show, channel_put, channel_delete;
route_fn node_show, node_put;
route_fn items_show;
route_fn subscriptions_list, subscription_add, subscription_remove;
route_fn subscriptions_all, subscriptions_import;
route_fn health_root, health_live, health_ready, health_metrics, health_status;

/* Answers all that wait for items. */
void items_drain(struct control *control);

#endif
