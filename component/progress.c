#include "component/progress.h"

#include "common/base/log.h"
#include "common/base/stat.h"

static struct stat_metric progress_rewinds =
    STAT_COUNTER("waft_component_rewinds_total",
        "Times delivery went back because the link was lost", NULL);

static int64_t
progress_now(const struct progress *progress)
{
	return loop_now_ms(worker_loop(progress->opts.worker));
}

void
progress_init(struct progress *progress, const struct progress_opts *opts)
{
	progress->opts = *opts;
	position_init(&progress->position, opts->rewind_ms);
}

void
progress_clear(struct progress *progress)
{
	position_clear(&progress->position);
}

void
progress_start(struct progress *progress, struct position_note *note)
{
	position_start(&progress->position, note);
}

void
progress_confirm(struct progress *progress, struct position_note *note)
{
	position_confirm(&progress->position, note, progress_now(progress));
	progress->unsaved = true;
}

const struct position_note *
progress_newest(const struct progress *progress)
{
	return position_newest(&progress->position);
}

void
progress_rewind(struct progress *progress, uint64_t unconfirmed)
{
	uint64_t before = progress_newest(progress)->seq;

	position_rewind(&progress->position, progress_now(progress));
	stat_add(&progress_rewinds, 1);
	log_info("component.rewind",
	    "domain=%s unconfirmed=%llu from=%llu to=%llu",
	    LOGQ(progress->opts.domain), (unsigned long long)unconfirmed,
	    (unsigned long long)before,
	    (unsigned long long)progress_newest(progress)->oldest);
}

bool
progress_passed(struct progress *progress)
{
	bool first = !progress->moved;

	progress->moved = true;
	return first;
}

void
progress_keep_up(struct progress *progress, bool now)
{
	int64_t now_ms = progress_now(progress);

	if (!progress->moved || !barrier_is_clean(progress->opts.barrier) ||
	    (!now && now_ms - progress->kept_ms < PROGRESS_KEEP_MS))
		return;
	progress->moved = false;
	progress->kept_ms = now_ms;
	progress_confirm(progress, notify_note(progress->opts.notify));
}

/* 0 unpins: nobody is there whom items could be held back for. */
static uint64_t
progress_pin(const struct progress *progress)
{
	uint64_t oldest = position_oldest(&progress->position)->oldest;

	if (notify_members(progress->opts.notify) == 0)
		return 0;
	return oldest == 0 ? 1 : oldest;
}

void
progress_save(struct progress *progress)
{
	const struct progress_opts *opts = &progress->opts;
	const struct position_note *note = progress_newest(progress);
	struct store *store = worker_store(opts->worker);

	progress->unsaved = false;
	progress->saved_ms = progress_now(progress);
	store_state_put_under(store, worker_loop(opts->worker), opts->lease,
	    opts->lease->name, note->text, note->len, NULL, NULL);
	store_pin(store, opts->domain, progress_pin(progress));
	notify_forget(opts->notify, position_oldest(&progress->position)->seq);
}

void
progress_flush(struct progress *progress, bool always)
{
	if (progress->unsaved &&
	    (always ||
	        progress_now(progress) - progress->saved_ms >=
	            PROGRESS_SAVE_MS))
		progress_save(progress);
}

int64_t
progress_wait_ms(const struct progress *progress, int64_t wait)
{
	int64_t now_ms = progress_now(progress);

	if (progress->unsaved &&
	    progress->saved_ms + PROGRESS_SAVE_MS - now_ms < wait)
		wait = progress->saved_ms + PROGRESS_SAVE_MS - now_ms;
	/* Until it is clean, the answer that makes it so comes here too. */
	if (progress->moved && barrier_is_clean(progress->opts.barrier) &&
	    progress->kept_ms + PROGRESS_KEEP_MS - now_ms < wait)
		wait = progress->kept_ms + PROGRESS_KEEP_MS - now_ms;
	return wait;
}
