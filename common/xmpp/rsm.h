/*
 * Result sets (XEP-0059): what a request asks of a list, and what its answer
 * says of the page.  Positions are texts that mean something to the list alone.
 */
#ifndef WAFT_XMPP_RSM_H
#define WAFT_XMPP_RSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/xml.h"

struct rsm {
	bool asked;
	bool last;    /* an empty `before`: the last page */
	char *after;  /* not empty; NULL: from the start */
	char *before; /* not empty; NULL: none */
	size_t max;   /* at most the limit */
};

/* Reads the set that is a child of parent; without one, all up to the limit is
 * asked for.  ERR_BAD; ERR_UNSUPPORTED for `index`.  Rsm_clear() it in any
 * case. */
enum err rsm_read(struct rsm *rsm, const struct xml *parent, size_t limit);
void rsm_clear(struct rsm *rsm);

struct rsm_page {
	const char *first; /* NULL: the page is empty */
	const char *last;
	int64_t index; /* of first; -1: not known */
	int64_t count; /* of all; -1: not known */
};
void rsm_write(const struct rsm_page *page, struct buf *out);

#endif
