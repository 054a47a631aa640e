/*
 * One request of a user while it is being answered: who asked what of whom.
 * For the files of common/xmpp alone.  It holds the service and the peer, so
 * that an answer may come turns later; whoever finishes it (ask_result(),
 * ask_error(), ask_fail(), ask_done()) takes it, and each is finished once.
 */
#ifndef WAFT_XMPP_ASK_H
#define WAFT_XMPP_ASK_H

#include <stdbool.h>

#include "common/xmpp/node.h"
#include "common/xmpp/service.h"

#define ASK_DISCO_INFO    "http://jabber.org/protocol/disco#info"
#define ASK_DISCO_ITEMS   "http://jabber.org/protocol/disco#items"
#define ASK_PING          "urn:xmpp:ping"
#define ASK_VERSION       "jabber:iq:version"
#define ASK_LAST          "jabber:iq:last"
#define ASK_REGISTER      "jabber:iq:register"
#define ASK_VCARD         "vcard-temp"
#define ASK_CAPS          "http://jabber.org/protocol/caps"
#define ASK_PUBSUB        "http://jabber.org/protocol/pubsub"
#define ASK_PUBSUB_OWNER  "http://jabber.org/protocol/pubsub#owner"
#define ASK_PUBSUB_ERRORS "http://jabber.org/protocol/pubsub#errors"
#define ASK_RSM           "http://jabber.org/protocol/rsm"

struct service {
	int refs;
	bool closed; /* what is outstanding is no longer answered */
	const struct conf *conf;
	struct store *store;
	struct loop *loop;
	char *domain;
	char *stanza_ns;
	const struct service_ops *ops;
	struct xml_reader *reader; /* for stored stanzas */
	int64_t start_ms;
	char *caps;         /* what our presence says of us, XEP-0115 */
	struct pace *texts; /* of talk.c; NULL until the first */
	struct adhoc_sessions *sessions; /* of adhoc.c; NULL until the first */
};

struct scan;
struct page;
struct pace;
struct adhoc_sessions;
struct ask_error;

struct ask {
	struct service *service;
	void *peer;
	struct jid from;
	char *self;       /* our address that was asked */
	char *id;         /* of the iq; NULL for presence */
	const char *type; /* of the iq; while it is borrowed.  NULL: none */
	char *channel;    /* NULL: the service itself; "": one that cannot be */
	bool known;       /* the channel is stored; once it was looked up */
	struct node *node; /* of the channel, or NULL */
	struct jid jid;    /* who is to be subscribed */
	bool by_presence;  /* that is how he asks to be */
	bool by_node;      /* a node named the channel: the answer does too */
	bool wants_node;   /* what he publishes is for a node of his making */
	const struct ask_error *refusal; /* of what comes next, or NULL */
	void (*looked)(struct ask *ask);
	void (*found)(struct ask *ask);
	void (*allowed)(struct ask *ask);
	service_sub_fn *subscribed;
	struct scan *scan;
	struct page *page;
	void *work; /* the verb's own */
	void (*work_free)(void *work);
};

struct ask *ask_create(struct service *service, void *peer,
    const struct jid *from, const struct jid *to, const char *id);
void ask_done(struct ask *ask);

/* Lets the node attribute of a request name the channel; NULL leaves it.  False
 * when it cannot be one, or not the one addressed. */
bool ask_node(struct ask *ask, const char *node);
/* Looks the channel up: sets known and node. */
void ask_look(struct ask *ask, void (*looked)(struct ask *ask));
/* Calls found if a channel that was looked up is stored or subscribed to; else
 * the asker gets item-not-found. */
void ask_exists(struct ask *ask, void (*found)(struct ask *ask));
/* Both. */
void ask_find(struct ask *ask, void (*found)(struct ask *ask));
/* Subscribes jid (the asker's own) to the channel, if the asker may and has not
 * too many: done gets ERR_DENIED (and ask->refusal says why), ERR_LIMIT or what
 * the peer says, and the ask as its arg.  The subscription may be pending. */
void ask_subscribe(struct ask *ask, const struct jid *jid,
    service_sub_fn *done);
