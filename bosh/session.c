#include "bosh/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"

#define SESSION_REPEATS_MS 10000
#define SESSION_REPORT_MS  1000

/* One rid.  It is early (body set), then held, then cached. */
struct session_slot {
	uint64_t rid;
	void *transport;   /* NULL: died, or answered */
	struct body *body; /* of an early request */
	char *text;        /* the answer; NULL: the empty body */
	uint32_t text_len;
	uint8_t repeats;
	bool early;
	bool cached;
	bool at_once;    /* answered without waiting */
	bool no_payload; /* by an empty body (§10) */
	bool extra;      /* a pause or an end: allowed beyond `requests` */
	uint64_t report;
	uint64_t mark;
	uint64_t key;      /* of the key it came with; 0: none */
	int64_t at;        /* received, then answered */
	int64_t repeat_at; /* first of the repeats counted */
};

struct session {
	const struct session_ops *ops;
	void *arg;
	uint64_t created;  /* rid */
	uint64_t answered; /* all up to it were answered */
	uint64_t next;     /* all before it took effect */
	int64_t wait_ms;
	int64_t inactivity_ms;
	int64_t polling_ms;
	int64_t max_pause_ms;
	int64_t pause_ms; /* granted; 0: none */
	int64_t active_at;
	int64_t poll_at; /* the last empty poll of a polling session */
	int64_t report_at;
	uint64_t reported;
	uint8_t hold;
	uint8_t requests;
	uint8_t mask; /* slots - 1 */
	bool acks;
	bool over;
	bool poll_empty; /* that poll, and its answer, were empty */
	struct session_slot slots[];
};

static const struct slice session_no_text = { NULL, 0 };

static struct session_slot *
session_slot(struct session *session, uint64_t rid)
{
	return &session->slots[rid & session->mask];
}

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
	/* Cached, held with one to be released, early with one to spare. */
	while (slots < (size_t)(3 * (hold + 1) + 3))
		slots *= 2;
	session =
	    xcalloc(1, sizeof(*session) + slots * sizeof(session->slots[0]));
	session->ops = ops;
	session->arg = arg;
	session->created = opts->rid;
	session->answered = opts->rid - 1;
	session->next = opts->rid;
	session->wait_ms = polling ? 0 : opts->wait_ms;
	/* A polling client is silent between its polls (§12). */
	session->inactivity_ms =
	    opts->inactivity_ms + (polling ? 2 * opts->polling_ms : 0);
	session->polling_ms = opts->polling_ms;
	session->max_pause_ms = opts->max_pause_ms;
	session->hold = (uint8_t)hold;
	session->requests = (uint8_t)(hold + 1);
	session->mask = (uint8_t)(slots - 1);
	session->acks = opts->acks;
	session->active_at = now;
	return session;
}

static void
session_slot_clear(struct session_slot *slot)
{
	free(slot->text);
	body_free(slot->body);
	memset(slot, 0, sizeof(*slot));
}

