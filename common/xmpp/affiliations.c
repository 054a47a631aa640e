/* Affiliations: the asker's own (XEP-0060 §5.7), and a node's (§8.9). */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/rsm.h"
#include "common/xmpp/subscribers.h"

#define AFFILIATIONS_PAGE 100
/* Pages looked at for one answer: nodes beyond them are asked for by name. */
#define AFFILIATIONS_PAGES_MAX 100

static const struct ask_error affiliations_ownerless = { "modify",
	"not-acceptable", NULL, NULL };
static const struct ask_error affiliations_too_many = { "wait",
	"policy-violation", NULL, NULL };

struct affiliations_work {
	struct rsm rsm;
	size_t count; /* listed so far */
	int pages;
	char *last; /* the last name looked at; then of those listed */
	char *first_listed, *last_listed;
	struct buf list;
};

static void
affiliations_work_free(void *arg)
{
	struct affiliations_work *work = arg;

	rsm_clear(&work->rsm);
	free(work->last);
	free(work->first_listed);
	free(work->last_listed);
	buf_clear(&work->list);
	free(work);
}

/* ---- one's own ------------------------------------------------------- */

static void affiliations_page(struct ask *ask);

static void
affiliations_add_node(struct affiliations_work *work, const char *channel,
    enum node_affiliation affiliation)
{
	if (work->first_listed == NULL)
		work->first_listed = xstrdup(channel);
	free(work->last_listed);
	work->last_listed = xstrdup(channel);
	work->count++;
	buf_adds(&work->list, "<affiliation node='");
	buf_adds_xml(&work->list, channel);
	buf_adds(&work->list, "' affiliation='");
	buf_adds(&work->list, node_affiliations[affiliation]);
	buf_adds(&work->list, "'/>");
}

