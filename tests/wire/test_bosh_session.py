"""BOSH sessions against the real waft-bosh: window, repeats, holds, ends.

Names of rules in brackets are those of XEP-0124 and XEP-0206 sections.
"""

import random
import time

import pytest

from bosh import (BIND, DOMAIN, NB, NC, SASL, STREAM, Conn, Gateway, Session,
                  message, sha1, texts, until)


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


def test_E2_E4_E5_E6_E9_E11_H7_creation_is_answered_at_once_with_all_that_it_must_say(gateway):
    begun = time.monotonic()
    session = Session(gateway.port, rid=3001, ver="1.10", wait=9999, hold=10)
    assert time.monotonic() - begun < 1
    root = session.created.xml
    assert len(root.get("sid")) >= 32
    assert root.get("wait") == "59"
    assert root.get("hold") == "1"
    assert root.get("requests") == "2"
    assert root.get("ver") == "1.10"
    assert root.get("from") == DOMAIN
    assert root.get("inactivity") == "60"
    assert root.get("maxpause") == "120"
    assert root.get("{urn:xmpp:xbosh}restartlogic") == "true"
    assert root.find(f"{{{STREAM}}}features") is not None
    assert "xmlns:stream=" in session.created.body.split(">")[0]
    session.close()


@pytest.mark.parametrize("attrs, condition", [
    ("", "improper-addressing"),
    ("to=''", "improper-addressing"),
    ("to='other.test'", "host-unknown"),
    (f"to='{DOMAIN.upper()}'", None),
    (f"to='{DOMAIN}' wait='-1'", "bad-request"),
    (f"to='{DOMAIN}' newkey='short'", "bad-request"),
])
def test_D2_D4_creation_is_refused_with_the_condition_that_fits(
        gateway, attrs, condition):
    conn = Conn(gateway.port)
    answer = conn.call(f"<body rid='7' ver='1.6' {attrs} xmlns='{NB}'/>")
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert answer.condition == condition
    conn.close()


@pytest.mark.parametrize("rid", ["", "rid='abc'", "rid='0'",
                                 "rid='9007199254740992'"])
def test_D3_creation_needs_a_rid_that_can_be_one(gateway, rid):
    conn = Conn(gateway.port)
    answer = conn.call(f"<body {rid} to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>")
    assert answer.condition == "bad-request"
    conn.close()


def test_J2_legacy_clients_get_http_codes(gateway):
    conn = Conn(gateway.port)
    answer = conn.call(f"<body rid='x' to='{DOMAIN}' xmlns='{NB}'/>")
    assert answer.status == 400
    session = Session(gateway.port, ver="")
    assert session.created.xml.get("ver") is None
    assert session.call(rid_jump(session)).status == 404
    conn.close()
    session.close()


def rid_jump(session):
    session.rid += 50
    return ""


@pytest.mark.parametrize("body", [
    "", "not xml", f"<body xmlns='{NB}'", f"<other xmlns='{NB}'/>",
    f"<body rid='1' to='{DOMAIN}' xmlns='{NB}'>text</body>",
    f"<!DOCTYPE body><body rid='1' to='{DOMAIN}' xmlns='{NB}'/>",
])
def test_C1_J1_what_is_no_body_is_a_bad_request_of_status_200(gateway, body):
    conn = Conn(gateway.port)
    answer = conn.call(body)
    assert answer.status == 200
    assert answer.condition == "bad-request"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    conn.close()


@pytest.mark.parametrize("sid", ["sid=''", "sid='unknown'",
                                 "sid='00" + "a" * 40 + "'",
                                 "sid='01" + "a" * 40 + "'",
                                 "sid='ff" + "a" * 40 + "'"])
def test_J4_an_unknown_sid_makes_no_session(gateway, sid):
    before = gateway.metric("waft_bosh_sessions_total")
    conn = Conn(gateway.port)
    answer = conn.call(
        f"<body rid='7' {sid} to='{DOMAIN}' xmlns='{NB}'><presence/></body>")
    assert answer.condition == "item-not-found"
    assert gateway.metric("waft_bosh_sessions_total") == before
    conn.close()