void
session_free(struct session *session)
{
	for (int i = 0; i <= session->mask; i++)
		session_slot_clear(&session->slots[i]);
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

uint64_t
session_answered(const struct session *session)
{
	return session->answered;
}

/* ---- sending --------------------------------------------------------- */

static void
session_send(struct session *session, struct session_slot *slot,
    enum session_reply reply, enum condition condition, struct slice text)
{
	void *transport = slot->transport;

	slot->transport = NULL;
	if (transport != NULL)
		session->ops->send(session->arg, transport, reply, condition,
		    text);
}

static struct slice
session_cached(const struct session_slot *slot)
{
	return slot->text == NULL ?
	    (struct slice){ body_empty, body_empty_len } :
	    (struct slice){ slot->text, slot->text_len };
}

/* The answer is the last but `requests`: no one may ask for that one now. */
static void
session_evict(struct session *session)
{
	struct session_slot *slot;
	uint64_t rid;

	if (session->answered < session->requests)
		return;
	rid = session->answered - session->requests;
	slot = session_slot(session, rid);
	if (slot->rid == rid && slot->cached)
		session_slot_clear(slot);
}

/* Text p NULL: the empty body. */
static void
session_answer(struct session *session, struct session_slot *slot,
    struct slice text, int64_t now)
{
	slot->cached = true;
	slot->at = now;
	slot->repeats = 0;
	if (text.p != NULL) {
		slot->text = xmalloc(text.len);
		memcpy(slot->text, text.p, text.len);
		slot->text_len = (uint32_t)text.len;
	}
	session->answered = slot->rid;
	session->active_at = now;
	session_evict(session);
	session_send(session, slot, REPLY_BODY, COND_NONE,
	    session_cached(slot));
}

static void
session_answer_payload(struct session *session, struct session_slot *slot,
    bool payload, int64_t now)
{
	struct session_answer answer = { .rid = slot->rid };
	struct slice text = session_no_text;

	answer.created = slot->rid == session->created;
	answer.payload = payload;
	if (session->acks && session->next - 1 != slot->rid)
		answer.attrs.ack = session->next - 1;
	if (slot->report != 0) {
		answer.attrs.report = slot->report;
		answer.attrs.report_ms =
		    now - session_slot(session, slot->report)->at;
	}
	if (payload || answer.created || answer.attrs.ack != 0 ||
	    answer.attrs.report != 0)
		text = session->ops->render(session->arg, &answer);
	slot->mark = answer.mark;
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
			session_answer(session, slot, session_no_text, now);
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
		    session_no_text);
	}
	for (uint64_t rid = session->answered + 1; rid <= last; rid++) {
		slot = session_slot(session, rid);
		if (slot->rid != rid || slot->transport == NULL)
			continue;
		if (slot->transport == offender)
			slot->transport = NULL;
		else if (offender != NULL)
			session_send(session, slot, REPLY_END,
			    COND_OTHER_REQUEST, session_no_text);
		else if (!told)
			session_send(session, slot, REPLY_END, condition,
			    session_no_text);
		else
			session_send(session, slot, REPLY_BODY, COND_NONE,
			    (struct slice){ body_empty, body_empty_len });
		told = true;
	}
	session->ops->ended(session->arg, condition, told, reason);
}

/* ---- receiving ------------------------------------------------------- */

/* The client has all answers up to rid. */
static void
session_forget(struct session *session, uint64_t rid)
{
	struct session_slot *slot;

	for (int i = 0; i <= session->mask; i++) {
		slot = &session->slots[i];
		if (slot->cached && slot->rid <= rid)
			session_slot_clear(slot);
	}
}

/* §9.2: the client missed an answer; tell it which and how long ago it went
 * out.  Once a second, lest an answer still on its way is reported for ever. */
static void
session_report(struct session *session, struct session_slot *slot,
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
	slot->report = missing;
	slot->at_once = true;
}

/* No `ack` means that all answers before this request arrived (§9.2). */
static void
session_take_ack(struct session *session, struct session_slot *slot,
    const struct body *body, int64_t now)
{
	uint64_t ack = body->has_ack ? body->ack : slot->rid - 1;

	if (!session->acks || slot->rid == session->created)
		return;
	if (ack > session->answered)
		ack = session->answered;
	session_forget(session, ack);
	if (ack < session->answered)
		session_report(session, slot, ack + 1, now);
}

/* Two empty polls in a row, too close, the first answered by nothing (§12). */
static bool
session_polls_too_often(struct session *session, const struct body *body,
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
session_pause(struct session *session, int64_t pause_s)
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
session_apply(struct session *session, struct session_slot *slot,
    const struct body *body, int64_t now)
{
	enum condition condition;

	slot->early = false;
	session->next = slot->rid + 1;
	slot->at_once = slot->rid == session->created;
	session_take_ack(session, slot, body, now);
	if (session_polls_too_often(session, body, now)) {
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
		session_pause(session, body->pause_s);
}

/* What came early and is now in turn. */
static void
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
		session_apply(session, slot, body, now);
		body_free(body);
	}
}

static bool
session_repeats_too_often(struct session_slot *slot, int64_t now)
{
	if (slot->repeats == 0 || now - slot->repeat_at > SESSION_REPEATS_MS) {
		slot->repeats = 0;
		slot->repeat_at = now;
	}
	return ++slot->repeats > SESSION_REPEATS_MAX;
}

