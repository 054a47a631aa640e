/*
 * The channels as an XMPP service: words in, words out.  One stanza that a user
 * addressed to us is answered here (disco, ping, version, XEP-0060, presence
 * subscriptions), the same for the component and for the BOSH gateway; how a
 * subscription is kept and how an answer travels is theirs (service_ops).
 *
 * Every iq get or set gets exactly one answer (RFC 6120 §8.2.3); an error is
 * never answered with an error.
 */
#ifndef WAFT_XMPP_SERVICE_H
#define WAFT_XMPP_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/conf.h"
#include "common/base/xml.h"
#include "common/store/store.h"
#include "common/xmpp/jid.h"

struct service;
struct entry;

/* One asker: the component's link, or a BOSH session.  The service holds a
 * reference while an answer is outstanding. */
typedef void service_sub_fn(enum err err, const struct subscription *sub,
    bool existed, void *arg);
typedef void service_list_fn(enum err err, const struct subscription *subs,
    size_t count, void *arg);

/* Name: of the field; label: in words. */
typedef void service_status_fn(const char *name, const char *label,
    const char *value, void *arg);

struct service_ops {
	void (*ref)(void *peer);
	void (*unref)(void *peer);
	/* A whole stanza for the asker, `to` and `from` set, start tag with
	 * service's stanza_ns. */
	void (*send)(void *peer, const char *text, size_t len);
	/* Jid is prepared and belongs to the asker, who may, and has fewer
	 * subscriptions than subscriptions-per-jid.  Ways as in store.h. */
	void (*subscribe)(void *peer, const struct jid *jid,
	    const char *channel, unsigned ways, service_sub_fn *done,
	    void *arg);
	/* ERR_NOTFOUND: was not subscribed. */
	void (*unsubscribe)(void *peer, const struct jid *jid,
	    const char *channel, service_sub_fn *done, void *arg);
	/* The full JID's client says at the channel that it is there.  False:
	 * it had said so already, and what was to be done is done. */
	bool (*arrive)(void *peer, const struct jid *jid, const char *channel,
	    int priority);
	/* It gets the channel's items until it leaves.  Err ERR_LIMIT. */
	enum err (
	    *join)(void *peer, const struct jid *jid, const char *channel);
	/* The full JID, or all of a bare one, is there no more. */
	void (*leave)(void *peer, const struct jid *jid, const char *channel);
	/* The bare JID's presence is the channel's to see from now on, or no
	 * more. */
	void (*show)(void *peer, const struct jid *jid, const char *channel,
	    bool shown);
	/* All of the bare JID's, also of those who joined; channel NULL: of all
	 * channels. */
	void (*subscriptions)(void *peer, const struct jid *jid,
	    const char *channel, service_list_fn *done, void *arg);
	/* May this asker subscribe, read items, see the name?  Applies the
	 * class's `subscribe`. */
	bool (*may_subscribe)(void *peer, const struct jid *jid,
	    const char *channel);
	/* May this asker publish?  Applies the class's `publish`. */
	bool (*may_publish)(void *peer, const struct jid *jid,
	    const char *channel);
	/* May this asker make the channel a node and own it? */
	bool (*may_create)(void *peer, const struct jid *jid,
	    const char *channel);
	/* Will his JID be his tomorrow? */
	bool (*is_lasting)(void *peer);
	/* A whole stanza for somebody else; lost where the peer cannot reach
	 * him. */
	void (*tell)(void *peer, const char *to, const char *text, size_t len);
	/* An id for an item that the asker gave none: the same again when the
	 * same request is repeated.  Adds nothing where that cannot be known.
	 */
	void (*item_id)(void *peer, struct buf *id);
	/* An iq that asks for what nothing here knows.  True: the peer took it
	 * and answers it.  NULL: never. */
	bool (*take)(void *peer, const struct jid *from, const struct jid *to,
	    const struct xml *stanza);
	/* May he use the commands of operators?  NULL: nobody may, and the two
	 * that follow are not needed. */
	bool (*is_operator)(void *peer, const struct jid *jid);
	/* An entry of the channel's item as POST /publish/ takes it
	 * (`formats`); NULL when it is refused: *why says so. */
	struct entry *(*item)(void *peer, const char *channel, void *json,
	    struct buf *why);
	/* Numbers that an operator wants to know, each told in turn. */
	void (*status)(void *peer, service_status_fn *tell, void *arg);
	/* What the domain offers besides, by its own code: features of its
	 * disco#info, as text.  NULL: nothing. */
	const char *features;
};

struct service_opts {
	const struct conf *conf;
	struct store *store;
	struct loop *loop;
	const char *domain;
	const char *stanza_ns; /* "" or " xmlns='jabber:client'" */
	const struct service_ops *ops;
};

struct service *service_create(const struct service_opts *opts);
void service_free(struct service *service);
/* A new configuration holds from now on; the old one stays valid. */
void service_reload(struct service *service, const struct conf *conf);

/*
 * Takes one stanza (message, presence or iq, in any of jabber:client and
 * jabber:component:accept).  From is the asker's prepared full JID, to the
 * prepared address; the tree is borrowed for the call.  False: not ours to
 * answer (a result, an error, a message to a channel): the caller decides.
 */
bool service_stanza(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const struct xml *stanza);

/* Presence of a channel to a JID, unasked; type NULL: it is available, and
 * says what it is.  Nothing where the channel has no presence way in. */
void service_greet(struct service *service, void *peer, const struct jid *to,
    const char *channel, const char *type);

/* An error answer to a stanza (RFC 6120 §8.3), echoing nothing but its head. */
void service_error(const struct xml *stanza, const char *from, const char *to,
    const char *stanza_ns, enum err err, const char *text, struct buf *out);

#endif
