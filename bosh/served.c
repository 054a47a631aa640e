#include "bosh/served.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"

struct served_session {
	LIST_ENTRY(served_session) entry;
	const struct client *client; /* a name, never followed */
	uint64_t seq;
};

struct served_user {
	UT_hash_handle hh;
	LIST_HEAD(, served_session) sessions;
	char bare[];
};

struct served {
	pthread_mutex_t lock;
	struct served_user *users;
};

struct served *
served_create(void)
{
	struct served *served = xcalloc(1, sizeof(*served));

	pthread_mutex_init(&served->lock, NULL);
	return served;
}

static void
served_free_user(struct served *served, struct served_user *user)
{
	struct served_session *session;

	while ((session = LIST_FIRST(&user->sessions)) != NULL) {
		LIST_REMOVE(session, entry);
		free(session);
	}
	HASH_DEL(served->users, user);
	free(user);
}

void
served_free(struct served *served)
{
	struct served_user *user, *next;

	MAP_FOREACH(user, next, served->users)
		served_free_user(served, user);
	pthread_mutex_destroy(&served->lock);
	free(served);
}

static struct served_user *
served_user(struct served *served, const char *bare)
{
	struct served_user *user;
	size_t len = strlen(bare) + 1;

	HASH_FIND_STR(served->users, bare, user);
	if (user == NULL) {
		user = xcalloc(1, sizeof(*user) + len);
		memcpy(user->bare, bare, len);
		HASH_ADD_STR(served->users, bare, user);
	}
	return user;
}

static struct served_session *
served_session(const struct served_user *user, const struct client *client)
{
	struct served_session *session;

	LIST_FOREACH(session, &user->sessions, entry)
		if (session->client == client)
			return session;
	return NULL;
}

static uint64_t
served_least(const struct served_user *user)
{
	const struct served_session *session;
	uint64_t least = UINT64_MAX;

	LIST_FOREACH(session, &user->sessions, entry)
		if (session->seq < least)
			least = session->seq;
	return least;
}

uint64_t
served_set(struct served *served, const char *bare, const struct client *client,
    uint64_t seq)
{
	struct served_session *session;
	struct served_user *user;
	uint64_t least;

	pthread_mutex_lock(&served->lock);
	user = served_user(served, bare);
	session = served_session(user, client);
	if (session == NULL) {
		session = xcalloc(1, sizeof(*session));
		session->client = client;
		LIST_INSERT_HEAD(&user->sessions, session, entry);
	}
	session->seq = seq;
	least = served_least(user);
	pthread_mutex_unlock(&served->lock);
	return least;
}

uint64_t
served_drop(struct served *served, const char *bare,
    const struct client *client)
{
	struct served_session *session;
	struct served_user *user;
	uint64_t least;

	pthread_mutex_lock(&served->lock);
	user = served_user(served, bare);
	session = served_session(user, client);
	if (session != NULL) {
		LIST_REMOVE(session, entry);
		free(session);
	}
	least = served_least(user);
	if (LIST_EMPTY(&user->sessions))
		served_free_user(served, user);
	pthread_mutex_unlock(&served->lock);
	return least;
}
