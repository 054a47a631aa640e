"""BOSH rules, section D: the creation request (tests/rules/bosh.txt)."""

import socket

import pytest

from bosh import (BIND, DOMAIN, NB, NC, SASL, STREAM, XB, Conn, Gateway, Session,
                  message, sha1, texts, until)

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(more='former-domains = {"old.test", "older.test"} max-hold = 2'
                 ) as running:
        yield running


@pytest.fixture
def create(gateway):
    """Sends a creation of these attributes; its answer."""
    conns = []

    def send(attrs, payload="", to=f"to='{DOMAIN}'"):
        conn = Conn(gateway.port)
        conns.append(conn)
        return conn.call(f"<body rid='70' {to} {attrs} xmlns='{NB}'>{payload}</body>")

    yield send
    for conn in conns:
        conn.close()


def test_D1_a_request_without_a_sid_makes_a_session(gateway, create):
    before = gateway.metric("waft_bosh_sessions_total")
    sids = {create("ver='1.6'").xml.get("sid") for _ in range(3)}
    assert len(sids) == 3 and all(sids)
    assert gateway.metric("waft_bosh_sessions_total") == before + 3


@pytest.mark.parametrize("to, condition", [
    ("", "improper-addressing"),
    ("to=''", "improper-addressing"),
    ("to='@'", "improper-addressing"),
    ("to='else.test'", "host-unknown"),
    ("to='old.test'", "host-gone"),
    ("to='OLDER.test'", "host-gone"),
    (f"to='{DOMAIN}'", None),
    (f"to='{DOMAIN.title()}'", None),
])
def test_D2_each_host_has_the_answer_that_fits(create, to, condition):
    answer = create("ver='1.6'", to=to)
    assert answer.status == 200 and answer.condition == condition


@pytest.mark.parametrize("rid, good", [
    ("", False), ("rid=''", False), ("rid='abc'", False), ("rid='0'", False),
    ("rid='-1'", False), ("rid='1.5'", False), ("rid='0x10'", False),
    ("rid='9007199254740992'", False), ("rid='1'", True),
    ("rid='9007199254740991'", True),
])
def test_D3_rid_is_an_integer_that_javascript_can_count(gateway, rid, good):
    conn = Conn(gateway.port)
    answer = conn.call(f"<body {rid} to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>")
    assert answer.condition == (None if good else "bad-request")
    conn.close()


@pytest.mark.parametrize("wait, granted", [
    ("", "59"), ("wait='0'", "0"), ("wait='7'", "7"), ("wait='9999'", "59"),
    ("wait='-1'", None), ("wait='x'", None),
])
def test_D4_wait_is_capped_and_60_when_not_given(create, wait, granted):
    answer = create(f"ver='1.6' {wait}")
    assert answer.xml.get("wait") == granted
    assert answer.condition == (None if granted else "bad-request")


@pytest.mark.parametrize("hold, granted", [
    ("", "1"), ("hold='0'", "0"), ("hold='1'", "1"), ("hold='2'", "2"),
    ("hold='10'", "2"), ("hold='-1'", None),
])
def test_D5_hold_is_capped_and_1_when_not_given(create, hold, granted):
    """Here 2 is allowed (max-hold)."""
    answer = create(f"ver='1.6' {hold}")
    assert answer.xml.get("hold") == granted
    assert answer.condition == (None if granted else "bad-request")


def test_D5_two_are_granted_as_one_by_default():
    with Gateway() as gateway:
        session = Session(gateway.port, hold=2)
        assert session.created.xml.get("hold") == "1"
        assert session.created.xml.get("requests") == "2"
        session.close()


@pytest.mark.parametrize("ver, answered", [
    ("1.5", "1.5"), ("1.6", "1.6"), ("1.8", "1.8"), ("1.10", "1.10"),
    ("1.11", "1.11"), ("1.12", "1.11"), ("2.0", "1.11"), ("x", None), ("", None),
    ("1", None), ("1.", None), ("1.6.1", None),
])
def test_D6_E4_the_lesser_version_of_both(create, ver, answered):
    assert create(f"ver='{ver}'").xml.get("ver") == answered


@pytest.mark.parametrize("lang", ["de", "zh-Hant-TW", "x" * 36, "x" * 5000, ""])
def test_D7_any_language_is_taken(create, lang):
    answer = create(f"ver='1.6' xml:lang='{lang}'")
    assert answer.xml.get("sid")
    assert "xml:lang" not in answer.body


