#include "component/contacts.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"

struct client {
	LIST_ENTRY(client) entry;
	uint64_t n; /* 0: has not joined */
	int8_t priority;
	char resource[];
};

/* A user at a channel. */
struct place {
	LIST_ENTRY(place) entry;
	LIST_HEAD(, client) clients;
	bool known;    /* he has no other clients */
	bool expected; /* what comes next makes it known */
	char channel[];
};

struct person {
	UT_hash_handle hh;
	LIST_HEAD(, place) places;
	size_t count; /* of places and clients */
	char bare[];
};

struct contacts {
	struct person *persons;
	size_t count;
	size_t joined;
};

struct contacts *
contacts_create(void)
{
	return xcalloc(1, sizeof(struct contacts));
}

void
contacts_free(struct contacts *contacts)
{
	if (contacts == NULL)
		return;
	contacts_clear(contacts, NULL, NULL);
	free(contacts);
}

/* ---- finding and making ---------------------------------------------- */

static struct person *
contacts_person(const struct contacts *contacts, const char *bare, size_t len)
{
	struct person *person;

	HASH_FIND(hh, contacts->persons, bare, len, person);
	return person;
}

static struct place *
person_place(const struct person *person, const char *channel)
{
	struct place *place;

	LIST_FOREACH(place, &person->places, entry)
		if (strcmp(place->channel, channel) == 0)
			return place;
	return NULL;
}

static struct client *
place_client(const struct place *place, const char *resource)
{
	struct client *client;

	LIST_FOREACH(client, &place->clients, entry)
		if (strcmp(client->resource, resource) == 0)
			return client;
	return NULL;
}

static const char *
contacts_resource(const struct jid *jid)
{
	return jid->full + jid_bare_len(jid) + 1;
}

static struct person *
contacts_make_person(struct contacts *contacts, const struct jid *jid)
{
	size_t len = jid_bare_len(jid);
	struct person *person = contacts_person(contacts, jid->full, len);

	if (person != NULL)
		return person;
	person = xcalloc(1, sizeof(*person) + len + 1);
	LIST_INIT(&person->places);
	memcpy(person->bare, jid->full, len);
	HASH_ADD_KEYPTR(hh, contacts->persons, person->bare, len, person);
	return person;
}

static struct place *
person_make_place(struct person *person, const char *channel)
{
	struct place *place = person_place(person, channel);
	size_t len = strlen(channel);

	if (place != NULL)
		return place;
	place = xcalloc(1, sizeof(*place) + len + 1);
	LIST_INIT(&place->clients);
	memcpy(place->channel, channel, len);
	LIST_INSERT_HEAD(&person->places, place, entry);
	person->count++;
	return place;
}

static struct place *
contacts_place(const struct contacts *contacts, const struct jid *jid,
    const char *channel, struct person **person)
{
	*person = contacts_person(contacts, jid->full, jid_bare_len(jid));
	return *person == NULL ? NULL : person_place(*person, channel);
}

/* ---- leaving --------------------------------------------------------- */

struct leaving {
	struct contacts *contacts;
	contacts_left_fn *left;
	void *arg;
};

static void
client_part(const struct leaving *leaving, const struct person *person,
    const struct place *place, struct client *client)
{
	uint64_t n = client->n;
	char *full;

	if (n == 0)
		return;
	client->n = 0;
	leaving->contacts->joined--;
	if (leaving->left == NULL)
		return;
	full = xasprintf("%s/%s", person->bare, client->resource);
	leaving->left(place->channel, full, n, leaving->arg);
	free(full);
}

static void
client_remove(const struct leaving *leaving, struct person *person,
    const struct place *place, struct client *client)
{
	client_part(leaving, person, place, client);
	LIST_REMOVE(client, entry);
	person->count--;
	leaving->contacts->count--;
	free(client);
}

static void
place_remove(const struct leaving *leaving, struct person *person,
    struct place *place)
{
	struct client *client, *next;

	LIST_FOREACH_SAFE(client, &place->clients, entry, next)
		client_remove(leaving, person, place, client);
	LIST_REMOVE(place, entry);
	person->count--;
	free(place);
}

static void
person_check(struct contacts *contacts, struct person *person)
{
	if (!LIST_EMPTY(&person->places))
		return;
	HASH_DEL(contacts->persons, person);
	free(person);
}

/* Without a client it is kept only where that says something. */
static void
place_check(const struct leaving *leaving, struct person *person,
    struct place *place)
{
	if (LIST_EMPTY(&place->clients) && !place->known && !place->expected)
		place_remove(leaving, person, place);
	person_check(leaving->contacts, person);
}

void
contacts_leave(struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_left_fn *left, void *arg)
{
	const struct leaving leaving = { contacts, left, arg };
	struct client *client, *next;
	struct person *person;
	struct place *place = contacts_place(contacts, jid, channel, &person);

	if (place == NULL)
		return;
	LIST_FOREACH_SAFE(client, &place->clients, entry, next)
		if (jid->resource_len == 0 ||
		    strcmp(client->resource, contacts_resource(jid)) == 0)
			client_remove(&leaving, person, place, client);
	if (jid->resource_len == 0 && place->expected) {
		place->known = true;
		place->expected = false;
	}
	place_check(&leaving, person, place);
}

