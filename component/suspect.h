/*
 * Finding the item that the server does not like.  A stanza that breaks one of
 * its rules ends the whole stream, and sent again ends it again.  After two
 * such ends the link goes carefully, one stanza a barrier; when it ends so once
 * more, the one stanza that was out is to blame, and its item is left out from
 * then on (DESIGN 8).
 *
 * Pure; time is a parameter.
 */
#ifndef WAFT_COMPONENT_SUSPECT_H
#define WAFT_COMPONENT_SUSPECT_H

#include <stdbool.h>
#include <stdint.h>

#define SUSPECT_STRIKES 2
/* Ends further apart than this have nothing to do with each other; after so
 * long without one the link goes fast again. */
#define SUSPECT_QUIET_MS 60000
/* Items left out at once; the oldest is tried again when there are more. */
#define SUSPECT_SKIPS 64

struct suspect {
	int strikes;
	int64_t last_ms; /* of the last strike */
	bool careful;
	uint64_t skips[SUSPECT_SKIPS]; /* seqs; a ring */
	unsigned n_skips;              /* ever */
};

/* The server ended the link over a stanza; seq is the item of the only one that
 * was out, 0 when it was not the only one.  True when that is now left out. */
bool suspect_end(struct suspect *suspect, uint64_t seq, int64_t now_ms);
/* One stanza at a time?  To be asked on every confirmation. */
bool suspect_is_careful(struct suspect *suspect, int64_t now_ms);
bool suspect_skips(const struct suspect *suspect, uint64_t seq);

#endif
