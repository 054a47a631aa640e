#include "common/channel/item.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/xmpp/stamp.h"
#include "tests/unit/unit.h"

#define STANZA "<message><body>hi</body></message>"

struct desk {
	struct conf *conf;
	struct xml_reader *reader;
	struct item_source source;
	struct item_error error;
	struct entry *entry;
};

static int
desk_setup(void **state)
{
	struct xml_limits limits = { 4096, 8, 32, 100 };
	struct desk *desk = xcalloc(1, sizeof *desk);
	struct buf why;

	buf_init(&why, 0);
	desk->conf = conf_load("/dev/null", NULL, 0, &why);
	assert_non_null(desk->conf);
	buf_clear(&why);
	free(desk->conf->bosh.domain);
	desk->conf->bosh.domain = xstrdup("bosh.example.org");
	desk->conf->control.item_max = 2000;
	desk->reader = xml_reader_create(&limits);
	desk->source.conf = desk->conf;
	desk->source.reader = desk->reader;
	desk->source.prefix = "";
	*state = desk;
	return 0;
}

static int
desk_teardown(void **state)
{
	struct desk *desk = *state;

	entry_unref(desk->entry);
	xml_reader_free(desk->reader);
	conf_free(desk->conf);
	free(desk);
	return 0;
}

/* Parses JSON text with ' for ". */
static enum err
desk_parse(struct desk *desk, const char *text)
{
	struct json_error_at at;
	char *json_text = xstrdup(text), *p;
	json_t *json;
	enum err err;

	for (p = json_text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
		else if (*p == '`')
			*p = '\'';
	json = json_read(json_text, strlen(json_text), &at);
	if (json == NULL)
		fail_msg("test's own JSON is bad: %s", at.why);
	entry_unref(desk->entry);
	desk->entry = NULL;
	memset(&desk->error, 0, sizeof desk->error);
	err = item_parse(&desk->source, json, &desk->entry, &desk->error);
	json_decref(json);
	free(json_text);
	return err;
}

static void
desk_has(struct desk *desk, const char *format, const char *text)
{
	struct slice found;

	assert_true(entry_format(desk->entry, format, &found));
	assert_int_equal(found.len, strlen(text));
	assert_memory_equal(found.p, text, found.len);
}

TEST(takes_formats_inside_formats_and_at_the_top)
{
	struct desk *desk = *state;
	struct slice text;

	assert_int_equal(desk_parse(desk,
	                     "{'channel':'news','id':'42','prev-id':'41',"
	                     "'formats':{'json-object':{'n':42},'x-own':[1]},"
	                     "'http-stream':{'content':'ignored'}}"),
	    ERR_OK);
	assert_string_equal(desk->entry->channel, "news");
	assert_string_equal(desk->entry->id, "42");
	assert_string_equal(desk->entry->prev_id, "41");
	assert_int_equal(desk->entry->kind, ENTRY_ITEM);
	desk_has(desk, "json-object", "{\"n\":42}");
	desk_has(desk, "x-own", "[1]");
	assert_false(entry_format(desk->entry, "http-stream", &text));

	assert_int_equal(desk_parse(desk,
	                     "{'channel':'news','exports':{},'x-own':[1],"
	                     "'xmpp-stanza':{'content':'" STANZA "'},"
	                     "'http-stream':{'content':'a'}}"),
	    ERR_OK);
	desk_has(desk, "xmpp-stanza", STANZA);
	desk_has(desk, "http-stream", "{\"content\":\"a\"}");
	assert_false(entry_format(desk->entry, "exports", &text));
	assert_false(entry_format(desk->entry, "x-own", &text));
	assert_null(desk->entry->prev_id);
	assert_true(desk->entry->id[0] != '\0');
}

TEST(stores_fpp_as_json_object)
{
	struct desk *desk = *state;
	struct slice text;

	assert_int_equal(desk_parse(desk, "{'channel':'a','fpp':'text'}"),
	    ERR_OK);
	desk_has(desk, "json-object", "\"text\"");
	assert_false(entry_format(desk->entry, "fpp", &text));
	assert_int_equal(
	    desk_parse(desk,
	        "{'channel':'a','formats':{'fpp':1,'json-object':2}}"),
	    ERR_OK);
	desk_has(desk, "json-object", "2");
}

TEST(takes_the_channel_of_the_path_and_puts_the_realm_before_it)
{
	struct desk *desk = *state;

	desk->source.channel = "path";
	assert_int_equal(desk_parse(desk, "{'json-object':1}"), ERR_OK);
	assert_string_equal(desk->entry->channel, "path");
	assert_int_equal(desk_parse(desk, "{'channel':'path','fpp':1}"),
	    ERR_OK);
	assert_int_equal(desk_parse(desk, "{'channel':'other','fpp':1}"),
	    ERR_BAD);
	assert_string_equal(desk->error.field, "channel");
	desk->source.prefix = "acme/";
	assert_int_equal(desk_parse(desk, "{'json-object':1}"), ERR_OK);
	assert_string_equal(desk->entry->channel, "acme/path");
	desk->source.channel = NULL;
	assert_int_equal(desk_parse(desk, "{'channel':'','fpp':1}"), ERR_BAD);
}

TEST(takes_every_shape_of_a_known_format)
{
	static const char *const good[] = {
		"'http-response':{'body':''}",
		"'http-response':{'code':'200','reason':'Fine','body':'x'}",
		"'http-response':{'code':0,'body-bin':'AAE='}",
		"'http-response':{'headers':{'A-b':'c'},'body':'x'}",
		"'http-response':{'headers':[['A','b'],['A','c']],'body':''}",
		"'http-response':{'body-patch':[{'op':'add'}]}",
		"'http-response':{'action':'hint'}",
		"'http-response':{'body':'x','content-filters':['a']}",
		"'http-stream':{'content':'x'}",
		"'http-stream':{'content-bin':'eA=='}",
		"'http-stream':{'action':'close'}",
		"'http-stream':{'action':'send','content':''}",
		"'http-request':{}",
		"'http-request':{'method':'POST','headers':{},'body':'x'}",
		"'ws-message':{'content':'x','type':'text'}",
		"'ws-message':{'action':'close','code':1000}",
		"'json-object':null",
		"'json-object':'text'",
		"'xmpp-stanza':{'content':'<presence/>'}",
		"'fpp':1,'meta':{'a':'b'},'size':3,'no-seq':true",
	};
	struct desk *desk = *state;
	char text[400];
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(text, sizeof text, "{'channel':'c',%s}", good[i]);
		if (desk_parse(desk, text) != ERR_OK)
			fail_msg("%s: %s: %s", good[i], desk->error.field,
			    desk->error.why);
	}
}

