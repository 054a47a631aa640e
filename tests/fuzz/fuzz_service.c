/*
 * Stanzas of users, one a line, by two askers in turn, to the channels' service
 * over an empty store.  Each iq that is a request gets one answer; what is said
 * to anybody is well-formed; nothing is left behind.  `@SID` is the session of
 * the command before.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/conf.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/channel/item.h"
#include "common/xmpp/service.h"

#define SERVICE_LINES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	int refs;
	int answers;
	bool owner; /* the asker of now may make nodes */
	struct buf said;
};

static struct conf *conf;
static struct xml_reader *reader, *judge;
static struct peer peer;
static char session[64]; /* of the command that was answered last */

static void
peer_ref(void *arg)
{
	((struct peer *)arg)->refs++;
}

static void
peer_unref(void *arg)
{
	((struct peer *)arg)->refs--;
}

static void
peer_send(void *arg, const char *text, size_t len)
{
	struct peer *p = arg;

	p->answers++;
	buf_add(&p->said, text, len);
}

static void
peer_tell(void *arg, const char *to UNUSED, const char *text, size_t len)
{
	buf_add(&((struct peer *)arg)->said, text, len);
}

static void
peer_subscribe(void *arg UNUSED, const struct jid *jid, const char *channel,
    unsigned ways, service_sub_fn *done, void *done_arg)
{
	const struct subscription sub = { .address = jid->full,
		.channel = channel,
		.ways = ways };

	done(ERR_OK, &sub, false, done_arg);
}

static void
peer_unsubscribe(void *arg UNUSED, const struct jid *jid UNUSED,
    const char *channel UNUSED, service_sub_fn *done, void *done_arg)
{
	done(ERR_NOTFOUND, NULL, false, done_arg);
}

static void
peer_subscriptions(void *arg, const struct jid *jid, const char *channel,
    service_list_fn *done, void *done_arg)
{
	const struct subscription sub = { .address = jid->full,
		.channel = channel == NULL ? "n" : channel };

	done(ERR_OK, &sub, ((struct peer *)arg)->owner ? 1 : 0, done_arg);
}

static bool
peer_arrive(void *arg UNUSED, const struct jid *jid UNUSED,
    const char *channel UNUSED, int priority)
{
	if (priority < -128 || priority > 127)
		abort();
	return true;
}

static enum err
peer_join(void *arg UNUSED, const struct jid *jid UNUSED, const char *channel)
{
	return channel[0] == 'y' ? ERR_LIMIT : ERR_OK;
}

static void
peer_leave(void *arg UNUSED, const struct jid *jid UNUSED,
    const char *channel UNUSED)
{
}

static void
peer_show(void *arg UNUSED, const struct jid *jid UNUSED,
    const char *channel UNUSED, bool shown UNUSED)
{
}

static bool
peer_may(void *arg UNUSED, const struct jid *jid UNUSED, const char *channel)
{
	return channel[0] != 'x';
}

static bool
peer_may_create(void *arg, const struct jid *jid UNUSED,
    const char *channel UNUSED)
{
	return ((struct peer *)arg)->owner;
}

static bool
peer_is_lasting(void *arg UNUSED)
{
	return true;
}

static void
peer_item_id(void *arg UNUSED, struct buf *id UNUSED)
{
}

static bool
peer_is_operator(void *arg, const struct jid *jid UNUSED)
{
	return ((struct peer *)arg)->owner;
}

static struct entry *
peer_item(void *arg UNUSED, const char *channel, void *formats, struct buf *why)
{
	struct item_source source = { conf, judge, channel, "" };
	struct item_error error;
	struct entry *entry = NULL;
	json_t *item = json_pack("{s:O}", "formats", formats);

	if (item_parse(&source, item, &entry, &error) != ERR_OK)
		buf_adds(why, error.why);
	json_decref(item);
	return entry;
}

static void
peer_status(void *arg UNUSED, service_status_fn *tell, void *tell_arg)
{
	tell("name", "label", "value", tell_arg);
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
	.may_subscribe = peer_may,
	.may_publish = peer_may,
	.may_create = peer_may_create,
	.is_lasting = peer_is_lasting,
	.tell = peer_tell,
	.item_id = peer_item_id,
};

