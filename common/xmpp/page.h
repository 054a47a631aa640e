/*
 * A page of a long list while it is put together: what was asked for, the rows
 * so far, and where it begins and ends.  One for an ask (ask->page), gone with
 * it.  A place is a text that means something to the list alone: a channel's
 * name, a subscription's number.
 *
 * It is asked for by a result set (XEP-0059), or by a step of a command
 * (adhoc.h), which remembers page->after itself.
 */
#ifndef WAFT_XMPP_PAGE_H
#define WAFT_XMPP_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/store/store.h"
#include "common/xmpp/rsm.h"

struct ask;
struct xml;

/* A list of channels, by name. */
struct page_source {
	/* store_channels() or store_nodes(). */
	void (*read)(struct store *store, struct loop *loop, const char *after,
	    size_t max, channels_fn *done, void *arg);
	/* Reads for one page, when most channels are not for the asker. */
	int reads_max;
	/* Writes the channel's row; false: it has none. */
	bool (*row)(struct ask *ask, const struct channel_info *info,
	    struct buf *rows);
	/* The page is complete; takes the ask. */
	void (*done)(struct ask *ask);
};

struct page {
	struct rsm rsm;
	char *after; /* the last place looked at; "": the start */
	char *first; /* of the rows: hidden places are not told */
	char *last;
	size_t count; /* of the rows */
	bool more;    /* there are places behind it */
	struct buf rows;
	const struct page_source *source;
	int reads;
};

/* The page that the set inside parent asks for; without one, the first max
 * rows.  False, and the ask is gone, when it cannot be had: lists that are kept
 * in one order are not read backwards. */
bool page_ask(struct ask *ask, const struct xml *parent, size_t max);
/* That of the rows behind a place. */
void page_behind(struct ask *ask, const char *after, size_t max);
void page_free(struct page *page);

bool page_is_full(const struct page *page);
/* What was written to rows stands for this place. */
void page_add(struct page *page, const char *place);
/* The same for one named by a number. */
void page_add_number(struct page *page, uint64_t place);
/* The answer's set, where one was asked for or there is more. */
void page_write_set(const struct page *page, struct buf *out);

/* Fills the page with channels. */
void page_channels(struct ask *ask, const struct page_source *source);

#endif
