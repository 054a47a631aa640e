/* What there is (XEP-0030): the service, its channels, a channel. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/ask.h"

#define DISCO_PAGE 100
/* Pages looked at for one answer, when most channels are not for the asker. */
#define DISCO_PAGES_MAX 20

/* Each has a handler; nothing is here that is not answered. */
static const char disco_service[] =
    "<query xmlns='" ASK_DISCO_INFO "'>"
    "<identity category='pubsub' type='service' name='waft'/>"
    "<feature var='" ASK_DISCO_INFO "'/>"
    "<feature var='" ASK_DISCO_ITEMS "'/>"
    "<feature var='" ASK_PING "'/>"
    "<feature var='" ASK_VERSION "'/>"
    "<feature var='" ASK_RSM "'/>"
    "<feature var='jid\\20escaping'/>"
    "<feature var='" ASK_PUBSUB "'/>"
    "<feature var='" ASK_PUBSUB "#auto-create'/>"
    "<feature var='" ASK_PUBSUB "#item-ids'/>"
    "<feature var='" ASK_PUBSUB "#persistent-items'/>"
    "<feature var='" ASK_PUBSUB "#publish'/>"
    "<feature var='" ASK_PUBSUB "#retrieve-items'/>"
    "<feature var='" ASK_PUBSUB "#retrieve-subscriptions'/>"
    "<feature var='" ASK_PUBSUB "#subscribe'/>";

static const char disco_leaf[] = "<identity category='pubsub' type='leaf'/>"
                                 "<feature var='" ASK_DISCO_INFO "'/>"
                                 "<feature var='" ASK_DISCO_ITEMS "'/>"
                                 "<feature var='" ASK_PING "'/>"
                                 "<feature var='" ASK_VERSION "'/>"
                                 "<feature var='" ASK_PUBSUB "'/>"
                                 "</query>";

struct disco_work {
	bool node;  /* the request had one: the answer has it too */
	bool paged; /* the request asked for a page */
	size_t max;
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
disco_leaf_found(struct ask *ask)
{
	struct buf out;

	disco_open(ask, ASK_DISCO_INFO, &out);
	buf_addc(&out, '>');
	buf_adds(&out, disco_leaf);
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
	buf_init(&out, 0);
	buf_adds(&out, disco_service);
	if (ask->service->ops->features != NULL)
		buf_adds(&out, ask->service->ops->features);
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* ---- the channels ---------------------------------------------------- */

static void
disco_list_item(struct ask *ask, const char *channel)
{
	struct disco_work *work = ask->work;
	struct buf *out = &work->items;

	if (!ask->service->ops->may_subscribe(ask->peer, &ask->from, channel))
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
	struct buf out;

	disco_open(ask, ASK_DISCO_ITEMS, &out);
	buf_addc(&out, '>');
	buf_add(&out, work->items.data, work->items.len);
	if (work->paged || more) {
		buf_adds(&out, "<set xmlns='" ASK_RSM "'>");
		if (work->first != NULL) {
			buf_adds(&out, "<first>");
			buf_adds_xml(&out, work->first);
			buf_adds(&out, "</first><last>");
			buf_adds_xml(&out, work->last);
			buf_adds(&out, "</last>");
		}
		buf_adds(&out, "</set>");
	}
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
	for (i = 0; i < count && work->count < work->max; i++) {
		disco_list_item(ask, channels[i].channel);
		free(work->after);
		work->after = xstrdup(channels[i].channel);
	}
	if (count <= DISCO_PAGE && i == count)
		disco_list_send(ask, false);
	else if (work->count == work->max || ++work->pages == DISCO_PAGES_MAX)
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

/* Reads the request's `set`; ERR_UNSUPPORTED for paging backwards and by index,
 * which the store's order does not give. */
static enum err
disco_list_read(struct disco_work *work, const struct xml *set)
{
	const struct xml *max = xml_child(set, ASK_RSM, "max");
	const struct xml *after = xml_child(set, ASK_RSM, "after");
	struct buf text;
	uint64_t number = DISCO_PAGE;
	bool ok = true;

	if (xml_child(set, ASK_RSM, "before") != NULL ||
	    xml_child(set, ASK_RSM, "index") != NULL)
		return ERR_UNSUPPORTED;
	buf_init(&text, 0);
	if (max != NULL) {
		xml_text(max, &text);
		ok = text.len > 0 &&
		    text_to_u64(text.data, text.len, UINT32_MAX, &number);
	}
	work->max = number < DISCO_PAGE ? (size_t)number : DISCO_PAGE;
	buf_reset(&text);
	if (after != NULL)
		xml_text(after, &text);
	free(work->after);
	work->after = buf_detach(&text, NULL);
	return ok ? ERR_OK : ERR_BAD;
}

void
disco_items(struct ask *ask, const struct xml *element)
{
	const struct xml *set = xml_child(element, ASK_RSM, "set");
	struct disco_work *work = disco_begin(ask, element);
	enum err err;

	if (work == NULL)
		return;
	if (ask->channel != NULL) {
		ask_find(ask, disco_items_found);
		return;
	}
	buf_init(&work->items, 0);
	work->max = DISCO_PAGE;
	work->after = xstrdup("");
	work->paged = set != NULL;
	err = set == NULL ? ERR_OK : disco_list_read(work, set);
	if (err != ERR_OK)
		ask_fail(ask, err);
	else if (work->after[0] != '\0')
		store_channel(ask->service->store, ask->service->loop,
		    work->after, disco_after_cb, ask);
	else
		disco_list_page(ask);
}
