#include <stdio.h>
#include <string.h>

#include "tests/mutate/mutate.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Sids that mutants have, for those that use another's. */
#define TALK_SIDS     64
#define TALK_PIPELINE 3

#define TALK_NS "http://jabber.org/protocol/httpbind"
#define PUBSUB  "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
#define OWNER   "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>"
#define IQ(type, content) \
	"<iq type='" type "' id='i' xmlns='jabber:client'>" content "</iq>"
#define AUTH(mechanism, text)                                                  \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" mechanism \
	"'>" text "</auth>"

static const char talk_anonymous[] = AUTH("ANONYMOUS", "");
static const char talk_bind[] =
    IQ("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");

/* What clients say once they are in, and some that they should not. */
static const char *const talk_stanzas[] = { "", "", "",
	"<presence xmlns='jabber:client'/>",
	"<presence xmlns='jabber:client' type='subscribe' to='a@bosh.test'/>",
	"<presence xmlns='jabber:client' type='unsubscribe' to='a@bosh.test'/>",
	"<presence xmlns='jabber:client' type='unavailable'/>",
	"<message xmlns='jabber:client' to='good@bosh.test'><body>x</body>"
	"</message>",
	"<message xmlns='jabber:client' type='error'/>",
	IQ("get", "<ping xmlns='urn:xmpp:ping'/>"),
	IQ("get", "<query xmlns='jabber:iq:roster'/>"),
	IQ("get", "<query xmlns='jabber:iq:version'/>"),
	IQ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
	IQ("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
	IQ("get",
	    "<query xmlns='http://jabber.org/protocol/disco#info' "
	    "node='good.news'/>"),
	IQ("get", "<vCard xmlns='vcard-temp'/>"),
	IQ("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"),
	IQ("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"),
	IQ("set",
	    PUBSUB "<subscribe node='good.news' jid='good@bosh.test'/>"
	           "</pubsub>"),
	IQ("set", PUBSUB "<subscribe node='open.a' jid='%s'/></pubsub>"),
	IQ("set", PUBSUB "<unsubscribe node='open.a' jid='%s'/></pubsub>"),
	IQ("set",
	    PUBSUB "<unsubscribe node='good.news' jid='good@bosh.test'/>"
	           "</pubsub>"),
	IQ("set",
	    PUBSUB "<publish node='open.a'><item id='1'><a xmlns='b'>c</a>"
	           "</item></publish></pubsub>"),
	IQ("set",
	    PUBSUB "<publish node='good.news'><item><a xmlns='b'/></item>"
	           "</publish></pubsub>"),
	IQ("set",
	    PUBSUB "<retract node='open.a'><item id='1'/></retract>"
	           "</pubsub>"),
	IQ("get", PUBSUB "<items node='good.news' max_items='9'/></pubsub>"),
	IQ("get",
	    PUBSUB "<items node='open.a'/><set xmlns='http://jabber.org/"
	           "protocol/rsm'><max>2</max><after>1</after></set></pubsub>"),
	IQ("get", PUBSUB "<subscriptions/></pubsub>"),
	IQ("get", PUBSUB "<affiliations/></pubsub>"),
	IQ("get", OWNER "<subscriptions node='good.news'/></pubsub>"),
	IQ("get", OWNER "<configure node='good.news'/></pubsub>"),
	IQ("set", OWNER "<delete node='good.news'/></pubsub>"),
	IQ("set", OWNER "<purge node='open.a'/></pubsub>"),
	"<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
	"<r xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3'/>",
	"<a><b><c><d><e><f/></e></d></c></b></a>", "text", "&lt;&#xA;" };

/* In place of a login that succeeds. */
static const char *const talk_auths[] = {
	"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
	"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</response>",
	AUTH("PLAIN", "AGdvb2QAd3Jvbmc="), AUTH("PLAIN", "Z29vZABnb29kAA=="),
	AUTH("OAUTHBEARER", "bixhPWdvb2QsAWF1dGg9QmVhcmVyIHgBAQ=="),
	AUTH("SCRAM-SHA-1", "biwsbj1vdGhlcixyPWFiYw=="),
	AUTH("SCRAM-SHA-256", "biwsbj1vdGhlcixyPWFiYw=="),
	AUTH("SCRAM-SHA-256", "eSwsbj1nb29kLHI9YWJj"),
	"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>Yz1iaXdzLHI9YWJjLHA9"
	"QUFBQQ==</response>"
};

static const char *const talk_attrs[] = { "ack='1'", "ack='999999'", "key='k'",
	"key='da39a3ee5e6b4b0d3255bfef95601890afd80709'", "newkey='k'",
	"pause='1'", "pause='0'", "pause='999'", "type='terminate'", "type='x'",
	"to='bosh.test'", "to='other.test'", "to=''", "hold='0'", "hold='9'",
	"wait='0'", "wait='9999'", "ver='1.6'", "ver='1.11'", "ver='2.x'",
	"content='text/html'", "route='xmpp:a:1'", "from='a@b'",
	"secure='true'", "xml:lang='de'", "charsets='x'", "stream='a'",
	"xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'",
	"xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'", "rid='5'",
	"sid='other'", "max='x'" };

static const char *const talk_headers[] = { "Accept-Encoding: gzip, deflate",
	"Accept-Encoding: identity;q=0", "Origin: http://a.test",
	"Connection: close", "Connection: keep-alive", "Expect: 100-continue",
	"X-Forwarded-For: 10.0.0.1, ::1", "Forwarded: for=1.2.3.4",
	"Cookie: a=b", "Transfer-Encoding: chunked", "Content-Length: 5",
	"Upgrade: websocket", "TE: trailers", "Host: again",
	"Content-Encoding: gzip", "Access-Control-Request-Method: POST",
	"Sec-WebSocket-Version: 13", "Range: bytes=0-1", "If-None-Match: *" };

static const char *const talk_lines[] = { "POST /http-bind HTTP/1.1",
	"POST /http-bind/ HTTP/1.1", "POST /bosh HTTP/1.0",
	"POST /http-bind?a=b HTTP/1.1", "GET /http-bind HTTP/1.1",
	"OPTIONS /http-bind HTTP/1.1", "HEAD /http-bind HTTP/1.1",
	"PUT /http-bind HTTP/1.1", "GET / HTTP/1.1", "GET /demo/ HTTP/1.1",
	"GET /demo/../../etc/passwd HTTP/1.1", "POST /publish/ HTTP/1.1",
	"GET /.well-known/host-meta HTTP/1.1",
	"GET /.well-known/host-meta.json HTTP/1.1", "GET /ws HTTP/1.1",
	"GET http://a/http-bind HTTP/1.1", "CONNECT a:1 HTTP/1.1" };

static char talk_sids[TALK_SIDS][TALK_SID];

#define TALK_PICK(dice, array) (array)[dice_roll(dice, COUNT(array))]

static const char *
talk_auth(struct dice *dice, bool odd)
{
	return odd ? TALK_PICK(dice, talk_auths) : talk_anonymous;
}

/* ---- a body ------------------------------------------------------------- */

static void
talk_add_sid(const struct talk *talk, struct dice *dice, bool odd,
    struct buf *out)
{
	const char *sid = talk->sid;

	if (odd && dice_one_in(dice, 4))
		sid = talk_sids[dice_roll(dice, TALK_SIDS)];
	else if (odd && dice_one_in(dice, 8))
		sid = "00112233445566778899aabbccddeeff00";
	if (sid[0] != '\0')
		buf_addf(out, " sid='%s'", sid);
}

static void
talk_add_rid(struct talk *talk, struct dice *dice, bool odd, struct buf *out)
{
	static const int steps[] = { -3, -2, -1, -1, 1, 2, 3, 1000 };

	if (odd && dice_one_in(dice, 6)) {
		buf_addf(out, " rid='%lld'",
		    (long long)talk->rid + TALK_PICK(dice, steps));
		return;
	}
	buf_addf(out, " rid='%llu'", (unsigned long long)talk->rid++);
}

static void
talk_add_stanza(const struct talk *talk, struct dice *dice, struct buf *out)
{
	const char *stanza = TALK_PICK(dice, talk_stanzas);
	const char *hole = strstr(stanza, "%s");

	(void)talk;
	if (hole == NULL) {
		buf_adds(out, stanza);
		return;
	}
	buf_add(out, stanza, (size_t)(hole - stanza));
	buf_adds(out,
	    dice_one_in(dice, 2) ? "good@bosh.test/1" : "a@bosh.test");
	buf_adds(out, hole + 2);
}

static void
talk_body(struct talk *talk, struct dice *dice, bool odd, const char *attrs,
    const char *stanza, struct buf *out)
{
	buf_adds(out, "<body xmlns='" TALK_NS "'");
	talk_add_rid(talk, dice, odd, out);
	talk_add_sid(talk, dice, odd, out);
	buf_adds(out, attrs);
	while (odd && dice_one_in(dice, 3))
		buf_addf(out, " %s", TALK_PICK(dice, talk_attrs));
	buf_addc(out, '>');
	if (stanza != NULL)
		buf_adds(out, stanza);
	else
		do
			talk_add_stanza(talk, dice, out);
		while (dice_one_in(dice, 3));
	buf_adds(out, "</body>");
}

/* ---- HTTP around it ------------------------------------------------------ */

static void
talk_chunks(struct dice *dice, const struct buf *body, struct buf *out)
{
	size_t at = 0, n;

	while (at < body->len) {
		n = 1 + dice_roll(dice, (unsigned)(body->len - at));
		buf_addf(out, dice_one_in(dice, 8) ? "%zx;a=b\r\n" : "%zx\r\n",
		    n);
		buf_add(out, body->data + at, n);
		buf_adds(out, "\r\n");
		at += n;
	}
	buf_adds(out, dice_one_in(dice, 8) ? "0\r\nA: b\r\n\r\n" : "0\r\n\r\n");
}

static void
talk_request(struct dice *dice, bool odd, const struct buf *body,
    struct buf *out)
{
	buf_addf(out, "%s\r\nHost: 127.0.0.1\r\n",
	    odd && dice_one_in(dice, 8) ? TALK_PICK(dice, talk_lines) :
	                                  talk_lines[0]);
	buf_adds(out, "Content-Type: text/xml; charset=utf-8\r\n");
	while (odd && dice_one_in(dice, 4))
		buf_addf(out, "%s\r\n", TALK_PICK(dice, talk_headers));
	if (dice_one_in(dice, 6)) {
		buf_adds(out, "Transfer-Encoding: chunked\r\n\r\n");
		talk_chunks(dice, body, out);
		return;
	}
	buf_addf(out, "Content-Length: %zu\r\n\r\n",
	    odd && dice_one_in(dice, 16) ? body->len + dice_roll(dice, 9) - 4 :
	                                   body->len);
	buf_add(out, body->data, body->len);
}

/* One request; odd ones are mutated. */
static void
talk_one(struct talk *talk, struct dice *dice, bool odd, const char *attrs,
    const char *stanza, struct buf *out)
{
	size_t from = out->len;
	struct buf body;

	buf_init(&body, 0);
	talk_body(talk, dice, odd, attrs, stanza, &body);
	while (odd && body.len > 0 && dice_one_in(dice, 3))
		change_bytes(dice, &body, 0);
	talk_request(dice, odd, &body, out);
	while (odd && dice_one_in(dice, 3))
		change_bytes(dice, out, from);
	buf_clear(&body);
}

/* ---- WebSocket ------------------------------------------------------------
 */

static void
talk_upgrade(struct dice *dice, bool odd, struct buf *out)
{
	size_t from = out->len;

	buf_adds(out,
	    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Protocol: xmpp\r\n\r\n");
	while (odd && dice_one_in(dice, 2))
		change_bytes(dice, out, from);
}

static void
talk_frame(struct dice *dice, bool odd, const char *text, struct buf *out)
{
	static const unsigned char opcodes[] = { 0x80, 0x01, 0x82, 0x88, 0x89,
		0x8a, 0xc1, 0x83, 0x8f, 0x08 };
	size_t len = strlen(text), from = out->len;
	unsigned char opcode = 0x81;
	struct buf data;

	buf_init(&data, 0);
	buf_adds(&data, text);
	while (odd && data.len > 0 && dice_one_in(dice, 2))
		change_bytes(dice, &data, 0);
	len = data.len;
	if (odd && dice_one_in(dice, 4))
		opcode = TALK_PICK(dice, opcodes);
	buf_addc(out, (char)opcode);
	if (len < 126) {
		buf_addc(out, (char)(0x80 | len));
	} else {
		buf_addc(out, (char)(0x80 | 126));
		buf_addc(out, (char)(len >> 8));
		buf_addc(out, (char)len);
	}
	/* Masked with zeros. */
	buf_add(out, "\0\0\0\0", 4);
	buf_add(out, data.data, len);
	while (odd && dice_one_in(dice, 6))
		change_bytes(dice, out, from);
	buf_clear(&data);
}

static void
talk_ws(struct talk *talk, struct dice *dice, bool odd, struct buf *out)
{
	static const char open[] =
	    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' "
	    "to='bosh.test' version='1.0'/>";
	static const char close[] =
	    "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
	struct buf stanza;

	if (!talk->open) {
		talk->step = 0;
		talk_upgrade(dice, odd, out);
		return;
	}
	switch (talk->step++) {
	case 0:
	case 2:
		talk_frame(dice, odd, open, out);
		return;
	case 1:
		talk_frame(dice, odd, talk_auth(dice, odd), out);
		return;
	case 3:
		talk_frame(dice, odd, talk_bind, out);
		return;
	default:
		buf_init(&stanza, 0);
		talk_add_stanza(talk, dice, &stanza);
		if (dice_one_in(dice, 8))
			buf_adds(&stanza, close);
		talk_frame(dice, odd, stanza.len > 0 ? stanza.data : " ", out);
		buf_clear(&stanza);
	}
}

/* ---- the conversation ------------------------------------------------------
 */

static void
talk_bosh(struct talk *talk, struct dice *dice, bool odd, struct buf *out)
{
	static const char first[] =
	    " to='bosh.test' wait='1' hold='1' ver='1.6' xml:lang='en' "
	    "xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'";
	static const char restart[] =
	    " to='bosh.test' xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'";

	switch (talk->step) {
	case 0:
		talk->sid[0] = '\0';
		talk->rid = 1 + dice_roll(dice, 1000000);
		talk_one(talk, dice, odd, first, "", out);
		return;
	case 1:
		talk_one(talk, dice, odd, "", talk_auth(dice, odd), out);
		return;
	case 2:
		talk_one(talk, dice, odd, restart, "", out);
		return;
	case 3:
		talk_one(talk, dice, odd, "", talk_bind, out);
		return;
	default:
		talk_one(talk, dice, odd, "", odd ? NULL : "", out);
	}
}

void
talk_next(struct talk *talk, struct dice *dice, struct buf *out,
    uint64_t *mutated)
{
	int n = 1;
	bool odd;

	/* What had no answer is said again, as far as its rid goes. */
	if (!talk->answered && talk->rid > talk->asked)
		talk->rid = talk->asked;
	talk->answered = false;
	talk->asked = talk->rid;
	/* A login mostly succeeds, or nothing behind it were ever reached. */
	if (talk->step >= TALK_IN)
		n += (int)dice_roll(dice, TALK_PIPELINE);
	while (n-- > 0) {
		odd = talk->step < TALK_IN ? dice_one_in(dice, 6) :
		                             !dice_one_in(dice, 6);
		*mutated += odd;
		if (talk->ws)
			talk_ws(talk, dice, odd, out);
		else
			talk_bosh(talk, dice, odd, out);
	}
}

static bool
talk_has(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

static void
talk_take_sid(struct talk *talk, const char *text, size_t len)
{
	static unsigned next;
	const char *p = memmem(text, len, " sid=", 5);
	size_t n;

	if (p == NULL || (size_t)(text + len - p) < 6 + TALK_SID)
		return;
	p += 6;
	n = strcspn(p, "'\"");
	if (n >= TALK_SID)
		return;
	memcpy(talk->sid, p, n);
	talk->sid[n] = '\0';
	memcpy(talk_sids[next++ % TALK_SIDS], talk->sid, n + 1);
	talk->step = 1;
}

void
talk_heard(struct talk *talk, const char *text, size_t len)
{
	talk->answered = true;
	if (talk->ws)
		return;
	if (talk_has(text, len, "terminate")) {
		/* Once may have been said of another sid. */
		if (++talk->ends >= 3)
			talk->step = 0;
		return;
	}
	talk->ends = 0;
	if (talk->step == 0)
		talk_take_sid(talk, text, len);
	else if (talk->step == 1 && talk_has(text, len, "<success"))
		talk->step = 2;
	else if (talk->step == 2 && talk_has(text, len, "features"))
		talk->step = 3;
	else if (talk->step == 3 && talk_has(text, len, "<jid>"))
		talk->step = TALK_IN;
}