def test_H2_C8_a_stanza_arrives_while_a_request_is_held(gateway, session):
    session.subscribe("held")
    session.send()
    assert not session.conns[0].has_answer()
    gateway.publish("held", message("now"))
    answer = session.receive(seconds=2)
    assert texts(answer) == ["now"]
    assert "<message xmlns='jabber:client' " in answer.body
    stanza = answer.xml.find(f"{{{NC}}}message")
    assert stanza.get("to") == session.jid
    assert stanza.get("from") == f"held@{DOMAIN}"
    assert stanza.get("id")


def test_stanzas_wait_while_none_is_held_and_keep_their_order(
        gateway, session):
    session.subscribe("waiting")
    for i in range(20):
        gateway.publish("waiting", message(i))
    assert session.texts(count=20) == [str(i) for i in range(20)]


def test_H2_a_wait_that_is_over_gets_an_empty_body(gateway):
    session = Session(gateway.port, wait=1)
    begun = time.monotonic()
    answer = session.call()
    assert 0.7 < time.monotonic() - begun < 3
    assert len(answer.xml) == 0
    assert answer.condition is None
    session.close()


def test_H3_a_second_request_releases_the_first(session):
    session.send(conn=0)
    session.send(conn=1)
    assert session.receive(conn=0, seconds=2).condition is None
    assert not session.conns[1].has_answer()


def test_G1_requests_take_effect_in_the_order_of_their_rids(session):
    session.rid += 2
    late, early = session.rid, session.rid - 1
    ping = "<iq type='get' id='{}'><ping xmlns='urn:xmpp:ping'/></iq>"
    session.send(ping.format("second"), rid=late, conn=1)
    assert not session.conns[1].has_answer()
    session.send(ping.format("first"), rid=early, conn=0)
    found = session.receive(0).body
    if "second" not in found:
        found += session.receive(1).body
    assert found.index("first") < found.index("second")


def test_G3_G7_a_repeat_gets_the_same_bytes_and_has_no_effect(gateway, session):
    session.subscribe("repeated")
    session.send()
    gateway.publish("repeated", message("once"))
    answer = session.receive()
    again = session.conns[1].call(session.body(rid=session.rid))
    assert again.body == answer.body
    first = session.call(
        "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    again = session.conns[1].call(session.body("<presence/>", rid=session.rid))
    assert again.body == first.body
    session.send()
    assert not session.conns[0].has_answer()


def test_G4_J11_a_repeat_of_a_held_rid_takes_its_place(gateway, session):
    session.subscribe("swapped")
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.1)
    session.send(rid=session.rid, conn=1)
    old = session.receive(0)
    assert old.xml.get("type") == "error"
    gateway.publish("swapped", message("here"))
    assert texts(session.receive(1)) == ["here"]


def test_G6_a_repeat_long_ago_ends_the_session(session):
    for _ in range(4):
        session.call("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    answer = session.conns[1].call(session.body(rid=session.rid - 3))
    assert answer.condition == "item-not-found"
    assert session.call().condition == "item-not-found"


def test_G2_J9_a_rid_too_far_ahead_ends_the_session(session):
    session.send(conn=0)
    answer = session.conns[1].call(session.body(rid=session.rid + 3))
    assert answer.condition == "item-not-found"
    assert session.receive(0).condition == "other-request"


def close_noticed(gateway, conn):
    """What is written before the close is noticed is for a repeat of the rid."""
    before = gateway.metric("waft_bosh_dead_total")
    conn.close()
    until(lambda: gateway.metric("waft_bosh_dead_total") > before, 2)


def test_G8_a_closed_poll_is_noticed_and_loses_nothing(gateway, session):
    session.subscribe("closed")
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.1)
    close_noticed(gateway, session.conns[0])
    gateway.publish("closed", message("kept"))
    assert texts(session.call(conn=1)) == ["kept"]


def test_G8_a_closed_poll_repeated_gets_the_stanza(gateway, session):
    session.subscribe("closed2")
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.1)
    close_noticed(gateway, session.conns[0])
    gateway.publish("closed2", message("kept"))
    assert texts(session.conns[1].call(session.body(rid=session.rid))) == [
        "kept"]


def test_pipelined_requests_are_answered_in_order_and_at_once(session):
    conn = session.conns[0]
    ping = "<iq type='get' id='x'><ping xmlns='urn:xmpp:ping'/></iq>"
    conn.send(session.body())
    assert not conn.has_answer(0.1)
    begun = time.monotonic()
    conn.send(session.body(ping))
    first = conn.receive(2)
    assert time.monotonic() - begun < 1
    assert "id='x'" in first.body
    assert not conn.has_answer(0.1)


