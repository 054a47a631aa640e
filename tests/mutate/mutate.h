/*
 * Mutated requests against the real waft-bosh: conversations as clients have
 * them (creation, login, bind, subscriptions, polls, pauses, ends, pipelined,
 * chunked, over WebSocket), with bytes, lengths, rids, sids, headers and splits
 * changed at random, on many connections at once.  Beside them one session that
 * behaves must go on working.
 *
 *	change.c   dice, and what is done to bytes
 *	talk.c     the next requests of a conversation
 *	judge.c    reads answers: well-formed, and nothing of the good session
 *	mutant.c   one connection: writes a talk's requests in pieces, waits
 *	good.c     the session that behaves, a process of its own
 *	daemon.c   waft-bosh: start, memory, end
 *	main.c     options, the crowd of mutants, the verdict
 */
#ifndef WAFT_MUTATE_H
#define WAFT_MUTATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/text.h"

/* The good session's: in what is published to it, and its password. */
#define MUTATE_SECRET   "kept-from-all-others"
#define MUTATE_PASSWORD "the-good-one's"
#define MUTATE_DOMAIN   "bosh.test"
/* Only the good session may listen on it. */
#define MUTATE_CHANNEL "good.news"

/* Says why on standard error and ends the process. */
void mutate_fail(const char *what, const char *more) __attribute__((noreturn));
int64_t mutate_now_ms(void);
/* Connected; non-blocking if so wanted. */
int mutate_connect(int port, bool blocking);

/* ---- change.c ---------------------------------------------------------- */

struct dice {
	uint64_t state;
};

/* 0 to n - 1. */
unsigned dice_roll(struct dice *dice, unsigned n);
/* True once in n. */
bool dice_one_in(struct dice *dice, unsigned n);
/* Does one thing to some of the bytes from `from` on. */
void change_bytes(struct dice *dice, struct buf *bytes, size_t from);

/* ---- talk.c ------------------------------------------------------------ */

#define TALK_SID 80

struct talk {
	char sid[TALK_SID]; /* "": no session yet */
	uint64_t rid;
	uint64_t asked; /* rid of the last batch's first request */
	bool answered;  /* something of it was */
	int ends;       /* heard since the last answer that was none */
	int step;       /* of the login; TALK_IN and above: bound */
	bool ws;
	bool open; /* ws: the connection was upgraded */
};

#define TALK_IN 4

/* The next requests onto out, in one batch; counts those that are mutated. */
void talk_next(struct talk *talk, struct dice *dice, struct buf *out,
    uint64_t *mutated);
/* A whole answer arrived. */
void talk_heard(struct talk *talk, const char *text, size_t len);

/* ---- judge.c ----------------------------------------------------------- */

struct judge {
	struct buf in;
	bool blind; /* its answers have no length that we could know */
	bool ws;    /* frames follow */
};

/* What must not be in any answer to a mutant. */
void judge_forbid(const char *text);
/* Takes what arrived; talk hears the whole answers.  Returns how many. */
int judge_feed(struct judge *judge, struct talk *talk, const char *data,
    size_t len);

/* ---- mutant.c ---------------------------------------------------------- */

struct mutant {
	int fd;  /* -1: between two connections */
	bool ws; /* one that speaks WebSocket */
	struct talk talk;
	struct dice dice;
	struct judge judge;
	struct buf out; /* not yet written */
	size_t out_at;
	struct buf last;   /* the batch before, for a report */
	int64_t piece_at;  /* no piece is written before */
	int64_t heard_at;  /* wrote or heard something */
	int64_t parked_at; /* writes no more; 0: does */
	int batches;       /* that this connection is still to get */
};

/* How long the daemon may leave a connection that says nothing more. */
#define MUTANT_PATIENCE_MS 40000

void mutant_init(struct mutant *mutant, uint64_t seed);
/* Whatever is due now. */
void mutant_turn(struct mutant *mutant, int port, int64_t now,
    uint64_t *mutated);
void mutant_readable(struct mutant *mutant, int64_t now);
/* What poll(2) is to wait for. */
short mutant_events(const struct mutant *mutant, int64_t now);
void mutant_close(struct mutant *mutant);

/* ---- good.c ------------------------------------------------------------ */

struct good {
	pid_t pid;
	int fd; /* closing it asks for the end */
	char sid[TALK_SID];
};

/* Logs in and goes on in a process of its own. */
void good_start(struct good *good, int port, int control);
/* Has it failed? */
bool good_is_over(struct good *good);
/* Asks for the end; the number of stanzas that it got. */
int good_end(struct good *good);

/* ---- daemon.c ---------------------------------------------------------- */

struct daemon {
	pid_t pid;
	int port;
	int control;
	char directory[64];
};

/* The path of waft-bosh. */
void daemon_start(struct daemon *daemon, const char *program);
/* Has it died? */
bool daemon_is_over(struct daemon *daemon);
long daemon_rss_kb(const struct daemon *daemon);
/* SIGTERM; false, and its log on standard error, if it did not end with 0. */
bool daemon_end(struct daemon *daemon);
void daemon_show_log(const struct daemon *daemon);

#endif
