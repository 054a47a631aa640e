/* What there is (XEP-0030): the service, its channels, a channel. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/adhoc.h"
#include "common/xmpp/caps.h"
#include "common/xmpp/form.h"
#include "common/xmpp/page.h"
#include "common/xmpp/settings.h"
#include "common/xmpp/stamp.h"

#define DISCO_PAGE      100
#define DISCO_READS_MAX 20

/* Each has a handler; nothing is here that is not answered. */
static const char *const disco_features[] = { ASK_DISCO_INFO, ASK_DISCO_ITEMS,
	ASK_PING, ASK_VERSION, ASK_LAST, ASK_VCARD, ASK_RSM, "jid\\20escaping",
	STAMP_SID, ASK_COMMANDS, FORM_NS, ASK_PUBSUB,
	ASK_PUBSUB "#access-authorize", ASK_PUBSUB "#access-open",
	ASK_PUBSUB "#access-presence", ASK_PUBSUB "#access-whitelist",
	ASK_PUBSUB "#auto-create", ASK_PUBSUB "#config-node",
	ASK_PUBSUB "#create-and-configure", ASK_PUBSUB "#create-nodes",
	ASK_PUBSUB "#delete-items", ASK_PUBSUB "#delete-nodes",
	ASK_PUBSUB "#instant-nodes", ASK_PUBSUB "#item-ids",
	ASK_PUBSUB "#last-published", ASK_PUBSUB "#manage-subscriptions",
	ASK_PUBSUB "#member-affiliation", ASK_PUBSUB "#meta-data",
	ASK_PUBSUB "#modify-affiliations", ASK_PUBSUB "#outcast-affiliation",
	ASK_PUBSUB "#persistent-items", ASK_PUBSUB "#publish",
	ASK_PUBSUB "#publish-options", ASK_PUBSUB "#publisher-affiliation",
	ASK_PUBSUB "#purge-nodes", ASK_PUBSUB "#retract-items",
	ASK_PUBSUB "#retrieve-affiliations", ASK_PUBSUB "#retrieve-default",
	ASK_PUBSUB "#retrieve-items", ASK_PUBSUB "#retrieve-subscriptions",
	ASK_PUBSUB "#rsm", ASK_PUBSUB "#subscribe",
	ASK_PUBSUB "#subscription-notifications" };

static const char *const disco_leaf_features[] = { ASK_DISCO_INFO,
	ASK_DISCO_ITEMS, ASK_PING, ASK_VERSION, ASK_LAST, ASK_VCARD,
	ASK_REGISTER, ASK_CAPS, STAMP_SID, ASK_COMMANDS, FORM_NS, ASK_PUBSUB };

/* `<query xmlns='…' node='…'`, without its `>`. */
static void
disco_open(const struct ask *ask, const char *ns, struct buf *out)
{
	buf_init(out, 0);
	buf_addf(out, "<query xmlns='%s'", ns);
	if (ask->by_node) {
		buf_adds(out, " node='");
		buf_adds_xml(out, ask->channel);
		buf_addc(out, '\'');
	}
}

static void
disco_add_identity(struct buf *out, const char *type, const char *name)
{
	buf_addf(out, "<identity category='pubsub' type='%s'", type);
	if (name != NULL && name[0] != '\0') {
		buf_adds(out, " name='");
		buf_adds_xml(out, name);
		buf_addc(out, '\'');
	}
	buf_adds(out, "/>");
}

static void
disco_add_features(struct buf *out, const char *const *features, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "<feature var='%s'/>", features[i]);
}

