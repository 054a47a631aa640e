#include "common/xmpp/talk.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/pace.h"
#include "common/xmpp/subscribers.h"

#define TALK_STORE_PAGE 100
#define TALK_MINE_MAX   100

static struct stat_metric talk_over = STAT_COUNTER("waft_xmpp_limited_total",
    "Requests of XMPP users past a rate, by its option",
    "option=\"texts-per-jid\"");

struct talk_list {
	char *prefix;
	char *after; /* the last name looked at */
	uint64_t skip;
	size_t looked;
	size_t listed;
	struct buf out;
};

struct talk_word {
	const char *name;
	/* Argument is what follows the word; "" at a channel. */
	void (*answer)(struct ask *ask, const char *argument);
	bool of_channel; /* the argument names one */
};

static void
talk_say(struct ask *ask, const char *text)
{
	ask_say(ask, text);
	ask_done(ask);
}

/* Before, the channel's name, and behind it. */
static void
talk_say_of(const struct ask *ask, const char *before, const char *behind)
{
	struct buf text;

	buf_init(&text, 0);
	buf_adds(&text, before);
	buf_adds(&text, ask->channel);
	buf_adds(&text, behind);
	ask_say(ask, text.data);
	buf_clear(&text);
}

static void
talk_sorry(struct ask *ask)
{
	talk_say(ask, "That did not work just now. Try again later.");
}

/* ---- help ------------------------------------------------------------ */

static void
talk_help(struct ask *ask, const char *argument UNUSED)
{
	if (ask->channel == NULL) {
		talk_say(ask,
		    "list [BEGINNING] [PAGE] - the channels\n"
		    "subscribe CHANNEL - get what is published there\n"
		    "unsubscribe CHANNEL - no longer\n"
		    "subscriptions - the channels you get");
		return;
	}
	talk_say_of(ask, "This is the channel ",
	    ".\n"
	    "subscribe - get what is published here\n"
	    "unsubscribe - no longer");
	ask_done(ask);
}

/* ---- list ------------------------------------------------------------ */

static void
talk_list_free(void *arg)
{
	struct talk_list *list = arg;

	free(list->prefix);
	free(list->after);
	buf_clear(&list->out);
	free(list);
}

/* True: that is enough. */
static bool
talk_list_see(struct ask *ask, const struct channel_info *info)
{
	struct talk_list *list = ask->work;
	int beside = strncmp(info->channel, list->prefix, strlen(list->prefix));

	if (beside != 0)
		return beside > 0;
	if (!access_to_see(ask, info))
		return false;
	if (list->skip > 0) {
		list->skip--;
		return false;
	}
	if (list->listed == TALK_PAGE) {
		buf_adds(&list->out, "\n(there are more on the next page)");
		return true;
	}
	if (list->listed++ > 0)
		buf_addc(&list->out, '\n');
	buf_adds(&list->out, info->channel);
	return false;
}

static void
talk_list_end(struct ask *ask)
{
	const struct talk_list *list = ask->work;

	talk_say(ask, list->out.len > 0 ? list->out.data : "No channels.");
}

static void talk_list_page(struct ask *ask);

static void
talk_list_cb(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	struct talk_list *list;
	size_t i;

	if (ask_is_late(ask))
		return;
	list = ask->work;
	if (err != ERR_OK) {
		talk_sorry(ask);
		return;
	}
	for (i = 0; i < count; i++) {
		if (talk_list_see(ask, &channels[i])) {
			talk_list_end(ask);
			return;
		}
		free(list->after);
		list->after = xstrdup(channels[i].channel);
	}
	list->looked += count;
	if (count == TALK_STORE_PAGE && list->looked >= TALK_LOOK_MAX)
		buf_adds(&list->out,
		    "\n(there are too many: say how their names begin)");
	if (count < TALK_STORE_PAGE || list->looked >= TALK_LOOK_MAX)
		talk_list_end(ask);
	else
		talk_list_page(ask);
}

static void
talk_list_page(struct ask *ask)
{
	const struct talk_list *list = ask->work;

	store_channels(ask->service->store, ask->service->loop, list->after,
	    TALK_STORE_PAGE, talk_list_cb, ask);
}

