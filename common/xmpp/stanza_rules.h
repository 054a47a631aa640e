/*
 * What may be published as a stanza (RFC 6120 §8, RFC 6121 §4.7; DESIGN 8): the
 * rules of stanza_parse(), for stanza.c alone.  Each returns NULL, or a static
 * clause that says what is wrong.
 */
#ifndef WAFT_XMPP_STANZA_RULES_H
#define WAFT_XMPP_STANZA_RULES_H

#include <stdbool.h>

#include "common/base/xml.h"
#include "common/xmpp/stanza.h"

#define STANZA_KINDS 3

extern const char *const stanza_kinds[STANZA_KINDS]; /* names */

/*
 * The start of the stanza itself.  A presence is one that tells availability:
 * the types that ask for something (subscribe, probe, …) or answer it change
 * the receiver's roster, or make his server answer, once for each item.
 */
const char *stanza_rules_root(const struct xml_name *name,
    const struct xml_attr *attrs, int n_attrs, enum stanza_kind *kind);
/* The namespace of any element in it. */
const char *stanza_rules_ns(const char *ns);

/* Value of the attribute without namespace, or NULL. */
const char *stanza_rules_attr(const struct xml_attr *attrs, int n_attrs,
    const char *name);
/* In jabber:client or in none. */
bool stanza_rules_is_client(const struct xml_name *name);

#endif
