/* Feeds a head and the chunks behind it, whole and in pieces: the outcome must
 * not depend on how the bytes arrive, nor point outside of them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/sender.h"
#include "common/base/network.h"
#include "common/http/gzip.h"
#include "common/http/parser.h"
#include "common/http/websocket.h"

#define FUZZ_HEAD_MAX 2048
#define FUZZ_BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_outcome {
	enum http_parse result;
	size_t used;
	size_t len; /* of the decoded body */
	int status;
};

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

static void
fuzz_inside(struct slice slice, const char *data, size_t used)
{
	fuzz_check(slice.p != NULL && slice.p >= data &&
	    slice.p + slice.len <= data + used);
}

static void
fuzz_check_head(const struct http_head *head, const char *data, size_t used)
{
	fuzz_inside(head->method_text, data, used);
	fuzz_check(head->n_headers <= HTTP_HEADERS_MAX);
	fuzz_check(!head->chunked || !head->has_length);
	fuzz_check(head->path.len > 0);
	for (int i = 0; i < head->n_headers; i++) {
		fuzz_inside(head->headers[i].name, data, used);
		fuzz_inside(head->headers[i].value, data, used);
		fuzz_check(head->headers[i].name.len > 0);
		fuzz_check(memchr(head->headers[i].value.p, '\n',
		               head->headers[i].value.len) == NULL);
	}
}

/* Those that have a form of their own. */
static void
fuzz_read_headers(const struct http_head *head)
{
	static char *networks[] = { "10.0.0.0/8", "::/0" };
	static const struct conf_bosh conf = { .trusted_proxies = { networks,
		                                   2 } };
	static struct proxies *proxies;
	struct sender sender = { .address = "127.0.0.1" };
	struct network network;

	if (proxies == NULL)
		proxies = proxies_create(&conf);
	proxies_read(proxies, head, &sender);
	fuzz_check(
	    network_parse(sender.address, strlen(sender.address), &network));
	fuzz_check(network.bits == 128);
	gzip_is_accepted(head);
}

/* What asks for a WebSocket is judged: header lines go with every verdict. */
static void
fuzz_handshake(const struct http_head *head)
{
	const char *why = NULL;
	struct buf headers;
	int status;

	buf_init(&headers, 0);
	status = websocket_handshake(head, "xmpp", &headers, &why);
	fuzz_check(status == 101 || status == 400 || status == 426);
	fuzz_check(status == 101 || why != NULL);
	fuzz_check(status == 400 || headers.len > 0);
	buf_clear(&headers);
}

/* An own copy each time, so that the sanitizer sees the first byte past it. */
static struct fuzz_outcome
fuzz_head(const uint8_t *data, size_t size)
{
	static struct http_head head;
	struct fuzz_outcome out = { 0 };
	const char *why = NULL;
	char *copy = malloc(size + !size);

	if (size > 0)
		memcpy(copy, data, size);
	out.result = http_parse_head(copy, size, FUZZ_HEAD_MAX, &head,
	    &out.used, &out.status, &why);
	if (out.result == HTTP_DONE) {
		fuzz_check(out.used <= size && out.used <= FUZZ_HEAD_MAX);
		fuzz_check_head(&head, copy, out.used);
		fuzz_handshake(&head);
		fuzz_read_headers(&head);
	} else if (out.result == HTTP_REFUSED) {
		fuzz_check(why != NULL && out.status >= 400);
	}
	free(copy);
	return out;
}

static struct fuzz_outcome
fuzz_chunks(const uint8_t *data, size_t size, size_t step, char *body)
{
	struct http_chunks chunks = { 0 };
	struct fuzz_outcome out = { .result = HTTP_MORE };
	const char *why = NULL;
	size_t used;
	size_t got;
	size_t n;
	char *copy;

	while (out.result == HTTP_MORE && out.used < size) {
		n = size - out.used < step ? size - out.used : step;
		copy = malloc(n);
		memcpy(copy, data + out.used, n);
		out.result = http_chunks_feed(&chunks, copy, n, FUZZ_BODY_MAX,
		    &used, &got, &out.status, &why);
		if (out.result != HTTP_REFUSED) {
			fuzz_check(used <= n && got <= used);
			fuzz_check(out.len + got <= FUZZ_BODY_MAX);
			memcpy(body + out.len, copy, got);
			out.len += got;
			out.used += used;
		}
		free(copy);
	}
	return out;
}

static void
fuzz_same(const struct fuzz_outcome *a, const struct fuzz_outcome *b)
{
	fuzz_check(a->result == b->result && a->status == b->status);
	if (a->result != HTTP_REFUSED)
		fuzz_check(a->used == b->used && a->len == b->len);
}

static void
fuzz_body(const uint8_t *data, size_t size, size_t step)
{
	static char whole_body[FUZZ_BODY_MAX];
	static char part_body[FUZZ_BODY_MAX];
	struct fuzz_outcome whole = fuzz_chunks(data, size, size, whole_body);
	struct fuzz_outcome part = fuzz_chunks(data, size, step, part_body);

	fuzz_same(&whole, &part);
	if (whole.result != HTTP_REFUSED)
		fuzz_check(memcmp(whole_body, part_body, whole.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step;
	struct fuzz_outcome whole;
	struct fuzz_outcome part = { 0 };

	if (size < 2)
		return 0;
	step = 1 + *data % 16;
	data++;
	size--;
	whole = fuzz_head(data, size);
	for (size_t n = 0; part.result == HTTP_MORE; n += step) {
		part = fuzz_head(data, n < size ? n : size);
		if (n >= size)
			break;
	}
	if (part.result == HTTP_MORE)
		part = fuzz_head(data, size);
	fuzz_same(&whole, &part);
	if (whole.result == HTTP_DONE)
		fuzz_body(data + whole.used, size - whole.used, step);
	fuzz_body(data, size, step);
	return 0;
}
