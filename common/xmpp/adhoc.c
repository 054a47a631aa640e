#include "common/xmpp/adhoc.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/form.h"
#include "common/xmpp/page.h"

static const struct adhoc_command adhoc_commands[] = {
	{ "waft#list", "List channels", true, false, false, commands_list },
	{ "waft#subscribe", "Subscribe to a channel", true, true, false,
	    commands_subscribe },
	{ "waft#unsubscribe", "Unsubscribe", true, true, false,
	    commands_unsubscribe },
	{ "waft#subscriptions", "My subscriptions", true, false, false,
	    commands_subscriptions },
	{ "waft#publish", "Publish", true, true, true, operate_publish },
	{ "waft#subscribers", "Subscribers of a channel", true, true, true,
	    operate_subscribers },
	{ "waft#statistics", "Statistics", true, false, true,
	    operate_statistics },
};

static const char *const adhoc_actions[] = { "execute", "cancel", "prev",
	"next", "complete" };

static const struct ask_error adhoc_malformed_action = { "modify",
	"bad-request", "malformed-action", NULL };
static const struct ask_error adhoc_bad_action = { "modify", "bad-request",
	"bad-action", NULL };
static const struct ask_error adhoc_payload = { "modify", "bad-request",
	"bad-payload", NULL };
static const struct ask_error adhoc_bad_session = { "modify", "bad-request",
	"bad-sessionid", NULL };
static const struct ask_error adhoc_expired = { "cancel", "not-allowed",
	"session-expired", NULL };
static const struct ask_error adhoc_forbidden = { "cancel", "forbidden", NULL,
	NULL };

/* ---- a step ---------------------------------------------------------- */

static void
adhoc_step_free(void *arg)
{
	struct adhoc_step *step = arg;

	if (step->work_free != NULL)
		step->work_free(step->work);
	adhoc_session_free(step->session);
	xml_free(step->form);
	buf_clear(&step->head);
	free(step);
}

struct adhoc_step *
adhoc_step(const struct ask *ask)
{
	return ask->work;
}

char *
adhoc_value(const struct ask *ask, const char *var)
{
	const struct xml *form = adhoc_step(ask)->form, *field;

	if (form == NULL)
		return NULL;
	for (field = form_next(form, NULL); field != NULL;
	     field = form_next(form, field))
		if (strcmp(form_var(field), var) == 0)
			return form_values(field);
	return NULL;
}

bool
adhoc_channel(struct ask *ask, const char *var)
{
	char *channel;
	bool ok;

	if (ask->channel != NULL)
		return true;
	channel = adhoc_value(ask, var);
	ok = channel != NULL && ask_node(ask, channel);
	free(channel);
	adhoc_step(ask)->named = ok;
	if (!ok)
		adhoc_bad_payload(ask);
	return ok;
}

/* One that was going on goes on: what was wrong was this step. */
static void
adhoc_refuse(struct ask *ask, const struct ask_error *error)
{
	struct adhoc_step *step = ask->work;

	if (step->session != NULL && step->session->kept) {
		adhoc_session_keep(ask, step->session);
		step->session = NULL;
	}
	ask_error_in(ask, error, ASK_COMMANDS, &step->head);
}

void
adhoc_bad_payload(struct ask *ask)
{
	adhoc_refuse(ask, &adhoc_payload);
}

/* ---- answers --------------------------------------------------------- */

static void
adhoc_open(const struct ask *ask, const char *status, struct buf *out)
{
	const struct adhoc_session *session = adhoc_step(ask)->session;

	buf_init(out, 0);
	buf_adds(out, "<command xmlns='" ASK_COMMANDS "' xml:lang='en'");
	buf_add_attr(out, "node", session->command->node);
	buf_add_attr(out, "sessionid", session->id);
	buf_add_attr(out, "status", status);
	buf_addc(out, '>');
}

static void
adhoc_close(struct ask *ask, const struct buf *form, const char *kind,
    const char *note, struct buf *out)
{
	if (form != NULL)
		buf_add(out, form->data, form->len);
	if (note != NULL) {
		buf_adds(out, "<note");
		buf_add_attr(out, "type", kind);
		buf_addc(out, '>');
		buf_adds_xml(out, note);
		buf_adds(out, "</note>");
	}
	buf_adds(out, "</command>");
	ask_reply(ask, out);
	buf_clear(out);
}

static void
adhoc_write_actions(unsigned may, enum adhoc_action execute, struct buf *out)
{
	unsigned action;

	buf_adds(out, "<actions");
	buf_add_attr(out, "execute", adhoc_actions[execute]);
	buf_addc(out, '>');
	for (action = ADHOC_PREV; action <= ADHOC_COMPLETE; action++)
		if ((may & ADHOC_MAY(action)) != 0)
			buf_addf(out, "<%s/>", adhoc_actions[action]);
	buf_adds(out, "</actions>");
}

