/*
 * An item as the transports see it: the view of an ENTRY_ITEM.  Publishing
 * parses it eagerly, so that bad input is refused before anything is stored; an
 * item that another process published is parsed by the first who delivers it.
 * The view lives as long as the entry and is shared by all threads; ownership
 * is the entry's.
 */
#ifndef WAFT_CHANNEL_ITEM_H
#define WAFT_CHANNEL_ITEM_H

#include "common/base/conf.h"
#include "common/base/json.h"
#include "common/base/xml.h"
#include "common/store/entry.h"
#include "common/xmpp/stanza.h"

/* Why an item of a publish was refused. */
struct item_error {
	enum err err;
	char field[64]; /* "formats.xmpp-stanza.content", "id", … */
	int line;       /* inside the field's text; 0: not known */
	int column;
	char why[160];
};

/*
 * One element of "items" (fanout-protocols 1.3) to an entry.  Channel is what
 * the path gave, NULL if it gave none; domains are those whose `from` a stanza
 * may carry (all component domains of the configuration).  The caller owns the
 * entry.
 */
enum err item_parse(const struct conf *conf, struct xml_reader *reader,
    const json_t *json, const char *channel, struct entry **entry,
    struct item_error *error);

/*
 * What a listener of the class's `notify` gets over XMPP (DESIGN 8): the raw
 * stanza, or an XEP-0060 event, or NULL when the item has nothing for XMPP.
 * Borrowed from the entry.
 */
const struct stanza *item_stanza(struct entry *entry, enum conf_notify notify);

/* The stanza id of a listener's copy when the publisher gave none: stable
 * across repeats, made from epoch and seq. */
void item_stanza_id(const char *epoch, const struct entry *entry,
    struct buf *out);

/* The item as JSON, as GET …/items/ shows it: position, id, prev-id, time,
 * channel, formats. */
json_t *item_to_json(const struct entry *entry, const char *epoch);

#endif