void
contacts_part(struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_left_fn *left, void *arg)
{
	const struct leaving leaving = { contacts, left, arg };
	struct client *client;
	struct person *person;
	struct place *place = contacts_place(contacts, jid, channel, &person);

	if (place == NULL)
		return;
	LIST_FOREACH(client, &place->clients, entry)
		if (jid->resource_len == 0 ||
		    strcmp(client->resource, contacts_resource(jid)) == 0)
			client_part(&leaving, person, place, client);
}

void
contacts_part_channel(struct contacts *contacts, const char *channel,
    size_t channel_len, contacts_keep_fn *keep, contacts_left_fn *left,
    void *arg)
{
	const struct leaving leaving = { contacts, left, arg };
	struct person *person, *tmp;
	struct client *client;
	struct place *place;

	if (contacts->joined == 0)
		return;
	MAP_FOREACH(person, tmp, contacts->persons) {
		LIST_FOREACH(place, &person->places, entry)
			if (strlen(place->channel) == channel_len &&
			    memcmp(place->channel, channel, channel_len) == 0)
				break;
		if (place == NULL || (keep != NULL && keep(person->bare, arg)))
			continue;
		LIST_FOREACH(client, &place->clients, entry)
			client_part(&leaving, person, place, client);
	}
}

void
contacts_clear(struct contacts *contacts, contacts_left_fn *left, void *arg)
{
	const struct leaving leaving = { contacts, left, arg };
	struct person *person, *tmp;
	struct place *place, *next;

	MAP_FOREACH(person, tmp, contacts->persons) {
		LIST_FOREACH_SAFE(place, &person->places, entry, next)
			place_remove(&leaving, person, place);
		person_check(contacts, person);
	}
}

/* ---- coming ---------------------------------------------------------- */

enum contacts_news
contacts_arrive(struct contacts *contacts, const struct jid *jid,
    const char *channel, int priority, size_t max, size_t max_of_user)
{
	const char *resource = contacts_resource(jid);
	struct person *person;
	struct place *place = contacts_place(contacts, jid, channel, &person);
	struct client *client =
	    place == NULL ? NULL : place_client(place, resource);

	if (client != NULL) {
		client->priority = (int8_t)priority;
		return CONTACTS_KNOWN;
	}
	if (contacts->count >= max ||
	    (person != NULL && person->count >= max_of_user))
		return CONTACTS_FULL;
	person = contacts_make_person(contacts, jid);
	place = person_make_place(person, channel);
	client = xcalloc(1, sizeof(*client) + jid->resource_len + 1);
	client->priority = (int8_t)priority;
	memcpy(client->resource, resource, jid->resource_len);
	LIST_INSERT_HEAD(&place->clients, client, entry);
	if (place->expected) {
		place->known = true;
		place->expected = false;
	}
	person->count++;
	contacts->count++;
	return CONTACTS_NEW;
}

bool
contacts_join(struct contacts *contacts, const struct jid *jid,
    const char *channel, uint64_t n)
{
	struct person *person;
	struct place *place = contacts_place(contacts, jid, channel, &person);
	struct client *client =
	    place == NULL ? NULL : place_client(place, contacts_resource(jid));

	if (client == NULL || client->n != 0)
		return false;
	client->n = n;
	contacts->joined++;
	return true;
}

void
contacts_expect(struct contacts *contacts, const struct jid *jid,
    const char *channel, size_t max)
{
	struct place *place;

	if (HASH_COUNT(contacts->persons) >= max)
		return;
	place = person_make_place(contacts_make_person(contacts, jid), channel);
	if (!place->known)
		place->expected = true;
}

void
contacts_forget(struct contacts *contacts, const struct jid *jid,
    const char *channel)
{
	const struct leaving leaving = { contacts, NULL, NULL };
	struct person *person;
	struct place *place = contacts_place(contacts, jid, channel, &person);

	if (place == NULL)
		return;
	place->known = place->expected = false;
	place_check(&leaving, person, place);
}

/* ---- asking ---------------------------------------------------------- */

bool
contacts_is_away(const struct contacts *contacts, const char *bare,
    size_t bare_len, const char *channel)
{
	const struct person *person = contacts_person(contacts, bare, bare_len);
	const struct place *place =
	    person == NULL ? NULL : person_place(person, channel);
	const struct client *client;

	if (place == NULL || !place->known)
		return false;
	LIST_FOREACH(client, &place->clients, entry)
		if (client->priority >= 0)
			return false;
	return true;
}

void
contacts_list(const struct contacts *contacts, const struct jid *jid,
    const char *channel, contacts_see_fn *see, void *arg)
{
	const struct person *person =
	    contacts_person(contacts, jid->full, jid_bare_len(jid));
	const struct client *client;
	const struct place *place;
	char *full;

	if (person == NULL || contacts->joined == 0)
		return;
	LIST_FOREACH(place, &person->places, entry) {
		if (channel != NULL && strcmp(place->channel, channel) != 0)
			continue;
		LIST_FOREACH(client, &place->clients, entry) {
			if (client->n == 0)
				continue;
			full =
			    xasprintf("%s/%s", person->bare, client->resource);
			see(place->channel, full, client->n, arg);
			free(full);
		}
	}
}

size_t
contacts_count(const struct contacts *contacts)
{
	return contacts->count;
}

size_t
contacts_joined(const struct contacts *contacts)
{
	return contacts->joined;
}
