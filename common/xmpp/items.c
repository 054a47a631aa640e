/*
 * A channel's items by XEP-0060 §6.5: the newest, a page of them (XEP-0059), or
 * those asked for by id.  In the answer the oldest comes first; those asked for
 * by id come in the order asked.  A page's positions are ids of items.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/xmpp/access.h"
#include "common/xmpp/payload.h"
#include "common/xmpp/rsm.h"
#include "common/xmpp/scan.h"

#define ITEMS_MAX 100 /* in one answer */

/* We give out none. */
static const struct ask_error items_invalid_subid = { "modify",
	"not-acceptable", "invalid-subid", NULL };

struct items_work {
	struct rsm rsm;
	size_t max;
	size_t n; /* ids asked for; 0: by place */
	char *ids[ITEMS_MAX];
	/* Of ids: each in its place, or NULL.  Else a ring, newest first. */
	struct entry *kept[ITEMS_MAX];
	size_t first;
	size_t count;
	size_t seen;  /* items in all */
	bool reached; /* the item that the page is before or after */
};

static void
items_keep(struct entry **slot, struct entry *entry)
{
	if (*slot != NULL)
		entry_unref(*slot);
	*slot = entry_ref(entry);
}

static void
items_work_free(void *arg)
{
	struct items_work *work = arg;
	size_t i;

	for (i = 0; i < ITEMS_MAX; i++) {
		free(work->ids[i]);
		if (work->kept[i] != NULL)
			entry_unref(work->kept[i]);
	}
	rsm_clear(&work->rsm);
	free(work);
}

/* ---- the answer ------------------------------------------------------ */

/* What an answer may hold.  Servers end a stream that brings them too long a
 * stanza (Prosody: 512 KiB). */
static size_t
items_room(const struct ask *ask)
{
	return 2 * ask->service->conf->control.stanza_max;
}

void
items_write(const struct ask *ask, const struct entry *entry, struct buf *out)
{
	const struct conf_class *class;
	struct buf payload, from;

	class = conf_class(ask->service->conf, ask->channel);
	buf_init(&from, 0);
	jid_of_channel(ask->channel, ask->service->domain, &from);
	buf_init(&payload, items_room(ask));
	payload_entry(entry, class->notify, ask->service->reader, from.data,
	    &payload);
	buf_adds(out, "<item id='");
	buf_adds_xml(out, entry->id);
	buf_adds(out, "'>");
	/* One that alone is too long for an answer shows its id. */
	if (!payload.failed)
		buf_add(out, payload.data, payload.len);
	buf_adds(out, "</item>");
	buf_clear(&payload);
	buf_clear(&from);
}

/* The page's first items, or with from_end its last, as far as there is room:
 * *begin and *end are set to those that were written. */
static void
items_fit(const struct ask *ask, struct entry **entries, bool from_end,
    size_t *begin, size_t *end, struct buf *out)
{
	size_t room = items_room(ask), count = *end, done = 0, i;
	struct buf texts[ITEMS_MAX];

	for (; done < count; done++) {
		i = from_end ? count - 1 - done : done;
		buf_init(&texts[i], 0);
		items_write(ask, entries[i], &texts[i]);
		if (texts[i].len > room && done > 0) {
			buf_clear(&texts[i]);
			break;
		}
		room -= texts[i].len < room ? texts[i].len : room;
	}
	*begin = from_end ? count - done : 0;
	*end = *begin + done;
	for (i = *begin; i < *end; i++) {
		buf_add(out, texts[i].data, texts[i].len);
		buf_clear(&texts[i]);
	}
}

/* Whole: all items were seen, so that their number is known. */
static void
items_answer(struct ask *ask, struct entry **entries, size_t count, bool whole)
{
	struct items_work *work = ask->work;
	const struct rsm *rsm = &work->rsm;
	bool forward =
	    rsm->asked && !rsm->last && rsm->before == NULL && work->n == 0;
	struct rsm_page page = { .index = -1, .count = -1 };
	size_t begin = 0, end = count;
	struct buf out;

	buf_init(&out, 0);
	buf_adds(&out, "<pubsub xmlns='" ASK_PUBSUB "'><items node='");
	buf_adds_xml(&out, ask->channel);
	buf_adds(&out, "'>");
	items_fit(ask, entries, !forward, &begin, &end, &out);
	buf_adds(&out, "</items>");
	if (rsm->asked) {
		if (begin < end) {
			page.first = entries[begin]->id;
			page.last = entries[end - 1]->id;
		}
		if (whole)
			page.count = (int64_t)work->seen;
		if (whole && forward && rsm->after == NULL)
			page.index = 0;
		rsm_write(&page, &out);
	}
	buf_adds(&out, "</pubsub>");
	ask_result(ask, &out);
	buf_clear(&out);
}

