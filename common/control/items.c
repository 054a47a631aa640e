/* GET /channels/CHANNEL/items/: what is stored, and waiting for what comes. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/channel/channel.h"
#include "common/channel/item.h"
#include "common/control/call.h"

#define ITEMS_WAIT_MAX_S 600

static struct stat_metric items_waiting = STAT_GAUGE("waft_control_waiting",
    "Requests that wait for the next item", NULL);

/*
 * First the store is read.  If it has nothing and the caller would wait, a sub
 * takes over from where the read ended; what it is given in one turn goes out
 * together at that turn's end.
 */
struct items_wait {
	struct call call;
	TAILQ_ENTRY(items_wait) entry;
	struct sub sub;
	struct event *timer;
	struct deferred answer;
	char *channel;
	uint64_t after; /* where the next call goes on */
	size_t max;
	int wait_s;
	bool partial;
	bool more;
	bool reading;
	bool waiting; /* in control->waits */
	json_t *items;
};

/* ---- the end --------------------------------------------------------- */

static void
items_free(void *arg)
{
	struct items_wait *wait = arg;

	if (wait->timer != NULL)
		event_free(wait->timer);
	json_decref(wait->items);
	free(wait->channel);
	free(wait);
}

/* Nothing comes any more; freed at the end of the turn, or once the store has
 * answered. */
static void
items_end(struct items_wait *wait, struct control *control)
{
	if (wait->waiting) {
		TAILQ_REMOVE(&control->waits, wait, entry);
		wait->waiting = false;
		stat_add(&items_waiting, -1);
		sub_clear(&wait->sub);
		event_del(wait->timer);
		loop_defer_cancel(control->loop, &wait->answer);
	}
	if (!wait->reading)
		loop_reap(control->loop, items_free, wait);
}

static void
items_left(struct call *call)
{
	items_end((struct items_wait *)call, call->control);
}

static void
items_answer(void *arg)
{
	struct items_wait *wait = arg;
	struct control *control = wait->call.control;
	json_t *json = json_object();

	json_object_set(json, "items", wait->items);
	call_position(control, wait->after, json, "position");
	json_object_set_new(json, "state",
	    json_string(wait->partial ? "partial" : "complete"));
	json_object_set_new(json, "more", json_boolean(wait->more));
	call_json(&wait->call, 200, json);
	items_end(wait, control);
}

static void
items_timeout_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	items_answer(arg);
}

void
items_drain(struct control *control)
{
	struct items_wait *wait;

	while ((wait = TAILQ_FIRST(&control->waits)) != NULL)
		items_answer(wait);
}

/* ---- waiting --------------------------------------------------------- */

static void
items_add(struct items_wait *wait, const struct entry *entry)
{
	json_array_append_new(wait->items,
	    item_to_json(entry, store_epoch(wait->call.control->store)));
	wait->after = entry->seq;
}

static struct items_wait *
items_of_sub(struct sub *sub)
{
	return (struct items_wait *)(void *)((char *)sub -
	    offsetof(struct items_wait, sub));
}

static enum sink_result
items_deliver(struct sub *sub, struct entry *entry)
{
	struct items_wait *wait = items_of_sub(sub);

	if (json_array_size(wait->items) == wait->max) {
		wait->more = true;
		return SINK_FULL;
	}
	items_add(wait, entry);
	loop_defer(wait->call.control->loop, &wait->answer);
	return SINK_TOOK;
}

static void
items_lagged(struct sub *sub, uint64_t first UNUSED)
{
	items_of_sub(sub)->partial = true;
}

static void
items_deleted(struct sub *sub)
{
	struct items_wait *wait = items_of_sub(sub);

	wait->partial = true;
	loop_defer(wait->call.control->loop, &wait->answer);
}

static const struct sink_ops items_ops = { "items", items_deliver, items_lagged,
	items_deleted, NULL };

static void
items_begin_wait(struct items_wait *wait)
{
	struct control *control = wait->call.control;
	struct timeval time = { wait->wait_s, 0 };

	wait->timer =
	    event_new(loop_base(control->loop), -1, 0, items_timeout_cb, wait);
	if (wait->timer == NULL || event_add(wait->timer, &time) != 0)
		fatal(EX_OSERR, "control.event", "reason=memory");
	TAILQ_INSERT_TAIL(&control->waits, wait, entry);
	wait->waiting = true;
	stat_add(&items_waiting, 1);
	sub_init(&wait->sub, control->opts.worker, wait->channel, &items_ops,
	    wait->after);
}

/* ---- reading --------------------------------------------------------- */

static void
items_read(const struct read_result *result, void *arg)
{
	struct items_wait *wait = arg;

	wait->reading = false;
	if (wait->call.exchange == NULL) {
		items_free(wait);
		return;
	}
	if (result->err != ERR_OK) {
		call_store_error(&wait->call, result->err);
		items_free(wait);
		return;
	}
	wait->partial = result->state == READ_PARTIAL;
	wait->more = result->more;
	for (size_t i = 0; i < result->count; i++)
		items_add(wait, result->entries[i]);
	if (!result->more && result->upto > wait->after)
		wait->after = result->upto;
	if (result->count == 0 && !wait->partial && wait->wait_s > 0 &&
	    !wait->call.control->draining)
		items_begin_wait(wait);
	else
		items_answer(wait);
}

/* ---- the request ----------------------------------------------------- */

static bool
items_after(struct call *call, uint64_t *after)
{
	struct slice query = exchange_head(call->exchange)->query;
	struct buf text;
	enum err err = ERR_OK;
	json_t *json;

	*after = 0;
	buf_init(&text, 0);
	if (query_param(query, "after", &text))
		err = text.len == 0 ? ERR_BAD :
		                      store_position_parse(call->control->store,
		                          text.data, after);
	buf_clear(&text);
	if (err == ERR_BAD)
		call_error(call, ERR_BAD, "after is not a position");
	if (err == ERR_GONE) {
		json = json_pack("{s:s, s:s}", "error", err_name(err), "detail",
		    "the position is of another store");
		call_position(call->control, store_newest(call->control->store),
		    json, "position");
		call_json(call, err_http_status(err), json);
	}
	return err == ERR_OK;
}

static bool
items_wait_s(struct call *call, int *wait_s)
{
	struct slice query = exchange_head(call->exchange)->query;
	struct buf text;
	uint64_t number = 0;
	bool good = true;

	buf_init(&text, 0);
	if (query_param(query, "wait", &text))
		good =
		    text_to_u64(text.data, text.len, ITEMS_WAIT_MAX_S, &number);
	buf_clear(&text);
	*wait_s = (int)number;
	if (!good)
		call_error(call, ERR_BAD, "wait must be from 0 to %d seconds",
		    ITEMS_WAIT_MAX_S);
	return good;
}

void
items_show(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct control *control = call->control;
	struct items_wait *wait;
	uint64_t after;
	size_t max;
	int wait_s;

	if (!call_authorize(call, NULL) ||
	    !call_may_subscribe(call, args->arg[0]) || !call_max(call, &max) ||
	    !items_wait_s(call, &wait_s) || !items_after(call, &after))
		return;
	wait = call_keep(call, sizeof *wait);
	wait->call.left = items_left;
	wait->channel = xstrdup(args->arg[0]);
	wait->after = after;
	wait->max = max;
	wait->wait_s = wait_s;
	wait->items = json_array();
	wait->reading = true;
	loop_defer_init(&wait->answer, LOOP_FLUSH, items_answer, wait);
	store_read(control->store, control->loop, wait->channel, after, max,
	    items_read, wait);
}
