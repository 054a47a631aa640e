/*
 * A script of bytes drives one session: requests with any rid, deaths of
 * connections, payloads, time.  Whatever it says: a transport is answered at
 * most once and none is left when the session ends; requests take effect and
 * answers go out by rid; a repeat is the answer that was given; no deadline
 * stays behind; what a session holds is bounded.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/session.h"

#define FUZZ_STEPS 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_transport {
	uint64_t rid;
	bool live;
};

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct session *session;
	struct session_opts opts;
	int64_t now;
	int waiting;
	int refuse; /* what apply() does next: 0 nothing, 1 refuse, 2 end */
	int rendered;
	bool ended;
	uint64_t applied;
	uint64_t answered;
	struct fuzz_transport transports[FUZZ_STEPS];
	int n_transports;
	int live;
	int text_of[FUZZ_STEPS + 2]; /* by rid: number rendered, 0: none */
	char text[32];
};

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

/* The script's next byte; 0 behind its end. */
static unsigned
fuzz_byte(struct fuzz *fuzz)
{
	if (fuzz->size == 0)
		return 0;
	fuzz->size--;
	return *fuzz->data++;
}

/* ---- what the session asks and says ------------------------------------ */

static enum condition
fuzz_apply(void *arg, const struct body *body)
{
	struct fuzz *fuzz = arg;
	int refuse = fuzz->refuse;

	fuzz_check(!fuzz->ended && body->rid == fuzz->applied + 1);
	fuzz->applied = body->rid;
	fuzz->refuse = 0;
	if (refuse == 2)
		session_end(fuzz->session, COND_REMOTE_STREAM_ERROR, NULL, "");
	return refuse == 1 ? COND_BAD_REQUEST : COND_NONE;
}

static bool
fuzz_waiting(void *arg)
{
	return ((struct fuzz *)arg)->waiting > 0;
}

static struct slice
fuzz_text(struct fuzz *fuzz, uint64_t rid)
{
	int number = fuzz->text_of[rid - fuzz->opts.rid];

	if (number == 0)
		return (struct slice){ body_empty, body_empty_len };
	snprintf(fuzz->text, sizeof(fuzz->text), "text %d", number);
	return (struct slice){ fuzz->text, strlen(fuzz->text) };
}

static struct slice
fuzz_render(void *arg, struct session_answer *answer)
{
	struct fuzz *fuzz = arg;
	int *number = &fuzz->text_of[answer->rid - fuzz->opts.rid];

	fuzz_check(!fuzz->ended && answer->rid <= fuzz->applied);
	fuzz_check(answer->rid > fuzz->answered && *number == 0);
	fuzz_check(!answer->payload || fuzz->waiting > 0);
	fuzz_check(answer->created == (answer->rid == fuzz->opts.rid));
	if (answer->payload)
		fuzz->waiting = 0;
	*number = ++fuzz->rendered;
	answer->mark = answer->rid;
	return fuzz_text(fuzz, answer->rid);
}

static void
fuzz_send(void *arg, void *to, enum session_reply reply,
    enum condition condition, struct slice text)
{
	struct fuzz *fuzz = arg;
	struct fuzz_transport *transport = to;
	struct slice kept;

	fuzz_check(transport->live && !fuzz->ended);
	transport->live = false;
	fuzz->live--;
	fuzz_check(condition == COND_NONE || reply == REPLY_END);
	if (reply == REPLY_BODY) {
		fuzz_check(transport->rid > fuzz->answered);
		fuzz->answered = transport->rid;
	}
	if (reply == REPLY_REPEAT)
		fuzz_check(transport->rid <= fuzz->applied);
	if (reply == REPLY_BODY || reply == REPLY_REPEAT) {
		kept = transport->rid > fuzz->applied ?
		    (struct slice){ body_empty, body_empty_len } :
		    fuzz_text(fuzz, transport->rid);
		fuzz_check(text.len == kept.len &&
		    memcmp(text.p, kept.p, kept.len) == 0);
	}
}

static void
fuzz_ended(void *arg, enum condition condition, bool told, const char *reason)
{
	struct fuzz *fuzz = arg;

	(void)condition;
	(void)told;
	fuzz_check(!fuzz->ended && reason != NULL);
	fuzz->ended = true;
	fuzz_check(fuzz->live == 0);
}

static const struct session_ops fuzz_ops = { fuzz_apply, fuzz_waiting,
	fuzz_render, fuzz_send, fuzz_ended, NULL };

/* ---- the script -------------------------------------------------------- */

