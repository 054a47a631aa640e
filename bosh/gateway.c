#include "bosh/gateway.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "bosh/client.h"
#include "bosh/ended.h"
#include "bosh/grant.h"
#include "bosh/keep.h"
#include "bosh/login.h"
#include "bosh/position.h"
#include "bosh/sender.h"
#include "bosh/stream.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/xmpp/jid.h"

/* Chains so short that a sid is seldom compared with another session's, whose
 * memory is far: 16 bytes a bucket are worth it. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U

#define GATEWAY_TYPE "text/xml; charset=utf-8"

static struct stat_metric gateway_sessions =
    STAT_GAUGE("waft_bosh_sessions", "BOSH sessions now", NULL);
static struct stat_metric gateway_created =
    STAT_COUNTER("waft_bosh_sessions_total", "BOSH sessions that were opened",
        NULL);
static struct stat_metric gateway_websockets =
    STAT_GAUGE("waft_websocket_sessions", "WebSocket sessions now", NULL);
static struct stat_metric gateway_connected =
    STAT_COUNTER("waft_websocket_sessions_total",
        "WebSocket sessions that were opened", NULL);
static struct stat_metric gateway_refused =
    STAT_COUNTER("waft_bosh_sessions_refused_total",
        "Sessions refused because of a limit", NULL);
static struct stat_metric gateway_bad =
    STAT_COUNTER("waft_bosh_bad_bodies_total",
        "BOSH requests that were no body", NULL);

static struct stat_metric gateway_insecure =
    STAT_COUNTER("waft_bosh_insecure_total",
        "Requests cut because their session was made over TLS and they were "
        "not",
        NULL);
/* The body's own limits: what a client may send at once is small. */
#define GATEWAY_DEPTH    64
#define GATEWAY_ATTRS    64
#define GATEWAY_ELEMENTS 10000

static void
gateway_moved_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	position_save_moved(arg);
}

struct gateway *
gateway_create(struct relay *relay, struct worker *worker, int index)
{
	struct gateway *gateway = xcalloc(1, sizeof(*gateway));
	struct xml_limits limits = { relay->conf->bosh.max_body, GATEWAY_DEPTH,
		GATEWAY_ATTRS, GATEWAY_ELEMENTS };

	gateway->refs = 1;
	gateway->relay = relay;
	gateway->worker = worker;
	gateway->loop = worker_loop(worker);
	gateway->conf = relay->conf;
	gateway->logins = logins_ref(relay->logins);
	gateway->index = index;
	gateway->reader = xml_reader_create(&limits);
	gateway->ended = ended_create(gateway->loop);
	TAILQ_INIT(&gateway->moved);
	gateway->moved_timer = event_new(loop_base(gateway->loop), -1, 0,
	    gateway_moved_cb, gateway);
	if (gateway->moved_timer == NULL)
		fatal(EX_OSERR, "bosh.event", "reason=memory");
	gateway->keep = keep_create(gateway);
	buf_init(&gateway->scratch, 0);
	buf_init(&gateway->last_from, 0);
	buf_init(&gateway->last_id, 0);
	buf_init(&gateway->last_inner, 0);
	gateway->service = service_create(&(struct service_opts){
	    .conf = relay->conf,
	    .store = relay->store,
	    .loop = gateway->loop,
	    .domain = relay->conf->bosh.domain,
	    .stanza_ns = " xmlns='jabber:client'",
	    .ops = &stream_service_ops,
	});
	websockets_init(&gateway->websockets, gateway->loop,
	    relay->conf->bosh.max_body, relay->conf->http.request_ms);
	relay->gateways[index] = gateway;
	return gateway;
}

