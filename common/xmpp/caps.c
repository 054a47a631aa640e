#include "common/xmpp/caps.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/text.h"

static int
caps_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
caps_ver(const char *category, const char *type, const char *const *features,
    size_t count, struct buf *ver)
{
	const char **sorted = xcalloc(count, sizeof *sorted);
	unsigned char hash[20];
	struct buf text;
	size_t i;

	memcpy(sorted, features, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, caps_compare);
	buf_init(&text, 0);
	buf_addf(&text, "%s/%s//<", category, type);
	for (i = 0; i < count; i++) {
		buf_adds(&text, sorted[i]);
		buf_addc(&text, '<');
	}
	crypto_sha1(text.data, text.len, hash);
	text_base64(hash, sizeof hash, ver);
	buf_clear(&text);
	free(sorted);
}
