#include "component/apart.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

/* JIDs as members have them. */
struct apart_jid {
	UT_hash_handle hh;
	size_t len;
	char text[];
};

static void
apart_add(struct apart_jid **jids, const char *jid)
{
	struct apart_jid *entry;
	struct buf escaped;

	buf_init(&escaped, 0);
	buf_adds_xml(&escaped, jid);
	HASH_FIND(hh, *jids, escaped.data, escaped.len, entry);
	if (entry == NULL && escaped.len > 0) {
		entry = xcalloc(1, sizeof(*entry) + escaped.len);
		entry->len = escaped.len;
		memcpy(entry->text, escaped.data, escaped.len);
		HASH_ADD_KEYPTR(hh, *jids, entry->text, entry->len, entry);
	}
	buf_clear(&escaped);
}

static void
apart_clear(struct apart_jid *jids)
{
	struct apart_jid *entry, *next;

	MAP_FOREACH(entry, next, jids) {
		HASH_DEL(jids, entry);
		free(entry);
	}
}

static bool
apart_has(struct apart_jid *jids, const struct members *members,
    const struct member *member)
{
	struct apart_jid *entry;

	HASH_FIND(hh, jids, members_text(members, member), member->len, entry);
	return entry != NULL;
}

static size_t
apart_suspect_in(struct members *members, struct apart_jid *jids)
{
	struct member *member;
	size_t i, found = 0;

	for (i = 0; i < members->count; i++) {
		member = &members->list[i];
		if (!member->local || member->apart != MEMBER_GROUPED ||
		    !apart_has(jids, members, member))
			continue;
		member->apart =
		    member->cleared ? MEMBER_REFUSED : MEMBER_SUSPECT;
		found++;
	}
	return found;
}

size_t
apart_suspect(struct notify *notify, const struct xml *group)
{
	struct apart_jid *jids = NULL;
	struct roll_channel *channel;
	const struct xml *node;
	const char *jid;
	size_t found = 0, at = 0;

	for (node = xml_first(group); node != NULL; node = xml_next(node)) {
		jid = xml_attr(node, "jid");
		if (jid != NULL)
			apart_add(&jids, jid);
	}
	while ((channel = roll_next(&notify->roll, &at)) != NULL)
		if (roll_members(channel) != NULL)
			found += apart_suspect_in(roll_members(channel), jids);
	apart_clear(jids);
	return found;
}

static void
apart_bounced_in(struct target *target, struct apart_jid *jids)
{
	struct members *members = target->members;
	struct member *member;
	size_t i;

	for (i = 0; i < members->count; i++) {
		member = &members->list[i];
		if (member->apart != MEMBER_ASKED ||
		    !apart_has(jids, members, member))
			continue;
		member->apart = MEMBER_REFUSED;
		target->notify->n_asked--;
		log_warn("component.malformed", "channel=%s jid=%s",
		    LOGQ(target->name),
		    log_quote(members_text(members, member), member->len));
	}
}

void
apart_bounced(struct notify *notify, const char *jid)
{
	struct apart_jid *jids = NULL;
	struct target *target, *next;

	if (notify->n_asked == 0)
		return;
	apart_add(&jids, jid);
	MAP_FOREACH(target, next, notify->targets)
		if (target->proof != 0)
			apart_bounced_in(target, jids);
	apart_clear(jids);
}

void
apart_settle(struct target *target)
{
	struct members *members = target->members;
	struct member *member;
	size_t i;

	for (i = 0; i < members->count; i++) {
		member = &members->list[i];
		if (member->proof == MEMBER_SENT)
			member->proof = MEMBER_PROVEN;
		if (member->apart != MEMBER_ASKED)
			continue;
		target->notify->n_asked--;
		member->apart = MEMBER_GROUPED;
		member->cleared = true;
		member->proof = MEMBER_NEW;
	}
}
