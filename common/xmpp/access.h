/*
 * Who may do what with a channel over XMPP: its class and what the asker's
 * transport knows of him (service_ops), then the node, if it has one
 * (XEP-0060 §4).
 *
 * An affiliation decides before all else: an owner, a publisher or a member may
 * read even where the class says nobody may, an outcast nowhere.  Next the
 * class has to allow it; then the node's access model.  Publishing: the node's
 * model where there is a node, but for a grant, which counts as a publisher.
 *
 * Each access_to_…() calls next with the ask, its channel looked up
 * (ask->known, ask->node), or refuses and the ask is gone.
 */
#ifndef WAFT_XMPP_ACCESS_H
#define WAFT_XMPP_ACCESS_H

#include "common/xmpp/ask.h"
#include "common/xmpp/node.h"

typedef void access_fn(struct ask *ask);

/* Of the asker; NODE_NONE without a node. */
enum node_affiliation access_affiliation(const struct ask *ask);

/* May read its items; item-not-found when there is no such channel. */
void access_to_read(struct ask *ask, access_fn *next);
/* May publish; makes a node of his (not stored yet, seq 0) where the channel is
 * not there, he may create it, and could not publish else or wants it to be a
 * node (ask->wants_node). */
void access_to_publish(struct ask *ask, access_fn *next);
/* May take back what was published. */
void access_to_retract(struct ask *ask, access_fn *next);
/* Owns it: there is a node. */
void access_to_own(struct ask *ask, access_fn *next);
/* Is the channel, which the store says this of, for the asker to see? */
bool access_to_see(const struct ask *ask, const struct channel_info *info);

/* NULL: may subscribe, or with *pending may once an owner approves.  By
 * presence: that is how he asks.  The channel was looked up. */
const struct ask_error *access_refuses(const struct ask *ask, bool by_presence,
    bool is_subscribed, bool *pending);

#endif
