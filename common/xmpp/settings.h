/*
 * A node's configuration as the fields of XEP-0060 §16.4: some an owner may
 * set (common/xmpp/node.h), some are told and are as the channel's class or the
 * service has them.
 */
#ifndef WAFT_XMPP_SETTINGS_H
#define WAFT_XMPP_SETTINGS_H

#include "common/xmpp/ask.h"

#define SETTINGS_FORM    ASK_PUBSUB "#node_config"
#define SETTINGS_OPTIONS ASK_PUBSUB "#publish-options"
#define SETTINGS_META    ASK_PUBSUB "#meta-data"

/* NULL, or why the form may not be applied to the node of this channel; then
 * nothing of it was. */
const struct ask_error *settings_apply(const struct ask *ask,
    const struct xml *form, struct node *node);
/* NULL, or that the channel is not as the publisher's form wants it (§7.1.5).
 * Node NULL: the class alone. */
const struct ask_error *settings_check(const struct ask *ask,
    const struct xml *form, const struct node *node);
/* The form for an owner; and what everybody may know (§5.4). */
void settings_write_form(const struct ask *ask, const struct node *node,
    struct buf *out);
void settings_write_meta(const struct ask *ask, struct buf *out);

#endif
