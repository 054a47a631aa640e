/* Affiliations: the asker's own (XEP-0060 §5.7), and a node's (§8.9). */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/page.h"
#include "common/xmpp/subscribers.h"

#define AFFILIATIONS_READS_MAX 100

static const struct ask_error affiliations_ownerless = { "modify",
	"not-acceptable", NULL, NULL };
static const struct ask_error affiliations_too_many = { "wait",
	"policy-violation", NULL, NULL };

/* ---- one's own ------------------------------------------------------- */

static void
affiliations_write(const char *channel, enum node_affiliation affiliation,
    struct buf *rows)
{
	buf_adds(rows, "<affiliation");
	buf_add_attr(rows, "node", channel);
	buf_add_attr(rows, "affiliation", node_affiliations[affiliation]);
	buf_adds(rows, "/>");
}

static bool
affiliations_row(struct ask *ask, const struct channel_info *info,
    struct buf *rows)
{
	struct node *node =
	    node_read(info->node, info->node_len, info->node_seq);
	enum node_affiliation affiliation =
	    node == NULL ? NODE_NONE : node_affiliation(node, &ask->from);

	node_free(node);
	if (affiliation == NODE_NONE)
		return false;
	affiliations_write(info->channel, affiliation, rows);
	return true;
}

static void
affiliations_done(struct ask *ask)
{
	const struct page *page = ask->page;
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><affiliations");
	buf_add_attr(&out, "node", ask->channel);
	buf_addc(&out, '>');
	buf_add(&out, page->rows.data, page->rows.len);
	buf_adds(&out, "</affiliations>");
	page_write_set(page, &out);
	buf_adds(&out, "</pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

static const struct page_source affiliations_nodes = {
	store_nodes,
	AFFILIATIONS_READS_MAX,
	affiliations_row,
	affiliations_done,
};

static void
affiliations_of_one(struct ask *ask)
{
	struct page *page = ask->page;

	if (access_affiliation(ask) != NODE_NONE) {
		affiliations_write(ask->channel, access_affiliation(ask),
		    &page->rows);
		page_add(page, ask->channel);
	}
	affiliations_done(ask);
}

void
affiliations_own(struct ask *ask, const struct xml *verb)
{
	if (!page_ask(ask, verb->parent, SUBSCRIBERS_MAX))
		return;
	if (!ask_node(ask, xml_attr(verb, "node")))
		ask_fail(ask, ERR_NOTFOUND);
	else if (ask->channel != NULL)
		ask_find(ask, affiliations_of_one);
	else
		page_channels(ask, &affiliations_nodes);
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
