/*
 * The gateway in one worker: its sessions by sid, those that ended a short
 * while ago, and what they share.  Takes a request's text, finds or makes the
 * session, and answers what has none.
 */
#ifndef WAFT_GATEWAY_H
#define WAFT_GATEWAY_H

#include "bosh/body.h"
#include "bosh/relay.h"
#include "common/base/list.h"
#include "common/channel/worker.h"
#include "common/http/websocket.h"
#include "common/xmpp/service.h"

/* Two hex digits of the worker's index, 160 random bits. */
#define SID_RANDOM  20
#define SID_SIZE    (2 + 2 * SID_RANDOM + 1)
#define WORKERS_MAX 256

struct client;
struct event;
struct ended_ring;
struct keep;
struct logins;
struct sender;

struct gateway {
	struct relay *relay;
	struct worker *worker;
	struct loop *loop;
	const struct conf *conf;
	struct logins *logins; /* counted */
	int index;
	int refs; /* the program's and one of each client's */
	struct xml_reader *reader;
	struct service *service;
	struct client *clients;
	struct ended_ring *ended;
	/* Named users whose position is to be saved. */
	TAILQ_HEAD(, client) moved;
	struct event *moved_timer;
	struct keep *keep;
	int restored; /* clients of before a restart that have not come back */
	bool ending;  /* sessions too, and none is made any more */
	struct buf scratch;
	struct websockets websockets;
	/* What the stanzas of one item have in common, for the item that was
	 * written last. */
	struct entry *last;
	struct buf last_from;
	struct buf last_id;
	struct buf last_inner; /* item_stamp() */
	bool last_late;
	int64_t last_ms;
};

struct gateway *gateway_create(struct relay *relay, struct worker *worker,
    int index);
/* The loop has stopped; gateway_stop() came before.  What the store still
 * owes to clients that are over keeps the memory until the loop is freed. */
void gateway_unref(struct gateway *gateway);
/* A new configuration with its logins, whose reference it takes.  One with
 * another domain is not used. */
void gateway_reload(struct gateway *gateway, const struct conf *conf,
    struct logins *logins);
struct loop *gateway_loop(const struct gateway *gateway);

/* A request that arrived at this worker, as text.  Valid for the call. */
void gateway_arrive(struct gateway *gateway, struct arrival *arrival,
    struct slice text);
/* One that was forwarded to this worker, its session's. */
void gateway_receive(struct gateway *gateway, struct arrival *arrival,
    struct slice text);
/* The request's connection died; its session is here. */
void gateway_aborted(struct arrival *arrival);

/* A WebSocket that was found good: its client, which nothing carries yet.  NULL
 * when a limit is reached. */
struct client *gateway_connect(struct gateway *gateway,
    const struct sender *sender);
/* Compares a stream's or a session's `to` with the domain. */
enum condition gateway_check_to(const struct gateway *gateway, struct slice to);

/* A worker_entry_fn: subscriptions that were added or ended elsewhere. */
void gateway_entry(struct entry *entry, void *gateway);

/* The program is to end.  By `shutdown`: all that is held is answered and the
 * sessions stay, or they end and no new one is made. */
void gateway_drain(struct gateway *gateway);
/* The loop has stopped: the sessions leave this worker, and stay on disk if
 * they are to be kept. */
void gateway_stop(struct gateway *gateway);

/* A session of before a restart, under its name there (keep_name()). */
void gateway_put_back(struct gateway *gateway, struct client *client);

/* Ends the session of that sid because another took its JID. */
void gateway_conflict(struct gateway *gateway, const char *sid);

/* For client.c: the session is over.  Told: its client knows. */
void gateway_forget(struct gateway *gateway, struct client *client,
    enum condition condition, bool told);

#endif
