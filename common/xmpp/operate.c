/* The ad-hoc commands of operators: publish, who is subscribed, numbers. */
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/adhoc.h"
#include "common/xmpp/form.h"
#include "common/xmpp/page.h"
#include "common/xmpp/subscribers.h"

static struct stat_metric operate_published =
    STAT_COUNTER("waft_xmpp_published_items_total",
        "Items stored that users published over XMPP or BOSH", NULL);

/* ---- publish --------------------------------------------------------- */

/* Note: what was wrong with the last try; NULL: there was none. */
static void
operate_publish_form(struct ask *ask, const char *note)
{
	char *channel = adhoc_value(ask, "channel");
	struct buf form;

	buf_init(&form, 0);
	form_open(&form, "form", NULL);
	form_title(&form, "Publish",
	    "Text is sent as a message, a stanza and JSON as they are.");
	if (ask->channel == NULL || adhoc_step(ask)->named)
		form_add(&form,
		    &(struct form_field){ "channel", "text-single", "Channel",
		        channel == NULL ? "" : channel, NULL });
	form_ask(&form,
	    &(struct form_field){ "format", "list-single", "Format", NULL,
	        NULL });
	buf_adds(&form, "<value>text</value>");
	form_option(&form, "Text of a message", "text");
	form_option(&form, "XML of a whole stanza", "stanza");
	form_option(&form, "JSON", "json");
	form_end_field(&form);
	form_ask(&form,
	    &(struct form_field){ "content", "text-multi", "Content", NULL,
	        NULL });
	form_end_field(&form);
	form_close(&form);
	adhoc_go_on(ask, ADHOC_MAY(ADHOC_COMPLETE), ADHOC_COMPLETE, &form,
	    note);
	buf_clear(&form);
	free(channel);
}

/* The item's formats; NULL and *why when the content cannot be one. */
static json_t *
operate_formats(const char *format, const char *content, const char **why)
{
	struct json_error_at at;
	struct buf text;
	json_t *json = NULL;

	*why = "The content is not JSON";
	buf_init(&text, 0);
	if (strcmp(format, "json") == 0) {
		json = json_read(content, strlen(content), &at);
		if (json != NULL)
			json = json_pack("{s:o}", "json-object", json);
	} else if (strcmp(format, "stanza") == 0) {
		json =
		    json_pack("{s:{s:s}}", "xmpp-stanza", "content", content);
	} else if (strcmp(format, "text") == 0) {
		buf_adds(&text, "<message><body>");
		buf_adds_xml(&text, content);
		buf_adds(&text, "</body></message>");
		json =
		    json_pack("{s:{s:s}}", "xmpp-stanza", "content", text.data);
	} else {
		*why = "There is no such format";
	}
	buf_clear(&text);
	return json;
}

static void
operate_published_cb(enum err err, const struct append_result *results,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;
	char position[STORE_POSITION_MAX];
	char *note;

	if (err == ERR_OK)
		stat_add(&operate_published, 1);
	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	store_position(ask->service->store, results[0].seq, position);
	note = xasprintf("Published as %s", position);
	ask_note(ask, "publish-command");
	adhoc_end(ask, NULL, false, note);
	free(note);
}

static void
operate_publish_content(struct ask *ask, const char *format,
    const char *content)
{
	const char *reason;
	json_t *json = operate_formats(format, content, &reason);
	struct entry *entry = NULL;
	struct buf why;

	buf_init(&why, 0);
	if (json == NULL)
		buf_adds(&why, reason);
	else
		entry = ask->service->ops->item(ask->peer, ask->channel, json,
		    &why);
	json_decref(json);
	if (entry == NULL)
		operate_publish_form(ask, why.data);
	else
		store_append(ask->service->store, ask->service->loop, &entry, 1,
		    operate_published_cb, ask);
	buf_clear(&why);
}

void
operate_publish(struct ask *ask)
{
	const struct adhoc_step *step = adhoc_step(ask);
	char *format, *content;

	if (step->action == ADHOC_EXECUTE && step->form == NULL) {
		operate_publish_form(ask, NULL);
		return;
	}
	format = adhoc_value(ask, "format");
	content = adhoc_value(ask, "content");
	if (format == NULL || content == NULL)
		adhoc_bad_payload(ask);
	else if (adhoc_channel(ask, "channel"))
		operate_publish_content(ask, format, content);
	free(format);
	free(content);
}

