/*
 * Memory that is there or the process ends: small allocations of our own
 * making.  Sizes that come from the network are checked against a named limit
 * before they get here.
 */
#ifndef WAFT_MEM_H
#define WAFT_MEM_H

#include <stddef.h>

#define MEM_LINE 64 /* bytes that the processor fetches at once */

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
/* Count times size, checked for overflow. */
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
/* Copies len bytes and adds a NUL. */
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Gives what was freed back to the system, after a burst that will not come
 * again. */
void mem_trim(void);

/* Asks the processor for memory that is looked at soon, and does not wait.
 * Always inline: gcc drops calls of what it takes for a function without
 * effect. */
static inline __attribute__((always_inline)) void
mem_fetch(const void *from, size_t len)
{
	const char *at = from;

	if (len == 0)
		return;
	for (; len > MEM_LINE; at += MEM_LINE, len -= MEM_LINE)
		__builtin_prefetch(at);
	__builtin_prefetch(at);
	__builtin_prefetch(at + len - 1);
}

#define PRINTF_LIKE(fmt_at, args_at) \
	__attribute__((format(printf, fmt_at, args_at)))
#define UNUSED       __attribute__((unused))
#define NORETURN     __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
