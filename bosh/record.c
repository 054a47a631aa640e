#include "bosh/record.h"

#include <stddef.h>
#include <string.h>

#include "common/base/mem.h"

#define RECORD_VERSION 1

/* Numbers, then slices, in the order in which they are written. */
static const size_t record_numbers[] = { offsetof(struct record, flags),
	offsetof(struct record, state), offsetof(struct record, created),
	offsetof(struct record, rid), offsetof(struct record, upto),
	offsetof(struct record, hold), offsetof(struct record, ver_minor),
	offsetof(struct record, wait_ms),
	offsetof(struct record, inactivity_ms),
	offsetof(struct record, polling_ms),
	offsetof(struct record, max_pause_ms),
	offsetof(struct record, pause_ms), offsetof(struct record, key_rid) };

static const size_t record_slices[] = { offsetof(struct record, key),
	offsetof(struct record, domain), offsetof(struct record, content),
	offsetof(struct record, lang), offsetof(struct record, peer),
	offsetof(struct record, user), offsetof(struct record, jid),
	offsetof(struct record, grant), offsetof(struct record, subs),
	offsetof(struct record, answers), offsetof(struct record, texts) };

/* ---- the parts ------------------------------------------------------- */

/* Seven bits a byte, the lowest first. */
static void
record_put_number(struct buf *out, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		buf_addc(out, (char)(0x80 | (number & 0x7f)));
	buf_addc(out, (char)number);
}

static bool
record_take_number(struct slice *from, uint64_t *number)
{
	unsigned char byte;

	*number = 0;
	for (unsigned shift = 0; from->len > 0 && shift < 64; shift += 7) {
		byte = (unsigned char)*from->p++;
		from->len--;
		if (shift == 63 && byte > 1)
			return false;
		*number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* Its length and one, 0 for an absent one; then its bytes. */
static void
record_put_slice(struct buf *out, struct slice slice)
{
	record_put_number(out, slice.p == NULL ? 0 : slice.len + UINT64_C(1));
	buf_add(out, slice.p, slice.len);
}

static bool
record_take_slice(struct slice *from, struct slice *slice)
{
	uint64_t len;

	*slice = (struct slice){ NULL, 0 };
	if (!record_take_number(from, &len) || len > from->len + UINT64_C(1))
		return false;
	if (len == 0)
		return true;
	slice->p = from->p;
	slice->len = (size_t)len - 1;
	from->p += slice->len;
	from->len -= slice->len;
	return true;
}

static bool
record_take_bool(struct slice *from, bool *yes)
{
	uint64_t number;

	if (!record_take_number(from, &number) || number > 1)
		return false;
	*yes = number == 1;
	return true;
}

/* ---- lists ----------------------------------------------------------- */

void
record_add_sub(struct buf *list, const struct record_sub *sub)
{
	record_put_slice(list, sub->channel);
	record_put_number(list, sub->since);
	record_put_number(list, sub->durable);
}

bool
record_next_sub(struct slice *list, struct record_sub *sub)
{
	return record_take_slice(list, &sub->channel) &&
	    text_is_channel(sub->channel.p, sub->channel.len) &&
	    record_take_number(list, &sub->since) &&
	    record_take_bool(list, &sub->durable);
}

void
record_add_answer(struct buf *list, const struct record_answer *answer)
{
	record_put_number(list, answer->rid);
	record_put_slice(list, answer->text);
}

bool
record_next_answer(struct slice *list, struct record_answer *answer)
{
	return record_take_number(list, &answer->rid) &&
	    record_take_slice(list, &answer->text) && answer->text.p != NULL;
}

void
record_add_text(struct buf *list, const struct record_text *text)
{
	record_put_number(list, text->stream);
	record_put_slice(list, text->text);
}

bool
record_next_text(struct slice *list, struct record_text *text)
{
	return record_take_bool(list, &text->stream) &&
	    record_take_slice(list, &text->text) && text->text.p != NULL;
}

/* ---- the whole ------------------------------------------------------- */

void
record_write(const struct record *record, struct buf *out)
{
	const char *base = (const char *)record;
	uint64_t number;
	struct slice slice;

	record_put_number(out, RECORD_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(record_numbers); i++) {
		memcpy(&number, base + record_numbers[i], sizeof(number));
		record_put_number(out, number);
	}
	for (size_t i = 0; i < ARRAY_LEN(record_slices); i++) {
		memcpy(&slice, base + record_slices[i], sizeof(slice));
		record_put_slice(out, slice);
	}
}

static bool
record_take_all(struct slice *from, struct record *record)
{
	char *base = (char *)record;
	uint64_t number;
	struct slice slice;

	if (!record_take_number(from, &number) || number != RECORD_VERSION)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(record_numbers); i++) {
		if (!record_take_number(from, &number))
			return false;
		memcpy(base + record_numbers[i], &number, sizeof(number));
	}
	for (size_t i = 0; i < ARRAY_LEN(record_slices); i++) {
		if (!record_take_slice(from, &slice))
			return false;
		memcpy(base + record_slices[i], &slice, sizeof(slice));
	}
	return from->len == 0;
}

static bool
record_lists_are_whole(const struct record *record)
{
	struct slice subs = record->subs, answers = record->answers,
	             texts = record->texts;
	struct record_sub sub;
	struct record_answer answer;
	struct record_text text;

	while (subs.len > 0)
		if (!record_next_sub(&subs, &sub))
			return false;
	while (answers.len > 0)
		if (!record_next_answer(&answers, &answer))
			return false;
	while (texts.len > 0)
		if (!record_next_text(&texts, &text))
			return false;
	return true;
}

bool
record_read(const void *data, size_t len, struct record *record)
{
	struct slice from = { data, len };
	bool keys;

	memset(record, 0, sizeof(*record));
	if (len == 0 || !record_take_all(&from, record))
		return false;
	keys = (record->flags & RECORD_KEYS) != 0;
	return (!keys || record->key.len == RECORD_KEY) &&
	    record_lists_are_whole(record);
}

/* ---- pages ----------------------------------------------------------- */

/* Beside a rid, which ends before. */
#define RECORD_SETTLED (UINT64_C(1) << 54)

void
record_add_place(struct buf *page, const struct record_place *place)
{
	buf_add(page, place->hash, RECORD_HASH);
	record_put_number(page,
	    place->rid | (place->settled ? RECORD_SETTLED : 0));
	record_put_number(page, place->upto);
}

bool
record_next_place(struct slice *page, struct record_place *place)
{
	if (page->len < RECORD_HASH)
		return false;
	memcpy(place->hash, page->p, RECORD_HASH);
	page->p += RECORD_HASH;
	page->len -= RECORD_HASH;
	if (!record_take_number(page, &place->rid) ||
	    !record_take_number(page, &place->upto))
		return false;
	place->settled = (place->rid & RECORD_SETTLED) != 0;
	place->rid &= ~RECORD_SETTLED;
	return true;
}
