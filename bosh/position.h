/*
 * Where a named user's durable subscriptions go on: up to which seq of each
 * channel the bare JID has been served, kept in the gateway's private state.
 *
 * Saved when a session ends, and within a second after it was sent items, so
 * that a crash repeats little.  What its client may not have got (the answers
 * kept for repeats, and what still waited) counts as not served, so it comes
 * again, at least once; after an orderly end only what still waited does.
 */
#ifndef WAFT_POSITION_H
#define WAFT_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct gateway;

/* The least seq that waits or may not have arrived; 0: none.  Clean: what was
 * sent has arrived. */
uint64_t position_open(const struct client *client, bool clean);
/* The session was sent items. */
void position_moved(struct client *client);
/* Saves those of all sessions that moved. */
void position_save_moved(struct gateway *gateway);
/* The session ends; clean: its client said so. */
void position_save(struct client *client, bool clean);
/* The session is bound: it listens to the channels its bare JID subscribed. */
void position_resume(struct client *client);

#endif