TEST(refuses_and_names_the_field)
{
	static const struct {
		const char *item;
		const char *field;
	} bad[] = {
		{ "[]", "" },
		{ "{'fpp':1}", "" },
		{ "{'channel':1,'fpp':1}", "channel" },
		{ "{'channel':'a\\u0007','fpp':1}", "channel" },
		{ "{'channel':'c'}", "" },
		{ "{'channel':'c','formats':{}}", "" },
		{ "{'channel':'c','formats':[]}", "formats" },
		{ "{'channel':'c','x-own':1}", "" },
		{ "{'channel':'c','exports':{}}", "" },
		{ "{'channel':'c','id':42,'fpp':1}", "id" },
		{ "{'channel':'c','id':'','fpp':1}", "id" },
		{ "{'channel':'c','id':'a\\u0001','fpp':1}", "id" },
		{ "{'channel':'c','prev-id':null,'fpp':1}", "prev-id" },
		{ "{'channel':'c','size':-1,'fpp':1}", "size" },
		{ "{'channel':'c','no-seq':1,'fpp':1}", "no-seq" },
		{ "{'channel':'c','meta':[],'fpp':1}", "meta" },
		{ "{'channel':'c','formats':{'':1}}", "formats" },
		{ "{'channel':'c','http-response':1}", "http-response" },
		{ "{'channel':'c','http-response':{}}", "http-response" },
		{ "{'channel':'c','http-response':{'body':1}}",
		    "http-response.body" },
		{ "{'channel':'c','http-response':{'code':1000,'body':''}}",
		    "http-response.code" },
		{ "{'channel':'c','http-response':{'code':'x','body':''}}",
		    "http-response.code" },
		{ "{'channel':'c','http-response':{'code':1.5,'body':''}}",
		    "http-response.code" },
		{ "{'channel':'c','http-response':{'body-bin':'!'}}",
		    "http-response.body-bin" },
		{ "{'channel':'c','http-response':{'body-patch':{}}}",
		    "http-response.body-patch" },
		{ "{'channel':'c','http-response':{'reason':'a\\r\\nB: c',"
		  "'body':''}}",
		    "http-response.reason" },
		{ "{'channel':'c','http-response':{'headers':{'A':'b\\r\\nc'},"
		  "'body':''}}",
		    "http-response.headers" },
		{ "{'channel':'c','http-response':{'headers':{'A b':'c'},"
		  "'body':''}}",
		    "http-response.headers" },
		{ "{'channel':'c','http-response':{'headers':[['A']],"
		  "'body':''}}",
		    "http-response.headers" },
		{ "{'channel':'c','http-response':{'action':'jump'}}",
		    "http-response.action" },
		{ "{'channel':'c','http-response':{'body':'',"
		  "'content-filters':[1]}}",
		    "http-response.content-filters" },
		{ "{'channel':'c','formats':{'http-stream':{}}}",
		    "formats.http-stream" },
		{ "{'channel':'c','formats':{'http-request':"
		  "{'method':'A B'}}}",
		    "formats.http-request.method" },
		{ "{'channel':'c','xmpp-stanza':{}}", "xmpp-stanza" },
		{ "{'channel':'c','xmpp-stanza':'<message/>'}", "xmpp-stanza" },
		{ "{'channel':'c','xmpp-stanza':{'content':1}}",
		    "xmpp-stanza.content" },
		{ "{'channel':'c','pubsub-item':'<a/>','formats':"
		  "{'pubsub-item':'<a></b>'}}",
		    "formats.pubsub-item" },
		{ "{'channel':'c','formats':{'pubsub-event':{}}}",
		    "formats.pubsub-event" },
		{ "{'channel':'c','formats':{'pubsub-event':{'retract':"
		  "'a\\u0001'}}}",
		    "formats.pubsub-event.retract" },
		{ "{'channel':'c','formats':{'pubsub-event':{'purge':1}}}",
		    "formats.pubsub-event.purge" },
	};
	struct desk *desk = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		if (desk_parse(desk, bad[i].item) != ERR_BAD)
			fail_msg("accepted %s", bad[i].item);
		assert_null(desk->entry);
		if (strcmp(desk->error.field, bad[i].field) != 0)
			fail_msg("%s: named %s", bad[i].item,
			    desk->error.field);
		assert_true(desk->error.why[0] != '\0');
	}
}

