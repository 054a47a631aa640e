#include "bosh/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <event2/event.h>

#include "bosh/client.h"
#include "common/base/crypto.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stat.h"

/* Requests that wait for the reading of old sessions. */
#define KEEP_PARKED_MAX 20000
/* Records rewritten at once for no more than the room they take: after many
 * logins they would cost as much again as these. */
#define KEEP_TIDY 8
/* Hex digits of a sid's prefix, a slash, the hash. */
#define KEEP_KEY_SIZE (sizeof(KEEP_RECORDS) + 3 + 2 * KEEP_HASH)

static struct stat_metric keep_records = STAT_COUNTER("waft_bosh_records_total",
    "Records of sessions written, each before an answer", NULL);
static struct stat_metric keep_pages = STAT_COUNTER("waft_bosh_pages_total",
    "Pages of rids and positions written", NULL);
static struct stat_metric keep_failures =
    STAT_COUNTER("waft_bosh_record_failures_total",
        "Records and pages that could not be written", NULL);

struct keep_page {
	struct client *clients[KEEP_PAGE]; /* NULL: free */
	struct record_place places[KEEP_PAGE];
	uint64_t moved; /* a bit each */
	int used;
};

struct keep_parked {
	STAILQ_ENTRY(keep_parked) entry;
	struct arrival *arrival;
	size_t len;
	char text[];
};

struct keep {
	struct gateway *gateway;
	struct keep_page **pages;
	unsigned n_pages;
	unsigned roomy; /* no page before it has a free place */
	struct event *timer;
	bool armed;
	bool staying;
	bool loading;
	int tidy;   /* records that the next pages may still make smaller */
	int flying; /* pages being written */
	int refs;   /* the gateway's, and one of each write */
	state_fn *written;
	void *written_arg;
	STAILQ_HEAD(, keep_parked) parked;
	int n_parked;
};

/* ---- names ----------------------------------------------------------- */

void
keep_hash(const char *sid, size_t len, unsigned char hash[KEEP_HASH])
{
	static const char purpose[] = "session ";
	char text[sizeof(purpose) + SID_SIZE];
	unsigned char whole[32];

	memcpy(text, purpose, sizeof(purpose) - 1);
	memcpy(text + sizeof(purpose) - 1, sid, len);
	crypto_sha256(text, sizeof(purpose) - 1 + len, whole);
	memcpy(hash, whole, KEEP_HASH);
}

static void
keep_hex(const unsigned char *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

void
keep_name(const unsigned char hash[KEEP_HASH], char *name)
{
	name[0] = '#';
	keep_hex(hash, KEEP_HASH, name + 1);
}

static void
keep_key(const struct client *client, char *key)
{
	unsigned char hash[KEEP_HASH];
	char *at = key + sizeof(KEEP_RECORDS) - 1;

	memcpy(key, KEEP_RECORDS, sizeof(KEEP_RECORDS));
	memcpy(at, client->prefix, 2);
	at[2] = '/';
	if (client->sid[0] == '#') {
		memcpy(at + 3, client->sid + 1, 2 * KEEP_HASH + 1);
		return;
	}
	keep_hash(client->sid, strlen(client->sid), hash);
	keep_hex(hash, KEEP_HASH, at + 3);
}

struct gateway *
keep_gateway(const struct keep *keep)
{
	return keep->gateway;
}

const char *
keep_mark(const struct keep *keep)
{
	return keep->gateway->relay->mark;
}

/* ---- life ------------------------------------------------------------ */

static void
keep_unref(struct keep *keep)
{
	if (--keep->refs > 0)
		return;
	for (unsigned i = 0; i < keep->n_pages; i++)
		free(keep->pages[i]);
	free(keep->pages);
	free(keep);
}

static void
keep_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct keep *keep = arg;

	keep->armed = false;
	keep_write(keep);
}

struct keep *
keep_create(struct gateway *gateway)
{
	struct keep *keep = xcalloc(1, sizeof(*keep));

	keep->refs = 1;
	keep->gateway = gateway;
	STAILQ_INIT(&keep->parked);
	keep->timer =
	    event_new(loop_base(gateway->loop), -1, 0, keep_timer_cb, keep);
	if (keep->timer == NULL)
		fatal(EX_OSERR, "bosh.event", "reason=memory");
	return keep;
}

void
keep_free(struct keep *keep)
{
	struct keep_parked *parked;

	event_free(keep->timer);
	keep->timer = NULL;
	while ((parked = STAILQ_FIRST(&keep->parked)) != NULL) {
		STAILQ_REMOVE_HEAD(&keep->parked, entry);
		arrival_cut(parked->arrival);
		free(parked);
	}
	keep_unref(keep);
}

bool
keep_stays(const struct keep *keep)
{
	return keep->staying;
}

/* ---- places ---------------------------------------------------------- */

static struct keep_page *
keep_page_of(struct keep *keep, const struct client *client)
{
	return keep->pages[(client->place - 1) / KEEP_PAGE];
}

