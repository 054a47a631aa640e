"""BOSH rules, section G: rids, order, repeats, acknowledgements (tests/rules/bosh.txt)."""

import re
import socket
import struct
import threading

import pytest

from bosh import DOMAIN, Conn, Gateway, Session, message, texts, until

TOKENS = 'token "carol" { kind = static secret = "pass" }'


def ping(name):
    return f"<iq type='get' id='{name}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=TOKENS, more="max-hold = 2") as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


@pytest.fixture
def wide(gateway):
    """hold 2, so requests 3; four connections."""
    made = Session(gateway.port, hold=2).log_in()
    made.conns += [Conn(gateway.port), Conn(gateway.port)]
    yield made
    made.close()


def test_G1_answers_go_out_by_rid_whatever_the_order_of_arrival(wide):
    first = wide.rid + 1
    for conn, n in ((2, 2), (1, 1)):
        wide.send(ping(n), rid=first + n, conn=conn)
        assert not wide.conns[conn].has_answer(0.05)
    wide.send(ping(0), rid=first, conn=0)
    whole = wide.hear("id='2'", 0, 1, 2)
    assert (whole.index("id='0'") < whole.index("id='1'") < whole.index("id='2'"))
    # All three rode on the oldest; the next request releases the one after it.
    wide.send(rid=first + 3, conn=3)
    assert len(wide.receive(1).xml) == 0
    assert not wide.conns[2].has_answer(0.05)


def test_G1_effects_are_in_order_too(gateway, session):
    """Unsubscribe comes first by connection and last by rid."""
    def word(what):
        return (f"<iq type='set' id='{what}' to='{DOMAIN}'>"
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                f"<{what} node='g1' jid='{session.jid}'/></pubsub></iq>")
    session.send(word("unsubscribe"), rid=session.rid + 2, conn=1)
    assert not session.conns[1].has_answer(0.05)
    session.send(word("subscribe"), rid=session.rid + 1, conn=0)
    session.rid += 2
    answers = session.hear("id='unsubscribe'", 0, 1)
    assert answers.index("id='subscribe'") < answers.index("id='unsubscribe'")
    assert "type='error'" not in answers


def test_G1_stanzas_of_one_body_take_effect_in_their_order(gateway, session):
    def pres(kind):
        return f"<presence type='{kind}' to='g1b@{DOMAIN}'/>"
    session.send(pres("subscribe") + pres("unsubscribe") + pres("subscribe")
                 + pres("unsubscribe"))
    answers = session.receive().body
    while answers.count("'unsubscribed'") < 2:
        answers += session.call().body
    kinds = re.findall(r"type='((?:un)?subscribed)'", answers)
    assert kinds == ["subscribed", "unsubscribed"] * 2


@pytest.mark.parametrize("ahead, attrs, fits", [
    (2, "", True), (3, "", False), (3, "type='terminate'", True),
    (3, "pause='10'", True), (4, "type='terminate'", False)])
def test_G2_the_window_is_as_wide_as_requests(session, ahead, attrs, fits):
    """A terminate or a pause may be one further (§11)."""
    session.send(attrs=attrs, rid=session.rid + ahead, conn=1)
    if fits:
        assert not session.conns[1].has_answer(0.05)
        assert "id='here'" in session.call(ping("here")).body
    else:
        assert session.receive(1).condition == "item-not-found"
        assert session.call().condition == "item-not-found"


def test_G3_the_last_answers_are_kept_each(gateway, session):
    session.subscribe("g3")
    kept = []
    for i in range(4):
        gateway.publish("g3", message(i))
        session.send()
        kept.append((session.rid, session.receive().body))
    for rid, text in kept[-2:]:
        again = session.conns[1].call(session.body(rid=rid))
        assert again.body == text and again.condition is None


def test_G3_a_publish_that_is_repeated_happens_once(gateway, session):
    """What takes effect: a subscription, and its iq's answer."""
    session.subscribe("g3once")
    session.rid += 1
    body = session.body(f"<presence type='unsubscribe' to='g3once@{DOMAIN}'/>"
                        + ping("u"), rid=session.rid)
    first = session.conns[0].call(body)
    session.subscribe("g3other")
    assert session.conns[1].call(body).body == first.body
    gateway.publish("g3other", message("still"))
    assert session.texts() == ["still"]


