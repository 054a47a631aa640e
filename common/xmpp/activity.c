/* Last activity (XEP-0012): how long the service runs, when the channel's last
 * item was published. */
#include "common/base/clock.h"
#include "common/xmpp/access.h"

static void
activity_answer(struct ask *ask, int64_t since_ms)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<query xmlns='" ASK_LAST "' seconds='");
	buf_addu(&out, since_ms > 0 ? (uint64_t)since_ms / 1000 : 0);
	buf_adds(&out, "'/>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
activity_channel_cb(enum err err, const struct channel_info *info,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_OK && info->last_ms == 0)
		err = ERR_NOTFOUND;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		activity_answer(ask, clock_wall_ms() - info->last_ms);
}

static void
activity_allowed(struct ask *ask)
{
	store_channel(ask->service->store, ask->service->loop, ask->channel,
	    activity_channel_cb, ask);
}

void
activity_request(struct ask *ask, const struct xml *element UNUSED)
{
	if (ask->channel == NULL)
		activity_answer(ask, clock_mono_ms() - ask->service->start_ms);
	else if (!ask_node(ask, NULL))
		ask_fail(ask, ERR_NOTFOUND);
	else
		access_to_read(ask, activity_allowed);
}
