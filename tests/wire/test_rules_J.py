"""BOSH rules, section J: errors and ends (tests/rules/bosh.txt)."""

import pytest

from bosh import (DOMAIN, NB, STREAM, Api, Conn, Gateway, Session, message, until)


def ping(name):
    return f"<iq type='get' id='{name}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections='token "erin" { secret = "pass" }',
                 more='max-hold = 3 former-domains = {"old.test"}') as running:
        yield running


@pytest.fixture
def session(gateway):
    made = Session(gateway.port).log_in()
    yield made
    made.close()


def wrong_key(session):
    return session.call(attrs="key='x'")


def far(session):
    return session.conns[1].call(session.body(rid=session.rid + 50))


def impossible(session):
    return session.call(attrs="pause='0'")


def too_often(session):
    for _ in range(11):
        answer = session.conns[1].call(session.body(rid=session.rid))
    return answer


FAULTS = [(far, "item-not-found", 404), (impossible, "bad-request", 400),
          (too_often, "policy-violation", 403)]


@pytest.mark.parametrize("fault, condition, status", FAULTS)
def test_J1_errors_have_status_200_and_a_condition(
        session, fault, condition, status):
    answer = fault(session)
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert answer.condition == condition
    late = session.call()
    assert late.status == 200 and late.condition == "item-not-found"


@pytest.mark.parametrize("fault, condition, status", FAULTS)
def test_J2_a_client_without_ver_is_told_by_status(
        gateway, fault, condition, status):
    session = Session(gateway.port, ver="")
    answer = fault(session)
    assert answer.status == status
    assert answer.condition == condition
    assert session.call().status == 404
    session.close()


def test_J2_other_conditions_keep_status_200_without_ver_too(gateway):
    session = Session(gateway.port, ver="").log_in()
    answer = session.call("<presence from='mallory@x.test'/>")
    assert answer.status == 200 and answer.condition == "remote-stream-error"
    session.close()
    conn = Conn(gateway.port)
    for text in ("", "x", f"<body xmlns='{NB}'"):
        answer = conn.call(text)
        assert answer.status == 200 and answer.condition == "bad-request"
    for to, condition in (("", "improper-addressing"), ("to='x'", "host-unknown")):
        answer = conn.call(f"<body rid='1' {to} xmlns='{NB}'/>")
        assert answer.status == 200 and answer.condition == condition
    conn.close()


def test_J3_each_condition_where_it_belongs(gateway):
    """Of the thirteen, three are never sent: there is no server behind this one
    (remote-connection-failed), no error without a name (undefined-condition),
    and none of our own that ends a session and not the program
    (internal-server-error).  For system-shutdown see J12."""
    told = {}
    for attrs in ("rid='x'", "rid='1'", "rid='1' to='x'", "rid='1' to='old.test'",
                  f"rid='1' sid='x' to='{DOMAIN}'"):
        conn = Conn(gateway.port)
        told[attrs] = conn.call(f"<body {attrs} ver='1.6' xmlns='{NB}'/>").condition
        conn.close()
    assert list(told.values()) == [
        "bad-request", "improper-addressing", "host-unknown", "host-gone",
        "item-not-found"]
    session = Session(gateway.port).log_in()
    session.send()
    assert not session.conns[0].has_answer(0.05)
    for _ in range(11):
        session.send(rid=session.rid, conn=1)
        answer = session.receive(0)
        session.conns.reverse()
        if answer.condition is not None:
            break
    assert {answer.condition, session.receive(0).condition} == {
        "other-request", "policy-violation"}
    session.close()
    session = Session(gateway.port).log_in()
    assert session.call("<presence from='mallory@x.test'/>"
                        ).condition == "remote-stream-error"
    session.close()


def test_J3_J13_see_other_uri_names_the_uri():
    uri = "https://bosh.test/http-bind?a=1&b=2"
    with Gateway(more=f'assume-secure = no\nsecure-uri = "{uri}"') as gateway:
        answer = Session(gateway.port).created
        assert answer.status == 200 and answer.condition == "see-other-uri"
        assert answer.xml.find(f"{{{NB}}}uri").text == uri


@pytest.mark.parametrize("attrs", [
    "sid=''", "sid='x'", "", "sid='x' type='terminate'",
    f"sid='' to='{DOMAIN}'", f"sid='x' to='{DOMAIN}' ver='1.6'"])
def test_J4_a_confused_client_gets_no_session(gateway, attrs):
    before = gateway.metric("waft_bosh_sessions_total")
    conn = Conn(gateway.port)
    answer = conn.call(f"<body rid='1' {attrs} xmlns='{NB}'><presence/></body>")
    assert answer.status == 200 and answer.condition == "item-not-found"
    assert gateway.metric("waft_bosh_sessions_total") == before
    conn.close()


@pytest.mark.parametrize("held", [0, 1, 2])
def test_J5_terminate_tells_the_oldest_and_empties_the_others(gateway, held):
    session = Session(gateway.port, hold=3).log_in()
    session.conns.append(Conn(gateway.port))
    for conn in range(held):
        session.send(conn=conn)
        assert not session.conns[conn].has_answer(0.05)
    session.send(attrs="type='terminate'", conn=held)
    answers = [session.receive(conn) for conn in range(held + 1)]
    assert answers[0].condition == ""
    for each in answers[1:]:
        assert each.condition is None and len(each.xml) == 0
    session.close()


