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
	barrier->window_stanzas = opts->window_stanzas;
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

void
barrier_reset(struct barrier *barrier, uint32_t epoch, int64_t now_ms)
{
	barrier_clear(barrier);
	barrier->epoch = epoch;
	barrier->seq = 0;
	barrier->batch_stanzas = barrier->batch_bytes = 0;
	barrier->stanzas = barrier->bytes = 0;
	barrier->quiet_ms = now_ms;
}

void
barrier_set_window(struct barrier *barrier, uint64_t stanzas)
{
	barrier->window_stanzas = stanzas;
}

bool
barrier_is_full(const struct barrier *barrier)
{
	return barrier->stanzas >= barrier->window_stanzas ||
	    barrier->bytes >= barrier->window_bytes;
}

uint64_t
barrier_room(const struct barrier *barrier)
{
	return barrier_is_full(barrier) ?
	    0 :
	    barrier->window_stanzas - barrier->stanzas;
}

void
barrier_sent(struct barrier *barrier, size_t bytes, int64_t now_ms)
{
	if (barrier->batch_stanzas == 0)
		barrier->batch_ms = now_ms;
	barrier->batch_stanzas++;
	barrier->batch_bytes += bytes;
	barrier->stanzas++;
	barrier->bytes += bytes;
}

bool
barrier_is_clean(const struct barrier *barrier)
{
	return barrier->stanzas == 0;
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
	if (barrier->batch_stanzas == 0)
		return barrier->open == 0 &&
		    now_ms - barrier->quiet_ms >= BARRIER_IDLE_MS;
	return barrier->batch_stanzas >= BARRIER_STANZAS ||
	    barrier->batch_bytes >= BARRIER_BYTES ||
	    now_ms - barrier->batch_ms >= BARRIER_AGE_MS ||
	    barrier_is_full(barrier);
}

static void
barrier_write(const struct barrier *barrier, uint64_t seq, struct buf *out)
{
	char id[BARRIER_ID_MAX];

	snprintf(id, sizeof(id), "b-%08" PRIx32 "-%" PRIu64, barrier->epoch,
	    seq);
	if (barrier->form == BARRIER_PING)
		buf_addf(out,
		    "<iq type='get' from='%s" BARRIER_NODE "' to='%s' id='%s'>"
		    "<ping xmlns='urn:xmpp:ping'/></iq>",
		    barrier->domain, barrier->server, id);
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
	slot->stanzas = barrier->batch_stanzas;
	slot->bytes = barrier->batch_bytes;
	slot->put_ms = now_ms;
	slot->snapshot = snapshot;
	barrier->batch_stanzas = barrier->batch_bytes = 0;
	barrier->quiet_ms = barrier->put_ms = now_ms;
	barrier_write(barrier, slot->seq, out);
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
	barrier_write(barrier, slot->again, out);
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

/* Answers come from the server pinged, or, for a headline, from ourselves. */
static bool
barrier_is_sender(const struct barrier *barrier, const char *from)
{
	size_t len = strlen(barrier->domain);

	return strcmp(from, barrier->server) == 0 ||
	    (strncmp(from, barrier->domain, len) == 0 &&
	        strcmp(from + len, BARRIER_NODE) == 0);
}

/* Closes the first n slots; the snapshot of the last of them. */
static void *
barrier_confirm(struct barrier *barrier, int n)
{
	void *snapshot = barrier->slots[n - 1].snapshot;
	int i;

	for (i = 0; i < n; i++) {
		barrier->stanzas -= barrier->slots[i].stanzas;
		barrier->bytes -= barrier->slots[i].bytes;
		if (i < n - 1)
			barrier->drop(barrier->slots[i].snapshot);
	}
	barrier->open -= n;
	memmove(barrier->slots, barrier->slots + n,
	    (size_t)barrier->open * sizeof(barrier->slots[0]));
	return snapshot;
}

bool
barrier_answer(struct barrier *barrier, const char *id, const char *from,
    int64_t now_ms, void **snapshot)
{
	uint32_t epoch;
	uint64_t seq;
	int n = 0;

	*snapshot = NULL;
	if (id == NULL || from == NULL || !barrier_parse_id(id, &epoch, &seq) ||
	    !barrier_is_sender(barrier, from))
		return false;
	if (epoch != barrier->epoch)
		return true;
	while (n < barrier->open && barrier->slots[n].seq <= seq)
		n++;
	barrier->quiet_ms = now_ms;
	if (n == 0 || seq > barrier->slots[n - 1].again)
		return true;
	barrier->took_ms = now_ms - barrier->slots[n - 1].put_ms;
	*snapshot = barrier_confirm(barrier, n);
	return true;
}

/* Milliseconds that the oldest barrier has waited; -1 when none is open. */
static int64_t
barrier_age(const struct barrier *barrier, int64_t now_ms)
{
	return barrier->open == 0 ? -1 : now_ms - barrier->slots[0].put_ms;
}

bool
barrier_wants_fallback(const struct barrier *barrier, int64_t now_ms)
{
	return barrier->form == BARRIER_PING &&
	    barrier_age(barrier, now_ms) >= BARRIER_FALLBACK_MS;
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

int64_t
barrier_wait_ms(const struct barrier *barrier, int64_t now_ms)
{
	int64_t age = barrier_age(barrier, now_ms), wait;

	if (barrier->batch_stanzas > 0 && barrier_can_put(barrier))
		wait = barrier->batch_ms + BARRIER_AGE_MS - now_ms;
	else
		wait = barrier->open > 0 ?
		    BARRIER_DEAD_MS :
		    barrier->quiet_ms + BARRIER_IDLE_MS - now_ms;
	if (age >= 0 && barrier->form == BARRIER_PING &&
	    BARRIER_FALLBACK_MS - age < wait)
		wait = BARRIER_FALLBACK_MS - age;
	if (age >= 0 && barrier->put_ms + BARRIER_AGAIN_MS - now_ms < wait)
		wait = barrier->put_ms + BARRIER_AGAIN_MS - now_ms;
	if (age >= 0 && BARRIER_DEAD_MS - age < wait)
		wait = BARRIER_DEAD_MS - age;
	return wait < 1 ? 1 : wait;
}