void
gateway_unref(struct gateway *gateway)
{
	if (--gateway->refs > 0)
		return;
	service_free(gateway->service);
	if (gateway->last != NULL)
		entry_unref(gateway->last);
	buf_clear(&gateway->last_from);
	buf_clear(&gateway->last_id);
	buf_clear(&gateway->last_inner);
	buf_clear(&gateway->scratch);
	websockets_clear(&gateway->websockets);
	xml_reader_free(gateway->reader);
	ended_free(gateway->ended);
	logins_unref(gateway->logins);
	event_free(gateway->moved_timer);
	keep_free(gateway->keep);
	free(gateway);
}

void
gateway_reload(struct gateway *gateway, const struct conf *conf,
    struct logins *logins)
{
	struct client *client, *next;

	if (strcmp(conf->bosh.domain, gateway->conf->bosh.domain) != 0) {
		log_warn("bosh.reload", "domain=%s reason=%s",
		    LOGQ(conf->bosh.domain),
		    "\"a new domain needs a restart\"");
		logins_unref(logins);
		return;
	}
	gateway->conf = conf;
	logins_unref(gateway->logins);
	gateway->logins = logins;
	service_reload(gateway->service, conf);
	MAP_FOREACH(client, next, gateway->clients)
		grant_renew(client, conf);
}

struct loop *
gateway_loop(const struct gateway *gateway)
{
	return gateway->loop;
}

/* ---- answers without a session --------------------------------------- */

static void
gateway_say_end(struct gateway *gateway, struct arrival *arrival,
    enum condition condition, bool legacy, const char *stream_error)
{
	struct buf *out = &gateway->scratch;

	buf_reset(out);
	if (condition == COND_SEE_OTHER_URI)
		body_write_see_other(out, gateway->conf->bosh.secure_uri);
	else
		body_write_end(out, condition, stream_error);
	arrival_answer(arrival, legacy ? condition_http_status(condition) : 200,
	    GATEWAY_TYPE, (struct slice){ out->data, out->len });
}

static void
gateway_refuse(struct gateway *gateway, struct arrival *arrival,
    enum condition condition, bool legacy)
{
	gateway_say_end(gateway, arrival, condition, legacy, NULL);
}

/* Ended NULL: of a session that nobody remembers. */
static void
gateway_say_gone(struct gateway *gateway, struct arrival *arrival,
    const struct ended *ended)
{
	if (ended == NULL)
		gateway_refuse(gateway, arrival, COND_ITEM_NOT_FOUND, false);
	else
		gateway_say_end(gateway, arrival, ended->condition,
		    ended->legacy,
		    ended->condition == COND_REMOTE_STREAM_ERROR ?
		        ended->stream_error :
		        NULL);
}

/* ---- the end of a session -------------------------------------------- */

void
gateway_forget(struct gateway *gateway, struct client *client,
    enum condition condition, bool told)
{
	HASH_DEL(gateway->clients, client);
	gateway->restored -= client->sid[0] == '#';
	keep_remove(gateway->keep, client);
	stat_add(client->session != NULL ? &gateway_sessions :
	                                   &gateway_websockets,
	    -1);
	ended_count(condition);
	relay_leave(gateway->relay, client->peer);
	if (client->jid != NULL && client->grant != NULL)
		relay_unbind(gateway->relay, client->jid, client->sid);
	/* One that ended silently is unknown from now on; a late repeat of the
	 * request that ended it, or the first that hears of it, is told. */
	if (told ? condition == COND_NONE : condition != COND_ITEM_NOT_FOUND)
		ended_add(gateway->ended, client, condition);
	else if (client->legacy)
		ended_add(gateway->ended, client, COND_ITEM_NOT_FOUND);
	client_unref(client);
}

/* ---- creation -------------------------------------------------------- */

static void
gateway_make_sid(const struct gateway *gateway, char *sid)
{
	unsigned char bytes[1 + SID_RANDOM];
	struct buf hex;

	bytes[0] = (unsigned char)gateway->index;
	crypto_random(bytes + 1, SID_RANDOM);
	buf_init(&hex, 0);
	text_hex(bytes, sizeof(bytes), &hex);
	memcpy(sid, hex.data, SID_SIZE);
	buf_clear(&hex);
}

