"""A hostile stranger: each gets a clear answer, changes nothing, and is counted."""

import json
import re
import socket
import time

import pytest

from daemons import Waft, wait_until

GOOD = "<message><body>good</body></message>"
LIMITS = """
http { head-max = 4K  request-timeout = 1s  idle-timeout = 3s
       connections-max = 60  pipeline-max = 4 }
control { stanza-max = 4K  stanza-depth = 8  item-max = 8K  max-body = 32K
          items-max = 10  origins = {"https://page.example"} }
"""


@pytest.fixture(scope="module")
def hostile():
    with Waft(LIMITS, engine="sqlite", server=1, bosh="max-body = 8K") as running:
        daemon = running.start("bosh", "--set", "log.level=debug")
        yield running
        # Nobody wrote a line of his own into the log.
        for line in daemon.text().splitlines():
            assert re.match(r"ts=\S+Z level=\w+ event=[a-z.-]+( [a-z_-]+=|$)", line), line


@pytest.fixture
def waft(hostile):
    """Whatever a test does, the log does not grow and the daemon lives."""
    before = hostile.bosh.get("/status")["position"]
    yield hostile
    assert hostile.bosh.get("/status")["position"] == before
    assert hostile.bosh.is_ready()


# ---- publish ---------------------------------------------------------------


def refused(waft, body, status=400):
    """The detail of the refusal."""
    count = waft.bosh.metric("waft_publish_refused_total")
    got, text = waft.bosh.request("POST", "/publish/", body)
    assert got == status, f"{got} {text}"
    assert waft.bosh.metric("waft_publish_refused_total") == count + 1
    return json.loads(text)["detail"]


def item(**fields):
    return {"items": [{"channel": "c", "json-object": 1},
                      {"channel": "c", **fields}]}


@pytest.mark.parametrize("body, where", [
    (b"", "1:1"),
    (b"{", "1:"),
    (b'{"items":\n[{"channel":"c" "fpp":1}]}', "2:"),
    (b'{"items":[{"channel":"c","fpp":"\xff"}]}', "1:"),
    (b'{"items":[{"channel":"c","fpp":"\xed\xa0\x80"}]}', "1:"),
    (b'{"items":[{"channel":"c\\u0000","fpp":1}]}', "1:"),
    (b'{"items":[{"channel":"c","fpp":1}]}\0', "1:"),
    (b'{"items":[{"channel":"a","channel":"c","fpp":1}]}', "duplicate"),
    (b'{"items":[{"channel":"c","fpp":1e999}]}', "1:"),
    (b'{"items":' + b"[" * 9000, "1:"),
    (b'\xef\xbb\xbf{"items":[]}', "1:1"),
    ('{"items":[]}'.encode("utf-16"), "1:1"),
])
def test_what_is_not_json_is_refused_with_its_place(waft, body, where):
    detail = refused(waft, body)
    assert detail.startswith("Body is not valid JSON.: "), detail
    assert where in detail


@pytest.mark.parametrize("body, detail", [
    ({}, "'items'"),
    ({"items": {"channel": "c"}}, "'items'"),
    ({"items": [[]]}, "items[0]: must be an object"),
    ({"items": [{"json-object": 1}]}, "items[0]: object does not contain 'channel'"),
    (item(), "items[1]: no formats specified"),
    (item(body="x"), "items[1]: no formats specified"),
    (item(formats={}), "items[1]: no formats specified"),
    (item(formats=[]), "items[1].formats: must be an object"),
    ({"items": [{"channel": 7, "fpp": 1}]}, "items[0].channel: must be a string"),
    ({"items": [{"channel": "", "fpp": 1}]}, "items[0].channel: must be 1 to 255"),
    ({"items": [{"channel": "x" * 256, "fpp": 1}]}, "items[0].channel: "),
    ({"items": [{"channel": "a\nb", "fpp": 1}]}, "items[0].channel: "),
    ({"items": [{"channel": "a\x7fb", "fpp": 1}]}, "items[0].channel: "),
    (item(fpp=1, id=7), "items[1].id: must be a string"),
    (item(fpp=1, id=""), "items[1].id: must be 1 to 255"),
    (item(fpp=1, id="x" * 256), "items[1].id: must be 1 to 255"),
    (item(fpp=1, id="a\x01"), "items[1].id: must not hold control"),
    (item(fpp=1, **{"prev-id": []}), "items[1].prev-id: must be a string"),
    (item(**{"xmpp-stanza": GOOD}), "items[1].xmpp-stanza: must be an object"),
    (item(**{"xmpp-stanza": {}}), "items[1].xmpp-stanza: does not contain"),
    (item(**{"xmpp-stanza": {"content": 7}}),
     "items[1].xmpp-stanza.content: must be a string"),
    (item(**{"http-response": "x"}), "items[1].http-response: must be an object"),
    (item(**{"http-response": {"body": 1}}), "items[1].http-response.body: "),
    (item(**{"http-response": {"body": "", "code": "2x"}}), "http-response.code: "),
    (item(**{"http-response": {"body": "", "headers": {"A": "b\r\nC: d"}}}),
     "http-response.headers: "),
    (item(**{"http-response": {"body": "", "headers": {"A b": "c"}}}),
     "http-response.headers: "),
    (item(**{"http-response": {"body": "", "reason": "a\nb"}}),
     "http-response.reason: "),
    (item(**{"http-stream": {"content-bin": "***"}}),
     "http-stream.content-bin: must be base64"),
    (item(formats={"x" * 65: 1}), "items[1].formats: "),
])
def test_wrong_shapes_name_item_and_field(waft, body, detail):
    assert detail in refused(waft, body)


