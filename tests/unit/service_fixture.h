/*
 * A service over the memory store, and a peer that asks and is subscribed; for
 * the tests of the service.
 */
#ifndef WAFT_SERVICE_FIXTURE_H
#define WAFT_SERVICE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "common/base/conf.h"
#include "common/base/json.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/xmpp/service.h"
#include "tests/unit/unit.h"

#define DOMAIN      "push.example.org"
#define ASKER       "user@example.com/home"
#define INFO        "http://jabber.org/protocol/disco#info"
#define ITEMS       "http://jabber.org/protocol/disco#items"
#define PUBSUB      "http://jabber.org/protocol/pubsub"
#define SUBS_MAX    64
#define HEAD(type)  "<iq type='" type "' id='i' from='" DOMAIN "' to='" ASKER "'"
#define RESULT(xml) HEAD("result") ">" xml "</iq>"
#define ERROR_OF(type, condition, more)                                    \
	HEAD("error")                                                      \
	"><error type='" type "'><" condition                              \
	" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" more "</error></" \
	"iq>"
#define DETAIL(name) "<" name " xmlns='" PUBSUB "#errors'/>"
#define UNSUPPORTED(feature)                          \
	ERROR_OF("cancel", "feature-not-implemented", \
	    "<unsupported xmlns='" PUBSUB "#errors' feature='" feature "'/>")

/* The asker's side: what the component or a BOSH session is. */
struct peer {
	int refs;
	int answers;
	struct buf sent;
	enum err fail; /* what the next subscription ends with */
	bool closed;   /* may not subscribe */
	bool publisher;
	bool creator;
	bool operates;
	bool passing;    /* its JID is not its own tomorrow */
	struct buf told; /* for others */
	int named;       /* ids made; -1: makes none */
	bool known;      /* who arrives has arrived before */
	bool full;       /* nobody joins */
	int arrived;     /* priority of the last one */
	size_t joined;
	size_t left;
	bool shown;
	size_t n;
	char *subs[SUBS_MAX][2]; /* address, channel */
	unsigned ways[SUBS_MAX];
};

static struct conf *conf;
static struct loop *loop;
static struct store *store;
static struct service *service;
static struct xml_reader *reader;
static struct peer peer;
static const char *asker = ASKER;

static inline void
peer_ref(void *arg)
{
	((struct peer *)arg)->refs++;
}

static inline void
peer_unref(void *arg)
{
	((struct peer *)arg)->refs--;
}

static inline void
peer_send(void *arg, const char *text, size_t len)
{
	struct peer *p = arg;

	p->answers++;
	buf_add(&p->sent, text, len);
}

static inline size_t
peer_find(const struct peer *p, const char *address, const char *channel)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->subs[i][0], address) == 0 &&
		    strcmp(p->subs[i][1], channel) == 0)
			break;
	return i;
}

static inline void
peer_subscribe(void *arg, const struct jid *jid, const char *channel,
    unsigned ways, service_sub_fn *done, void *done_arg)
{
	struct peer *p = arg;
	size_t i = peer_find(p, jid->full, channel);
	struct subscription sub = { .address = jid->full, .channel = channel };
	bool existed = i < p->n;

	if (p->fail != ERR_OK) {
		done(p->fail, NULL, false, done_arg);
		return;
	}
	if (!existed) {
		assert_true(p->n < SUBS_MAX);
		p->subs[p->n][0] = xstrdup(jid->full);
		p->subs[p->n][1] = xstrdup(channel);
		p->ways[p->n++] = 0;
	}
	if ((ways & SUB_WAYS_EXACT) != 0)
		p->ways[i] = 0;
	p->ways[i] |= ways & ~SUB_WAYS_EXACT;
	sub.ways = p->ways[i];
	done(ERR_OK, &sub, existed, done_arg);
}

static inline void
peer_remove(struct peer *p, size_t i)
{
	free(p->subs[i][0]);
	free(p->subs[i][1]);
	p->n--;
	memmove(p->subs[i], p->subs[i + 1], (p->n - i) * sizeof p->subs[0]);
	memmove(&p->ways[i], &p->ways[i + 1], (p->n - i) * sizeof p->ways[0]);
}

static inline void
peer_unsubscribe(void *arg, const struct jid *jid, const char *channel,
    service_sub_fn *done, void *done_arg)
{
	struct peer *p = arg;
	size_t i = peer_find(p, jid->full, channel);
	struct subscription sub = { .address = jid->full, .channel = channel };

	if (i == p->n) {
		done(ERR_NOTFOUND, NULL, false, done_arg);
		return;
	}
	sub.ways = p->ways[i];
	peer_remove(p, i);
	done(ERR_OK, &sub, true, done_arg);
}