@pytest.mark.parametrize("content, expected", [
    ("", "text/xml; charset=utf-8"),
    ("text/xml; charset=utf-8", "text/xml; charset=utf-8"),
    ("text/xml charset=utf-8", "text/xml; charset=utf-8"),
    ("application/xml", "application/xml"), ("text/plain", "text/plain"),
    ("text/html", "text/xml; charset=utf-8"),
    ("text/plain&#13;&#10;X-Evil: 1", "text/xml; charset=utf-8"),
    ("text/plain" + "x" * 200, "text/xml; charset=utf-8"),
])
def test_D8_content_is_the_type_of_all_responses(gateway, content, expected):
    session = Session(gateway.port, attrs=f"content='{content}'")
    answers = [session.created, session.authenticate("NONE"), session.call(PING)]
    assert answers[-1].condition == "remote-stream-error"
    for answer in answers:
        assert answer.header("Content-Type") == expected
        assert answer.header("X-Evil") is None
        assert answer.header("X-Content-Type-Options") == "nosniff"
    session.close()


def test_D9_from_is_no_identity(gateway):
    attrs = f"from='admin@{DOMAIN}'"
    session = Session(gateway.port, attrs=attrs)
    assert "admin" not in session.created.body
    assert "<mechanism>" in session.created.body
    assert "not-authorized" in session.call(PING).body
    session = Session(gateway.port, attrs=attrs).log_in()
    assert "admin" not in session.jid
    session.close()


def test_D10_K5_a_route_is_followed_nowhere(create):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        answer = create(f"ver='1.6' route='xmpp:127.0.0.1:{port}'")
        assert answer.xml.get("sid") and "route" not in answer.body
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("ack, used", [
    ("ack='1'", True), ("ack='0'", False), ("", False)])
def test_D11_E8_acknowledgements_for_those_who_ask(gateway, ack, used):
    session = Session(gateway.port, rid=400, attrs=ack)
    assert session.created.xml.get("ack") == ("400" if used else None)
    session.send(conn=0)
    session.send(conn=1)
    assert session.receive(0).xml.get("ack") == ("402" if used else None)
    session.close()


@pytest.mark.parametrize("secure", ["true", "false", "1"])
def test_D12_secure_means_nothing(create, secure):
    answer = create(f"ver='1.6' secure='{secure}'")
    assert answer.xml.get("sid") and answer.xml.get("secure") is None


@pytest.mark.parametrize("newkey, good", [
    (sha1("x"), True), (sha1("x").upper(), True), ("", False), ("a" * 39, False),
    ("a" * 41, False), ("g" * 40, False)])
def test_D13_newkey_is_a_sha_1(create, newkey, good):
    answer = create(f"ver='1.6' newkey='{newkey}'")
    assert answer.condition == (None if good else "bad-request")


@pytest.mark.parametrize("version", [
    "", f"xmlns:xmpp='{XB}' xmpp:version='1.0'"])
def test_D14_features_come_to_those_without_a_version_too(create, version):
    root = create(f"ver='1.6' {version}").xml
    assert root.find(f"{{{STREAM}}}features") is not None
    assert root.get(f"{{{XB}}}version") == "1.0"


def test_D15_payload_of_the_creation_takes_effect_in_order(gateway):
    """All the way to a subscription's result, in one request."""
    session = Session(gateway.port, payload=(
        f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>"
        f"<iq xmlns='{NC}' type='set' id='b'><bind xmlns='{BIND}'/></iq>"
        f"<presence xmlns='{NC}' type='subscribe' to='d15@{DOMAIN}'/>"))
    begin = [each.tag.split("}")[1] for each in session.created.xml]
    assert begin[:3] == ["features", "success", "iq"]
    until(lambda: "subscribed" in session.created.body
          or "subscribed" in session.call().body)
    gateway.publish("d15", message("here"))
    assert session.texts() == ["here"]
    session.close()


def test_D16_what_only_the_manager_says_is_not_taken(create):
    root = create("ver='1.6' inactivity='9999' window='50' requests='50' "
                  "polling='0' maxpause='9999' sid2='x' authid='y'").xml
    assert root.get("inactivity") == "60" and root.get("maxpause") == "120"
    assert root.get("requests") == "2" and root.get("polling") == "2"
    for name in ("window", "sid2", "authid"):
        assert root.get(name) is None


def test_D16_a_window_that_was_asked_for_is_not_there(gateway):
    session = Session(gateway.port, attrs="window='50' requests='50'")
    session.rid += 10
    assert session.call().condition == "item-not-found"
    assert texts(session.created) == []
    session.close()
