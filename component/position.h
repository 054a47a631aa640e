/*
 * How far a link has come, as it is stored and stepped back to.  A note says:
 * every item up to seq is done, except on the channels listed as behind, each
 * with its own position and what it reached inside the item after that.
 *
 * The notes of the last `rewind` are kept, thinned: what the server had
 * confirmed just before it ended the link may have died in its memory, so
 * delivery goes back to the note that was confirmed that long before.
 *
 * Text of a note, one line each, fields by single spaces:
 *
 *	1 EPOCH SEQ
 *	SEQ PART_SEQ PART_N CHANNEL
 *
 * PART_N without PART_SEQ: the line is not of the channel, but of the one
 * subscription of that number, which is catching up with it (comeback.h).
 *
 * Pure; time is a parameter.
 */
#ifndef WAFT_COMPONENT_POSITION_H
#define WAFT_COMPONENT_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

#define POSITION_NOTES      64
#define POSITION_SPACING_MS 100

struct position_note {
	uint64_t seq;
	uint64_t oldest;    /* the smallest position in it: pin this */
	int64_t confirm_ms; /* when it became sure */
	size_t head;        /* where the lines begin */
	size_t len;
	char text[];
};

/* A channel that is behind; text borrows from the note. */
struct position_behind {
	uint64_t seq;      /* all up to it were taken */
	uint64_t part_seq; /* the item begun, 0: none */
	uint64_t part_n;   /* given to all subscriptions up to it */
	const char *channel;
	size_t channel_len;
};

/* Writing: begin, then any number of adds, then the note. */
void position_note_begin(struct buf *text, const char *epoch, uint64_t seq);
void position_note_add(struct buf *text, const struct position_behind *behind);
/* NULL when it is none, or one of another epoch. */
struct position_note *position_note_read(const char *text, size_t len,
    const char *epoch);
/* Walks its channels: *at starts at 0; false at the end. */
bool position_note_next(const struct position_note *note, size_t *at,
    struct position_behind *behind);

bool position_is_one(const struct position_behind *behind);

/* The notes kept.  Fields are private to position.c. */
struct position {
	int64_t rewind_ms;
	int64_t spacing_ms;
	int count; /* at least one after position_start() */
	struct position_note *notes[POSITION_NOTES];
};

void position_init(struct position *position, int64_t rewind_ms);
void position_clear(struct position *position);
/* Where delivery begins; takes the note. */
void position_start(struct position *position, struct position_note *note);
/* Takes the note. */
void position_confirm(struct position *position, struct position_note *note,
    int64_t now_ms);
const struct position_note *position_newest(const struct position *position);
/* The one that everything may have to be read from again. */
const struct position_note *position_oldest(const struct position *position);
/* The server ended the link: forgets what was confirmed within rewind, and the
 * newest is then where to go on. */
void position_rewind(struct position *position, int64_t now_ms);

#endif