@pytest.mark.parametrize("stanza, place, why", [
    ("", "1:1", ""),
    ("hello", "1:1", ""),
    ("<message>", "1:", ""),
    ("<message>\n <body>\n</message>", "3:", ""),
    ("<message a='1' a='2'/>", "1:", ""),
    ("<message a=1/>", "1:", ""),
    ("<message>&nbsp;</message>", "1:", ""),
    ("<message>a & b</message>", "1:", ""),
    ("<message>\x01</message>", "1:10", ""),
    ("<message>&#1;</message>", "1:", ""),
    ("<message>\ufffe</message>", "1:", ""),
    ("\ufeff<message/>", "1:1", ""),
    ("<message><a:b/></message>", "1:10", ""),
    ("<?xml version='1.0' encoding='latin1'?><message/>", "1:", ""),
    ("<!DOCTYPE message><message/>", "1:", "DOCTYPE"),
    ('<!DOCTYPE m [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><message>&c;</message>',
     "1:", "DOCTYPE"),
    ('<!DOCTYPE m SYSTEM "http://127.0.0.1/x"><message/>', "1:", "DOCTYPE"),
    ("<!-- no --><message/>", "1:1", "comment"),
    ("<message><!-- no --></message>", "1:10", "comment"),
    ("<message><?php no ?></message>", "1:10", "processing instruction"),
    ("<html/>", "1:1", ""),
    ("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", "1:1", ""),
    ("<c:message xmlns:c='jabber:client'/>", "1:1", "prefix"),
    ("<message xmlns='jabber:server'/>", "1:1", "namespace"),
    ("<message xmlns='jabber:component:accept'/>", "1:1", ""),
    ("<message/><message/>", "1:11", ""),
    ("<message/>trailing", "1:11", ""),
    ("</message><message>", "1:", ""),
    ("</stream:stream>", "1:", ""),
    ("<message></message></stream:stream>", "1:2", ""),
    ("<message type='error'/>", "1:1", "error"),
    ("<iq type='get'/>", "1:1", ""),
    ("<iq type='result' id='1'><a xmlns='b'/></iq>", "1:1", ""),
    ("<message from='a@elsewhere.example'/>", "", "'from'"),
    ("<message from='@'/>", "", "'from'"),
    ("<message><a xmlns=''/></message>", "1:", "xmlns=''"),
    ("<message><privilege xmlns='urn:xmpp:privilege:2'/></message>", "1:", ""),
    ("<message>" + "<a>" * 8 + "</a>" * 8 + "</message>", "1:", "deep"),
    ("<message>" + "<a>" * 60, "1:", "deep"),
])
def test_a_bad_stanza_names_item_field_line_and_column(waft, stanza, place, why):
    detail = refused(waft, item(formats={
        "http-stream": {"content": "x"}, "xmpp-stanza": {"content": stanza}}))
    start = "Invalid format: items[1].formats.xmpp-stanza.content"
    assert detail.startswith(f"{start}:{place}" if place else start), detail
    assert why in detail


@pytest.mark.parametrize("fields, what", [
    ({"xmpp-stanza": {"content": f"<message>{'x' * 4096}</message>"}},
     "xmpp-stanza.content"),
    ({"json-object": "x" * 8192}, "item-max"),
])
def test_what_is_too_large_is_413_and_names_the_limit(waft, fields, what):
    assert what in refused(waft, item(**fields), 413)


