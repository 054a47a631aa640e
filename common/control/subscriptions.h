/*
 * What the calls about durable subscriptions share: one of them as JSON, and
 * whose an address is.
 *
 * Only common/control/ includes this.
 */
#ifndef WAFT_CONTROL_SUBSCRIPTIONS_H
#define WAFT_CONTROL_SUBSCRIPTIONS_H

#include "common/base/json.h"
#include "common/control/call.h"
#include "common/xmpp/jid.h"

/* False: no state has this name. */
bool subscriptions_state(const char *name, enum sub_state *state);
/* Text as a JID, and *owner: who sends to it, borrowed from the configuration.
 * Else ERR_BAD and *why (static). */
enum err subscriptions_owner(const struct control *control, const char *text,
    struct jid *jid, const char **owner, const char **why);

#endif
