#include "component/suspect.h"

bool
suspect_end(struct suspect *suspect, uint64_t seq, int64_t now_ms)
{
	if (now_ms - suspect->last_ms >= SUSPECT_QUIET_MS)
		suspect->strikes = 0;
	suspect->last_ms = now_ms;
	suspect->strikes++;
	if (suspect->careful && seq != 0) {
		suspect->skips[suspect->n_skips++ % SUSPECT_SKIPS] = seq;
		suspect->strikes = 0;
		suspect->careful = false;
		return true;
	}
	suspect->careful = suspect->strikes >= SUSPECT_STRIKES;
	return false;
}

bool
suspect_is_careful(struct suspect *suspect, int64_t now_ms)
{
	if (suspect->careful && now_ms - suspect->last_ms >= SUSPECT_QUIET_MS)
		suspect->careful = false;
	return suspect->careful;
}

bool
suspect_skips(const struct suspect *suspect, uint64_t seq)
{
	unsigned i, n = suspect->n_skips;

	if (n > SUSPECT_SKIPS)
		n = SUSPECT_SKIPS;
	for (i = 0; i < n; i++)
		if (suspect->skips[i] == seq)
			return true;
	return false;
}
