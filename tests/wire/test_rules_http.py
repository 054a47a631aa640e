"""BOSH rules, sections A (HTTP) and B (CORS), J13 to J15 (tests/rules/bosh.txt)."""

import base64
import gzip as gzip_coding
import json
import pathlib
import re
import socket
import struct
import subprocess
import time

import pytest

from bosh import (DOMAIN, NB, NC, XB, Conn, Gateway, Session, message, texts,
                  until)
from certificates import Authority, section

CREATE = f"<body rid='9' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>"
UNKNOWN = f"<body rid='9' sid='none' xmlns='{NB}'/>"
TOKEN = 'token "alice" { secret = "wonderland" }\n'


@pytest.fixture(scope="module")
def gateway():
    with Gateway("polling = 0s",
                 "http { request-timeout = 2s idle-timeout = 5s }") as running:
        yield running


@pytest.fixture
def conn(gateway):
    made = Conn(gateway.port)
    yield made
    made.close()


def raw(conn, head, body=b""):
    conn.socket.sendall("\r\n".join([*head, "", ""]).encode() + body)


# ---- A: HTTP -------------------------------------------------------------

def test_A1_unknown_headers_are_ignored(conn):
    headers = [f"X-Unknown-{i}: {i}" for i in range(30)]
    assert conn.call(CREATE, headers=headers).xml.get("sid")


def test_A1_a_media_type_as_coding_means_nothing(conn):
    for value in "text/xml; charset=utf-8", "identity", "":
        answer = conn.call(CREATE, headers=[f"Content-Encoding: {value}"])
        assert answer.xml.get("sid")


def test_A2_get_is_answered_for_people_and_makes_no_session(gateway, conn):
    before = gateway.metric("waft_bosh_sessions")
    answer = conn.call("", method="GET")
    assert answer.status == 200 and "BOSH" in answer.body
    assert conn.call("", method="GET", path="/http-bind?%3Cbody").status == 404
    conn.send("", method="HEAD")
    raw(conn, ["GET /http-bind HTTP/1.1", "Host: x"])
    head = conn.receive_head()
    assert head.status == 200 and head.header("Content-Length") != "0"
    assert "BOSH" in conn.receive().body
    for method in "PUT", "DELETE", "PATCH":
        answer = conn.call("", method=method)
        assert answer.status in (405, 501), method
        assert answer.header("Access-Control-Allow-Origin") == "*"
    assert gateway.metric("waft_bosh_sessions") == before


def test_A2_an_empty_post_is_answered_so_that_a_client_can_read_it(conn):
    answer = conn.call("")
    assert answer.condition == "bad-request"


def test_A3_A6_A16_every_answer_has_its_length_and_is_not_kept(conn):
    for _ in range(20):
        answer = conn.call(CREATE)
        assert answer.status_line == "HTTP/1.1 200 OK"
        assert answer.header("Transfer-Encoding") is None
        assert answer.header("Content-Length") == str(len(answer.body))
        assert answer.header("Content-Type") == "text/xml; charset=utf-8"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("X-Content-Type-Options") == "nosniff"


BAD = {
    400: ["POST /http-bind HTTP/1.1", "Host: x", "Content-Length: x"],
    404: ["POST /nowhere HTTP/1.1", "Host: x", "Content-Length: 0"],
    413: ["POST /http-bind HTTP/1.1", "Host: x", "Origin: https://chat.test",
          "Content-Length: 99999999"],
    415: ["POST /http-bind HTTP/1.1", "Host: x", "Origin: https://chat.test",
          "Content-Encoding: br", "Content-Length: 0"],
    431: ["POST /http-bind HTTP/1.1", "Host: x", "X: " + "y" * 20000],
    200: ["POST /http-bind HTTP/1.1", "Host: x", "Origin: https://chat.test",
          f"Content-Length: {len(UNKNOWN)}", "", UNKNOWN],
}


@pytest.mark.parametrize("status", sorted(BAD))
def test_A16_B2_errors_have_the_headers_too(conn, status):
    raw(conn, BAD[status])
    answer = conn.receive()
    assert answer.status == status
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_A4_a_chunked_request_is_read(conn):
    chunks = "".join(f"{len(c):x}\r\n{c}\r\n"
                     for c in (CREATE[:5], CREATE[5:40], CREATE[40:]))
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x",
               "Transfer-Encoding: chunked"], chunks.encode() + b"0\r\n\r\n")
    assert conn.receive().xml.get("sid")


