#include "bosh/window.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* The oldest request held, dead or alive; NULL if none. */
static struct session_slot *
session_oldest(struct session *session)
{
	if (session->answered + 1 >= session->next)
		return NULL;
	return session_slot(session, session->answered + 1);
}

struct session *
session_create(const struct session_opts *opts, const struct session_ops *ops,
    void *arg, int64_t now)
{
	struct session *session;
	bool polling = opts->hold <= 0 || opts->wait_ms <= 0;
	int hold = polling ? 0 : opts->hold;
	size_t slots = 8;

	if (hold > SESSION_HOLD_MAX)
		hold = SESSION_HOLD_MAX;
	/* Cached, as many pauses between them, held with one to be released,
	 * early with one to spare. */
	while (slots < 4 * ((size_t)hold + 1) + 3)
		slots *= 2;
	session =
	    xcalloc(1, sizeof(*session) + slots * sizeof(session->slots[0]));
	session->ops = ops;
	session->arg = arg;
	session->created = opts->rid;
	session->answered = opts->rid - 1;
	session->next = opts->rid;
	if (!polling)
		session->wait_ms = opts->wait_ms -
		    (opts->wait_ms / 4 < SESSION_EARLY_MS ? opts->wait_ms / 4 :
		                                            SESSION_EARLY_MS);
	/* A polling client is silent between its polls (§12). */
	session->inactivity_ms =
	    opts->inactivity_ms + (polling ? 2 * opts->polling_ms : 0);
	session->polling_ms = opts->polling_ms;
	session->max_pause_ms = opts->max_pause_ms;
	session->hold = (uint8_t)hold;
	session->requests = (uint8_t)(hold + 1);
	session->mask = (uint8_t)(slots - 1);
	session->acks = opts->acks;
	session->keys = opts->keys;
	session->active_at = now;
	return session;
}

void
session_slot_clear(struct session *session, struct session_slot *slot)
{
	session->kept -= slot->text_len;
	session->n_cached -= slot->cached;
	if (slot->early)
		body_free(slot->body);
	else
		free(slot->text);
	memset(slot, 0, sizeof(*slot));
}

void
session_free(struct session *session)
{
	for (int i = 0; i <= session->mask; i++)
		session_slot_clear(session, &session->slots[i]);
	free(session);
}

int
session_requests(const struct session *session)
{
	return session->requests;
}

int
session_hold(const struct session *session)
{
	return session->hold;
}

int64_t
session_inactivity_ms(const struct session *session)
{
	return session->inactivity_ms;
}

bool
session_is_over(const struct session *session)
{
	return session->over;
}

uint64_t
session_next(const struct session *session)
{
	return session->next;
}

/* ---- sending --------------------------------------------------------- */

void
session_send(struct session *session, struct session_slot *slot,
    enum session_reply reply, enum condition condition, struct slice text)
{
	void *transport = slot->transport;

	slot->transport = NULL;
	if (transport != NULL)
		session->ops->send(session->arg, transport, reply, condition,
		    text);
}

struct slice
session_cached(const struct session_slot *slot)
{
	return slot->text == NULL ?
	    (struct slice){ body_empty, body_empty_len } :
	    (struct slice){ slot->text, slot->text_len };
}

/* Keeps the last `requests` answers; those to pauses do not count (§14.3), but
 * are no more than as many.  Returns the text of one that goes, or NULL: the
 * caller's, to be written over. */
static char *
session_evict(struct session *session)
{
	struct session_slot *slot;
	uint64_t rid = session->answered;
	int kept = 0, left = session->n_cached;
	char *over = NULL;

	for (int i = 0; i <= 2 * session->requests && left > 0; i++, rid--) {
		slot = session_slot(session, rid);
		if (slot->rid != rid || !slot->cached)
			continue;
		left--;
		if (kept < session->requests && i < 2 * session->requests) {
			kept += !slot->extra;
			continue;
		}
		if (over == NULL) {
			over = slot->text;
			slot->text = NULL;
		}
		session_slot_clear(session, slot);
	}
	return over;
}

