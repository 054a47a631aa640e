/*
 * The XMPP side of a session: features, SASL, restart, bind, and the stanzas of
 * a user, most of which the service of the channels answers.  What is to be
 * said to the client is queued with client_send(); nothing is answered here.
 */
#ifndef WAFT_STREAM_H
#define WAFT_STREAM_H

#include "bosh/body.h"
#include "common/xmpp/service.h"

/* Block lists (XEP-0191): converse.js shows nobody's chats, and waits for ever,
 * where the server has none. */
#define STREAM_NS_BLOCKING "urn:xmpp:blocking"

struct client;

/* The payload of a request, whole.  Other than COND_NONE ends the session. */
enum condition stream_apply(struct client *client, const struct body *body);

/* What a client may do next, sent when its stream has opened. */
void stream_features(struct client *client);
/* One element of a stream that is open. */
enum condition stream_element(struct client *client, const struct xml *element);

/* The JID that a client had before a restart; it is bound to it again. */
void stream_restore_jid(struct client *client, struct slice jid);

/* How the service reaches a client and its subscriptions; peers are clients. */
extern const struct service_ops stream_service_ops;

#endif
