/*
 * One request of a user while it is being answered: who asked what of whom.
 * For the files of common/xmpp alone.  It holds the service and the peer, so
 * that an answer may come turns later; whoever finishes it (ask_result(),
 * ask_error(), ask_fail(), ask_done()) takes it, and each is finished once.
 */
#ifndef WAFT_XMPP_ASK_H
#define WAFT_XMPP_ASK_H

#include <stdbool.h>

#include "common/xmpp/service.h"

#define ASK_DISCO_INFO    "http://jabber.org/protocol/disco#info"
#define ASK_DISCO_ITEMS   "http://jabber.org/protocol/disco#items"
#define ASK_PING          "urn:xmpp:ping"
#define ASK_VERSION       "jabber:iq:version"
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
};

struct ask {
	struct service *service;
	void *peer;
	struct jid from;
	char *self;       /* our address that was asked */
	char *id;         /* of the iq; NULL for presence */
	const char *type; /* of the iq; while it is borrowed */
	char *channel;    /* NULL: the service itself; "": one that cannot be */
	struct jid jid;   /* who is to be subscribed */
	void (*found)(struct ask *ask);
	service_sub_fn *subscribed;
	void *work; /* the verb's own */
	void (*work_free)(void *work);
};

struct ask *ask_create(struct service *service, void *peer,
    const struct jid *from, const struct jid *to, const char *id);
void ask_done(struct ask *ask);

/* Lets the node attribute of a request name the channel; NULL leaves it.  False
 * when it cannot be one, or not the one addressed. */
bool ask_node(struct ask *ask, const char *node);
/* Calls found once the channel is known to be stored or subscribed to; else the
 * asker gets item-not-found. */
void ask_find(struct ask *ask, void (*found)(struct ask *ask));
/* Subscribes jid (the asker's own) to the channel, if the asker may and has not
 * too many: done gets ERR_DENIED, ERR_LIMIT or what the peer says, and the ask
 * as its arg. */
void ask_subscribe(struct ask *ask, const struct jid *jid,
    service_sub_fn *done);
/* True, and the ask is gone, when its service is. */
bool ask_is_late(struct ask *ask);

/* An iq result; body may be NULL. */
void ask_result(struct ask *ask, const struct buf *body);

struct ask_error {
	const char *type;
	const char *condition;
	const char *detail;  /* in pubsub#errors; NULL */
	const char *feature; /* of detail `unsupported`; NULL */
};
void ask_error(struct ask *ask, const struct ask_error *error);
void ask_fail(struct ask *ask, enum err err);

/* From us to the asker's bare JID; type NULL: available.  Does not take it. */
void ask_presence(const struct ask *ask, const char *type);
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
void pubsub_request(struct ask *ask, const struct xml *element);
void pubsub_owner(struct ask *ask, const struct xml *element);
void pubsub_items(struct ask *ask, const struct xml *items);
void pubsub_publish(struct ask *ask, const struct xml *publish);
void presence_request(struct ask *ask, const char *type);

#endif
