/* The last item for a new subscriber, where the node says so (XEP-0060 §6.1.7).
 */
#include "common/xmpp/scan.h"
#include "common/xmpp/stamp.h"

static bool
last_see(struct ask *ask, struct entry *entry)
{
	struct buf inner;

	buf_init(&inner, 0);
	buf_adds(&inner, "<event xmlns='" ASK_PUBSUB "#event'><items node='");
	buf_adds_xml(&inner, ask->channel);
	buf_adds(&inner, "'>");
	items_write(ask, entry, &inner);
	buf_adds(&inner, "</items></event>");
	stamp_delay(ask->service->domain, entry->time_ms, &inner);
	ask_tell(ask, ask->jid.full, &inner);
	buf_clear(&inner);
	return false;
}

static void
last_done(struct ask *ask, enum err err UNUSED, bool whole UNUSED)
{
	ask_done(ask);
}

static const struct scan_ops last_scan = { last_see, last_done };

void
pubsub_last_item(struct ask *ask)
{
	if (ask->node != NULL && ask->node->send_last)
		scan_start(ask, &last_scan);
	else
		ask_done(ask);
}
