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

/* Bytes of an `id` or `prev-id`. */
#define ITEM_ID_MAX 255
/* Formats of one item, and bytes of a format's name. */
#define ITEM_FORMATS_MAX 32
#define ITEM_FORMAT_MAX  64

/* Why an item of a publish was refused. */
struct item_error {
	enum err err;
	char field[96]; /* "formats.xmpp-stanza.content", "id", …; "": all */
	int line;       /* inside the field's text; 0: not known */
	int column;
	char why[160];
};

/* What items of one publish have in common. */
struct item_source {
	const struct conf *conf;   /* its domains are what `from` may carry */
	struct xml_reader *reader; /* has the limits of a stanza */
	const char *channel;       /* the path's; NULL if it gave none */
	const char *prefix;        /* goes before every channel's name, or "" */
};

/*
 * One element of "items" (fanout-protocols 1.3) to an entry, which is the
 * caller's.  Formats that no transport of ours uses are kept.
 */
enum err item_parse(const struct item_source *source, const json_t *json,
    struct entry **entry, struct item_error *error);

/*
 * Checks a format's value by the rules of fanout-protocols 1.5; a name that is
 * not known has none.  Field is where it stands: "formats.http-response".
 */
enum err format_check(const char *field, const char *format,
    const json_t *value, struct item_error *error);
/* Is it one of the names that may stand at an item's top level? */
bool format_is_known(const char *name);
/* Fills in error and returns err; part NULL or a member of field. */
enum err item_refuse(struct item_error *error, enum err err, const char *field,
    const char *part, const char *why);

/*
 * What a listener of the class's `notify` gets over XMPP (DESIGN 8): the raw
 * stanza, or an XEP-0060 event, or NULL when the item has nothing for XMPP.
 * Borrowed from the entry.  Any thread.
 */
const struct stanza *item_stanza(struct entry *entry, enum conf_notify notify);

/* The stanza id of a listener's copy when the publisher gave none: stable
 * across repeats, made from epoch and seq. */
void item_stanza_id(const char *epoch, const struct entry *entry,
    struct buf *out);

/* Who sends the copies. */
struct item_sender {
	const struct conf_class *class;
	const char *epoch;
	const char *domain;
	const struct buf *address; /* the channel's there, escaped */
};

/*
 * What our copies of an item say of it besides (common/xmpp/stamp.h), for
 * stanza_fill.inner: a message its place on the channel as far as the class's
 * `stanza-id` wants it, and all but an iq, where the item comes later than
 * live, its time.  Late: the caller knows that it is; else its age tells.
 */
void item_stamp(const struct entry *entry, const struct stanza *stanza,
    const struct item_sender *sender, bool late, struct buf *out);

/* The copy of an iq for one receiver has a name of its own behind it, so that
 * answers are told apart: `POSITION-NAME`. */
void item_add_receiver(struct buf *id, const char *name, size_t len);
/* Is it the id of such a copy?  No barrier's is: they begin with `b-`, a
 * position with the eight digits of the epoch. */
bool item_is_iq_id(const char *epoch, const char *id);

/* The item as JSON, as GET …/items/ shows it: position, id, prev-id, time,
 * channel, formats.  The caller's. */
json_t *item_to_json(const struct entry *entry, const char *epoch);

#endif
