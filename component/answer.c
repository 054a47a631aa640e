#include "component/answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/jid.h"

#define ANSWER_CLIENT "jabber:client"
/* What is around the stanzas while they are read: whoever ends it early has
 * written something that is not well-formed. */
#define ANSWER_HEAD  "<answer xmlns='" ANSWER_CLIENT "'>"
#define ANSWER_TAIL  "</answer>"
#define ANSWER_ATTRS 256 /* of one element */

/* ---- one stanza ------------------------------------------------------ */

static bool
answer_is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text != NULL && strcmp(text, *words) == 0)
			return true;
	return false;
}

static const char *
answer_check_iq(const struct xml *stanza)
{
	static const char *const asks[] = { "get", "set", NULL };
	static const char *const types[] = { "get", "set", "result", "error",
		NULL };
	const char *type = xml_attr(stanza, "type");
	const struct xml *child = xml_first(stanza);

	if (xml_attr(stanza, "id") == NULL)
		return "an iq needs an id";
	if (!answer_is_one_of(type, types))
		return "an iq is a get, a set, a result or an error";
	if (answer_is_one_of(type, asks) &&
	    (child == NULL || xml_next(child) != NULL))
		return "an iq that asks has one child";
	return NULL;
}

/* The namespaces that are between servers and components, on any element. */
static const char *
answer_check_names(const struct xml *node)
{
	static const char privilege[] = "urn:xmpp:privilege:";
	static const char delegation[] = "urn:xmpp:delegation:";
	const struct xml *child;
	const char *why;

	if (strncmp(node->ns, privilege, sizeof(privilege) - 1) == 0 ||
	    strncmp(node->ns, delegation, sizeof(delegation) - 1) == 0 ||
	    strcmp(node->ns, "jabber:component:accept") == 0)
		return "a namespace is between servers and components";
	for (child = xml_first(node); child != NULL; child = xml_next(child)) {
		why = answer_check_names(child);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
answer_check(const struct answer_rules *rules, const struct xml *stanza)
{
	static const char *const kinds[] = { "message", "presence", "iq",
		NULL };
	const char *type = xml_attr(stanza, "type"), *why;

	if (strcmp(stanza->ns, ANSWER_CLIENT) != 0)
		return "a stanza is not in jabber:client";
	if (!answer_is_one_of(stanza->name, kinds))
		return "only message, presence and iq are stanzas";
	if (!rules->errors && type != NULL && strcmp(type, "error") == 0)
		return "an error may not be answered with an error";
	if (strcmp(stanza->name, "iq") == 0 &&
	    (why = answer_check_iq(stanza)) != NULL)
		return why;
	return answer_check_names(stanza);
}

static const char *
answer_addresses(const struct answer_rules *rules, const struct xml *stanza,
    struct jid *from, struct jid *to)
{
	const char *from_text = xml_attr(stanza, "from");
	const char *to_text = xml_attr(stanza, "to"), *why;

	if (from_text == NULL || to_text == NULL)
		return "a stanza needs from and to";
	if (jid_parse(from_text, strlen(from_text), from, &why) != ERR_OK ||
	    !jid_domain_is(from, rules->domain))
		return "from is no address of the component";
	if (jid_parse(to_text, strlen(to_text), to, &why) != ERR_OK ||
	    jid_domain_is(to, rules->domain))
		return "to is no address of a user";
	return NULL;
}

/* With the addresses as they were prepared: the server compares bytes. */
static void
answer_write(const struct xml *stanza, const struct jid *from,
    const struct jid *to, struct buf *out)
{
	struct xml copy = *stanza;
	struct xml_attr *attrs =
	    xcalloc((size_t)stanza->n_attrs, sizeof(*attrs));
	int i;

	for (i = 0; i < stanza->n_attrs; i++) {
		attrs[i] = stanza->attrs[i];
		if (*attrs[i].name.ns != '\0')
			continue;
		if (strcmp(attrs[i].name.local, "from") == 0)
			attrs[i].value = from->full;
		else if (strcmp(attrs[i].name.local, "to") == 0)
			attrs[i].value = to->full;
	}
	copy.attrs = attrs;
	copy.next = NULL;
	xml_write(&copy, stanza->ns, out);
	free(attrs);
}

static bool
answer_is_reply(const struct answer_rules *rules, const struct xml *stanza,
    const struct jid *to)
{
	static const char *const replies[] = { "result", "error", NULL };

	return rules->iq_id != NULL && strcmp(stanza->name, "iq") == 0 &&
	    answer_is_one_of(xml_attr(stanza, "type"), replies) &&
	    strcmp(xml_attr(stanza, "id"), rules->iq_id) == 0 &&
	    strcmp(to->full, rules->iq_from) == 0;
}

static enum err
answer_take(struct answer *answer, const struct answer_rules *rules,
    const struct xml *stanza, const char **why)
{
	size_t start = answer->text.len;
	struct jid from, to;

	if ((*why = answer_check(rules, stanza)) != NULL ||
	    (*why = answer_addresses(rules, stanza, &from, &to)) != NULL)
		return ERR_BAD;
	if (answer->count >= (size_t)rules->stanzas) {
		*why = "it has too many stanzas";
		return ERR_LARGE;
	}
	answer_write(stanza, &from, &to, &answer->text);
	if (answer->text.len - start > rules->stanza_max) {
		*why = "a stanza is too large";
		return ERR_LARGE;
	}
	if (answer->count % 16 == 0)
		answer->ends = xreallocarray(answer->ends, answer->count + 16,
		    sizeof(answer->ends[0]));
	answer->ends[answer->count++] = answer->text.len;
	answer->replied |= answer_is_reply(rules, stanza, &to);
	return ERR_OK;
}

/* ---- the whole ------------------------------------------------------- */

static bool
answer_is_blank(const struct xml *node)
{
	size_t i;

	for (i = 0; i < node->text_len; i++)
		if (strchr(" \t\r\n", node->text[i]) == NULL)
			return false;
	return true;
}

static enum err
answer_take_all(struct answer *answer, const struct answer_rules *rules,
    const struct xml *root, const char **why)
{
	const struct xml *node;
	enum err err = ERR_OK;

	for (node = root->child; node != NULL && err == ERR_OK;
	     node = node->next) {
		if (node->name != NULL) {
			err = answer_take(answer, rules, node, why);
		} else if (!answer_is_blank(node)) {
			*why = "there is text between the stanzas";
			err = ERR_BAD;
		}
	}
	return err;
}

static enum err
answer_parse(const char *text, size_t len, const struct answer_rules *rules,
    struct xml **root, const char **why)
{
	const struct xml_limits limits = { rules->size + sizeof(ANSWER_HEAD) +
		    sizeof(ANSWER_TAIL),
		rules->depth + 1, ANSWER_ATTRS, (int)(rules->size / 4) + 1 };
	struct xml_reader *reader = xml_reader_create(&limits);
	struct xml_error error = { .why = NULL };
	struct buf whole;
	enum err err;

	buf_init(&whole, 0);
	buf_adds(&whole, ANSWER_HEAD);
	buf_add(&whole, text, len);
	buf_adds(&whole, ANSWER_TAIL);
	err = xml_parse(reader, whole.data, whole.len, false, root, &error);
	*why = error.why;
	buf_clear(&whole);
	xml_reader_free(reader);
	return err;
}

enum err
answer_read(const char *text, size_t len, const struct answer_rules *rules,
    struct answer *answer, const char **why)
{
	struct xml *root;
	enum err err;

	memset(answer, 0, sizeof(*answer));
	*why = NULL;
	err = answer_parse(text, len, rules, &root, why);
	if (err != ERR_OK)
		return err;
	/* No namespace is as good as jabber:client: as in what is published. */
	xml_adopt(root);
	err = answer_take_all(answer, rules, root, why);
	xml_free(root);
	if (err != ERR_OK)
		answer_clear(answer);
	return err;
}

void
answer_clear(struct answer *answer)
{
	buf_clear(&answer->text);
	free(answer->ends);
	memset(answer, 0, sizeof(*answer));
}
