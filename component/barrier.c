#include "component/barrier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"

#define BARRIER_ID_MAX 48
#define BARRIER_NODE   "/b" /* our resource for the self-addressed form */

void
barrier_init(struct barrier *barrier, const struct barrier_opts *opts)
{
	memset(barrier, 0, sizeof(*barrier));
	barrier->domain = opts->domain;
	barrier->server = opts->server;
	barrier->window[BARRIER_DIRECT] = opts->window_stanzas;
	barrier->window[BARRIER_COPIES] = opts->window_copies;
	barrier->window_bytes = opts->window_bytes;
	barrier->drop = opts->drop;
}

void
barrier_clear(struct barrier *barrier)
{
	int i;

	for (i = 0; i < barrier->open; i++)
		barrier->drop(barrier->slots[i].snapshot);
	barrier->open = 0;
}

static void
barrier_begin_batch(struct barrier *barrier)
{
	memset(barrier->batch_count, 0, sizeof(barrier->batch_count));
	barrier->batch_bytes = 0;
}

void
barrier_reset(struct barrier *barrier, uint32_t epoch, int64_t now_ms)
{
	barrier_clear(barrier);
	barrier->epoch = epoch;
	barrier->service = NULL;
	barrier->seq = 0;
	barrier->sure = barrier->batch++;
	barrier_begin_batch(barrier);
	memset(barrier->count, 0, sizeof(barrier->count));
	barrier->bytes = 0;
	barrier->quiet_ms = now_ms;
}

void
barrier_set_service(struct barrier *barrier, const char *service)
{
	barrier->service = service;
}

void
barrier_set_window(struct barrier *barrier, uint64_t stanzas)
{
	barrier->window[BARRIER_DIRECT] = stanzas;
}

bool
barrier_is_full(const struct barrier *barrier, enum barrier_way way)
{
	return barrier->count[way] >= barrier->window[way] ||
	    barrier->bytes >= barrier->window_bytes;
}

uint64_t
barrier_room(const struct barrier *barrier)
{
	return barrier_is_full(barrier, BARRIER_DIRECT) ?
	    0 :
	    barrier->window[BARRIER_DIRECT] - barrier->count[BARRIER_DIRECT];
}

uint64_t
barrier_unconfirmed(const struct barrier *barrier)
{
	return barrier->count[BARRIER_DIRECT] + barrier->count[BARRIER_COPIES];
}

uint64_t
barrier_unasked(const struct barrier *barrier)
{
	return barrier->batch_count[BARRIER_DIRECT] +
	    barrier->batch_count[BARRIER_COPIES];
}

static void
barrier_count(struct barrier *barrier, enum barrier_way way, uint64_t stanzas,
    size_t bytes, int64_t now_ms)
{
	if (barrier_unasked(barrier) == 0)
		barrier->batch_ms = now_ms;
	barrier->batch_count[way] += stanzas;
	barrier->batch_bytes += bytes;
	barrier->count[way] += stanzas;
	barrier->bytes += bytes;
}

void
barrier_sent(struct barrier *barrier, size_t bytes, int64_t now_ms)
{
	barrier_count(barrier, BARRIER_DIRECT, 1, bytes, now_ms);
}

void
barrier_sent_copies(struct barrier *barrier, uint64_t copies, size_t bytes,
    int64_t now_ms)
{
	barrier_count(barrier, BARRIER_COPIES, copies, bytes, now_ms);
}

bool
barrier_has_copies(const struct barrier *barrier)
{
	return barrier->count[BARRIER_COPIES] > 0;
}

uint64_t
barrier_mark(const struct barrier *barrier)
{
	return barrier_unasked(barrier) > 0 ? barrier->batch :
	                                      barrier->batch - 1;
}

bool
barrier_is_askable(const struct barrier *barrier, uint64_t mark)
{
	return mark == barrier->batch && barrier_unasked(barrier) > 0 &&
	    barrier_can_put(barrier);
}

bool
barrier_is_sure(const struct barrier *barrier, uint64_t mark)
{
	return mark <= barrier->sure;
}

bool
barrier_is_clean(const struct barrier *barrier)
{
	return barrier_unconfirmed(barrier) == 0;
}

bool
barrier_can_put(const struct barrier *barrier)
{
	return barrier->open < BARRIER_OPEN_MAX;
}

bool
barrier_is_due(const struct barrier *barrier, int64_t now_ms)
{
	if (!barrier_can_put(barrier))
		return false;
	if (barrier_unasked(barrier) == 0)
		return barrier->open == 0 &&
		    now_ms - barrier->quiet_ms >= BARRIER_IDLE_MS;
	return barrier->batch_count[BARRIER_DIRECT] >= BARRIER_STANZAS ||
	    barrier->batch_count[BARRIER_COPIES] >= BARRIER_COPIES_BATCH ||
	    barrier->batch_bytes >= BARRIER_BYTES ||
	    now_ms - barrier->batch_ms >= BARRIER_AGE_MS ||
	    barrier_is_full(barrier, BARRIER_DIRECT) ||
	    barrier_is_full(barrier, BARRIER_COPIES);
}