def test_H10_three_requests_at_once_violate_the_policy(session):
    conn = session.conns[0]
    conn.socket.sendall(b"")
    whole = b""
    for _ in range(3):
        body = session.body().encode()
        whole += (b"POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: "
                  + str(len(body)).encode() + b"\r\n\r\n" + body)
    conn.socket.sendall(whole)
    conditions = [conn.receive().condition for _ in range(3)]
    assert conditions == ["other-request", "other-request", "policy-violation"]


def test_J5_J16_terminate_answers_the_oldest_and_is_repeatable(session):
    session.send(conn=0)
    session.send(attrs="type='terminate'", conn=1)
    first, second = session.receive(0), session.receive(1)
    assert first.condition == ""
    assert second.condition is None and len(second.xml) == 0
    again = session.conns[1].call(
        session.body(attrs="type='terminate'", rid=session.rid))
    assert again.condition == ""


def test_J5_J7_terminate_applies_its_payload_first(gateway, session):
    answer = session.call(
        f"<iq type='set' id='s' to='{DOMAIN}'><pubsub xmlns='http://jabber.org/"
        f"protocol/pubsub'><subscribe node='x' jid='{session.jid}'/></pubsub>"
        "</iq>", attrs="type='terminal'")
    assert answer.condition == ""


def test_H8_pause_answers_everything_without_payload(gateway, session):
    session.subscribe("paused")
    gateway.publish("paused", message("later"))
    until(lambda: gateway.metric("waft_bosh_sessions") >= 1)
    time.sleep(0.1)
    answer = session.call(attrs="pause='100'")
    assert len(answer.xml) == 0 and answer.condition is None
    assert session.texts() == ["later"]


@pytest.mark.parametrize("attrs", ["pause='0'", "pause='-1'", "pause='x'"])
def test_H9_an_impossible_pause_is_a_bad_request(session, attrs):
    assert session.call(attrs=attrs).condition == "bad-request"


def test_H13_H14_polling_sessions_are_answered_at_once(gateway):
    session = Session(gateway.port, hold=0)
    assert session.created.xml.get("requests") == "1"
    assert session.created.xml.get("hold") == "0"
    begun = time.monotonic()
    assert len(session.call().xml) == 0
    assert time.monotonic() - begun < 1
    assert session.call().condition == "policy-violation"
    session.close()


def test_D13_F1_F3_keys_are_checked_and_repeats_keep_theirs(gateway):
    chain = [sha1("seed")]
    for _ in range(5):
        chain.append(sha1(chain[-1]))
    session = Session(gateway.port, attrs=f"newkey='{chain[5]}'")
    ping = f"<auth xmlns='{SASL}' mechanism='NONE'/>"
    first = session.call(ping, attrs=f"key='{chain[4]}'")
    assert "invalid-mechanism" in first.body
    again = session.conns[1].call(
        session.body(ping, attrs=f"key='{chain[4]}'", rid=session.rid))
    assert again.body == first.body
    assert "invalid" in session.call(ping, attrs=f"key='{chain[3]}'").body
    assert session.call(attrs="key='wrong'").condition == "item-not-found"
    session.close()


def test_F1_a_missing_key_ends_the_session(gateway):
    session = Session(gateway.port, attrs=f"newkey='{sha1('x')}'")
    assert session.call().condition == "item-not-found"
    session.close()


def test_D11_E8_G11_request_acknowledgements_are_sent(gateway):
    session = Session(gateway.port, rid=100, attrs="ack='1'")
    assert session.created.xml.get("ack") == "100"
    session.send(conn=0)
    session.send(conn=1)
    assert session.receive(0).xml.get("ack") == "102"
    session.close()


def test_G13_a_missed_answer_is_reported(gateway):
    session = Session(gateway.port, rid=100, attrs="ack='1'").log_in()
    answer = session.call(attrs=f"ack='{session.rid - 1}'")
    assert answer.xml.get("report") == str(session.rid - 1)
    assert int(answer.xml.get("time")) >= 0
    session.close()


def test_sigterm_answers_holds_with_empty_bodies():
    with Gateway() as gateway:
        session = Session(gateway.port)
        session.send()
        assert not session.conns[0].has_answer(0.1)
        assert gateway.stop() == 0
        answer = session.receive()
        assert answer.condition is None and len(answer.xml) == 0


