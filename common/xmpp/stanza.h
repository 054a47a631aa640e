/*
 * A stanza that a publisher wrote, made ready to be sent to many: parsed once,
 * kept as text, with a gap in the start tag where `from`, `to` and `id` are
 * spliced in for each receiver (DESIGN 8).  Never a DOM: every byte of the
 * publisher's that need not change stays.
 *
 * Two forms.  For the link (XEP-0114 §3) the stanza and those descendants that
 * are in jabber:client lose that namespace declaration, so that they are in the
 * stream's; inside an element of another namespace it is kept (XEP-0297).  For
 * BOSH the start tag says xmlns='jabber:client' (XEP-0206 §2) and children
 * inherit it.
 *
 * Immutable after parsing; any thread.
 */
#ifndef WAFT_XMPP_STANZA_H
#define WAFT_XMPP_STANZA_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/xml.h"

enum stanza_kind {
	STANZA_MESSAGE,
	STANZA_PRESENCE,
	STANZA_IQ
};
enum stanza_form {
	STANZA_LINK,
	STANZA_BOSH
};

struct stanza;

/*
 * Accepts exactly one message, presence or iq, self-contained, in jabber:client
 * or in none, not by prefix; no DOCTYPE, PI, comment, xmlns='', type='error';
 * an iq is a get or set with an id and one child.  Refuses what signals to
 * servers (urn:xmpp:privilege, urn:xmpp:delegation).  *Error names line and
 * column.  A `to` is dropped.
 */
enum err stanza_parse(struct xml_reader *reader, const char *text, size_t len,
    struct stanza **stanza, struct xml_error *error);
/* An XEP-0060 event of one item (XEP-0060 §7.1.2.1); payload is the item's
 * child as text that is in no namespace but its own, or NULL. */
struct stanza *stanza_event(const char *node, const char *item_id,
    const char *payload, size_t payload_len);
/* The same of anything that may stand in an <event/>. */
struct stanza *stanza_event_of(const char *inner, size_t len);
void stanza_free(struct stanza *stanza);

enum stanza_kind stanza_kind(const struct stanza *stanza);
/* The publisher's, entities resolved; NULL when absent. */
const char *stanza_from(const struct stanza *stanza);
const char *stanza_id(const struct stanza *stanza);
const char *stanza_type(const struct stanza *stanza);
/* It has children that stamp_strip() looks at. */
bool stanza_is_stamped(const struct stanza *stanza);
/* The publisher has put XEP-0033 addresses into it. */
bool stanza_is_addressed(const struct stanza *stanza);
size_t stanza_size(const struct stanza *stanza); /* memory */

/* What is spliced in; all text is escaped already (buf_add_xml()).  From and id
 * are taken in place of the publisher's where not NULL. */
struct stanza_fill {
	const char *from;
	size_t from_len;
	const char *to;
	size_t to_len;
	const char *id;
	size_t id_len;
	/* Whole elements that become the stanza's first children: stamp.h.  Not
	 * for an iq, which has one child. */
	const char *inner;
	size_t inner_len;
};

void stanza_write(const struct stanza *stanza, enum stanza_form form,
    const struct stanza_fill *fill, struct buf *out);
/* Upper bound of what stanza_write() adds besides the fill. */
size_t stanza_len(const struct stanza *stanza, enum stanza_form form);

#endif
