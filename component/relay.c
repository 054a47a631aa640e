#include "component/relay.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/auth.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/fetch/agent.h"
#include "common/xmpp/service.h"
#include "component/answer.h"

#define RELAY_SIGNED_MS  INT64_C(3600000) /* how long a Grip-Sig is good */
#define RELAY_STANZA_MAX ((size_t)4 * 1024 * 1024) /* the link takes less */

#define RELAYED(result)                                       \
	STAT_COUNTER("waft_component_relayed_total",          \
	    "Stanzas for the origin, by what became of them", \
	    "result=\"" result "\"")

enum relay_result {
	RELAY_OK,
	RELAY_TIMEOUT,
	RELAY_UNREACHED,
	RELAY_PRIVATE,
	RELAY_STATUS,
	RELAY_BAD,
	RELAY_FULL,
	RELAY_RESULTS
};

static struct stat_metric relay_results[RELAY_RESULTS] = {
	[RELAY_OK] = RELAYED("ok"),
	[RELAY_TIMEOUT] = RELAYED("timeout"),
	[RELAY_UNREACHED] = RELAYED("unreached"),
	[RELAY_PRIVATE] = RELAYED("private-address"),
	[RELAY_STATUS] = RELAYED("status"),
	[RELAY_BAD] = RELAYED("bad-answer"),
	[RELAY_FULL] = RELAYED("queue-full"),
};
static struct stat_metric relay_sent =
    STAT_COUNTER("waft_component_relay_stanzas_total",
        "Stanzas that the origin's answers had sent", NULL);
static struct stat_metric relay_gauge = STAT_GAUGE("waft_component_relay_bytes",
    "Stanzas that wait for the origin, in bytes", NULL);
static struct stat_times relay_times =
    STAT_TIMES("waft_component_relay_seconds",
        "How long the origin took to answer");

/* A stanza that waits, or is under way. */
struct relay_item {
	TAILQ_ENTRY(relay_item) entry;
	struct relay_user *user;
	char *to;
	char *text; /* in jabber:client, from and to as they came */
	size_t len;
	size_t cost;
	int64_t sent_ms;
};

/* One who has stanzas here; the first of them may be under way. */
struct relay_user {
	UT_hash_handle hh;
	uint64_t key[2]; /* of the bare JID */
	struct relay *relay;
	TAILQ_HEAD(, relay_item) items;
	TAILQ_ENTRY(relay_user) entry; /* in ready, while none is under way */
	size_t cost;
};

struct relay {
	struct worker *worker;
	const struct conf_component *conf;
	void (*send)(void *arg, const char *text, size_t len);
	void *arg;
	struct loop *loop;
	struct agent *agent;
	struct xml_reader *reader;
	struct relay_user *users;
	TAILQ_HEAD(, relay_user) ready;
	size_t cost;
	int requests;
	int64_t said_ms; /* 0: nothing was */
	uint64_t unsaid;
};

static void relay_pump(struct relay *relay);

/* ---- who waits ------------------------------------------------------- */

static struct relay_user *
relay_user(struct relay *relay, const struct jid *from)
{
	struct relay_user *user;
	uint64_t key[2];

	crypto_siphash128(from->full, jid_bare_len(from), key);
	HASH_FIND(hh, relay->users, key, sizeof(key), user);
	if (user != NULL)
		return user;
	user = xcalloc(1, sizeof(*user));
	user->relay = relay;
	memcpy(user->key, key, sizeof(key));
	TAILQ_INIT(&user->items);
	HASH_ADD(hh, relay->users, key, sizeof(user->key), user);
	return user;
}

static void
relay_drop(struct relay_item *item)
{
	struct relay_user *user = item->user;

	TAILQ_REMOVE(&user->items, item, entry);
	user->cost -= item->cost;
	user->relay->cost -= item->cost;
	stat_add(&relay_gauge, -(int64_t)item->cost);
	free(item->to);
	free(item->text);
	free(item);
}

/* The user's request has ended. */
static void
relay_next(struct relay_user *user)
{
	struct relay *relay = user->relay;

	if (!TAILQ_EMPTY(&user->items)) {
		TAILQ_INSERT_TAIL(&relay->ready, user, entry);
		return;
	}
	HASH_DEL(relay->users, user);
	free(user);
}

