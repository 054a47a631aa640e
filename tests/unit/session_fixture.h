/*
 * A session whose every deed is written down, and requests for it; for the
 * tests of the session.
 */
#ifndef WAFT_SESSION_FIXTURE_H
#define WAFT_SESSION_FIXTURE_H

#include <stdio.h>

#include "bosh/session.h"
#include "tests/unit/unit.h"

#define FIRST 1000

/*
 * Everything the session does is written down as words: `apply:1001`, what a
 * transport (named by a letter) is sent, `a=<text>`, `a!` for the recoverable
 * error, `a#condition`, and `over:reason`.
 */
struct record {
	struct session *session;
	struct buf log;
	int waiting; /* payloads; an answer takes all */
	char text[64];
	enum condition refuse;
	bool knows_key;
};

static inline enum condition
record_apply(void *arg, const struct body *body)
{
	struct record *record = arg;

	buf_addf(&record->log, "apply:%d ", (int)(body->rid - FIRST));
	return record->refuse;
}

static inline bool
record_waiting(void *arg)
{
	return ((struct record *)arg)->waiting > 0;
}

static inline struct slice
record_render(void *arg, struct session_answer *answer)
{
	struct record *record = arg;
	int n = 0;

	if (answer->payload) {
		n = record->waiting;
		record->waiting = 0;
	}
	snprintf(record->text, sizeof(record->text), "%s%d",
	    answer->created ? "new" : "", n);
	if (answer->attrs.ack != 0)
		snprintf(record->text + strlen(record->text), 32, ",ack%d",
		    (int)(answer->attrs.ack - FIRST));
	if (answer->attrs.report != 0)
		snprintf(record->text + strlen(record->text), 32,
		    ",report%d/%d", (int)(answer->attrs.report - FIRST),
		    (int)answer->attrs.report_ms);
	return (struct slice){ record->text, strlen(record->text) };
}

static inline void
record_send(void *arg, void *transport, enum session_reply reply,
    enum condition condition, struct slice text)
{
	struct record *record = arg;

	buf_addc(&record->log, *(char *)transport);
	if (reply == REPLY_ERROR)
		buf_adds(&record->log, "! ");
	else if (reply == REPLY_END)
		buf_addf(&record->log, "#%s ", condition_name(condition));
	else if (text.p == body_empty)
		buf_adds(&record->log, "=0 ");
	else
		buf_addf(&record->log, "=%.*s ", (int)text.len, text.p);
}

static inline void
record_ended(void *arg, enum condition condition UNUSED, bool told UNUSED,
    const char *reason)
{
	buf_addf(&((struct record *)arg)->log, "over:%s ", reason);
}

static inline bool
record_knows_key(void *arg, const struct body *body UNUSED)
{
	return ((struct record *)arg)->knows_key;
}

static const struct session_ops record_ops = { record_apply, record_waiting,
	record_render, record_send, record_ended, record_knows_key };

static char letters[128];

static inline void *
transport(char c)
{
	letters[(int)c] = c;
	return &letters[(int)c];
}

static inline void
record_init(struct record *record, const struct session_opts *opts)
{
	memset(record, 0, sizeof(*record));
	buf_init(&record->log, 0);
	record->session = session_create(opts, &record_ops, record, 0);
}

static inline void
record_clear(struct record *record)
{
	session_free(record->session);
	buf_clear(&record->log);
}

static inline struct body
request(int n)
{
	return (struct body){ .has_rid = true,
		.rid = (uint64_t)(FIRST + n),
		.pause_s = -1,
		.wait_s = -1,
		.hold = -1 };
}

static inline void
receive_body(struct record *record, struct body body, char c, int64_t now)
{
	session_receive(record->session, &body, transport(c), now);
}

static inline void
receive(struct record *record, int n, char c, int64_t now)
{
	receive_body(record, request(n), c, now);
	session_flush(record->session, now);
}

static inline void
offer(struct record *record, int64_t now)
{
	record->waiting++;
	session_flush(record->session, now);
}

static inline void
said(struct record *record, const char *words)
{
	assert_string_equal(record->log.data == NULL ? "" : record->log.data,
	    words);
	buf_reset(&record->log);
}

#define OPTS(wait, holds, ...)                                \
	{                                                     \
		.rid = FIRST, .wait_ms = wait, .hold = holds, \
		.inactivity_ms = 30000, .polling_ms = 2000,   \
		.max_pause_ms = 120000, __VA_ARGS__           \
	}

static const struct session_opts usual = OPTS(60000, 1);

/* A session whose creation is answered. */
static inline void
begin(struct record *record)
{
	record_init(record, &usual);
	receive(record, 0, 'c', 0);
	said(record, "apply:0 c=new0 ");
}

#endif
