/*
 * One run of the load generator: receivers that count (c2s, bosh, ws), and a
 * sender (direct and pubsub over a component's link, http to a control API)
 * that keeps a window of messages outstanding; or, without receivers, a flood
 * of publishes.
 *
 * Order: the sender attaches and prepares, the receivers log in and subscribe,
 * then load says that it is ready and waits for a line from whoever started it,
 * who reads the servers' CPU at that moment; then it runs and says what it
 * measured.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/net.h"
#include "bench/tally.h"

#define LOAD_JID 256

struct load;

struct load_receiver {
	const char *name;
	/* All log in, a few at a time; load_user_ready() for each. */
	void (*start)(struct load *load);
};

struct load_sender {
	const char *name;
	/* load_sender_ready() once it can send. */
	void (*start)(struct load *load);
	/* Sends one message now if it can; false: call again next turn. */
	bool (*send)(struct load *load);
};

struct load_options {
	const char *server;    /* c2s or BOSH: HOST:PORT */
	const char *path;      /* of BOSH */
	const char *domain;    /* where receivers log in, anonymously */
	const char *service;   /* that they subscribe at; NULL: they do not */
	const char *node;      /* node or channel */
	const char *component; /* HOST:PORT */
	const char *name;      /* the component's domain */
	const char *secret;
	const char *control; /* control API: HOST:PORT */
	uint32_t clients;
	uint32_t count;  /* messages */
	uint32_t window; /* outstanding messages */
	double rate;     /* messages a second instead of a window, or 0 */
	uint32_t size;   /* of a message's text, or of a flood's stanza */
	uint32_t connections, batch, channels; /* flood */
	double seconds;
	bool bound; /* ready once bound: no presence, no question */
};

struct load {
	struct load_options options;
	struct net net;
	struct tally tally;
	const struct load_receiver *receiver;
	const struct load_sender *sender;
	void *receivers;        /* the receiver's own */
	void *sending;          /* the sender's own */
	char (*jids)[LOAD_JID]; /* bare, by receiver */
	uint32_t ready;
	double ready_seconds; /* that all of them took */
	bool is_sender_ready;
	uint64_t errors; /* stanzas and answers that say so */
	uint64_t reconnects;
	char *text; /* options.size bytes; the mark is put at its beginning */
};

extern const struct load_receiver c2s_receiver, bosh_receiver, ws_receiver;
extern const struct load_sender direct_sender, pubsub_sender, http_sender;

void load_user_ready(struct load *load);
void load_sender_ready(struct load *load);
/* The text of the next message, marked. */
const char *load_text(struct load *load);
/* Publishes as fast as connections take them, for options.seconds. */
void flood_run(struct load *load);

#endif