TEST(names_line_and_column_inside_a_stanza)
{
	struct desk *desk = *state;

	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','formats':{'xmpp-stanza':"
	                     "{'content':'<message>\\n  <body></message>'}}}"),
	    ERR_BAD);
	assert_string_equal(desk->error.field, "formats.xmpp-stanza.content");
	assert_int_equal(desk->error.line, 2);
	assert_true(desk->error.column > 1);
	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','xmpp-stanza':{'content':"
	                     "'<!DOCTYPE message><message/>'}}"),
	    ERR_BAD);
	assert_string_equal(desk->error.why, "a DOCTYPE is not allowed");
}

TEST(takes_a_from_of_our_domains_only)
{
	struct desk *desk = *state;

	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','xmpp-stanza':{'content':"
	                     "'<message from=`x@BOSH.example.org/y`/>'}}"),
	    ERR_OK);
	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','xmpp-stanza':{'content':"
	                     "'<message from=`x@example.com`/>'}}"),
	    ERR_BAD);
	assert_string_equal(desk->error.field, "xmpp-stanza.content");
	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','xmpp-stanza':{'content':"
	                     "'<message from=`@`/>'}}"),
	    ERR_BAD);
}

static char *
long_text(const char *before, size_t n, const char *after)
{
	struct buf text;
	size_t len;

	buf_init(&text, 0);
	buf_adds(&text, before);
	while (n-- > 0)
		buf_addc(&text, 'x');
	buf_adds(&text, after);
	return buf_detach(&text, &len);
}