def test_A5_http_1_0_is_answered_and_closed(conn):
    assert conn.call(CREATE, version="HTTP/1.0").xml.get("sid")
    assert conn.is_closed()


def test_A5_http_1_0_is_kept_alive_when_asked(conn):
    for _ in range(3):
        answer = conn.call(CREATE, version="HTTP/1.0",
                           headers=["Connection: keep-alive"])
        assert answer.xml.get("sid")
        assert answer.header("Connection").lower() == "keep-alive"


def test_A7_A8_a_pipelined_request_takes_effect_while_one_is_held(gateway):
    session = Session(gateway.port).log_in()
    session.subscribe("news")
    conn = session.conns[0]
    session.send()
    until(lambda: gateway.metric("waft_bosh_waiting") > 0)
    session.send(f"<iq type='get' id='ping' xmlns='{NC}'>"
                 "<ping xmlns='urn:xmpp:ping'/></iq>")
    first, second = conn.receive(), None
    assert first.condition is None
    if "id='ping'" not in first.body:
        second = conn.receive()
        assert "id='ping'" in second.body
    else:
        gateway.publish("news", "<message><body>x</body></message>")
        assert texts(conn.receive()) == ["x"]
    session.close()


def at_worker(gateway, worker):
    """A session that lives in that worker: its sid says so."""
    for _ in range(200):
        session = Session(gateway.port).log_in()
        if session.sid.startswith(f"{worker:02x}"):
            return session
        session.close()
    raise AssertionError("the kernel gives that worker nothing")


def test_A7_pipelined_requests_of_sessions_of_two_workers_keep_their_order(
        gateway):
    one, two = at_worker(gateway, 0), at_worker(gateway, 1)
    one.subscribe("one")
    two.subscribe("two")
    shared = Conn(gateway.port)
    for _ in range(3):
        shared.send(one.body(rid=one.rid + 1))
        shared.send(two.body(rid=two.rid + 1))
        one.rid += 1
        two.rid += 1
        gateway.publish("two", "<message><body>second</body></message>")
        assert not shared.has_answer(), "its turn has not come"
        gateway.publish("one", "<message><body>first</body></message>")
        assert texts(shared.receive()) == ["first"]
        assert texts(shared.receive()) == ["second"]
    one.close()
    two.close()
    shared.close()


def test_A7_many_requests_of_many_sessions_on_one_connection(gateway):
    """More than pipeline-max: those behind wait until they are read."""
    sessions = [Session(gateway.port).log_in() for _ in range(20)]
    assert len({session.sid[:2] for session in sessions}) == 2
    shared = Conn(gateway.port)
    for _ in range(5):
        for session in sessions:
            session.rid += 1
            shared.send(session.body(
                f"<iq type='get' id='{session.sid}' xmlns='{NC}'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>", rid=session.rid))
        for session in sessions:
            assert f"id='{session.sid}'" in shared.receive().body
    for session in sessions:
        session.close()
    shared.close()


@pytest.mark.parametrize("way", ["close", "reset", "half"])
def test_A9_the_close_of_a_held_request_is_noticed_at_any_worker(gateway, way):
    session = Session(gateway.port).log_in()
    forwarded = set()
    for _ in range(100):
        conn = Conn(gateway.port)
        before = gateway.metric("waft_bosh_relayed_requests_total")
        conn.send(session.body(rid=session.rid + 1))
        session.rid += 1
        until(lambda: gateway.metric("waft_bosh_waiting") == 1)
        forwarded.add(
            gateway.metric("waft_bosh_relayed_requests_total") > before)
        if way == "reset":
            conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        if way == "half":
            conn.socket.shutdown(socket.SHUT_WR)
        else:
            conn.close()
        until(lambda: gateway.metric("waft_bosh_waiting") == 0)
        conn.close()
        if len(forwarded) == 2:
            break
    assert forwarded == {False, True}
    session.close()


