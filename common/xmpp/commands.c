/* The ad-hoc commands for everyone: what there is, and one's subscriptions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/adhoc.h"
#include "common/xmpp/form.h"
#include "common/xmpp/page.h"
#include "common/xmpp/subscribers.h"

#define COMMANDS_READS_MAX 20 /* of 100 channels, for one page */

/* One line of text for the end of a command, with a channel's name in it. */
static char *
commands_text(const char *before, const char *channel, const char *after)
{
	return xasprintf("%s%s%s", before, channel, after);
}

/* ---- list ------------------------------------------------------------ */

static const struct form_field commands_columns[] = {
	{ "channel", "text-single", "Channel", NULL, NULL },
	{ "address", "jid-single", "Address", NULL, NULL },
	{ "title", "text-single", "Title", NULL, NULL },
};

static bool
commands_list_row(struct ask *ask, const struct channel_info *info,
    struct buf *rows)
{
	struct node *node = NULL;
	struct buf address;
	const char *values[ARRAY_LEN(commands_columns)];

	if (!access_to_see(ask, info))
		return false;
	if (info->node_len > 0)
		node = node_read(info->node, info->node_len, info->node_seq);
	buf_init(&address, 0);
	jid_of_channel(info->channel, ask->service->domain, &address);
	values[0] = info->channel;
	values[1] = address.data;
	values[2] = node == NULL ? "" : node->title;
	form_row(rows, commands_columns, values, ARRAY_LEN(values));
	buf_clear(&address);
	node_free(node);
	return true;
}

static void
commands_list_done(struct ask *ask)
{
	struct buf form;

	buf_init(&form, 0);
	form_open(&form, "result", NULL);
	form_title(&form, "Channels", NULL);
	form_columns(&form, commands_columns, ARRAY_LEN(commands_columns));
	buf_add(&form, ask->page->rows.data, ask->page->rows.len);
	form_close(&form);
	adhoc_send_page(ask, &form);
	buf_clear(&form);
}

static const struct page_source commands_channels = {
	store_channels,
	COMMANDS_READS_MAX,
	commands_list_row,
	commands_list_done,
};

void
commands_list(struct ask *ask)
{
	if (adhoc_step(ask)->action == ADHOC_COMPLETE) {
		adhoc_end(ask, NULL, false, NULL);
		return;
	}
	adhoc_page(ask);
	page_channels(ask, &commands_channels);
}

/* ---- subscribe ------------------------------------------------------- */

static const char *
commands_why(enum err err)
{
	if (err == ERR_DENIED)
		return " is not open to you";
	if (err == ERR_LIMIT)
		return ": you have too many subscriptions";
	return " cannot be subscribed to now";
}

static void
commands_subscribed_cb(enum err err, const struct subscription *sub,
    bool existed, void *arg)
{
	struct ask *ask = arg;
	bool pending = err == ERR_OK && sub->state == SUB_PENDING;
	char *note;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK)
		note = commands_text("", ask->channel, commands_why(err));
	else if (pending)
		note = commands_text("An owner of ", ask->channel,
		    " is to approve your subscription");
	else
		note = commands_text(existed ? "You were subscribed to " :
		                               "You are subscribed to ",
		    ask->channel, existed ? " already" : "");
	adhoc_over(ask, NULL, err != ERR_OK, note);
	free(note);
	if (err != ERR_OK || existed)
		ask_done(ask);
	else if (pending)
		authorize_request(ask);
	else
		pubsub_last_item(ask);
}

static void
commands_subscribe_form(struct ask *ask)
{
	struct buf form;

	buf_init(&form, 0);
	form_open(&form, "form", NULL);
	form_title(&form, "Subscribe to a channel",
	    "What is published on it will be sent to you.");
	form_ask(&form,
	    &(struct form_field){ "channel", "text-single", "Channel", NULL,
	        NULL });
	form_end_field(&form);
	form_close(&form);
	adhoc_go_on(ask, ADHOC_MAY(ADHOC_COMPLETE), ADHOC_COMPLETE, &form,
	    NULL);
	buf_clear(&form);
}

/* His bare JID, where it is his tomorrow. */
void
commands_subscribe(struct ask *ask)
{
	const struct adhoc_step *step = adhoc_step(ask);
	struct jid jid = ask->from;

	if (step->action == ADHOC_EXECUTE && step->form == NULL &&
	    ask->channel == NULL) {
		commands_subscribe_form(ask);
		return;
	}
	if (!adhoc_channel(ask, "channel"))
		return;
	if (ask->service->ops->is_lasting(ask->peer))
		jid_to_bare(&jid);
	ask_subscribe(ask, &jid, commands_subscribed_cb);
}

