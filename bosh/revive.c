/* A client as its record, and a client from one (keep.h). */
#include <stdlib.h>
#include <string.h>

#include "bosh/client.h"
#include "bosh/keep.h"
#include "bosh/position.h"
#include "bosh/stream.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

static struct stat_metric revive_cuts =
    STAT_COUNTER("waft_bosh_record_cuts_total",
        "Records of sessions that were written without the stanzas or answers "
        "that session-record has no room for",
        NULL);

/* ---- writing --------------------------------------------------------- */

uint64_t
revive_rid(const struct client *client)
{
	return client->asking > 0 ? client->asked - 1 :
	                            session_next(client->session) - 1;
}

static uint64_t
revive_position(const struct client_sub *sub, uint64_t open)
{
	uint64_t position = sub_position(&sub->sub);

	if (open != 0 && open - 1 < position)
		position = open - 1;
	return position > sub->start ? position : sub->start;
}

uint64_t
revive_upto(const struct client *client)
{
	uint64_t open = position_open(client, false);
	uint64_t upto = worker_position(client->gateway->worker), position;
	const struct client_sub *sub;

	if (open != 0 && open - 1 < upto)
		upto = open - 1;
	TAILQ_FOREACH(sub, &client->subs, entry) {
		position = sub_position(&sub->sub);
		if (position < upto)
			upto = position;
	}
	return upto;
}

bool
revive_has_texts(const struct client *client)
{
	for (uint32_t i = 0; i < client->out_count; i++)
		if (client->out[(client->out_first + i) % client->out_size]
		        .stanza == NULL)
			return true;
	return session_has_texts(client->session);
}

static void
revive_write_subs(const struct client *client, struct buf *list)
{
	uint64_t open = position_open(client, false);
	const struct client_sub *sub;
	const char *name;

	TAILQ_FOREACH(sub, &client->subs, entry) {
		name = channel_name(sub->sub.channel);
		record_add_sub(list,
		    &(struct record_sub){ { name, strlen(name) },
		        revive_position(sub, open), sub->durable });
	}
}

static void
revive_write_answers(const struct client *client, struct buf *list)
{
	struct record_answer answer = { 0, { NULL, 0 } };

	while (session_next_text(client->session, &answer.rid, &answer.text))
		record_add_answer(list, &answer);
}

static void
revive_write_texts(const struct client *client, struct buf *list)
{
	const struct client_out *out;

	for (uint32_t i = 0; i < client->out_count; i++) {
		out = &client->out[(client->out_first + i) % client->out_size];
		if (out->stanza == NULL)
			record_add_text(list,
			    &(struct record_text){ out->stream,
			        { out->what, out->len } });
	}
}

/* A list that did not fit is not written at all. */
static struct slice
revive_list(const struct client *client, struct buf *list)
{
	if (!list->failed)
		return (struct slice){ list->data, list->len };
	stat_add(&revive_cuts, 1);
	log_info("bosh.record", "sid=%.6s… limit=session-record", client->sid);
	buf_clear(list);
	return (struct slice){ NULL, 0 };
}

static struct slice
revive_text(const char *text)
{
	return (struct slice){ text, text == NULL ? 0 : strlen(text) };
}

static void
revive_fill(const struct client *client, struct record *record)
{
	const struct conf_bosh *conf = &client->gateway->conf->bosh;
	const struct session *session = client->session;

	record->flags = client->acks * RECORD_ACKS |
	    client->legacy * RECORD_LEGACY | client->has_ver * RECORD_HAS_VER |
	    client->secure * RECORD_SECURE |
	    client->anonymous * RECORD_ANONYMOUS |
	    client->keys.used * RECORD_KEYS;
	record->state = client->state;
	record->created = client->created;
	record->rid = revive_rid(client);
	record->upto = revive_upto(client);
	record->hold = (uint64_t)session_hold(session);
	record->ver_minor = client->ver_minor;
	record->wait_ms = (uint64_t)client->wait_ms;
	record->inactivity_ms = (uint64_t)session_inactivity_ms(session);
	record->polling_ms = (uint64_t)conf->polling_ms;
	record->max_pause_ms = (uint64_t)conf->max_pause_ms;
	record->pause_ms = (uint64_t)session_pause_ms(session);
	record->key_rid = client->keys.rid;
	if (client->keys.used)
		record->key =
		    (struct slice){ (const char *)client->keys.expected,
			    KEYS_SIZE };
	record->domain = revive_text(conf->domain);
	record->content = revive_text(client->content);
	record->lang = revive_text(client->lang);
	record->peer = revive_text(client->peer);
	record->user = revive_text(client->user);
	record->jid = revive_text(client->jid);
}

