/* Durable subscriptions, as the operator sees and makes them:
 * /channels/CHANNEL/subscriptions/, and GET /subscriptions/ for all. */
#include "common/control/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

static const char *const subscriptions_states[] = { "active", "suspended",
	"pending" };

struct subscriptions_call {
	struct call call;
	size_t max;
};

/* The owner that a JID of this store has when nothing else is said. */
static bool
subscriptions_is_usual(const struct control *control, const char *owner)
{
	const char *usual[] = { control->opts.owner,
		control->conf->bosh.domain };
	size_t i;

	for (i = 0; i < ARRAY_LEN(usual); i++)
		if (usual[i] != NULL && strcmp(owner, usual[i]) == 0)
			return true;
	return false;
}

static json_t *
subscriptions_json(const struct control *control,
    const struct subscription *sub)
{
	json_t *json = json_object();
	bool webhook = strcmp(sub->owner, "webhook") == 0;

	json_object_set_new(json, webhook ? "url" : "jid",
	    json_string(sub->address));
	json_object_set_new(json, "channel", json_string(sub->channel));
	json_object_set_new(json, "owner", json_string(sub->owner));
	if (!webhook && !subscriptions_is_usual(control, sub->owner))
		json_object_set_new(json, "component", json_string(sub->owner));
	json_object_set_new(json, "n", json_integer((json_int_t)sub->n));
	call_position(control, sub->since, json, "since");
	call_time(sub->time_ms, json, "time");
	json_object_set_new(json, "state",
	    json_string(subscriptions_states[sub->state]));
	if (sub->reason != NULL)
		json_object_set_new(json, "reason", json_string(sub->reason));
	if (sub->state == SUB_SUSPENDED) {
		call_time(sub->changed_ms, json, "changed");
		call_position(control, sub->position, json, "position");
	}
	return json;
}

/* ---- listing --------------------------------------------------------- */

static void
subscriptions_listed(enum err err, const struct subscription *subs,
    size_t count, uint64_t as_of UNUSED, void *arg)
{
	struct subscriptions_call *kept = arg;
	size_t i, shown = count > kept->max ? kept->max : count;
	json_t *json, *list;

	if (kept->call.exchange == NULL || err != ERR_OK) {
		if (kept->call.exchange != NULL)
			call_store_error(&kept->call, err);
		free(kept);
		return;
	}
	json = json_object();
	list = json_array();
	for (i = 0; i < shown; i++)
		if (auth_may_subscribe(&kept->call.grant, subs[i].channel))
			json_array_append_new(list,
			    subscriptions_json(kept->call.control, &subs[i]));
	if (shown > 0)
		json_object_set_new(json, "after",
		    json_integer((json_int_t)subs[shown - 1].n));
	json_object_set_new(json, "subscriptions", list);
	json_object_set_new(json, "more", json_boolean(count > shown));
	call_json(&kept->call, 200, json);
	free(kept);
}

/* Query parameter `after`: the n of the last one seen. */
static bool
subscriptions_after(struct call *call, uint64_t *n)
{
	struct slice query = exchange_head(call->exchange)->query;
	struct buf text;
	bool good = true;

	*n = 0;
	buf_init(&text, 0);
	if (query_param(query, "after", &text))
		good = text_to_u64(text.data, text.len, INT64_MAX, n);
	buf_clear(&text);
	if (!good)
		call_error(call, ERR_BAD, "after must be an n of this list");
	return good;
}

static void
subscriptions_page(struct call *call, const char *channel)
{
	struct sub_filter filter = { .channel = channel };
	struct subscriptions_call *kept;
	uint64_t after;
	size_t max;

	if (!call_max(call, &max) || !subscriptions_after(call, &after))
		return;
	kept = call_keep(call, sizeof *kept);
	kept->max = max;
	store_sub_list(call->control->store, call->control->loop, &filter,
	    after, max + 1, subscriptions_listed, kept);
}

