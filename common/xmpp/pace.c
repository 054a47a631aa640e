#include "common/xmpp/pace.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"

#define PACE_MINUTE_MS 60000
#define PACE_SLOTS     4096
#define PACE_WAYS      4 /* slots that one JID may have */

struct pace_slot {
	uint64_t who;
	int64_t full_ms; /* when the bucket is full again */
	bool told;
};

struct pace {
	struct pace_slot slots[PACE_SLOTS];
};

struct pace *
pace_create(void)
{
	return xcalloc(1, sizeof(struct pace));
}

void
pace_free(struct pace *pace)
{
	free(pace);
}

/* His, or else the one that is missed least. */
static struct pace_slot *
pace_find(struct pace *pace, uint64_t who)
{
	struct pace_slot *slots =
	    &pace->slots[who % (PACE_SLOTS / PACE_WAYS) * PACE_WAYS];
	struct pace_slot *least = slots;
	size_t i;

	for (i = 0; i < PACE_WAYS; i++) {
		if (slots[i].who == who)
			return &slots[i];
		if (slots[i].full_ms < least->full_ms)
			least = &slots[i];
	}
	*least = (struct pace_slot){ .who = who, .full_ms = INT64_MIN };
	return least;
}

enum pace_verdict
pace_take(struct pace *pace, const struct jid *jid, int per_minute,
    int64_t now_ms)
{
	struct pace_slot *slot =
	    pace_find(pace, crypto_siphash(jid->full, jid_bare_len(jid)));
	int64_t full_ms = slot->full_ms > now_ms ? slot->full_ms : now_ms;

	full_ms += PACE_MINUTE_MS / per_minute;
	if (full_ms - now_ms <= PACE_MINUTE_MS) {
		slot->full_ms = full_ms;
		slot->told = false;
		return PACE_OK;
	}
	if (slot->told)
		return PACE_SILENT;
	slot->told = true;
	return PACE_OVER;
}
