#include "bench/tally.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tool.h"

/* "[waft:SSSSSSSS:TTTTTTTTTTTTTTTT]", both in hex. */
#define TALLY_HEAD "[waft:"

void
tally_init(struct tally *tally, uint32_t count, uint32_t per,
    uint32_t receivers)
{
	memset(tally, 0, sizeof *tally);
	tally->count = count;
	tally->per = per;
	tally->got = tool_calloc(count + 1, sizeof *tally->got);
	tally->seen = tool_calloc(receivers + 1, count / 8 + 1);
}

void
tally_mark(struct tally *tally, char mark[TALLY_MARK])
{
	uint64_t now = tool_now_ns();
	char text[TALLY_MARK + 1];

	if (tally->sent == 0)
		tally->first_ns = now;
	snprintf(text, sizeof text, TALLY_HEAD "%08x:%016llx]", tally->sent++,
	    (unsigned long long)now);
	memcpy(mark, text, TALLY_MARK);
}

static uint64_t
tally_hex(const char *p, int digits)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < digits; i++)
		value = value << 4 |
		    (uint64_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
	return value;
}

/* True: it has been there before. */
static bool
tally_has_seen(struct tally *tally, uint32_t receiver, uint64_t seq)
{
	unsigned char *byte =
	    tally->seen + (size_t)receiver * (tally->count / 8 + 1) + seq / 8;
	unsigned char bit = (unsigned char)(1u << seq % 8);

	if ((*byte & bit) != 0)
		return true;
	*byte |= bit;
	return false;
}

static void
tally_count(struct tally *tally, uint32_t receiver, const char *mark,
    uint64_t now)
{
	uint64_t seq = tally_hex(mark + 6, 8), sent_ns;

	if (seq >= tally->count)
		tool_die("a mark that was never sent: %.32s", mark);
	if (tally_has_seen(tally, receiver, seq)) {
		tally->repeats++;
		return;
	}
	sent_ns = tally_hex(mark + 15, 16);
	tally_time(&tally->times, now - sent_ns);
	tally->deliveries++;
	tally->last_ns = now;
	if (++tally->got[seq] < tally->per)
		return;
	tally->complete++;
	tally->to_last_ns += now - sent_ns;
}

size_t
tally_scan(struct tally *tally, uint32_t receiver, const char *data, size_t len)
{
	const char *p = data, *end = data + len, *mark;
	uint64_t now = 0;

	while ((mark = tool_find(p, (size_t)(end - p), TALLY_HEAD)) != NULL) {
		if (end - mark < TALLY_MARK)
			return (size_t)(mark - data);
		if (now == 0)
			now = tool_now_ns();
		tally_count(tally, receiver, mark, now);
		p = mark + TALLY_MARK;
	}
	/* All but what may be the beginning of a head. */
	return len -
	    ((size_t)(end - p) < sizeof TALLY_HEAD - 2 ? (size_t)(end - p) :
	                                                 sizeof TALLY_HEAD - 2);
}

/* 32 buckets to each power of two. */
static unsigned
tally_bucket(uint64_t ns)
{
	int shift;

	if (ns < 32)
		return (unsigned)ns;
	shift = 63 - __builtin_clzll(ns) - 5;
	return (unsigned)(shift + 1) * 32 + (unsigned)(ns >> shift) - 32;
}

void
tally_time(struct tally_times *times, uint64_t ns)
{
	times->count++;
	if (ns > times->max_ns)
		times->max_ns = ns;
	times->buckets[tally_bucket(ns)]++;
}

double
tally_ms(const struct tally_times *times, double share)
{
	uint64_t want = (uint64_t)((double)times->count * share), seen = 0;
	unsigned i;

	for (i = 0; i < TALLY_BUCKETS; i++) {
		seen += times->buckets[i];
		if (seen > want)
			break;
	}
	if (i < 32)
		return i / 1e6;
	return (double)((uint64_t)(i % 32 + 32) << (i / 32 - 1)) / 1e6;
}
