#include "component/tenure.h"

#include "common/store/store.h"

static int64_t
tenure_pause(const struct tenure *tenure)
{
	return tenure->held ? TENURE_RENEW_MS : TENURE_LOOK_MS;
}

enum tenure_step
tenure_next(const struct tenure *tenure, int64_t now_ms)
{
	if (tenure->asking)
		return TENURE_WAIT;
	if (tenure->asked_ms != 0 &&
	    now_ms - tenure->asked_ms < tenure_pause(tenure))
		return TENURE_WAIT;
	return tenure->held ? TENURE_RENEW : TENURE_TAKE;
}

void
tenure_asked(struct tenure *tenure, int64_t now_ms)
{
	tenure->asking = true;
	tenure->asked_ms = now_ms;
}

/* Other errors are the disk's: nothing is known, and it is asked again. */
enum tenure_change
tenure_answer(struct tenure *tenure, enum err err, uint64_t generation)
{
	bool held = tenure->held;

	tenure->asking = false;
	if (err == ERR_OK) {
		tenure->held = true;
		tenure->taken = false;
		tenure->until_ms = tenure->asked_ms + STORE_LEASE_MS;
		if (held)
			return TENURE_KEPT;
		tenure->generation = generation;
		return TENURE_TOOK;
	}
	if (err == ERR_CONFLICT || err == ERR_GONE)
		tenure->taken = true;
	if (!held || err != ERR_GONE)
		return TENURE_SAME;
	tenure->held = false;
	tenure->until_ms = 0;
	return TENURE_LOST;
}

int64_t
tenure_wait_ms(const struct tenure *tenure, int64_t now_ms)
{
	int64_t wait = tenure->asked_ms + tenure_pause(tenure) - now_ms;

	return wait < 1 ? 1 : wait;
}

bool
tenure_holds(const struct tenure *tenure, int64_t now_ms)
{
	return tenure->held && now_ms < tenure->until_ms;
}
