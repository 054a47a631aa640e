/* The opening handshake of RFC 6455 §4.2.  Pure. */
#include <string.h>

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/http/websocket.h"

#define HANDSHAKE_GUID    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define HANDSHAKE_VERSION "Sec-WebSocket-Version: 13\r\n"
#define HANDSHAKE_UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static bool
handshake_is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* The next element of a list (RFC 9110 §5.6.1); false at its end. */
static bool
handshake_next(struct slice *list, struct slice *word)
{
	const char *end = list->p + list->len, *comma;

	if (list->len == 0)
		return false;
	comma = memchr(list->p, ',', list->len);
	*word = (struct slice){ list->p,
		(size_t)((comma == NULL ? end : comma) - list->p) };
	list->len = comma == NULL ? 0 : (size_t)(end - comma - 1);
	list->p = comma == NULL ? end : comma + 1;
	while (word->len > 0 && handshake_is_space(*word->p)) {
		word->p++;
		word->len--;
	}
	while (word->len > 0 && handshake_is_space(word->p[word->len - 1]))
		word->len--;
	return true;
}

/* Is the word in one of the headers of that name? */
static bool
handshake_lists(const struct http_head *head, const char *name,
    const char *wanted, bool any_case)
{
	struct slice list, word;

	for (int i = 0; i < head->n_headers; i++) {
		if (!slice_is(head->headers[i].name, name))
			continue;
		list = head->headers[i].value;
		while (handshake_next(&list, &word))
			if (slice_is(word, wanted) &&
			    (any_case || memcmp(word.p, wanted, word.len) == 0))
				return true;
	}
	return false;
}

/* The one header of that name; false if there is none, or more. */
static bool
handshake_single(const struct http_head *head, const char *name,
    struct slice *value)
{
	int count = 0;

	for (int i = 0; i < head->n_headers; i++)
		if (slice_is(head->headers[i].name, name)) {
			*value = head->headers[i].value;
			count++;
		}
	return count == 1;
}

/* Base64 of 16 bytes. */
static bool
handshake_is_key(struct slice key)
{
	struct buf bytes;
	bool ok;

	buf_init(&bytes, 0);
	ok = key.len == 24 && text_base64_decode(key.p, key.len, &bytes) &&
	    bytes.len == 16;
	buf_clear(&bytes);
	return ok;
}

static void
handshake_accept(struct slice key, struct buf *headers)
{
	unsigned char digest[20];
	struct buf text;

	buf_init(&text, 0);
	buf_add(&text, key.p, key.len);
	buf_adds(&text, HANDSHAKE_GUID);
	crypto_sha1(text.data, text.len, digest);
	buf_clear(&text);
	text_base64(digest, sizeof(digest), headers);
}

int
websocket_handshake(const struct http_head *head, const char *protocol,
    struct buf *headers, const char **why)
{
	struct slice key, version;

	if (head->minor == 0 ||
	    !handshake_lists(head, "Upgrade", "websocket", true) ||
	    !handshake_lists(head, "Connection", "upgrade", true)) {
		*why = "this is a WebSocket endpoint (RFC 6455)";
		buf_adds(headers, HANDSHAKE_UPGRADE);
		return 426;
	}
	if (!handshake_single(head, "Sec-WebSocket-Version", &version) ||
	    !slice_is(version, "13")) {
		*why = "the version must be 13";
		buf_adds(headers, HANDSHAKE_UPGRADE HANDSHAKE_VERSION);
		return 426;
	}
	if (!handshake_single(head, "Sec-WebSocket-Key", &key) ||
	    !handshake_is_key(key)) {
		*why = "the Sec-WebSocket-Key must be 16 bytes in base64";
		return 400;
	}
	if (!handshake_lists(head, "Sec-WebSocket-Protocol", protocol, false)) {
		*why = "the Sec-WebSocket-Protocol offered none that is "
		       "spoken here";
		return 400;
	}
	buf_adds(headers, HANDSHAKE_UPGRADE "Sec-WebSocket-Accept: ");
	handshake_accept(key, headers);
	buf_adds(headers, "\r\nSec-WebSocket-Protocol: ");
	buf_adds(headers, protocol);
	buf_adds(headers, "\r\n");
	return 101;
}
