/*
 * The inside of a session, for session.c (answers, ends, time) and receive.c
 * (requests) alone.
 */
#ifndef WAFT_WINDOW_H
#define WAFT_WINDOW_H

#include "bosh/session.h"

/* One rid.  It is early (body set), then held, then cached. */
struct session_slot {
	uint64_t rid;
	void *transport;   /* NULL: died, or answered */
	struct body *body; /* of an early request */
	char *text;        /* the answer; NULL: the empty body */
	uint32_t text_len;
	uint8_t repeats;
	bool early;
	bool cached;
	bool at_once;    /* answered without waiting */
	bool texts;      /* it holds stanzas that are no items */
	bool restored;   /* of before a restart */
	bool lost;       /* never came, and was passed over */
	bool no_payload; /* by an empty body (§10) */
	bool extra;      /* a pause or an end: allowed beyond `requests` */
	uint64_t report;
	uint64_t mark;
	uint64_t key;      /* of the key it came with; 0: none */
	int64_t at;        /* received, then answered */
	int64_t repeat_at; /* first of the repeats counted */
};

struct session {
	const struct session_ops *ops;
	void *arg;
	uint64_t created;  /* rid */
	uint64_t answered; /* all up to it were answered */
	uint64_t next;     /* all before it took effect */
	int64_t wait_ms;
	int64_t inactivity_ms;
	int64_t polling_ms;
	int64_t max_pause_ms;
	int64_t pause_ms; /* granted; 0: none */
	int64_t active_at;
	int64_t poll_at; /* the last empty poll of a polling session */
	int64_t report_at;
	uint64_t reported;
	uint64_t resume_window; /* until the first request after a restart */
	uint64_t skip_to;       /* this rid need not wait for those before */
	int64_t skip_at;        /* from then on; 0: no such rid */
	uint32_t kept;          /* bytes of answers */
	uint8_t hold;
	uint8_t requests;
	uint8_t mask; /* slots - 1 */
	bool acks;
	bool keys;
	bool over;
	bool poll_empty; /* that poll, and its answer, were empty */
	struct session_slot slots[];
};

static const struct slice window_no_text = { NULL, 0 };

static inline struct session_slot *
session_slot(struct session *session, uint64_t rid)
{
	return &session->slots[rid & session->mask];
}

void session_slot_clear(struct session *session, struct session_slot *slot);
void session_slot_keep(struct session *session, struct session_slot *slot,
    struct slice text);
/* What came early and is now in turn. */
void session_apply_early(struct session *session, int64_t now);

/* resume.c: the first request after a restart arrives. */
void session_rebase(struct session *session, const struct body *body,
    int64_t now);
/* A request that may prove that there is nothing to wait for; false: what came
 * early has ended the session. */
bool session_skip_for(struct session *session, const struct body *body,
    int64_t now);
/* What it waited for has not come. */
void session_skip(struct session *session, int64_t now);

/* To the slot's transport, if it has one; it is then done with. */
void session_send(struct session *session, struct session_slot *slot,
    enum session_reply reply, enum condition condition, struct slice text);
/* The answer that is kept. */
struct slice session_cached(const struct session_slot *slot);

#endif
