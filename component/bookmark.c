#include "component/bookmark.h"

#include "common/base/log.h"
#include "common/base/stat.h"

static struct stat_metric bookmark_rewinds =
    STAT_COUNTER("waft_component_rewinds_total",
        "Times delivery went back because the link was lost", NULL);

static int64_t
bookmark_now(const struct bookmark *bookmark)
{
	return loop_now_ms(worker_loop(bookmark->opts.worker));
}

void
bookmark_init(struct bookmark *bookmark, const struct bookmark_opts *opts)
{
	bookmark->opts = *opts;
	position_init(&bookmark->position, opts->rewind_ms);
}

void
bookmark_clear(struct bookmark *bookmark)
{
	position_clear(&bookmark->position);
}

void
bookmark_start(struct bookmark *bookmark, struct position_note *note)
{
	position_start(&bookmark->position, note);
}

void
bookmark_confirm(struct bookmark *bookmark, struct position_note *note)
{
	position_confirm(&bookmark->position, note, bookmark_now(bookmark));
	bookmark->unsaved = true;
}

const struct position_note *
bookmark_newest(const struct bookmark *bookmark)
{
	return position_newest(&bookmark->position);
}

void
bookmark_rewind(struct bookmark *bookmark, uint64_t unconfirmed)
{
	uint64_t before = bookmark_newest(bookmark)->seq;

	position_rewind(&bookmark->position, bookmark_now(bookmark));
	stat_add(&bookmark_rewinds, 1);
	log_info("component.rewind",
	    "domain=%s unconfirmed=%llu from=%llu to=%llu",
	    LOGQ(bookmark->opts.domain), (unsigned long long)unconfirmed,
	    (unsigned long long)before,
	    (unsigned long long)bookmark_newest(bookmark)->oldest);
}

bool
bookmark_passed(struct bookmark *bookmark)
{
	bool first = !bookmark->moved;

	bookmark->moved = true;
	return first;
}

void
bookmark_keep_up(struct bookmark *bookmark, bool now)
{
	int64_t now_ms = bookmark_now(bookmark);

	if (!bookmark->moved || !barrier_is_clean(bookmark->opts.barrier) ||
	    (!now && now_ms - bookmark->kept_ms < BOOKMARK_KEEP_MS))
		return;
	bookmark->moved = false;
	bookmark->kept_ms = now_ms;
	bookmark_confirm(bookmark, notify_note(bookmark->opts.notify));
}

/* 0 unpins: nobody is there whom items could be held back for. */
static uint64_t
bookmark_pin(const struct bookmark *bookmark)
{
	uint64_t oldest = position_oldest(&bookmark->position)->oldest;

	if (notify_members(bookmark->opts.notify) == 0)
		return 0;
	return oldest == 0 ? 1 : oldest;
}

void
bookmark_save(struct bookmark *bookmark)
{
	const struct bookmark_opts *opts = &bookmark->opts;
	const struct position_note *note = bookmark_newest(bookmark);
	struct store *store = worker_store(opts->worker);

	bookmark->unsaved = false;
	bookmark->saved_ms = bookmark_now(bookmark);
	store_state_put_under(store, worker_loop(opts->worker), opts->lease,
	    opts->lease->name, note->text, note->len, NULL, NULL);
	store_pin(store, opts->domain, bookmark_pin(bookmark));
	notify_forget(opts->notify, position_oldest(&bookmark->position)->seq);
}

void
bookmark_flush(struct bookmark *bookmark, bool always)
{
	if (bookmark->unsaved &&
	    (always ||
	        bookmark_now(bookmark) - bookmark->saved_ms >=
	            BOOKMARK_SAVE_MS))
		bookmark_save(bookmark);
}

int64_t
bookmark_wait_ms(const struct bookmark *bookmark, int64_t wait)
{
	int64_t now_ms = bookmark_now(bookmark);

	if (bookmark->unsaved &&
	    bookmark->saved_ms + BOOKMARK_SAVE_MS - now_ms < wait)
		wait = bookmark->saved_ms + BOOKMARK_SAVE_MS - now_ms;
	/* Until it is clean, the answer that makes it so comes here too. */
	if (bookmark->moved && barrier_is_clean(bookmark->opts.barrier) &&
	    bookmark->kept_ms + BOOKMARK_KEEP_MS - now_ms < wait)
		wait = bookmark->kept_ms + BOOKMARK_KEEP_MS - now_ms;
	return wait;
}
