"""BOSH rules, section E: the creation response (tests/rules/bosh.txt)."""

import time
import xml.etree.ElementTree as ET

import pytest

from bosh import DOMAIN, NB, STREAM, XB, Conn, Gateway, Session

TOLD_ONCE = ("wait", "hold", "requests", "ver", "polling", "inactivity", "maxpause",
             "from", "charsets", "accept", "authid")


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port)
    yield made
    made.close()


def test_E1_a_sid_is_160_bits_of_which_none_is_fixed(gateway):
    """Two digits of the worker before them, forty at random."""
    conn = Conn(gateway.port)
    sids = []
    for i in range(400):
        answer = conn.call(
            f"<body rid='{i + 1}' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>")
        sids.append(answer.xml.get("sid"))
        conn.call(f"<body rid='{i + 2}' sid='{sids[-1]}' type='terminate' "
                  f"xmlns='{NB}'/>")
    conn.close()
    assert len(set(sids)) == 400
    numbers = [int(sid[2:], 16) for sid in sids]
    assert all(len(sid) == 42 for sid in sids)
    for bit in range(160):
        ones = sum(number >> bit & 1 for number in numbers)
        assert 110 < ones < 290, bit  # nine standard deviations


@pytest.mark.parametrize("wait", [0, 1, 5, 59, 60, 10**9])
def test_E2_wait_is_never_more_than_was_asked(gateway, wait):
    session = Session(gateway.port, wait=wait)
    assert int(session.created.xml.get("wait")) == min(wait, 59)
    session.close()


@pytest.mark.parametrize("hold, requests", [(0, 1), (1, 2)])
def test_E3_requests_is_hold_and_one(gateway, hold, requests):
    session = Session(gateway.port, hold=hold)
    assert session.created.xml.get("hold") == str(hold)
    assert session.created.xml.get("requests") == str(requests)
    session.close()


def test_E5_E6_E9_the_response_says_all_that_a_client_needs(session):
    root = session.created.xml
    assert root.get("polling") == "2"
    assert root.get("inactivity") == "60"
    assert root.get("hold") == "1"
    assert root.get("from") == DOMAIN
    assert root.get("maxpause") == "120"
    assert root.get(f"{{{XB}}}restartlogic") == "true"
    assert root.get(f"{{{XB}}}version") == "1.0"
    assert root.find(f"{{{STREAM}}}features") is not None


def test_E6_no_maxpause_where_there_is_no_pause_nor_polling_of_nothing():
    with Gateway(more='max-pause = "0s" polling = "0s"') as gateway:
        session = Session(gateway.port)
        assert session.created.xml.get("maxpause") is None
        assert session.created.xml.get("polling") is None
        session.close()


def test_E7_it_is_told_once(session):
    later = [session.authenticate(), session.restart(), session.bind(),
             session.call("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"),
             session.call(attrs="type='terminate'")]
    for answer in later:
        assert not set(TOLD_ONCE) & set(answer.xml.attrib), answer.body


def test_E10_K7_no_authid_is_given(session):
    assert session.created.xml.get("authid") is None
    assert "iq-auth" not in session.created.body


def test_E11_a_creation_is_never_held(gateway):
    begun = time.monotonic()
    session = Session(gateway.port, wait=59)
    assert time.monotonic() - begun < 2
    assert session.sid
    session.close()


@pytest.mark.parametrize("attrs", [
    "to=\"a'b\"", "to='&lt;&amp;&gt;\"'", "to='x' xml:lang=\"d'e\"",
    f"to='{DOMAIN}' from=\"a'b@{DOMAIN}\" content=\"text/'x'\" xml:lang='&lt;'"])
def test_E12_what_is_said_back_is_escaped(gateway, attrs):
    conn = Conn(gateway.port)
    answer = conn.call(f"<body rid='1' ver='1.6' {attrs} xmlns='{NB}'/>")
    assert ET.fromstring(answer.body).tag == f"{{{NB}}}body"
    assert answer.body.isascii()
    conn.close()


def test_E12_the_id_of_an_iq_is_said_back_escaped(session):
    session.log_in()
    answer = session.call("<iq type='get' id='a&apos;&lt;&amp;b'>"
                          "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert answer.xml[0].get("id") == "a'<&b"