static inline void
peer_subscriptions(void *arg, const struct jid *jid, const char *channel,
    service_list_fn *done, void *done_arg)
{
	struct peer *p = arg;
	struct subscription subs[SUBS_MAX] = { 0 };
	size_t i, n = 0;

	assert_int_equal(jid->resource_len, 0);
	for (i = 0; i < p->n; i++) {
		if (channel != NULL && strcmp(p->subs[i][1], channel) != 0)
			continue;
		subs[n].address = p->subs[i][0];
		subs[n].ways = p->ways[i];
		subs[n++].channel = p->subs[i][1];
	}
	done(ERR_OK, subs, n, done_arg);
}

static inline bool
peer_arrive(void *arg, const struct jid *jid UNUSED, const char *channel UNUSED,
    int priority)
{
	struct peer *p = arg;

	p->arrived = priority;
	return !p->known;
}

static inline enum err
peer_join(void *arg, const struct jid *jid UNUSED, const char *channel UNUSED)
{
	struct peer *p = arg;

	if (p->full)
		return ERR_LIMIT;
	p->joined++;
	return ERR_OK;
}

static inline void
peer_leave(void *arg, const struct jid *jid UNUSED, const char *channel UNUSED)
{
	((struct peer *)arg)->left++;
}

static inline void
peer_show(void *arg, const struct jid *jid, const char *channel UNUSED,
    bool shown)
{
	assert_int_equal(jid->resource_len, 0);
	((struct peer *)arg)->shown = shown;
}

static inline bool
peer_may_subscribe(void *arg, const struct jid *jid UNUSED, const char *channel)
{
	return !((struct peer *)arg)->closed && strncmp(channel, "hidden", 6);
}

static inline bool
peer_may_publish(void *arg, const struct jid *jid UNUSED,
    const char *channel UNUSED)
{
	return ((struct peer *)arg)->publisher;
}

static inline bool
peer_may_create(void *arg, const struct jid *jid UNUSED,
    const char *channel UNUSED)
{
	return ((struct peer *)arg)->creator;
}

static inline bool
peer_is_lasting(void *arg)
{
	return !((struct peer *)arg)->passing;
}

static inline void
peer_tell(void *arg, const char *to UNUSED, const char *text, size_t len)
{
	buf_add(&((struct peer *)arg)->told, text, len);
}

static inline void
peer_item_id(void *arg, struct buf *id)
{
	struct peer *p = arg;

	if (p->named >= 0)
		buf_addf(id, "made-%d", p->named);
}

static inline bool
peer_is_operator(void *arg, const struct jid *jid UNUSED)
{
	return ((struct peer *)arg)->operates;
}

/* Refuses what begins as a stanza of type error. */
static inline struct entry *
peer_item(void *arg UNUSED, const char *channel, void *formats, struct buf *why)
{
	const json_t *stanza = json_object_get(formats, "xmpp-stanza");
	const char *content = json_str(stanza, "content", NULL);
	struct entry *entry;
	struct buf data;

	if (content != NULL &&
	    strncmp(content, "<message type='error'", 21) == 0) {
		buf_adds(why, "a stanza of type error");
		return NULL;
	}
	buf_init(&data, 0);
	if (content != NULL)
		entry_pack(&data, "xmpp-stanza", content, strlen(content));
	else
		entry_pack(&data, "json-object", "1", 1);
	entry =
	    entry_create(ENTRY_ITEM, channel, NULL, NULL, data.data, data.len);
	buf_clear(&data);
	return entry;
}

static inline void
peer_status(void *arg UNUSED, service_status_fn *tell, void *tell_arg)
{
	tell("up", "Up", "yes", tell_arg);
	tell("sent", "Sent", "7", tell_arg);
}

static const struct service_ops peer_ops = {
	.is_operator = peer_is_operator,
	.item = peer_item,
	.status = peer_status,
	.ref = peer_ref,
	.unref = peer_unref,
	.send = peer_send,
	.subscribe = peer_subscribe,
	.unsubscribe = peer_unsubscribe,
	.arrive = peer_arrive,
	.join = peer_join,
	.leave = peer_leave,
	.show = peer_show,
	.subscriptions = peer_subscriptions,
	.may_subscribe = peer_may_subscribe,
	.may_publish = peer_may_publish,
	.may_create = peer_may_create,
	.is_lasting = peer_is_lasting,
	.tell = peer_tell,
	.item_id = peer_item_id,
};

