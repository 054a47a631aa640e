/*
 * Taking back (XEP-0060 §7.2, §8.5, §8.4): an item, all of them, the channel.
 * What was taken back is not shown over XMPP any more; the log keeps it until
 * its time is over, but for a deleted channel's.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/xmpp/access.h"
#include "common/xmpp/change.h"
#include "common/xmpp/scan.h"

static const struct ask_error retract_item_required = { "modify", "bad-request",
	"item-required", NULL };
static const struct ask_error retract_too_many = { "cancel", "not-allowed",
	"max-items-exceeded", NULL };

struct retract_work {
	char *id;
	bool notify; /* the request says so */
	bool found;
};

static void
retract_work_free(void *arg)
{
	struct retract_work *work = arg;

	free(work->id);
	free(work);
}

/* ---- appending ------------------------------------------------------- */

static void
retract_appended_cb(enum err err, const struct append_result *results UNUSED,
    size_t count UNUSED, void *arg)
{
	struct ask *ask = arg;

	if (ask_is_late(ask))
		return;
	if (err != ERR_OK)
		ask_fail(ask, err);
	else
		ask_result(ask, NULL);
}

static void
retract_append(struct ask *ask, struct entry *entry)
{
	store_append(ask->service->store, ask->service->loop, &entry, 1,
	    retract_appended_cb, ask);
}

static void
retract_change(struct ask *ask, const struct change *change)
{
	struct buf data;

	buf_init(&data, 0);
	change_pack(change, &data);
	retract_append(ask,
	    entry_create(ENTRY_ITEM, ask->channel, NULL, NULL, data.data,
	        data.len));
	buf_clear(&data);
}

/* ---- an item --------------------------------------------------------- */

static bool
retract_see(struct ask *ask, struct entry *entry)
{
	struct retract_work *work = ask->work;

	work->found = strcmp(work->id, entry->id) == 0;
	return !work->found;
}

static void
retract_seen(struct ask *ask, enum err err, bool whole UNUSED)
{
	const struct retract_work *work = ask->work;
	struct change change = { .kind = CHANGE_RETRACT, .id = work->id };

	if (err == ERR_OK && !work->found)
		err = ERR_NOTFOUND;
	if (err != ERR_OK) {
		ask_fail(ask, err);
		return;
	}
	change.silent =
	    !work->notify && ask->node != NULL && !ask->node->notify_retract;
	retract_change(ask, &change);
}

static const struct scan_ops retract_scan = { retract_see, retract_seen };

static void
retract_allowed(struct ask *ask)
{
	scan_start(ask, &retract_scan);
}

void
pubsub_retract(struct ask *ask, const struct xml *retract)
{
	const char *notify = xml_attr(retract, "notify");
	const struct xml *item = xml_first(retract);
	const char *id = item == NULL ? NULL : xml_attr(item, "id");
	struct retract_work *work;

	if (!pubsub_node(ask, retract))
		return;
	if (id == NULL || id[0] == '\0' || !xml_is(item, ASK_PUBSUB, "item")) {
		ask_error(ask, &retract_item_required);
		return;
	}
	if (xml_next(item) != NULL) {
		ask_error(ask, &retract_too_many);
		return;
	}
	work = ask->work = xcalloc(1, sizeof *work);
	ask->work_free = retract_work_free;
	work->id = xstrdup(id);
	work->notify = notify != NULL &&
	    (strcmp(notify, "1") == 0 || strcmp(notify, "true") == 0);
	access_to_retract(ask, retract_allowed);
}

/* ---- everything ------------------------------------------------------ */

static void
owner_purge_allowed(struct ask *ask)
{
	struct change change = { .kind = CHANGE_PURGE };

	ask_note(ask, "purge");
	change.silent = !ask->node->notify_retract;
	retract_change(ask, &change);
}

void
owner_purge(struct ask *ask, const struct xml *purge)
{
	if (pubsub_node(ask, purge))
		access_to_own(ask, owner_purge_allowed);
}

static void
owner_delete_allowed(struct ask *ask)
{
	ask_note(ask, "delete");
	retract_append(ask,
	    entry_create(ENTRY_DELETE, ask->channel, "", NULL, NULL, 0));
}

void
owner_delete(struct ask *ask, const struct xml *verb)
{
	if (!pubsub_node(ask, verb))
		return;
	/* §8.4.1: where the node has moved to. */
	if (xml_first(verb) != NULL)
		pubsub_unsupported(ask, NULL);
	else
		access_to_own(ask, owner_delete_allowed);
}
