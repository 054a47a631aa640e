/*
 * What we say of an item in the stanzas that carry it: which one it is of its
 * channel (XEP-0359) and, when it comes later than live, since when it is there
 * (XEP-0203).  Written once for an item, spliced into each copy
 * (stanza_fill.inner).  And that no publisher says the like in our name: both
 * XEPs have such children taken out (XEP-0359 §4 rule 2).
 */
#ifndef WAFT_XMPP_STAMP_H
#define WAFT_XMPP_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/xml.h"
#include "common/xmpp/jid.h"

#define STAMP_SID   "urn:xmpp:sid:0"
#define STAMP_DELAY "urn:xmpp:delay"
/* An item is no longer live when it is so old. */
#define STAMP_LATE_MS 10000

/* By is the channel's address, escaped; id is a position. */
void stamp_id(const struct buf *by, const char *id, size_t id_len,
    struct buf *out);
void stamp_delay(const char *from, int64_t time_ms, struct buf *out);

/* An element of one of the two names. */
bool stamp_is(const struct xml_name *name);

typedef bool stamp_ours_fn(const struct jid *jid, void *arg);
/* The stanza without those of its children of the two names that are said to be
 * from an address of ours.  The text was accepted by stanza_parse(); out gets
 * nothing when there are none, and false is returned. */
bool stamp_strip(struct xml_reader *reader, const char *text, size_t len,
    stamp_ours_fn *ours, void *arg, struct buf *out);

#endif
