/*
 * The channels by chat, for people whose client has nothing but that: a message
 * with a word as its body, to the service or to a channel, gets a message back.
 *
 * Never answered: errors, headlines, messages without a body or from an address
 * that has no node (services), and what is past `texts-per-jid`; so that two
 * who answer everything do not talk for ever.  At a channel only the commands
 * are answered.
 */
#ifndef WAFT_XMPP_TALK_H
#define WAFT_XMPP_TALK_H

#include "common/xmpp/ask.h"

/* Channels in one answer, and how many are looked at for it. */
#define TALK_PAGE     20
#define TALK_LOOK_MAX 2000

/* A message that is no error.  False: it says nothing to us. */
bool talk_message(struct service *service, void *peer, const struct jid *from,
    const struct jid *to, const struct xml *message);

#endif