/* Compared as XMPP compares domains. */
enum condition
gateway_check_to(const struct gateway *gateway, struct slice to)
{
	const struct conf_strings *former;
	struct jid jid;
	const char *why;

	if (to.len == 0)
		return COND_IMPROPER_ADDRESSING;
	if (jid_parse(to.p, to.len, &jid, &why) != ERR_OK || jid.node_len > 0)
		return COND_IMPROPER_ADDRESSING;
	if (jid_domain_is(&jid, gateway->conf->bosh.domain))
		return COND_NONE;
	former = &gateway->conf->bosh.former_domains;
	for (size_t i = 0; i < former->count; i++)
		if (jid_domain_is(&jid, former->list[i]))
			return COND_HOST_GONE;
	return COND_HOST_UNKNOWN;
}

static enum condition
gateway_check_creation(const struct gateway *gateway, const struct body *body,
    const struct arrival *arrival)
{
	struct keys keys;

	if (!arrival->secure && gateway->conf->bosh.secure_uri != NULL)
		return COND_SEE_OTHER_URI;
	if (body->bad || !body->has_rid || body->rid > BODY_RID_MAX ||
	    !keys_init(&keys, body->newkey))
		return COND_BAD_REQUEST;
	return gateway_check_to(gateway, body->to);
}

static const char *
gateway_peer(const struct gateway *gateway, const struct sender *sender)
{
	return sender_counted(sender, &gateway->conf->bosh);
}

static bool
gateway_enter(struct gateway *gateway, const struct sender *sender)
{
	const struct conf_bosh *conf = &gateway->conf->bosh;
	const char *why, *text = gateway_peer(gateway, sender);
	const struct limit_peer peer = limit_peer(text);

	if (!limits_take(gateway->relay->limits, conf, &peer, LIMIT_CREATIONS,
	        loop_now_ms(gateway->loop)))
		why = "creations-per-address";
	else if (relay_enter(gateway->relay, text, &why))
		return true;
	stat_add(&gateway_refused, 1);
	log_warn("bosh.refuse", "peer=%s limit=%s", LOGQ(sender->address), why);
	return false;
}

static void
gateway_add(struct gateway *gateway, struct client *client)
{
	gateway_make_sid(gateway, client->sid);
	HASH_ADD_STR(gateway->clients, sid, client);
}

static void
gateway_open(struct gateway *gateway, struct body *body,
    struct arrival *arrival)
{
	enum condition condition =
	    gateway_check_creation(gateway, body, arrival);
	struct client *client;

	if (gateway->ending)
		condition = COND_SYSTEM_SHUTDOWN;
	if (condition != COND_NONE) {
		gateway_refuse(gateway, arrival, condition, !body->has_ver);
		return;
	}
	if (!gateway_enter(gateway, arrival->sender)) {
		gateway_refuse(gateway, arrival, COND_POLICY_VIOLATION,
		    !body->has_ver);
		return;
	}
	client = client_create(gateway, body,
	    gateway_peer(gateway, arrival->sender));
	client->secure = arrival->secure;
	gateway_add(gateway, client);
	keys_init(&client->keys, body->newkey);
	keep_add(gateway->keep, client);
	stat_add(&gateway_sessions, 1);
	stat_add(&gateway_created, 1);
	client_receive(client, body, arrival);
}

struct client *
gateway_connect(struct gateway *gateway, const struct sender *sender)
{
	struct client *client;

	if (!gateway_enter(gateway, sender))
		return NULL;
	client = client_alloc(gateway, gateway_peer(gateway, sender));
	client->secure = sender->secure;
	gateway_add(gateway, client);
	stat_add(&gateway_websockets, 1);
	stat_add(&gateway_connected, 1);
	return client;
}

/* ---- requests -------------------------------------------------------- */