static struct keep_page *
keep_find_room(struct keep *keep)
{
	unsigned i;

	for (i = keep->roomy; i < keep->n_pages; i++)
		if (keep->pages[i]->used < KEEP_PAGE)
			break;
	keep->roomy = i;
	if (i == keep->n_pages) {
		keep->pages = xreallocarray(keep->pages, i + UINT64_C(1),
		    sizeof(keep->pages[0]));
		keep->pages[i] = xcalloc(1, sizeof(*keep->pages[i]));
		keep->n_pages++;
	}
	return keep->pages[i];
}

static void
keep_take_place(struct keep *keep, struct client *client,
    const unsigned char hash[KEEP_HASH])
{
	struct keep_page *page = keep_find_room(keep);
	unsigned at = 0;

	while (page->clients[at] != NULL)
		at++;
	page->clients[at] = client;
	page->used++;
	page->places[at] = (struct record_place){ 0 };
	memcpy(page->places[at].hash, hash, RECORD_HASH);
	client->place = keep->roomy * KEEP_PAGE + at + 1;
}

static void
keep_arm(struct keep *keep)
{
	static const struct timeval soon = { 0, KEEP_MS * 1000 };

	if (keep->armed || keep->timer == NULL)
		return;
	keep->armed = true;
	event_add(keep->timer, &soon);
}

void
keep_moved(struct client *client)
{
	struct keep *keep = client->gateway->keep;
	struct keep_page *page;
	unsigned at;

	if (client->place == 0)
		return;
	page = keep_page_of(keep, client);
	at = (client->place - 1) % KEEP_PAGE;
	page->moved |= UINT64_C(1) << at;
	keep_arm(keep);
	/* A fast one would be out of reach before the time is over. */
	if (session_next(client->session) - page->places[at].rid >
	        client->gateway->conf->bosh.resume_window / 2 &&
	    keep->flying == 0 && page->places[at].rid != 0)
		keep_write(keep);
}

/* ---- records --------------------------------------------------------- */

static void
keep_stored(enum err err, void *arg)
{
	struct client *client = arg;

	client->storing--;
	if (err != ERR_OK) {
		/* It is tried again with the next answer; this one goes out. */
		stat_add(&keep_failures, 1);
		log_warn("bosh.record", "sid=%.6s… error=%s", client->sid,
		    err_name(err));
		client->unsaved = true;
	}
	if (client->storing == 0 && !client->over)
		loop_defer(client->gateway->loop, &client->flush);
	client_unref(client);
}

static void
keep_put(struct client *client)
{
	struct gateway *gateway = client->gateway;
	char key[KEEP_KEY_SIZE];
	struct buf value;

	buf_init(&value, 0);
	revive_write(client, &value);
	keep_key(client, key);
	client->changed = client->unsaved = false;
	client->texts_kept = revive_has_texts(client);
	client->storing++;
	stat_add(&keep_records, 1);
	store_state_put(gateway->relay->store, gateway->loop, key, value.data,
	    value.len, keep_stored, client_ref(client));
	buf_clear(&value);
}

void
keep_add(struct keep *keep, struct client *client)
{
	unsigned char hash[KEEP_HASH];

	keep_hash(client->sid, strlen(client->sid), hash);
	memcpy(client->prefix, client->sid, 2);
	keep_take_place(keep, client, hash);
	client->changed = true;
}

void
keep_put_back(struct keep *keep, struct client *client,
    const unsigned char hash[KEEP_HASH])
{
	keep_take_place(keep, client, hash);
	client->texts_kept = revive_has_texts(client);
}

void
keep_remove(struct keep *keep, struct client *client)
{
	struct gateway *gateway = client->gateway;
	struct keep_page *page;
	char key[KEEP_KEY_SIZE];

	if (client->place == 0)
		return;
	page = keep_page_of(keep, client);
	page->clients[(client->place - 1) % KEEP_PAGE] = NULL;
	page->used--;
	if ((client->place - 1) / KEEP_PAGE < keep->roomy)
		keep->roomy = (client->place - 1) / KEEP_PAGE;
	client->place = 0;
	if (keep->staying)
		return;
	keep_key(client, key);
	store_state_del(gateway->relay->store, gateway->loop, key, NULL, NULL);
}

void
keep_changed(struct client *client)
{
	if (client->place == 0 || client->changed || client->over)
		return;
	client->changed = true;
	loop_defer(client->gateway->loop, &client->flush);
}

bool
keep_holds_back(struct client *client)
{
	if (client->place == 0)
		return false;
	if (client->changed)
		keep_put(client);
	else if (client->unsaved && client->storing == 0)
		/* The last one failed: try again, but do not wait for it. */
		client->changed = true;
	return client->storing > 0;
}

/* ---- pages ----------------------------------------------------------- */

