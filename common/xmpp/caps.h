/*
 * Entity capabilities (XEP-0115): a word in our presence that says what we can
 * do, so that a client asks once for all channels.  It stands for what every
 * channel has; a channel's own name and metadata are told by its disco#info
 * without a node.
 */
#ifndef WAFT_XMPP_CAPS_H
#define WAFT_XMPP_CAPS_H

#include <stddef.h>

#include "common/base/buf.h"

/* What our software is called; with `#VER` behind it a disco node. */
#define CAPS_NODE "urn:x-waft:channel"

/* §5.1: of one identity without a name, and features in any order. */
void caps_ver(const char *category, const char *type,
    const char *const *features, size_t count, struct buf *ver);

#endif
