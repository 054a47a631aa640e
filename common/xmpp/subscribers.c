#include "common/xmpp/subscribers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/page.h"

static const struct ask_error subscribers_too_many = { "wait",
	"policy-violation", "too-many-subscriptions", NULL };

static bool
subscribers_is_user(const struct subscription *sub)
{
	return strcmp(sub->owner, "webhook") != 0;
}

void
subscribers_write(const struct subscription *sub, bool node, struct buf *out)
{
	buf_adds(out, "<subscription");
	if (node) {
		buf_adds(out, " node='");
		buf_adds_xml(out, sub->channel);
		buf_addc(out, '\'');
	}
	buf_adds(out, " jid='");
	buf_adds_xml(out, sub->address);
	buf_adds(out, "' subscription='");
	buf_adds(out, sub->state == SUB_PENDING ? "pending" : "subscribed");
	buf_adds(out, "'/>");
}

/* ---- changing -------------------------------------------------------- */

struct subscribers_work {
	struct subscribers_change *list;
	size_t count;
	size_t at;
	char *owner;   /* of the one that is there, or is to be */
	unsigned ways; /* of the one that was there */
	void (*done)(struct ask *ask, enum err err);
};

static void
subscribers_free(struct subscribers_change *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].jid);
	free(list);
}

static void
subscribers_work_free(void *arg)
{
	struct subscribers_work *work = arg;

	subscribers_free(work->list, work->count);
	free(work->owner);
	free(work);
}

static void subscribers_next(struct ask *ask);

/* §12.14 */
static void
subscribers_tell(const struct ask *ask, const struct subscribers_change *change)
{
	struct buf inner;

	buf_init(&inner, 0);
	buf_adds(&inner,
	    "<event xmlns='" ASK_PUBSUB "#event'><subscription node='");
	buf_adds_xml(&inner, ask->channel);
	buf_adds(&inner, "' jid='");
	buf_adds_xml(&inner, change->jid);
	buf_adds(&inner,
	    change->subscribed ? "' subscription='subscribed'/></event>" :
	                         "' subscription='none'/></event>");
	ask_tell(ask, change->jid, &inner);
	buf_clear(&inner);
}

static void
subscribers_changed(struct ask *ask, enum err err)
{
	struct subscribers_work *work = ask->work;

	if (err != ERR_OK && err != ERR_NOTFOUND) {
		work->done(ask, err);
		return;
	}
	if (err == ERR_OK)
		subscribers_tell(ask, &work->list[work->at]);
	if (err != ERR_OK || !work->list[work->at].all)
		work->at++;
	subscribers_next(ask);
}

static void
subscribers_put_cb(enum err err, const struct subscription *sub,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	/* He asked by his roster, and waits. */
	if (err == ERR_OK && (sub->ways & SUB_BY_PRESENCE) != 0) {
		ask_presence_to(ask, sub->address, "subscribed");
		ask_presence_to(ask, sub->address, NULL);
	}
	subscribers_changed(ask, err);
}

static void
subscribers_put(struct ask *ask)
{
	const struct subscribers_work *work = ask->work;
	const struct subscription sub = { .owner = work->owner,
		.channel = ask->channel,
		.address = work->list[work->at].jid,
		.state = SUB_ACTIVE,
		.ways = work->ways };

	store_sub_put(ask->service->store, ask->service->loop, &sub,
	    subscribers_put_cb, ask);
}

/* One that was pending begins anew, or the time of waiting would be its. */
static void
subscribers_del_cb(enum err err, const struct subscription *sub,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;
	const struct subscribers_work *work = ask->work;

	if (ask_is_late(ask))
		return;
	if (err == ERR_OK && !work->list[work->at].subscribed &&
	    (sub->ways & SUB_BY_PRESENCE) != 0)
		ask_presence_to(ask, sub->address, "unsubscribed");
	if ((err == ERR_OK || err == ERR_NOTFOUND) &&
	    work->list[work->at].subscribed)
		subscribers_put(ask);
	else
		subscribers_changed(ask, err);
}

/* Whose a new subscription of the JID is; NULL: nobody here serves it. */
static const char *
subscribers_owner_of(const struct ask *ask, const char *jid)
{
	const struct conf *conf = ask->service->conf;
	const char *at = strchr(jid, '@');
	const char *domain = at == NULL ? jid : at + 1;
	size_t i, len = strcspn(domain, "/");

	/* What we send ourselves would come back. */
	for (i = 0; i < conf->n_components; i++)
		if (strlen(conf->components[i].domain) == len &&
		    memcmp(domain, conf->components[i].domain, len) == 0)
			return NULL;
	if (conf->bosh.domain != NULL && strlen(conf->bosh.domain) == len &&
	    memcmp(domain, conf->bosh.domain, len) == 0)
		return conf->bosh.domain;
	if (conf->bosh.domain == NULL ||
	    strcmp(conf->bosh.domain, ask->service->domain) != 0)
		return ask->service->domain;
	return conf->n_components == 0 ? NULL : conf->components[0].domain;
}

