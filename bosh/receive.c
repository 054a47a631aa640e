#include "bosh/window.h"
#include "common/base/crypto.h"

#define SESSION_REPEATS_MS 10000
#define SESSION_REPORT_MS  1000

/* The client has all answers up to rid. */
static void
receive_forget(struct session *session, uint64_t rid)
{
	uint64_t at = session->answered;
	struct session_slot *slot;

	for (int i = 0; i <= session->mask && session->n_cached > 0; i++) {
		slot = session_slot(session, at--);
		if (slot->cached && slot->rid <= rid)
			session_slot_clear(session, slot);
	}
}

/* §9.2: the client missed an answer; tell it which and how long ago it went
 * out.  Once a second, lest an answer still on its way is reported for ever. */
static void
receive_report(struct session *session, struct session_slot *slot,
    uint64_t missing, int64_t now)
{
	struct session_slot *lost = session_slot(session, missing);

	if (lost->rid != missing || !lost->cached)
		return;
	if (session->reported == missing &&
	    now - session->report_at < SESSION_REPORT_MS)
		return;
	session->reported = missing;
	session->report_at = now;
	slot->report = (uint8_t)(slot->rid - missing);
	slot->at_once = true;
}

/* No `ack` means that all answers before this request arrived (§9.2). */
static void
receive_take_ack(struct session *session, struct session_slot *slot,
    const struct body *body, int64_t now)
{
	uint64_t ack = body->has_ack ? body->ack : slot->rid - 1;

	if (!session->acks || slot->rid == session->created)
		return;
	if (ack > session->answered)
		ack = session->answered;
	receive_forget(session, ack);
	if (ack < session->answered)
		receive_report(session, slot, ack + 1, now);
}

/* Two empty polls in a row, too close, the first answered by nothing (§12). */
static bool
receive_polls_too_often(struct session *session, const struct body *body,
    int64_t now)
{
	bool empty = !body->has_payload && !body->restart && !body->terminate &&
	    body->pause_s < 0;
	bool often;

	if (session->hold != 0)
		return false;
	often = empty && session->poll_empty &&
	    now - session->poll_at < session->polling_ms;
	session->poll_empty = empty;
	session->poll_at = now;
	return often;
}

static void
receive_pause(struct session *session, int64_t pause_s)
{
	int64_t ms = pause_s * 1000;
	struct session_slot *slot;

	if (session->max_pause_ms <= 0)
		return;
	session->pause_ms =
	    ms < session->max_pause_ms ? ms : session->max_pause_ms;
	for (uint64_t rid = session->answered + 1; rid < session->next; rid++) {
		slot = session_slot(session, rid);
		slot->at_once = true;
		slot->no_payload = true;
	}
}

/* The next request takes effect. */
static void
receive_apply(struct session *session, struct session_slot *slot,
    const struct body *body, int64_t now)
{
	enum condition condition;

	slot->early = false;
	session->next = slot->rid + 1;
	slot->at_once = slot->rid == session->created;
	receive_take_ack(session, slot, body, now);
	if (receive_polls_too_often(session, body, now)) {
		session_end(session, COND_POLICY_VIOLATION, slot->transport,
		    "polling too often");
		return;
	}
	condition = session->ops->apply(session->arg, body);
	if (session->over)
		return;
	if (condition != COND_NONE)
		session_end(session, condition, slot->transport, "refused");
	else if (body->terminate)
		session_end(session, COND_NONE, NULL, "terminate");
	else if (body->pause_s > 0)
		receive_pause(session, body->pause_s);
}

void
session_apply_early(struct session *session, int64_t now)
{
	struct session_slot *slot;
	struct body *body;

	for (;;) {
		slot = session_slot(session, session->next);
		if (session->over || slot->rid != session->next || !slot->early)
			return;
		body = slot->body;
		slot->body = NULL;
		receive_apply(session, slot, body, now);
		body_free(body);
	}
}

static bool
receive_repeats_too_often(struct session_slot *slot, int64_t now)
{
	if (slot->repeats == 0 || now - slot->repeat_at > SESSION_REPEATS_MS) {
		slot->repeats = 0;
		slot->repeat_at = now;
	}
	return ++slot->repeats > SESSION_REPEATS_MAX;
}

