"""BOSH rules, section H: holding, inactivity, polling, pause, overactivity
(tests/rules/bosh.txt).  The exact times are in tests/unit/test_session*.c."""

import time

import pytest

from bosh import DOMAIN, Api, Conn, Gateway, Session, message, texts, until


def ping(name):
    return f"<iq type='get' id='{name}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture(scope="module")
def short():
    with Gateway(more='inactivity = "5s" polling = "1s" max-pause = "7s"'
                 ) as running:
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


def test_H1_payload_takes_effect_while_its_request_waits(gateway, session):
    session.send(f"<presence type='subscribe' to='h1@{DOMAIN}'/>", conn=0)
    session.hear("subscribed", 0)
    session.send(subscribe(session, "h1b"), conn=1)
    session.hear("id='s'", 1)
    session.send(f"<presence type='unsubscribe' to='h1@{DOMAIN}'/>", conn=0)
    session.send(conn=1)
    for channel in ("h1", "h1b"):
        gateway.publish(channel, message(f"of {channel}"))
    assert "of h1<" not in session.hear("of h1b", 0, 1)


def test_H2_an_empty_answer_comes_before_the_wait_is_over(gateway):
    session = Session(gateway.port, wait=2).log_in()
    begun = time.monotonic()
    answer = session.call()
    took = time.monotonic() - begun
    assert len(answer.xml) == 0 and answer.condition is None
    assert 1.5 <= took < 12
    session.close()


@pytest.mark.parametrize("payload", ["", "<presence/>"])
def test_H2b_with_payload_or_without_a_request_is_held_alike(
        gateway, session, payload):
    session.subscribe("h2b")
    session.send(payload, conn=0)
    assert not session.conns[0].has_answer(0.1)
    gateway.publish("h2b", message("one"))
    assert texts(session.receive(0)) == ["one"]
    session.send(payload, conn=0)
    session.send(payload, conn=1)
    assert len(session.receive(0).xml) == 0
    assert not session.conns[1].has_answer(0.1)


def test_H2b_both_wait_as_long(gateway):
    took = []
    for payload in ("", "<presence/>"):
        session = Session(gateway.port, wait=1).log_in()
        begun = time.monotonic()
        assert len(session.call(payload).xml) == 0
        took.append(time.monotonic() - begun)
        session.close()
    assert all(0.7 < each < 10 for each in took)


def test_H3_a_second_request_releases_the_first_at_once(session):
    begun = time.monotonic()
    for i in range(10):
        session.send(conn=i % 2)
        if i > 0:
            assert len(session.receive((i - 1) % 2, seconds=5).xml) == 0
    assert time.monotonic() - begun < 5
    assert not session.conns[1].has_answer(0.05)


def test_H3_two_are_held_where_two_were_granted():
    with Gateway(more="max-hold = 2") as gateway:
        session = Session(gateway.port, hold=2).log_in()
        session.conns.append(Conn(gateway.port))
        for conn in range(2):
            session.send(conn=conn)
            assert not session.conns[conn].has_answer(0.05)
        session.send(conn=2)
        assert len(session.receive(0).xml) == 0
        assert not session.conns[1].has_answer(0.05)
        session.close()


def test_H4_a_burst_comes_in_few_answers_and_in_order(gateway, session):
    session.subscribe("h4")
    session.send()
    assert not session.conns[0].has_answer(0.05)
    Api(gateway.control).publish(*[
        {"channel": "h4", "formats": {"xmpp-stanza": {"content": message(i)}}}
        for i in range(1000)])
    answer = session.receive()
    found, answers = texts(answer), 1
    while len(found) < 1000:
        found += texts(session.call())
        answers += 1
    assert found == [str(i) for i in range(1000)]
    assert answers <= 50


def test_H5_H6_H8_H9_H13_the_silence_that_is_allowed(short):
    """Side by side, for it takes its time: a session held past the limit, a
    silent one, one whose poll died, a polling one, one that pauses and comes
    back, and one that asks for a pause beyond the longest."""
    held = Session(short.port, wait=7)
    silent = Session(short.port)
    died = Session(short.port)
    polling = Session(short.port, hold=0)
    paused = Session(short.port).log_in()
    endless = Session(short.port)
    assert paused.created.xml.get("maxpause") == "7"
    assert polling.created.xml.get("inactivity") == "7"
    held.send()
    died.send()
    died.conns[0].close()
    begun = time.monotonic()
    for each in (paused, endless):
        assert each.call(attrs="pause='9999'").condition is None
    until(lambda: short.has_ended(silent) and short.has_ended(died), 20)
    assert time.monotonic() - begun > 4
    assert "id='here'" in paused.call(ping("here")).body
    assert polling.call().condition is None
    assert not short.has_ended(endless)
    # Silently: nothing came on its connection, and nobody knows it any more.
    assert not silent.conns[0].has_answer(0.01)
    for rid in (silent.rid, silent.rid + 1):
        assert silent.conns[1].call(silent.body(rid=rid)
                                    ).condition == "item-not-found"
    assert died.call(conn=1).condition == "item-not-found"
    assert len(held.receive(seconds=20).xml) == 0
    until(lambda: short.has_ended(endless), 20)
    assert time.monotonic() - begun > 6
    # The request that came back set the limit to what it was.
    assert not short.has_ended(held)
    for each in (held, silent, died, polling, paused, endless):
        each.close()