static void
keep_page_stored(enum err err, void *arg)
{
	struct keep *keep = arg;

	keep->flying--;
	if (err != ERR_OK) {
		stat_add(&keep_failures, 1);
		log_warn("bosh.page", "error=%s", err_name(err));
	}
	if (keep->flying == 0 && keep->written != NULL) {
		keep->written(err, keep->written_arg);
		keep->written = NULL;
	}
	keep_unref(keep);
}

/* Keys move with each request.  What has arrived is only room on the disk: the
 * place says that it has, and the records follow one by one. */
static bool
keep_must_follow(struct keep *keep, const struct client *client,
    const struct record_place *place)
{
	if (client->storing > 0)
		return false;
	return client->keys.used ||
	    (client->texts_kept && place->settled && keep->tidy-- > 0);
}

/* Its place, and its record where that is to follow. */
static bool
keep_refresh(struct keep *keep, struct client *client,
    struct record_place *place)
{
	/* What they said is not in the record yet. */
	if (client->changed || client->unsaved)
		return false;
	place->rid = revive_rid(client);
	place->upto = revive_upto(client);
	place->settled = !client->texts_kept || !revive_has_texts(client);
	if (keep_must_follow(keep, client, place))
		keep_put(client);
	return true;
}

/* What keep_refresh() looks at, step by step for all (mem_fetch()). */
static void
keep_fetch(const struct keep_page *page)
{
	const struct client *client;

	for (int step = 0; step < 3; step++)
		for (unsigned i = 0; i < KEEP_PAGE; i++) {
			client = page->clients[i];
			if (client == NULL ||
			    (page->moved & UINT64_C(1) << i) == 0)
				continue;
			if (step == 0) {
				mem_fetch(client, CLIENT_NEAR);
				continue;
			}
			session_fetch(client->session, step - 1);
			if (step == 1)
				mem_fetch(TAILQ_FIRST(&client->subs),
				    sizeof(struct client_sub));
		}
}

static void
keep_write_page(struct keep *keep, unsigned number)
{
	struct keep_page *page = keep->pages[number];
	struct gateway *gateway = keep->gateway;
	uint64_t moved = page->moved;
	struct buf value;
	char *key;

	keep_fetch(page);
	page->moved = 0;
	buf_init(&value, 0);
	for (unsigned i = 0; i < KEEP_PAGE; i++) {
		if (page->clients[i] == NULL)
			continue;
		if ((moved & UINT64_C(1) << i) != 0 &&
		    !keep_refresh(keep, page->clients[i], &page->places[i]))
			page->moved |= UINT64_C(1) << i;
		record_add_place(&value, &page->places[i]);
	}
	key = xasprintf(KEEP_PAGES "%s/%02x/%08x", keep_mark(keep),
	    (unsigned)gateway->index, number);
	keep->flying++;
	keep->refs++;
	stat_add(&keep_pages, 1);
	store_state_put(gateway->relay->store, gateway->loop, key, value.data,
	    value.len, keep_page_stored, keep);
	free(key);
	buf_clear(&value);
}

static void
keep_write_moved(struct keep *keep)
{
	keep->tidy = KEEP_TIDY;
	for (unsigned i = 0; i < keep->n_pages; i++)
		if (keep->pages[i]->moved != 0)
			keep_write_page(keep, i);
}

void
keep_write(struct keep *keep)
{
	if (keep->staying)
		return;
	if (keep->flying > 0)
		keep_arm(keep);
	else
		keep_write_moved(keep);
}

void
keep_stay(struct keep *keep)
{
	keep_write_moved(keep);
	keep->staying = true;
}

void
keep_write_all(struct keep *keep, state_fn *done, void *arg)
{
	for (unsigned i = 0; i < keep->n_pages; i++) {
		keep->pages[i]->moved = UINT64_MAX;
		keep_write_page(keep, i);
	}
	if (keep->flying == 0) {
		done(ERR_OK, arg);
		return;
	}
	keep->written = done;
	keep->written_arg = arg;
}

/* ---- at the start ---------------------------------------------------- */

void
keep_load(struct keep *keep)
{
	keep->loading = true;
	restore_begin(keep);
}

bool
keep_park(struct keep *keep, struct arrival *arrival, struct slice text)
{
	struct keep_parked *parked;

	if (!keep->loading || keep->n_parked == KEEP_PARKED_MAX)
		return false;
	parked = xmalloc(sizeof(*parked) + text.len);
	parked->arrival = arrival;
	parked->len = text.len;
	memcpy(parked->text, text.p, text.len);
	STAILQ_INSERT_TAIL(&keep->parked, parked, entry);
	keep->n_parked++;
	return true;
}

void
keep_loaded(struct keep *keep)
{
	struct keep_parked *parked;

	keep->loading = false;
	while ((parked = STAILQ_FIRST(&keep->parked)) != NULL) {
		STAILQ_REMOVE_HEAD(&keep->parked, entry);
		keep->n_parked--;
		if (parked->arrival->dead)
			arrival_cut(parked->arrival);
		else
			gateway_receive(keep->gateway, parked->arrival,
			    (struct slice){ parked->text, parked->len });
		free(parked);
	}
}
