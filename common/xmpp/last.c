/* The last item for a new subscriber, where the node says so (XEP-0060 §6.1.7).
 */
#include "common/base/clock.h"
#include "common/xmpp/scan.h"

static bool
last_see(struct ask *ask, struct entry *entry)
{
	struct buf inner;
	char stamp[32];

	clock_stamp(entry->time_ms, stamp, sizeof stamp);
	buf_init(&inner, 0);
	buf_adds(&inner, "<event xmlns='" ASK_PUBSUB "#event'><items node='");
	buf_adds_xml(&inner, ask->channel);
	buf_adds(&inner, "'>");
	items_write(ask, entry, &inner);
	buf_adds(&inner,
	    "</items></event><delay xmlns='urn:xmpp:delay' stamp='");
	buf_adds(&inner, stamp);
	buf_adds(&inner, "'/>");
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