TEST(says_too_large_past_the_limits)
{
	struct desk *desk = *state;
	char *text;

	text = long_text("{'channel':'c','json-object':'", 1900, "'}");
	assert_int_equal(desk_parse(desk, text), ERR_OK);
	free(text);
	text = long_text("{'channel':'c','json-object':'", 2000, "'}");
	assert_int_equal(desk_parse(desk, text), ERR_LARGE);
	free(text);
	desk->conf->control.item_max = 100000;
	text = long_text("{'channel':'c','xmpp-stanza':{'content':'<message>",
	    5000, "</message>'}}");
	assert_int_equal(desk_parse(desk, text), ERR_LARGE);
	free(text);
	text = long_text("{'channel':'c','fpp':1,'id':'", ITEM_ID_MAX, "'}");
	assert_int_equal(desk_parse(desk, text), ERR_OK);
	free(text);
	text =
	    long_text("{'channel':'c','fpp':1,'id':'", ITEM_ID_MAX + 1, "'}");
	assert_int_equal(desk_parse(desk, text), ERR_BAD);
	free(text);
}

TEST(says_too_large_when_escaping_makes_it_so)
{
	struct desk *desk = *state;
	char *text, *p;

	text = long_text("{'channel':'c','json-object':'", 1000, "'}");
	for (p = text; *p != '\0'; p++)
		if (*p == 'x')
			*p = '<';
	assert_int_equal(desk_parse(desk, text), ERR_LARGE);
	assert_string_equal(desk->error.field, "json-object");
	free(text);
}

/* ---- what listeners get ---------------------------------------------- */

static struct entry *
foreign(const char *format, const char *text)
{
	struct entry *entry;
	struct buf data;

	buf_init(&data, 0);
	entry_pack(&data, format, text, strlen(text));
	entry =
	    entry_create(ENTRY_ITEM, "news", "id1", NULL, data.data, data.len);
	buf_clear(&data);
	return entry;
}

static void
reads(const struct stanza *stanza, const char *want)
{
	struct stanza_fill fill = { .to = "u@h", .to_len = 3 };
	struct buf out;

	assert_non_null(stanza);
	buf_init(&out, 0);
	stanza_write(stanza, STANZA_LINK, &fill, &out);
	if (strstr(out.data, want) == NULL)
		fail_msg("%s", out.data);
	buf_clear(&out);
}

TEST(notify_chooses_between_stanza_and_event)
{
	struct desk *desk = *state;
	const struct stanza *raw, *event;

	desk_parse(desk,
	    "{'channel':'c','xmpp-stanza':{'content':'" STANZA "'},"
	    "'json-object':{'a':'<&'}}");
	raw = item_stanza(desk->entry, NOTIFY_RAW);
	event = item_stanza(desk->entry, NOTIFY_EVENT);
	reads(raw, "<body>hi</body>");
	reads(event,
	    "<json xmlns='urn:xmpp:json:0'>{\"a\":\"&lt;&amp;\"}</json>");
	assert_ptr_equal(item_stanza(desk->entry, NOTIFY_AUTO), raw);
	assert_ptr_equal(item_stanza(desk->entry, NOTIFY_EVENT), event);
	desk_parse(desk, "{'channel':'c','json-object':1}");
	assert_null(item_stanza(desk->entry, NOTIFY_RAW));
	reads(item_stanza(desk->entry, NOTIFY_AUTO), ">1</json>");
	desk_parse(desk, "{'channel':'c','http-stream':{'content':'x'}}");
	assert_null(item_stanza(desk->entry, NOTIFY_AUTO));
}

