/*
 * The inside of a session, for session.c (answers, ends, time) and receive.c
 * (requests) alone.
 */
#ifndef WAFT_WINDOW_H
#define WAFT_WINDOW_H

#include "bosh/session.h"

/* One rid.  It is early, then held, then cached.  A session has many, and most
 * are only looked at: they are kept small. */
struct session_slot {
	uint64_t rid;
	void *transport; /* NULL: died, or answered */
	union {
		struct body *body; /* while it is early */
		char *text;        /* the answer; NULL: the empty body */
	};
	uint32_t text_len;
	uint8_t repeats;
	uint8_t report; /* the rid so many before is missing; 0: none is */
	bool early:1;
	bool cached:1;
	bool at_once:1;    /* answered without waiting */
	bool texts:1;      /* it holds stanzas that are no items */
	bool restored:1;   /* of before a restart */
	bool lost:1;       /* never came, and was passed over */
	bool no_payload:1; /* by an empty body (§10) */
	bool extra:1;      /* a pause or an end: beyond `requests` */
	uint64_t mark;
	uint64_t key;      /* of the key it came with; 0: none */
	int64_t at;        /* received, then answered */
	int64_t repeat_at; /* first of the repeats counted */
};

struct session {
	/* What every request looks at stands together. */
	const struct session_ops *ops;
	void *arg;
	uint64_t created;  /* rid */
	uint64_t answered; /* all up to it were answered */
	uint64_t next;     /* all before it took effect */
	uint64_t newest;   /* none that came had a higher one */
	int64_t wait_ms;
	int64_t active_at;
	int64_t pause_ms;       /* granted; 0: none */
	int64_t skip_at;        /* skip_to, from then on; 0: no such rid */
	uint64_t resume_window; /* until the first request after a restart */
	uint32_t kept;          /* bytes of answers */
	uint8_t n_cached;       /* slots that are */
	uint8_t hold;
	uint8_t requests;
	uint8_t mask; /* slots - 1 */
	bool acks;
	bool keys;
	bool over;
	bool poll_empty; /* the last poll, and its answer, were empty */
	int64_t inactivity_ms;
	int64_t polling_ms;
	int64_t max_pause_ms;
	int64_t poll_at; /* the last empty poll of a polling session */
	int64_t report_at;
	uint64_t reported;
	uint64_t skip_to; /* this rid need not wait for those before */
	struct session_slot slots[];
};

static const struct slice window_no_text = { NULL, 0 };

static inline struct session_slot *
session_slot(struct session *session, uint64_t rid)
{
	return &session->slots[rid & session->mask];
}

void session_slot_clear(struct session *session, struct session_slot *slot);
/* Over: memory that it may take for the text, or NULL. */
void session_slot_keep(struct session *session, struct session_slot *slot,
    struct slice text, char *over);
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
