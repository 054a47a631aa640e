/* The asker's own subscriptions (XEP-0060 §5.6), whole or by pages. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/rsm.h"
#include "common/xmpp/subscribers.h"

#define OWN_MAX 1000 /* in one answer */

static void
own_work_free(void *arg)
{
	struct rsm *rsm = arg;

	rsm_clear(rsm);
	free(rsm);
}

/* A page's position; a JID has one subscription a node. */
static char *
own_position(const struct subscription *sub)
{
	return xasprintf("%s %s", sub->address, sub->channel);
}

/* Count when there is no such position. */
static size_t
own_find(const struct subscription *subs, size_t count, const char *position)
{
	bool is = false;
	char *text;
	size_t i;

	for (i = 0; i < count; i++) {
		text = own_position(&subs[i]);
		is = strcmp(text, position) == 0;
		free(text);
		if (is)
			break;
	}
	return i;
}

/* False: what the page is beside is not there. */
static bool
own_page(const struct rsm *rsm, const struct subscription *subs, size_t count,
    size_t *begin, size_t *end)
{
	const char *beside = rsm->after != NULL ? rsm->after : rsm->before;
	size_t at = beside == NULL ? 0 : own_find(subs, count, beside);

	if (beside != NULL && at == count)
		return false;
	*begin = rsm->after != NULL ? at + 1 : 0;
	*end = rsm->before != NULL ? at : count;
	if (*end - *begin > rsm->max) {
		if (rsm->last || rsm->before != NULL)
			*begin = *end - rsm->max;
		else
			*end = *begin + rsm->max;
	}
	return true;
}

static void
own_write_page(const struct subscription *subs, size_t begin, size_t end,
    size_t count, struct buf *out)
{
	struct rsm_page page = { .index = (int64_t)begin,
		.count = (int64_t)count };
	char *first = NULL, *last = NULL;

	if (begin < end) {
		page.first = first = own_position(&subs[begin]);
		page.last = last = own_position(&subs[end - 1]);
	}
	rsm_write(&page, out);
	free(first);
	free(last);
}

static void
own_listed_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	const struct rsm *rsm;
	struct buf out;
	size_t i, begin, end;

	if (ask_is_late(ask))
		return;
	rsm = ask->work;
	if (err == ERR_OK && !own_page(rsm, subs, count, &begin, &end))
		err = ERR_NOTFOUND;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><subscriptions");
	if (ask->channel != NULL) {
		buf_adds(&out, " node='");
		buf_adds_xml(&out, ask->channel);
		buf_addc(&out, '\'');
	}
	buf_addc(&out, '>');
	for (i = begin; i < end; i++)
		subscribers_write(&subs[i], true, &out);
	buf_adds(&out, "</subscriptions>");
	if (rsm->asked)
		own_write_page(subs, begin, end, count, &out);
	buf_adds(&out, "</pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

void
own_subscriptions(struct ask *ask, const struct xml *verb)
{
	struct rsm *rsm = xcalloc(1, sizeof *rsm);
	struct jid bare = ask->from;
	enum err err;

	ask->work = rsm;
	ask->work_free = own_work_free;
	err = rsm_read(rsm, verb->parent, OWN_MAX);
	if (err == ERR_OK && !ask_node(ask, xml_attr(verb, "node")))
		err = ERR_NOTFOUND;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, ask->channel,
	    own_listed_cb, ask);
}