/* The one that is called just as what the others begin with, which the store
 * would leave out. */
static void
talk_list_first_cb(enum err err, const struct channel_info *info,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_OK)
		talk_list_see(ask, info);
	if (err == ERR_OK || err == ERR_NOTFOUND)
		talk_list_page(ask);
	else
		talk_sorry(ask);
}

/* `[BEGINNING] [PAGE]` */
static void
talk_list(struct ask *ask, const char *argument)
{
	struct talk_list *list = xcalloc(1, sizeof *list);
	const char *last = strrchr(argument, ' ');
	size_t len = strlen(argument);
	uint64_t page;

	last = last == NULL ? argument : last + 1;
	if (text_to_u64(last, strlen(last), TALK_LOOK_MAX, &page) && page > 0) {
		list->skip = (page - 1) * TALK_PAGE;
		len = (size_t)(last - argument);
		while (len > 0 && argument[len - 1] == ' ')
			len--;
	}
	list->prefix = xstrndup(argument, len);
	list->after = xstrdup(list->prefix);
	buf_init(&list->out, 0);
	ask->work = list;
	ask->work_free = talk_list_free;
	if (len == 0)
		talk_list_page(ask);
	else
		store_channel(ask->service->store, ask->service->loop,
		    list->prefix, talk_list_first_cb, ask);
}

/* ---- subscribing ----------------------------------------------------- */

static void
talk_subscribed_cb(enum err err, const struct subscription *sub, bool existed,
    void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err == ERR_DENIED) {
		talk_say_of(ask, "You may not subscribe to ", ".");
	} else if (err == ERR_LIMIT) {
		talk_say_of(ask, "You have too many subscriptions for ", ".");
	} else if (err != ERR_OK) {
		talk_sorry(ask);
		return;
	} else if (sub->state == SUB_PENDING) {
		talk_say_of(ask, "An owner has to approve that you get ", ".");
		if (!existed) {
			authorize_request(ask);
			return;
		}
	} else if (existed) {
		talk_say_of(ask, "You are subscribed to ", " already.");
	} else {
		talk_say_of(ask, "You are subscribed to ",
		    ask->known ? "." : "; nothing was published there yet.");
		pubsub_last_item(ask);
		return;
	}
	ask_done(ask);
}

static void
talk_subscribe(struct ask *ask, const char *argument UNUSED)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask_subscribe(ask, &bare, talk_subscribed_cb);
}

static void
talk_unsubscribed_cb(enum err err, const struct subscription *sub UNUSED,
    bool existed UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK && err != ERR_NOTFOUND) {
		talk_sorry(ask);
		return;
	}
	talk_say_of(ask,
	    err == ERR_OK ? "You are no longer subscribed to " :
	                    "You are not subscribed to ",
	    ".");
	ask_done(ask);
}

static void
talk_unsubscribe(struct ask *ask, const char *argument UNUSED)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask_unsubscribe(ask, &bare, talk_unsubscribed_cb);
}

/* ---- subscriptions --------------------------------------------------- */

static void
talk_add_mine(const struct subscription *sub, struct buf *out)
{
	if (out->len > 0)
		buf_addc(out, '\n');
	buf_adds(out, sub->channel);
	if (sub->state == SUB_PENDING)
		buf_adds(out, " (to be approved)");
	else if (sub->state == SUB_SUSPENDED)
		buf_adds(out, " (suspended)");
}

static void
talk_mine_cb(enum err err, const struct subscription *subs, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	struct buf out;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		talk_sorry(ask);
		return;
	}
	buf_init(&out, 0);
	for (i = 0; i < count && i < TALK_MINE_MAX; i++)
		talk_add_mine(&subs[i], &out);
	if (count > TALK_MINE_MAX)
		buf_addf(&out, "\n(and %zu more)", count - TALK_MINE_MAX);
	talk_say(ask, count > 0 ? out.data : "You have no subscriptions.");
	buf_clear(&out);
}