static inline void
open_service(const char *stanza_ns)
{
	const struct service_opts opts = { conf, store, loop, DOMAIN, stanza_ns,
		&peer_ops };

	service = service_create(&opts);
}

static inline int
set_up(void **state UNUSED)
{
	static const struct xml_limits limits = { 1 << 20, 64, 64, 4096 };
	struct buf why;
	int status;

	buf_init(&why, 0);
	conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(conf);
	free(conf->store.engine);
	conf->store.engine = xstrdup("memory");
	store = store_open(conf, "test", &why, &status);
	assert_non_null(store);
	buf_clear(&why);
	loop = loop_create();
	reader = xml_reader_create(&limits);
	memset(&peer, 0, sizeof peer);
	asker = ASKER;
	open_service("");
	return 0;
}

static inline int
tear_down(void **state UNUSED)
{
	service_free(service);
	store_free(store);
	loop_free(loop);
	assert_int_equal(peer.refs, 0);
	while (peer.n > 0)
		peer_remove(&peer, 0);
	buf_clear(&peer.sent);
	buf_clear(&peer.told);
	xml_reader_free(reader);
	conf_free(conf);
	return 0;
}

static inline struct jid
jid_of(const char *text)
{
	const char *why;
	struct jid jid;

	assert_int_equal(jid_parse(text, strlen(text), &jid, &why), ERR_OK);
	return jid;
}

/* Hands the service a stanza; false when it is not for it. */
static inline bool
give(const char *to, const char *text)
{
	struct jid from = jid_of(asker), self = jid_of(to);
	struct xml_error error;
	struct xml *stanza;
	bool taken;

	if (xml_parse(reader, text, strlen(text), false, &stanza, &error) !=
	    ERR_OK)
		fail_msg("%s: %s", text, error.why);
	peer.answers = 0;
	buf_reset(&peer.sent);
	buf_reset(&peer.told);
	taken = service_stanza(service, &peer, &from, &self, stanza);
	xml_free(stanza);
	return taken;
}

/* The same, and waits for the answer; returns it. */
static inline const char *
ask(const char *to, const char *text)
{
	assert_true(give(to, text));
	while (peer.refs > 0)
		loop_turn(loop, true);
	return peer.sent.data;
}

/* An iq to `to` with body inside. */
static inline const char *
ask_iq(const char *to, const char *type, const char *body)
{
	const char *answer;
	struct buf text;

	buf_init(&text, 0);
	buf_addf(&text, "<iq type='%s' id='i'>%s</iq>", type, body);
	answer = ask(to, text.data);
	assert_int_equal(peer.answers, 1);
	buf_clear(&text);
	return answer;
}

#define GET(body)    ask_iq(DOMAIN, "get", body)
#define SET(body)    ask_iq(DOMAIN, "set", body)
#define VERB(xml)    "<pubsub xmlns='" PUBSUB "'>" xml "</pubsub>"
#define OWNER(xml)   "<pubsub xmlns='" PUBSUB "#owner'>" xml "</pubsub>"
#define FORM(fields) "<x xmlns='jabber:x:data' type='submit'>" fields "</x>"
#define FIELD(name, value) \
	"<field var='pubsub#" name "'><value>" value "</value></field>"
#define CONFIGURE(name, value) \
	OWNER("<configure node='own'>" FORM(FIELD(name, value)) "</configure>")

static inline void
appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg)
{
	assert_int_equal(err, ERR_OK);
	*(bool *)arg = true;
}

static inline void
append(enum entry_kind kind, const char *channel, const char *id,
    const struct buf *data)
{
	struct entry *entry;
	bool done = false;

	entry = entry_create(kind, channel, id, NULL,
	    data == NULL ? NULL : data->data, data == NULL ? 0 : data->len);
	store_append(store, loop, &entry, 1, appended_cb, &done);
	while (!done)
		loop_turn(loop, true);
}

static inline void
publish(const char *channel, const char *id, const char *format,
    const char *text)
{
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, format, text, strlen(text));
	append(ENTRY_ITEM, channel, id, &data);
	buf_clear(&data);
}

static inline size_t
count_of(const char *text, const char *word)
{
	size_t n = 0;

	while ((text = strstr(text, word)) != NULL) {
		text += strlen(word);
		n++;
	}
	return n;
}

#define RULE(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)

#endif
