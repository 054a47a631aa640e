/* What there is (XEP-0030): the service, its channels, a channel. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/rsm.h"
#include "common/xmpp/settings.h"

#define DISCO_PAGE 100
/* Pages looked at for one answer, when most channels are not for the asker. */
#define DISCO_PAGES_MAX 20

/* Each has a handler; nothing is here that is not answered. */
static const char *const disco_features[] = { ASK_DISCO_INFO, ASK_DISCO_ITEMS,
	ASK_PING, ASK_VERSION, ASK_RSM, "jid\\20escaping", ASK_PUBSUB,
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
	ASK_DISCO_ITEMS, ASK_PING, ASK_VERSION, ASK_PUBSUB };

struct disco_work {
	bool node; /* the request had one: the answer has it too */
	struct rsm rsm;
	size_t count; /* listed so far */
	int pages;
	char *after; /* the last name looked at */
	char *first; /* of those listed: hidden names are not told */
	char *last;
	struct buf items;
};

static void
disco_work_free(void *arg)
{
	struct disco_work *work = arg;

	rsm_clear(&work->rsm);
	free(work->after);
	free(work->first);
	free(work->last);
	buf_clear(&work->items);
	free(work);
}

/* `<query xmlns='…' node='…'`, without its `>`. */
static void
disco_open(const struct ask *ask, const char *ns, struct buf *out)
{
	const struct disco_work *work = ask->work;

	buf_init(out, 0);
	buf_addf(out, "<query xmlns='%s'", ns);
	if (work->node) {
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

/* NULL, and the ask is gone, when the node is none of ours. */
static struct disco_work *
disco_begin(struct ask *ask, const struct xml *element)
{
	const char *node = xml_attr(element, "node");
	struct disco_work *work;

	if (!ask_node(ask, node)) {
		ask_fail(ask, ERR_NOTFOUND);
		return NULL;
	}
	work = ask->work = xcalloc(1, sizeof *work);
	ask->work_free = disco_work_free;
	work->node = node != NULL;
	buf_init(&work->items, 0);
	return work;
}

void
disco_info(struct ask *ask, const struct xml *element)
{
	struct buf out;

	if (disco_begin(ask, element) == NULL)
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

static void
disco_list_item(struct ask *ask, const struct channel_info *info)
{
	const char *channel = info->channel;
	struct disco_work *work = ask->work;
	struct buf *out = &work->items;

	if (!access_to_see(ask, info))
		return;
	if (work->count++ == 0)
		work->first = xstrdup(channel);
	free(work->last);
	work->last = xstrdup(channel);
	buf_adds(out, "<item jid='");
	buf_adds_xml(out, ask->service->domain);
	buf_adds(out, "' node='");
	buf_adds_xml(out, channel);
	buf_adds(out, "'/>");
}

/* XEP-0059 §2.2; the count would cost a walk through all, so it is left out as
 * §2.6 allows. */
static void
disco_list_send(struct ask *ask, bool more)
{
	struct disco_work *work = ask->work;
	struct rsm_page page = { .index = -1, .count = -1 };
	struct buf out;

	disco_open(ask, ASK_DISCO_ITEMS, &out);
	buf_addc(&out, '>');
	buf_add(&out, work->items.data, work->items.len);
	page.first = work->first;
	page.last = work->last;
	if (work->rsm.asked || more)
		rsm_write(&page, &out);
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void disco_list_page(struct ask *ask);

static void
disco_list_cb(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	struct disco_work *work = ask->work;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	for (i = 0; i < count && work->count < work->rsm.max; i++) {
		disco_list_item(ask, &channels[i]);
		free(work->after);
		work->after = xstrdup(channels[i].channel);
	}
	if (count <= DISCO_PAGE && i == count)
		disco_list_send(ask, false);
	else if (work->count == work->rsm.max ||
	    ++work->pages == DISCO_PAGES_MAX)
		disco_list_send(ask, true);
	else
		disco_list_page(ask);
}

/* One more than a page, to know whether there is more. */
static void
disco_list_page(struct ask *ask)
{
	struct disco_work *work = ask->work;

	store_channels(ask->service->store, ask->service->loop, work->after,
	    DISCO_PAGE + 1, disco_list_cb, ask);
}

static void
disco_after_cb(enum err err, const struct channel_info *info UNUSED,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	/* XEP-0059 §2.2: a page after what is not there is item-not-found. */
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		disco_list_page(ask);
}

void
disco_items(struct ask *ask, const struct xml *element)
{
	struct disco_work *work = disco_begin(ask, element);
	enum err err;

	if (work == NULL)
		return;
	if (ask->channel != NULL) {
		ask_find(ask, disco_items_found);
		return;
	}
	err = rsm_read(&work->rsm, element, DISCO_PAGE);
	work->after = xstrdup(work->rsm.after == NULL ? "" : work->rsm.after);
	/* The store has them in one order. */
	if (err == ERR_OK && (work->rsm.last || work->rsm.before != NULL))
		err = ERR_UNSUPPORTED;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else if (work->after[0] != '\0')
		store_channel(ask->service->store, ask->service->loop,
		    work->after, disco_after_cb, ask);
	else
		disco_list_page(ask);
}
