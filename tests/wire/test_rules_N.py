"""BOSH rules, section N: what it costs, what is bounded, what is counted
(tests/rules/bosh.txt).  The speed itself is measured by make bench; the bounds here
only show the shape of the cost."""

import pathlib
import re
import time

import pytest

from bosh import (BIND, BUILD, DOMAIN, NB, NC, ROOT, SASL, Api, Conn, Gateway, Session,
                  message, texts, until)

MANY = 500


@pytest.fixture(scope="module")
def crowd():
    """A gateway and MANY sessions of one channel, each with a request held."""
    with Gateway() as gateway:
        def status(name):
            text = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
            return int(re.search(rf"{name}:\s+(\d+)", text)[1])

        gateway.status = status
        begin(gateway, 1)[0].close()  # what is made once is there
        before = status("VmRSS")
        conns = begin(gateway, MANY)
        until(lambda: gateway.metric("waft_bosh_waiting") == MANY, 30)
        gateway.each = (status("VmRSS") - before) / MANY
        yield gateway, conns
        for conn in conns:
            conn.close()


def begin(gateway, count):
    conns = []
    for _ in range(count):
        conn = Conn(gateway.port)
        created = conn.call(
            f"<body rid='1' to='{DOMAIN}' ver='1.6' wait='59' xmlns='{NB}'>"
            f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>"
            f"<iq xmlns='{NC}' type='set' id='b'><bind xmlns='{BIND}'/></iq>"
            f"<presence xmlns='{NC}' type='subscribe' to='all@{DOMAIN}'/></body>")
        conn.sid, conn.rid, body = created.xml.get("sid"), 1, created.body
        while "subscribed" not in body:
            poll(conn)
            body += conn.receive().body
        poll(conn)
        conns.append(conn)
    return conns


def poll(conn):
    conn.rid += 1
    conn.send(f"<body rid='{conn.rid}' sid='{conn.sid}' xmlns='{NB}'/>")


def is_sanitized():
    return b"__asan_init" in (BUILD / "bin" / "waft-bosh").read_bytes()


def test_N1_a_held_request_costs_little_memory(crowd):
    """All of its session included, in KiB; a sanitizer keeps what is freed."""
    gateway, _ = crowd
    assert gateway.each < (120 if is_sanitized() else 12)


def test_N2_a_publish_reaches_all_that_wait_at_once(crowd):
    """Without a delay of our own: two thousand deliveries in a few seconds even
    where the machine is slow."""
    gateway, conns = crowd
    for round_ in range(4):
        begun = time.monotonic()
        gateway.publish("all", message(round_))
        for conn in conns:
            assert texts(conn.receive()) == [str(round_)]
        assert time.monotonic() - begun < 10
        for conn in conns:
            poll(conn)
        until(lambda: gateway.metric("waft_bosh_waiting") == MANY, 30)


def test_N3_those_who_wait_cost_no_time(crowd):
    """No scan of them all: the threads sleep."""
    gateway, _ = crowd

    def wakes():
        tasks = pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir()
        return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)",
                                 (task / "status").read_text())[1])
                   for task in tasks)

    before = wakes()
    time.sleep(1)  # it is the silence that is measured
    assert wakes() - before < 20


def test_N4_what_waits_for_a_client_is_bounded():
    """Items stay in the store and come later; answers that are not fetched have
    no other place, and end the session."""
    with Gateway(more='client-queue = "16K"') as gateway:
        slow = Session(gateway.port).log_in()
        slow.subscribe("n4")
        for i in range(60):
            gateway.publish("n4", message(f"{i:02}" + "x" * 1000))
        until(lambda: gateway.metric("waft_bosh_full_total") > 0)
        found = []
        while len(found) < 60:
            found += [text[:2] for text in texts(slow.call())]
        assert found == [f"{i:02}" for i in range(60)]
        iq = (f"<iq type='get' id='{'i' * 200}'><ping xmlns='urn:xmpp:ping'/>"
              "</iq>") * 100
        assert slow.call(iq).condition == "policy-violation"
        assert gateway.metric("waft_bosh_overflows_total") == 1
        slow.close()


def test_N5_the_defaults():
    """Those on the wire; the others are in the example, which is what the
    program has built in (tests/unit/test_conf_example.c)."""
    with Gateway() as gateway:
        root = Session(gateway.port, wait=9999).created.xml
        assert [root.get(name) for name in (
            "wait", "hold", "requests", "inactivity", "polling", "maxpause")
        ] == ["59", "1", "2", "60", "2", "120"]
        conn = Conn(gateway.port)
        assert conn.call("x" * 256 * 1024).condition == "bad-request"
        conn.socket.sendall(b"POST /http-bind HTTP/1.1\r\nHost: x\r\n"
                            b"Content-Length: 262145\r\n\r\n")
        assert conn.receive().status == 413
        conn.close()
    example = (ROOT / "docs" / "waft.conf.example").read_text()
    bosh = example[example.index("\nbosh {"):]
    assert "#sessions-per-address = 200\n" in bosh[:bosh.index("\n}")]


def test_N6_all_that_happens_is_counted():
    with Gateway() as gateway:
        def count(name):
            return gateway.metric(f"waft_bosh_{name}")

        session = Session(gateway.port).log_in()
        assert count("sessions") == count("sessions_total") == 1
        requests, sent = count("requests_total"), count("request_bytes_total")
        session.send(conn=0)
        until(lambda: count("waiting") == 1)
        assert count("requests_total") == requests + 1
        body = session.body(rid=session.rid)
        assert count("request_bytes_total") == sent + len(body)
        session.conns[1].send(body)
        assert session.receive(0).xml.get("type") == "error"
        assert count("recoverable_errors_total") == 1
        session.conns[1].close()
        until(lambda: count("dead_total") == 1)
        assert count("waiting") == 0
        answered = count("answer_bytes_total")
        answer = session.call("<enable xmlns='urn:xmpp:sm:3'/>")
        assert count("answer_bytes_total") == answered + len(answer.body)
        session.conns[0].send(session.body(rid=session.rid))
        assert session.receive(0).body == answer.body
        assert count("repeats_total") == 1
        session.rid += 50
        assert session.call().condition == "item-not-found"
        assert count('ends_total{condition="item-not-found"}') == 1
        assert count("sessions") == 0
        histogram = Api(gateway.control).call("GET", "/metrics").text
        assert "# TYPE waft_bosh_hold_seconds histogram" in histogram
        whole = count('hold_seconds_bucket{le="+Inf"}')
        assert whole == count("hold_seconds_count") == count("requests_total") - 1
        assert 0 < count('hold_seconds_bucket{le="10"}') <= whole
        session.close()


def test_N6_the_time_of_a_hold_is_in_the_histogram():
    with Gateway() as gateway:
        session = Session(gateway.port, wait=1)
        assert session.call().condition is None
        short, whole = (gateway.metric(
            f'waft_bosh_hold_seconds_bucket{{le="{le}"}}')
            for le in ("0.1", "60"))
        assert short < whole
        session.close()