/* ---- choosing -------------------------------------------------------- */

static bool
items_see_id(struct items_work *work, struct entry *entry)
{
	size_t i;

	for (i = 0; i < work->n; i++)
		if (work->kept[i] == NULL &&
		    strcmp(work->ids[i], entry->id) == 0) {
			items_keep(&work->kept[i], entry);
			work->count++;
		}
	return work->count < work->n;
}

/* The page ends before `after`, or with the oldest: the last max seen. */
static bool
items_see_forward(struct items_work *work, struct entry *entry)
{
	if (work->rsm.after != NULL &&
	    strcmp(work->rsm.after, entry->id) == 0) {
		work->reached = true;
		return false;
	}
	if (work->max == 0)
		return true;
	items_keep(&work->kept[(work->first + work->count) % work->max], entry);
	if (work->count < work->max)
		work->count++;
	else
		work->first = (work->first + 1) % work->max;
	return true;
}

static bool
items_see_backward(struct items_work *work, struct entry *entry)
{
	if (!work->reached) {
		work->reached = strcmp(work->rsm.before, entry->id) == 0;
		return true;
	}
	if (work->count < work->max)
		items_keep(&work->kept[work->count++], entry);
	/* How many there are says a request for none of them. */
	return work->count < work->max || (work->max == 0 && work->rsm.asked);
}

static bool
items_see(struct ask *ask, struct entry *entry)
{
	struct items_work *work = ask->work;
	const struct rsm *rsm = &work->rsm;

	work->seen++;
	if (work->n > 0)
		return items_see_id(work, entry);
	if (rsm->asked && !rsm->last && rsm->before == NULL)
		return items_see_forward(work, entry);
	return items_see_backward(work, entry);
}

static void
items_done(struct ask *ask, enum err err, bool whole)
{
	struct items_work *work = ask->work;
	struct entry *entries[ITEMS_MAX];
	size_t i, at, count = 0;

	/* XEP-0059 §2.2: a page beside what is not there. */
	if (err == ERR_OK && !work->reached)
		err = ERR_NOTFOUND;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	for (i = 0; work->n > 0 && i < work->n; i++)
		if (work->kept[i] != NULL)
			entries[count++] = work->kept[i];
	for (i = work->count; work->n == 0 && i-- > 0;) {
		at = (work->first + i) % work->max;
		entries[count++] = work->kept[at];
	}
	items_answer(ask, entries, count, whole);
}

static const struct scan_ops items_scan = { items_see, items_done };

/* ---- the request ----------------------------------------------------- */

static void
items_allowed(struct ask *ask)
{
	struct items_work *work = ask->work;

	if (work->n == 0 && work->max == 0 && !work->rsm.asked)
		items_answer(ask, NULL, 0, false);
	else
		scan_start(ask, &items_scan);
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

static enum err
items_read(struct items_work *work, const struct xml *items)
{
	const char *max = xml_attr(items, "max_items");
	uint64_t number = ITEMS_MAX;
	enum err err;

	err = rsm_read(&work->rsm, items->parent, ITEMS_MAX);
	if (err == ERR_OK)
		err = items_read_ids(work, items);
	if (err == ERR_OK && max != NULL &&
	    !text_to_u64(max, strlen(max), UINT32_MAX, &number))
		err = ERR_BAD;
	work->max = number < work->rsm.max ? (size_t)number : work->rsm.max;
	work->reached = work->rsm.after == NULL && work->rsm.before == NULL;
	return err;
}

void
pubsub_items(struct ask *ask, const struct xml *items)
{
	enum err err;

	if (!pubsub_node(ask, items))
		return;
	ask->work = xcalloc(1, sizeof(struct items_work));
	ask->work_free = items_work_free;
	err = items_read(ask->work, items);
	if (xml_attr(items, "subid") != NULL)
		ask_error(ask, &items_invalid_subid);
	else if (err != ERR_OK)
		ask_fail(ask, err);
	else
		access_to_read(ask, items_allowed);
}
