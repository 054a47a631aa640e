"""BOSH rules, section I: stream, SASL, bind, stanzas (tests/rules/bosh.txt)."""

import re
import socket

import pytest

from bosh import (BIND, DOMAIN, NB, NC, SASL, STREAM, XB, Conn, Gateway, Session,
                  message)

TOKENS = 'token "dave" { kind = static secret = "pass" }'
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=TOKENS) as running:
        yield running


@pytest.fixture
def fresh(gateway):
    made = Session(gateway.port)
    yield made
    made.close()


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


def named(gateway, resource=None):
    return Session(gateway.port).log_in("PLAIN", "\0dave\0pass", resource)


RESTART = f"xmlns:xmpp='{XB}' xmpp:restart='true'"


@pytest.mark.parametrize("attrs", [
    RESTART, f"{RESTART} to='{DOMAIN}' xml:lang='en'", f"{RESTART} to=''"])
def test_I1_I2_a_restart_brings_bind_whatever_else_it_says(fresh, attrs):
    assert "<mechanism>" in fresh.created.body
    fresh.authenticate()
    features = fresh.call(attrs=attrs).xml.find(f"{{{STREAM}}}features")
    assert [each.tag for each in features] == [
        f"{{{BIND}}}bind", "{urn:ietf:params:xml:ns:xmpp-session}session"]


def test_I3_payload_of_a_restart_has_no_effect(fresh):
    fresh.authenticate()
    answer = fresh.call(f"<iq type='set' id='no'><bind xmlns='{BIND}'/></iq>"
                        + message("x"), attrs=RESTART)
    assert "id='no'" not in answer.body and len(answer.xml) == 1
    fresh.bind()


def test_I4_a_poll_before_the_restart_is_answered_by_it(fresh):
    fresh.authenticate()
    fresh.send(conn=0)
    assert not fresh.conns[0].has_answer(0.05)
    fresh.send(attrs=RESTART, conn=1)
    assert f"<bind xmlns='{BIND}'/>" in fresh.receive(0).body
    fresh.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>", conn=0)
    assert "<jid>" in fresh.receive(1).body


def test_I5_a_restart_before_login_ends_nothing(fresh):
    for _ in range(2):
        assert "<mechanism>ANONYMOUS" in fresh.call(attrs=RESTART).body
    fresh.log_in()


def test_I6_bind_without_a_restart_is_accepted(fresh):
    fresh.authenticate()
    fresh.bind("there")
    assert fresh.jid.endswith("/there")


