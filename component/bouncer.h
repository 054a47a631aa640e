/*
 * Deliveries that come back (bounce.h), and what becomes of the subscription:
 * suspended or removed, as the option `bounce` says; who is only away or out of
 * reach is suspended in any case, and woken by time.  Whoever was suspended and
 * shows his presence is woken, too, and goes on where he had stopped
 * (comeback.h).  A part of inbound.c.
 */
#ifndef WAFT_COMPONENT_BOUNCER_H
#define WAFT_COMPONENT_BOUNCER_H

#include "common/base/xml.h"
#include "common/store/store.h"
#include "common/xmpp/jid.h"
#include "component/inbound.h"

struct bouncer;

/* Owned by the inbound, which it refers to while the store is asked. */
struct bouncer *bouncer_create(struct inbound *inbound);
/* No more is asked. */
void bouncer_stop(struct bouncer *bouncer);
void bouncer_free(struct bouncer *bouncer);

/* An error of a message or presence. */
void bouncer_take(struct bouncer *bouncer, const struct jid *from,
    const struct jid *to, const struct xml *stanza);
/* He has shown his presence. */
void bouncer_see_alive(struct bouncer *bouncer, const struct jid *from);
/* A subscription of this component, as stored or as the log brings it. */
void bouncer_see_sub(struct bouncer *bouncer, const struct subscription *sub);

#endif