def test_limits_of_sessions_are_kept():
    with Gateway(more="sessions-max = 2") as gateway:
        made = [Session(gateway.port) for _ in range(3)]
        assert [s.sid is None for s in made] == [False, False, True]
        assert made[2].created.condition == "policy-violation"
        made[0].call(attrs="type='terminate'")
        assert Session(gateway.port).sid


def test_C15_N4_a_slow_client_gets_everything_from_the_store():
    with Gateway(more='client-queue = "16K" max-response = "4K"',
                 engine="memory") as gateway:
        session = Session(gateway.port).log_in()
        session.subscribe("slow")
        sent = [f"{i:03}" + "x" * 200 for i in range(95)]
        for text in sent:
            gateway.publish("slow", message(text))
        until(lambda: gateway.metric("waft_bosh_full_total") > 0)
        found = []
        while len(found) < len(sent):
            answer = session.call()
            assert len(answer.body) < 6000
            found += texts(answer)
        assert found == sent


def test_every_worker_reaches_every_session(gateway):
    """More connections than workers: some requests are relayed, holds too."""
    session = Session(gateway.port).log_in()
    session.subscribe("relayed")
    before = gateway.metric("waft_bosh_relayed_requests_total")
    for i in range(24):
        conn = Conn(gateway.port)
        session.rid += 1
        conn.send(session.body(rid=session.rid))
        if i % 3 == 0:
            assert not conn.has_answer(0.02)
        gateway.publish("relayed", message(i))
        assert texts(conn.receive(5)) == [str(i)]
        conn.close()
    assert gateway.metric("waft_bosh_relayed_requests_total") > before
    session.close()


def test_a_relayed_poll_that_closes_is_noticed(gateway):
    session = Session(gateway.port).log_in()
    session.subscribe("relayed2")
    for i in range(12):
        conn = Conn(gateway.port)
        conn.send(session.body())
        assert not conn.has_answer(0.02)
        close_noticed(gateway, conn)
        gateway.publish("relayed2", message(i))
        assert session.texts() == [str(i)]
    session.close()


def test_clients_with_bad_lines_get_everything_once_and_in_order():
    """Connections die before, while and after an answer is written; the rid is
    then sent again."""
    dice = random.Random(7)
    with Gateway() as gateway:
        sessions = [Session(gateway.port).log_in() for _ in range(8)]
        found = [[] for _ in sessions]
        for each in sessions:
            each.subscribe("storm")
        for sent in range(150):
            gateway.publish("storm", message(sent))
            for i, each in enumerate(sessions):
                if dice.random() < 0.4:
                    continue
                found[i] += lossy_poll(each, dice)
        for i, each in enumerate(sessions):
            while len(found[i]) < 150:
                found[i] += texts(each.call())
            assert found[i] == [str(n) for n in range(150)]
            each.close()


def lossy_poll(session, dice):
    """The texts of one poll's answer, however often its connection dies."""
    session.rid += 1
    body = session.body(rid=session.rid)
    while True:
        conn = Conn(session.port)
        fate = dice.random()
        conn.send(body[:dice.randrange(len(body))] if fate < 0.15 else body)
        if fate < 0.3:
            conn.close()
            continue
        if fate < 0.4:
            conn.has_answer(0.01)
            conn.close()
            continue
        try:
            answer = conn.receive(0.3)
        except TimeoutError:
            return moved_poll(session, body, conn)
        assert answer.condition is None, answer.body
        conn.close()
        # The request sent before came after this one: it has taken its place,
        # on a connection that is closed (XEP-0124 §17.3: repeat).
        if answer.xml.get("type") != "error":
            return texts(answer)


def moved_poll(session, body, conn):
    """Nothing waits (or is late): the same rid on another connection, and then a
    pause, which answers all that is held."""
    other, pause = Conn(session.port), Conn(session.port)
    other.send(body)
    first = conn.receive()
    session.rid += 1
    pause.send(session.body("<presence/>", attrs="pause='60'", rid=session.rid))
    second, third = other.receive(), pause.receive()
    for each in (conn, other, pause):
        each.close()
    if first.xml.get("type") == "error":
        return texts(second) + texts(third)
    assert first.body == second.body
    return texts(first) + texts(third)


def test_J15_no_sid_is_logged_whole(gateway, session):
    session.call(attrs="type='terminate'")
    until(lambda: "bosh.end" in gateway.log.read_text())
    assert session.sid not in gateway.log.read_text()