/* ---- one's subscriptions, by pages ----------------------------------- */

/* The first of the page that the session is at; *end is behind its last. */
static size_t
commands_slice(struct ask *ask, size_t count, size_t *end)
{
	struct page *page = ask->page;
	uint64_t begin = 0;
	char place[24];

	text_to_u64(page->after, strlen(page->after), UINT64_MAX, &begin);
	if (begin > count)
		begin = count;
	*end = count - begin > ADHOC_PAGE ? begin + ADHOC_PAGE : count;
	page->more = *end < count;
	snprintf(place, sizeof place, "%zu", *end);
	free(page->after);
	page->after = xstrdup(place);
	return begin;
}

static void
commands_with_own(struct ask *ask, service_list_fn *next)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, ask->channel, next,
	    ask);
}

/* ---- my subscriptions ------------------------------------------------ */

static const struct form_field commands_own_columns[] = {
	{ "channel", "text-single", "Channel", NULL, NULL },
	{ "jid", "jid-single", "Sent to", NULL, NULL },
	{ "state", "text-single", "State", NULL, NULL },
};

static const char *
commands_state(const struct subscription *sub)
{
	static const char *const states[] = { "subscribed", "suspended",
		"pending" };

	return states[sub->state];
}

static void
commands_own_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	const char *values[ARRAY_LEN(commands_own_columns)];
	struct buf form;
	size_t i, end;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	if (count == 0) {
		adhoc_end(ask, NULL, false, "You have no subscriptions");
		return;
	}
	buf_init(&form, 0);
	form_open(&form, "result", NULL);
	form_title(&form, "My subscriptions", NULL);
	form_columns(&form, commands_own_columns,
	    ARRAY_LEN(commands_own_columns));
	for (i = commands_slice(ask, count, &end); i < end; i++) {
		values[0] = subs[i].channel;
		values[1] = subs[i].address;
		values[2] = commands_state(&subs[i]);
		form_row(&form, commands_own_columns, values,
		    ARRAY_LEN(values));
	}
	form_close(&form);
	adhoc_send_page(ask, &form);
	buf_clear(&form);
}

void
commands_subscriptions(struct ask *ask)
{
	if (adhoc_step(ask)->action == ADHOC_COMPLETE) {
		adhoc_end(ask, NULL, false, NULL);
		return;
	}
	adhoc_page(ask);
	commands_with_own(ask, commands_own_cb);
}

/* ---- unsubscribe ----------------------------------------------------- */

struct commands_gone {
	char *address;
	char *channel;
};

/* Those to be ended, one after the other. */
struct commands_going {
	struct commands_gone *list;
	size_t count;
	size_t at;
	size_t ended;
};

static void
commands_going_free(void *arg)
{
	struct commands_going *work = arg;

	for (size_t i = 0; i < work->count; i++) {
		free(work->list[i].address);
		free(work->list[i].channel);
	}
	free(work->list);
	free(work);
}

static void commands_end_next(struct ask *ask);

static void
commands_ended_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;
	struct commands_going *work;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK && err != ERR_NOTFOUND) {
		ask_fail(ask, err);
		return;
	}
	work = adhoc_step(ask)->work;
	work->ended += err == ERR_OK;
	work->at++;
	commands_end_next(ask);
}

static void
commands_end_next(struct ask *ask)
{
	const struct commands_going *work = adhoc_step(ask)->work;
	const struct commands_gone *gone;
	const char *why;
	char note[64];

	if (work->at == work->count) {
		snprintf(note, sizeof note, "%zu subscription%s ended",
		    work->ended, work->ended == 1 ? "" : "s");
		adhoc_end(ask, NULL, false, note);
		return;
	}
	gone = &work->list[work->at];
	/* It was prepared when it was stored. */
	if (jid_parse(gone->address, strlen(gone->address), &ask->jid, &why) !=
	    ERR_OK)
		ask_fail(ask, ERR_BAD);
	else
		ask->service->ops->unsubscribe(ask->peer, &ask->jid,
		    gone->channel, commands_ended_cb, ask);
}

/* What a choice in the form is known by. */
static char *
commands_choice(const struct subscription *sub)
{
	return xasprintf("%s %s", sub->address, sub->channel);
}

