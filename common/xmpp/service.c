#include "config.h"

#include "common/xmpp/service.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/xmpp/adhoc.h"
#include "common/xmpp/ask.h"
#include "common/xmpp/subscribers.h"
#include "common/xmpp/talk.h"

/* Stored stanzas were held to the limits of their publish. */
static const struct xml_limits service_limits = { 1 << 24, 1024, 1024,
	1 << 20 };

static const struct ask_error service_unavailable = { .type = "cancel",
	.condition = "service-unavailable" };

struct service_word {
	const char *ns;
	const char *name;
	const char *type; /* NULL: get and set */
	void (*answer)(struct ask *ask, const struct xml *element);
};

static void
service_ping(struct ask *ask, const struct xml *element UNUSED)
{
	ask_result(ask, NULL);
}

static void
service_version(struct ask *ask, const struct xml *element UNUSED)
{
	struct buf body;

	buf_init(&body, 0);
	buf_adds(&body,
	    "<query xmlns='" ASK_VERSION "'><name>waft</name>"
	    "<version>" PACKAGE_VERSION "</version></query>");
	ask_result(ask, &body);
	buf_clear(&body);
}

static const struct service_word service_words[] = {
	{ ASK_DISCO_INFO, "query", "get", disco_info },
	{ ASK_DISCO_ITEMS, "query", "get", disco_items },
	{ ASK_PING, "ping", "get", service_ping },
	{ ASK_VERSION, "query", "get", service_version },
	{ ASK_LAST, "query", "get", activity_request },
	{ ASK_VCARD, "vCard", "get", vcard_request },
	{ ASK_REGISTER, "query", NULL, register_request },
	{ ASK_COMMANDS, "command", "set", adhoc_request },
	{ ASK_PUBSUB, "pubsub", NULL, pubsub_request },
	{ ASK_PUBSUB_OWNER, "pubsub", NULL, pubsub_owner },
};

static void
service_iq(struct ask *ask, const struct jid *to, const char *type,
    const struct xml *stanza)
{
	const struct service_ops *ops = ask->service->ops;
	const struct xml *element = xml_first(stanza);
	const struct service_word *word;
	size_t i;

	ask->type = type;

	/* RFC 6120 §8.2.3: one child, one id. */
	if (element == NULL || xml_next(element) != NULL || ask->id == NULL) {
		ask_fail(ask, ERR_BAD);
		return;
	}
	for (i = 0; i < ARRAY_LEN(service_words); i++) {
		word = &service_words[i];
		if (!xml_is(element, word->ns, word->name))
			continue;
		if (word->type != NULL && strcmp(word->type, type) != 0)
			ask_fail(ask, ERR_BAD);
		else
			word->answer(ask, element);
		return;
	}
	if (ops->take != NULL && ops->take(ask->peer, &ask->from, to, stanza))
		ask_done(ask);
	else
		ask_error(ask, &service_unavailable);
}

bool
service_stanza(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const struct xml *stanza)
{
	const char *type = xml_attr(stanza, "type");
	struct jid self;

	if (strcmp(stanza->name, "iq") == 0) {
		if (type == NULL ||
		    (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
			return false;
		service_iq(ask_create(service, peer, from, to,
		               xml_attr(stanza, "id")),
		    to, type, stanza);
		return true;
	}
	if (strcmp(stanza->name, "message") == 0)
		return (type == NULL || strcmp(type, "error") != 0) &&
		    (authorize_answer(service, peer, from, to, stanza) ||
		        talk_message(service, peer, from, to, stanza));
	if (strcmp(stanza->name, "presence") != 0 ||
	    (type != NULL && strcmp(type, "error") == 0))
		return false;
	self = *to;
	jid_to_bare(&self);
	presence_request(ask_create(service, peer, from, &self, NULL), stanza);
	return true;
}

void
service_reload(struct service *service, const struct conf *conf)
{
	service->conf = conf;
}

struct service *
service_create(const struct service_opts *opts)
{
	struct service *service = xcalloc(1, sizeof *service);

	service->refs = 1;
	service->conf = opts->conf;
	service->store = opts->store;
	service->loop = opts->loop;
	service->domain = xstrdup(opts->domain);
	service->stanza_ns = xstrdup(opts->stanza_ns);
	service->ops = opts->ops;
	service->reader = xml_reader_create(&service_limits);
	service->start_ms = clock_mono_ms();
	service->caps = disco_caps();
	return service;
}