def test_A9_the_close_of_a_pipeline_ends_all_of_it(gateway):
    session = Session(gateway.port, hold=1).log_in()
    others = [Session(gateway.port).log_in() for _ in range(3)]
    conn = Conn(gateway.port)
    for each in session, *others:
        each.rid += 1
        conn.send(each.body(rid=each.rid))
    until(lambda: gateway.metric("waft_bosh_waiting") == 4)
    conn.close()
    until(lambda: gateway.metric("waft_bosh_waiting") == 0)
    for each in session, *others:
        answer = each.call(f"<iq type='get' id='p' xmlns='{NC}'>"
                           "<ping xmlns='urn:xmpp:ping'/></iq>")
        assert "id='p'" in answer.body
        each.close()


@pytest.mark.parametrize("kind", [
    [], ["Content-Type: text/plain"], ["Content-Type: application/xml"],
    ["Content-Type: application/x-www-form-urlencoded"],
    ["Content-Type: text/xml; charset=utf-8"]])
def test_A10_a_request_s_content_type_means_nothing(conn, kind):
    assert conn.call(CREATE, headers=kind).xml.get("sid")


@pytest.mark.parametrize("path", ["/http-bind", "/http-bind/", "/bosh",
                                  "/http-bind?room=a", "/http-bind/?x"])
def test_A11_the_paths_that_clients_use(conn, path):
    assert conn.call(CREATE, path=path).xml.get("sid")


# ---- A12, A13: coding ----------------------------------------------------

@pytest.fixture(scope="module")
def coding():
    with Gateway("gzip = yes") as running:
        yield running


def echo(session, size, accept, conn=0):
    """An answer of about that size, as bytes."""
    session.rid += 1
    session.conns[conn].send(session.body(
        f"<iq type='get' id='{'i' * size}' xmlns='{NC}'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>", rid=session.rid),
        headers=[f"Accept-Encoding: {line}" for line in accept])
    return session.conns[conn].receive_raw()


@pytest.mark.parametrize("accept", [
    ["gzip"], ["GZip"], ["deflate, gzip;q=0.5"], ["*"], ["x-gzip"],
    ["br, gzip, deflate"], ["identity;q=0.5, *;q=0.1"], ["br", "gzip"],
    ["gzip;q=0.001"], ["*;q=0, gzip"]])
def test_A12_gzip_for_those_who_accept_it(coding, accept):
    session = Session(coding.port).log_in()
    head, body = echo(session, 5000, accept)
    assert head.header("Content-Encoding") == "gzip"
    assert head.header("Vary") == "Accept-Encoding"
    assert head.header("Content-Length") == str(len(body))
    assert head.header("Content-Type") == "text/xml; charset=utf-8"
    assert len(body) < 1000
    assert b"i" * 5000 in gzip_coding.decompress(body)
    session.close()


@pytest.mark.parametrize("accept", [
    [], [""], ["identity"], ["br"], ["gzip;q=0"], ["gzip; q=0.000"], ["*;q=0"],
    ["gzip;q=0, *"], ["gzipped"], ["deflate, gzip ; q=0"]])
def test_A12_and_for_nobody_else(coding, accept):
    session = Session(coding.port).log_in()
    head, body = echo(session, 5000, accept)
    assert head.header("Content-Encoding") is None
    assert head.header("Vary") == "Accept-Encoding"
    assert b"i" * 5000 in body
    session.close()


def test_A12_short_answers_are_left_alone(coding):
    session = Session(coding.port).log_in()
    head, body = echo(session, 10, ["gzip"])
    assert head.header("Content-Encoding") is None and b"iiii" in body
    session.close()


def test_A12_coded_answers_keep_their_place_in_a_pipeline(coding):
    sessions = [Session(coding.port).log_in() for _ in range(6)]
    conn = Conn(coding.port)
    for number, session in enumerate(sessions):
        session.rid += 1
        conn.send(session.body(
            f"<iq type='get' id='{str(number) * 3000}' xmlns='{NC}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>", rid=session.rid),
            headers=["Accept-Encoding: gzip"])
    for number in range(6):
        head, body = conn.receive_raw()
        assert (str(number) * 3000).encode() in gzip_coding.decompress(body)
        sessions[number].close()
    conn.close()


