/*
 * A client over a WebSocket (RFC 7395): each message is one element of the
 * stream, <open/> and <close/> begin and end it.  Everything else (SASL, bind,
 * stanzas, the queue and its limits) is the client's and the same as over BOSH.
 *
 * Items wait in the client's queue as references; at the end of a turn they are
 * written into one buffer of the worker, each as a frame, and that goes to the
 * socket at once.  While the socket is full nothing is written, so a slow
 * reader's items stay references.
 *
 * What a durable subscription has served is known by pings: one follows items
 * to a user who has such a subscription, unless one is on its way already, and
 * its pong says that the client's side has all that was sent before.
 *
 * A session ends with its connection: there is nothing to resume by.
 */
#ifndef WAFT_FRAMING_H
#define WAFT_FRAMING_H

#include "bosh/gateway.h"

#define FRAMING_PROTOCOL "xmpp"

/* Makes the exchange a WebSocket and a session; headers are of
 * websocket_handshake().  False: a limit is reached, nothing happened. */
bool framing_connect(struct gateway *gateway, struct exchange *exchange,
    const struct sender *sender, const char *headers);

#endif