void
session_slot_keep(struct session *session, struct session_slot *slot,
    struct slice text, char *over)
{
	slot->text = xreallocarray(over, text.len, 1);
	memcpy(slot->text, text.p, text.len);
	slot->text_len = (uint32_t)text.len;
	session->kept += slot->text_len;
}

/* Text p NULL: the empty body. */
static void
session_answer(struct session *session, struct session_slot *slot,
    struct slice text, int64_t now)
{
	char *over;

	slot->cached = true;
	session->n_cached++;
	slot->at = now;
	slot->repeats = 0;
	session->answered = slot->rid;
	if (slot->transport != NULL)
		session->active_at = now;
	over = session_evict(session);
	if (text.p != NULL)
		session_slot_keep(session, slot, text, over);
	else
		free(over);
	session_send(session, slot, REPLY_BODY, COND_NONE,
	    session_cached(slot));
}

static void
session_answer_payload(struct session *session, struct session_slot *slot,
    bool payload, int64_t now)
{
	struct session_answer answer = { .rid = slot->rid };
	struct slice text = window_no_text;

	answer.created = slot->rid == session->created;
	answer.payload = payload;
	if (session->acks && session->next - 1 != slot->rid)
		answer.attrs.ack = session->next - 1;
	if (slot->report != 0) {
		answer.attrs.report = slot->rid - slot->report;
		answer.attrs.report_ms =
		    now - session_slot(session, answer.attrs.report)->at;
	}
	if (payload || answer.created || answer.attrs.ack != 0 ||
	    answer.attrs.report != 0)
		text = session->ops->render(session->arg, &answer);
	slot->mark = answer.mark;
	slot->texts = answer.texts;
	if (payload)
		session->poll_empty = false;
	session_answer(session, slot, text, now);
}

void
session_flush(struct session *session, int64_t now)
{
	struct session_slot *slot;
	bool waits, behind, due;

	while (!session->over && (slot = session_oldest(session)) != NULL) {
		behind = session->answered + 2 < session->next;
		if (slot->transport == NULL) {
			if (!behind)
				return;
			session_answer(session, slot, window_no_text, now);
			continue;
		}
		due = slot->at_once || now >= slot->at + session->wait_ms ||
		    session->next - 1 - session->answered > session->hold;
		waits =
		    !slot->no_payload && session->ops->waiting(session->arg);
		if (!due && !waits)
			return;
		session_answer_payload(session, slot, waits, now);
	}
}

void
session_release(struct session *session, int64_t now)
{
	for (uint64_t rid = session->answered + 1; rid < session->next; rid++)
		session_slot(session, rid)->at_once = true;
	session_flush(session, now);
}

/* ---- the end --------------------------------------------------------- */

void
session_end(struct session *session, enum condition condition, void *offender,
    const char *reason)
{
	struct session_slot *slot;
	bool told = false;
	uint64_t last = session->next + session->requests + 1;

	if (session->over)
		return;
	session->over = true;
	if (offender != NULL) {
		told = true;
		session->ops->send(session->arg, offender, REPLY_END, condition,
		    window_no_text);
	}
	for (uint64_t rid = session->answered + 1; rid <= last; rid++) {
		slot = session_slot(session, rid);
		if (slot->rid != rid || slot->transport == NULL)
			continue;
		if (slot->transport == offender)
			slot->transport = NULL;
		else if (offender != NULL)
			session_send(session, slot, REPLY_END,
			    COND_OTHER_REQUEST, window_no_text);
		else if (!told)
			session_send(session, slot, REPLY_END, condition,
			    window_no_text);
		else
			session_send(session, slot, REPLY_BODY, COND_NONE,
			    (struct slice){ body_empty, body_empty_len });
		told = true;
	}
	session->ops->ended(session->arg, condition, told, reason);
}

/* ---- transports and time --------------------------------------------- */

bool
session_abort(struct session *session, const void *transport, int64_t now)
{
	struct session_slot *slot;

	for (int i = 0; i <= session->mask; i++) {
		slot = &session->slots[i];
		if (slot->transport != transport)
			continue;
		slot->transport = NULL;
		if (session_held(session) == 0)
			session->active_at = now;
		return true;
	}
	return false;
}