def test_G4_J11_a_held_request_makes_way_for_its_repeat(session):
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.05)
    session.send(rid=session.rid, conn=1)
    old = session.receive(0)
    assert old.xml.get("type") == "error" and len(old.xml) == 0
    assert old.xml.get("condition") is None
    # The client repeats this one and all before it that it has no answer to.
    session.send(rid=session.rid, conn=0)
    assert session.receive(1).xml.get("type") == "error"
    session.send(ping("on"), conn=1)
    assert "id='on'" in session.receive(0).body


def test_G4_J11_an_early_request_makes_way_too(session):
    early = session.body(ping("early"), rid=session.rid + 2)
    session.conns[1].send(early)
    assert not session.conns[1].has_answer(0.05)
    session.conns[0].send(early)
    assert session.receive(1).xml.get("type") == "error"
    session.conns[1].send(session.body(ping("first"), rid=session.rid + 1))
    whole = session.receive(1).body
    session.rid += 2
    if "early" not in whole:
        whole += session.receive(0).body
    assert whole.count("id='early'") == 1 and "id='first'" in whole


def test_G5_repeats_of_one_rid_are_limited(session):
    session.call(ping("x"))
    for _ in range(10):
        again = session.conns[1].call(session.body(rid=session.rid))
        assert again.condition is None
    assert session.conns[1].call(session.body(rid=session.rid)
                                 ).condition == "policy-violation"


def test_G6_too_old_and_too_far_are_told_the_same(gateway):
    told = set()
    for offset in (-9, -4, 3, 1000):
        session = Session(gateway.port).log_in()
        for _ in range(6):
            session.call(ping("x"))
        answer = session.conns[1].call(session.body(rid=session.rid + offset))
        told.add((answer.status, answer.body))
        session.close()
    assert len(told) == 1
    assert "condition='item-not-found'" in told.pop()[1]


def test_G7_a_repeat_with_other_content_is_a_repeat(gateway, session):
    answer = session.call(ping("mine"))
    other = f"<presence type='subscribe' to='g7@{DOMAIN}'/>" + ping("other")
    again = session.conns[1].call(
        session.body(other, attrs="pause='5'", rid=session.rid))
    assert again.body == answer.body
    again = session.conns[1].call(
        session.body(other, attrs="type='terminate'", rid=session.rid))
    assert again.body == answer.body
    session.subscribe("g7next")
    gateway.publish("g7", message("no"))
    gateway.publish("g7next", message("yes"))
    assert session.texts() == ["yes"]


def closed(gateway, conn):
    before = gateway.metric("waft_bosh_dead_total")
    conn.close()
    until(lambda: gateway.metric("waft_bosh_dead_total") > before)


def test_G8_a_page_that_went_away_leaves_its_stanza_to_the_next(gateway, session):
    """The dead request is closed empty: who asks for it later gets that."""
    session.subscribe("g8")
    session.send(conn=0)
    dead = session.rid
    assert not session.conns[0].has_answer(0.05)
    closed(gateway, session.conns[0])
    gateway.publish("g8", message("kept"))
    assert texts(session.call(conn=1)) == ["kept"]
    late = Conn(gateway.port)
    assert len(late.call(session.body(rid=dead)).xml) == 0
    late.close()


def test_G8_a_repeat_of_the_dead_request_gets_the_stanza(gateway, session):
    session.subscribe("g8b")
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.05)
    closed(gateway, session.conns[0])
    gateway.publish("g8b", message("kept"))
    assert texts(session.conns[1].call(session.body(rid=session.rid))) == ["kept"]


def test_G9_an_answer_cut_off_on_its_way_is_had_again(gateway, session):
    session.subscribe("g9")
    for i in range(20):
        gateway.publish("g9", message(f"{i:02}" + "x" * 5000))
    session.rid += 1
    conn = Conn(gateway.port)
    conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    conn.send(session.body(rid=session.rid))
    assert conn.socket.recv(10)
    # Closed with a reset: the rest of it is lost.
    conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
    conn.close()
    whole = session.conns[1].call(session.body(rid=session.rid))
    found = [text[:2] for text in texts(whole)]
    while len(found) < 20:
        found += [text[:2] for text in texts(session.call())]
    assert found == [f"{i:02}" for i in range(20)]


