/*
 * The window of one BOSH session (XEP-0124 §8 to §14): which request is next,
 * which came early, which are held and for how long, what was answered and may
 * be asked for again, and when the session is over.  It decides; its owner does
 * the reading, the writing and the timing.  Pure: no I/O, the time is a
 * parameter in milliseconds of any clock that does not jump.
 *
 *	answered - requests   answered        next - 1      next - 1 + requests
 *	   | cached answers      | held requests | early requests |
 *
 * Requests take effect and answers go out strictly by rid.  A `transport` is
 * one HTTP request waiting for its answer, the owner's; whoever is sent an
 * answer is forgotten here.  A held request whose transport died keeps its
 * place: if it is repeated it gets the answer, if the client goes on to the
 * next one it is closed with an empty body.
 */
#ifndef WAFT_SESSION_H
#define WAFT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "bosh/body.h"
#include "common/base/text.h"

#define SESSION_HOLD_MAX 4
/* `wait` is the longest time (§7.1): the answer goes out this much before, or a
 * quarter of the wait where that is less. */
#define SESSION_EARLY_MS 250
/* Repeats of one rid within ten seconds. */
#define SESSION_REPEATS_MAX 10

struct session;

/* One answer that is to be made. */
struct session_answer {
	uint64_t rid;
	bool created; /* it answers the creation */
	bool payload; /* what waits may ride on it */
	struct body_attrs attrs;
	/* Set by render(). */
	uint64_t mark; /* see session_oldest_mark() */
	bool texts;    /* it holds stanzas that are no items */
};

enum session_reply {
	REPLY_BODY,   /* the text */
	REPLY_REPEAT, /* the same, asked for again */
	REPLY_ERROR,  /* recoverable: another transport took its place */
	REPLY_END     /* terminal, with the condition */
};

struct session_ops {
	/* A request's payload, each once and in the order of the rids.  Other
	 * than COND_NONE ends the session. */
	enum condition (*apply)(void *arg, const struct body *body);
	/* Does anything wait for the client? */
	bool (*waiting)(void *arg);
	/* The text of an answer; borrowed until the next call. */
	struct slice (*render)(void *arg, struct session_answer *answer);
	/* The transport is done with. */
	void (*send)(void *arg, void *transport, enum session_reply reply,
	    enum condition condition, struct slice text);
	/* It is over; called once, last.  Told: the client was sent the
	 * condition.  Reason is static. */
	void (*ended)(void *arg, enum condition condition, bool told,
	    const char *reason);
	/* Did a request of before the restart have this key?  For sessions with
	 * keys that are resumed. */
	bool (*knows_key)(void *arg, const struct body *body);
};

struct session_opts {
	uint64_t rid; /* of the creation request */
	int64_t wait_ms;
	int hold; /* 0 makes a polling session; at most SESSION_HOLD_MAX */
	int64_t inactivity_ms;
	int64_t polling_ms;
	int64_t max_pause_ms;
	bool acks; /* the client acknowledges (§9) */
	bool keys; /* its requests have keys (§15), so must their repeats */
};

/* Ops is borrowed for the session's life. */
struct session *session_create(const struct session_opts *opts,
    const struct session_ops *ops, void *arg, int64_t now);
/* Transports it still has are forgotten, not answered. */
void session_free(struct session *session);

/*
 * What is known of a session after a restart.  The client may be further than
 * rid: its first request, if not past the window, says where it is.  Those that
 * may be on their way with it are waited for a moment.  Requests up to rid took
 * effect; repeated, each is held, or gets what is put back.
 */
struct session_past {
	uint64_t rid;
	uint64_t window;
	int64_t inactivity_ms; /* as session_inactivity_ms() */
	int64_t pause_ms;      /* as session_pause_ms() */
};

struct session *session_resume(const struct session_opts *opts,
    const struct session_past *past, const struct session_ops *ops, void *arg,
    int64_t now);
/* An answer that was sent before; in the order of the rids. */
void session_put_back(struct session *session, uint64_t rid, struct slice text);

/* Before an answer, so that it waits for no memory (mem_fetch()): in step 0
 * what says where its slots are, in step 1 those, in step 2 a text. */
void session_fetch(const struct session *session, int step);
/* The transport that is answered next; NULL: none is there. */
const void *session_first(const struct session *session);

/* What the creation response announces. */
int session_requests(const struct session *session);
int session_hold(const struct session *session);
int64_t session_inactivity_ms(const struct session *session);

/*
 * A request arrived, the creation first.  Body is cleared or kept: it is empty
 * afterwards.  Answers come from session_flush(), which the owner calls at the
 * end of the turn; an end or an error is sent at once.
 */
void session_receive(struct session *session, struct body *body,
    void *transport, int64_t now);
/* Answers what is due: because something waits, because more is held than
 * allowed, because the wait is over. */
void session_flush(struct session *session, int64_t now);
/* The transport died.  False when the session does not know it. */
bool session_abort(struct session *session, const void *transport, int64_t now);
/* When session_timeout() is due; INT64_MAX when it is over. */
int64_t session_deadline(const struct session *session);
void session_timeout(struct session *session, int64_t now);

/* Ends it: offender, which may be a transport it does not have, or else the
 * oldest request held is told the condition, all others COND_OTHER_REQUEST, or
 * get an empty body if offender is NULL. */
void session_end(struct session *session, enum condition condition,
    void *offender, const char *reason);
/* Answers all that is held; the session stays. */
void session_release(struct session *session, int64_t now);

bool session_is_over(const struct session *session);
/* Requests held with a live transport. */
int session_held(const struct session *session);
/* The rid that takes effect next. */
uint64_t session_next(const struct session *session);
/* Answers kept for repeats: do any hold stanzas that are no items; the first of
 * those after *rid, false if none; bytes of all of them. */
bool session_has_texts(const struct session *session);
bool session_next_text(const struct session *session, uint64_t *rid,
    struct slice *text);
size_t session_kept(const struct session *session);
/* 0: no pause was granted. */
int64_t session_pause_ms(const struct session *session);
/* The least mark of the answers that the client may not have got, 0 if none. */
uint64_t session_oldest_mark(const struct session *session);

#endif