/* An answer looks at its own slot, and at those of the answers that are kept:
 * of them it ends one, whose text then makes room for the next. */
void
session_fetch(const struct session *session, int step)
{
	const struct session_slot *slot;
	uint64_t rid;

	if (step == 0) {
		mem_fetch(session, sizeof(*session));
		return;
	}
	rid = session->answered + 1;
	for (int i = 0; step == 1 && i <= session->n_cached; i++)
		mem_fetch(&session->slots[(rid - i) & session->mask],
		    sizeof(session->slots[0]));
	slot = &session->slots[(rid - session->n_cached) & session->mask];
	if (step == 2 && slot->cached && slot->text != NULL)
		mem_fetch(slot->text, slot->text_len);
}

const void *
session_first(const struct session *session)
{
	uint64_t rid = session->answered + 1;

	return rid < session->next ?
	    session->slots[rid & session->mask].transport :
	    NULL;
}

int
session_held(const struct session *session)
{
	const struct session_slot *slot;
	int held = 0;

	for (uint64_t rid = session->answered + 1; rid < session->next; rid++) {
		slot = &session->slots[rid & session->mask];
		held += slot->transport != NULL;
	}
	return held;
}

/* While a request is held there is no inactivity (§10); an early one waits for
 * a rid that may never come, so it does not count. */
static int64_t
session_quiet_deadline(const struct session *session)
{
	const struct session_slot *slot;

	for (uint64_t rid = session->answered + 1; rid < session->next; rid++) {
		slot = &session->slots[rid & session->mask];
		if (slot->transport != NULL)
			return slot->at + session->wait_ms;
	}
	return session->active_at +
	    (session->pause_ms > 0 ? session->pause_ms :
	                             session->inactivity_ms);
}

int64_t
session_deadline(const struct session *session)
{
	int64_t due;

	if (session->over)
		return INT64_MAX;
	due = session_quiet_deadline(session);
	return session->skip_at != 0 && session->skip_at < due ?
	    session->skip_at :
	    due;
}

void
session_timeout(struct session *session, int64_t now)
{
	if (session->skip_at != 0 && now >= session->skip_at)
		session_skip(session, now);
	session_flush(session, now);
	if (session->over || session_held(session) > 0 ||
	    now < session_deadline(session))
		return;
	/* Ends silently, but for early requests that are still there. */
	session_end(session, COND_ITEM_NOT_FOUND, NULL, "inactivity");
}

uint64_t
session_oldest_mark(const struct session *session)
{
	const struct session_slot *slot;
	uint64_t mark = 0, rid = session->answered;
	int left = session->n_cached;

	for (int i = 0; i <= session->mask && left > 0; i++, rid--) {
		slot = &session->slots[rid & session->mask];
		left -= slot->cached;
		if (slot->cached && slot->mark != 0 &&
		    (mark == 0 || slot->mark < mark))
			mark = slot->mark;
	}
	return mark;
}

bool
session_has_texts(const struct session *session)
{
	const struct session_slot *slot;
	uint64_t rid = session->answered;
	int left = session->n_cached;

	for (int i = 0; i <= session->mask && left > 0; i++, rid--) {
		slot = &session->slots[rid & session->mask];
		left -= slot->cached;
		if (slot->cached && slot->texts)
			return true;
	}
	return false;
}

bool
session_next_text(const struct session *session, uint64_t *rid,
    struct slice *text)
{
	const struct session_slot *slot, *found = NULL;

	for (int i = 0; i <= session->mask; i++) {
		slot = &session->slots[i];
		if (slot->cached && slot->texts && slot->rid > *rid &&
		    (found == NULL || slot->rid < found->rid))
			found = slot;
	}
	if (found == NULL)
		return false;
	*rid = found->rid;
	*text = session_cached(found);
	return true;
}

size_t
session_kept(const struct session *session)
{
	return session->kept;
}

int64_t
session_pause_ms(const struct session *session)
{
	return session->pause_ms;
}