/* The lines of a text that has no more than a form offers; false when it has
 * more. */
static bool
commands_split(const char *text, struct slice *lines, size_t *count)
{
	size_t len;

	*count = 0;
	for (;; text += len + 1) {
		if (*count == ADHOC_PAGE)
			return false;
		len = strcspn(text, "\n");
		lines[(*count)++] = (struct slice){ text, len };
		if (text[len] == '\0')
			return true;
	}
}

static bool
commands_is_chosen(const struct subscription *sub, const struct slice *lines,
    size_t count)
{
	char *choice = commands_choice(sub);
	size_t len = strlen(choice), i;

	for (i = 0; i < count; i++)
		if (lines[i].len == len && memcmp(lines[i].p, choice, len) == 0)
			break;
	free(choice);
	return i < count;
}

/* Those that the form names; all, when chosen is NULL. */
static void
commands_end(struct ask *ask, const struct subscription *subs, size_t count,
    const char *chosen)
{
	struct adhoc_step *step = adhoc_step(ask);
	struct commands_going *work = xcalloc(1, sizeof *work);
	struct slice lines[ADHOC_PAGE];
	size_t i, n_lines = 0;

	step->work = work;
	step->work_free = commands_going_free;
	work->list = xcalloc(count + 1, sizeof *work->list);
	if (chosen != NULL && !commands_split(chosen, lines, &n_lines)) {
		adhoc_bad_payload(ask);
		return;
	}
	for (i = 0; i < count; i++) {
		if (chosen != NULL &&
		    !commands_is_chosen(&subs[i], lines, n_lines))
			continue;
		work->list[work->count].address = xstrdup(subs[i].address);
		work->list[work->count++].channel = xstrdup(subs[i].channel);
	}
	if (work->count == 0 && chosen == NULL)
		adhoc_end(ask, NULL, true, "You are not subscribed");
	else if (work->count == 0)
		adhoc_bad_payload(ask);
	else
		commands_end_next(ask);
}

static void
commands_unsubscribe_form(struct ask *ask, const struct subscription *subs,
    size_t count)
{
	struct adhoc_session *session = adhoc_step(ask)->session;
	unsigned may = ADHOC_MAY(ADHOC_COMPLETE);
	struct buf form;
	size_t i, end;
	char *choice;

	buf_init(&form, 0);
	form_open(&form, "form", NULL);
	form_title(&form, "Unsubscribe", "Choose the subscriptions to end.");
	form_ask(&form,
	    &(struct form_field){ "subscriptions", "list-multi",
	        "Subscriptions", NULL, NULL });
	for (i = commands_slice(ask, count, &end); i < end; i++) {
		choice = commands_choice(&subs[i]);
		form_option(&form, subs[i].channel, choice);
		free(choice);
	}
	form_end_field(&form);
	form_close(&form);
	free(session->next);
	session->next = ask->page->more ? xstrdup(ask->page->after) : NULL;
	if (session->next != NULL)
		may |= ADHOC_MAY(ADHOC_NEXT);
	if (session->n_places > 1)
		may |= ADHOC_MAY(ADHOC_PREV);
	adhoc_go_on(ask, may, ADHOC_COMPLETE, &form, NULL);
	buf_clear(&form);
}

static void
commands_unsubscribe_cb(enum err err, const struct subscription *subs,
    size_t count, void *arg)
{
	struct ask *ask = arg;
	const struct adhoc_step *step;
	char *chosen;

	if (ask_is_late(ask))
		return;
	step = adhoc_step(ask);
	if (err != ERR_OK) {
		ask_fail(ask, err);
	} else if (ask->channel != NULL) {
		commands_end(ask, subs, count, NULL);
	} else if (count == 0) {
		adhoc_end(ask, NULL, false, "You have no subscriptions");
	} else if (step->action == ADHOC_NEXT || step->action == ADHOC_PREV ||
	    (step->action == ADHOC_EXECUTE && step->form == NULL)) {
		adhoc_page(ask);
		commands_unsubscribe_form(ask, subs, count);
	} else {
		chosen = adhoc_value(ask, "subscriptions");
		commands_end(ask, subs, count, chosen == NULL ? "" : chosen);
		free(chosen);
	}
}

void
commands_unsubscribe(struct ask *ask)
{
	commands_with_own(ask, commands_unsubscribe_cb);
}
