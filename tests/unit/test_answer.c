#include "component/answer.h"

#include "common/base/mem.h"
#include "tests/unit/unit.h"

static const struct answer_rules rules = {
	.domain = "push.localhost",
	.size = 4096,
	.stanza_max = 1024,
	.depth = 8,
	.stanzas = 3,
	.iq_id = "q1",
	.iq_from = "alice@localhost/x",
	.errors = true,
};

#define ADDRESSES      "from='bot@push.localhost' to='alice@localhost'>"
#define MESSAGE        "<message " ADDRESSES
#define CLIENT_MESSAGE "<message xmlns='jabber:client' " ADDRESSES
#define BARE_MESSAGE   "<message xmlns='' " ADDRESSES

static void
assert_taken(const char *text, const char *written)
{
	struct answer answer;
	const char *why;

	assert_int_equal(answer_read(text, strlen(text), &rules, &answer, &why),
	    ERR_OK);
	assert_string_equal(answer.text.data, written);
	answer_clear(&answer);
}

/* What is refused, and why. */
static enum err
refused(const struct answer_rules *by, const char *text, const char **why)
{
	char *guarded = unit_guard(text, strlen(text));
	struct answer answer;
	enum err err = answer_read(guarded, strlen(text), by, &answer, why);

	if (err == ERR_OK)
		fail_msg("taken: %s", text);
	assert_non_null(*why);
	unit_unguard(guarded, strlen(text));
	return err;
}

TEST(stanzas_follow_one_another)
{
	const char *text = "\n<presence from='bot@push.localhost' "
	                   "to='alice@localhost' type='subscribed'/>\n" MESSAGE
	                   "<body>hi</body></message>\n";
	struct answer answer;
	const char *why;

	assert_int_equal(answer_read(text, strlen(text), &rules, &answer, &why),
	    ERR_OK);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.ends[1], answer.text.len);
	assert_string_equal(answer.text.data + answer.ends[0],
	    MESSAGE "<body>hi</body></message>");
	assert_false(answer.replied);
	answer_clear(&answer);
	assert_int_equal(answer_read("", 0, &rules, &answer, &why), ERR_OK);
	assert_int_equal(answer.count, 0);
	answer_clear(&answer);
}

TEST(c3_1_c3_9_addresses_are_there_and_prepared)
{
	const char *text =
	    "<message from='Bot@PUSH.localhost/Web' "
	    "to='Alice@LOCALHOST/X' x:from='z' xmlns:x='urn:x'/>";
	const char *why;

	assert_taken(text,
	    "<message from='bot@push.localhost/Web' to='alice@localhost/X' "
	    "xmlns:ns3='urn:x' ns3:from='z'/>");
	assert_int_equal(refused(&rules, "<message to='alice@localhost'/>",
	                     &why),
	    ERR_BAD);
	assert_int_equal(refused(&rules, "<message from='push.localhost'/>",
	                     &why),
	    ERR_BAD);
}

/* What is in no namespace is in the stanza's, as in what is published. */
TEST(c3_3_no_namespace_is_as_good_as_jabber_client)
{
	static const char *const texts[] = {
		"<a/><b><c/></b><d xmlns='urn:d'><e xmlns=''/></d></message>",
		"<a xmlns=''/><b><c xmlns=''/></b>"
		"<d xmlns='urn:d'><e xmlns=''/></d></message>",
		"<a xmlns='jabber:client'/><b xmlns=''>"
		"<c xmlns='jabber:client'/></b>"
		"<d xmlns='urn:d'><e xmlns=''/></d></message>",
	};
	static const char *const starts[] = { MESSAGE, CLIENT_MESSAGE,
		BARE_MESSAGE };
	struct buf text;
	size_t i, j;

	buf_init(&text, 0);
	for (i = 0; i < ARRAY_LEN(texts); i++) {
		for (j = 0; j < ARRAY_LEN(starts); j++) {
			buf_reset(&text);
			buf_adds(&text, starts[j]);
			buf_adds(&text, texts[i]);
			assert_taken(text.data,
			    MESSAGE "<a/><b><c/></b>"
			            "<d xmlns='urn:d'><e xmlns=''/></d>"
			            "</message>");
		}
	}
	buf_clear(&text);
}