@pytest.mark.parametrize("attrs", ["", "ack='1'"])
def test_G10_what_was_surely_received_does_not_come_again(gateway, attrs):
    """An answer counts as received when acknowledged, or once rids are so far
    that it could not be asked for again."""
    bare = f"carol@{DOMAIN}"
    first = Session(gateway.port, attrs=attrs).log_in(
        "PLAIN", "\0carol\0pass", resource="x")
    first.subscribe("g10", jid=bare)
    for i in range(4):
        gateway.publish("g10", message(i))
        assert first.texts() == [str(i)]
    assert first.call(attrs="pause='x'").condition == "bad-request"
    second = Session(gateway.port).log_in("PLAIN", "\0carol\0pass", resource="y")
    gateway.publish("g10", message("new"))
    found = []
    while "new" not in found:
        found += second.texts()
    assert found == (["3", "new"] if attrs else ["2", "3", "new"])
    second.call(f"<iq type='set' id='u' to='{DOMAIN}'>"
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                f"<unsubscribe node='g10' jid='{bare}'/></pubsub></iq>")
    second.call(attrs="type='terminate'")
    second.close()
    first.close()


@pytest.fixture
def acking(gateway):
    made = Session(gateway.port, rid=100, attrs="ack='1'").log_in()
    yield made
    made.close()


def test_G11_ack_tells_what_came_after_the_request_answered(acking):
    assert acking.call(ping("x")).xml.get("ack") is None
    for rest in (0, 1):
        acking.send(conn=rest)
    assert acking.receive(0).xml.get("ack") == str(acking.rid)
    acking.send(ping("y"), conn=0)
    answer = acking.receive(1)
    assert "id='y'" in answer.body and answer.xml.get("ack") == str(acking.rid)


def test_G11_nothing_is_acknowledged_past_a_gap(gateway):
    made = Session(gateway.port, rid=100, hold=2, attrs="ack='1'").log_in()
    made.conns.append(Conn(gateway.port))
    made.send(rid=made.rid + 3, conn=2)
    assert not made.conns[2].has_answer(0.05)
    answer = made.call(ping("x"))
    assert answer.xml.get("ack") is None
    made.close()


def test_G12_no_ack_says_that_all_answers_came(acking):
    """So an answer from before cannot be had again."""
    acking.call(ping("a"))
    acking.call(ping("b"))
    answer = acking.conns[1].call(acking.body(rid=acking.rid - 1))
    assert answer.condition == "item-not-found"


def test_G12_what_was_not_acknowledged_is_kept(acking):
    missed = acking.call(ping("a"))
    rid = acking.rid
    acking.call(ping("b"), attrs=f"ack='{rid - 1}'")
    assert acking.conns[1].call(acking.body(rid=rid)).body == missed.body


def test_G13_a_missed_answer_is_reported_at_once_and_not_again_and_again(acking):
    acking.call(ping("a"))
    missed = acking.rid
    report = acking.call(attrs=f"ack='{missed - 1}'")
    assert report.xml.get("report") == str(missed)
    assert 0 <= int(report.xml.get("time")) < 60000
    acking.send(attrs=f"ack='{missed - 1}'", conn=0)
    assert not acking.conns[0].has_answer(0.1)
    again = acking.conns[1].call(acking.body(rid=missed))
    assert "id='a'" in again.body


def test_G14_a_session_ends_with_the_last_number(gateway):
    last = 2**53 - 1
    session = Session(gateway.port, rid=last - 2)
    for _ in range(2):
        assert session.call("<enable xmlns='urn:xmpp:sm:3'/>").condition is None
    assert session.rid == last
    assert session.call().condition == "item-not-found"
    session.close()


@pytest.mark.parametrize("rid", [2**32 - 2, 2**31 - 2, 2**52])
def test_G14_rids_count_on_past_32_bits(gateway, rid):
    session = Session(gateway.port, rid=rid).log_in()
    assert "id='x'" in session.call(ping("x")).body
    session.close()


def test_G1_G3_two_connections_that_race_keep_the_order(gateway, session):
    """Both send as fast as they can; the rids decide."""
    session.subscribe("race")
    found, first = [], session.rid + 1

    def publish():
        for i in range(200):
            gateway.publish("race", message(i))

    thread = threading.Thread(target=publish)
    thread.start()
    session.send(rid=first, conn=0)
    rid = first
    while len(found) < 200:
        session.send(rid=rid + 1, conn=(rid + 1 - first) % 2)
        answer = session.receive((rid - first) % 2, seconds=20)
        assert answer.condition is None, answer.body
        found += texts(answer)
        rid += 1
    thread.join()
    assert found == [str(i) for i in range(200)]
