/*
 * A node: what an owner has said of a channel over XEP-0060, kept by the store
 * as JSON (ENTRY_NODE).  A channel without one is the operator's: its class
 * alone decides, and nobody owns it over XMPP.  A value; node_free() what
 * node_create() or node_read() gave.
 */
#ifndef WAFT_XMPP_NODE_H
#define WAFT_XMPP_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/conf.h"
#include "common/store/entry.h"
#include "common/xmpp/jid.h"

/* Bytes of a title, a description or a namespace. */
#define NODE_TEXT_MAX 1024

/* XEP-0060 §4.5; who may subscribe and read, of those whom the class lets. */
enum node_access {
	NODE_OPEN, /* all of them */
	NODE_WHITELIST,
	NODE_PRESENCE,
	NODE_AUTHORIZE
};
/* §16.4.4 pubsub#publish_model. */
enum node_model {
	NODE_PUBLISHERS,
	NODE_SUBSCRIBERS,
	NODE_ANYBODY
};
/* §4.1. */
enum node_affiliation {
	NODE_NONE,
	NODE_OWNER,
	NODE_PUBLISHER,
	NODE_MEMBER,
	NODE_OUTCAST
};
/* The words of the XEP, in the order of the enums, ended by NULL. */
extern const char *const node_accesses[];
extern const char *const node_models[];
extern const char *const node_affiliations[];

struct node_member {
	char *jid; /* bare, prepared */
	enum node_affiliation affiliation;
};

struct node {
	uint64_t seq; /* of its ENTRY_NODE; 0: not stored */
	char *title;  /* "" when not set, as are the next two */
	char *description;
	char *type; /* namespace of the payloads; "": any */
	int access; /* enum node_access */
	int model;  /* enum node_model */
	bool send_last;
	bool notify_config;
	bool notify_retract;
	struct node_member *members;
	size_t n_members;
};

/* With what the class says, and no members. */
struct node *node_create(const struct conf_class *class);
/* NULL when it is damaged. */
struct node *node_read(const char *text, size_t len, uint64_t seq);
void node_write(const struct node *node, struct buf *out);
void node_free(struct node *node);

/* As an entry that is made from the node's seq; the caller's. */
struct entry *node_entry(const struct node *node, const char *channel);

/* Of the bare JID. */
enum node_affiliation node_affiliation(const struct node *node,
    const struct jid *jid);
/* NODE_NONE takes it out. */
void node_affiliate(struct node *node, const struct jid *jid,
    enum node_affiliation affiliation);
void node_clear_affiliations(struct node *node);
bool node_has_owner(const struct node *node);
/* Index of a word in one of the lists above; -1: not there. */
int node_word(const char *const *words, const char *word);

#endif
