/* Time: wall clock for what is stored and shown, monotonic for waits. */
#ifndef WAFT_CLOCK_H
#define WAFT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, UTC */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* "2026-01-02T03:04:05.678Z" (XEP-0082) into out; size at least 25. */
void clock_stamp(int64_t wall_ms, char *out, size_t size);

#endif