TEST(only_our_domain_speaks_and_never_to_itself)
{
	static const char *const texts[] = {
		"<message from='alice@localhost' to='bob@localhost'/>",
		"<message from='push.localhost.evil' to='bob@localhost'/>",
		"<message from='push.localhost' to='news@push.localhost'/>",
		"<message from='@push.localhost' to='bob@localhost'/>",
	};
	const char *why;
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(refused(&rules, texts[i], &why), ERR_BAD);
}

TEST(a_text_that_is_no_stanzas_is_refused)
{
	static const char *const texts[] = { "x", "<message", MESSAGE,
		"</answer>" MESSAGE "</message><answer>",
		MESSAGE "</message></answer><answer>", "<answer/>",
		"<?xml version='1.0'?>" MESSAGE "</message>",
		"<!DOCTYPE a>" MESSAGE "</message>", "<!-- -->", "<?p?>",
		"&lt;message/&gt;", "\xff",
		"<x:message xmlns:x='urn:x' from='push.localhost' "
		"to='a@localhost'/>" };
	const char *why;
	size_t i;

	for (i = 0; i < ARRAY_LEN(texts); i++)
		refused(&rules, texts[i], &why);
}

TEST(limits_hold)
{
	const char *why;
	struct buf text;
	int i;

	buf_init(&text, 0);
	for (i = 0; i < 4; i++)
		buf_adds(&text, MESSAGE "</message>");
	assert_int_equal(refused(&rules, text.data, &why), ERR_LARGE);
	buf_reset(&text);
	buf_adds(&text, MESSAGE "<body>");
	for (i = 0; i < 1024; i++)
		buf_addc(&text, 'x');
	buf_adds(&text, "</body></message>");
	assert_int_equal(refused(&rules, text.data, &why), ERR_LARGE);
	buf_reset(&text);
	buf_adds(&text, MESSAGE);
	for (i = 0; i < 8; i++)
		buf_adds(&text, "<a>");
	for (i = 0; i < 8; i++)
		buf_adds(&text, "</a>");
	buf_adds(&text, "</message>");
	refused(&rules, text.data, &why);
	buf_clear(&text);
}

TEST(c8_3_no_error_answers_an_error)
{
	const char *text = "<message type='error' from='bot@push.localhost' "
	                   "to='alice@localhost'/>";
	struct answer_rules none = rules;
	struct answer answer;
	const char *why;

	assert_int_equal(answer_read(text, strlen(text), &rules, &answer, &why),
	    ERR_OK);
	answer_clear(&answer);
	none.errors = false;
	assert_int_equal(refused(&none, text, &why), ERR_BAD);
}

TEST(c5_21_the_answer_to_an_iq_is_known_by_its_id_and_its_receiver)
{
	static const struct {
		const char *text;
		bool replied;
	} rows[] = {
		{ "<iq type='result' id='q1' from='bot@push.localhost' "
		  "to='alice@localhost/x'/>",
		    true },
		{ "<iq type='error' id='q1' from='bot@push.localhost' "
		  "to='ALICE@localhost/x'/>",
		    true },
		{ "<iq type='result' id='q2' from='bot@push.localhost' "
		  "to='alice@localhost/x'/>",
		    false },
		{ "<iq type='result' id='q1' from='bot@push.localhost' "
		  "to='bob@localhost/x'/>",
		    false },
		{ "<iq type='get' id='q1' from='bot@push.localhost' "
		  "to='alice@localhost/x'><a xmlns='urn:a'/></iq>",
		    false },
	};
	struct answer answer;
	const char *why;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(answer_read(rows[i].text, strlen(rows[i].text),
		                     &rules, &answer, &why),
		    ERR_OK);
		assert_int_equal(answer.replied, rows[i].replied);
		answer_clear(&answer);
	}
	refused(&rules,
	    "<iq type='get' from='bot@push.localhost' to='a@localhost'/>",
	    &why);
	refused(&rules,
	    "<iq type='get' id='i' from='bot@push.localhost' "
	    "to='a@localhost'/>",
	    &why);
	refused(&rules,
	    "<iq id='i' from='bot@push.localhost' to='a@localhost'/>", &why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stanzas_follow_one_another),
		cmocka_unit_test(c3_1_c3_9_addresses_are_there_and_prepared),
		cmocka_unit_test(c3_3_no_namespace_is_as_good_as_jabber_client),
		cmocka_unit_test(only_our_domain_speaks_and_never_to_itself),
		cmocka_unit_test(a_text_that_is_no_stanzas_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(c8_3_no_error_answers_an_error),
		cmocka_unit_test(
		    c5_21_the_answer_to_an_iq_is_known_by_its_id_and_its_receiver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
