/*
 * Small things that the load generator needs everywhere.
 */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <stddef.h>
#include <stdint.h>

/* Prints to standard error and ends the program with 1. */
void tool_die(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));
/* They die where there is no memory. */
void *tool_calloc(size_t count, size_t size);
void *tool_realloc(void *old, size_t size);
/* Of CLOCK_MONOTONIC. */
uint64_t tool_now_ns(void);
/* Where text begins in data, NULL if it does not occur. */
const char *tool_find(const char *data, size_t len, const char *text);
/* SHA-1 (FIPS 180-4) as 40 hex digits: what the handshake of XEP-0114 wants. */
void tool_sha1_hex(const char *data, size_t len, char hex[41]);

#endif
