#include "common/xmpp/node.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"

const char *const node_accesses[] = { "open", "whitelist", "presence",
	"authorize", NULL };
const char *const node_models[] = { "publishers", "subscribers", "open", NULL };
const char *const node_affiliations[] = { "none", "owner", "publisher",
	"member", "outcast", NULL };

int
node_word(const char *const *words, const char *word)
{
	int i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

struct node *
node_create(const struct conf_class *class)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->title = xstrdup("");
	node->description = xstrdup("");
	node->type = xstrdup("");
	node->access = NODE_OPEN;
	node->model =
	    class->publish == ACCESS_ANYONE ? NODE_ANYBODY : NODE_PUBLISHERS;
	node->notify_retract = true;
	return node;
}

void
node_free(struct node *node)
{
	if (node == NULL)
		return;
	node_clear_affiliations(node);
	free(node->title);
	free(node->description);
	free(node->type);
	free(node);
}

/* ---- as JSON --------------------------------------------------------- */

static char *
node_text(const json_t *json, const char *name)
{
	const char *text = json_str(json, name, NULL);

	return xstrdup(text == NULL ? "" : text);
}

/* The first word when it is none. */
static int
node_choice(const json_t *json, const char *name, const char *const *words)
{
	const char *text = json_str(json, name, NULL);
	int found = text == NULL ? -1 : node_word(words, text);

	return found < 0 ? 0 : found;
}

static void
node_add(struct node *node, const char *jid, enum node_affiliation affiliation)
{
	node->members = xreallocarray(node->members, node->n_members + 1,
	    sizeof(*node->members));
	node->members[node->n_members].jid = xstrdup(jid);
	node->members[node->n_members++].affiliation = affiliation;
}

struct node *
node_read(const char *text, size_t len, uint64_t seq)
{
	struct json_error_at at;
	json_t *json = json_read(text, len, &at), *value;
	struct node *node = NULL;
	const char *jid;

	if (json_is_object(json)) {
		node = xcalloc(1, sizeof(*node));
		node->seq = seq;
		node->title = node_text(json, "title");
		node->description = node_text(json, "description");
		node->type = node_text(json, "type");
		node->access = node_choice(json, "access", node_accesses);
		node->model = node_choice(json, "publish", node_models);
		node->send_last =
		    json_is_true(json_object_get(json, "send-last"));
		node->notify_config =
		    json_is_true(json_object_get(json, "notify-config"));
		node->notify_retract =
		    json_is_true(json_object_get(json, "notify-retract"));
		json_object_foreach(json_object_get(json, "affiliations"), jid,
		    value) if (json_is_string(value) &&
		    node_word(node_affiliations, json_string_value(value)) >
		        NODE_NONE) node_add(node, jid,
		    (enum node_affiliation)node_word(node_affiliations,
		        json_string_value(value)));
	}
	json_decref(json);
	return node;
}

void
node_write(const struct node *node, struct buf *out)
{
	json_t *members = json_object(), *json;

	for (size_t i = 0; i < node->n_members; i++)
		json_object_set_new(members, node->members[i].jid,
		    json_string(
		        node_affiliations[node->members[i].affiliation]));
	json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:o}", "title",
	    node->title, "description", node->description, "type", node->type,
	    "access", node_accesses[node->access], "publish",
	    node_models[node->model], "send-last", node->send_last,
	    "notify-config", node->notify_config, "notify-retract",
	    node->notify_retract, "affiliations", members);
	json_write(json, out);
	json_decref(json);
}

struct entry *
node_entry(const struct node *node, const char *channel)
{
	struct entry *entry;
	struct buf text;

	buf_init(&text, 0);
	node_write(node, &text);
	entry =
	    entry_create(ENTRY_NODE, channel, "", NULL, text.data, text.len);
	entry->prev_seq = node->seq;
	buf_clear(&text);
	return entry;
}

/* ---- affiliations ---------------------------------------------------- */

static struct node_member *
node_find(const struct node *node, const struct jid *jid)
{
	size_t len = jid_bare_len(jid);

	for (size_t i = 0; i < node->n_members; i++)
		if (strlen(node->members[i].jid) == len &&
		    memcmp(node->members[i].jid, jid->full, len) == 0)
			return &node->members[i];
	return NULL;
}

enum node_affiliation
node_affiliation(const struct node *node, const struct jid *jid)
{
	const struct node_member *member = node_find(node, jid);

	return member == NULL ? NODE_NONE : member->affiliation;
}

void
node_affiliate(struct node *node, const struct jid *jid,
    enum node_affiliation affiliation)
{
	struct node_member *member = node_find(node, jid);
	struct jid bare = *jid;

	if (member == NULL && affiliation != NODE_NONE) {
		jid_to_bare(&bare);
		node_add(node, bare.full, affiliation);
	} else if (member != NULL && affiliation != NODE_NONE) {
		member->affiliation = affiliation;
	} else if (member != NULL) {
		free(member->jid);
		*member = node->members[--node->n_members];
	}
}

void
node_clear_affiliations(struct node *node)
{
	for (size_t i = 0; i < node->n_members; i++)
		free(node->members[i].jid);
	free(node->members);
	node->members = NULL;
	node->n_members = 0;
}

bool
node_has_owner(const struct node *node)
{
	for (size_t i = 0; i < node->n_members; i++)
		if (node->members[i].affiliation == NODE_OWNER)
			return true;
	return false;
}
