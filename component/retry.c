#include "component/retry.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *fix; /* without double quotes: it stands in them */
	int64_t wait_ms; /* 0: growing */
} retry_ends[LINK_END_MAX] = {
	[LINK_END_NONE] = { "none", NULL, 0 },
	[LINK_END_CLOSED] = { "closed", NULL, 0 },
	[LINK_END_REFUSED] = { "refused",
	    "start the XMPP server, or correct `server` in the component "
	    "section (Prosody: component_ports; ejabberd: port of the "
	    "ejabberd_service listener)",
	    0 },
	[LINK_END_SILENT] = { "silent", NULL, 0 },
	[LINK_END_LOST] = { "lost", NULL, 0 },
	[LINK_END_SHUTDOWN] = { "shutdown", NULL, 0 },
	[LINK_END_SECRET] = { "not-authorized",
	    "make `secret` in the component section the server's own "
	    "(Prosody: component_secret of this Component; ejabberd: "
	    "password under hosts of ejabberd_service, which must list "
	    "the domain)",
	    RETRY_FAULT_MS },
	[LINK_END_HOST] = { "host-unknown",
	    "make the domain known to the server (Prosody: a Component "
	    "with component_secret; ejabberd: hosts of ejabberd_service)",
	    RETRY_FAULT_MS },
	[LINK_END_CONFLICT] = { "conflict",
	    "end the other component of this domain (Prosody may take the "
	    "newest: component_conflict_resolve = 'kick_old'; ejabberd "
	    "must not list it in its own hosts)",
	    RETRY_CONFLICT_MS },
	[LINK_END_STANZA] = { "stanza-refused", NULL, 0 },
	[LINK_END_OTHER] = { "other", NULL, 0 },
};

const char *
link_end_name(enum link_end end)
{
	return retry_ends[end].name;
}

const char *
link_end_fix(enum link_end end)
{
	return retry_ends[end].fix;
}

void
retry_up(struct retry *retry, int64_t now_ms)
{
	retry->up_ms = now_ms;
}

/* Within a fifth of it, up or down, so that many do not come back at once. */
static int64_t
retry_jitter(int64_t wait_ms, uint32_t chance)
{
	int64_t span = wait_ms * 2 / 5;

	return wait_ms - wait_ms / 5 + (span > 0 ? chance % span : 0);
}

int64_t
retry_down(struct retry *retry, enum link_end end, bool was_up, int64_t now_ms,
    int64_t max_ms, uint32_t chance)
{
	int64_t wait_ms = retry_ends[end].wait_ms;

	if (was_up && now_ms - retry->up_ms >= RETRY_STABLE_MS)
		retry->attempt = 0;
	if (end == LINK_END_CONFLICT && now_ms < retry->eager_ms)
		wait_ms = RETRY_FIRST_MS;
	if (wait_ms == 0) {
		wait_ms = (int64_t)RETRY_FIRST_MS
		    << (retry->attempt < 10 ? retry->attempt : 10);
		retry->attempt++;
	}
	if (wait_ms > max_ms)
		wait_ms = max_ms;
	return retry_jitter(wait_ms, chance);
}
