/* Making nodes and configuring them (XEP-0060 §8.1, §8.2, §8.3). */
#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/change.h"
#include "common/xmpp/form.h"
#include "common/xmpp/settings.h"

#define CONFIGURE_NAME 12 /* random bytes of an instant node's name */

/* What the form asks for, read before the channel is looked up: the stanza is
 * only borrowed. */
struct configure_work {
	struct xml *form; /* a copy; NULL: none */
};

static void
configure_work_free(void *arg)
{
	struct configure_work *work = arg;

	xml_free(work->form);
	free(work);
}

/* Keeps a copy of the form; NULL is none. */
static void
configure_keep(struct ask *ask, const struct xml *form)
{
	struct configure_work *work = xcalloc(1, sizeof *work);

	ask->work = work;
	ask->work_free = configure_work_free;
	work->form = form_copy(ask->service->reader, form);
}

static void
configure_stored_cb(enum err err, const struct append_result *results,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	/* Somebody else was faster. */
	if (err == ERR_OK && results[0].duplicate)
		err = ask->known ? ERR_BUSY : ERR_CONFLICT;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	ask_note(ask, ask->known ? "configured" : "created");
	ask->allowed(ask);
}

static void
configure_store(struct ask *ask, void (*next)(struct ask *ask))
{
	const struct change change = { .kind = CHANGE_CONFIGURATION };
	struct entry *entries[2];
	size_t count = 1;
	struct buf data;

	ask->allowed = next;
	entries[0] = node_entry(ask->node, ask->channel);
	if (ask->known && ask->node->notify_config) {
		buf_init(&data, 0);
		change_pack(&change, &data);
		entries[count++] = entry_create(ENTRY_ITEM, ask->channel, NULL,
		    NULL, data.data, data.len);
		buf_clear(&data);
	}
	store_append(ask->service->store, ask->service->loop, entries, count,
	    configure_stored_cb, ask);
}

/* ---- creating -------------------------------------------------------- */

static void
configure_created(struct ask *ask)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><create node='");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, "'/></pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
configure_create_looked(struct ask *ask)
{
	const struct configure_work *work = ask->work;
	const struct ask_error *error = NULL;

	if (ask->known) {
		ask_fail(ask, ERR_CONFLICT);
		return;
	}
	ask->node = node_create(conf_class(ask->service->conf, ask->channel));
	node_affiliate(ask->node, &ask->from, NODE_OWNER);
	if (work->form != NULL)
		error = settings_apply(ask, work->form, ask->node);
	if (error != NULL)
		ask_error(ask, error);
	else
		configure_store(ask, configure_created);
}

/* §8.1.2: a name of ours, when the request has none. */
static bool
configure_name(struct ask *ask, const struct xml *create)
{
	unsigned char random[CONFIGURE_NAME];
	struct buf name;

	if (xml_attr(create, "node") != NULL || ask->channel != NULL)
		return pubsub_node(ask, create);
	crypto_random(random, sizeof random);
	buf_init(&name, 0);
	text_hex(random, sizeof random, &name);
	ask->channel = buf_detach(&name, NULL);
	return true;
}

void
configure_create(struct ask *ask, const struct xml *create)
{
	const struct xml *configure = xml_next(create), *form = NULL;
	const char *type = xml_attr(create, "type");

	if (!configure_name(ask, create))
		return;
	if (type != NULL && strcmp(type, "leaf") != 0)
		pubsub_unsupported(ask, "collections");
	else if (configure != NULL &&
	    (!xml_is(configure, ASK_PUBSUB, "configure") ||
	        form_find(configure, SETTINGS_FORM, &form) != ERR_OK))
		ask_fail(ask, ERR_BAD);
	else if (!ask->service->ops->may_create(ask->peer, &ask->from,
	             ask->channel))
		ask_fail(ask, ERR_DENIED);
	else {
		configure_keep(ask, form);
		ask_look(ask, configure_create_looked);
	}
}

/* ---- configuring ----------------------------------------------------- */

static void
configure_send(struct ask *ask, const char *verb, const struct node *node)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB_OWNER "'><");
	buf_adds(&out, verb);
	if (ask->channel != NULL) {
		buf_adds(&out, " node='");
		buf_adds_xml(&out, ask->channel);
		buf_addc(&out, '\'');
	}
	buf_addc(&out, '>');
	settings_write_form(ask, node, &out);
	buf_adds(&out, "</");
	buf_adds(&out, verb);
	buf_adds(&out, "></pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
configure_show(struct ask *ask)
{
	configure_send(ask, "configure", ask->node);
}

static void
configure_requestd(struct ask *ask)
{
	ask_result(ask, NULL);
}

static void
configure_change(struct ask *ask)
{
	const struct configure_work *work = ask->work;
	const struct ask_error *error;

	if (work->form != NULL && form_is_cancel(work->form)) {
		ask_result(ask, NULL);
		return;
	}
	error = settings_apply(ask, work->form, ask->node);
	if (error != NULL)
		ask_error(ask, error);
	else
		configure_store(ask, configure_requestd);
}

void
configure_request(struct ask *ask, const struct xml *configure)
{
	const struct xml *form;

	if (!pubsub_node(ask, configure))
		return;
	if (strcmp(ask->type, "get") == 0) {
		access_to_own(ask, configure_show);
	} else if (form_find(configure, SETTINGS_FORM, &form) != ERR_OK ||
	    form == NULL) {
		ask_fail(ask, ERR_BAD);
	} else {
		configure_keep(ask, form);
		access_to_own(ask, configure_change);
	}
}

void
configure_default(struct ask *ask, const struct xml *verb)
{
	struct node *node;

	if (!ask_node(ask, xml_attr(verb, "node"))) {
		ask_fail(ask, ERR_NOTFOUND);
		return;
	}
	node = node_create(conf_class(ask->service->conf,
	    ask->channel == NULL ? "" : ask->channel));
	configure_send(ask, "default", node);
	node_free(node);
}
