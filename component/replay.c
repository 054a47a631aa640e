#include "component/target.h"

#include <stdlib.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/stat.h"

/* Entries read at once, and targets that have not got everything. */
#define REPLAY_PIECE      64
#define REPLAY_LATE_MAX   64
#define REPLAY_RETRY_SECS 1

static struct stat_metric replay_rewound =
    STAT_COUNTER("waft_component_rewound_channels_total",
        "Channels taken back to an earlier position", NULL);
static struct stat_metric replay_failures =
    STAT_COUNTER("waft_component_replay_failures_total",
        "Reads of the log after a lost link that failed and were repeated",
        NULL);

/* A read under way; outlives what asked for it. */
struct replay_scan {
	struct notify *notify; /* NULL: nobody wants it any more */
};

static void replay_scanned(const struct read_result *result, void *arg);

struct target *
replay_revive(struct notify *notify, struct roll_channel *channel)
{
	struct target *target = target_create(notify, channel);

	stat_add(&replay_rewound, 1);
	target->last = notify->replay.upto;
	target_set_late(target, true);
	target_begin(target, notify->replay.at);
	return target;
}

static void
replay_take(struct notify *notify, const struct entry *entry)
{
	struct replay *replay = &notify->replay;
	struct roll_channel *channel;

	if (entry->kind != ENTRY_ITEM)
		return;
	channel = roll_find(&notify->roll, entry->channel, entry->channel_len);
	if (channel == NULL || roll_is_open(channel) ||
	    channel->round == replay->round)
		return;
	replay_revive(notify, channel);
}

void
replay_more(struct notify *notify)
{
	struct replay *replay = &notify->replay;

	if (!replay->on || replay->scan != NULL || replay->waits ||
	    HASH_COUNT(notify->targets) - notify->n_quiet > REPLAY_LATE_MAX)
		return;
	replay->scan = xmalloc(sizeof(*replay->scan));
	replay->scan->notify = notify;
	store_scan(worker_store(notify->worker), worker_loop(notify->worker),
	    replay->at, REPLAY_PIECE, replay_scanned, replay->scan);
}

static void
replay_retry_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct notify *notify = arg;

	notify->replay.waits = false;
	replay_more(notify);
}

static void
replay_retry(struct notify *notify, enum err err)
{
	struct timeval wait = { REPLAY_RETRY_SECS, 0 };
	struct replay *replay = &notify->replay;

	stat_add(&replay_failures, 1);
	log_warn("component.replay", "domain=%s err=%s", LOGQ(notify->domain),
	    err_name(err));
	if (replay->retry == NULL)
		replay->retry =
		    evtimer_new(loop_base(worker_loop(notify->worker)),
		        replay_retry_cb, notify);
	if (replay->retry == NULL)
		fatal(EX_OSERR, "component.event", "reason=memory");
	replay->waits = true;
	event_add(replay->retry, &wait);
}

static void
replay_scanned(const struct read_result *result, void *arg)
{
	struct replay_scan *scan = arg;
	struct notify *notify = scan->notify;
	struct replay *replay;
	size_t i;

	free(scan);
	if (notify == NULL)
		return;
	replay = &notify->replay;
	replay->scan = NULL;
	if (result->err != ERR_OK) {
		replay_retry(notify, result->err);
		return;
	}
	for (i = 0; i < result->count; i++) {
		if (result->entries[i]->seq > replay->upto)
			break;
		replay_take(notify, result->entries[i]);
		replay->at = result->entries[i]->seq;
	}
	if (i < result->count || !result->more)
		replay->at = replay->upto;
	replay->on = replay->at < replay->upto;
	replay_more(notify);
}

/* Marks of long ago must not be taken for this round's. */
static void
replay_next_round(struct notify *notify)
{
	struct roll_channel *channel;
	size_t at = 0;

	if (++notify->replay.round != 0)
		return;
	while ((channel = roll_next(&notify->roll, &at)) != NULL)
		channel->round = 0;
	notify->replay.round = 1;
}

void
replay_begin(struct notify *notify, uint64_t after)
{
	struct replay *replay = &notify->replay;

	replay_stop(notify);
	if (notify->dropped <= after)
		return;
	replay_next_round(notify);
	replay->on = true;
	replay->at = after;
	replay->upto = notify->dropped;
	replay_more(notify);
}

void
replay_stop(struct notify *notify)
{
	struct replay *replay = &notify->replay;

	if (replay->scan != NULL)
		replay->scan->notify = NULL;
	replay->scan = NULL;
	if (replay->retry != NULL)
		event_free(replay->retry);
	replay->retry = NULL;
	replay->on = replay->waits = false;
}
