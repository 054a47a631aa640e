/*
 * Sessions of one bare JID, over all workers: how far each has been served.
 * Their durable subscriptions have one stored position; it is that of the
 * slowest session that lives.  Locked; any thread.
 */
#ifndef WAFT_SERVED_H
#define WAFT_SERVED_H

#include <stdint.h>

struct client;
struct served;

struct served *served_create(void);
void served_free(struct served *served);
/* The session has all items up to seq.  The least of all sessions of that bare
 * JID, its own among them. */
uint64_t served_set(struct served *served, const char *bare,
    const struct client *client, uint64_t seq);
/* The session is over.  The least of those that are left, UINT64_MAX if none.
 */
uint64_t served_drop(struct served *served, const char *bare,
    const struct client *client);

#endif