def test_A12_it_is_off_unless_asked_for(gateway):
    session = Session(gateway.port).log_in()
    head, body = echo(session, 5000, ["gzip"])
    assert head.header("Content-Encoding") is None and b"iiii" in body
    assert head.header("Vary") is None
    session.close()


def test_A13_no_coding_of_requests_is_advertised_and_none_is_read(gateway):
    session = Session(gateway.port)
    assert session.created.xml.get("accept") is None
    for coding in "gzip", "deflate", "br", "nonsense":
        conn = Conn(gateway.port)
        answer = conn.call(gzip_coding.compress(session.body().encode()),
                           headers=[f"Content-Encoding: {coding}"])
        assert answer.status == 415
        conn.close()
    session.close()


# ---- A14 to A18 ----------------------------------------------------------

def test_A14_expect_100_is_answered_before_the_body(conn):
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x", "Expect: 100-continue",
               f"Content-Length: {len(CREATE)}"])
    assert conn.receive().status == 100
    conn.socket.sendall(CREATE.encode())
    assert conn.receive().xml.get("sid")


def test_A14_behind_a_held_request_it_comes_in_its_turn(gateway):
    session = Session(gateway.port).log_in()
    conn = session.conns[0]
    session.send()
    body = session.body(f"<iq type='get' id='e' xmlns='{NC}'>"
                        "<ping xmlns='urn:xmpp:ping'/></iq>")
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x", "Expect: 100-continue",
               f"Content-Length: {len(body)}"])
    assert not conn.has_answer()
    # A client may stop waiting for it (RFC 9110 §10.1.1).
    conn.socket.sendall(body.encode())
    got = conn.receive()
    assert got.status == 200
    if "id='e'" not in got.body:
        assert "id='e'" in conn.receive().body
    session.close()


def test_A14_curl_sends_four_kilobytes(gateway):
    session = Session(gateway.port).log_in()
    body = session.body(f"<iq type='get' id='{'i' * 4096}' xmlns='{NC}'>"
                        "<ping xmlns='urn:xmpp:ping'/></iq>")
    done = subprocess.run(
        ["curl", "-s", "-v", "--max-time", "20", "--expect100-timeout", "15",
         "-H", "Expect: 100-continue", "--data-binary", "@-",
         f"http://127.0.0.1:{gateway.port}/http-bind"],
        input=body, capture_output=True, text=True, timeout=30)
    assert "i" * 4096 in done.stdout, done.stderr
    assert "HTTP/1.1 100 Continue" in done.stderr
    session.close()


def test_A15_a_body_that_is_too_large_is_refused_by_its_length(conn):
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x", "Content-Length: 300000"])
    assert conn.receive().status == 413
    assert conn.is_closed()


def test_A15_a_chunked_body_that_is_too_large_is_refused_where_it_shows(conn):
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x",
               "Origin: https://chat.test", "Transfer-Encoding: chunked"])
    conn.socket.sendall(b"40000\r\n" + b"x" * 0x40000 + b"\r\n1\r\nx\r\n")
    answer = conn.receive()
    assert answer.status == 413
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert conn.is_closed()


def test_A15_a_head_that_is_too_large_is_refused(conn):
    raw(conn, ["POST /http-bind HTTP/1.1", "Host: x",
               *(f"X-{i}: {'y' * 1000}" for i in range(20))])
    assert conn.receive().status == 431
    assert conn.is_closed()


def test_A15_B2_a_request_byte_by_byte_is_given_up(gateway):
    """In its head, in its body, and in a chunk of it."""
    head = ["POST /http-bind HTTP/1.1", "Host: x", "Origin: https://chat.test"]
    slow = [Conn(gateway.port) for _ in range(3)]
    raw(slow[1], [*head, "Content-Length: 100000"])
    raw(slow[2], [*head, "Transfer-Encoding: chunked"], b"ffff\r\n")
    left, end = list(slow), time.monotonic() + 20
    while left and time.monotonic() < end:
        for conn in left:
            conn.socket.sendall(b"x")
        left = [conn for conn in left if not conn.has_answer(0.05)]
    for conn in slow:
        answer = conn.receive()
        assert answer.status == 408
        assert answer.header("Access-Control-Allow-Origin") == "*"
        conn.close()


