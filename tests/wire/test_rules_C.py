"""BOSH rules, section C: the body wrapper and its XML (tests/rules/bosh.txt)."""

import re
import xml.etree.ElementTree as ET

import pytest

from bosh import (BIND, DOMAIN, NB, NC, SASL, STREAM, XB, Api, Conn, Gateway,
                  Session, message, texts)

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections='token "alice" { secret = "wonder" }\n'
                 'channels "long" { subscribe = anyone history-items = 5000 }',
                 more='client-queue = "64K" max-response = "16K"') as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


def subscribe(session, channel):
    return (f"<iq type='set' id='s' to='{DOMAIN}'>"
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<subscribe node='{channel}' jid='{session.jid}'/></pubsub></iq>")


@pytest.mark.parametrize("broken", [
    "<message><!-- no --></message>", "<?no thing?>", "<message>&nbsp;</message>",
    "<message><x></message>", "<message", "<p:x/>", "<message a='1' a='2'/>",
    "<message>\x01</message>", "text", "<message>&#0;</message>",
])
def test_C2_C4_C5_what_is_not_whole_has_no_effect_at_all(session, broken):
    """A subscription stands before the fault: it is not made, and the rid is
    still to come."""
    session.rid += 1
    bad = session.body(subscribe(session, "never") + broken, rid=session.rid)
    assert session.conns[0].call(bad).condition == "bad-request"
    again = session.conns[1].call(session.body(PING, rid=session.rid))
    assert again.condition is None and "type='result'" in again.body
    assert "never" not in session.call(
        f"<iq type='get' id='q' to='{DOMAIN}'><pubsub "
        "xmlns='http://jabber.org/protocol/pubsub'><subscriptions/></pubsub></iq>"
    ).body


def test_C5_a_post_cut_short_has_no_effect(gateway, session):
    session.rid += 1
    whole = session.body(subscribe(session, "cut") + PING, rid=session.rid)
    cut = whole[:whole.index("<iq type='get'")]
    assert session.conns[0].call(cut).condition == "bad-request"
    half = Conn(gateway.port)
    half.socket.sendall(b"POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: "
                        b"%d\r\n\r\n" % len(whole) + cut.encode())
    half.close()
    answer = session.conns[1].call(session.body(PING, rid=session.rid))
    assert len(answer.xml) == 1 and answer.xml[0].get("id") == "p"


@pytest.mark.parametrize("declaration, good", [
    ('<?xml version="1.0"?>', True),
    ('<?xml version="1.0" encoding="UTF-8"?>', True),
    ("<?xml version='1.0' encoding='utf-8'?>\n", True),
    ("\ufeff", True),
    ('<?xml version="1.1"?>', False),
    (' <?xml version="1.0"?>', False),
    ('<?xml version="1.0" encoding="ISO-8859-1"?>', False),
    ('<?xml version="1.0" encoding="UTF-16"?>', False),
])
def test_C3_C13_a_declaration_of_what_it_is_may_stand_first(
        gateway, declaration, good):
    conn = Conn(gateway.port)
    answer = conn.call(
        declaration + f"<body rid='5' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>")
    assert answer.condition == (None if good else "bad-request")
    assert bool(answer.xml.get("sid")) == good
    conn.close()


def test_C4_white_space_around_payload_is_nothing(session):
    answer = session.call(f"\r\n\t {PING} \n {PING}\n")
    assert [each.get("type") for each in answer.xml] == ["result", "result"]


def test_C6_what_is_no_payload_of_xmpp_is_passed_over(session):
    answer = session.call(
        "<message xmlns='jabber:server'/><x xmlns='urn:other'/><stream/>"
        f"<presence xmlns='urn:other'/>{PING}")
    assert answer.condition is None
    assert [each.tag for each in answer.xml] == [f"{{{NC}}}iq"]


def test_C7_payload_and_its_parts_without_a_namespace_are_the_client_s(
        gateway, session):
    """Parts in other namespaces keep theirs."""
    answer = session.call(
        f"<message to='nobody@{DOMAIN}' id='m'><body>hi</body>"
        "<x xmlns='urn:x'><y/></x></message>"
        f"<iq type='get' id='i' to='{DOMAIN}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
    error, result = answer.xml
    assert error.tag == f"{{{NC}}}message" and error.get("id") == "m"
    assert result.tag == f"{{{NC}}}iq" and result.get("type") == "result"


def starts(text):
    """The start tags of what stands directly in body."""
    depth, found = 0, []
    for tag in re.findall(r"<[^>]*>", text):
        if tag.startswith("</"):
            depth -= 1
            continue
        if depth == 1:
            found.append(tag)
        depth += not tag.endswith("/>")
    return found


def test_C8_each_element_sent_says_its_namespace_itself(gateway):
    fresh = Session(gateway.port)
    told = [fresh.authenticate("PLAIN", "\0alice\0no"),
            fresh.authenticate("PLAIN"),
            fresh.call(f"<abort xmlns='{SASL}'/>"),
            fresh.authenticate(), fresh.restart()]
    told.append(fresh.bind())
    told.append(fresh.call("<enable xmlns='urn:xmpp:sm:3'/>" + PING))
    told.append(fresh.call(message("x", " to='a@elsewhere.test'")))
    told.append(fresh.call(f"<presence type='subscribe' to='c8@{DOMAIN}'/>"))
    gateway.publish("c8", message("x"))
    gateway.publish("c8", "<presence><a xmlns='b'/></presence>")
    while sum(len(answer.xml) for answer in told) < 11:
        told.append(fresh.call())
    kinds = set()
    for answer in told:
        for tag in starts(answer.body):
            kinds.add(re.match(r"<([\w:]+)", tag)[1])
            assert tag.startswith("<stream:") or re.search(
                r" xmlns=(['\"])[^'\"]+\1", tag), tag
        for element in answer.xml:
            assert not element.tag.startswith(f"{{{NB}}}"), answer.body
    assert kinds == {"failure", "challenge", "success", "stream:features", "iq",
                     "failed", "message", "presence"}
    fresh.close()


def test_C9_the_prefix_stream_is_declared_on_the_body(gateway, session):
    fresh = Session(gateway.port)
    fresh.authenticate()
    with_features = [fresh.created, fresh.restart()]
    ended = session.call("<presence from='mallory@bosh.test'/>")
    assert "<stream:error>" in ended.body
    for answer in [*with_features, ended]:
        assert "<stream:" in answer.body
        assert f"xmlns:stream='{STREAM}'" in answer.body.split(">")[0]
    fresh.close()


@pytest.mark.parametrize("attrs, restarts", [
    (f"xmlns:q='{XB}' q:restart='1'", True),
    (f"xmlns:q='{XB}' q:restart='true'", True),
    (f"xmlns:xmpp='{XB}' xmpp:restart='false'", False),
    (f"xmlns:xmpp='{XB}' xmpp:restart='0'", False),
    (f"xmlns:xmpp='{XB}' xmpp:restart='TRUE'", False),
    ("xmlns:xmpp='urn:other' xmpp:restart='true'", False),
    ("restart='true'", False),
])
def test_C10_C11_restart_is_known_by_its_namespace_and_its_value(
        session, attrs, restarts):
    answer = session.call(PING, attrs=attrs)
    assert ("stream:features" in answer.body) == restarts
    assert ("type='result'" in answer.body) != restarts


@pytest.mark.parametrize("stanza", [
    "<message><p:x/></message>", "<p:message xmlns:p='jabber:client'/>",
    f"<message xmlns='{NB}'/>", "<message><x xmlns=''/></message>",
    "<message>", "<message/><message/>"])
def test_C12_a_stanza_that_leans_on_its_surroundings_is_not_published(
        gateway, stanza):
    api = Api(gateway.control)
    item = {"channel": "c12", "formats": {"xmpp-stanza": {"content": stanza}}}
    assert api.call("POST", "/publish/", {"items": [item]}).status == 400


def test_C12_a_published_stanza_stands_on_its_own_in_the_body(gateway, session):
    session.subscribe("c12")
    gateway.publish("c12", "<message><body>a &amp; b</body>"
                    "<p:x xmlns:p='urn:p' p:a='1'><q/></p:x></message>")
    answer = session.call()
    stanza = re.search("<message .*</message>", answer.body)[0]
    for root in (ET.fromstring(stanza), answer.xml[0]):
        assert root.tag == f"{{{NC}}}message"
        assert root.find(f"{{{NC}}}body").text == "a & b"
        assert root.find("{urn:p}x").get("{urn:p}a") == "1"
        assert root.find(f"{{urn:p}}x/{{{NC}}}q") is not None


def test_C13_text_is_utf_8_both_ways(gateway, session):
    text = "Grüße \u2014 \U0001f41f 日本"
    session.subscribe("c13")
    gateway.publish("c13", message(text))
    answer = session.call()
    assert texts(answer) == [text]
    assert answer.header("Content-Type") == "text/xml; charset=utf-8"
    assert "charsets" not in session.created.body
    answer = session.call(f"<iq type='get' id='{text}'>"
                          "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert answer.xml[0].get("id") == text
    session.rid += 1
    for bad in (b"\xe4", b"\xed\xa0\x80", b"\xc0\xaf", b"\xff"):
        body = session.body("<message><body>@</body></message>", rid=session.rid)
        conn = Conn(gateway.port)
        assert conn.call(body.encode().replace(b"@", bad)
                         ).condition == "bad-request"
        conn.close()


def deep(n):
    return "<message>" + "<a>" * n + "</a>" * n + "</message>"


def wide(n):
    return "<message " + " ".join(f"a{i}='1'" for i in range(n)) + "/>"


def long(n):
    return "<message>" + "<a/>" * n + "</message>"


@pytest.mark.parametrize("shape, most", [(deep, 62), (wide, 64), (long, 9996)])
def test_C14_depth_attributes_and_elements_are_limited(session, shape, most):
    """Body and ping count as well; one more is refused and has no effect."""
    session.rid += 1
    bad = session.body(shape(most + 1) + PING, rid=session.rid)
    assert session.conns[0].call(bad).condition == "bad-request"
    good = session.body(shape(most) + PING, rid=session.rid)
    assert "type='result'" in session.conns[1].call(good).body


def test_C14_entities_do_not_grow(gateway):
    text = ("<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9))
        + f"]><body rid='1' to='{DOMAIN}' xmlns='{NB}'>&j;</body>")
    conn = Conn(gateway.port)
    assert conn.call(text).condition == "bad-request"
    conn.close()


def test_C15_ten_thousand_stanzas_are_no_single_response(gateway, session):
    session.subscribe("long")
    api = Api(gateway.control)
    sent = 0
    for _ in range(10):
        api.publish(*[{"channel": "long", "formats": {"xmpp-stanza": {
            "content": message(sent + i)}}} for i in range(500)])
        sent += 500
    found, sizes = [], []
    while len(found) < sent:
        answer = session.call()
        sizes.append(len(answer.body))
        found += texts(answer)
    assert found == [str(i) for i in range(sent)]
    assert max(sizes) < 17 * 1024
    assert BIND not in answer.body
