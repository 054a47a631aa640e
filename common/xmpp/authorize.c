/* Subscriptions that an owner approves (XEP-0060 §8.6). */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/form.h"
#include "common/xmpp/subscribers.h"

#define AUTHORIZE_FORM ASK_PUBSUB "#subscribe_authorization"

void
authorize_request(struct ask *ask)
{
	const struct node *node = ask->node;
	struct buf form;
	size_t i;

	buf_init(&form, 0);
	form_open(&form, "form", AUTHORIZE_FORM);
	form_add(&form,
	    &(struct form_field){ "pubsub#node", "text-single", "Node",
	        ask->channel, NULL });
	form_add(&form,
	    &(struct form_field){ "pubsub#subscriber_jid", "jid-single",
	        "Subscriber", ask->jid.full, NULL });
	form_add(&form,
	    &(struct form_field){ "pubsub#allow", "boolean",
	        "Allow this JID to subscribe", "false", NULL });
	form_close(&form);
	for (i = 0; node != NULL && i < node->n_members; i++)
		if (node->members[i].affiliation == NODE_OWNER)
			ask_tell(ask, node->members[i].jid, &form);
	buf_clear(&form);
	ask_done(ask);
}

/* ---- the owner's answer ---------------------------------------------- */

static void
authorize_done(struct ask *ask, enum err err UNUSED)
{
	ask_done(ask);
}

static void
authorize_apply(struct ask *ask)
{
	struct subscribers_change *list = ask->work;

	ask->work = NULL;
	ask->work_free = NULL;
	subscribers_set(ask, list, 1, authorize_done);
}

/* What is no longer pending, or never was, is not made by a form. */
static void
authorize_pending_cb(enum err err, const struct subscription *subs,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct ask *ask = arg;
	const struct subscribers_change *change;
	size_t i;

	if (ask_is_late(ask))
		return;
	change = ask->work;
	for (i = 0; i < count; i++)
		if (subs[i].state == SUB_PENDING &&
		    strcmp(subs[i].address, change->jid) == 0)
			break;
	if (err != ERR_OK || i == count)
		ask_done(ask);
	else
		authorize_apply(ask);
}

static void
authorize_looked(struct ask *ask)
{
	const struct subscribers_change *change = ask->work;
	const struct sub_filter filter = { .channel = ask->channel,
		.address = change->jid };

	if (access_affiliation(ask) != NODE_OWNER)
		ask_done(ask);
	else
		store_sub_list(ask->service->store, ask->service->loop, &filter,
		    0, SUBSCRIBERS_MAX, authorize_pending_cb, ask);
}

static void
authorize_free(void *arg)
{
	struct subscribers_change *change = arg;

	free(change->jid);
	free(change);
}

/* False: the form lacks something. */
static bool
authorize_read(const struct xml *form, struct buf *node,
    struct subscribers_change *change)
{
	const struct xml *field;
	struct jid jid;
	const char *why;
	char *value;
	bool ok;

	for (field = form_next(form, NULL); field != NULL;
	     field = form_next(form, field)) {
		value = form_value(field);
		if (strcmp(form_var(field), "pubsub#node") == 0) {
			buf_reset(node);
			buf_adds(node, value);
		} else if (strcmp(form_var(field), "pubsub#allow") == 0) {
			change->subscribed = form_bool(value, &ok);
		} else if (strcmp(form_var(field), "pubsub#subscriber_jid") ==
		        0 &&
		    jid_parse(value, strlen(value), &jid, &why) == ERR_OK) {
			free(change->jid);
			change->jid = xstrdup(jid.full);
		}
		free(value);
	}
	return node->len > 0 && change->jid != NULL;
}

bool
authorize_answer(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const struct xml *message)
{
	const struct xml *form;
	struct subscribers_change *change;
	struct ask *ask;
	struct buf node;

	if (form_find(message, AUTHORIZE_FORM, &form) != ERR_OK || form == NULL)
		return false;
	ask = ask_create(service, peer, from, to, NULL);
	change = ask->work = xcalloc(1, sizeof *change);
	ask->work_free = authorize_free;
	buf_init(&node, 0);
	if (!form_is_cancel(form) && authorize_read(form, &node, change) &&
	    ask_node(ask, node.data) && ask->channel != NULL)
		ask_look(ask, authorize_looked);
	else
		ask_done(ask);
	buf_clear(&node);
	return true;
}
