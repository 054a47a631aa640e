/*
 * Any bytes to xml_parse().  What it takes, xml_write() writes so that it is
 * taken again and written the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The second text may be longer, and have more declarations. */
	static const struct xml_limits limits = { 64 * 1024, 32, 32, 500 };
	static const struct xml_limits wide = { 64 * 1024 * 1024, 32, 64, 500 };
	static struct xml_reader *first, *second;
	struct xml_error error;
	struct xml *one, *two;
	struct buf a, b;

	if (first == NULL) {
		first = xml_reader_create(&limits);
		second = xml_reader_create(&wide);
	}
	if (xml_parse(first, (const char *)data, size, true, &one, &error) !=
	    ERR_OK) {
		if (error.why == NULL || error.line < 1 || error.column < 1 ||
		    error.err == ERR_OK)
			abort();
		return 0;
	}
	buf_init(&a, 0);
	buf_init(&b, 0);
	xml_write(one, "", &a);
	if (xml_parse(second, a.data, a.len, false, &two, &error) != ERR_OK)
		abort();
	xml_write(two, "", &b);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		abort();
	xml_free(one);
	xml_free(two);
	buf_clear(&a);
	buf_clear(&b);
	return 0;
}