def test_too_many_items_are_413(waft):
    many = {"items": [{"channel": "c", "fpp": 1}] * 11}
    assert "items-max" in refused(waft, many, 413)


def test_an_attack_on_one_item_stores_none_of_the_others(waft):
    refused(waft, {"items": [{"channel": f"c{n}", "fpp": 1} for n in range(9)] +
                   [{"channel": "c", "xmpp-stanza": {"content": "<a/>"}}]})
    assert waft.bosh.channels() == []


# ---- HTTP ------------------------------------------------------------------


class Raw:
    """A connection on which a test says every byte."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.data = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused already: the answer tells

    def read(self, seconds=15):
        """All until the peer closes."""
        self.socket.settimeout(seconds)
        try:
            while piece := self.socket.recv(65536):
                self.data += piece
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError(f"not closed: {self.data!r}") from None
        return self.data

    def statuses(self):
        return [int(found) for found in
                re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.read())]

    def close(self):
        self.socket.close()


@pytest.fixture(params=("control", "public"))
def port(request, waft):
    return waft.bosh.port if request.param == "control" else waft.public


@pytest.fixture
def raw(port):
    made = []

    def connect():
        made.append(Raw(port))
        return made[-1]

    yield connect
    for each in made:
        each.close()


POST = b"POST /publish/ HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = b'{"items":[{"channel":"smuggled","fpp":1}]}'
NEXT = (POST + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)) + SMUGGLED


@pytest.mark.parametrize("head, status", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"hello\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n", 400),
    (b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\x00c\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
    (POST + b"Expect: magic\r\nContent-Length: 1\r\n\r\n", 417),
])
def test_a_bad_head_is_refused_and_the_connection_closed(waft, raw, head, status):
    count = waft.bosh.metric("waft_http_refused_total")
    connection = raw()
    connection.send(head + b"\r\n" + NEXT)
    assert connection.statuses() == [status]
    assert waft.bosh.metric("waft_http_refused_total") == count + 1


@pytest.mark.parametrize("lines", [
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 0x5\r\n",
    b"Content-Length: 5 5\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
])
def test_nothing_can_be_smuggled_behind_conflicting_lengths(waft, raw, lines):
    count = waft.bosh.metric("waft_http_refused_total")
    connection = raw()
    connection.send(POST + lines + b"\r\n0\r\n\r\n" + NEXT)
    statuses = connection.statuses()
    assert len(statuses) == 1 and statuses[0] in (400, 413, 501), statuses
    assert waft.bosh.metric("waft_http_refused_total") == count + 1
    assert "smuggled" not in waft.bosh.channels()


@pytest.mark.parametrize("body", [
    b"5\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"\r\n",
    b"ffffffffffffffff1\r\n", b"5;" + b"x" * 9000,
])
def test_bad_chunks_are_refused(waft, raw, body):
    count = waft.bosh.metric("waft_http_refused_total")
    connection = raw()
    connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + NEXT)
    statuses = connection.statuses()
    assert len(statuses) == 1 and statuses[0] in (400, 413, 431), statuses
    assert waft.bosh.metric("waft_http_refused_total") == count + 1


@pytest.mark.parametrize("head", [
    b"GET /" + b"x" * 9000,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 9000,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 900,
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 101 + b"\r\n",
])
def test_an_endless_head_is_431(waft, raw, head):
    count = waft.bosh.metric("waft_http_refused_total")
    connection = raw()
    connection.send(head)
    assert connection.statuses() == [431]
    assert waft.bosh.metric("waft_http_refused_total") == count + 1


@pytest.mark.parametrize("lines", [
    b"Content-Length: 32769\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n" +
    (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 8,
])
def test_a_body_that_is_too_large_is_413(waft, port, raw, lines):
    head = POST if port == waft.bosh.port else POST.replace(b"/publish/", b"/http-bind")
    count = waft.bosh.metric('waft_http_refused_total{reason="body"}')
    connection = raw()
    connection.send(head + lines)
    assert connection.statuses() == [413]
    assert waft.bosh.metric('waft_http_refused_total{reason="body"}') == count + 1


@pytest.mark.parametrize("start", [
    b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n",
    POST + b"Content-Length: 100\r\n\r\n{",
    POST + b"Transfer-Encoding: chunked\r\n\r\n50\r\nhe",
])
def test_a_slow_sender_is_408(waft, raw, start):
    """A byte now and then does not keep it alive."""
    count = waft.bosh.metric('waft_http_refused_total{reason="slow"}')
    connection = raw()
    connection.send(start)
    began = time.monotonic()
    connection.socket.settimeout(0.2)
    while time.monotonic() < began + 10:
        try:
            connection.data += connection.socket.recv(65536)
            break
        except TimeoutError:
            connection.send(b"X")
    assert connection.statuses() == [408]
    assert time.monotonic() - began < 5
    assert waft.bosh.metric('waft_http_refused_total{reason="slow"}') == count + 1


def test_one_that_says_nothing_is_closed(raw):
    connection = raw()
    assert connection.read() == b""


def test_too_many_connections_are_refused_and_the_others_live(waft):
    """The control port has its own count, so that the operator gets in."""
    held = [Raw(waft.public) for _ in range(59)]
    try:
        extra = [Raw(waft.public) for _ in range(120)]
        held += extra
        wait_until(lambda: waft.bosh.metric(
            'waft_http_refused_total{reason="limit"}') > 0, what="some are refused")
        assert waft.bosh.is_ready()
    finally:
        for each in held:
            each.close()

    def serves():
        connection = Raw(waft.public)
        connection.send(b"GET /http-bind HTTP/1.1\r\n"
                        b"Host: localhost\r\nConnection: close\r\n\r\n")
        try:
            return b" 200 " in connection.read()
        finally:
            connection.close()

    wait_until(serves, what="it serves again")


def test_more_pipelined_requests_than_allowed_are_all_answered(waft):
    """Past the limit it stops reading; nothing is lost or mixed up."""
    connection = Raw(waft.bosh.port)
    try:
        for n in range(60):
            connection.send(b"GET /channels/p%d/ HTTP/1.1\r\nHost: localhost\r\n\r\n" % n)
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                        b"Connection: close\r\n\r\n")
        assert connection.statuses() == [404] * 60 + [200]
    finally:
        connection.close()


@pytest.mark.parametrize("path", [
    "/publish/%", "/publish/%zz/", "/publish/%00/", "/publish/a%0ab/",
    "/channels/%ff/", "/channels/../publish/", "/channels//items/",
    "/channels/" + "x" * 300 + "/", "/realm//publish/", "/..%2f..%2fetc/passwd"])
def test_odd_paths_are_refused(waft, path):
    for method in ("GET", "POST", "DELETE"):
        status, text = waft.bosh.request(method, path, b"{}")
        assert 400 <= status < 500, f"{method} {status} {text}"


# ---- who may speak to the control API --------------------------------------


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"},
    {"Host": "evil.example:80"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://page.example.evil.example"},
    {"Origin": "http://page.example"},
])
def test_a_web_page_cannot_reach_it_through_its_visitor(waft, headers):
    count = waft.bosh.metric('waft_control_refused_total{reason="foreign"}')
    body = {"items": [{"channel": "c", "fpp": 1}]}
    for method, path in (("POST", "/publish/"), ("OPTIONS", "/publish/"),
                         ("GET", "/channels/"), ("GET", "/metrics")):
        status, text = waft.bosh.request(method, path, body, headers)
        assert status == 403, f"{method} {path} {status} {text}"
        assert "control.hosts" in text or "control.origins" in text
    assert waft.bosh.metric(
        'waft_control_refused_total{reason="foreign"}') == count + 4


# ---- BOSH ------------------------------------------------------------------


@pytest.mark.parametrize("body", [
    b"", b"hello", b"<body", b"<html/>", b"<body xmlns='urn:x'/>",
    b"<!DOCTYPE b [<!ENTITY a 'b'>]><body xmlns='http://jabber.org/protocol/httpbind'/>",
    b"<body xmlns='http://jabber.org/protocol/httpbind'>" + b"<a>" * 1000,
    b"<body xmlns='http://jabber.org/protocol/httpbind' rid='1' sid='nobody'/>",
    b"<body xmlns='http://jabber.org/protocol/httpbind' rid='-1' to='x'/>",
    b"<body xmlns='http://jabber.org/protocol/httpbind' rid='99999999999999999999'/>",
    b"\0" * 100,
])
def test_bad_bosh_bodies_are_ended_in_order(waft, body):
    connection = Raw(waft.public)
    connection.send(b"POST /http-bind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = connection.read()
    connection.close()
    assert re.match(rb"HTTP/1\.1 (200|400|404) ", answer), answer
    assert b"terminate" in answer
    assert waft.bosh.get("/status")["sessions"] == 0