void
revive_write(const struct client *client, struct buf *out)
{
	uint64_t max = client->gateway->conf->bosh.session_record;
	struct buf subs, answers, texts, grant;
	struct record record = { 0 };

	buf_init(&subs, 0);
	buf_init(&answers, max);
	buf_init(&texts, max);
	buf_init(&grant, 0);
	revive_fill(client, &record);
	revive_write_subs(client, &subs);
	revive_write_answers(client, &answers);
	revive_write_texts(client, &texts);
	if (client->grant != NULL)
		auth_grant_write(client->grant, &grant);
	record.subs = (struct slice){ subs.data, subs.len };
	record.answers = revive_list(client, &answers);
	record.texts = revive_list(client, &texts);
	record.grant = (struct slice){ grant.data, grant.len };
	record_write(&record, out);
	buf_clear(&subs);
	buf_clear(&answers);
	buf_clear(&texts);
	buf_clear(&grant);
}

/* ---- reading --------------------------------------------------------- */

static char *
revive_copy(struct slice slice)
{
	return slice.p == NULL ? NULL : xstrndup(slice.p, slice.len);
}

static bool
revive_flag(const struct record *record, enum record_flag flag)
{
	return (record->flags & flag) != 0;
}

/* What the configuration of today says of one who logged in. */
static bool
revive_grant(struct client *client, const struct record *record,
    const char **why)
{
	if (record->grant.p == NULL)
		return true;
	client->grant = xmalloc(sizeof(*client->grant));
	return auth_grant_read(client->gateway->conf, record->grant.p,
	           record->grant.len, clock_wall_ms(), client->grant,
	           why) == ERR_OK;
}

static void
revive_session(struct client *client, const struct record *record)
{
	struct session_opts opts = { .rid = record->created,
		.wait_ms = (int64_t)record->wait_ms,
		.hold = (int)record->hold,
		.polling_ms = (int64_t)record->polling_ms,
		.max_pause_ms = (int64_t)record->max_pause_ms,
		.acks = client->acks,
		.keys = client->keys.used };
	struct session_past past = { .rid = record->rid,
		.window = client->gateway->conf->bosh.resume_window,
		.inactivity_ms = (int64_t)record->inactivity_ms,
		.pause_ms = (int64_t)record->pause_ms };

	client_take_up(client, &opts, &past);
}

static void
revive_state(struct client *client, const struct record *record)
{
	client->acks = revive_flag(record, RECORD_ACKS);
	client->legacy = revive_flag(record, RECORD_LEGACY);
	client->has_ver = revive_flag(record, RECORD_HAS_VER);
	client->secure = revive_flag(record, RECORD_SECURE);
	client->anonymous = revive_flag(record, RECORD_ANONYMOUS);
	client->created = record->created;
	client->ver_minor = (uint8_t)record->ver_minor;
	client->wait_ms = (int64_t)record->wait_ms;
	client->content = client_content(record->content);
	client->lang = revive_copy(record->lang);
	client->user = revive_copy(record->user);
	client->state =
	    client->user == NULL ? CLIENT_NEW : CLIENT_AUTHENTICATED;
	client->keys.used = revive_flag(record, RECORD_KEYS);
	client->keys.rid = record->key_rid;
	if (client->keys.used)
		memcpy(client->keys.expected, record->key.p, KEYS_SIZE);
}

static void
revive_lists(struct client *client, const struct record *record)
{
	struct slice subs = record->subs, answers = record->answers,
	             texts = record->texts;
	struct record_sub sub;
	struct record_answer answer;
	struct record_text text;
	uint64_t after;
	char *channel;
	bool existed;

	while (record_next_answer(&answers, &answer))
		session_put_back(client->session, answer.rid, answer.text);
	while (record_next_text(&texts, &text)) {
		client->out_streams += text.stream;
		client_push(client,
		    (struct client_out){ .what = revive_copy(text.text),
		        .len = (uint32_t)text.text.len,
		        .stream = text.stream });
	}
	while (record_next_sub(&subs, &sub)) {
		after = sub.since > record->upto ? sub.since : record->upto;
		channel = revive_copy(sub.channel);
		client_listen(client, channel, after, sub.durable, &existed);
		free(channel);
	}
}

struct client *
revive_client(struct gateway *gateway, const struct record *record,
    const unsigned char hash[KEEP_HASH], const char **why)
{
	struct client *client;
	char *peer;

	if (!slice_is(record->domain, gateway->conf->bosh.domain)) {
		*why = "another domain";
		return NULL;
	}
	peer = revive_copy(record->peer);
	if (!relay_enter(gateway->relay, peer, why)) {
		free(peer);
		return NULL;
	}
	client = client_alloc(gateway, peer);
	revive_state(client, record);
	revive_session(client, record);
	keep_name(hash, client->sid);
	if (!revive_grant(client, record, why)) {
		relay_leave(gateway->relay, peer);
		client->over = true;
		client_unref(client);
		client = NULL;
	} else {
		if (record->jid.p != NULL)
			stream_restore_jid(client, record->jid);
		revive_lists(client, record);
	}
	free(peer);
	return client;
}
