/*
 * How far a domain has come, as it is kept on disk: the notes that were
 * confirmed (position.h), the newest of them stored under the domain's lease,
 * and the pin that holds items back for the oldest.
 */
#ifndef WAFT_COMPONENT_PROGRESS_H
#define WAFT_COMPONENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/channel/worker.h"
#include "component/barrier.h"
#include "component/notify.h"
#include "component/position.h"

/* It is stored at most so often; and moves so often while nothing is sent. */
#define PROGRESS_SAVE_MS 100
#define PROGRESS_KEEP_MS 1000

struct progress_opts {
	struct worker *worker;
	const struct store_lease *lease; /* its name is the key, too */
	const char *domain;
	int64_t rewind_ms;
	const struct barrier *barrier;
	struct notify *notify;
};

/* Fields are private to progress.c; what opts points to is borrowed. */
struct progress {
	struct progress_opts opts;
	struct position position;
	int64_t saved_ms;
	int64_t kept_ms; /* when it was made to keep up */
	bool moved;      /* entries passed since */
	bool unsaved;
};

void progress_init(struct progress *progress, const struct progress_opts *opts);
void progress_clear(struct progress *progress);

/* Where delivery begins; takes the note. */
void progress_start(struct progress *progress, struct position_note *note);
/* The server has routed all of it; takes the note. */
void progress_confirm(struct progress *progress, struct position_note *note);
/* Where it goes on. */
const struct position_note *progress_newest(const struct progress *progress);
/* The server ended the link: forgets what may have died with it.  Unconfirmed:
 * stanzas, for the log. */
void progress_rewind(struct progress *progress, uint64_t unconfirmed);
/* An entry of the log has passed; true: the first since it kept up. */
bool progress_passed(struct progress *progress);

/* Nothing is out that might get lost: what was written is as sure as if it had
 * been confirmed.  So the position keeps up also with what nobody here listens
 * to, and does not hold it back from being trimmed.  Now: not only once a
 * second. */
void progress_keep_up(struct progress *progress, bool now);
/* Stores it. */
void progress_save(struct progress *progress);
/* The same when it is due; always: when there is anything new. */
void progress_flush(struct progress *progress, bool always);
/* Milliseconds until one of the two is due; at most `wait`. */
int64_t progress_wait_ms(const struct progress *progress, int64_t wait);

#endif
