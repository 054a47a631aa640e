#include "common/control/accept.h"

#include "common/base/mem.h"
#include "tests/unit/unit.h"

TEST(chooses_between_text_and_json)
{
	static const struct {
		const char *header;
		bool text;
		bool json;
	} rows[] = {
		{ "*/*", true, false },
		{ "text/plain", true, false },
		{ "application/json", false, true },
		{ "Application/JSON; charset=utf-8", false, true },
		{ "application/json, text/plain, */*", false, true },
		{ "text/plain, application/json", true, false },
		{ "text/plain;q=0.5, application/json", false, true },
		{ "text/plain, application/json;q=0.9", true, false },
		{ "application/json, */*;q=0.1", false, true },
		{ "application/*", false, true },
		{ "text/*, application/json", false, true },
		{ "text/html, application/xml;q=0.9, */*;q=0.8", true, false },
		{ "*/*;q=0.5, application/json;q=0", true, false },
		{ "text/plain;q=0, */*", false, true },
		{ "text/html", false, false },
		{ "application/json;q=0", false, false },
		{ "text/plain;q=0.001", true, false },
		{ "text/plain ; q=1.0 ,application/json ; q=1.000", true,
		    false },
		{ "", false, false },
		{ ",;,;=", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].header);
		char *header = unit_guard(rows[i].header, len);
		bool text, json;

		accept_read((struct slice){ header, len }, &text, &json);
		if (text != rows[i].text || json != rows[i].json)
			fail_msg("%s: text=%d json=%d", rows[i].header, text,
			    json);
		unit_unguard(header, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_between_text_and_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