static void
affiliations_send(struct ask *ask, bool more)
{
	struct affiliations_work *work = ask->work;
	const struct rsm_page page = { work->first_listed, work->last_listed,
		-1, -1 };
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><affiliations");
	if (ask->channel != NULL) {
		buf_adds(&out, " node='");
		buf_adds_xml(&out, ask->channel);
		buf_addc(&out, '\'');
	}
	buf_addc(&out, '>');
	buf_add(&out, work->list.data, work->list.len);
	buf_adds(&out, "</affiliations>");
	if (work->rsm.asked || more)
		rsm_write(&page, &out);
	buf_adds(&out, "</pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static void
affiliations_page_cb(enum err err, const struct channel_info *channels,
    size_t count, void *arg)
{
	struct ask *ask = arg;
	struct affiliations_work *work;
	struct node *node;
	enum node_affiliation affiliation;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	work = ask->work;
	for (i = 0; i < count && work->count < work->rsm.max; i++) {
		node = node_read(channels[i].node, channels[i].node_len,
		    channels[i].node_seq);
		affiliation = node == NULL ? NODE_NONE :
		                             node_affiliation(node, &ask->from);
		if (affiliation != NODE_NONE)
			affiliations_add_node(work, channels[i].channel,
			    affiliation);
		free(work->last);
		work->last = xstrdup(channels[i].channel);
		node_free(node);
	}
	if (work->count == work->rsm.max && i < count)
		affiliations_send(ask, true);
	else if (count < AFFILIATIONS_PAGE || work->rsm.max == 0 ||
	    ++work->pages == AFFILIATIONS_PAGES_MAX)
		affiliations_send(ask, false);
	else
		affiliations_page(ask);
}

static void
affiliations_page(struct ask *ask)
{
	const struct affiliations_work *work = ask->work;

	store_nodes(ask->service->store, ask->service->loop, work->last,
	    AFFILIATIONS_PAGE, affiliations_page_cb, ask);
}

static void
affiliations_of_one(struct ask *ask)
{
	if (access_affiliation(ask) != NODE_NONE)
		affiliations_add_node(ask->work, ask->channel,
		    access_affiliation(ask));
	affiliations_send(ask, false);
}

void
affiliations_own(struct ask *ask, const struct xml *verb)
{
	struct affiliations_work *work = xcalloc(1, sizeof *work);
	enum err err = rsm_read(&work->rsm, verb->parent, SUBSCRIBERS_MAX);

	ask->work = work;
	ask->work_free = affiliations_work_free;
	buf_init(&work->list, 0);
	work->last = xstrdup(work->rsm.after == NULL ? "" : work->rsm.after);
	/* The store has them in one order. */
	if (err == ERR_OK && (work->rsm.last || work->rsm.before != NULL))
		err = ERR_UNSUPPORTED;
	if (err == ERR_OK && !ask_node(ask, xml_attr(verb, "node")))
		err = ERR_NOTFOUND;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else if (ask->channel != NULL)
		ask_find(ask, affiliations_of_one);
	else
		affiliations_page(ask);
}

/* ---- a node's -------------------------------------------------------- */

static void
affiliations_list(struct ask *ask)
{
	const struct node *node = ask->node;
	struct buf out;
	size_t i;

	buf_init(&out, 0);
	buf_adds(&out,
	    "<pubsub xmlns='" ASK_PUBSUB_OWNER "'><affiliations node='");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, "'>");
	for (i = 0; i < node->n_members; i++) {
		buf_adds(&out, "<affiliation jid='");
		buf_adds_xml(&out, node->members[i].jid);
		buf_adds(&out, "' affiliation='");
		buf_adds(&out, node_affiliations[node->members[i].affiliation]);
		buf_adds(&out, "'/>");
	}
	buf_adds(&out, "</affiliations></pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

struct affiliations_change {
	char *jid; /* prepared, bare */
	int affiliation;
};

struct affiliations_changes {
	struct affiliations_change *list;
	size_t count;
};

static void
affiliations_changes_free(void *arg)
{
	struct affiliations_changes *work = arg;

	for (size_t i = 0; i < work->count; i++)
		free(work->list[i].jid);
	free(work->list);
	free(work);
}

static void
affiliations_banned(struct ask *ask, enum err err)
{
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_result(ask, NULL);
}

/* §4.1: an outcast is not subscribed. */
static void
affiliations_ban(struct ask *ask)
{
	struct affiliations_changes *work = ask->work;
	struct subscribers_change *list;
	size_t i, count = 0;

	list = xcalloc(work->count + 1, sizeof *list);
	for (i = 0; i < work->count; i++)
		if (work->list[i].affiliation == NODE_OUTCAST) {
			list[count].all = true;
			list[count++].jid = xstrdup(work->list[i].jid);
		}
	subscribers_set(ask, list, count, affiliations_banned);
}

static void
affiliations_stored_cb(enum err err, const struct append_result *results,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	/* Somebody else was faster. */
	if (err == ERR_OK && results[0].duplicate)
		err = ERR_BUSY;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	ask_note(ask, "affiliations");
	affiliations_ban(ask);
}

static void
affiliations_apply(struct ask *ask)
{
	const struct affiliations_changes *work = ask->work;
	struct entry *entry;
	struct jid jid;
	const char *why, *text;
	size_t i;

	for (i = 0; i < work->count; i++) {
		text = work->list[i].jid;
		if (jid_parse(text, strlen(text), &jid, &why) == ERR_OK)
			node_affiliate(ask->node, &jid,
			    (enum node_affiliation)work->list[i].affiliation);
	}
	if (!node_has_owner(ask->node)) {
		ask_error(ask, &affiliations_ownerless);
		return;
	}
	if (ask->node->n_members >
	    (size_t)ask->service->conf->control.affiliations_max) {
		ask_error(ask, &affiliations_too_many);
		return;
	}
	entry = node_entry(ask->node, ask->channel);
	store_append(ask->service->store, ask->service->loop, &entry, 1,
	    affiliations_stored_cb, ask);
}

static enum err
affiliations_read_one(const struct xml *element,
    struct affiliations_change *change)
{
	const char *text = xml_attr(element, "jid"), *why;
	const char *word = xml_attr(element, "affiliation");
	struct jid jid;

	if (!xml_is(element, ASK_PUBSUB_OWNER, "affiliation") || text == NULL ||
	    word == NULL || jid_parse(text, strlen(text), &jid, &why) != ERR_OK)
		return ERR_BAD;
	change->affiliation = node_word(node_affiliations, word);
	if (change->affiliation < 0)
		return strcmp(word, "publish-only") == 0 ? ERR_UNSUPPORTED :
		                                           ERR_BAD;
	jid_to_bare(&jid);
	change->jid = xstrdup(jid.full);
	return ERR_OK;
}

static void
affiliations_change(struct ask *ask, const struct xml *verb)
{
	struct affiliations_changes *work = xcalloc(1, sizeof *work);
	const struct xml *element;
	enum err err = ERR_OK;

	ask->work = work;
	ask->work_free = affiliations_changes_free;
	work->list = xcalloc(SUBSCRIBERS_MAX, sizeof *work->list);
	for (element = xml_first(verb); element != NULL && err == ERR_OK;
	     element = xml_next(element)) {
		if (work->count == SUBSCRIBERS_MAX) {
			err = ERR_LIMIT;
			break;
		}
		err = affiliations_read_one(element, &work->list[work->count]);
		work->count += err == ERR_OK;
	}
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		access_to_own(ask, affiliations_apply);
}

void
affiliations_request(struct ask *ask, const struct xml *verb)
{
	if (!pubsub_node(ask, verb))
		return;
	if (strcmp(ask->type, "get") == 0)
		access_to_own(ask, affiliations_list);
	else
		affiliations_change(ask, verb);
}