static uint64_t
receive_key_mark(const struct session *session, const struct body *body)
{
	uint64_t mark;

	if (!session->keys || body->key.p == NULL)
		return 0;
	mark = crypto_siphash(body->key.p, body->key.len);
	return mark == 0 ? 1 : mark;
}

/* Of a request before the restart its key is all that can be compared. */
static bool
receive_knows_key(struct session *session, struct session_slot *slot,
    const struct body *body)
{
	uint64_t mark = receive_key_mark(session, body);

	if (slot->restored && session->keys && slot->key == 0 && mark != 0 &&
	    session->ops->knows_key(session->arg, body))
		slot->key = mark;
	return slot->key == mark;
}

/* A rid seen before: the same answer again, or the old transport makes way
 * (§14.3).  What the repeat contains is not looked at but for its key. */
static void
receive_repeat(struct session *session, struct session_slot *slot,
    const struct body *body, void *transport, int64_t now)
{
	if (!receive_knows_key(session, slot, body)) {
		session_end(session, COND_ITEM_NOT_FOUND, transport,
		    "repeat with another key");
		return;
	}
	/* Passed over, when it did not come in time: its payload would be lost
	 * in silence. */
	if (slot->lost && body->has_payload) {
		session_end(session, COND_ITEM_NOT_FOUND, transport,
		    "rid passed over");
		return;
	}
	if (receive_repeats_too_often(slot, now)) {
		session_end(session, COND_POLICY_VIOLATION, transport,
		    "repeats too often");
		return;
	}
	if (slot->cached) {
		slot->transport = transport;
		session_send(session, slot, REPLY_REPEAT, COND_NONE,
		    session_cached(slot));
		return;
	}
	session_send(session, slot, REPLY_ERROR, COND_NONE, window_no_text);
	slot->transport = transport;
}

/* Ordinary requests that wait for an answer, held or early. */
static int
receive_unanswered(const struct session *session)
{
	const struct session_slot *slot;
	int count = 0;

	for (uint64_t rid = session->answered + 1; rid <= session->newest;
	     rid++) {
		slot = &session->slots[rid & session->mask];
		count +=
		    slot->rid == rid && slot->transport != NULL && !slot->extra;
	}
	return count;
}

static void
receive_new(struct session *session, struct body *body, void *transport,
    int64_t now)
{
	struct session_slot *slot = session_slot(session, body->rid);

	/* Dead transports are not counted below, yet each has a slot. */
	if (session->next - 1 - session->answered > session->requests)
		session_flush(session, now);
	session->pause_ms = 0;
	session_slot_clear(session, slot);
	if (body->rid > session->newest)
		session->newest = body->rid;
	slot->rid = body->rid;
	slot->transport = transport;
	slot->at = now;
	slot->key = receive_key_mark(session, body);
	slot->early = true;
	slot->extra = body->terminate || body->pause_s > 0;
	/* §11.  What goes out at the end of this turn is still counted: with
	 * hold 1 that allows one held and one that releases it. */
	if (!slot->extra && receive_unanswered(session) > session->requests) {
		session_end(session, COND_POLICY_VIOLATION, transport,
		    "too many requests at once");
		return;
	}
	if (body->rid != session->next) {
		slot->body = body_keep(body);
		return;
	}
	receive_apply(session, slot, body, now);
	session_apply_early(session, now);
}

void
session_receive(struct session *session, struct body *body, void *transport,
    int64_t now)
{
	struct session_slot *slot;
	uint64_t last;

	if (session->resume_window > 0)
		session_rebase(session, body, now);
	if (session->skip_at != 0 && !session_skip_for(session, body, now)) {
		session->ops->send(session->arg, transport, REPLY_END,
		    COND_ITEM_NOT_FOUND, window_no_text);
		body_clear(body);
		return;
	}
	slot = session_slot(session, body->rid);
	last = session->next - 1;
	if (session->skip_at != 0 && last < session->skip_to - 1)
		last = session->skip_to - 1;
	last += session->requests;
	if (body->terminate || body->pause_s > 0)
		last++;
	session->active_at = now;
	if (slot->rid == body->rid &&
	    (slot->cached || slot->early || body->rid < session->next))
		receive_repeat(session, slot, body, transport, now);
	else if (body->rid < session->next || body->rid > last ||
	    body->rid > BODY_RID_MAX)
		session_end(session, COND_ITEM_NOT_FOUND, transport,
		    "rid outside the window");
	else
		receive_new(session, body, transport, now);
	body_clear(body);
}
