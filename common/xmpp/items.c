/*
 * A channel's items by XEP-0060 §6.5: the newest, oldest of them first, or
 * those asked for by id, in the order asked.  An item published again under the
 * id of an older one stands for both (§7.1.2).
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/ask.h"
#include "common/xmpp/payload.h"

#define ITEMS_MAX  100 /* in one answer */
#define ITEMS_PAGE 100 /* looked at in one read, by id */

struct items_work {
	size_t max;
	size_t n; /* ids asked for; 0: the newest */
	char *ids[ITEMS_MAX];
	struct entry *found[ITEMS_MAX]; /* NULL: not there */
};

static void
items_work_free(void *arg)
{
	struct items_work *work = arg;
	size_t i;

	for (i = 0; i < work->n; i++) {
		free(work->ids[i]);
		if (work->found[i] != NULL)
			entry_unref(work->found[i]);
	}
	free(work);
}

/* What an answer may hold.  Servers end a stream that brings them too long a
 * stanza (Prosody: 512 KiB). */
static size_t
items_room(const struct ask *ask)
{
	return 2 * ask->service->conf->control.stanza_max;
}

static void
items_add(const struct ask *ask, const struct entry *entry, const char *from,
    struct buf *out)
{
	const struct conf_class *class;
	struct buf payload;

	class = conf_class(ask->service->conf, ask->channel);
	buf_init(&payload, items_room(ask));
	if (payload_entry(entry, class->notify, ask->service->reader, from,
	        &payload)) {
		buf_adds(out, "<item id='");
		buf_adds_xml(out, entry->id);
		buf_adds(out, "'>");
		/* One that alone is too long for an answer shows its id. */
		if (!payload.failed)
			buf_add(out, payload.data, payload.len);
		buf_adds(out, "</item>");
	}
	buf_clear(&payload);
}

static void
items_send(struct ask *ask, const struct buf *items, size_t count)
{
	struct buf out;
	size_t i;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><items node='");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, "'>");
	for (i = 0; i < count; i++)
		buf_add(&out, items[i].data, items[i].len);
	buf_adds(&out, "</items></pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* Made from the end, so that what there is no room for is the oldest. */
static void
items_answer(struct ask *ask, struct entry **entries, size_t count)
{
	struct buf items[ITEMS_MAX];
	struct buf from;
	size_t room = items_room(ask);
	size_t i, first = count;

	buf_init(&from, 0);
	jid_of_channel(ask->channel, ask->service->domain, &from);
	while (first > 0) {
		i = first - 1;
		buf_init(&items[i], 0);
		items_add(ask, entries[i], from.data, &items[i]);
		if (items[i].len > room && first < count) {
			buf_clear(&items[i]);
			break;
		}
		room -= items[i].len < room ? items[i].len : room;
		first = i;
	}
	items_send(ask, items + first, count - first);
	for (i = first; i < count; i++)
		buf_clear(&items[i]);
	buf_clear(&from);
}

/* ---- the newest ------------------------------------------------------ */

static bool
items_is_superseded(struct entry **entries, size_t at, size_t count)
{
	size_t i;

	for (i = at + 1; i < count; i++)
		if (strcmp(entries[i]->id, entries[at]->id) == 0)
			return true;
	return false;
}

static void
items_newest_cb(const struct read_result *result, void *arg)
{
	struct ask *ask = arg;
	struct entry *entries[ITEMS_MAX];
	size_t i, count = 0;

	if (ask_is_late(ask))
		return;
	if (result->err != ERR_OK) {
		ask_fail(ask, result->err);
		return;
	}
	for (i = 0; i < result->count && count < ITEMS_MAX; i++)
		if (!items_is_superseded(result->entries, i, result->count))
			entries[count++] = result->entries[i];
	items_answer(ask, entries, count);
}

/* ---- by id ----------------------------------------------------------- */

static void items_read_page(struct ask *ask, uint64_t after);

static void
items_keep(struct items_work *work, struct entry *entry)
{
	size_t i;

	for (i = 0; i < work->n; i++) {
		if (strcmp(work->ids[i], entry->id) != 0)
			continue;
		if (work->found[i] != NULL)
			entry_unref(work->found[i]);
		work->found[i] = entry_ref(entry);
	}
}

static void
items_page_cb(const struct read_result *result, void *arg)
{
	struct ask *ask = arg;
	struct items_work *work = ask->work;
	struct entry *entries[ITEMS_MAX];
	size_t i, count = 0;

	if (ask_is_late(ask))
		return;
	if (result->err != ERR_OK) {
		ask_fail(ask, result->err);
		return;
	}
	for (i = 0; i < result->count; i++)
		items_keep(work, result->entries[i]);
	if (result->more) {
		items_read_page(ask, result->upto);
		return;
	}
	for (i = 0; i < work->n; i++)
		if (work->found[i] != NULL)
			entries[count++] = work->found[i];
	items_answer(ask, entries, count);
}

static void
items_read_page(struct ask *ask, uint64_t after)
{
	store_read(ask->service->store, ask->service->loop, ask->channel, after,
	    ITEMS_PAGE, items_page_cb, ask);
}

/* ---- the request ----------------------------------------------------- */

static void
items_found(struct ask *ask)
{
	struct items_work *work = ask->work;

	if (work->n > 0)
		items_read_page(ask, 0);
	else if (work->max > 0)
		store_read_newest(ask->service->store, ask->service->loop,
		    ask->channel, 0, work->max, items_newest_cb, ask);
	else
		items_send(ask, NULL, 0);
}

static enum err
items_read_ids(struct items_work *work, const struct xml *items)
{
	const struct xml *item;
	const char *id;

	for (item = xml_first(items); item != NULL; item = xml_next(item)) {
		id = xml_attr(item, "id");
		if (!xml_is(item, ASK_PUBSUB, "item") || id == NULL)
			return ERR_BAD;
		if (work->n == ITEMS_MAX)
			return ERR_LIMIT;
		work->ids[work->n++] = xstrdup(id);
	}
	return ERR_OK;
}

void
pubsub_items(struct ask *ask, const struct xml *items)
{
	const char *max = xml_attr(items, "max_items");
	struct items_work *work;
	uint64_t number = ITEMS_MAX;
	enum err err;

	work = ask->work = xcalloc(1, sizeof *work);
	ask->work_free = items_work_free;
	err = items_read_ids(work, items);
	if (err == ERR_OK && max != NULL &&
	    !text_to_u64(max, strlen(max), UINT32_MAX, &number))
		err = ERR_BAD;
	work->max = number < ITEMS_MAX ? (size_t)number : ITEMS_MAX;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_find(ask, items_found);
}
