/*
 * The memory backend's nodes: of each channel that has one, its last
 * ENTRY_NODE.  Holds a reference of each.
 */
#ifndef WAFT_STORE_NODES_H
#define WAFT_STORE_NODES_H

#include "common/store/store.h"

struct nodes {
	struct entry **list;
	size_t count;
};

/* Zeroed memory is an empty one. */
void nodes_clear(struct nodes *nodes);
/* NULL when there is none. */
const struct entry *nodes_find(const struct nodes *nodes, const char *channel);
/* It is an ENTRY_NODE that was not made from the one that is there: result says
 * so. */
bool nodes_is_late(const struct nodes *nodes, const struct entry *entry,
    struct append_result *result);
/* Learns of an entry of any kind. */
void nodes_follow(struct nodes *nodes, struct entry *entry);
/* Fills in the node of the channel it names. */
void nodes_show(const struct nodes *nodes, struct channel_info *info);

#endif
