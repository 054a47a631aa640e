#include "common/control/accept.h"

#include <string.h>

/* How much one of our two types is wanted. */
struct accept_want {
	int exact; /* 0: not named; 1: all types; 2: the main type; 3: itself */
	int q;     /* thousandths */
	int place; /* in the header */
};

static struct slice
accept_trim(struct slice text)
{
	while (text.len > 0 && (*text.p == ' ' || *text.p == '\t')) {
		text.p++;
		text.len--;
	}
	while (text.len > 0 &&
	    (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Takes the part up to the mark off the front. */
static struct slice
accept_cut(struct slice *rest, char mark)
{
	const char *end = memchr(rest->p, mark, rest->len);
	struct slice part = { rest->p, rest->len };

	if (end == NULL) {
		rest->len = 0;
	} else {
		part.len = (size_t)(end - rest->p);
		rest->p = end + 1;
		rest->len -= part.len + 1;
	}
	return accept_trim(part);
}

/* "0.25" in thousandths; 1000 for what is no number. */
static int
accept_q(struct slice value)
{
	int q = 0, scale = 1000;

	for (size_t i = 0; i < value.len && i < 5; i++) {
		if (value.p[i] == '.')
			continue;
		if (value.p[i] < '0' || value.p[i] > '9')
			return 1000;
		q += (value.p[i] - '0') * scale;
		scale /= 10;
	}
	return q > 1000 ? 1000 : q;
}

static int
accept_params_q(struct slice params)
{
	struct slice param;

	while (params.len > 0) {
		param = accept_cut(&params, ';');
		if (param.len > 2 && (*param.p == 'q' || *param.p == 'Q') &&
		    param.p[1] == '=')
			return accept_q(
			    (struct slice){ param.p + 2, param.len - 2 });
	}
	return 1000;
}

/* The most exact range decides about a type. */
static void
accept_note(struct accept_want *want, int exact, int q, int place)
{
	if (exact <= want->exact)
		return;
	want->exact = exact;
	want->q = q;
	want->place = place;
}

static bool
accept_is_better(const struct accept_want *a, const struct accept_want *b)
{
	if (a->q != b->q)
		return a->q > b->q;
	if (a->exact != b->exact)
		return a->exact > b->exact;
	return a->place < b->place;
}

void
accept_read(struct slice header, bool *text, bool *json)
{
	struct accept_want plain = { 0 }, object = { 0 };
	struct slice range, type;
	int place, q;

	for (place = 0; header.len > 0; place++) {
		range = accept_cut(&header, ',');
		type = accept_cut(&range, ';');
		q = accept_params_q(range);
		if (slice_is(type, "*/*") || slice_is(type, "*")) {
			accept_note(&plain, 1, q, place);
			accept_note(&object, 1, q, place);
		} else if (slice_is(type, "text/*")) {
			accept_note(&plain, 2, q, place);
		} else if (slice_is(type, "application/*")) {
			accept_note(&object, 2, q, place);
		} else if (slice_is(type, "text/plain")) {
			accept_note(&plain, 3, q, place);
		} else if (slice_is(type, "application/json")) {
			accept_note(&object, 3, q, place);
		}
	}
	*text = plain.exact != 0 && plain.q > 0;
	*json = object.exact != 0 && object.q > 0;
	if (*text && *json) {
		*json = accept_is_better(&object, &plain);
		*text = !*json;
	}
}
