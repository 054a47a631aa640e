"""BOSH rules, section K: what is declined, and how (tests/rules/bosh.txt)."""

import gzip

import pytest

from bosh import DOMAIN, NB, Conn, Gateway, Session, message

PING = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


@pytest.fixture
def conn(gateway):
    made = Conn(gateway.port)
    yield made
    made.close()


def test_K1_a_later_to_opens_no_stream(gateway, session):
    """libpurple says `to` and a language with every request."""
    assert session.created.xml.get("stream") is None
    before = gateway.metric("waft_bosh_sessions_total")
    for attrs in (f"to='{DOMAIN}' xml:lang='en'", "to='else.test'",
                  f"to='{DOMAIN}' stream='two' ver='1.6' wait='5' hold='1'"):
        answer = session.call(PING, attrs=attrs)
        assert [each.get("type") for each in answer.xml] == ["result"]
        assert "stream" not in answer.body
    session.send(attrs=f"to='{DOMAIN}' xml:lang='en'")
    assert not session.conns[0].has_answer(0.05)
    assert gateway.metric("waft_bosh_sessions_total") == before


@pytest.mark.parametrize("query", ["%3Cbody%20rid='1'/%3E", "%3cbody"])
def test_K2_a_body_in_a_query_is_not_found(conn, query):
    answer = conn.call("", method="GET", path=f"/http-bind?{query}")
    assert answer.status == 404 and answer.body == ""
    assert answer.header("Content-Length") == "0"
    assert conn.call("", method="GET").status == 200
    assert conn.call("", method="GET", path="/http-bind?room=a").status == 200


def test_K3_no_coding_of_requests_is_promised_or_taken(conn, session):
    assert session.created.xml.get("accept") is None
    text = gzip.compress(session.body(PING, rid=session.rid + 1).encode())
    conn.send(text, headers=["Content-Encoding: gzip"])
    answer = conn.receive()
    assert answer.status == 415 or answer.condition == "bad-request"
    assert "type='result'" in session.call(PING).body


def test_K4_no_other_charset_is_promised(session):
    assert session.created.xml.get("charsets") is None


def test_K8_no_answer_comes_in_chunks(gateway, session):
    """Not even a long one, nor one to a client that would take it."""
    session.subscribe("k8")
    for _ in range(4):
        gateway.publish("k8", message("x" * 30000))
    session.rid += 1
    conn = session.conns[0]
    conn.send(session.body(rid=session.rid), headers=["TE: trailers, chunked"])
    answer = conn.receive()
    assert answer.header("Transfer-Encoding") is None
    assert int(answer.header("Content-Length")) == len(answer.body) > 20000
    assert answer.body.startswith(f"<body xmlns='{NB}'")
