#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"
#include "common/base/text.h"
#include "common/xmpp/adhoc.h"

#define ADHOC_KEY 16 /* bytes */
#define ADHOC_MAC 16

static struct stat_metric adhoc_evicted =
    STAT_COUNTER("waft_xmpp_command_sessions_evicted_total",
        "Sessions of ad-hoc commands ended because there were too many", NULL);

/* In order of use, the one used longest ago first.  There are so few that they
 * are looked through. */
struct adhoc_sessions {
	TAILQ_HEAD(, adhoc_session) list;
	size_t count;
	uint64_t made;
	unsigned char key[ADHOC_KEY];
};

void
adhoc_session_free(struct adhoc_session *session)
{
	if (session == NULL)
		return;
	for (size_t i = 0; i < session->n_places; i++)
		free(session->places[i]);
	free(session->next);
	free(session->channel);
	free(session->id);
	free(session->asker);
	free(session->asked);
	free(session);
}

static void
adhoc_session_unlink(struct adhoc_sessions *sessions,
    struct adhoc_session *session)
{
	TAILQ_REMOVE(&sessions->list, session, entry);
	sessions->count--;
}

void
adhoc_sessions_free(struct adhoc_sessions *sessions)
{
	struct adhoc_session *session;

	if (sessions == NULL)
		return;
	while ((session = TAILQ_FIRST(&sessions->list)) != NULL) {
		adhoc_session_unlink(sessions, session);
		adhoc_session_free(session);
	}
	free(sessions);
}

static struct adhoc_sessions *
adhoc_sessions(const struct ask *ask)
{
	struct service *service = ask->service;
	struct adhoc_sessions *sessions = service->sessions;

	if (sessions == NULL) {
		sessions = service->sessions = xcalloc(1, sizeof *sessions);
		TAILQ_INIT(&sessions->list);
		crypto_random(sessions->key, sizeof sessions->key);
	}
	return sessions;
}

/* "NUMBER-MAC": of this number, for this asker and this address. */
static char *
adhoc_session_id(const struct ask *ask, uint64_t number)
{
	const struct adhoc_sessions *sessions = adhoc_sessions(ask);
	unsigned char mac[32];
	struct buf text, id;

	buf_init(&text, 0);
	buf_init(&id, 0);
	buf_addu(&id, number);
	buf_addf(&text, "%s\n%s\n%s", id.data, ask->from.full, ask->self);
	crypto_hmac_sha256(sessions->key, sizeof sessions->key, text.data,
	    text.len, mac);
	buf_addc(&id, '-');
	text_hex(mac, ADHOC_MAC, &id);
	buf_clear(&text);
	return buf_detach(&id, NULL);
}

bool
adhoc_session_was(const struct ask *ask, const char *id)
{
	uint64_t number;
	bool was;
	char *made;

	if (!text_to_u64(id, strcspn(id, "-"), UINT64_MAX, &number))
		return false;
	made = adhoc_session_id(ask, number);
	was = crypto_equal(made, strlen(made), id, strlen(id));
	free(made);
	return was;
}

void
adhoc_sessions_expire(struct adhoc_sessions *sessions, int64_t now_ms)
{
	struct adhoc_session *session;

	while (sessions != NULL &&
	    (session = TAILQ_FIRST(&sessions->list)) != NULL &&
	    now_ms - session->used_ms >= ADHOC_SESSION_MS) {
		adhoc_session_unlink(sessions, session);
		adhoc_session_free(session);
	}
}

static bool
adhoc_session_is_of(const char *a, const char *b)
{
	size_t len = strcspn(a, "/");

	return len == strcspn(b, "/") && memcmp(a, b, len) == 0;
}

/* Makes room for one more of this asker. */
static void
adhoc_session_evict(struct adhoc_sessions *sessions, const char *asker)
{
	struct adhoc_session *session, *own = NULL;
	size_t count = 0;

	TAILQ_FOREACH(session, &sessions->list, entry) {
		if (!adhoc_session_is_of(session->asker, asker))
			continue;
		count++;
		if (own == NULL)
			own = session;
	}
	if (count < ADHOC_SESSIONS_PER_JID)
		own = sessions->count < ADHOC_SESSIONS_MAX ?
		    NULL :
		    TAILQ_FIRST(&sessions->list);
	if (own == NULL)
		return;
	stat_add(&adhoc_evicted, 1);
	log_debug("xmpp.command", "jid=%s evicted=%s", LOGQ(own->asker),
	    LOGQ(own->command->node));
	adhoc_session_unlink(sessions, own);
	adhoc_session_free(own);
}

void
adhoc_session_keep(const struct ask *ask, struct adhoc_session *session)
{
	struct adhoc_sessions *sessions = adhoc_sessions(ask);

	adhoc_session_evict(sessions, session->asker);
	session->kept = true;
	session->used_ms = loop_now_ms(ask->service->loop);
	TAILQ_INSERT_TAIL(&sessions->list, session, entry);
	sessions->count++;
}

struct adhoc_session *
adhoc_session_take(const struct ask *ask, const struct adhoc_command *command,
    const char *id)
{
	struct adhoc_sessions *sessions = adhoc_sessions(ask);
	struct adhoc_session *session;

	TAILQ_FOREACH(session, &sessions->list, entry)
		if (strcmp(session->id, id) == 0 &&
		    session->command == command &&
		    strcmp(session->asker, ask->from.full) == 0 &&
		    strcmp(session->asked, ask->self) == 0)
			break;
	if (session != NULL)
		adhoc_session_unlink(sessions, session);
	return session;
}

struct adhoc_session *
adhoc_session_make(const struct ask *ask, const struct adhoc_command *command)
{
	struct adhoc_session *session = xcalloc(1, sizeof *session);

	session->command = command;
	session->id = adhoc_session_id(ask, ++adhoc_sessions(ask)->made);
	session->asker = xstrdup(ask->from.full);
	session->asked = xstrdup(ask->self);
	return session;
}
