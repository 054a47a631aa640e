/*
 * One line on the terminal that says how far a long work is; nothing at all
 * where standard error is no terminal.
 */
#ifndef WAFT_CLI_PROGRESS_H
#define WAFT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *unit; /* "lines" */
	uint64_t total;   /* of done; 0: not known */
	bool on;
	long long shown_ms;
};

void progress_init(struct progress *progress, const char *unit, uint64_t total);
/* Done of total, and count of units; drawn ten times a second at most. */
void progress_show(struct progress *progress, uint64_t done, uint64_t count);
/* Takes it off the terminal: before anything else is written, and at the end.
 */
void progress_clear(struct progress *progress);

#endif
