#include "common/store/entry.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"

/*
 * Packed data: for each format the length of its name (2 bytes, big endian),
 * of its text (4 bytes), the name, the text.
 */
#define ENTRY_PACK_HEAD 6

static char *
entry_copy(char **at, const void *text, size_t len)
{
	char *to = *at;

	if (len != 0)
		memcpy(to, text, len);
	to[len] = '\0';
	*at = to + len + 1;
	return to;
}

static void
entry_random_id(char out[33])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[16];

	crypto_random(raw, sizeof(raw));
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[32] = '\0';
}

struct entry *
entry_create(enum entry_kind kind, const char *channel, const char *id,
    const char *prev_id, const void *data, size_t data_len)
{
	char made[33];
	struct entry *entry;
	size_t channel_len = strlen(channel);
	size_t prev_len = prev_id == NULL ? 0 : strlen(prev_id);
	char *at;

	if (id == NULL) {
		entry_random_id(made);
		id = made;
	}
	entry = xmalloc(sizeof(*entry) + channel_len + strlen(id) + prev_len +
	    data_len + 4);
	memset(entry, 0, sizeof(*entry));
	at = (char *)(entry + 1);
	atomic_init(&entry->refs, 1);
	entry->kind = kind;
	entry->channel_len = (uint16_t)channel_len;
	entry->channel = entry_copy(&at, channel, channel_len);
	entry->channel_hash = crypto_siphash(channel, channel_len);
	entry->id = entry_copy(&at, id, strlen(id));
	if (prev_id != NULL)
		entry->prev_id = entry_copy(&at, prev_id, prev_len);
	entry->data = entry_copy(&at, data, data_len);
	entry->data_len = (uint32_t)data_len;
	return entry;
}

struct entry *
entry_ref(struct entry *entry)
{
	atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
	return entry;
}

void
entry_unref(struct entry *entry)
{
	void *view;

	if (entry == NULL)
		return;
	if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	view = atomic_load_explicit(&entry->view, memory_order_acquire);
	if (view != NULL && entry->view_free != NULL)
		entry->view_free(view);
	free(entry);
}

size_t
entry_size(const struct entry *entry)
{
	return sizeof(*entry) + entry->channel_len + strlen(entry->id) +
	    (entry->prev_id == NULL ? 0 : strlen(entry->prev_id)) +
	    entry->data_len + 4;
}

void
entry_pack(struct buf *data, const char *format, const void *text, size_t len)
{
	size_t name_len = strlen(format);
	unsigned char head[ENTRY_PACK_HEAD];

	if (name_len > UINT16_MAX || len > UINT32_MAX) {
		data->failed = true;
		return;
	}
	head[0] = (unsigned char)(name_len >> 8);
	head[1] = (unsigned char)name_len;
	head[2] = (unsigned char)(len >> 24);
	head[3] = (unsigned char)(len >> 16);
	head[4] = (unsigned char)(len >> 8);
	head[5] = (unsigned char)len;
	buf_add(data, head, sizeof(head));
	buf_add(data, format, name_len);
	buf_add(data, text, len);
}

/* One step through packed data; false at its end and where it is broken, which
 * *at < len tells. */
static bool
entry_step(const char *data, size_t len, size_t *at, struct slice *format,
    struct slice *text)
{
	const unsigned char *head = (const unsigned char *)data + *at;
	size_t left = len - *at, name_len, text_len;

	if (left < ENTRY_PACK_HEAD)
		return false;
	name_len = (size_t)head[0] << 8 | head[1];
	text_len = (size_t)head[2] << 24 | (size_t)head[3] << 16 |
	    (size_t)head[4] << 8 | head[5];
	left -= ENTRY_PACK_HEAD;
	if (name_len > left || text_len > left - name_len)
		return false;
	format->p = data + *at + ENTRY_PACK_HEAD;
	format->len = name_len;
	text->p = format->p + name_len;
	text->len = text_len;
	*at += ENTRY_PACK_HEAD + name_len + text_len;
	return true;
}

bool
entry_format(const struct entry *entry, const char *format, struct slice *text)
{
	struct slice name;
	size_t at = 0, len = strlen(format);

	while (entry_next(entry, &at, &name, text))
		if (name.len == len && memcmp(name.p, format, len) == 0)
			return true;
	text->p = NULL;
	text->len = 0;
	return false;
}

bool
entry_next(const struct entry *entry, size_t *at, struct slice *format,
    struct slice *text)
{
	return entry_step(entry->data, entry->data_len, at, format, text);
}

bool
entry_data_ok(const char *data, size_t len)
{
	struct slice format, text;
	size_t at = 0;

	while (entry_step(data, len, &at, &format, &text))
		;
	return at == len;
}
