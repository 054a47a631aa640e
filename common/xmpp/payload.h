/*
 * What stands inside an XEP-0060 <item/>: a channel's item as XML that is in no
 * namespace but its own.
 */
#ifndef WAFT_XMPP_PAYLOAD_H
#define WAFT_XMPP_PAYLOAD_H

#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/base/text.h"
#include "common/base/xml.h"
#include "common/store/entry.h"

/* <json xmlns='urn:xmpp:json:0'/> (XEP-0335); what XML may not hold is escaped
 * as JSON does. */
void payload_json(struct slice json, struct buf *out);

/* The stanza in jabber:client as it was sent, forwarded with its time
 * (XEP-0297 §3.1).  From is the channel's address; adds nothing when the text
 * is no stanza. */
void payload_forwarded(struct xml_reader *reader, struct slice stanza,
    const char *from, int64_t time_ms, struct buf *out);

/* Has the item something for a listener of the class's `notify`? */
bool payload_has(const struct entry *entry, enum conf_notify notify);
/* Of an item as a listener of the class's `notify` would know it; false when
 * the item has nothing for XMPP. */
bool payload_entry(const struct entry *entry, enum conf_notify notify,
    struct xml_reader *reader, const char *from, struct buf *out);

#endif
