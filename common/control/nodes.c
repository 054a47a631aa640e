/* GET|PUT /channels/CHANNEL/node/: what XEP-0060 calls the node's configuration
 * and affiliations, for the operator. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/control/call.h"
#include "common/xmpp/node.h"

struct nodes_call {
	struct call call;
	struct node *node; /* to be stored; NULL: to be shown */
	char *channel;
};

static void
nodes_free(struct nodes_call *kept)
{
	node_free(kept->node);
	free(kept->channel);
	free(kept);
}

static void
nodes_answer(struct nodes_call *kept, const struct node *node)
{
	struct json_error_at at;
	struct buf text;

	buf_init(&text, 0);
	node_write(node, &text);
	call_json(&kept->call, 200, json_read(text.data, text.len, &at));
	buf_clear(&text);
}

/* ---- reading what the operator wants --------------------------------- */

static const char *
nodes_read_text(const json_t *json, char **to)
{
	if (!json_is_string(json) || json_string_length(json) > NODE_TEXT_MAX ||
	    !text_is_xml(json_string_value(json), json_string_length(json),
	        NULL))
		return "must be a string of at most 1024 bytes without control "
		       "characters";
	free(*to);
	*to = xstrdup(json_string_value(json));
	return NULL;
}

static const char *
nodes_read_word(const json_t *json, const char *const *words, int *to)
{
	int word = json_is_string(json) ?
	    node_word(words, json_string_value(json)) :
	    -1;

	if (word < 0)
		return "is not one of the words it may be";
	*to = word;
	return NULL;
}

static const char *
nodes_read_bool(const json_t *json, bool *to)
{
	if (!json_is_boolean(json))
		return "must be true or false";
	*to = json_is_true(json);
	return NULL;
}

/* All affiliations: those that are not named are none. */
static const char *
nodes_read_roles(const json_t *json, struct node *node)
{
	json_t *value, *roles = (json_t *)(uintptr_t)json;
	const char *text, *why;
	struct jid jid;
	int role;

	if (!json_is_object(json))
		return "must be an object of JIDs";
	node_clear_affiliations(node);
	json_object_foreach(roles, text, value)
	{
		if (jid_parse(text, strlen(text), &jid, &why) != ERR_OK)
			return why;
		why = nodes_read_word(value, node_affiliations, &role);
		if (why != NULL)
			return why;
		node_affiliate(node, &jid, (enum node_affiliation)role);
	}
	return NULL;
}

static const char *
nodes_read_member(const char *name, const json_t *json, struct node *node)
{
	if (strcmp(name, "title") == 0)
		return nodes_read_text(json, &node->title);
	if (strcmp(name, "description") == 0)
		return nodes_read_text(json, &node->description);
	if (strcmp(name, "type") == 0)
		return nodes_read_text(json, &node->type);
	if (strcmp(name, "access") == 0)
		return nodes_read_word(json, node_accesses, &node->access);
	if (strcmp(name, "publish") == 0)
		return nodes_read_word(json, node_models, &node->model);
	if (strcmp(name, "send-last") == 0)
		return nodes_read_bool(json, &node->send_last);
	if (strcmp(name, "notify-config") == 0)
		return nodes_read_bool(json, &node->notify_config);
	if (strcmp(name, "notify-retract") == 0)
		return nodes_read_bool(json, &node->notify_retract);
	if (strcmp(name, "affiliations") == 0)
		return nodes_read_roles(json, node);
	return "is not a member of a node";
}

/* Over a node that has what the class says.  False: answered. */
static bool
nodes_read(struct call *call, struct node *node)
{
	struct slice text = exchange_body(call->exchange);
	size_t max = (size_t)call->control->conf->control.affiliations_max;
	struct json_error_at at;
	const char *name, *why = NULL;
	json_t *body, *value;

	body = json_read(text.p == NULL ? "" : text.p, text.len, &at);
	if (!json_is_object(body)) {
		call_error(call, ERR_BAD, "Body is not a JSON object%s%s",
		    body == NULL ? ": " : "", body == NULL ? at.why : "");
		json_decref(body);
		return false;
	}
	json_object_foreach(body, name, value)
	{
		why = nodes_read_member(name, value, node);
		if (why == NULL)
			continue;
		call_error(call, ERR_BAD, "%s: %s", name, why);
		break;
	}
	json_decref(body);
	if (why == NULL && node->n_members > max) {
		why = "has more than control.affiliations-max";
		call_error(call, ERR_LARGE, "affiliations: %s", why);
	}
	return why == NULL;
}

/* ---- the requests ---------------------------------------------------- */

static void
nodes_stored(enum err err, const struct append_result *results,
    size_t count UNUSED, void *arg)
{
	struct nodes_call *kept = arg;

	if (kept->call.exchange == NULL)
		;
	else if (err != ERR_OK)
		call_store_error(&kept->call, err);
	else if (results[0].duplicate)
		call_error(&kept->call, ERR_CONFLICT,
		    "somebody else has changed it just now");
	else
		nodes_answer(kept, kept->node);
	nodes_free(kept);
}

static void
nodes_show(struct nodes_call *kept, const struct channel_info *info)
{
	struct node *node = NULL;

	if (info != NULL && info->node_len > 0)
		node = node_read(info->node, info->node_len, info->node_seq);
	if (node != NULL)
		nodes_answer(kept, node);
	else
		call_error(&kept->call, ERR_NOTFOUND,
		    "the channel has no node of its own");
	node_free(node);
}

static void
nodes_looked_up(enum err err, const struct channel_info *info,
    size_t count UNUSED, void *arg)
{
	struct nodes_call *kept = arg;
	struct control *control = kept->call.control;
	struct entry *entry;

	if (kept->call.exchange != NULL && err != ERR_OK &&
	    err != ERR_NOTFOUND) {
		call_store_error(&kept->call, err);
	} else if (kept->call.exchange != NULL && kept->node == NULL) {
		nodes_show(kept, err == ERR_OK ? info : NULL);
	} else if (kept->call.exchange != NULL) {
		kept->node->seq = err == ERR_OK ? info->node_seq : 0;
		entry = node_entry(kept->node, kept->channel);
		store_append(control->store, control->loop, &entry, 1,
		    nodes_stored, kept);
		return;
	}
	nodes_free(kept);
}

static void
nodes_look_up(struct call *call, const char *channel, struct node *node)
{
	struct nodes_call *kept = call_keep(call, sizeof *kept);

	kept->node = node;
	kept->channel = xstrdup(channel);
	store_node(call->control->store, call->control->loop, kept->channel,
	    nodes_looked_up, kept);
}

void
node_show(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;

	if (call_authorize(call, NULL) &&
	    call_may_subscribe(call, args->arg[0]))
		nodes_look_up(call, args->arg[0], NULL);
}

void
node_put(struct exchange *exchange UNUSED, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct node *node;

	if (!call_authorize(call, NULL) ||
	    !call_may_publish(call, args->arg[0]))
		return;
	node = node_create(conf_class(call->control->conf, args->arg[0]));
	if (nodes_read(call, node))
		nodes_look_up(call, args->arg[0], node);
	else
		node_free(node);
}