void
subscriptions_list(struct exchange *exchange UNUSED,
    const struct route_args *args, void *arg)
{
	struct call *call = arg;

	if (call_authorize(call, NULL) &&
	    call_may_subscribe(call, args->arg[0]))
		subscriptions_page(call, args->arg[0]);
}

/* Of all channels that the token may listen on. */
void
subscriptions_all(struct exchange *exchange UNUSED,
    const struct route_args *args UNUSED, void *arg)
{
	struct call *call = arg;

	if (call_authorize(call, NULL))
		subscriptions_page(call, NULL);
}

/* ---- adding and removing --------------------------------------------- */

bool
subscriptions_state(const char *name, enum sub_state *state)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(subscriptions_states); i++)
		if (strcmp(name, subscriptions_states[i]) == 0) {
			*state = (enum sub_state)i;
			return true;
		}
	return false;
}

/* The component's domain as the configuration has it; NULL: there is none of
 * that name. */
static const char *
subscriptions_component(const struct conf *conf, const char *name)
{
	struct jid jid;
	const char *why;
	size_t i;

	if (jid_parse(name, strlen(name), &jid, &why) != ERR_OK)
		return NULL;
	for (i = 0; i < conf->n_components; i++)
		if (strcmp(conf->components[i].domain, jid.full) == 0)
			return conf->components[i].domain;
	return NULL;
}

static bool
subscriptions_find_owner(const struct control *control, struct whose *whose)
{
	const struct conf *conf = control->conf;
	bool ours = conf->bosh.domain != NULL &&
	    jid_domain_is(&whose->jid, conf->bosh.domain);

	if (whose->component == NULL) {
		whose->owner = ours ? conf->bosh.domain : control->opts.owner;
		whose->why = "no component is configured that could send to it";
		return whose->owner != NULL;
	}
	whose->what = "component";
	whose->why = "waft-bosh sends to this JID";
	if (ours)
		return false;
	whose->owner = subscriptions_component(conf, whose->component);
	whose->why = "no component section has this domain";
	return whose->owner != NULL;
}

bool
subscriptions_whose(const struct control *control, struct whose *whose)
{
	const struct conf *conf = control->conf;
	size_t i;

	whose->what = "jid";
	if (jid_parse(whose->text, strlen(whose->text), &whose->jid,
	        &whose->why) != ERR_OK)
		return false;
	whose->why = "this is an address of waft's own";
	for (i = 0; i < conf->n_components; i++)
		if (jid_domain_is(&whose->jid, conf->components[i].domain))
			return false;
	return subscriptions_find_owner(control, whose);
}

/* False: answered. */
static bool
subscription_whose(struct call *call, struct whose *whose)
{
	if (subscriptions_whose(call->control, whose))
		return true;
	call_error(call, ERR_BAD, "%s: %s", whose->what, whose->why);
	return false;
}

static void
subscription_answer(struct subscriptions_call *kept, enum err err, int status,
    const struct subscription *sub)
{
	if (kept->call.exchange == NULL)
		;
	else if (err != ERR_OK)
		call_store_error(&kept->call, err);
	else
		call_json(&kept->call, status,
		    subscriptions_json(kept->call.control, sub));
	free(kept);
}

static void
subscription_added(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	subscription_answer(arg, err, existed ? 200 : 201, sub);
}

static void
subscription_put(struct call *call, const char *channel, struct whose *whose)
{
	struct subscription sub = { .channel = channel, .state = SUB_ACTIVE };

	if (!subscription_whose(call, whose))
		return;
	sub.owner = whose->owner;
	sub.address = whose->jid.full;
	store_sub_put(call->control->store, call->control->loop, &sub,
	    subscription_added,
	    call_keep(call, sizeof(struct subscriptions_call)));
}

/* ---- changing one that is there --------------------------------------- */

struct subscription_change {
	struct subscriptions_call kept; /* first: it is freed as that */
	struct jid jid;
	enum sub_state state;
};

static void
subscription_changed(enum err err, const struct subscription *sub,
    bool existed UNUSED, void *arg)
{
	subscription_answer(arg, err, 200, sub);
}

