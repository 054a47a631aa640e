/*
 * A session as it is kept on disk, so that a restart is not noticed: one record
 * for what changes seldom, written before the answer that tells of it, and for
 * what changes with every request a place in a page that holds many sessions'.
 * Pure: text in, text out.  It never holds a sid.
 *
 * The reader is a parser: what it does not know or what is cut short is refused
 * as a whole.  Slices borrow from the text that was read.
 */
#ifndef WAFT_RECORD_H
#define WAFT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/text.h"

#define RECORD_KEY 20 /* bytes of a key's SHA-1 */

enum record_flag {
	RECORD_ACKS = 1,
	RECORD_LEGACY = 2,
	RECORD_HAS_VER = 4,
	RECORD_SECURE = 8,
	RECORD_ANONYMOUS = 16,
	RECORD_KEYS = 32
};

struct record {
	uint64_t flags;
	uint64_t state;   /* enum client_state */
	uint64_t created; /* rid */
	uint64_t rid;     /* all up to it took effect */
	uint64_t upto;    /* items up to this seq have arrived */
	uint64_t hold;
	uint64_t ver_minor;
	uint64_t wait_ms;
	uint64_t inactivity_ms;
	uint64_t polling_ms;
	uint64_t max_pause_ms;
	uint64_t pause_ms;
	uint64_t key_rid; /* of the key below */
	/* Absent: p NULL. */
	struct slice key; /* RECORD_KEY bytes when there are keys */
	struct slice domain;
	struct slice content;
	struct slice lang;
	struct slice peer;
	struct slice user;
	struct slice jid;
	struct slice grant; /* auth_grant_write() */
	/* Lists, made and read by what follows. */
	struct slice subs;
	struct slice answers;
	struct slice texts;
};

struct record_sub {
	struct slice channel;
	uint64_t since;
	bool durable;
};

/* An answer that may be asked for again, whole. */
struct record_answer {
	uint64_t rid;
	struct slice text;
};

/* A stanza that waits and is no item. */
struct record_text {
	bool stream;
	struct slice text;
};

void record_write(const struct record *record, struct buf *out);
bool record_read(const void *data, size_t len, struct record *record);

void record_add_sub(struct buf *list, const struct record_sub *sub);
void record_add_answer(struct buf *list, const struct record_answer *answer);
void record_add_text(struct buf *list, const struct record_text *text);
/* Takes the next off the list; false at its end. */
bool record_next_sub(struct slice *list, struct record_sub *sub);
bool record_next_answer(struct slice *list, struct record_answer *answer);
bool record_next_text(struct slice *list, struct record_text *text);

/* ---- pages ----------------------------------------------------------- */

#define RECORD_HASH 8

struct record_place {
	unsigned char hash[RECORD_HASH]; /* the first bytes of the sid's */
	uint64_t rid;                    /* at most BODY_RID_MAX */
	uint64_t upto;
	bool settled; /* stanzas and answers of the record have arrived */
};

void record_add_place(struct buf *page, const struct record_place *place);
/* False at the page's end, and where it is cut short. */
bool record_next_place(struct slice *page, struct record_place *place);

#endif