/* ---- subscribers ----------------------------------------------------- */

static const struct form_field operate_columns[] = {
	{ "jid", "jid-single", "Subscriber", NULL, NULL },
	{ "state", "text-single", "State", NULL, NULL },
	{ "reason", "text-single", "Reason", NULL, NULL },
	{ "owner", "text-single", "Served by", NULL, NULL },
};

static void
operate_subscriber(const struct subscription *sub, struct buf *rows)
{
	static const char *const states[] = { "active", "suspended",
		"pending" };
	const char *const values[] = { sub->address, states[sub->state],
		sub->reason == NULL ? "" : sub->reason, sub->owner };

	form_row(rows, operate_columns, values, ARRAY_LEN(values));
}

static void
operate_listed_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of UNUSED, void *arg)
{
	struct ask *ask = arg;
	struct page *page;
	struct buf form;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	page = ask->page;
	for (i = 0; i < count && !page_is_full(page); i++) {
		operate_subscriber(&subs[i], &page->rows);
		page_add_number(page, subs[i].n);
	}
	page->more = i < count;
	if (page->last != NULL) {
		free(page->after);
		page->after = xstrdup(page->last);
	}
	buf_init(&form, 0);
	form_open(&form, "result", NULL);
	form_title(&form, ask->channel, NULL);
	form_columns(&form, operate_columns, ARRAY_LEN(operate_columns));
	buf_add(&form, page->rows.data, page->rows.len);
	form_close(&form);
	adhoc_send_page(ask, &form);
	buf_clear(&form);
}

static void
operate_subscribers_page(struct ask *ask)
{
	struct sub_filter filter = { .channel = ask->channel };
	const char *place;
	uint64_t after = 0;

	adhoc_page(ask);
	place = ask->page->after;
	text_to_u64(place, strlen(place), UINT64_MAX, &after);
	store_sub_list(ask->service->store, ask->service->loop, &filter, after,
	    ADHOC_PAGE + 1, operate_listed_cb, ask);
}

static void
operate_subscribers_form(struct ask *ask)
{
	struct buf form;

	buf_init(&form, 0);
	form_open(&form, "form", NULL);
	form_title(&form, "Subscribers of a channel", NULL);
	form_ask(&form,
	    &(struct form_field){ "channel", "text-single", "Channel", NULL,
	        NULL });
	form_end_field(&form);
	form_close(&form);
	adhoc_go_on(ask, ADHOC_MAY(ADHOC_NEXT), ADHOC_NEXT, &form, NULL);
	buf_clear(&form);
}

/* First the channel, which the session then knows, then its pages. */
void
operate_subscribers(struct ask *ask)
{
	const struct adhoc_step *step = adhoc_step(ask);
	struct adhoc_session *session = step->session;

	if (step->action == ADHOC_COMPLETE) {
		adhoc_end(ask, NULL, false, NULL);
	} else if (session->channel != NULL) {
		if (ask->channel == NULL)
			ask->channel = xstrdup(session->channel);
		operate_subscribers_page(ask);
	} else if (step->action == ADHOC_EXECUTE && step->form == NULL &&
	    ask->channel == NULL) {
		operate_subscribers_form(ask);
	} else if (adhoc_channel(ask, "channel")) {
		session->channel = xstrdup(ask->channel);
		operate_subscribers_page(ask);
	}
}

/* ---- statistics ------------------------------------------------------ */

static void
operate_tell(const char *name, const char *label, const char *value, void *arg)
{
	form_add(arg,
	    &(struct form_field){ name, "text-single", label, value, NULL });
}

void
operate_statistics(struct ask *ask)
{
	struct buf form;

	buf_init(&form, 0);
	form_open(&form, "result", NULL);
	form_title(&form, "Statistics", NULL);
	ask->service->ops->status(ask->peer, operate_tell, &form);
	form_close(&form);
	adhoc_end(ask, &form, false, NULL);
	buf_clear(&form);
}