static void
fuzz_request(struct fuzz *fuzz, uint64_t rid, unsigned flags)
{
	static const char *const keys[] = { "a", "bb" };
	struct fuzz_transport *transport =
	    &fuzz->transports[fuzz->n_transports++];
	struct body body = { .has_rid = true,
		.rid = rid,
		.wait_s = -1,
		.hold = -1,
		.pause_s = -1 };

	transport->rid = rid;
	transport->live = true;
	fuzz->live++;
	if (flags & 1) {
		body.has_ack = true;
		body.ack = rid - 1 - (flags >> 5);
	}
	if (flags & 2)
		body.key = (struct slice){ keys[flags >> 7], 1 + (flags >> 7) };
	body.has_payload = flags & 4;
	body.terminate = (flags & 0x18) == 0x18;
	body.restart = (flags & 0x38) == 0x10;
	if ((flags & 0x18) == 8)
		body.pause_s = flags >> 5;
	session_receive(fuzz->session, &body, transport, fuzz->now);
}

static void
fuzz_abort(struct fuzz *fuzz, unsigned which)
{
	struct fuzz_transport *transport;

	for (int i = fuzz->n_transports - 1; i >= 0; i--) {
		transport = &fuzz->transports[i];
		if (!transport->live || which-- > 0)
			continue;
		transport->live = false;
		fuzz->live--;
		fuzz_check(session_abort(fuzz->session, transport, fuzz->now));
		fuzz_check(!session_abort(fuzz->session, transport, fuzz->now));
		return;
	}
}

static void
fuzz_pass(struct fuzz *fuzz, int64_t ms)
{
	fuzz->now += ms;
	if (session_deadline(fuzz->session) > fuzz->now)
		return;
	session_timeout(fuzz->session, fuzz->now);
	fuzz_check(session_deadline(fuzz->session) > fuzz->now);
}

static void
fuzz_step(struct fuzz *fuzz, unsigned op)
{
	uint64_t rid;

	switch (op & 15) {
	case 8:
		fuzz->waiting++;
		break;
	case 9:
		fuzz_abort(fuzz, op >> 5);
		break;
	case 10:
		fuzz_pass(fuzz, 1 + (op >> 5) * 100);
		break;
	case 11:
		fuzz_pass(fuzz, (op >> 5) * 10000);
		break;
	case 12:
		fuzz->refuse = (int)(op >> 6);
		break;
	case 13:
		session_release(fuzz->session, fuzz->now);
		break;
	case 14:
		rid = 0;
		for (int i = 0; i < 8; i++)
			rid = rid << 8 | fuzz_byte(fuzz);
		fuzz_request(fuzz, rid == 0 ? 1 : rid, op >> 5);
		break;
	case 15:
		if (op >> 5 == 7)
			session_end(fuzz->session, COND_BAD_REQUEST, NULL, "");
		break;
	default:
		rid = session_next(fuzz->session) + (op & 15);
		rid = rid > 4 ? rid - 4 : 1;
		fuzz_request(fuzz, rid, fuzz_byte(fuzz));
	}
}

static void
fuzz_look(const struct fuzz *fuzz)
{
	uint64_t mark = session_oldest_mark(fuzz->session);
	int most = 3 * (session_hold(fuzz->session) + 1) + 3;
	int slots = 4 * (session_hold(fuzz->session) + 1) + 3;

	fuzz_check(fuzz->ended == session_is_over(fuzz->session));
	fuzz_check(
	    fuzz->ended || session_next(fuzz->session) == fuzz->applied + 1);
	fuzz_check(fuzz->live <= most);
	fuzz_check(session_held(fuzz->session) <= fuzz->live);
	/* Within a turn: answers kept, held, come early, all of them. */
	fuzz_check(mark == 0 || mark + (uint64_t)slots > fuzz->applied);
}

static void
fuzz_begin(struct fuzz *fuzz)
{
	static const uint64_t rids[] = { 1, 2, 1000, BODY_RID_MAX - 1,
		BODY_RID_MAX };
	struct session_opts *opts = &fuzz->opts;
	unsigned how = fuzz_byte(fuzz);

	opts->rid = rids[how % 5];
	opts->hold = (int)(how / 5 % (SESSION_HOLD_MAX + 2));
	opts->acks = how & 128;
	opts->wait_ms = how & 64 ? 60000 : 1000;
	opts->inactivity_ms = 30000;
	opts->polling_ms = 2000;
	opts->max_pause_ms = how % 7 == 0 ? 0 : 5000;
	fuzz->answered = fuzz->applied = opts->rid - 1;
	fuzz->session = session_create(opts, &fuzz_ops, fuzz, fuzz->now);
	fuzz_request(fuzz, opts->rid, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	unsigned op;

	memset(&fuzz, 0, sizeof(fuzz));
	fuzz.data = data;
	fuzz.size = size;
	fuzz_begin(&fuzz);
	while (fuzz.size > 0 && !fuzz.ended && fuzz.n_transports < FUZZ_STEPS) {
		op = fuzz_byte(&fuzz);
		fuzz_step(&fuzz, op);
		/* Else it belongs to the same turn as the next. */
		if (!fuzz.ended && (op & 16) == 0)
			session_flush(fuzz.session, fuzz.now);
		fuzz_look(&fuzz);
	}
	session_end(fuzz.session, COND_SYSTEM_SHUTDOWN, NULL, "");
	fuzz_check(fuzz.ended && fuzz.live == 0);
	session_free(fuzz.session);
	return 0;
}