void
adhoc_go_on(struct ask *ask, unsigned may, enum adhoc_action execute,
    const struct buf *form, const char *note)
{
	struct adhoc_step *step = ask->work;
	struct buf out;

	step->session->may = may;
	step->session->execute = execute;
	adhoc_open(ask, "executing", &out);
	adhoc_write_actions(may, execute, &out);
	adhoc_close(ask, form, "error", note, &out);
	adhoc_session_keep(ask, step->session);
	step->session = NULL;
	ask_done(ask);
}

void
adhoc_over(struct ask *ask, const struct buf *form, bool failed,
    const char *note)
{
	struct buf out;

	adhoc_open(ask, "completed", &out);
	adhoc_close(ask, form, failed ? "error" : "info", note, &out);
}

void
adhoc_end(struct ask *ask, const struct buf *form, bool failed,
    const char *note)
{
	adhoc_over(ask, form, failed, note);
	ask_done(ask);
}

/* ---- pages ----------------------------------------------------------- */

static void
adhoc_push_place(struct adhoc_session *session, char *place)
{
	if (session->n_places == ADHOC_PLACES_MAX) {
		free(session->places[0]);
		memmove(session->places, session->places + 1,
		    (ADHOC_PLACES_MAX - 1) * sizeof session->places[0]);
		session->n_places--;
	}
	session->places[session->n_places++] = place;
}

void
adhoc_page(struct ask *ask)
{
	const struct adhoc_step *step = ask->work;
	struct adhoc_session *session = step->session;

	if (session->n_places == 0) {
		adhoc_push_place(session, xstrdup(""));
	} else if (step->action == ADHOC_NEXT) {
		adhoc_push_place(session, session->next);
		session->next = NULL;
	} else if (step->action == ADHOC_PREV) {
		free(session->places[--session->n_places]);
	}
	page_behind(ask, session->places[session->n_places - 1], ADHOC_PAGE);
}

void
adhoc_send_page(struct ask *ask, const struct buf *form)
{
	struct adhoc_session *session = adhoc_step(ask)->session;
	unsigned may = 0;

	free(session->next);
	session->next = ask->page->more ? xstrdup(ask->page->after) : NULL;
	if (session->next != NULL)
		may |= ADHOC_MAY(ADHOC_NEXT);
	if (session->n_places > 1)
		may |= ADHOC_MAY(ADHOC_PREV);
	if (may == 0)
		adhoc_end(ask, form, false, NULL);
	else
		adhoc_go_on(ask, may | ADHOC_MAY(ADHOC_COMPLETE),
		    session->next != NULL ? ADHOC_NEXT : ADHOC_COMPLETE, form,
		    NULL);
}

/* ---- who sees which -------------------------------------------------- */

static bool
adhoc_is_operator(const struct ask *ask)
{
	const struct service_ops *ops = ask->service->ops;

	return ops->is_operator != NULL &&
	    ops->is_operator(ask->peer, &ask->from);
}

/* NULL: there is none of that name at this address. */
static const struct adhoc_command *
adhoc_find(const struct ask *ask, const char *node)
{
	const struct adhoc_command *command;
	size_t i;

	for (i = 0; i < ARRAY_LEN(adhoc_commands); i++) {
		command = &adhoc_commands[i];
		if ((ask->channel == NULL ? command->on_domain :
		                            command->on_channel) &&
		    strcmp(command->node, node) == 0)
			return command;
	}
	return NULL;
}