static struct client *
gateway_find(struct gateway *gateway, struct slice sid)
{
	struct client *client;

	HASH_FIND(hh, gateway->clients, sid.p, sid.len, client);
	return client;
}

/* A client of before a restart is known by the hash of its sid until now. */
static struct client *
gateway_claim(struct gateway *gateway, struct slice sid)
{
	unsigned char hash[KEEP_HASH];
	char name[SID_SIZE];
	struct client *client;

	keep_hash(sid.p, sid.len, hash);
	keep_name(hash, name);
	HASH_FIND_STR(gateway->clients, name, client);
	if (client == NULL)
		return NULL;
	HASH_DEL(gateway->clients, client);
	memcpy(client->sid, sid.p, sid.len);
	client->sid[sid.len] = '\0';
	HASH_ADD_STR(gateway->clients, sid, client);
	gateway->restored--;
	if (client->jid != NULL && !client->anonymous &&
	    !relay_rename(gateway->relay, client->jid, name, client->sid)) {
		gateway_conflict(gateway, client->sid);
		return NULL;
	}
	return client;
}

/* Of a request: a name that is not a sid's finds nothing. */
static struct client *
gateway_find_sid(struct gateway *gateway, struct slice sid)
{
	struct client *client;

	if (sid.len != SID_SIZE - 1)
		return NULL;
	client = gateway_find(gateway, sid);
	if (client == NULL && gateway->restored > 0)
		client = gateway_claim(gateway, sid);
	return client;
}

/* XEP-0124 §19.1: such a session is not continued where others can read. */
static void
gateway_cut(const struct client *client, struct arrival *arrival)
{
	stat_add(&gateway_insecure, 1);
	log_warn("bosh.insecure", "sid=%.6s…", client->sid);
	arrival_cut(arrival);
}

/* One session that ended is asked for, or one that never was: a guess. */
static void
gateway_unknown(struct gateway *gateway, struct arrival *arrival,
    struct slice sid)
{
	const struct ended *ended = ended_find(gateway->ended, sid);

	if (ended != NULL ||
	    limits_take(gateway->relay->limits, &gateway->conf->bosh,
	        &arrival->peer, LIMIT_SIDS, loop_now_ms(gateway->loop)))
		gateway_say_gone(gateway, arrival, ended);
	else
		arrival_cut(arrival);
}

static void
gateway_dispatch(struct gateway *gateway, struct arrival *arrival,
    struct body *body, struct slice text)
{
	struct client *client;

	if (body->sid.p == NULL) {
		/* A payload and no address: a client that lost its sid. */
		if (body->to.p == NULL && body->has_payload)
			gateway_refuse(gateway, arrival, COND_ITEM_NOT_FOUND,
			    false);
		else
			gateway_open(gateway, body, arrival);
		return;
	}
	client = gateway_find_sid(gateway, body->sid);
	if (client == NULL && keep_park(gateway->keep, arrival, text))
		return;
	if (client == NULL || client->session == NULL)
		gateway_unknown(gateway, arrival, body->sid);
	else if (client->secure && !arrival->secure)
		gateway_cut(client, arrival);
	else if (body->bad || !body->has_rid)
		client_end(client, COND_BAD_REQUEST, arrival, "bad attribute");
	else
		client_receive(client, body, arrival);
}

static bool
gateway_read(struct gateway *gateway, struct arrival *arrival,
    struct slice text, struct body *body)
{
	const char *why;
	enum err err =
	    body_parse(gateway->reader, text.p, text.len, body, &why);

	if (err == ERR_OK)
		return true;
	stat_add(&gateway_bad, 1);
	log_debug("bosh.bad", "reason=%s", LOGQ(why));
	gateway_refuse(gateway, arrival,
	    err == ERR_LARGE ? COND_POLICY_VIOLATION : COND_BAD_REQUEST, false);
	return false;
}

