/*
 * Ad-hoc commands (XEP-0050) with forms (XEP-0004): the channels for people
 * whose client has a menu of commands and no XEP-0060.  On the service's own
 * address all of them, on a channel's those that are about it, which then need
 * no form.
 *
 * A command goes in steps; between them what it knows is in a session, bound to
 * the asker's full JID and the address asked.  A session's id is made with a
 * key, so that it cannot be guessed, and one that is over is told from one that
 * never was.  Sessions end when they are not used for ADHOC_SESSION_MS, and the
 * one used longest ago goes when a JID or all together have too many.
 *
 * Texts are English whatever xml:lang was asked for: clients ask for their
 * user's, and an error instead (§3.7) would leave him with nothing.
 *
 * For the files of common/xmpp alone.
 */
#ifndef WAFT_XMPP_ADHOC_H
#define WAFT_XMPP_ADHOC_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/xml.h"
#include "common/xmpp/ask.h"

#define ASK_COMMANDS "http://jabber.org/protocol/commands"

#define ADHOC_SESSIONS_MAX     1000
#define ADHOC_SESSIONS_PER_JID 10
#define ADHOC_SESSION_MS       (10 * 60 * 1000)
#define ADHOC_PAGE             50 /* rows in one step */
#define ADHOC_PLACES_MAX       50 /* pages one can go back */

enum adhoc_action {
	ADHOC_EXECUTE,
	ADHOC_CANCEL,
	ADHOC_PREV,
	ADHOC_NEXT,
	ADHOC_COMPLETE
};
#define ADHOC_MAY(action) (1u << (action))

struct adhoc_command {
	const char *node;
	const char *name; /* for a menu */
	bool on_domain;   /* it is there on the service's own address, */
	bool on_channel;  /* on a channel's */
	bool operators;   /* for them alone */
	void (*run)(struct ask *ask); /* one step; takes the ask */
};

struct adhoc_session {
	TAILQ_ENTRY(adhoc_session) entry;
	const struct adhoc_command *command;
	char *id;
	char *asker; /* full JID */
	char *asked;
	int64_t used_ms;
	unsigned may;                   /* ADHOC_MAY() of the next step */
	enum adhoc_action execute;      /* what `execute` means there */
	bool kept;                      /* at least one step was answered */
	char *channel;                  /* the command's own; or NULL */
	char *places[ADHOC_PLACES_MAX]; /* where the pages so far begin */
	size_t n_places;
	char *next; /* where the next one begins; NULL: there is none */
};

/* One step: ask->work while a command runs. */
struct adhoc_step {
	struct adhoc_session *session;
	enum adhoc_action action; /* ADHOC_EXECUTE in the first step alone */
	struct xml *form;         /* what was submitted, or NULL */
	bool named;               /* it says the channel, no address does */
	struct buf head;          /* of the request, for an error */
	void *work;               /* the command's own */
	void (*work_free)(void *work);
};

struct adhoc_step *adhoc_step(const struct ask *ask);
/* What a field of the submitted form holds, its values joined by line ends;
 * NULL when it has none.  The caller's. */
char *adhoc_value(const struct ask *ask, const char *var);
/* Lets a field name the channel, where no address does.  False, and the ask is
 * gone, when it is no channel's name. */
bool adhoc_channel(struct ask *ask, const char *var);

/* The step is answered with a form and more are to come; takes the ask.  Note
 * NULL: none; else an error of what was submitted. */
void adhoc_go_on(struct ask *ask, unsigned may, enum adhoc_action execute,
    const struct buf *form, const char *note);
/* The command is over; does not take the ask.  Form and note may be NULL. */
void adhoc_over(struct ask *ask, const struct buf *form, bool failed,
    const char *note);
/* The same, and takes it. */
void adhoc_end(struct ask *ask, const struct buf *form, bool failed,
    const char *note);
/* bad-payload (§4.5); the session goes on. */
void adhoc_bad_payload(struct ask *ask);

/* A list by pages: makes ask->page for this step, from where it begins. */
void adhoc_page(struct ask *ask);
/* Answers with what the page became; takes the ask. */
void adhoc_send_page(struct ask *ask, const struct buf *form);

/* True, and the ask is taken: the request was about commands (§2.2). */
bool adhoc_disco(struct ask *ask, const struct xml *query);
/* The word: element is the iq's child. */
void adhoc_request(struct ask *ask, const struct xml *element);

/* ---- sessions, for adhoc.c ------------------------------------------- */

struct adhoc_sessions;
void adhoc_sessions_free(struct adhoc_sessions *sessions);
/* Ends those that were not used for long; sessions may be NULL. */
void adhoc_sessions_expire(struct adhoc_sessions *sessions, int64_t now_ms);
/* A new one of the asker's; it is in no list yet. */
struct adhoc_session *adhoc_session_make(const struct ask *ask,
    const struct adhoc_command *command);
void adhoc_session_free(struct adhoc_session *session);
/* Puts it into the list until the next step, as far as there is room. */
void adhoc_session_keep(const struct ask *ask, struct adhoc_session *session);
/* The asker's own of that id, out of the list; NULL: there is none. */
struct adhoc_session *adhoc_session_take(const struct ask *ask,
    const struct adhoc_command *command, const char *id);
/* It was one that this asker was given. */
bool adhoc_session_was(const struct ask *ask, const char *id);

/* ---- the commands, each one step ------------------------------------- */

void commands_list(struct ask *ask);
void commands_subscribe(struct ask *ask);
void commands_unsubscribe(struct ask *ask);
void commands_subscriptions(struct ask *ask);
void operate_publish(struct ask *ask);
void operate_subscribers(struct ask *ask);
void operate_statistics(struct ask *ask);

#endif
