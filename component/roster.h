/*
 * A component's side of presence: which clients it lets in while they are there
 * (contacts.h), and what it says of its channels to those who have one as a
 * contact in their roster: available when the link comes up, unavailable before
 * it is closed.  It goes through the stored subscriptions for that, so many a
 * second, and keeps none of them.
 *
 * What users say of themselves ends with the link: temporary subscriptions with
 * it.  Their clients are told `unavailable` once there is a link again.
 */
#ifndef WAFT_COMPONENT_ROSTER_H
#define WAFT_COMPONENT_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/conf.h"
#include "common/channel/worker.h"
#include "common/xmpp/jid.h"
#include "common/xmpp/service.h"

/* Contacts told a second, and read at once. */
#define ROSTER_RATE 200

/* The first number of those who joined: above all of the store's. */
#define ROSTER_N (UINT64_C(1) << 62)

struct notify;
struct roster;

struct roster_opts {
	struct worker *worker;
	const struct conf_component *component;
	struct service *service;
	const struct service_ops *service_ops;
	void *peer;            /* of the service; owns the roster */
	struct notify *notify; /* until roster_stop() */
	/* Everybody was told that the component goes. */
	void (*told)(void *arg);
	void *arg;
};

struct roster *roster_create(const struct roster_opts *opts);
void roster_free(struct roster *roster);

/* As service_ops have them. */
bool roster_arrive(struct roster *roster, const struct jid *jid,
    const char *channel, int priority);
enum err roster_join(struct roster *roster, const struct jid *jid,
    const char *channel);
void roster_leave(struct roster *roster, const struct jid *jid,
    const char *channel);
void roster_show(struct roster *roster, const struct jid *jid,
    const char *channel, bool shown);
/* Ends the full JID's; false when it had not joined. */
bool roster_part(struct roster *roster, const struct jid *jid,
    const char *channel);
/* Of a bare JID, those who joined, as subscriptions, behind the *count that are
 * given; *count is then that of all.  roster_list_free() it, with both. */
struct subscription *roster_list(const struct roster *roster,
    const struct jid *bare, const char *channel,
    const struct subscription *given, size_t *count);
void roster_list_free(struct subscription *list, size_t given, size_t count);

/* Every entry of the log passes here: whoever has a subscription of his own
 * needs no other, and whoever may not read any more loses it. */
void roster_entry(struct roster *roster, const struct entry *entry);

/* The link is up. */
void roster_up(struct roster *roster);
/* It is no more: nothing is known of anybody. */
void roster_down(struct roster *roster);
/* Before the link is closed: told() follows. */
void roster_drain(struct roster *roster);
/* It has not yet. */
bool roster_is_telling(const struct roster *roster);
/* Nothing is sent any more. */
void roster_stop(struct roster *roster);

/* See contacts_is_away(). */
bool roster_is_away(const struct roster *roster, const char *bare, size_t len,
    const char *channel);
size_t roster_joined(const struct roster *roster);

#endif