static void
barrier_ping(const struct barrier *barrier, const char *whom, const char *id,
    struct buf *out)
{
	buf_addf(out,
	    "<iq type='get' from='%s" BARRIER_NODE "' to='%s' id='%s'>"
	    "<ping xmlns='urn:xmpp:ping'/></iq>",
	    barrier->domain, whom, id);
}

static void
barrier_write(const struct barrier *barrier, const struct barrier_slot *slot,
    uint64_t seq, struct buf *out)
{
	char id[BARRIER_ID_MAX];

	snprintf(id, sizeof(id), "b-%08" PRIx32 "-%" PRIu64, barrier->epoch,
	    seq);
	if (slot->owed[BARRIER_COPIES])
		barrier_ping(barrier, barrier->service, id, out);
	if (!slot->owed[BARRIER_DIRECT])
		return;
	if (barrier->form == BARRIER_PING)
		barrier_ping(barrier, barrier->server, id, out);
	else
		buf_addf(out,
		    "<message type='headline' from='%s" BARRIER_NODE
		    "' to='%s" BARRIER_NODE "' id='%s'/>",
		    barrier->domain, barrier->domain, id);
}

void
barrier_put(struct barrier *barrier, void *snapshot, int64_t now_ms,
    struct buf *out)
{
	struct barrier_slot *slot = &barrier->slots[barrier->open++];

	slot->seq = slot->again = ++barrier->seq;
	memcpy(slot->count, barrier->batch_count, sizeof(slot->count));
	slot->bytes = barrier->batch_bytes;
	slot->put_ms = now_ms;
	slot->snapshot = snapshot;
	slot->batch = barrier->batch++;
	slot->owed[BARRIER_COPIES] = slot->count[BARRIER_COPIES] > 0;
	slot->owed[BARRIER_DIRECT] =
	    slot->count[BARRIER_DIRECT] > 0 || !slot->owed[BARRIER_COPIES];
	barrier_begin_batch(barrier);
	barrier->quiet_ms = barrier->put_ms = now_ms;
	barrier_write(barrier, slot, slot->seq, out);
}

bool
barrier_wants_again(const struct barrier *barrier, int64_t now_ms)
{
	return barrier->open > 0 &&
	    now_ms - barrier->put_ms >= BARRIER_AGAIN_MS;
}

/* What is in the batch meanwhile has a barrier of its own to come. */
void
barrier_again(struct barrier *barrier, int64_t now_ms, struct buf *out)
{
	struct barrier_slot *slot = &barrier->slots[barrier->open - 1];

	slot->again = ++barrier->seq;
	barrier->put_ms = now_ms;
	barrier_write(barrier, slot, slot->again, out);
}

