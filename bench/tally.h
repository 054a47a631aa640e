/*
 * What was sent and what arrived.  Every message carries a mark of 32 bytes
 * with its number and the time it was sent; receivers look for marks in the
 * bytes as they come, so that no parser of the generator's stands between.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_MARK    32
#define TALLY_BUCKETS 2048

/* Times in nanoseconds, to about 3 %. */
struct tally_times {
	uint64_t count;
	uint64_t max_ns;
	uint32_t buckets[TALLY_BUCKETS];
};

struct tally {
	uint32_t count;    /* messages to send */
	uint32_t per;      /* receivers of each */
	uint32_t sent;     /* messages */
	uint32_t complete; /* messages that have reached all of theirs */
	uint64_t deliveries;
	uint64_t repeats;   /* to a receiver that had it */
	uint64_t responses; /* of BOSH, with at least one mark */
	uint64_t first_ns, last_ns;
	uint64_t to_last_ns; /* of all that are complete, added up */
	uint32_t *got;       /* by number */
	unsigned char *seen; /* bits, by receiver and number */
	struct tally_times times;
};

void tally_init(struct tally *tally, uint32_t count, uint32_t per,
    uint32_t receivers);
/* The mark of the next message, not ended by NUL; it counts as sent. */
void tally_mark(struct tally *tally, char mark[TALLY_MARK]);
/*
 * Counts the marks in data, once for each receiver.  Returns how many bytes are
 * done with: what is left may be the beginning of a mark.
 */
size_t tally_scan(struct tally *tally, uint32_t receiver, const char *data,
    size_t len);
void tally_time(struct tally_times *times, uint64_t ns);
/* The time below which that share (0 to 1) of all lies. */
double tally_ms(const struct tally_times *times, double share);

#endif
