#include "common/xmpp/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/ask.h"

#define PAGE_READ 100 /* channels read at once */

static struct page *
page_make(struct ask *ask)
{
	struct page *page = xcalloc(1, sizeof *page);

	page_free(ask->page);
	ask->page = page;
	buf_init(&page->rows, 0);
	return page;
}

static void
page_set(char **place, const char *text)
{
	free(*place);
	*place = xstrdup(text);
}

bool
page_ask(struct ask *ask, const struct xml *parent, size_t max)
{
	struct page *page = page_make(ask);
	enum err err = rsm_read(&page->rsm, parent, max);

	page_set(&page->after, page->rsm.after == NULL ? "" : page->rsm.after);
	if (err == ERR_OK && (page->rsm.last || page->rsm.before != NULL))
		err = ERR_UNSUPPORTED;
	if (err != ERR_OK)
		ask_fail(ask, err);
	return err == ERR_OK;
}

void
page_behind(struct ask *ask, const char *after, size_t max)
{
	struct page *page = page_make(ask);

	page->rsm.max = max;
	page_set(&page->after, after);
}

void
page_free(struct page *page)
{
	if (page == NULL)
		return;
	rsm_clear(&page->rsm);
	free(page->after);
	free(page->first);
	free(page->last);
	buf_clear(&page->rows);
	free(page);
}

bool
page_is_full(const struct page *page)
{
	return page->count >= page->rsm.max;
}

void
page_add(struct page *page, const char *place)
{
	if (page->count++ == 0)
		page_set(&page->first, place);
	page_set(&page->last, place);
}

void
page_add_number(struct page *page, uint64_t place)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)place);
	page_add(page, text);
}

/* XEP-0059 §2.2; the count would cost a walk through all, so it is left out as
 * §2.6 allows. */
void
page_write_set(const struct page *page, struct buf *out)
{
	const struct rsm_page set = { page->first, page->last, -1, -1 };

	if (page->rsm.asked || page->more)
		rsm_write(&set, out);
}

/* ---- channels -------------------------------------------------------- */

static void page_read(struct ask *ask);

static void
page_read_cb(enum err err, const struct channel_info *channels, size_t count,
    void *arg)
{
	struct ask *ask = arg;
	struct page *page;
	size_t i;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	page = ask->page;
	for (i = 0; i < count && !page_is_full(page); i++) {
		if (page->source->row(ask, &channels[i], &page->rows))
			page_add(page, channels[i].channel);
		page_set(&page->after, channels[i].channel);
	}
	page->more = i < count || count > PAGE_READ;
	if (!page->more || page_is_full(page) ||
	    ++page->reads == page->source->reads_max)
		page->source->done(ask);
	else
		page_read(ask);
}

/* One more than is looked at, to know whether there is more. */
static void
page_read(struct ask *ask)
{
	const struct page *page = ask->page;

	page->source->read(ask->service->store, ask->service->loop, page->after,
	    PAGE_READ + 1, page_read_cb, ask);
}

static void
page_after_cb(enum err err, const struct channel_info *info UNUSED,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		page_read(ask);
}

/* XEP-0059 §2.2: a page after what is not there is item-not-found. */
void
page_channels(struct ask *ask, const struct page_source *source)
{
	struct page *page = ask->page;

	page->source = source;
	if (page->rsm.after != NULL)
		store_node(ask->service->store, ask->service->loop, page->after,
		    page_after_cb, ask);
	else
		page_read(ask);
}