def data_segments(conn):
    """Segments with data that this side has received (Linux, tcp_info)."""
    info = conn.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("I", info, 152)[0]


def test_A17_one_write_for_each_response(gateway):
    session = Session(gateway.port).log_in()
    session.subscribe("news")
    conn = session.conns[0]
    before = data_segments(conn)
    for number in range(20):
        session.call(f"<iq type='get' id='{'i' * 1000 * number}' xmlns='{NC}'>"
                     "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert data_segments(conn) == before + 20
    session.send()
    for number in range(5):
        gateway.publish("news", f"<message><body>{number}</body></message>")
    session.receive()
    assert data_segments(conn) == before + 21
    session.close()


def test_A17_nothing_waits_for_an_acknowledgement(gateway):
    """Without TCP_NODELAY the second of two answers waits until the first is
    acknowledged, which this side puts off for 40 ms."""
    one, two = (Session(gateway.port).log_in() for _ in range(2))
    one.subscribe("one")
    two.subscribe("two")
    shared = Conn(gateway.port)
    best = 60
    for _ in range(20):
        for session in one, two:
            session.rid += 1
            shared.send(session.body(rid=session.rid))
        shared.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        gateway.publish("one", message("1"))
        assert texts(shared.receive()) == ["1"]
        began = time.monotonic()
        gateway.publish("two", message("2"))
        assert texts(shared.receive()) == ["2"]
        best = min(best, time.monotonic() - began)
    assert best < 0.025
    for each in one, two, shared:
        each.close()


def mechanisms(session):
    return {each.text for each in session.created.xml.iter(
        "{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")}


class Proxied:
    """A session creation with headers, from an address of loopback."""

    def __init__(self, gateway, *headers, source="127.0.0.1"):
        self.conn = Conn.__new__(Conn)
        self.conn.socket = socket.create_connection(
            ("127.0.0.1", gateway.port), 10, (source, 0))
        self.conn.buffer = b""
        self.created = self.conn.call(CREATE, headers=headers)

    @property
    def sid(self):
        return self.created.xml.get("sid")

    def poll(self, *headers):
        self.conn.send(f"<body rid='10' sid='{self.sid}' xmlns='{NB}' "
                       "type='terminate'/>", headers=headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()


@pytest.fixture(scope="module")
def behind():
    with Gateway('assume-secure = no sessions-per-address = 2 '
                 'trusted-proxies = {"127.0.0.1", "10.0.0.0/8"}',
                 TOKEN) as running:
        yield running


HTTPS = "X-Forwarded-Proto: https"


def test_A18_whom_a_trusted_proxy_names_is_counted(behind):
    def refused(*lines, source="127.0.0.1"):
        with Proxied(behind, *(f"X-Forwarded-For: {line}" for line in lines),
                     source=source) as session:
            return session.created.condition == "policy-violation"

    assert not refused("203.0.113.9")
    assert not refused("198.51.100.1, 203.0.113.9, 10.1.2.3")
    assert refused("203.0.113.9")
    assert refused("198.51.100.1", "203.0.113.9"), "two lines are one list"
    assert refused("203.0.113.9, 10.0.0.1 ,10.9.9.9")
    assert not refused("203.0.113.10")
    assert not refused("2001:db8::1")
    # What is no address ends the search at the proxy that passed it on.
    assert not refused("203.0.113.9, unknown")
    assert not refused("")
    # Another address of this machine is not trusted, and not counted.
    for _ in range(4):
        assert not refused("203.0.113.9", source="127.0.0.9")


def test_A18_whether_it_is_secure_is_what_a_trusted_proxy_says(behind):
    def offered(*headers, source="127.0.0.1"):
        with Proxied(behind, "X-Forwarded-For: 192.0.2.77", *headers,
                     source=source) as session:
            found = mechanisms(session)
            session.poll(*headers)
            session.conn.receive()
            return "PLAIN" in found

    assert offered(HTTPS)
    assert not offered()
    assert not offered("X-Forwarded-Proto: http")
    assert not offered("X-Forwarded-Proto: https, http")
    assert not offered("X-Forwarded-Proto: https", "X-Forwarded-Proto: http")
    assert offered("X-Forwarded-Proto: http", "X-Forwarded-Proto: HTTPS")
    assert not offered(HTTPS, source="127.0.0.9")


@pytest.mark.parametrize("option, said", [
    ('trusted-proxies = {"10.0.0.0/8", "proxy"}', '"proxy"'),
    ('trusted-proxies = {"10.0.0.1/8"}', '"10.0.0.1/8"'),
    ('secure-uri = "http://push.test/"', "https://")])
def test_A18_J13_a_bad_network_or_address_is_a_fault_of_the_configuration(
        tmp_path, option, said):
    from daemons import BUILD
    conf = tmp_path / "waft.conf"
    conf.write_text(f"bosh {{ {option} }}\n")
    done = subprocess.run([BUILD / "bin" / "waft", "check", "-c", conf],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 78 and said in done.stderr, done.stderr


# ---- B: CORS -------------------------------------------------------------

PREFLIGHT = ["Access-Control-Request-Method: POST",
             "Access-Control-Request-Headers: content-type"]


def test_B1_a_preflight_is_allowed_and_empty(conn):
    for origin in ["Origin: https://chat.test"], ["Origin: null"], []:
        answer = conn.call("", method="OPTIONS", headers=[*origin, *PREFLIGHT])
        assert answer.status in (200, 204) and answer.body == ""
        assert answer.header("Access-Control-Allow-Origin") == "*"
        for method in "GET", "POST", "OPTIONS":
            assert method in answer.header("Access-Control-Allow-Methods")
        assert "Content-Type" in answer.header("Access-Control-Allow-Headers")
        assert int(answer.header("Access-Control-Max-Age")) > 0
        assert answer.header("Access-Control-Allow-Credentials") is None


def test_B2_a_terminated_session_and_an_unknown_one_can_be_read(conn, gateway):
    headers = ["Origin: https://foreign.test"]
    answer = conn.call(UNKNOWN, headers=headers)
    assert answer.condition == "item-not-found"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    answer = conn.call("<nonsense", headers=headers)
    assert answer.header("Access-Control-Allow-Origin") == "*"
    answer = conn.call(CREATE, headers=headers, path="/nowhere")
    assert answer.status == 404
    assert answer.header("Access-Control-Allow-Origin") == "*"


def test_B2_B3_a_listed_origin_reads_its_errors_too():
    with Gateway(more='origins = {"https://chat.test"}',
                 sections="http { request-timeout = 1s }") as running:
        for head, status in ((BAD[413], 413), (BAD[415], 415), (
                ["POST /http-bind HTTP/1.1", "Host: x",
                 "Origin: https://chat.test", "Content-Length: 5"], 408)):
            conn = Conn(running.port)
            raw(conn, head)
            answer = conn.receive()
            assert answer.status == status
            assert answer.header(
                "Access-Control-Allow-Origin") == "https://chat.test"
            conn.close()


def test_B3_a_listed_origin_is_echoed_and_another_is_not():
    with Gateway(more='origins = {"https://chat.test", "https://b.test"}') \
            as running:
        conn = Conn(running.port)
        for origin in "https://chat.test", "https://b.test":
            for method in "POST", "OPTIONS", "GET":
                answer = conn.call(CREATE if method == "POST" else "",
                                   method=method,
                                   headers=[f"Origin: {origin}", *PREFLIGHT])
                assert answer.header("Access-Control-Allow-Origin") == origin
                assert answer.header(
                    "Access-Control-Allow-Credentials") == "true"
                assert answer.header("Vary") == "Origin"
        for headers in ["Origin: https://evil.test"], ["Origin: null"], []:
            answer = conn.call(CREATE, headers=headers)
            assert answer.header("Access-Control-Allow-Origin") is None
            assert answer.header("Access-Control-Allow-Credentials") is None
        conn.close()


def test_B3_for_any_origin_it_is_a_star_without_credentials(conn):
    answer = conn.call(CREATE, headers=["Origin: https://chat.test"])
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_B4_off_there_is_none_at_all():
    with Gateway(more="origins = {}") as running:
        conn = Conn(running.port)
        for method in "POST", "GET", "OPTIONS", "PUT":
            answer = conn.call(CREATE if method == "POST" else "",
                               method=method,
                               headers=["Origin: https://chat.test", *PREFLIGHT])
            assert not [name for name, _ in answer.headers
                        if name.lower().startswith("access-control-")]
            assert answer.header("Cache-Control") == "no-store"
        conn.close()


# ---- J13 to J15: TLS -----------------------------------------------------

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def secure(authority):
    """Both ports, and nothing assumed."""
    with Gateway('tls-listen = {"127.0.0.1:0"} assume-secure = no '
                 'trusted-proxies = {"127.0.0.1"} polling = 0s',
                 section("x", *authority.issue("x", "x.test")) +
                 TOKEN) as running:
        yield running


def test_J14_a_session_made_over_tls_is_not_continued_without(
        secure, authority):
    tls = authority.client(check_hostname=False)
    session = Session(secure.tls_port, tls=tls)
    assert "PLAIN" in mechanisms(session)
    session.log_in("PLAIN", "\0alice\0wonderland")
    for _ in range(6):  # to whichever worker
        plain = Conn(secure.port)
        plain.send(session.body(rid=session.rid + 1))
        assert plain.is_closed()
        plain.close()
    assert secure.metric("waft_bosh_insecure_total") == 6
    answer = session.call(f"<iq type='get' id='p' xmlns='{NC}'>"
                          "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert "id='p'" in answer.body
    session.close()


def test_A17_one_write_for_each_response_over_tls_too(secure, authority):
    """Of one record: 16 KB."""
    session = Session(secure.tls_port, tls=authority.client(
        check_hostname=False)).log_in()
    conn = session.conns[0]
    before = data_segments(conn)
    for number in range(15):
        session.call(f"<iq type='get' id='{'i' * 1000 * number}' xmlns='{NC}'>"
                     "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert data_segments(conn) == before + 15
    session.close()


def test_J14_one_made_without_may_go_on_with_tls(secure, authority):
    session = Session(secure.port)
    assert "PLAIN" not in mechanisms(session)
    session.log_in()
    session.conns[1].close()
    session.conns[1] = Conn(secure.tls_port,
                            authority.client(check_hostname=False))
    answer = session.call(f"<iq type='get' id='p' xmlns='{NC}'>"
                          "<ping xmlns='urn:xmpp:ping'/></iq>", conn=1)
    assert "id='p'" in answer.body
    session.close()


def test_J14_a_proxy_s_word_counts_as_tls(behind):
    far = "X-Forwarded-For: 192.0.2.14"
    with Proxied(behind, far, HTTPS) as session:
        other = Conn(behind.port)
        other.send(f"<body rid='10' sid='{session.sid}' xmlns='{NB}'/>",
                   headers=[far, "X-Forwarded-Proto: http"])
        assert other.is_closed()
        other.close()
        session.poll(far, HTTPS)
        assert session.conn.receive().condition is not None


def test_J13_without_tls_one_is_told_where_to_go(authority):
    uri = "https://push.test/http-bind?a=1&b=2"
    with Gateway(f'tls-listen = {{"127.0.0.1:0"}} assume-secure = no '
                 f'secure-uri = "{uri}"',
                 section("x", *authority.issue("y", "y.test"))) as running:
        conn = Conn(running.port)
        answer = conn.call(CREATE)
        assert answer.status == 200 and answer.condition == "see-other-uri"
        assert answer.xml.find(f"{{{NB}}}uri").text == uri
        conn.close()
        conn = Conn(running.tls_port, authority.client(check_hostname=False))
        assert conn.call(CREATE).xml.get("sid")
        conn.close()


def test_J15_no_sid_stands_in_the_log(secure, authority):
    tls = authority.client(check_hostname=False)
    sids = []
    for _ in range(2):
        session = Session(secure.tls_port, tls=tls).log_in()
        sids.append(session.sid)
        plain = Conn(secure.port)
        plain.send(session.body(rid=session.rid + 1))
        assert plain.is_closed()
        session.call(attrs="type='terminate'")
        session.call(attrs="type='terminate'")
        session.close()
        plain.close()
    log = secure.log.read_text()
    assert "event=bosh.insecure" in log and sids[0][:6] in log
    for sid in sids:
        assert sid not in log and sid[:12] not in log