/* ---- what users are told --------------------------------------------- */

static bool
relay_may_have_error(const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");

	if (strcmp(stanza->name, "iq") == 0)
		return type != NULL &&
		    (strcmp(type, "get") == 0 || strcmp(type, "set") == 0);
	return strcmp(stanza->name, "message") == 0 &&
	    (type == NULL || strcmp(type, "chat") == 0 ||
	        strcmp(type, "normal") == 0 || strcmp(type, "groupchat") == 0);
}

static void
relay_refuse(struct relay *relay, const struct xml *stanza, enum err err,
    const char *text)
{
	struct buf out;

	if (!relay_may_have_error(stanza))
		return;
	buf_init(&out, 0);
	service_error(stanza, xml_attr(stanza, "to"), xml_attr(stanza, "from"),
	    "", err, text, &out);
	relay->send(relay->arg, out.data, out.len);
	buf_clear(&out);
}

static void
relay_say(struct relay *relay, enum relay_result result,
    const struct relay_item *item, const struct fetch_answer *answer,
    const char *why)
{
	int64_t now_ms = loop_now_ms(relay->loop);

	stat_add(&relay_results[result], 1);
	relay->unsaid++;
	if (relay->said_ms != 0 && now_ms - relay->said_ms < RELAY_SAY_MS)
		return;
	relay->said_ms = now_ms;
	log_warn("relay.failed",
	    "domain=%s origin=%s to=%s status=%d failed=%llu why=%s",
	    LOGQ(relay->conf->domain), LOGQ(relay->conf->origin),
	    LOGQ(item->to), answer->status, (unsigned long long)relay->unsaid,
	    LOGQ(why));
	relay->unsaid = 0;
}

/* ---- the origin's answer --------------------------------------------- */

/* What a status other than 200 tells the user. */
static enum err
relay_status(int status)
{
	switch (status) {
	case 403:
		return ERR_DENIED;
	case 404:
	case 410:
		return ERR_NOTFOUND;
	case 429:
	case 503:
		return ERR_BUSY;
	default:
		return ERR_IO;
	}
}

static void
relay_pass(struct relay *relay, const struct xml *stanza,
    const struct answer *answer)
{
	size_t i, from = 0;

	for (i = 0; i < answer->count; i++) {
		relay->send(relay->arg, answer->text.data + from,
		    answer->ends[i] - from);
		from = answer->ends[i];
	}
	stat_add(&relay_sent, (int64_t)answer->count);
	if (!answer->replied && strcmp(stanza->name, "iq") == 0)
		relay_refuse(relay, stanza, ERR_UNAVAILABLE, NULL);
}

static enum relay_result
relay_read(struct relay *relay, const struct xml *stanza,
    const struct fetch_answer *got, const char **why)
{
	const struct conf_control *control =
	    &worker_conf(relay->worker)->control;
	bool asks = relay_may_have_error(stanza);
	const char *type = xml_attr(stanza, "type");
	struct answer_rules rules = {
		.domain = relay->conf->domain,
		.size = relay->conf->origin_answer,
		.stanza_max = control->stanza_max,
		.depth = control->stanza_depth,
		.stanzas = relay->conf->origin_stanzas,
		.errors = type == NULL ||
		    (strcmp(type, "error") != 0 && strcmp(type, "result") != 0),
	};
	struct answer answer;

	if (asks && strcmp(stanza->name, "iq") == 0) {
		rules.iq_id = xml_attr(stanza, "id");
		rules.iq_from = xml_attr(stanza, "from");
	}
	if (answer_read(got->body, got->len, &rules, &answer, why) != ERR_OK) {
		relay_refuse(relay, stanza, ERR_IO, NULL);
		return RELAY_BAD;
	}
	relay_pass(relay, stanza, &answer);
	answer_clear(&answer);
	return RELAY_OK;
}

