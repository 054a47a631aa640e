/* A session taken up again after a restart (session.h, struct session_past). */
#include "bosh/window.h"

/* One that came before its turn waits so long for those between. */
#define RESUME_SKIP_MS 300

static void
resume_set_slot(struct session *session, uint64_t rid, int64_t now)
{
	struct session_slot *slot = session_slot(session, rid);

	session_slot_clear(session, slot);
	slot->rid = rid;
	slot->at = now;
	slot->restored = true;
}

struct session *
session_resume(const struct session_opts *opts, const struct session_past *past,
    const struct session_ops *ops, void *arg, int64_t now)
{
	struct session *session = session_create(opts, ops, arg, now);
	uint64_t first = session->created;

	session->inactivity_ms = past->inactivity_ms;
	session->pause_ms = past->pause_ms;
	session->resume_window = past->window;
	if (past->rid < session->created)
		return session;
	if (past->rid - session->created >= session->requests)
		first = past->rid - session->requests + 1;
	session->next = past->rid + 1;
	session->answered = first - 1;
	for (uint64_t rid = first; rid <= past->rid; rid++)
		resume_set_slot(session, rid, now);
	return session;
}

void
session_put_back(struct session *session, uint64_t rid, struct slice text)
{
	struct session_slot *slot;

	if (rid <= session->answered || rid >= session->next)
		return;
	while (session->answered < rid) {
		slot = session_slot(session, ++session->answered);
		slot->cached = true;
		session->n_cached++;
	}
	slot->texts = true;
	session_slot_keep(session, slot, text, NULL);
}

/* Its request of this rid proves that the client has all answers before. */
static uint64_t
resume_first_open(const struct session *session, const struct body *body)
{
	uint64_t open = session->requests - UINT64_C(1) +
	    (body->terminate || body->pause_s > 0);
	uint64_t first = body->rid;

	if (!session->acks)
		first = open < body->rid ? body->rid - open : 0;
	else if (body->has_ack && body->ack < body->rid)
		first = body->ack + 1;
	return first > session->next ? first : session->next;
}

void
session_rebase(struct session *session, const struct body *body, int64_t now)
{
	uint64_t last = session->next - 1 + session->resume_window, first;

	session->resume_window = 0;
	if (body->rid < session->next || body->rid > last ||
	    body->rid > BODY_RID_MAX)
		return;
	first = resume_first_open(session, body);
	if (first > session->next) {
		for (int i = 0; i <= session->mask; i++)
			session_slot_clear(session, &session->slots[i]);
		session->next = first;
		session->answered = first - 1;
	}
	if (body->rid > first) {
		session->skip_to = body->rid;
		session->skip_at = now + RESUME_SKIP_MS;
	}
}

void
session_skip(struct session *session, int64_t now)
{
	const struct session_slot *slot;

	session->skip_at = 0;
	while (!session->over && session->next < session->skip_to) {
		slot = session_slot(session, session->next);
		if (slot->rid != session->next || !slot->early) {
			resume_set_slot(session, session->next, now);
			session_slot(session, session->next)->lost = true;
			session->next++;
		}
		session_apply_early(session, now);
	}
}

bool
session_skip_for(struct session *session, const struct body *body, int64_t now)
{
	if (body->rid > session->skip_to &&
	    resume_first_open(session, body) >= session->skip_to)
		session_skip(session, now);
	return !session->over;
}
