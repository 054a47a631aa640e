/*
 * The memory of one parse: blocks that are filled from the front and freed
 * together.  Internal to xml*.c.
 */
#ifndef WAFT_XML_ARENA_H
#define WAFT_XML_ARENA_H

#include <stddef.h>

struct xml_block;
struct xml_reader;

/* Zeroed memory is an empty arena. */
struct xml_arena {
	struct xml_block *head; /* the one being filled */
	char *at;
	char *end;
};

/* Aligned for any object; not cleared. */
void *xml_arena_alloc(struct xml_arena *arena, size_t size);
/* A copy of len bytes with a NUL behind. */
char *xml_arena_copy(struct xml_arena *arena, const char *text, size_t len);
/* Adds to a text that xml_arena_copy() or this made; in place if nothing was
 * taken since.  Returns where the text is now. */
char *xml_arena_append(struct xml_arena *arena, char *text, size_t len,
    const char *more, size_t more_len);
/* Empties it and keeps one block. */
void xml_arena_reset(struct xml_arena *arena);
void xml_arena_clear(struct xml_arena *arena);

/* Where names and attributes of the running scan live; emptied when the next
 * one begins, unless it was taken away. */
struct xml_arena *xml_reader_arena(struct xml_reader *reader);

#endif