static enum relay_result
relay_judge(struct relay *relay, const struct xml *stanza,
    const struct fetch_answer *got, const char **why)
{
	*why = got->why;
	switch (got->err) {
	case ERR_OK:
		break;
	case ERR_TIMEOUT:
		relay_refuse(relay, stanza, ERR_TIMEOUT, NULL);
		return RELAY_TIMEOUT;
	case ERR_DENIED:
		relay_refuse(relay, stanza, ERR_IO, NULL);
		return RELAY_PRIVATE;
	case ERR_LARGE:
		relay_refuse(relay, stanza, ERR_IO, NULL);
		return RELAY_BAD;
	default:
		relay_refuse(relay, stanza, ERR_TIMEOUT, NULL);
		return RELAY_UNREACHED;
	}
	if (got->status == 200 || got->status == 204)
		return relay_read(relay, stanza, got, why);
	*why = "its status is not 200";
	relay_refuse(relay, stanza, relay_status(got->status), NULL);
	return RELAY_STATUS;
}

static void
relay_done(const struct fetch_answer *got, void *arg)
{
	struct relay_item *item = arg;
	struct relay_user *user = item->user;
	struct relay *relay = user->relay;
	struct xml_error error;
	enum relay_result result;
	const char *why = NULL;
	struct xml *stanza;

	stat_took(&relay_times, loop_now_ms(relay->loop) - item->sent_ms);
	/* It is our own text: we wrote it from what had been parsed. */
	if (xml_parse(relay->reader, item->text, item->len, false, &stanza,
	        &error) == ERR_OK) {
		result = relay_judge(relay, stanza, got, &why);
		xml_free(stanza);
		if (result == RELAY_OK)
			stat_add(&relay_results[RELAY_OK], 1);
		else
			relay_say(relay, result, item, got, why);
	}
	relay_drop(item);
	relay->requests--;
	relay_next(user);
	relay_pump(relay);
}

/* ---- requests -------------------------------------------------------- */

/* As an origin of GRIP knows it.  Empty when nothing signs. */
static void
relay_sign(struct relay *relay, struct buf *line)
{
	const struct conf *conf = worker_conf(relay->worker);
	const struct conf_token *token = NULL;
	const char *why;

	if (relay->conf->origin_token != NULL)
		token = conf_token(conf, relay->conf->origin_token);
	if (token == NULL)
		return;
	buf_adds(line, "Grip-Sig: ");
	if (auth_mint(token, relay->conf->domain,
	        clock_wall_ms() + RELAY_SIGNED_MS, line, &why) != ERR_OK) {
		log_warn("relay.unsigned", "domain=%s why=\"%s\"",
		    LOGQ(relay->conf->domain), why);
		buf_reset(line);
	}
}

static void
relay_send(struct relay *relay, struct relay_item *item)
{
	const char *origin = relay->conf->origin;
	const char *headers[] = { NULL, NULL };
	struct fetch_request request = {
		.method = "POST",
		.type = "application/xml; charset=utf-8",
		.body = item->text,
		.len = item->len,
		.headers = headers,
		.timeout_ms = (long)relay->conf->origin_timeout_ms,
	};
	size_t len = strlen(origin);
	struct buf url, line;

	buf_init(&url, 0);
	buf_init(&line, 0);
	while (len > 0 && origin[len - 1] == '/')
		len--;
	buf_add(&url, origin, len);
	buf_adds(&url, "/xmpp/");
	text_percent_encode(item->to, strlen(item->to), &url);
	relay_sign(relay, &line);
	if (line.len > 0)
		headers[0] = line.data;
	request.url = url.data;
	item->sent_ms = loop_now_ms(relay->loop);
	agent_send(relay->agent, &request, relay->conf->origin_answer,
	    relay_done, item);
	buf_clear(&url);
	buf_clear(&line);
}

static void
relay_pump(struct relay *relay)
{
	struct relay_user *user;

	while (relay->requests < relay->conf->origin_requests &&
	    (user = TAILQ_FIRST(&relay->ready)) != NULL) {
		TAILQ_REMOVE(&relay->ready, user, entry);
		relay->requests++;
		relay_send(relay, TAILQ_FIRST(&user->items));
	}
}