/* "b-<epoch>-<seq>".  False when it is no id of ours. */
static bool
barrier_parse_id(const char *id, uint32_t *epoch, uint64_t *seq)
{
	uint64_t value = 0;
	int i;
	char c;

	if (strncmp(id, "b-", 2) != 0)
		return false;
	for (i = 2; i < 10; i++) {
		c = id[i];
		if (c >= '0' && c <= '9')
			value = value * 16 + (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*epoch = (uint32_t)value;
	return id[10] == '-' &&
	    text_to_u64(id + 11, strlen(id + 11), UINT64_MAX, seq);
}

/* Answers come from whom was pinged, or, for a headline, from ourselves. */
static bool
barrier_sender(const struct barrier *barrier, const char *from,
    enum barrier_way *way)
{
	size_t len = strlen(barrier->domain);

	*way = BARRIER_COPIES;
	if (barrier->service != NULL && strcmp(from, barrier->service) == 0)
		return true;
	*way = BARRIER_DIRECT;
	return strcmp(from, barrier->server) == 0 ||
	    (strncmp(from, barrier->domain, len) == 0 &&
	        strcmp(from + len, BARRIER_NODE) == 0);
}

/* Closes those at the front that nobody owes an answer; false: there are none.
 */
static bool
barrier_confirm(struct barrier *barrier, int64_t now_ms, void **snapshot)
{
	struct barrier_slot *slot = barrier->slots;
	int n = 0, i;

	while (n < barrier->open && !slot[n].owed[BARRIER_DIRECT] &&
	    !slot[n].owed[BARRIER_COPIES])
		n++;
	if (n == 0)
		return false;
	for (i = 0; i < n; i++) {
		barrier->count[BARRIER_DIRECT] -= slot[i].count[BARRIER_DIRECT];
		barrier->count[BARRIER_COPIES] -= slot[i].count[BARRIER_COPIES];
		barrier->bytes -= slot[i].bytes;
		if (i < n - 1)
			barrier->drop(slot[i].snapshot);
	}
	*snapshot = slot[n - 1].snapshot;
	barrier->sure = slot[n - 1].batch;
	barrier->took_ms = now_ms - slot[n - 1].put_ms;
	barrier->open -= n;
	memmove(slot, slot + n, (size_t)barrier->open * sizeof(*slot));
	return true;
}

enum barrier_heard
barrier_answer(struct barrier *barrier, const char *id, const char *from,
    int64_t now_ms, void **snapshot)
{
	enum barrier_way way;
	uint32_t epoch;
	uint64_t seq;
	int n = 0, i;

	*snapshot = NULL;
	if (id == NULL || from == NULL || !barrier_parse_id(id, &epoch, &seq) ||
	    !barrier_sender(barrier, from, &way))
		return BARRIER_NO_ANSWER;
	if (epoch != barrier->epoch)
		return BARRIER_NOTHING_NEW;
	while (n < barrier->open && barrier->slots[n].seq <= seq)
		n++;
	barrier->quiet_ms = now_ms;
	if (n == 0 || seq > barrier->slots[n - 1].again)
		return BARRIER_NOTHING_NEW;
	for (i = 0; i < n; i++)
		barrier->slots[i].owed[way] = false;
	return barrier_confirm(barrier, now_ms, snapshot) ? BARRIER_CONFIRMED :
	                                                    BARRIER_NOTHING_NEW;
}

void
barrier_void(struct barrier *barrier)
{
	int i;

	for (i = 0; i < barrier->open; i++) {
		barrier->drop(barrier->slots[i].snapshot);
		barrier->slots[i].snapshot = NULL;
	}
}

/* What was written since is asked of the server instead. */
static void
barrier_forgive_batch(struct barrier *barrier)
{
	uint64_t copies = barrier->batch_count[BARRIER_COPIES];

	barrier->batch_count[BARRIER_COPIES] = 0;
	barrier->batch_count[BARRIER_DIRECT] += copies;
	barrier->count[BARRIER_COPIES] -= copies;
	barrier->count[BARRIER_DIRECT] += copies;
}

void
barrier_forgive(struct barrier *barrier)
{
	void *none;
	int i;

	barrier_void(barrier);
	for (i = 0; i < barrier->open; i++)
		barrier->slots[i].owed[BARRIER_COPIES] = false;
	barrier_forgive_batch(barrier);
	barrier_confirm(barrier, barrier->quiet_ms, &none);
}

/* Milliseconds that the oldest barrier has waited; -1 when none is open. */
static int64_t
barrier_age(const struct barrier *barrier, int64_t now_ms)
{
	return barrier->open == 0 ? -1 : now_ms - barrier->slots[0].put_ms;
}

/* How long the oldest barrier has waited for that answer; -1: not at all. */
static int64_t
barrier_owes(const struct barrier *barrier, enum barrier_way way,
    int64_t now_ms)
{
	return barrier->open > 0 && barrier->slots[0].owed[way] ?
	    barrier_age(barrier, now_ms) :
	    -1;
}

bool
barrier_wants_fallback(const struct barrier *barrier, int64_t now_ms)
{
	return barrier->form == BARRIER_PING &&
	    barrier_owes(barrier, BARRIER_DIRECT, now_ms) >=
	    BARRIER_FALLBACK_MS;
}

bool
barrier_wants_forgiving(const struct barrier *barrier, int64_t now_ms)
{
	return barrier_owes(barrier, BARRIER_COPIES, now_ms) >=
	    BARRIER_COPIES_MS;
}

void
barrier_fall_back(struct barrier *barrier)
{
	barrier->form = BARRIER_HEADLINE;
}

bool
barrier_is_dead(const struct barrier *barrier, int64_t now_ms)
{
	return barrier_age(barrier, now_ms) >= BARRIER_DEAD_MS;
}

/* The wait, if nothing comes before it. */
static int64_t
barrier_sooner(int64_t wait, int64_t age, int64_t limit)
{
	return age >= 0 && limit - age < wait ? limit - age : wait;
}

int64_t
barrier_wait_ms(const struct barrier *barrier, int64_t now_ms)
{
	int64_t age = barrier_age(barrier, now_ms), wait;

	if (barrier_unasked(barrier) > 0 && barrier_can_put(barrier))
		wait = barrier->batch_ms + BARRIER_AGE_MS - now_ms;
	else
		wait = barrier->open > 0 ?
		    BARRIER_DEAD_MS :
		    barrier->quiet_ms + BARRIER_IDLE_MS - now_ms;
	if (barrier->form == BARRIER_PING)
		wait = barrier_sooner(wait,
		    barrier_owes(barrier, BARRIER_DIRECT, now_ms),
		    BARRIER_FALLBACK_MS);
	wait = barrier_sooner(wait,
	    barrier_owes(barrier, BARRIER_COPIES, now_ms), BARRIER_COPIES_MS);
	if (age >= 0)
		wait = barrier_sooner(wait, now_ms - barrier->put_ms,
		    BARRIER_AGAIN_MS);
	wait = barrier_sooner(wait, age, BARRIER_DEAD_MS);
	return wait < 1 ? 1 : wait;
}
