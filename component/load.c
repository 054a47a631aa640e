#include "component/load.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

#define LOAD_PAGE 1000

struct load {
	struct store *store;
	struct loop *loop;
	const char *domain;
	const char *key;
	const struct load_ops *ops;
	void *arg; /* NULL: cancelled */
	uint64_t after_n;
	uint64_t oldest; /* since of the oldest subscription */
	uint64_t as_of;
	struct position_note *note; /* as stored; NULL: none */
};

static void load_page(struct load *load);

static void
load_free(struct load *load)
{
	free(load->note);
	free(load);
}

/* True when there is nothing more to do. */
static bool
load_is_over(struct load *load, enum err err)
{
	if (load->arg != NULL && err == ERR_OK)
		return false;
	if (load->arg != NULL)
		load->ops->done(load->arg, err, NULL);
	load_free(load);
	return true;
}

static struct position_note *
load_first_note(const struct load *load, uint64_t seq)
{
	const char *epoch = store_epoch(load->store);
	struct position_note *note;
	struct buf text;

	buf_init(&text, 0);
	position_note_begin(&text, epoch, seq);
	note = position_note_read(text.data, text.len, epoch);
	buf_clear(&text);
	return note;
}

/* Without a stored position the oldest subscription says where to begin: each
 * knows what it has to get. */
static void
load_finish(struct load *load)
{
	struct position_note *note = load->note;

	if (note == NULL)
		note = load_first_note(load,
		    load->oldest < load->as_of ? load->oldest : load->as_of);
	load->note = NULL;
	load->ops->done(load->arg, ERR_OK, note);
	load_free(load);
}

static void
load_page_cb(enum err err, const struct subscription *subs, size_t count,
    uint64_t as_of, void *arg)
{
	struct load *load = arg;
	size_t i;

	if (load_is_over(load, err))
		return;
	if (load->after_n == 0)
		load->as_of = as_of;
	for (i = 0; i < count; i++) {
		if (subs[i].since < load->oldest)
			load->oldest = subs[i].since;
		load->ops->sub(load->arg, &subs[i]);
	}
	if (count < LOAD_PAGE) {
		load_finish(load);
		return;
	}
	load->after_n = subs[count - 1].n;
	load_page(load);
}

static void
load_page(struct load *load)
{
	struct sub_filter filter = { load->domain, NULL, NULL };

	store_sub_list(load->store, load->loop, &filter, load->after_n,
	    LOAD_PAGE, load_page_cb, load);
}

static void
load_state_cb(enum err err, const struct state_row *rows, size_t count,
    void *arg)
{
	struct load *load = arg;
	size_t i;

	if (load_is_over(load, err))
		return;
	for (i = 0; i < count; i++) {
		if (strcmp(rows[i].key, load->key) != 0)
			continue;
		load->note = position_note_read(rows[i].value, rows[i].len,
		    store_epoch(load->store));
		if (load->note == NULL)
			log_warn("component.position",
			    "domain=%s why=\"the stored position is of another "
			    "store\"",
			    LOGQ(load->domain));
	}
	load_page(load);
}

struct load *
load_start(struct store *store, struct loop *loop, const char *domain,
    const char *key, const struct load_ops *ops, void *arg)
{
	struct load *load = xcalloc(1, sizeof(*load));

	load->store = store;
	load->loop = loop;
	load->domain = domain;
	load->key = key;
	load->ops = ops;
	load->arg = arg;
	load->oldest = UINT64_MAX;
	store_state_list(store, loop, key, load_state_cb, load);
	return load;
}

void
load_cancel(struct load *load)
{
	load->arg = NULL;
}
