/*
 * How far a domain has come, as it is kept on disk: the notes that were
 * confirmed (position.h), the newest of them stored under the domain's lease,
 * and the pin that holds items back for the oldest.
 */
#ifndef WAFT_COMPONENT_BOOKMARK_H
#define WAFT_COMPONENT_BOOKMARK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/channel/worker.h"
#include "component/barrier.h"
#include "component/notify.h"
#include "component/position.h"

/* It is stored at most so often; and moves so often while nothing is sent. */
#define BOOKMARK_SAVE_MS 100
#define BOOKMARK_KEEP_MS 1000

struct bookmark_opts {
	struct worker *worker;
	const struct store_lease *lease; /* its name is the key, too */
	const char *domain;
	int64_t rewind_ms;
	const struct barrier *barrier;
	struct notify *notify;
};

/* Fields are private to bookmark.c; what opts points to is borrowed. */
struct bookmark {
	struct bookmark_opts opts;
	struct position position;
	int64_t saved_ms;
	int64_t kept_ms; /* when it was made to keep up */
	bool moved;      /* entries passed since */
	bool unsaved;
};

void bookmark_init(struct bookmark *bookmark, const struct bookmark_opts *opts);
void bookmark_clear(struct bookmark *bookmark);

/* Where delivery begins; takes the note. */
void bookmark_start(struct bookmark *bookmark, struct position_note *note);
/* The server has routed all of it; takes the note. */
void bookmark_confirm(struct bookmark *bookmark, struct position_note *note);
/* Where it goes on. */
const struct position_note *bookmark_newest(const struct bookmark *bookmark);
/* The server ended the link: forgets what may have died with it.  Unconfirmed:
 * stanzas, for the log. */
void bookmark_rewind(struct bookmark *bookmark, uint64_t unconfirmed);
/* An entry of the log has passed; true: the first since it kept up. */
bool bookmark_passed(struct bookmark *bookmark);

/* Nothing is out that might get lost: what was written is as sure as if it had
 * been confirmed.  So the position keeps up also with what nobody here listens
 * to, and does not hold it back from being trimmed.  Now: not only once a
 * second. */
void bookmark_keep_up(struct bookmark *bookmark, bool now);
/* Stores it. */
void bookmark_save(struct bookmark *bookmark);
/* The same when it is due; always: when there is anything new. */
void bookmark_flush(struct bookmark *bookmark, bool always);
/* Milliseconds until one of the two is due; at most `wait`. */
int64_t bookmark_wait_ms(const struct bookmark *bookmark, int64_t wait);

#endif