TEST(reads_items_of_other_processes_when_they_are_delivered)
{
	struct entry *entry = foreign("xmpp-stanza", STANZA);

	assert_null(atomic_load(&entry->view));
	reads(item_stanza(entry, NOTIFY_AUTO), "<body>hi</body>");
	entry_unref(entry);
	entry = foreign("xmpp-stanza", "<broken");
	assert_null(item_stanza(entry, NOTIFY_AUTO));
	entry_unref(entry);
	entry = foreign("pubsub-item", "<entry xmlns='a'/>");
	reads(item_stanza(entry, NOTIFY_AUTO),
	    "<item id='id1'><entry xmlns='a'/></item>");
	entry_unref(entry);
}

TEST(c6_10_tells_what_was_taken_back)
{
	static const struct {
		const char *change;
		const char *wanted; /* NULL: nobody is told */
	} changes[] = {
		{ "{\"retract\":\"<1\"}",
		    "#event'><items node='news'><retract id='&lt;1'/></items>" },
		{ "{\"purge\":true}", "#event'><purge node='news'/></event>" },
		{ "{\"configuration\":true}", "<configuration node='news'/>" },
		{ "{\"purge\":true,\"silent\":true}", NULL },
		{ "{\"retract\":\"\\u0001\"}", NULL },
		{ "{\"purge\":false}", NULL },
		{ "7", NULL },
		{ "{", NULL },
	};
	const struct stanza *stanza;
	struct entry *entry;
	size_t i;

	for (i = 0; i < ARRAY_LEN(changes); i++) {
		entry = foreign("pubsub-event", changes[i].change);
		stanza = item_stanza(entry, NOTIFY_AUTO);
		if (changes[i].wanted != NULL)
			reads(stanza, changes[i].wanted);
		else
			assert_null(stanza);
		assert_null(item_stanza(entry, NOTIFY_RAW));
		entry_unref(entry);
	}
}

TEST(escapes_json_that_xml_cannot_hold)
{
	struct entry *entry = foreign("json-object", "\"\xef\xbf\xbe\"");

	reads(item_stanza(entry, NOTIFY_AUTO), "\"\\uFFFE\"");
	entry_unref(entry);
}

static void *
view_thread(void *arg)
{
	struct entry *entry = arg;

	reads(item_stanza(entry, NOTIFY_AUTO), "<body>hi</body>");
	reads(item_stanza(entry, NOTIFY_EVENT), ">7</json>");
	return NULL;
}

TEST(threads_may_make_the_view_together)
{
	pthread_t threads[4];
	struct entry *entry;
	struct buf data;
	int round, i;

	buf_init(&data, 0);
	entry_pack(&data, "xmpp-stanza", STANZA, strlen(STANZA));
	entry_pack(&data, "json-object", "7", 1);
	for (round = 0; round < 50; round++) {
		entry = entry_create(ENTRY_ITEM, "news", NULL, NULL, data.data,
		    data.len);
		for (i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
			                     view_thread, entry),
			    0);
		for (i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		entry_unref(entry);
	}
	buf_clear(&data);
}

TEST(the_stanza_id_is_the_position)
{
	struct entry *entry = foreign("json-object", "1");
	struct buf id;

	entry->seq = 1234567890123;
	buf_init(&id, 0);
	item_stanza_id("0a1b2c3d", entry, &id);
	assert_string_equal(id.data, "0a1b2c3d-1234567890123");
	buf_clear(&id);
	entry_unref(entry);
}

TEST(a_format_of_other_case_is_another_format)
{
	struct desk *desk = *state;
	json_t *json;

	desk_parse(desk, "{'channel':'c','formats':{'XMPP-stanza':7}}");
	assert_null(item_stanza(desk->entry, NOTIFY_AUTO));
	json = item_to_json(desk->entry, "00000000");
	assert_int_equal(json_integer_value(
	                     json_object_get(json_object_get(json, "formats"),
	                         "XMPP-stanza")),
	    7);
	json_decref(json);
}

