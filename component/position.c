#include "component/position.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"

#define POSITION_FORMAT "1 "

/* ---- notes ----------------------------------------------------------- */

void
position_note_begin(struct buf *text, const char *epoch, uint64_t seq)
{
	buf_adds(text, POSITION_FORMAT);
	buf_adds(text, epoch);
	buf_addc(text, ' ');
	buf_addu(text, seq);
	buf_addc(text, '\n');
}

void
position_note_add(struct buf *text, const struct position_behind *behind)
{
	buf_addu(text, behind->seq);
	buf_addc(text, ' ');
	buf_addu(text, behind->part_seq);
	buf_addc(text, ' ');
	buf_addu(text, behind->part_n);
	buf_addc(text, ' ');
	buf_add(text, behind->channel, behind->channel_len);
	buf_addc(text, '\n');
}

bool
position_is_one(const struct position_behind *behind)
{
	return behind->part_seq == 0 && behind->part_n != 0;
}

/* The number up to the character `end`, moving *p behind that. */
static bool
position_number(const char **p, const char *limit, char end, uint64_t *number)
{
	const char *stop = memchr(*p, end, (size_t)(limit - *p));

	if (stop == NULL ||
	    !text_to_u64(*p, (size_t)(stop - *p), UINT64_MAX, number))
		return false;
	*p = stop + 1;
	return true;
}

static bool
position_line(const char **p, const char *limit, struct position_behind *behind)
{
	const char *stop;

	if (!position_number(p, limit, ' ', &behind->seq) ||
	    !position_number(p, limit, ' ', &behind->part_seq) ||
	    !position_number(p, limit, ' ', &behind->part_n))
		return false;
	stop = memchr(*p, '\n', (size_t)(limit - *p));
	if (stop == NULL)
		return false;
	behind->channel = *p;
	behind->channel_len = (size_t)(stop - *p);
	*p = stop + 1;
	return text_is_channel(behind->channel, behind->channel_len);
}

static bool
position_head(const char **p, const char *limit, const char *epoch,
    uint64_t *seq)
{
	size_t format = strlen(POSITION_FORMAT), len = strlen(epoch);

	if ((size_t)(limit - *p) < format + len + 1 ||
	    memcmp(*p, POSITION_FORMAT, format) != 0 ||
	    memcmp(*p + format, epoch, len) != 0 || (*p)[format + len] != ' ')
		return false;
	*p += format + len + 1;
	return position_number(p, limit, '\n', seq);
}

struct position_note *
position_note_read(const char *text, size_t len, const char *epoch)
{
	const char *p = text, *limit = text + len;
	struct position_behind behind;
	struct position_note *note;
	uint64_t seq, oldest;
	size_t head;

	if (!position_head(&p, limit, epoch, &seq))
		return NULL;
	head = (size_t)(p - text);
	oldest = seq;
	while (p < limit) {
		if (!position_line(&p, limit, &behind))
			return NULL;
		if (behind.seq < oldest)
			oldest = behind.seq;
	}
	note = xmalloc(sizeof(*note) + len);
	*note = (struct position_note){ seq, oldest, 0, head, len };
	memcpy(note->text, text, len);
	return note;
}

bool
position_note_next(const struct position_note *note, size_t *at,
    struct position_behind *behind)
{
	const char *p = note->text + (*at == 0 ? note->head : *at);

	if (p >= note->text + note->len ||
	    !position_line(&p, note->text + note->len, behind))
		return false;
	*at = (size_t)(p - note->text);
	return true;
}

/* ---- what is kept ---------------------------------------------------- */

void
position_init(struct position *position, int64_t rewind_ms)
{
	memset(position, 0, sizeof(*position));
	position->rewind_ms = rewind_ms;
	position->spacing_ms = rewind_ms / (POSITION_NOTES - 8);
	if (position->spacing_ms < POSITION_SPACING_MS)
		position->spacing_ms = POSITION_SPACING_MS;
}

void
position_clear(struct position *position)
{
	while (position->count > 0)
		free(position->notes[--position->count]);
}

void
position_start(struct position *position, struct position_note *note)
{
	position_clear(position);
	position->notes[position->count++] = note;
}

static void
position_drop_oldest(struct position *position)
{
	free(position->notes[0]);
	position->count--;
	memmove(position->notes, position->notes + 1,
	    (size_t)position->count * sizeof(position->notes[0]));
}

/* The newest is always kept.  The one before it may go when its own
 * predecessor is near: stepping back lands a little further back, which
 * repeats more and loses nothing. */
void
position_confirm(struct position *position, struct position_note *note,
    int64_t now_ms)
{
	struct position_note **notes = position->notes;
	int n = position->count;

	note->confirm_ms = now_ms;
	if (n >= 2 &&
	    notes[n - 1]->confirm_ms - notes[n - 2]->confirm_ms <
	        position->spacing_ms) {
		free(notes[n - 1]);
		position->count--;
	}
	if (position->count == POSITION_NOTES)
		position_drop_oldest(position);
	notes[position->count++] = note;
	while (position->count >= 2 &&
	    notes[1]->confirm_ms <= now_ms - position->rewind_ms)
		position_drop_oldest(position);
}

const struct position_note *
position_newest(const struct position *position)
{
	return position->notes[position->count - 1];
}

const struct position_note *
position_oldest(const struct position *position)
{
	return position->notes[0];
}

void
position_rewind(struct position *position, int64_t now_ms)
{
	while (position->count >= 2 &&
	    position_newest(position)->confirm_ms >
	        now_ms - position->rewind_ms)
		free(position->notes[--position->count]);
}