static void
adhoc_items(struct ask *ask)
{
	const struct adhoc_command *command;
	bool operates = adhoc_is_operator(ask);
	struct buf out;
	size_t i;

	buf_init(&out, 0);
	buf_adds(&out,
	    "<query xmlns='" ASK_DISCO_ITEMS "' node='" ASK_COMMANDS "'>");
	for (i = 0; i < ARRAY_LEN(adhoc_commands); i++) {
		command = &adhoc_commands[i];
		if (adhoc_find(ask, command->node) == NULL ||
		    (command->operators && !operates))
			continue;
		buf_adds(&out, "<item");
		buf_add_attr(&out, "jid", ask->self);
		buf_add_attr(&out, "node", command->node);
		buf_add_attr(&out, "name", command->name);
		buf_adds(&out, "/>");
	}
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* Command NULL: of the list. */
static void
adhoc_info(struct ask *ask, const struct adhoc_command *command)
{
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<query xmlns='" ASK_DISCO_INFO "'");
	buf_add_attr(&out, "node",
	    command == NULL ? ASK_COMMANDS : command->node);
	buf_adds(&out, "><identity category='automation'");
	buf_add_attr(&out, "type",
	    command == NULL ? "command-list" : "command-node");
	buf_add_attr(&out, "name",
	    command == NULL ? "Commands" : command->name);
	buf_adds(&out, "/><feature var='" ASK_COMMANDS "'/>");
	if (command != NULL)
		buf_adds(&out, "<feature var='" FORM_NS "'/>");
	buf_adds(&out, "</query>");
	ask_result(ask, &out);
	buf_clear(&out);
}

bool
adhoc_disco(struct ask *ask, const struct xml *query)
{
	const char *node = xml_attr(query, "node");
	const struct adhoc_command *command;
	bool items = strcmp(query->ns, ASK_DISCO_ITEMS) == 0;

	if (node == NULL || (ask->channel != NULL && ask->channel[0] == '\0'))
		return false;
	if (strcmp(node, ASK_COMMANDS) == 0) {
		if (items)
			adhoc_items(ask);
		else
			adhoc_info(ask, NULL);
		return true;
	}
	command = items ? NULL : adhoc_find(ask, node);
	if (command == NULL)
		return false;
	if (command->operators && !adhoc_is_operator(ask))
		ask_error(ask, &adhoc_forbidden);
	else
		adhoc_info(ask, command);
	return true;
}

/* ---- the request ----------------------------------------------------- */

static bool
adhoc_read_action(const struct xml *element, enum adhoc_action *action)
{
	const char *word = xml_attr(element, "action");
	size_t i;

	*action = ADHOC_EXECUTE;
	for (i = 0; word != NULL && i < ARRAY_LEN(adhoc_actions); i++)
		if (strcmp(adhoc_actions[i], word) == 0) {
			*action = (enum adhoc_action)i;
			return true;
		}
	return word == NULL;
}

static void
adhoc_cancel(struct ask *ask)
{
	struct buf out;

	adhoc_open(ask, "canceled", &out);
	adhoc_close(ask, NULL, NULL, NULL, &out);
	ask_done(ask);
}

static void
adhoc_run(struct ask *ask, const char *id, enum adhoc_action action)
{
	struct adhoc_step *step = ask->work;
	const struct adhoc_session *session = step->session;

	if (id != NULL && action == ADHOC_EXECUTE)
		action = session->execute;
	step->action = action;
	if (id != NULL && action == ADHOC_CANCEL)
		adhoc_cancel(ask);
	else if (id == NULL ? action != ADHOC_EXECUTE :
	                      (session->may & ADHOC_MAY(action)) == 0)
		adhoc_refuse(ask, &adhoc_bad_action);
	else
		session->command->run(ask);
}

/* The form that was submitted, XEP-0050 §3.5.1: one that is called off is taken
 * for one.  False: there is something else in its place. */
static bool
adhoc_read_form(const struct ask *ask, const struct xml *element)
{
	struct adhoc_step *step = ask->work;
	const struct xml *form;

	if (form_find(element, NULL, &form) != ERR_OK)
		return false;
	step->form = form_copy(ask->service->reader, form);
	return form == NULL || step->form != NULL;
}

/* Clients tell the sessions by it in errors, too (XEP-0050 §3.7's example). */
static void
adhoc_keep_head(struct adhoc_step *step, const char *node, const char *id)
{
	buf_init(&step->head, 0);
	buf_adds(&step->head, "<command xmlns='" ASK_COMMANDS "'");
	buf_add_attr(&step->head, "node", node);
	buf_add_attr(&step->head, "sessionid", id);
	buf_adds(&step->head, "/>");
}

void
adhoc_request(struct ask *ask, const struct xml *element)
{
	const char *node = xml_attr(element, "node");
	const char *id = xml_attr(element, "sessionid");
	const struct adhoc_command *command;
	struct adhoc_step *step = xcalloc(1, sizeof *step);
	enum adhoc_action action;

	ask->work = step;
	ask->work_free = adhoc_step_free;
	adhoc_keep_head(step, node, id);
	adhoc_sessions_expire(ask->service->sessions,
	    loop_now_ms(ask->service->loop));
	command = node == NULL ? NULL : adhoc_find(ask, node);
	if (node == NULL || (ask->channel != NULL && ask->channel[0] == '\0'))
		ask_fail(ask, node == NULL ? ERR_BAD : ERR_NOTFOUND);
	else if (command == NULL)
		ask_fail(ask, ERR_NOTFOUND);
	else if (command->operators && !adhoc_is_operator(ask))
		adhoc_refuse(ask, &adhoc_forbidden);
	else if (!adhoc_read_action(element, &action))
		adhoc_refuse(ask, &adhoc_malformed_action);
	else if (id != NULL &&
	    (step->session = adhoc_session_take(ask, command, id)) == NULL)
		adhoc_refuse(ask,
		    adhoc_session_was(ask, id) ? &adhoc_expired :
		                                 &adhoc_bad_session);
	else if (!adhoc_read_form(ask, element))
		adhoc_refuse(ask, &adhoc_payload);
	else {
		if (step->session == NULL)
			step->session = adhoc_session_make(ask, command);
		adhoc_run(ask, id, action);
	}
}