static uint64_t
session_key_mark(const struct body *body)
{
	uint64_t mark;

	if (body->key.p == NULL)
		return 0;
	mark = crypto_siphash(body->key.p, body->key.len);
	return mark == 0 ? 1 : mark;
}

/* A rid seen before: the same answer again, or the old transport makes way
 * (§14.3).  What the repeat contains is not looked at but for its key. */
static void
session_repeat(struct session *session, struct session_slot *slot,
    const struct body *body, void *transport, int64_t now)
{
	if (slot->key != session_key_mark(body)) {
		session_end(session, COND_ITEM_NOT_FOUND, transport,
		    "repeat with another key");
		return;
	}
	if (session_repeats_too_often(slot, now)) {
		session_end(session, COND_POLICY_VIOLATION, transport,
		    "repeats too often");
		return;
	}
	if (slot->cached) {
		slot->transport = transport;
		session_send(session, slot, REPLY_BODY, COND_NONE,
		    session_cached(slot));
		return;
	}
	session_send(session, slot, REPLY_ERROR, COND_NONE, session_no_text);
	slot->transport = transport;
}

/* Ordinary requests that wait for an answer, held or early. */
static int
session_unanswered(const struct session *session)
{
	const struct session_slot *slot;
	int count = 0;

	for (int i = 0; i <= session->mask; i++) {
		slot = &session->slots[i];
		count += slot->transport != NULL && !slot->extra;
	}
	return count;
}

static void
session_new(struct session *session, struct body *body, void *transport,
    int64_t now)
{
	struct session_slot *slot = session_slot(session, body->rid);

	/* Dead transports are not counted below, yet each has a slot. */
	if (session->next - 1 - session->answered > session->requests)
		session_flush(session, now);
	session->pause_ms = 0;
	session_slot_clear(slot);
	slot->rid = body->rid;
	slot->transport = transport;
	slot->at = now;
	slot->key = session_key_mark(body);
	slot->early = true;
	slot->extra = body->terminate || body->pause_s > 0;
	/* §11.  What goes out at the end of this turn is still counted: with
	 * hold 1 that allows one held and one that releases it. */
	if (!slot->extra && session_unanswered(session) > session->requests) {
		session_end(session, COND_POLICY_VIOLATION, transport,
		    "too many requests at once");
		return;
	}
	if (body->rid != session->next) {
		slot->body = body_keep(body);
		return;
	}
	session_apply(session, slot, body, now);
	session_apply_early(session, now);
}

void
session_receive(struct session *session, struct body *body, void *transport,
    int64_t now)
{
	struct session_slot *slot = session_slot(session, body->rid);
	uint64_t last = session->next - 1 + session->requests;

	if (body->terminate || body->pause_s > 0)
		last++;
	session->active_at = now;
	if (slot->rid == body->rid &&
	    (slot->cached || slot->early || body->rid < session->next))
		session_repeat(session, slot, body, transport, now);
	else if (body->rid < session->next || body->rid > last ||
	    body->rid > BODY_RID_MAX)
		session_end(session, COND_ITEM_NOT_FOUND, transport,
		    "rid outside the window");
	else
		session_new(session, body, transport, now);
	body_clear(body);
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
int64_t
session_deadline(const struct session *session)
{
	const struct session_slot *slot;

	if (session->over)
		return INT64_MAX;
	for (uint64_t rid = session->answered + 1; rid < session->next; rid++) {
		slot = &session->slots[rid & session->mask];
		if (slot->transport != NULL)
			return slot->at + session->wait_ms;
	}
	return session->active_at +
	    (session->pause_ms > 0 ? session->pause_ms :
	                             session->inactivity_ms);
}

void
session_timeout(struct session *session, int64_t now)
{
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
	uint64_t mark = 0;

	for (int i = 0; i <= session->mask; i++) {
		slot = &session->slots[i];
		if (slot->cached && slot->mark != 0 &&
		    (mark == 0 || slot->mark < mark))
			mark = slot->mark;
	}
	return mark;
}

size_t
session_size(const struct session *session)
{
	size_t size = sizeof(*session);

	for (int i = 0; i <= session->mask; i++)
		size += sizeof(session->slots[i]) + session->slots[i].text_len;
	return size;
}
