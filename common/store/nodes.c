#include "common/store/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static size_t
nodes_at(const struct nodes *nodes, const char *channel)
{
	size_t i;

	for (i = 0; i < nodes->count; i++)
		if (strcmp(nodes->list[i]->channel, channel) == 0)
			break;
	return i;
}

void
nodes_clear(struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++)
		entry_unref(nodes->list[i]);
	free(nodes->list);
	memset(nodes, 0, sizeof(*nodes));
}

const struct entry *
nodes_find(const struct nodes *nodes, const char *channel)
{
	size_t at = nodes_at(nodes, channel);

	return at == nodes->count ? NULL : nodes->list[at];
}

bool
nodes_is_late(const struct nodes *nodes, const struct entry *entry,
    struct append_result *result)
{
	const struct entry *old;

	if (entry->kind != ENTRY_NODE)
		return false;
	old = nodes_find(nodes, entry->channel);
	result->seq = old == NULL ? 0 : old->seq;
	result->duplicate = result->seq != entry->prev_seq;
	return result->duplicate;
}

void
nodes_show(const struct nodes *nodes, struct channel_info *info)
{
	const struct entry *node = nodes_find(nodes, info->channel);

	if (node == NULL)
		return;
	info->node_seq = node->seq;
	info->node = node->data;
	info->node_len = node->data_len;
}

static void
nodes_put(struct nodes *nodes, struct entry *entry)
{
	size_t at = nodes_at(nodes, entry->channel);

	if (at == nodes->count)
		nodes->list = xreallocarray(nodes->list, ++nodes->count,
		    sizeof(*nodes->list));
	else
		entry_unref(nodes->list[at]);
	nodes->list[at] = entry_ref(entry);
}

static void
nodes_del(struct nodes *nodes, const char *channel)
{
	size_t at = nodes_at(nodes, channel);

	if (at == nodes->count)
		return;
	entry_unref(nodes->list[at]);
	nodes->list[at] = nodes->list[--nodes->count];
}

void
nodes_follow(struct nodes *nodes, struct entry *entry)
{
	if (entry->kind == ENTRY_NODE)
		nodes_put(nodes, entry);
	else if (entry->kind == ENTRY_DELETE)
		nodes_del(nodes, entry->channel);
}
