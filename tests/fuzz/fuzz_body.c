/* Feeds body_parse().  What it reads the short way must be what the XML parser
 * reads; what it keeps must outlive its text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/body.h"
#include "common/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

static void
fuzz_same(struct slice slice, const char *value)
{
	fuzz_check((slice.p == NULL) == (value == NULL));
	if (value != NULL)
		fuzz_check(slice.len == strlen(value) &&
		    memcmp(slice.p, value, slice.len) == 0);
}

static void
fuzz_compare(struct xml_reader *reader, const char *text, size_t size,
    const struct body *body)
{
	struct xml_error error;
	struct xml *root;

	fuzz_check(
	    xml_parse(reader, text, size, true, &root, &error) == ERR_OK);
	fuzz_check(xml_is(root, BODY_NS, "body") && root->child == NULL);
	fuzz_same(body->sid, xml_attr(root, "sid"));
	fuzz_same(body->to, xml_attr(root, "to"));
	fuzz_same(body->key, xml_attr(root, "key"));
	fuzz_same(body->newkey, xml_attr(root, "newkey"));
	fuzz_check(
	    xml_attr(root, "type") == NULL && xml_attr(root, "pause") == NULL);
	fuzz_check(!body->has_rid ||
	    strtoull(xml_attr(root, "rid"), NULL, 10) == body->rid);
	xml_free(root);
}

static void
fuzz_keep(struct body *body, char *text, size_t size)
{
	size_t key_len = body->key.len;
	struct body *kept = body_keep(body);

	memset(text, 0, size);
	fuzz_check(body->root == NULL && kept->key.len == key_len);
	if (kept->key.p != NULL && kept->root == NULL)
		fuzz_check(memchr(kept->key.p, '\0', key_len) == NULL);
	body_free(kept);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xml_limits limits = { 65536, 16, 32, 256 };
	static struct xml_reader *reader;
	const char *why = NULL;
	struct body body;
	char *text = xmalloc(size > 0 ? size : 1);

	if (reader == NULL)
		reader = xml_reader_create(&limits);
	memcpy(text, data, size);
	if (body_parse(reader, text, size, &body, &why) != ERR_OK) {
		fuzz_check(why != NULL);
	} else {
		if (body.root == NULL)
			fuzz_compare(reader, text, size, &body);
		fuzz_keep(&body, text, size);
	}
	free(text);
	return 0;
}