static void
subscribers_found_cb(enum err err, const struct subscription *subs,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct ask *ask = arg;
	struct subscribers_work *work;
	const struct subscribers_change *change;
	const struct subscription *old = NULL;
	const char *owner;
	size_t i;

	if (ask_is_late(ask))
		return;
	work = ask->work;
	change = &work->list[work->at];
	for (i = 0; i < count && old == NULL; i++)
		if (subscribers_is_user(&subs[i]) &&
		    (change->all || strcmp(subs[i].address, change->jid) == 0))
			old = &subs[i];
	owner =
	    old != NULL ? old->owner : subscribers_owner_of(ask, change->jid);
	free(work->owner);
	work->owner = owner == NULL ? NULL : xstrdup(owner);
	work->ways = old == NULL ? 0 : old->ways;
	if (err == ERR_OK && change->subscribed && owner == NULL)
		err = ERR_BAD;
	if (err != ERR_OK)
		subscribers_changed(ask, err);
	else if (old != NULL && change->subscribed && old->state == SUB_ACTIVE)
		subscribers_changed(ask, ERR_NOTFOUND);
	else if (old != NULL)
		store_sub_del(ask->service->store, ask->service->loop,
		    old->owner, old->channel, old->address, subscribers_del_cb,
		    ask);
	else if (change->subscribed)
		subscribers_put(ask);
	else
		subscribers_changed(ask, ERR_NOTFOUND);
}

static void
subscribers_next(struct ask *ask)
{
	struct subscribers_work *work = ask->work;
	struct sub_filter filter = { .channel = ask->channel };

	if (work->at == work->count) {
		work->done(ask, ERR_OK);
		return;
	}
	filter.address = work->list[work->at].jid;
	store_sub_list(ask->service->store, ask->service->loop, &filter, 0,
	    SUBSCRIBERS_MAX, subscribers_found_cb, ask);
}

void
subscribers_set(struct ask *ask, struct subscribers_change *list, size_t count,
    void (*done)(struct ask *ask, enum err err))
{
	struct subscribers_work *work = xcalloc(1, sizeof *work);

	if (ask->work_free != NULL)
		ask->work_free(ask->work);
	work->list = list;
	work->count = count;
	work->done = done;
	ask->work = work;
	ask->work_free = subscribers_work_free;
	subscribers_next(ask);
}

/* ---- the owner's request to change ------------------------------------ */

static enum err
subscribers_read_one(const struct xml *element,
    struct subscribers_change *change)
{
	const char *text = xml_attr(element, "jid"), *why;
	const char *state = xml_attr(element, "subscription");
	struct jid jid;

	if (!xml_is(element, ASK_PUBSUB_OWNER, "subscription") ||
	    text == NULL || state == NULL ||
	    jid_parse(text, strlen(text), &jid, &why) != ERR_OK)
		return ERR_BAD;
	change->subscribed = strcmp(state, "subscribed") == 0;
	if (!change->subscribed && strcmp(state, "none") != 0)
		return ERR_UNSUPPORTED;
	change->jid = xstrdup(jid.full);
	return ERR_OK;
}

static void
subscribers_done(struct ask *ask, enum err err)
{
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_result(ask, NULL);
}

static void
subscribers_set_allowed(struct ask *ask)
{
	struct subscribers_work *work = ask->work;
	struct subscribers_change *list = work->list;
	size_t count = work->count;

	work->list = NULL;
	work->count = 0;
	ask_note(ask, "subscriptions");
	subscribers_set(ask, list, count, subscribers_done);
}

static void
subscribers_read(struct ask *ask, const struct xml *verb)
{
	struct subscribers_work *work = xcalloc(1, sizeof *work);
	const struct xml *element;
	enum err err = ERR_OK;

	ask->work = work;
	ask->work_free = subscribers_work_free;
	work->list = xcalloc(SUBSCRIBERS_MAX, sizeof *work->list);
	for (element = xml_first(verb); element != NULL && err == ERR_OK;
	     element = xml_next(element)) {
		if (work->count == SUBSCRIBERS_MAX) {
			ask_error(ask, &subscribers_too_many);
			return;
		}
		err = subscribers_read_one(element, &work->list[work->count]);
		work->count += err == ERR_OK;
	}
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		access_to_own(ask, subscribers_set_allowed);
}

/* ---- the owner's request to see --------------------------------------- */

/* One more than the page was asked for, to know whether there is more. */
static void
subscribers_list_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct ask *ask = arg;
	struct page *page;
	struct buf out;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	page = ask->page;
	for (i = 0; i < count && !page_is_full(page); i++) {
		if (subscribers_is_user(&subs[i]))
			subscribers_write(&subs[i], false, &page->rows);
		page_add_number(page, subs[i].n);
	}
	page->more = i < count;
	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB_OWNER "'><subscriptions");
	buf_add_attr(&out, "node", ask->channel);
	buf_addc(&out, '>');
	buf_add(&out, page->rows.data, page->rows.len);
	buf_adds(&out, "</subscriptions>");
	page_write_set(page, &out);
	buf_adds(&out, "</pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
subscribers_list_allowed(struct ask *ask)
{
	const struct sub_filter filter = { .channel = ask->channel };
	const struct page *page = ask->page;
	uint64_t after = 0;

	if (page->rsm.after != NULL &&
	    !text_to_u64(page->after, strlen(page->after), UINT64_MAX, &after))
		ask_fail(ask, ERR_NOTFOUND);
	else
		store_sub_list(ask->service->store, ask->service->loop, &filter,
		    after, page->rsm.max + 1, subscribers_list_cb, ask);
}

void
subscribers_request(struct ask *ask, const struct xml *verb)
{
	if (!pubsub_node(ask, verb))
		return;
	if (strcmp(ask->type, "get") != 0)
		subscribers_read(ask, verb);
	else if (page_ask(ask, verb->parent, SUBSCRIBERS_MAX))
		access_to_own(ask, subscribers_list_allowed);
}
