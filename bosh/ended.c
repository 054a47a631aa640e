#include "bosh/ended.h"

#include <stdlib.h>
#include <string.h>

#include "bosh/client.h"
#include "common/base/loop.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

#define ENDED_ENDS(condition)                                            \
	STAT_COUNTER("waft_bosh_ends_total", "BOSH sessions that ended", \
	    "condition=\"" condition "\"")
static struct stat_metric ended_ends[COND_MAX] = {
	[COND_NONE] = ENDED_ENDS("none"),
	[COND_BAD_REQUEST] = ENDED_ENDS("bad-request"),
	[COND_HOST_GONE] = ENDED_ENDS("host-gone"),
	[COND_HOST_UNKNOWN] = ENDED_ENDS("host-unknown"),
	[COND_IMPROPER_ADDRESSING] = ENDED_ENDS("improper-addressing"),
	[COND_INTERNAL_SERVER_ERROR] = ENDED_ENDS("internal-server-error"),
	[COND_ITEM_NOT_FOUND] = ENDED_ENDS("item-not-found"),
	[COND_OTHER_REQUEST] = ENDED_ENDS("other-request"),
	[COND_POLICY_VIOLATION] = ENDED_ENDS("policy-violation"),
	[COND_REMOTE_STREAM_ERROR] = ENDED_ENDS("remote-stream-error"),
	[COND_SEE_OTHER_URI] = ENDED_ENDS("see-other-uri"),
	[COND_SYSTEM_SHUTDOWN] = ENDED_ENDS("system-shutdown"),
};

struct ended_ring {
	struct loop *loop;
	unsigned next; /* the place to be used next */
	struct ended places[ENDED_MAX];
};

struct ended_ring *
ended_create(struct loop *loop)
{
	struct ended_ring *ring = xcalloc(1, sizeof(*ring));

	ring->loop = loop;
	return ring;
}

void
ended_free(struct ended_ring *ring)
{
	free(ring);
}

void
ended_add(struct ended_ring *ring, const struct client *client,
    enum condition condition)
{
	struct ended *ended = &ring->places[ring->next];

	if (client->session == NULL)
		return;
	ring->next = (ring->next + 1) % ENDED_MAX;
	memcpy(ended->sid, client->sid, SID_SIZE);
	ended->condition = condition;
	ended->legacy = client->legacy;
	ended->stream_error = client->stream_error;
	ended->until = loop_now_ms(ring->loop) + ENDED_MS;
}

const struct ended *
ended_find(const struct ended_ring *ring, struct slice sid)
{
	int64_t now = loop_now_ms(ring->loop);
	const struct ended *ended;

	for (unsigned i = 0; i < ENDED_MAX; i++) {
		/* Newest first. */
		ended = &ring->places[(ring->next - 1 - i) % ENDED_MAX];
		if (ended->until < now)
			break;
		if (sid.len == SID_SIZE - 1 &&
		    memcmp(sid.p, ended->sid, sid.len) == 0)
			return ended;
	}
	return NULL;
}

void
ended_count(enum condition condition)
{
	stat_add(&ended_ends[condition], 1);
}
