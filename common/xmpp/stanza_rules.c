#include "common/xmpp/stanza_rules.h"

#include <string.h>

const char *const stanza_kinds[STANZA_KINDS] = { "message", "presence", "iq" };

const char *
stanza_rules_attr(const struct xml_attr *attrs, int n_attrs, const char *name)
{
	int i;

	for (i = 0; i < n_attrs; i++)
		if (attrs[i].name.ns[0] == '\0' &&
		    strcmp(attrs[i].name.local, name) == 0)
			return attrs[i].value;
	return NULL;
}

bool
stanza_rules_is_client(const struct xml_name *name)
{
	return name->ns[0] == '\0' || strcmp(name->ns, "jabber:client") == 0;
}

/* Namespaces in which a server would take the stanza for more than it is
 * (XEP-0356, XEP-0355: the name ends with a version), or the link for its own.
 */
const char *
stanza_rules_ns(const char *ns)
{
	static const char privilege[] = "urn:xmpp:privilege:";
	static const char delegation[] = "urn:xmpp:delegation:";

	if (strncmp(ns, privilege, sizeof privilege - 1) == 0)
		return "urn:xmpp:privilege is between servers and components";
	if (strncmp(ns, delegation, sizeof delegation - 1) == 0)
		return "urn:xmpp:delegation is between servers and components";
	if (strcmp(ns, "jabber:component:accept") == 0)
		return "jabber:component:accept is the link's own namespace";
	return NULL;
}

static const char *
stanza_rules_iq(const char *type, const char *id)
{
	if (type == NULL ||
	    (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
		return "an iq must have the type get or set";
	return id == NULL || id[0] == '\0' ? "an iq must have an id" : NULL;
}

const char *
stanza_rules_root(const struct xml_name *name, const struct xml_attr *attrs,
    int n_attrs, enum stanza_kind *kind)
{
	const char *type = stanza_rules_attr(attrs, n_attrs, "type");
	size_t i;

	if (!stanza_rules_is_client(name))
		return "the stanza must be in jabber:client or in no namespace";
	if (name->prefix[0] != '\0')
		return "the stanza's name must not have a prefix";
	for (i = 0; i < STANZA_KINDS; i++)
		if (strcmp(name->local, stanza_kinds[i]) == 0)
			break;
	if (i == STANZA_KINDS)
		return "the stanza must be a message, a presence or an iq";
	*kind = (enum stanza_kind)i;
	if (type != NULL && strcmp(type, "error") == 0)
		return "a stanza of type error cannot be published";
	if (*kind == STANZA_PRESENCE && type != NULL &&
	    strcmp(type, "unavailable") != 0)
		return "a presence must have no type, or the type unavailable";
	return *kind != STANZA_IQ ?
	    NULL :
	    stanza_rules_iq(type, stanza_rules_attr(attrs, n_attrs, "id"));
}