def test_H7_sixty_seconds_by_default(session):
    assert session.created.xml.get("inactivity") == "60"


def test_H8_a_pause_answers_all_and_carries_nothing(gateway, session):
    session.subscribe("h8")
    session.send(conn=0)
    assert not session.conns[0].has_answer(0.05)
    # Both arrive at once: the stanza of the ping must wait.
    session.send(ping("later"), attrs="pause='100'", conn=1)
    first, second = session.receive(0), session.receive(1)
    assert len(first.xml) == len(second.xml) == 0
    assert first.condition is None and second.condition is None
    gateway.publish("h8", message("meanwhile"))
    answer = session.call()
    found = answer.body
    while "meanwhile" not in found:
        found += session.call().body
    assert found.index("id='later'") < found.index("meanwhile")


def test_H8_the_pause_s_answer_is_repeated_like_any_other(session):
    answer = session.call(attrs="pause='100'")
    again = session.conns[1].call(session.body(attrs="pause='100'",
                                               rid=session.rid))
    assert again.body == answer.body and again.condition is None


def test_H9_a_pause_where_none_was_announced_is_not_looked_at():
    with Gateway(more='max-pause = "0s"') as gateway:
        session = Session(gateway.port).log_in()
        session.send(attrs="pause='10'")
        assert not session.conns[0].has_answer(0.1)
        session.close()


@pytest.mark.parametrize("pause", ["0", "-1", "x", "", "1.5"])
def test_H9_an_impossible_pause_is_a_bad_request(session, pause):
    assert session.call(attrs=f"pause='{pause}'").condition == "bad-request"


def test_H10_dead_requests_do_not_count(gateway, session):
    for i in range(6):
        conn = Conn(gateway.port)
        conn.send(session.body())
        assert not conn.has_answer(0.02)
        before = gateway.metric("waft_bosh_dead_total")
        conn.close()
        until(lambda: gateway.metric("waft_bosh_dead_total") > before)
    session.send(conn=0)
    session.send(conn=1)
    assert session.receive(0).condition is None
    session.send(ping("x"), conn=0)
    assert "id='x'" in session.receive(1).body


def at_once(session, bodies):
    """On one connection, in one write: none can be answered before the last."""
    conn = session.conns[0]
    conn.socket.sendall(b"".join(
        b"POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        % len(body) + body.encode() for body in bodies))
    return [conn.receive().condition for _ in bodies[:-1]] + (
        [conn.receive().condition] if conn.has_answer(0.2) else [None])


@pytest.mark.parametrize("attrs, allowed", [
    ("", False), ("pause='10'", True), ("type='terminate'", True)])
def test_H10_J6_one_more_is_allowed_to_pause_or_to_end(session, attrs, allowed):
    bodies = [session.body(), session.body(), session.body(attrs=attrs)]
    conditions = at_once(session, bodies)
    if allowed:
        assert "policy-violation" not in conditions
        assert ("" in conditions) == ("terminate" in attrs)
    else:
        assert conditions == ["other-request", "other-request",
                              "policy-violation"]


def test_H11_two_empty_ones_in_a_row_are_no_violation(gateway, session):
    """The second answers the first (H3), so that never two go unanswered."""
    for _ in range(3):
        session.send(conn=0)
        session.send(conn=1)
        assert session.receive(0).condition is None
        session.send(conn=0)
        assert session.receive(1).condition is None
        session.send(conn=1)
        assert session.receive(0).condition is None
        session.send(conn=0)
        assert session.receive(1).condition is None
        session.call(attrs="pause='60'", conn=1)
        assert session.receive(0).condition is None


def test_H12_no_interval_is_kept_that_was_not_announced():
    with Gateway(more='polling = "0s"') as gateway:
        session = Session(gateway.port, hold=0)
        assert session.created.xml.get("polling") is None
        assert session.created.xml.get("requests") == "1"
        for _ in range(20):
            assert session.call().condition is None
        session.close()


@pytest.mark.parametrize("how", [{"hold": 0}, {"wait": 0}, {"hold": 0, "wait": 0}])
def test_H13_polling_is_asked_for_by_hold_or_by_wait(gateway, how):
    session = Session(gateway.port, **how).log_in()
    root = session.created.xml
    assert root.get("requests") == "1" and root.get("hold") == "0"
    assert int(root.get("inactivity")) > 60 + int(root.get("polling"))
    begun = time.monotonic()
    assert len(session.call().xml) == 0
    assert time.monotonic() - begun < 5
    session.close()


def test_H14_empty_polls_too_close_violate_the_policy(gateway):
    session = Session(gateway.port, hold=0).log_in()
    assert session.call().condition is None
    assert session.call().condition == "policy-violation"
    session.close()


def test_H14_polls_are_no_violation_when_something_came(gateway):
    session = Session(gateway.port, hold=0).log_in()
    session.subscribe("h14")
    for i in range(5):
        gateway.publish("h14", message(i))
        gateway.metric("waft_bosh_sessions")
        until(lambda: texts(session.call("<presence/>")) == [str(i)])
    assert session.call(ping("x")).condition is None
    session.close()


def test_H14_polls_far_enough_apart_are_no_violation(short):
    session = Session(short.port, hold=0).log_in()
    assert session.call().condition is None
    time.sleep(1.2)  # it is the interval that is tested
    assert session.call().condition is None
    session.close()