/* The worker that a sid names; here when it names none. */
static int
gateway_owner(const struct gateway *gateway, struct slice sid)
{
	int index = 0;
	char c;

	if (sid.len != SID_SIZE - 1)
		return gateway->index;
	for (int i = 0; i < 2; i++) {
		c = sid.p[i];
		if (c >= '0' && c <= '9')
			index = index * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			index = index * 16 + c - 'a' + 10;
		else
			return gateway->index;
	}
	/* There may have been more workers when it was made. */
	return index % gateway->relay->n_gateways;
}

void
gateway_arrive(struct gateway *gateway, struct arrival *arrival,
    struct slice text)
{
	struct body body;
	int owner;

	if (!gateway_read(gateway, arrival, text, &body))
		return;
	owner = gateway_owner(gateway, body.sid);
	if (owner != gateway->index)
		arrival_forward(arrival, owner, text);
	else
		gateway_dispatch(gateway, arrival, &body, text);
	body_clear(&body);
}

void
gateway_receive(struct gateway *gateway, struct arrival *arrival,
    struct slice text)
{
	struct body body;

	if (!gateway_read(gateway, arrival, text, &body))
		return;
	gateway_dispatch(gateway, arrival, &body, text);
	body_clear(&body);
}

void
gateway_aborted(struct arrival *arrival)
{
	client_aborted(arrival->client, arrival);
}

/* ---- subscriptions made elsewhere ------------------------------------ */

void
gateway_entry(struct entry *entry, void *arg)
{
	struct gateway *gateway = arg;
	struct client *client, *next;
	struct client_sub *own;
	struct subscription sub;
	bool durable, existed;

	if ((entry->kind != ENTRY_SUB && entry->kind != ENTRY_UNSUB) ||
	    !subscription_unpack(entry, &sub) ||
	    strcmp(sub.owner, gateway->conf->bosh.domain) != 0)
		return;
	MAP_FOREACH(client, next, gateway->clients) {
		if (!client_is_address(client, sub.address))
			continue;
		durable = strchr(sub.address, '/') == NULL;
		own = client_find_sub(client, sub.channel);
		if (entry->kind == ENTRY_SUB && sub.state == SUB_ACTIVE)
			client_listen(client, sub.channel, sub.since, durable,
			    &existed);
		else if (own != NULL && own->durable == durable)
			client_unlisten(client, sub.channel);
	}
}

/* ---- all of them ----------------------------------------------------- */

static void
gateway_end_all(struct gateway *gateway)
{
	struct client *client, *next;

	MAP_FOREACH(client, next, gateway->clients)
		client_end(client, COND_SYSTEM_SHUTDOWN, NULL, "shutdown");
}

void
gateway_drain(struct gateway *gateway)
{
	struct client *client, *next;

	gateway->ending = gateway->conf->bosh.shutdown == SHUTDOWN_END;
	MAP_FOREACH(client, next, gateway->clients)
		if (gateway->ending && client->session != NULL)
			client_end(client, COND_SYSTEM_SHUTDOWN, NULL,
			    "shutdown");
		else
			client_release(client);
}

void
gateway_stop(struct gateway *gateway)
{
	if (gateway->conf->bosh.shutdown == SHUTDOWN_END)
		gateway_end_all(gateway);
	keep_stay(gateway->keep);
	gateway_end_all(gateway);
}

void
gateway_put_back(struct gateway *gateway, struct client *client)
{
	HASH_ADD_STR(gateway->clients, sid, client);
	gateway->restored++;
	stat_add(&gateway_sessions, 1);
	client_arm(client);
}

void
gateway_conflict(struct gateway *gateway, const char *sid)
{
	struct client *client =
	    gateway_find(gateway, (struct slice){ sid, strlen(sid) });

	if (client != NULL)
		client_stream_error(client,
		    "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:"
		    "xmpp-streams'/></stream:error>",
		    "conflict");
}
