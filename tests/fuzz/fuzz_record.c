/* Feeds record_read() and the reader of pages.  What is believed must be the
 * same once written and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bosh/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_check(int good)
{
	if (!good)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record, again;
	struct record_place place;
	struct slice page = { (const char *)data, size };
	struct buf out;

	while (record_next_place(&page, &place))
		;
	if (!record_read(data, size, &record))
		return 0;
	buf_init(&out, 0);
	record_write(&record, &out);
	fuzz_check(record_read(out.data, out.len, &again));
	fuzz_check(again.rid == record.rid && again.upto == record.upto);
	fuzz_check(again.subs.len == record.subs.len &&
	    again.texts.len == record.texts.len &&
	    again.answers.len == record.answers.len);
	fuzz_check((again.jid.p == NULL) == (record.jid.p == NULL) &&
	    again.jid.len == record.jid.len);
	buf_clear(&out);
	return 0;
}