def test_J5_the_payload_of_a_terminate_takes_effect_first(gateway):
    """A durable subscription made in the last request is there afterwards."""
    bare = f"erin@{DOMAIN}"
    session = Session(gateway.port).log_in("PLAIN", "\0erin\0pass")
    session.call(f"<iq type='set' id='s' to='{DOMAIN}'>"
                 "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                 f"<subscribe node='j5' jid='{bare}'/></pubsub></iq>",
                 attrs="type='terminate'")
    api = Api(gateway.control)
    until(lambda: bare in api.call("GET", "/channels/j5/subscriptions/").text)
    session.close()


def test_J6_a_terminate_may_be_one_request_too_many(gateway, session):
    """The third of three where two are allowed, on a connection of its own."""
    last = Conn(gateway.port)
    session.send(rid=session.rid + 2, conn=1)
    assert not session.conns[1].has_answer(0.05)
    last.send(session.body(attrs="type='terminate'", rid=session.rid + 3))
    assert not last.has_answer(0.05)
    session.send(rid=session.rid + 1, conn=0)
    assert session.receive(0).condition == ""
    assert session.receive(1).condition is None
    assert last.receive().condition is None
    last.close()


@pytest.mark.parametrize("kind, ends", [
    ("terminate", True), ("terminal", True), ("error", False), ("", False),
    ("Terminate", False), ("x", False)])
def test_J7_terminal_ends_it_and_other_types_mean_nothing(session, kind, ends):
    answer = session.call(ping("x"), attrs=f"type='{kind}'")
    assert answer.condition == ("" if ends else None)


ENDS = {
    "terminate": lambda s: s.call(attrs="type='terminate'"),
    "error": far,
    "stream error": lambda s: s.call("<presence from='mallory@x.test'/>"),
    "silence": lambda s: None,
}


@pytest.fixture
def quiet():
    with Gateway(more='inactivity = "5s"') as running:
        yield running


def test_J8_whatever_ends_a_session_it_leaves_once(quiet):
    """It listens to a channel no more, and one more end is counted, though the
    client repeats itself."""
    def ends():
        text = Api(quiet.control).call("GET", "/metrics").text
        return sum(int(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("waft_bosh_ends_total"))

    def listeners():
        return quiet.metric("waft_bosh_sessions")

    before = ends()
    for i, end in enumerate(ENDS.values()):
        session = Session(quiet.port).log_in()
        answer = session.call(f"<presence type='subscribe' to='j8@{DOMAIN}'/>")
        assert "subscribed" in answer.body or "subscribed" in session.hear("subscr")
        end(session)
        until(lambda: listeners() == 0, 20)
        assert ends() == before + i + 1
        session.call(attrs="type='terminate'", conn=1)
        assert ends() == before + i + 1
        session.close()
    delivered = quiet.metric("waft_bosh_stanzas_total")
    quiet.publish("j8", message("to nobody"))
    probe = Session(quiet.port).log_in()
    probe.subscribe("j8probe")
    quiet.publish("j8probe", message("to one"))
    assert probe.texts() == ["to one"]
    assert quiet.metric("waft_bosh_stanzas_total") == delivered + 1
    probe.call(attrs="type='terminate'")
    probe.close()


@pytest.mark.parametrize("fault", [far, impossible])
def test_J9_the_requests_that_did_no_wrong_are_told_so(gateway, fault):
    session = Session(gateway.port, hold=3).log_in()
    session.conns.append(Conn(gateway.port))
    session.conns[0], session.conns[2] = session.conns[2], session.conns[0]
    session.send(conn=2)
    assert not session.conns[2].has_answer(0.05)
    assert fault(session).condition not in (None, "other-request")
    assert session.receive(2).condition == "other-request"
    session.close()


def test_J10_a_stream_error_stands_in_the_body_with_its_prefix(session):
    answer = session.call(ping("x") + "<presence from='mallory@x.test'/>")
    assert answer.condition == "remote-stream-error"
    assert f"xmlns:stream='{STREAM}'" in answer.body.split(">")[0]
    error = answer.xml.find(f"{{{STREAM}}}error")
    assert error[0].tag == "{urn:ietf:params:xml:ns:xmpp-streams}invalid-from"


def test_J15_neither_log_nor_metrics_have_a_whole_sid(gateway):
    sessions = [Session(gateway.port).log_in() for _ in range(2)]
    far(sessions[0])
    sessions[1].call("<presence from='mallory@x.test'/>")
    until(lambda: all(gateway.has_ended(each) for each in sessions))
    text = gateway.log.read_text() + Api(gateway.control).call(
        "GET", "/metrics").text
    for each in sessions:
        assert each.sid[:12] not in text
        each.close()


def test_J16_a_late_repeat_of_a_terminate_gets_the_same_answer(gateway, session):
    rid = session.rid + 1
    body = session.body(attrs="type='terminate'", rid=rid)
    first = session.conns[0].call(body)
    for _ in range(3):
        conn = Conn(gateway.port)
        assert conn.call(body).body == first.body
        conn.close()
