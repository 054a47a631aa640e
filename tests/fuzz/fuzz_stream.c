/*
 * Any bytes to xml_stream_feed(), once whole and once in pieces that the first
 * byte chooses: the same comes out, every element of it is one that xml_parse()
 * takes with the root around it, or was never namespace-well-formed, and no
 * more is kept than the limits allow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/xml_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = { 512, 6, 6, 20 };

struct heard {
	struct xml_stream *stream;
	struct buf text;
	struct buf whole;
};

static void
fuzz_read(const char *text, size_t len)
{
	static const struct xml_limits wide = { 8192, 8, 400, 30 };
	static struct xml_reader *reader;
	struct xml_error error;
	struct xml *root;

	if (reader == NULL)
		reader = xml_reader_create(&wide);
	if (xml_parse(reader, text, len, true, &root, &error) != ERR_OK)
		return;
	if (xml_first(root) == NULL || xml_next(xml_first(root)) != NULL)
		abort();
	xml_free(root);
}

static void
fuzz_element(void *arg, const char *text, size_t len)
{
	struct heard *heard = arg;

	if (len > limits.size)
		abort();
	buf_addc(&heard->text, 'e');
	buf_add(&heard->text, text, len);
	buf_reset(&heard->whole);
	xml_stream_around(heard->stream, text, len, &heard->whole);
	fuzz_read(heard->whole.data, heard->whole.len);
}

static void
fuzz_over(void *arg, const char *text, size_t len)
{
	struct heard *heard = arg;

	buf_addc(&heard->text, 'o');
	buf_add(&heard->text, text, len);
}

static void
fuzz_end(void *arg)
{
	struct heard *heard = arg;

	buf_addc(&heard->text, '.');
}

static void
fuzz_feed(const char *data, size_t size, size_t piece, struct heard *heard)
{
	static const struct xml_stream_ops ops = { fuzz_element, fuzz_over,
		fuzz_end };
	enum err err = ERR_OK;
	const char *why;
	size_t at, n;

	memset(heard, 0, sizeof(*heard));
	heard->stream = xml_stream_create(&limits, &ops, heard);
	for (at = 0; at < size && err == ERR_OK; at += n) {
		n = size - at < piece ? size - at : piece;
		err = xml_stream_feed(heard->stream, data + at, n, &why);
		if ((err == ERR_OK) != (why == NULL))
			abort();
	}
	xml_stream_free(heard->stream);
	buf_clear(&heard->whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard small, large;
	size_t piece, shorter;
	char *text;

	if (size == 0)
		return 0;
	piece = data[0] % 64 + 1;
	text = xstrndup((const char *)data + 1, size - 1);
	fuzz_feed(text, size - 1, piece, &small);
	fuzz_feed(text, size - 1, 300, &large);
	/* Where it is refused, some pieces let a little more be seen. */
	shorter =
	    small.text.len < large.text.len ? small.text.len : large.text.len;
	if (shorter > 0 &&
	    memcmp(small.text.data, large.text.data, shorter) != 0)
		abort();
	buf_clear(&small.text);
	buf_clear(&large.text);
	free(text);
	return 0;
}