static void
subscription_found(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct subscription_change *change = arg;
	struct call *call = &change->kept.call;
	struct subscription sub;
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(subs[i].address, change->jid.full) == 0)
			break;
	if (call->exchange == NULL || err != ERR_OK || i == count) {
		if (call->exchange != NULL && err != ERR_OK)
			call_store_error(call, err);
		else if (call->exchange != NULL)
			call_error(call, ERR_NOTFOUND,
			    "there is no such subscription");
		free(change);
		return;
	}
	sub = subs[i];
	sub.state = change->state;
	sub.position = 0;
	if (sub.state != SUB_SUSPENDED)
		sub.reason = NULL;
	else if (subs[i].state != SUB_SUSPENDED)
		sub.reason = "by the operator";
	store_sub_put(call->control->store, call->control->loop, &sub,
	    subscription_changed, change);
}

static void
subscription_change(struct call *call, const char *channel, struct whose *whose,
    const char *state)
{
	struct sub_filter filter = { .channel = channel };
	struct subscription_change *change;
	enum sub_state to;

	if (!subscriptions_state(state, &to) || to == SUB_PENDING) {
		call_error(call, ERR_BAD, "state: not active or suspended");
		return;
	}
	if (!subscription_whose(call, whose))
		return;
	filter.owner = whose->owner;
	change = call_keep(call, sizeof *change);
	change->jid = whose->jid;
	change->state = to;
	filter.address = change->jid.full;
	store_sub_list(call->control->store, call->control->loop, &filter, 0,
	    CONTROL_PAGE_MAX, subscription_found, change);
}

void
subscription_add(struct exchange *exchange, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct slice text = exchange_body(exchange);
	struct json_error_at at;
	struct whose whose = { .text = NULL };
	json_t *body;
	const char *state;

	if (!call_authorize(call, NULL) ||
	    !call_may_subscribe(call, args->arg[0]))
		return;
	body = json_read(text.p == NULL ? "" : text.p, text.len, &at);
	if (body == NULL) {
		call_error(call, ERR_BAD, "Body is not valid JSON: %d:%d: %s",
		    at.line, at.column, at.why);
		return;
	}
	whose.text = json_str(body, "jid", NULL);
	whose.component = json_str(body, "component", NULL);
	state = json_str(body, "state", NULL);
	if (whose.text != NULL && state != NULL)
		subscription_change(call, args->arg[0], &whose, state);
	else if (whose.text != NULL)
		subscription_put(call, args->arg[0], &whose);
	else if (json_object_get(body, "url") != NULL)
		call_error(call, ERR_UNSUPPORTED,
		    "url: webhooks are not served");
	else
		call_error(call, ERR_BAD,
		    "object does not contain 'jid', a string");
	json_decref(body);
}

static void
subscription_removed(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct subscriptions_call *kept = arg;

	if (kept->call.exchange == NULL)
		;
	else if (err == ERR_NOTFOUND)
		call_error(&kept->call, err, "there is no such subscription");
	else if (err != ERR_OK)
		call_store_error(&kept->call, err);
	else
		call_json(&kept->call, 200,
		    json_pack("{s:s}", "message", "Deleted"));
	free(kept);
}

void
subscription_remove(struct exchange *exchange, const struct route_args *args,
    void *arg)
{
	struct call *call = arg;
	struct whose whose = { .text = args->arg[1] };
	struct buf component;

	buf_init(&component, 0);
	if (query_param(exchange_head(exchange)->query, "component",
	        &component))
		whose.component = component.data == NULL ? "" : component.data;
	if (call_authorize(call, NULL) &&
	    call_may_subscribe(call, args->arg[0]) &&
	    subscription_whose(call, &whose))
		store_sub_del(call->control->store, call->control->loop,
		    whose.owner, args->arg[0], whose.jid.full,
		    subscription_removed,
		    call_keep(call, sizeof(struct subscriptions_call)));
	buf_clear(&component);
}
