#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"

#define PROGRESS_EVERY_MS 100
#define PROGRESS_BAR      30

void
progress_init(struct progress *progress, const char *unit, uint64_t total)
{
	*progress = (struct progress){ .unit = unit, .total = total };
	progress->on = isatty(STDERR_FILENO) == 1;
}

void
progress_show(struct progress *progress, uint64_t done, uint64_t count)
{
	static const char full[] = "##############################";
	static const char empty[] = "..............................";
	long long now_ms = clock_mono_ms();
	double part;
	int bars;

	if (!progress->on || now_ms - progress->shown_ms < PROGRESS_EVERY_MS)
		return;
	progress->shown_ms = now_ms;
	if (progress->total == 0) {
		fprintf(stderr, "\r\033[K%llu %s", (unsigned long long)count,
		    progress->unit);
		return;
	}
	part = (double)done / (double)progress->total;
	if (part > 1)
		part = 1;
	bars = (int)(part * PROGRESS_BAR);
	fprintf(stderr, "\r\033[K[%.*s%.*s] %3d %%  %llu %s", bars, full,
	    PROGRESS_BAR - bars, empty, (int)(part * 100),
	    (unsigned long long)count, progress->unit);
}

void
progress_clear(struct progress *progress)
{
	if (progress->on && progress->shown_ms != 0)
		fputs("\r\033[K", stderr);
	progress->shown_ms = 0;
}