static void
service_init(void)
{
	static const struct xml_limits limits = { 64 * 1024, 32, 64, 1000 };
	static const struct xml_limits wide = { 1 << 24, 128, 128, 100000 };
	struct buf why;

	buf_init(&why, 0);
	conf = conf_load("/dev/null", NULL, 0, &why);
	free(conf->store.engine);
	conf->store.engine = xstrdup("memory");
	reader = xml_reader_create(&limits);
	judge = xml_reader_create(&wide);
	buf_init(&peer.said, 0);
}

static void
service_judge(void)
{
	struct xml_error error;
	struct xml *root;
	struct buf whole;

	buf_init(&whole, 0);
	buf_adds(&whole, "<all>");
	buf_add(&whole, peer.said.data, peer.said.len);
	buf_adds(&whole, "</all>");
	if (xml_parse(judge, whole.data, whole.len, false, &root, &error) !=
	    ERR_OK)
		abort();
	xml_free(root);
	buf_clear(&whole);
}

static bool
service_wants_one(const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");

	return strcmp(stanza->name, "iq") == 0 && type != NULL &&
	    (strcmp(type, "get") == 0 || strcmp(type, "set") == 0);
}

/* The session of a command, which nobody can guess: `@SID` in what comes next
 * stands for it. */
static void
service_keep_session(void)
{
	const char *id =
	    peer.said.len == 0 ? NULL : strstr(peer.said.data, " sessionid='");

	if (id != NULL)
		snprintf(session, sizeof session, "%.*s",
		    (int)strcspn(id + 12, "'"), id + 12);
}

static void
service_put_session(const char *text, size_t len, struct buf *line)
{
	const char *at = memmem(text, len, "@SID", 4);
	size_t before = at == NULL ? len : (size_t)(at - text);

	buf_add(line, text, before);
	if (at == NULL)
		return;
	buf_adds(line, session);
	buf_add(line, at + 4, len - before - 4);
}

static void
service_line(struct service *service, struct loop *loop, const char *text,
    size_t len)
{
	static const char *const askers[] = { "own@a.example/r",
		"other@b.example/r" };
	const char *to = "push.example.org", *why, *given;
	struct xml_error error;
	struct xml *stanza;
	struct jid from, self;

	if (xml_parse(reader, text, len, false, &stanza, &error) != ERR_OK)
		return;
	given = xml_attr(stanza, "to");
	if (given == NULL ||
	    jid_parse(given, strlen(given), &self, &why) != ERR_OK ||
	    !jid_domain_is(&self, to))
		jid_parse(to, strlen(to), &self, &why);
	jid_parse(askers[!peer.owner], strlen(askers[!peer.owner]), &from,
	    &why);
	peer.answers = 0;
	buf_reset(&peer.said);
	if (!service_stanza(service, &peer, &from, &self, stanza) &&
	    service_wants_one(stanza))
		abort();
	while (peer.refs > 0)
		loop_turn(loop, true);
	if (service_wants_one(stanza) && peer.answers != 1)
		abort();
	service_judge();
	service_keep_session();
	xml_free(stanza);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *stop;
	struct service_opts opts = { .domain = "push.example.org",
		.stanza_ns = "",
		.ops = &peer_ops };
	struct service *service;
	struct store *store;
	struct loop *loop;
	struct buf why, line;
	int status, i;

	if (conf == NULL)
		service_init();
	buf_init(&why, 0);
	store = store_open(conf, "fuzz", &why, &status);
	loop = loop_create();
	opts.conf = conf;
	opts.store = store;
	opts.loop = loop;
	service = service_create(&opts);
	for (i = 0; i < SERVICE_LINES && at < end; i++) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			stop = end;
		peer.owner = i % 3 != 2;
		buf_init(&line, 0);
		service_put_session(at, (size_t)(stop - at), &line);
		if (line.len > 0)
			service_line(service, loop, line.data, line.len);
		buf_clear(&line);
		at = stop + 1;
	}
	service_free(service);
	store_free(store);
	loop_free(loop);
	buf_clear(&why);
	return 0;
}