static void
talk_mine(struct ask *ask, const char *argument UNUSED)
{
	struct jid bare = ask->from;

	jid_to_bare(&bare);
	ask->service->ops->subscriptions(ask->peer, &bare, NULL, talk_mine_cb,
	    ask);
}

/* ---- dispatch -------------------------------------------------------- */

static const struct talk_word talk_words[] = {
	{ "help", talk_help, false },
	{ "list", talk_list, false },
	{ "subscribe", talk_subscribe, true },
	{ "unsubscribe", talk_unsubscribe, true },
	{ "subscriptions", talk_mine, false },
};

static bool
talk_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const struct talk_word *
talk_find(struct slice word)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(talk_words); i++)
		if (slice_is(word, talk_words[i].name))
			return &talk_words[i];
	return NULL;
}

/* Text is without white space at its ends.  NULL: no command. */
static const struct talk_word *
talk_parse(const char *text, bool at_channel, const char **argument)
{
	struct slice name = { text, strcspn(text, " \t\r\n") };
	const struct talk_word *word = talk_find(name);

	*argument = text + name.len;
	while (talk_is_space(**argument))
		(*argument)++;
	/* There it may be meant for somebody else. */
	if (at_channel && **argument != '\0')
		return NULL;
	return word;
}

static bool
talk_is_ours(const struct jid *from, const struct xml *message)
{
	const char *type = xml_attr(message, "type");

	return from->node_len > 0 &&
	    (type == NULL || strcmp(type, "chat") == 0 ||
	        strcmp(type, "normal") == 0);
}

/* What is said, without white space at its ends. */
static bool
talk_body(const struct xml *message, struct buf *text)
{
	const struct xml *body = xml_child(message, message->ns, "body");
	size_t skip = 0;

	if (body == NULL)
		return false;
	xml_text(body, text);
	while (skip < text->len && talk_is_space(text->data[skip]))
		skip++;
	buf_drain(text, skip);
	while (text->len > 0 && talk_is_space(text->data[text->len - 1]))
		text->data[--text->len] = '\0';
	return text->len > 0;
}

/* False: he had enough answers; he is told so once. */
static bool
talk_may_answer(struct ask *ask)
{
	struct service *service = ask->service;
	const char *from = ask->from.full;
	enum pace_verdict verdict;

	if (service->texts == NULL)
		service->texts = pace_create();
	verdict = pace_take(service->texts, &ask->from,
	    service->conf->control.texts_per_jid, loop_now_ms(service->loop));
	if (verdict == PACE_OK)
		return true;
	stat_add(&talk_over, 1);
	if (verdict == PACE_OVER) {
		log_info("xmpp.limited", "jid=%s option=texts-per-jid",
		    log_quote(from, strlen(from)));
		ask_say(ask,
		    "That is too much at once. Try again in a minute.");
	}
	return false;
}

static void
talk_answer(struct ask *ask, const struct talk_word *word, const char *argument)
{
	if (!talk_may_answer(ask))
		ask_done(ask);
	else if (word == NULL)
		talk_say(ask,
		    "That is no command. Say help for those there "
		    "are.");
	else if (word->of_channel && argument[0] == '\0' &&
	    ask->channel == NULL)
		talk_say(ask, "Which channel?");
	else if (word->of_channel &&
	    !ask_node(ask, argument[0] == '\0' ? NULL : argument))
		talk_say(ask, "No channel can have that name.");
	else
		word->answer(ask, argument);
}

bool
talk_message(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const struct xml *message)
{
	bool at_channel = to->node_len > 0 || to->resource_len > 0;
	const struct talk_word *word = NULL;
	const char *argument;
	struct buf text;
	bool taken;
	struct ask *ask;

	if (!talk_is_ours(from, message))
		return false;
	buf_init(&text, 0);
	taken = talk_body(message, &text);
	if (taken) {
		word = talk_parse(text.data, at_channel, &argument);
		taken = word != NULL || !at_channel;
	}
	if (taken) {
		ask = ask_create(service, peer, from, to, NULL);
		talk_answer(ask, word, argument);
	}
	buf_clear(&text);
	return taken;
}