#define IQ                                                    \
	"{'channel':'c','formats':{'xmpp-stanza':{'content':" \
	"'<iq type=`set` id=`i`><q xmlns=`u`/></iq>'}}}"

TEST(c5_14_takes_an_iq_only_where_the_class_says_so)
{
	struct desk *desk = *state;

	assert_int_equal(desk_parse(desk, IQ), ERR_BAD);
	assert_string_equal(desk->error.why,
	    "the channel's class does not allow an iq");
	desk->conf->classes[0].iq = true;
	assert_int_equal(desk_parse(desk, IQ), ERR_OK);
}

TEST(c5_14_knows_the_id_of_an_iqs_copy)
{
	struct buf id;

	buf_init(&id, 0);
	buf_adds(&id, "b0c1d2e3-17");
	assert_false(item_is_iq_id("b0c1d2e3", id.data));
	item_add_receiver(&id, "4", 1);
	assert_string_equal(id.data, "b0c1d2e3-17-4");
	assert_true(item_is_iq_id("b0c1d2e3", id.data));
	assert_false(item_is_iq_id("b0c1d2e4", id.data));
	assert_false(item_is_iq_id("b0c1d2e3", "b0c1d2e3-17-"));
	assert_false(item_is_iq_id("b0c1d2e3", "b0c1d2e3--4"));
	assert_false(item_is_iq_id("b0c1d2e3", "b-b0c1d2e3-17"));
	assert_false(item_is_iq_id("b0c1d2e3", NULL));
	buf_clear(&id);
}

TEST(c5_16_c5_20_does_not_store_what_is_said_in_our_name)
{
	struct desk *desk = *state;
	struct stanza_fill fill = { .to = "a", .to_len = 1 };
	struct slice text;
	struct buf out;

	assert_int_equal(
	    desk_parse(desk,
	        "{'channel':'c','formats':{'xmpp-stanza':{'content':"
	        "'<message><stanza-id xmlns=`urn:xmpp:sid:0` id=`1` "
	        "by=`c@bosh.example.org`/><body/><delay xmlns=`urn:xmpp:delay` "
	        "from=`bosh.example.org` stamp=`s`/></message>'}}}"),
	    ERR_OK);
	assert_true(entry_format(desk->entry, "xmpp-stanza", &text));
	assert_int_equal(text.len, strlen("<message><body/></message>"));
	assert_memory_equal(text.p, "<message><body/></message>", text.len);
	buf_init(&out, 0);
	stanza_write(item_stanza(desk->entry, NOTIFY_RAW), STANZA_LINK, &fill,
	    &out);
	assert_string_equal(out.data, "<message to='a'><body/></message>");
	buf_clear(&out);
}

/* Its own id may say it already, and each costs the server. */
TEST(c5_20_a_message_says_its_position_once_or_always)
{
	struct desk *desk = *state;
	struct buf by, out;
	struct item_sender sender = { &desk->conf->classes[0], "e", "d", &by };
	const struct stanza *stanza;
	int i;

	buf_init(&by, 0);
	buf_adds(&by, "c@d");
	for (i = 0; i < 4; i++) {
		desk_parse(desk,
		    i < 2 ?
		        "{'channel':'c','formats':{'xmpp-stanza':{'content':"
		        "'<message/>'}}}" :
		        "{'channel':'c','formats':{'xmpp-stanza':{'content':"
		        "'<message id=`mine`/>'}}}");
		desk->conf->classes[0].stanza_id =
		    i % 2 == 0 ? STANZA_ID_AUTO : STANZA_ID_ALWAYS;
		desk->entry->time_ms = clock_wall_ms();
		desk->entry->seq = 7;
		stanza = item_stanza(desk->entry, NOTIFY_RAW);
		buf_init(&out, 0);
		item_stamp(desk->entry, stanza, &sender, false, &out);
		assert_string_equal(i == 0 ? "" : out.data,
		    i == 0 ? "" :
		             "<stanza-id xmlns='urn:xmpp:sid:0' by='c@d' "
		             "id='e-7'/>");
		assert_int_equal(out.len == 0, i == 0);
		buf_clear(&out);
	}
	buf_clear(&by);
}

