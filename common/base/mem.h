/*
 * Memory that is there or the process ends: small allocations of our own
 * making.  Sizes that come from the network are checked against a named limit
 * before they get here.
 */
#ifndef WAFT_MEM_H
#define WAFT_MEM_H

#include <stddef.h>

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

#define PRINTF_LIKE(fmt_at, args_at) \
	__attribute__((format(printf, fmt_at, args_at)))
#define UNUSED       __attribute__((unused))
#define NORETURN     __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