/* The link's namespace is not for the world: jabber:client is (RFC 6120). */
static void
relay_write(const struct xml *stanza, struct buf *out)
{
	size_t name = strlen(stanza->name) + 1;
	struct buf text;

	buf_init(&text, 0);
	xml_write(stanza, stanza->ns, &text);
	buf_add(out, text.data, name);
	buf_adds(out, " xmlns='jabber:client'");
	buf_add(out, text.data + name, text.len - name);
	buf_clear(&text);
}

static bool
relay_has_room(const struct relay *relay, const struct relay_user *user,
    size_t cost)
{
	size_t max = relay->conf->origin_queue;

	return relay->cost + cost <= max &&
	    (TAILQ_EMPTY(&user->items) ||
	        user->cost + cost <= max / RELAY_USER_PART);
}

enum conf_relay
relay_takes(const struct relay *relay, const struct jid *from,
    const struct jid *to)
{
	enum conf_relay takes = RELAY_NONE;
	const struct conf *conf;
	struct buf channel;
	size_t i;

	if (relay == NULL)
		return RELAY_NONE;
	conf = worker_conf(relay->worker);
	for (i = 0; i < conf->n_components; i++)
		if (jid_domain_is(from, conf->components[i].domain))
			return RELAY_NONE;
	buf_init(&channel, 0);
	if (jid_channel(to, &channel))
		takes = conf_class(conf, channel.data)->relay;
	buf_clear(&channel);
	return takes;
}

void
relay_stanza(struct relay *relay, const struct jid *from, const struct jid *to,
    const struct xml *stanza)
{
	struct relay_user *user = relay_user(relay, from);
	struct relay_item *item;
	struct buf text;
	size_t cost;

	buf_init(&text, 0);
	relay_write(stanza, &text);
	cost = text.len + sizeof(*item) + sizeof(*user);
	if (!relay_has_room(relay, user, cost)) {
		stat_add(&relay_results[RELAY_FULL], 1);
		log_debug("relay.full", "domain=%s from=%s",
		    LOGQ(relay->conf->domain), LOGQ(from->full));
		relay_refuse(relay, stanza, ERR_BUSY, NULL);
		buf_clear(&text);
		if (TAILQ_EMPTY(&user->items))
			relay_next(user);
		return;
	}
	item = xcalloc(1, sizeof(*item));
	item->user = user;
	item->cost = cost;
	item->to = xstrdup(to->full);
	item->text = buf_detach(&text, &item->len);
	if (TAILQ_EMPTY(&user->items))
		TAILQ_INSERT_TAIL(&relay->ready, user, entry);
	TAILQ_INSERT_TAIL(&user->items, item, entry);
	user->cost += cost;
	relay->cost += cost;
	stat_add(&relay_gauge, (int64_t)cost);
	relay_pump(relay);
}

/* ---- life ------------------------------------------------------------ */

struct relay *
relay_create(const struct relay_opts *opts)
{
	static const struct xml_limits limits = { RELAY_STANZA_MAX, 1024, 1024,
		1 << 20 };
	struct agent_opts agent = {
		.loop = worker_loop(opts->worker),
		.networks = &opts->component->origin_networks,
		.ca = opts->component->origin_ca,
		.connections = opts->component->origin_requests,
	};
	struct relay *relay = xcalloc(1, sizeof(*relay));

	relay->worker = opts->worker;
	relay->conf = opts->component;
	relay->send = opts->send;
	relay->arg = opts->arg;
	relay->loop = agent.loop;
	TAILQ_INIT(&relay->ready);
	relay->reader = xml_reader_create(&limits);
	relay->agent = agent_create(&agent);
	if (relay->agent != NULL)
		return relay;
	relay_free(relay);
	return NULL;
}

void
relay_free(struct relay *relay)
{
	struct relay_user *user, *next;
	struct relay_item *item, *after;

	if (relay == NULL)
		return;
	agent_free(relay->agent);
	MAP_FOREACH(user, next, relay->users) {
		TAILQ_FOREACH_SAFE(item, &user->items, entry, after)
			relay_drop(item);
		HASH_DEL(relay->users, user);
		free(user);
	}
	xml_reader_free(relay->reader);
	free(relay);
}
