/* Channels: GET /channels/, GET|PUT|DELETE /channels/CHANNEL/. */
#include <stdlib.h>
#include <string.h>

#include "common/channel/channel.h"
#include "common/control/call.h"

struct channels_call {
	struct call call;
	size_t max;
	bool created;
	char *channel;
};

static struct channels_call *
channels_keep(const struct call *call, const char *channel)
{
	struct channels_call *kept = call_keep(call, sizeof *kept);

	kept->channel = xstrdup(channel);
	return kept;
}

static void
channels_free(struct channels_call *kept)
{
	free(kept->channel);
	free(kept);
}

static json_t *
channels_json(const struct control *control, const struct channel_info *info)
{
	struct channel *channel =
	    channel_find(control->opts.worker, info->channel);
	json_t *json = json_object();

	json_object_set_new(json, "channel", json_string(info->channel));
	json_object_set_new(json, "items",
	    json_integer((json_int_t)info->items));
	if (info->last_seq != 0) {
		call_position(control, info->last_seq, json, "position");
		call_time(info->last_ms, json, "time");
	}
	json_object_set_new(json, "listeners",
	    json_integer(channel == NULL ? 0 : channel_subs(channel)));
	return json;
}

/* ---- all ------------------------------------------------------------- */

/* One more than was asked for says that there are more. */
static void
channels_listed(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	struct channels_call *kept = arg;
	json_t *json, *list;
	size_t i, shown = count > kept->max ? kept->max : count;

	if (kept->call.exchange == NULL) {
		channels_free(kept);
		return;
	}
	if (err != ERR_OK) {
		call_store_error(&kept->call, err);
		channels_free(kept);
		return;
	}
	json = json_object();
	list = json_array();
	for (i = 0; i < shown; i++)
		json_array_append_new(list,
		    channels_json(kept->call.control, &channels[i]));
	json_object_set_new(json, "channels", list);
	json_object_set_new(json, "more", json_boolean(count > shown));
	call_json(&kept->call, 200, json);
	channels_free(kept);
}

void
channels_list(struct exchange *exchange, const struct route_args *args UNUSED,
    void *arg)
{
	struct call *call = arg;
	struct slice query = exchange_head(exchange)->query;
	struct channels_call *kept;
	struct buf after;
	size_t max;

	if (!call_authorize(call, NULL) || !call_max(call, &max))
		return;
	buf_init(&after, 0);
	query_param(query, "after", &after);
	kept = channels_keep(call, after.data == NULL ? "" : after.data);
	kept->max = max;
	store_channels(call->control->store, call->control->loop, kept->channel,
	    max + 1, channels_listed, kept);
	buf_clear(&after);
}

/* ---- one ------------------------------------------------------------- */

static void
channels_shown(enum err err, const struct channel_info *channels,
    size_t count UNUSED, void *arg)
{
	struct channels_call *kept = arg;

	if (kept->call.exchange == NULL)
		;
	else if (err == ERR_NOTFOUND)
		call_error(&kept->call, err, "there is no such channel");
	else if (err != ERR_OK)
		call_store_error(&kept->call, err);
	else
		call_json(&kept->call, kept->created ? 201 : 200,
		    channels_json(kept->call.control, &channels[0]));
	channels_free(kept);
}

void
channel_show(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct channels_call *kept;

	if (!call_authorize(call, NULL) ||
	    !call_may_subscribe(call, args->arg[0]))
		return;
	kept = channels_keep(call, args->arg[0]);
	store_channel(call->control->store, call->control->loop, kept->channel,
	    channels_shown, kept);
}

/* ---- making and deleting --------------------------------------------- */

static void
channels_append(struct channels_call *kept, enum entry_kind kind,
    append_fn *done)
{
	struct control *control = kept->call.control;
	struct entry *entry =
	    entry_create(kind, kept->channel, NULL, NULL, "", 0);

	store_append(control->store, control->loop, &entry, 1, done, kept);
}

static void
channels_made(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg)
{
	struct channels_call *kept = arg;
	struct control *control = kept->call.control;

	if (kept->call.exchange == NULL || err != ERR_OK) {
		if (kept->call.exchange != NULL)
			call_store_error(&kept->call, err);
		channels_free(kept);
		return;
	}
	kept->created = true;
	store_channel(control->store, control->loop, kept->channel,
	    channels_shown, kept);
}

static void
channels_looked_up(enum err err, const struct channel_info *channels,
    size_t count, void *arg)
{
	struct channels_call *kept = arg;

	if (err == ERR_NOTFOUND && kept->call.exchange != NULL)
		channels_append(kept, ENTRY_CREATE, channels_made);
	else
		channels_shown(err, channels, count, kept);
}

void
channel_put(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct channels_call *kept;

	if (!call_authorize(call, NULL) ||
	    !call_may_publish(call, args->arg[0]))
		return;
	kept = channels_keep(call, args->arg[0]);
	store_channel(call->control->store, call->control->loop, kept->channel,
	    channels_looked_up, kept);
}

static void
channels_deleted(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg)
{
	struct channels_call *kept = arg;

	if (kept->call.exchange == NULL)
		;
	else if (err != ERR_OK)
		call_store_error(&kept->call, err);
	else
		call_json(&kept->call, 200,
		    json_pack("{s:s}", "message", "Deleted"));
	channels_free(kept);
}

/* Not stored, but somebody may be subscribed to it. */
static void
channels_subs_looked_up(enum err err, const struct subscription *subs UNUSED,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct channels_call *kept = arg;

	if (kept->call.exchange == NULL) {
		channels_free(kept);
	} else if (err != ERR_OK || count == 0) {
		channels_shown(err == ERR_OK ? ERR_NOTFOUND : err, NULL, 0,
		    kept);
	} else
		channels_append(kept, ENTRY_DELETE, channels_deleted);
}

static void
channels_delete_looked_up(enum err err,
    const struct channel_info *channels UNUSED, size_t count UNUSED, void *arg)
{
	struct channels_call *kept = arg;
	struct control *control = kept->call.control;
	struct sub_filter filter = { .channel = kept->channel };

	if (kept->call.exchange == NULL)
		channels_free(kept);
	else if (err == ERR_OK)
		channels_append(kept, ENTRY_DELETE, channels_deleted);
	else if (err == ERR_NOTFOUND)
		store_sub_list(control->store, control->loop, &filter, 0, 1,
		    channels_subs_looked_up, kept);
	else
		channels_shown(err, NULL, 0, kept);
}

void
channel_delete(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct channels_call *kept;

	if (!call_authorize(call, NULL) ||
	    !call_may_publish(call, args->arg[0]))
		return;
	kept = channels_keep(call, args->arg[0]);
	store_channel(call->control->store, call->control->loop, kept->channel,
	    channels_delete_looked_up, kept);
}