static void
disco_leaf_found(struct ask *ask)
{
	struct buf out;

	disco_open(ask, ASK_DISCO_INFO, &out);
	buf_addc(&out, '>');
	disco_add_identity(&out, "leaf",
	    ask->node == NULL ? NULL : ask->node->title);
	disco_add_features(&out, disco_leaf_features,
	    ARRAY_LEN(disco_leaf_features));
	settings_write_meta(ask, &out);
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
disco_add_caps_node(struct buf *out)
{
	buf_adds(out, CAPS_NODE "#");
	caps_ver("pubsub", "leaf", disco_leaf_features,
	    ARRAY_LEN(disco_leaf_features), out);
}

char *
disco_caps(void)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out,
	    "<c xmlns='" ASK_CAPS "' hash='sha-1' node='" CAPS_NODE "' ver='");
	caps_ver("pubsub", "leaf", disco_leaf_features,
	    ARRAY_LEN(disco_leaf_features), &out);
	buf_adds(&out, "'/>");
	return buf_detach(&out, NULL);
}

/* What the word in our presence stands for: the same for every channel.  False:
 * he asks for something else. */
static bool
disco_caps_info(struct ask *ask, const struct xml *element)
{
	const char *node = xml_attr(element, "node");
	struct buf own, out;
	bool is;

	if (node == NULL || !ask_node(ask, NULL) || ask->channel == NULL)
		return false;
	buf_init(&own, 0);
	disco_add_caps_node(&own);
	is = strcmp(node, own.data) == 0;
	if (is) {
		buf_init(&out, 0);
		buf_addf(&out, "<query xmlns='%s' node='%s'>", ASK_DISCO_INFO,
		    own.data);
		disco_add_identity(&out, "leaf", NULL);
		disco_add_features(&out, disco_leaf_features,
		    ARRAY_LEN(disco_leaf_features));
		buf_adds(&out, "</query>");
		ask_result(ask, &out);
		buf_clear(&out);
	}
	buf_clear(&own);
	return is;
}

/* XEP-0060 §5.5 leaves it to us to list a node's items here; a client reads
 * them by `items`. */
static void
disco_items_found(struct ask *ask)
{
	struct buf out;

	disco_open(ask, ASK_DISCO_ITEMS, &out);
	buf_adds(&out, "/>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* False, and the ask is gone, when the node is none of ours. */
static bool
disco_begin(struct ask *ask, const struct xml *element)
{
	const char *node = xml_attr(element, "node");

	ask->by_node = node != NULL;
	if (ask_node(ask, node))
		return true;
	ask_fail(ask, ERR_NOTFOUND);
	return false;
}

void
disco_info(struct ask *ask, const struct xml *element)
{
	struct buf out;

	if (adhoc_disco(ask, element) || disco_caps_info(ask, element) ||
	    !disco_begin(ask, element))
		return;
	if (ask->channel != NULL) {
		ask_find(ask, disco_leaf_found);
		return;
	}
	disco_open(ask, ASK_DISCO_INFO, &out);
	buf_addc(&out, '>');
	disco_add_identity(&out, "service", "waft");
	disco_add_features(&out, disco_features, ARRAY_LEN(disco_features));
	if (ask->service->ops->features != NULL)
		buf_adds(&out, ask->service->ops->features);
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* ---- the channels ---------------------------------------------------- */

static bool
disco_list_row(struct ask *ask, const struct channel_info *info,
    struct buf *rows)
{
	if (!access_to_see(ask, info))
		return false;
	buf_adds(rows, "<item");
	buf_add_attr(rows, "jid", ask->service->domain);
	buf_add_attr(rows, "node", info->channel);
	buf_adds(rows, "/>");
	return true;
}

static void
disco_list_done(struct ask *ask)
{
	const struct page *page = ask->page;
	struct buf out;

	disco_open(ask, ASK_DISCO_ITEMS, &out);
	buf_addc(&out, '>');
	buf_add(&out, page->rows.data, page->rows.len);
	page_write_set(page, &out);
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static const struct page_source disco_list = {
	store_channels,
	DISCO_READS_MAX,
	disco_list_row,
	disco_list_done,
};

void
disco_items(struct ask *ask, const struct xml *element)
{
	if (adhoc_disco(ask, element) || !disco_begin(ask, element))
		return;
	if (ask->channel != NULL)
		ask_find(ask, disco_items_found);
	else if (page_ask(ask, element, DISCO_PAGE))
		page_channels(ask, &disco_list);
}