/* Ends one.  It takes the same steps, so that of two asks in one breath the
 * first takes effect first (RFC 6120 §10.1). */
void ask_unsubscribe(struct ask *ask, const struct jid *jid,
    service_sub_fn *done);
/* True, and the ask is gone, when its service is. */
bool ask_is_late(struct ask *ask);

/* An iq result; body may be NULL. */
void ask_result(struct ask *ask, const struct buf *body);
/* The same, but does not take the ask: more is to come. */
void ask_reply(const struct ask *ask, const struct buf *body);
/* A chat message to the asker from the address that was asked.  Does not take
 * it. */
void ask_say(const struct ask *ask, const char *text);
/* A message from the service to a JID; inner is what stands in it.  Does not
 * take the ask. */
void ask_tell(const struct ask *ask, const char *to, const struct buf *inner);

struct ask_error {
	const char *type;
	const char *condition;
	const char *detail;  /* in pubsub#errors; NULL */
	const char *feature; /* of detail `unsupported`; NULL */
};
void ask_error(struct ask *ask, const struct ask_error *error);
/* The same with the detail in another namespace, behind what of the request is
 * repeated. */
void ask_error_in(struct ask *ask, const struct ask_error *error,
    const char *ns, const struct buf *request);
void ask_fail(struct ask *ask, enum err err);

/* A line of the log: what the asker, its owner, did to the channel's node. */
void ask_note(const struct ask *ask, const char *what);
/* From us to the asker's bare JID, of a type.  Does not take it. */
void ask_presence(const struct ask *ask, const char *type);
/* What is wrong with the presence that the asker sent.  Does not take it. */
void ask_presence_error(const struct ask *ask, const struct ask_error *error);
/* Presence of the channel, which was looked up, to anybody; type NULL: it is
 * available and says what it is. */
void ask_presence_to(const struct ask *ask, const char *to, const char *type);
/* The same to the asker from the address he asked: to his full JID, or to all
 * of his clients. */
void ask_available(const struct ask *ask, bool to_full);
/* `unsubscribed`: the refusal of a presence subscription. */
void ask_deny(struct ask *ask);

/* feature-not-implemented; feature NULL: one that the XEP has no name for. */
void pubsub_unsupported(struct ask *ask, const char *feature);
/* Lets the verb's node name the channel.  False, and the ask is gone, when
 * there is none. */
bool pubsub_node(struct ask *ask, const struct xml *verb);

/* The words: each takes the ask; element is the iq's child. */
void disco_info(struct ask *ask, const struct xml *element);
void disco_items(struct ask *ask, const struct xml *element);
void activity_request(struct ask *ask, const struct xml *element);
void vcard_request(struct ask *ask, const struct xml *element);
void register_request(struct ask *ask, const struct xml *query);
void pubsub_request(struct ask *ask, const struct xml *element);
void pubsub_owner(struct ask *ask, const struct xml *element);
void pubsub_items(struct ask *ask, const struct xml *items);
void pubsub_publish(struct ask *ask, const struct xml *publish);
void pubsub_retract(struct ask *ask, const struct xml *retract);
void owner_purge(struct ask *ask, const struct xml *purge);
void owner_delete(struct ask *ask, const struct xml *verb);
void configure_create(struct ask *ask, const struct xml *create);
void configure_request(struct ask *ask, const struct xml *configure);
void configure_default(struct ask *ask, const struct xml *verb);
void own_subscriptions(struct ask *ask, const struct xml *verb);
void affiliations_own(struct ask *ask, const struct xml *verb);
void affiliations_request(struct ask *ask, const struct xml *verb);
void subscribers_request(struct ask *ask, const struct xml *verb);
/* Sends the asker, who was just subscribed, the last item where the node says
 * so, and ends the ask. */
void pubsub_last_item(struct ask *ask);
/* One <item/> as it stands in an answer. */
void items_write(const struct ask *ask, const struct entry *entry,
    struct buf *out);
/* The <c/> of our presence; the caller's. */
char *disco_caps(void);
void presence_request(struct ask *ask, const struct xml *stanza);

#endif