TEST(c5_16_an_item_is_late_by_its_age_too)
{
	struct desk *desk = *state;
	struct buf by, out;
	struct item_sender sender = { &desk->conf->classes[0], "e", "d", &by };

	assert_int_equal(desk_parse(desk,
	                     "{'channel':'c','formats':{'xmpp-stanza':"
	                     "{'content':'<presence/>'}}}"),
	    ERR_OK);
	buf_init(&by, 0);
	buf_init(&out, 0);
	desk->entry->time_ms = clock_wall_ms();
	item_stamp(desk->entry, item_stanza(desk->entry, NOTIFY_RAW), &sender,
	    false, &out);
	assert_int_equal(out.len, 0);
	desk->entry->time_ms -= STAMP_LATE_MS;
	item_stamp(desk->entry, item_stanza(desk->entry, NOTIFY_RAW), &sender,
	    false, &out);
	assert_non_null(
	    strstr(out.data, "<delay xmlns='urn:xmpp:delay' from='d' stamp='"));
	buf_clear(&out);
}

TEST(shows_the_item_as_it_was_published)
{
	struct desk *desk = *state;
	struct buf out;
	json_t *json;

	desk_parse(desk,
	    "{'channel':'c','id':'i','prev-id':'h','formats':{"
	    "'xmpp-stanza':{'content':'" STANZA "'},'json-object':[1,2]}}");
	desk->entry->seq = 5;
	json = item_to_json(desk->entry, "00000000");
	buf_init(&out, 0);
	json_write(json, &out);
	assert_string_equal(out.data,
	    "{\"position\":\"00000000-5\",\"channel\":\"c\",\"id\":\"i\","
	    "\"prev-id\":\"h\",\"time\":\"1970-01-01T00:00:00.000Z\","
	    "\"formats\":{\"xmpp-stanza\":{\"content\":\"" STANZA "\"},"
	    "\"json-object\":[1,2]}}");
	buf_clear(&out);
	json_decref(json);
}

#define WITH_DESK(rule) \
	cmocka_unit_test_setup_teardown(rule, desk_setup, desk_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DESK(takes_formats_inside_formats_and_at_the_top),
		WITH_DESK(stores_fpp_as_json_object),
		WITH_DESK(
		    takes_the_channel_of_the_path_and_puts_the_realm_before_it),
		WITH_DESK(takes_every_shape_of_a_known_format),
		WITH_DESK(refuses_and_names_the_field),
		WITH_DESK(names_line_and_column_inside_a_stanza),
		WITH_DESK(takes_a_from_of_our_domains_only),
		WITH_DESK(says_too_large_past_the_limits),
		WITH_DESK(says_too_large_when_escaping_makes_it_so),
		WITH_DESK(notify_chooses_between_stanza_and_event),
		cmocka_unit_test(
		    reads_items_of_other_processes_when_they_are_delivered),
		cmocka_unit_test(c6_10_tells_what_was_taken_back),
		cmocka_unit_test(escapes_json_that_xml_cannot_hold),
		cmocka_unit_test(threads_may_make_the_view_together),
		cmocka_unit_test(the_stanza_id_is_the_position),
		WITH_DESK(a_format_of_other_case_is_another_format),
		WITH_DESK(c5_14_takes_an_iq_only_where_the_class_says_so),
		cmocka_unit_test(c5_14_knows_the_id_of_an_iqs_copy),
		WITH_DESK(c5_16_c5_20_does_not_store_what_is_said_in_our_name),
		WITH_DESK(c5_20_a_message_says_its_position_once_or_always),
		WITH_DESK(c5_16_an_item_is_late_by_its_age_too),
		WITH_DESK(shows_the_item_as_it_was_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
