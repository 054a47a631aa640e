#include "common/base/xml_arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct xml_block {
	struct xml_block *next;
	size_t size; /* of data */
	_Alignas(max_align_t) char data[];
};

/* The first block is of a size that malloc() keeps at hand per thread. */
#define XML_BLOCK_FIRST (1024 - sizeof(struct xml_block))
#define XML_BLOCK_MOST  ((size_t)32 * 1024)

static void
xml_arena_use(struct xml_arena *arena, struct xml_block *block)
{
	arena->head = block;
	arena->at = block->data;
	arena->end = block->data + block->size;
}

static void
xml_arena_grow(struct xml_arena *arena, size_t need)
{
	struct xml_block *block;
	size_t size = XML_BLOCK_FIRST;

	if (arena->head != NULL) {
		size = arena->head->size * 2;
		if (size > XML_BLOCK_MOST)
			size = XML_BLOCK_MOST;
	}
	if (size < need)
		size = need;
	block = xmalloc(sizeof *block + size);
	block->size = size;
	block->next = arena->head;
	xml_arena_use(arena, block);
}

static char *
xml_arena_take(struct xml_arena *arena, size_t size)
{
	char *at;

	if ((size_t)(arena->end - arena->at) < size)
		xml_arena_grow(arena, size);
	at = arena->at;
	arena->at += size;
	return at;
}

void *
xml_arena_alloc(struct xml_arena *arena, size_t size)
{
	size_t pad = -(uintptr_t)arena->at & (_Alignof(max_align_t) - 1);

	if ((size_t)(arena->end - arena->at) < pad + size)
		xml_arena_grow(arena, size);
	else
		arena->at += pad;
	return xml_arena_take(arena, size);
}

char *
xml_arena_copy(struct xml_arena *arena, const char *text, size_t len)
{
	char *copy = xml_arena_take(arena, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
xml_arena_append(struct xml_arena *arena, char *text, size_t len,
    const char *more, size_t more_len)
{
	char *old = text;

	if (text + len + 1 == arena->at &&
	    (size_t)(arena->end - arena->at) >= more_len) {
		arena->at += more_len;
	} else {
		/* Twice what it needs, so that many pieces stay linear. */
		if ((size_t)(arena->end - arena->at) < 2 * (len + more_len) + 1)
			xml_arena_grow(arena, 2 * (len + more_len) + 1);
		text = xml_arena_copy(arena, old, len);
		arena->at += more_len;
	}
	memcpy(text + len, more, more_len);
	text[len + more_len] = '\0';
	return text;
}

void
xml_arena_clear(struct xml_arena *arena)
{
	struct xml_block *block, *next;

	for (block = arena->head; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	memset(arena, 0, sizeof *arena);
}

void
xml_arena_reset(struct xml_arena *arena)
{
	struct xml_arena rest;

	if (arena->head == NULL)
		return;
	if (arena->head->size > XML_BLOCK_MOST) {
		xml_arena_clear(arena);
		return;
	}
	rest.head = arena->head->next;
	arena->head->next = NULL;
	xml_arena_clear(&rest);
	xml_arena_use(arena, arena->head);
}
