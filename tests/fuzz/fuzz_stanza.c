/* Feeds stanza_parse() and checks that what it accepts keeps its meaning. */
#include <stddef.h>
#include <stdint.h>

#include "common/base/mem.h"
#include "tests/unit/stanza_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xml_limits strict = { 65536, 16, 32, 256 };
	/* With to, from, id and xmlns, inside a stream, around an element. */
	static const struct xml_limits wide = { 1 << 20, 17, 36, 258 };
	static struct xml_reader *reader, *checker;
	struct xml_error error;
	struct stanza *stanza;
	char *text = xstrndup((const char *)data, size);

	if (reader == NULL) {
		reader = xml_reader_create(&strict);
		checker = xml_reader_create(&wide);
	}
	if (stanza_parse(reader, text, size, &stanza, &error) == ERR_OK)
		stanza_check(checker, text, size, stanza);
	else if (error.why == NULL || error.line < 1 || error.column < 1)
		abort();
	stanza_free(stanza);
	free(text);
	return 0;
}
