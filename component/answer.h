/*
 * What an origin answers to a stanza that was relayed to it: zero or more
 * stanzas one after another, white space between them.  Read here, checked, and
 * written anew for the link: all of them or, when one is wrong, none.
 *
 * A stanza is a message, presence or iq in jabber:client or in no namespace,
 * which counts as that, for what is in it too; `from` has our domain, `to` is
 * an address of another; an iq has an id, and one child if it is a get or set;
 * nothing is in the namespaces that servers and components keep to themselves;
 * type='error' only where errors may be.
 *
 * Pure: no I/O.
 */
#ifndef WAFT_COMPONENT_ANSWER_H
#define WAFT_COMPONENT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/xml.h"

struct answer_rules {
	const char *domain;
	size_t size;       /* of the whole */
	size_t stanza_max; /* bytes of one as it is sent */
	int depth;         /* of one */
	int stanzas;       /* in all */
	/* The iq that is answered, and whose it is; NULL: none is. */
	const char *iq_id;
	const char *iq_from;
	bool errors; /* may be among them: none answers an error */
};

struct answer {
	struct buf text; /* the stanzas, one after another */
	size_t *ends;    /* of each in text */
	size_t count;
	bool replied; /* the iq's result or error is among them */
};

/* ERR_BAD, ERR_LARGE, and *why (static, a clause) when the text is none.  Clear
 * it after ERR_OK. */
enum err answer_read(const char *text, size_t len,
    const struct answer_rules *rules, struct answer *answer, const char **why);
void answer_clear(struct answer *answer);

#endif
