/*
 * Any bytes to answer_read(), which reads what an origin answers.  What it
 * takes is stanzas in the link's namespace, each with our domain as its
 * sender's and another as its receiver's, no more than the rules allow, and
 * reads the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/xml.h"
#include "common/xmpp/jid.h"
#include "component/answer.h"

#define FUZZ_DOMAIN "push.localhost"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_jid(const char *text, bool ours)
{
	struct jid jid;
	const char *why;

	if (text == NULL ||
	    jid_parse(text, strlen(text), &jid, &why) != ERR_OK ||
	    strcmp(jid.full, text) != 0 ||
	    jid_domain_is(&jid, FUZZ_DOMAIN) != ours)
		abort();
}

static void
fuzz_stanza(const char *text, size_t len, const struct answer_rules *rules)
{
	static const struct xml_limits limits = { 1 << 20, 64, 512, 100000 };
	static struct xml_reader *reader;
	struct xml_error error;
	struct xml *stanza;
	const char *type;

	if (reader == NULL)
		reader = xml_reader_create(&limits);
	if (len > rules->stanza_max ||
	    xml_parse(reader, text, len, false, &stanza, &error) != ERR_OK)
		abort();
	type = xml_attr(stanza, "type");
	if (strcmp(stanza->ns, "") != 0 ||
	    (strcmp(stanza->name, "message") != 0 &&
	        strcmp(stanza->name, "presence") != 0 &&
	        strcmp(stanza->name, "iq") != 0) ||
	    (!rules->errors && type != NULL && strcmp(type, "error") == 0))
		abort();
	fuzz_jid(xml_attr(stanza, "from"), true);
	fuzz_jid(xml_attr(stanza, "to"), false);
	xml_free(stanza);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_rules rules = {
		.domain = FUZZ_DOMAIN,
		.size = 65536,
		.stanza_max = 32768,
		.depth = 16,
		.stanzas = 20,
		.iq_id = "q1",
		.iq_from = "alice@localhost/x",
		.errors = size % 2 == 0,
	};
	char *text = xstrndup((const char *)data, size);
	struct answer one, two;
	const char *why;
	size_t i, from = 0;

	if (answer_read(text, size, &rules, &one, &why) != ERR_OK) {
		if (why == NULL)
			abort();
		free(text);
		return 0;
	}
	if (one.count > (size_t)rules.stanzas)
		abort();
	for (i = 0; i < one.count; i++) {
		fuzz_stanza(one.text.data + from, one.ends[i] - from, &rules);
		from = one.ends[i];
	}
	rules.size = one.text.len + 1;
	if (answer_read(one.text.data == NULL ? "" : one.text.data,
	        one.text.len, &rules, &two, &why) != ERR_OK ||
	    two.count != one.count || two.replied != one.replied ||
	    two.text.len != one.text.len ||
	    (one.text.len > 0 &&
	        memcmp(one.text.data, two.text.data, one.text.len) != 0))
		abort();
	answer_clear(&one);
	answer_clear(&two);
	free(text);
	return 0;
}