def test_I10_K6_K7_neither_tls_nor_compression_nor_old_login(fresh):
    fresh.authenticate()
    for body in (fresh.created.body, fresh.restart().body):
        for no in ("starttls", "compress", "iq-auth", "xmpp-tls", "urn:xmpp:sm"):
            assert no not in body
    answer = fresh.call("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                        "<compress xmlns='http://jabber.org/protocol/compress'>"
                        "<method>zlib</method></compress>"
                        f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")
    assert [each.tag for each in answer.xml] == [f"{{{NC}}}iq"]


def test_I11_a_resource_of_ours_when_none_is_given(gateway):
    made = [named(gateway) for _ in range(2)]
    resources = {each.jid.partition("/")[2] for each in made}
    assert len(resources) == 2 and all(len(r) >= 16 for r in resources)
    for each in made:
        each.call(attrs="type='terminate'")
        each.close()


@pytest.mark.parametrize("held", [True, False])
def test_I11_J10_the_newer_of_two_sessions_wins(gateway, held):
    """The older is told whole, now or when it asks."""
    old = named(gateway, "one")
    if held:
        old.send()
        assert not old.conns[0].has_answer(0.05)
    new = named(gateway, "one")
    answer = old.receive() if held else old.hear_end()
    assert answer.condition == "remote-stream-error"
    error = answer.xml.find(f"{{{STREAM}}}error")
    assert error.find("{urn:ietf:params:xml:ns:xmpp-streams}conflict") is not None
    assert "xmlns:stream=" in answer.body.split(">")[0]
    assert new.call(f"<iq type='get' id='p'>{PING}</iq>").condition is None
    for each in (old, new):
        each.close()


def test_I12_the_session_of_old_clients_is_optional_and_answered(fresh):
    fresh.authenticate()
    assert ("<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/>"
            "</session>") in fresh.restart().body
    fresh.bind()
    answer = fresh.call("<iq type='set' id='o'><session "
                        "xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
    assert answer.xml[0].get("type") == "result"


@pytest.mark.parametrize("iq", [
    "<iq type='get' id='q'/>", "<iq id='q'><a xmlns='b'/></iq>",
    f"<iq type='get' id='q'>{PING}{PING}</iq>",
    "<iq type='set' id='q'><a xmlns='b'/></iq>",
    "<iq type='strange' id='q'><a xmlns='b'/></iq>",
    f"<iq type='get' id='q' to='nobody@{DOMAIN}'>{PING}</iq>",
    f"<iq type='get' id='q' to='nobody@{DOMAIN}/x'>{PING}</iq>",
    f"<iq type='get' id='q' to='else.test'>{PING}</iq>",
    f"<iq type='get' id='q' to='@'>{PING}</iq>",
    "<iq type='set' id='q'><query xmlns='jabber:iq:roster'/></iq>",
    f"<iq type='set' id='q' to='{DOMAIN}'>"
    "<query xmlns='jabber:iq:register'/></iq>",
])
def test_I13_every_iq_has_one_answer(session, iq):
    answer = session.call(iq)
    assert answer.condition is None
    assert len(answer.xml) == 1, answer.body
    assert answer.xml[0].get("id") == "q"
    assert answer.xml[0].get("type") in ("result", "error")


@pytest.mark.parametrize("kind", ["result", "error"])
def test_I13_an_answer_has_no_answer(session, kind):
    answer = session.call(f"<iq type='{kind}' id='no'><a xmlns='b'/></iq>"
                          f"<iq type='get' id='yes'>{PING}</iq>")
    assert [each.get("id") for each in answer.xml] == ["yes"]


@pytest.mark.parametrize("stanza", [
    "<presence from='mallory@{domain}'/>", "<message from='{jid}x'/>",
    "<iq type='get' id='q' from='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<message from='@'/>", "<message from=''/>"])
def test_I14_a_foreign_from_ends_the_stream(session, stanza):
    answer = session.call(stanza.format(domain=DOMAIN, jid=session.jid))
    assert answer.condition == "remote-stream-error"
    assert "<invalid-from" in answer.body


def test_I14_one_s_own_from_is_good_bare_and_full(session):
    for own in (session.jid, session.jid.split("/")[0]):
        answer = session.call(
            f"<iq type='get' id='q' from='{own}'>{PING}</iq>")
        assert answer.xml[0].get("type") == "result"


def test_I15_what_is_for_one_who_is_gone_comes_back_as_its_kind_demands(
        gateway, session):
    gone = Session(gateway.port).log_in()
    gone.call(attrs="type='terminate'")
    answer = session.call(
        f"<presence to='{gone.jid}'/>" + message("x", f" to='{gone.jid}' id='m'")
        + f"<iq type='get' id='i' to='{gone.jid}'>{PING}</iq>")
    told = {each.get("id"): each.find(f"{{{NC}}}error")[0].tag.split("}")[1]
            for each in answer.xml}
    assert told == {"m": "recipient-unavailable", "i": "service-unavailable"}
    assert all(each.get("from") == gone.jid for each in answer.xml)
    gone.close()


def test_I15_an_error_for_one_who_is_gone_goes_nowhere(gateway, session):
    answer = session.call(
        f"<message type='error' to='x@{DOMAIN}/y'/>"
        f"<iq type='get' id='i'>{PING}</iq>")
    assert [each.get("id") for each in answer.xml] == ["i"]


def test_I16_a_session_made_by_a_back_end_goes_on_in_the_page(gateway):
    """From another address, on another connection, without a cookie."""
    back_end = named(gateway, "page")
    for each in back_end.conns:
        each.close()
    page = Conn(gateway.port)
    page.socket.close()
    page.socket = socket.create_connection(
        ("127.0.0.1", gateway.port), 10, ("127.0.0.2", 0))
    back_end.rid += 1
    answer = page.call(back_end.body(f"<iq type='get' id='q'>{PING}</iq>",
                                     rid=back_end.rid))
    assert answer.xml[0].get("type") == "result"
    assert answer.xml[0].get("to") == back_end.jid
    for each in (answer, back_end.created):
        assert each.header("Set-Cookie") is None
    page.close()


@pytest.mark.parametrize("word", ["enable", "resume"])
def test_I17_stream_management_is_declined_in_words(session, word):
    answer = session.call(f"<{word} xmlns='urn:xmpp:sm:3'/>")
    failed = answer.xml.find("{urn:xmpp:sm:3}failed")
    assert failed[0].tag.endswith("unexpected-request")
    assert not re.search("sm:", session.created.body)
    assert NB in answer.body and SASL not in answer.body
