"""XMPP over WebSockets: the handshake (RFC 6455 §4), frames, and the stream in
them (RFC 7395)."""

import re
import struct
import time

import pytest

from bosh import DOMAIN, NC, PUBSUB, SASL, STREAM, Gateway, until
from ws import (BINARY, CLOSE, CONTINUATION, FRAMING, OPEN, PING, PONG, TEXT,
                Socket, Stream, frame)

ALICE = 'token "alice" { secret = "wonderland" }'
END = f"<close xmlns='{FRAMING}'/>"


def text(number):
    return f"<message><body>{number}</body></message>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway('origins = {"https://page.test"}\nmax-body = 64K\n'
                 'client-queue = 64K', ALICE) as running:
        yield running


@pytest.fixture
def plain(gateway):
    with Socket(gateway.port) as plain:
        yield plain


@pytest.fixture
def stream(gateway):
    with Stream(gateway.port) as stream:
        yield stream


# ---- the handshake -----------------------------------------------------------

@pytest.mark.parametrize("status,more", [
    (426, {"Upgrade": None}),
    (426, {"Upgrade": "h2c"}),
    (426, {"Connection": None}),
    (426, {"Connection": "keep-alive"}),
    (426, {"version": "HTTP/1.0"}),
    (426, {"Sec_WebSocket_Version": None}),
    (426, {"Sec_WebSocket_Version": "8"}),
    (426, {"Sec_WebSocket_Version": "13, 8"}),
    (400, {"Sec_WebSocket_Key": None}),
    (400, {"Sec_WebSocket_Key": "c2hvcnQ="}),
    (400, {"Sec_WebSocket_Key": "!" * 24}),
    (400, {"Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}),
    (400, {"Sec_WebSocket_Protocol": None}),
    (400, {"Sec_WebSocket_Protocol": "mqtt, chat"}),
    (400, {"Sec_WebSocket_Protocol": "XMPP"}),
    (405, {"method": "POST", "Content_Length": "0"}),
    (403, {"Origin": "https://other.test"}),
    (403, {"Origin": "null"}),
    (403, {"Origin": "https://page.test.other"}),
])
def test_what_is_no_handshake_is_refused(plain, status, more):
    assert plain.shake(**more)[0] == status


def test_a_wrong_version_is_told_the_right_one(plain):
    _, headers, _ = plain.shake(Sec_WebSocket_Version="7")
    assert headers["sec-websocket-version"] == "13"
    assert headers["upgrade"] == "websocket"


def test_a_refused_connection_may_try_again(plain):
    assert plain.shake(Sec_WebSocket_Key=None)[0] == 400
    assert plain.shake()[0] == 101


@pytest.mark.parametrize("more", [
    {"Upgrade": "h2c, WebSocket"},
    {"Connection": "keep-alive, upgrade"},
    {"Sec_WebSocket_Protocol": "mqtt,xmpp"},
    {"Sec_WebSocket_Protocol": "mqtt\r\nSec-WebSocket-Protocol: xmpp"},
    {"Sec_WebSocket_Extensions": "permessage-deflate"},
    {"Origin": "https://page.test"},
    {"Origin": "http://localhost"},
    {"Origin": None},
])
def test_a_handshake_may_look_like_this(plain, more):
    status, headers, _ = plain.shake(**more)
    assert status == 101
    assert headers["sec-websocket-protocol"] == "xmpp"
    assert "sec-websocket-extensions" not in headers
    assert "content-length" not in headers


def test_a_handshake_behind_an_unanswered_request_is_refused(gateway, plain):
    body = (f"<body rid='1' to='{DOMAIN}' wait='5' hold='1' ver='1.6' "
            f"xmlns='http://jabber.org/protocol/httpbind'/>").encode()
    plain.send(b"POST /http-bind HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n"
               b"\r\n" % len(body) + body + plain.request())
    assert plain.answer()[0] == 200
    assert plain.answer()[0] == 503


def test_frames_may_come_with_the_handshake(gateway, plain):
    plain.send(plain.request() + frame(TEXT, OPEN))
    assert plain.answer()[0] == 101
    assert plain.receive().startswith("<open ")


# ---- frames ------------------------------------------------------------------

def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


FAULTS = {
    "not-masked": (1002, frame(TEXT, OPEN, mask=None)),
    "rsv1": (1002, frame(TEXT, OPEN, rsv=4)),
    "rsv3": (1002, frame(TEXT, OPEN, rsv=1)),
    "opcode-3": (1002, frame(3, "x")),
    "opcode-11": (1002, frame(11, "x")),
    "continues-nothing": (1002, frame(CONTINUATION, "x")),
    "text-in-fragments": (1002, frame(TEXT, "<op", fin=False) + frame(TEXT, "en/>")),
    "ping-in-fragments": (1002, frame(PING, "x", fin=False)),
    "ping-126": (1002, frame(PING, "x" * 126)),
    "length-in-2": (1002, frame(TEXT, "x", length=2)),
    "length-in-8": (1002, frame(TEXT, "x" * 200, length=8)),
    "length-63-bits": (1002, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
    "binary": (1003, frame(BINARY, "x")),
    "binary-fragment": (1003, frame(BINARY, "x", fin=False)),
    "not-utf8": (1007, frame(TEXT, b"\xff")),
    "surrogate": (1007, frame(TEXT, b"\xed\xa0\x80")),
    "half-a-character": (1007, frame(TEXT, b"\xc3")),
    "half-a-character-then-text":
        (1007, frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, "x")),
    "reason-not-utf8": (1007, close(1000, b"\xff")),
    "close-of-1-byte": (1002, frame(CLOSE, b"x")),
    "close-0": (1002, close(0)),
    "close-999": (1002, close(999)),
    "close-1005": (1002, close(1005)),
    "close-1006": (1002, close(1006)),
    "close-1015": (1002, close(1015)),
    "close-5000": (1002, close(5000)),
    "too-big": (1009, frame(TEXT, " " * (64 * 1024 + 1))),
    "announced-too-big": (1009, b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\0\0\0\0a"),
    "fragments-too-big":
        (1009, frame(TEXT, " " * 40000, fin=False) + frame(CONTINUATION, " " * 40000)),
}


@pytest.mark.parametrize("code,data", FAULTS.values(), ids=FAULTS)
def test_a_frame_against_the_rules_closes_with_its_code(stream, code, data):
    stream.send(data)
    assert stream.close_code() == code
    assert stream.is_closed()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_a_close_is_answered_with_its_code(gateway, stream, code):
    stream.log_in()
    stream.send(close(code, "why".encode()) + frame(TEXT, "<late/>"))
    assert stream.close_code() == code
    assert stream.is_closed()


def test_a_close_without_a_code_is_answered_without(stream):
    stream.send(frame(CLOSE))
    assert stream.close_code() is None
    assert stream.is_closed()


def test_a_ping_is_answered_with_its_bytes_also_inside_a_message(stream):
    stream.send(frame(PING, b"") + frame(PING, b"\0" * 125))
    assert stream.receive_frame() == (PONG, b"")
    assert stream.receive_frame() == (PONG, b"\0" * 125)
    half = len(OPEN) // 2
    stream.send(frame(TEXT, OPEN[:half], fin=False) + frame(PING, b"now") +
                frame(CONTINUATION, b"", fin=False) + frame(PONG, b"none asked") +
                frame(CONTINUATION, OPEN[half:]))
    assert stream.receive_frame() == (PONG, b"now")
    assert stream.receive().startswith("<open ")


def test_a_message_may_be_as_large_as_max_body(stream):
    stream.send(frame(TEXT, " " * (64 * 1024 - len(OPEN)) + OPEN))
    assert stream.receive().startswith("<open ")


def test_many_messages_of_one_segment_are_answered_in_order(stream):
    stream.log_in()
    stream.send(b"".join(
        frame(TEXT, f"<iq xmlns='{NC}' type='get' id='{number}' to='{DOMAIN}'>"
                    f"<ping xmlns='urn:xmpp:ping'/></iq>") +
        frame(PING, str(number)) for number in range(200)))
    pongs, answers = [], []
    while len(pongs) < 200 or len(answers) < 200:
        opcode, payload = stream.receive_frame()
        (pongs if opcode == PONG else answers).append(payload.decode())
    assert pongs == [str(number) for number in range(200)]
    assert [re.search("id='(.*?)'", each)[1] for each in answers] == pongs


def test_a_character_may_be_cut_by_frames(stream):
    stream.log_in()
    name = "ü".encode()
    iq = (f"<iq xmlns='{NC}' type='get' id='".encode(), b"'>"
          b"<ping xmlns='urn:xmpp:ping'/></iq>")
    stream.send(frame(TEXT, iq[0] + name[:1], fin=False) +
                frame(CONTINUATION, name[1:] + iq[1]))
    assert stream.hear().get("id") == "ü"


def test_everything_may_come_byte_by_byte(gateway):
    class Slowly(Stream):
        def send(self, data):
            for byte in data:
                super().send(bytes([byte]))

    with Slowly(gateway.port) as stream:
        stream.log_in().subscribe("slowly")
        gateway.publish("slowly", text(1))
        assert stream.texts(1) == ["1"]


@pytest.mark.parametrize("size", [10, 200, 70000])
def test_lengths_are_as_short_as_they_can_be(gateway, stream, size):
    stream.log_in().subscribe(f"size{size}")
    gateway.publish(f"size{size}", text("x" * size))
    assert stream.texts(1) == ["x" * size]  # receive_frame() looks


def test_a_silent_one_is_pinged_and_cut_when_it_stays_silent():
    with Gateway("ws-ping = 1s") as gateway:
        with Stream(gateway.port) as stream, Stream(gateway.port) as dead:
            stream.log_in().subscribe("news")
            dead.log_in()
            for _ in range(20):
                opcode, payload = stream.receive_frame()
                assert opcode == PING
                stream.send(frame(PONG, payload))
                if gateway.metric("waft_websocket_sessions") == 1:
                    break
            assert dead.receive_frame()[0] == PING
            assert dead.is_closed()
            gateway.publish("news", text(1))
            assert stream.texts(1) == ["1"]
            assert gateway.metric(
                'waft_websocket_closes_total{code="1006"}') == 1
            assert gateway.metric("waft_websocket_silent_total") == 1


def test_a_message_that_never_ends_is_ended():
    with Gateway(sections="http { request-timeout = 2s }") as gateway, \
            Stream(gateway.port) as stream:
        stream.log_in()
        stream.send(frame(TEXT, " ", fin=False))
        end = time.monotonic() + 20
        with pytest.raises((ConnectionError, EOFError)):
            while time.monotonic() < end:
                stream.send(frame(CONTINUATION, " ", fin=False))
                stream.socket.settimeout(0.1)
                try:
                    assert stream.close_code() == 1008
                    break
                except TimeoutError:
                    pass
            assert stream.is_closed()
            raise EOFError


# ---- the stream --------------------------------------------------------------

def test_items_arrive_each_as_a_message_of_its_own(gateway, stream):
    stream.log_in().subscribe("news")
    for number in range(20):
        gateway.publish("news", text(number))
    assert stream.texts(20) == [str(number) for number in range(20)]


def test_close_is_answered_by_close_and_the_socket_closes(stream):
    stream.log_in().say(END)
    assert stream.receive() == END
    assert stream.close_code() == 1000
    assert stream.is_closed()


def test_the_open_says_who_where_and_which(stream):
    opened, features = stream.open()
    assert opened.get("from") == DOMAIN
    assert opened.get("version") == "1.0"
    first = opened.get("id")
    assert "ANONYMOUS" in [
        each.text for each in features.iter(f"{{{SASL}}}mechanism")]
    stream.authenticate()
    opened, features = stream.open()
    assert first and opened.get("id") not in (None, "", first)
    assert features[0].tag.endswith("}bind")


def test_white_space_is_ignored(stream):
    stream.say(" \r\n\t")
    stream.say("")
    stream.log_in().say(" ")
    assert stream.ask(f"<pubsub xmlns='{PUBSUB}'><subscribe node='a' "
                      f"jid='{stream.jid}'/></pubsub>", "1", f" to='{DOMAIN}'")


@pytest.mark.parametrize("condition,sent", [
    ("host-unknown", OPEN.replace(DOMAIN, "other.test")),
    ("improper-addressing", OPEN.replace(f" to='{DOMAIN}'", "")),
    ("improper-addressing", OPEN.replace(DOMAIN, "a@b@c")),
    ("unsupported-version", OPEN.replace("1.0", "2.0")),
    ("unsupported-version", OPEN.replace(" version='1.0'", "")),
    ("bad-format", OPEN.replace(FRAMING, "urn:other")),
    ("bad-format", f"<iq xmlns='{NC}'/>"),
    ("not-well-formed", "<open"),
    ("not-well-formed", "text"),
    ("not-well-formed", "<a></b>"),
    ("not-well-formed", "<stream:features/>"),
    ("not-well-formed", OPEN + OPEN),
    ("not-well-formed", "<a>&undefined;</a>"),
    ("not-well-formed", "<a>\x01</a>"),
    ("restricted-xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"),
    ("restricted-xml", "<a><!-- b --></a>"),
    ("restricted-xml", "<a><?b c?></a>"),
    ("policy-violation", "<a>" * 65 + "</a>" * 65),
    ("policy-violation",
     "<a " + " ".join(f"b{i}=''" for i in range(65)) + "/>"),
])
def test_what_may_not_come_first_ends_the_stream(stream, condition, sent):
    stream.say(sent)
    assert stream.hear().tag == f"{{{FRAMING}}}open"
    assert stream.error() == condition
    assert stream.is_closed()


@pytest.mark.parametrize("condition,sent", [
    ("not-well-formed", f"<iq xmlns='{NC}'"),
    ("not-well-formed", f"<presence xmlns='{NC}'/>" * 2),
    ("bad-format", OPEN),
    ("invalid-from", f"<presence xmlns='{NC}' from='eve@{DOMAIN}'/>"),
])
def test_what_may_not_come_later_ends_the_stream(stream, condition, sent):
    stream.log_in().say(sent)
    assert stream.error() == condition


def test_a_declaration_may_precede_the_element(stream):
    stream.open("<?xml version='1.0' encoding='UTF-8'?>" + OPEN)


def test_a_stanza_before_login_ends_the_stream(stream):
    stream.open()
    stream.say(f"<message xmlns='{NC}'/>")
    assert stream.error() == "not-authorized"


def test_the_stream_begins_anew_after_login(stream):
    stream.open()
    assert stream.authenticate().tag == f"{{{SASL}}}success"
    stream.say(f"<iq xmlns='{NC}' type='set' id='1'/>")
    assert stream.hear().tag == f"{{{FRAMING}}}open"
    assert stream.error() == "bad-format"


def test_a_stanza_without_a_namespace_is_of_jabber_client(stream):
    stream.log_in()
    stream.say(f"<iq type='get' id='p' to='{DOMAIN}'>"
               f"<ping xmlns='urn:xmpp:ping'/></iq>")
    answer = stream.hear()
    assert (answer.tag, answer.get("type")) == (f"{{{NC}}}iq", "result")


def test_a_named_user_logs_in_and_five_failures_end_it(gateway, stream):
    with Stream(gateway.port) as other:
        other.log_in("PLAIN", "\0alice\0wonderland")
        assert other.jid.startswith(f"alice@{DOMAIN}/")
    stream.open()
    for _ in range(4):
        answer = stream.authenticate("PLAIN", "\0alice\0queen")
        assert answer.tag == f"{{{SASL}}}failure"
    assert stream.authenticate("PLAIN", "\0alice\0queen").tag == \
        f"{{{SASL}}}failure"
    assert stream.error() == "policy-violation"
    assert stream.code == 1008


def test_a_newer_session_of_the_same_name_takes_its_place(gateway, stream):
    stream.log_in("PLAIN", "\0alice\0wonderland", "home")
    with Stream(gateway.port) as newer:
        newer.log_in("PLAIN", "\0alice\0wonderland", "home")
        assert stream.error() == "conflict"


def test_who_does_not_log_in_is_not_waited_for():
    with Gateway(sections="http { request-timeout = 2s }") as gateway, \
            Stream(gateway.port) as silent, Stream(gateway.port) as slow:
        slow.open()
        assert silent.hear().tag == f"{{{FRAMING}}}open"
        assert silent.error() == "connection-timeout"
        assert slow.error() == "connection-timeout"


def test_the_end_of_the_program_is_told():
    with Gateway() as gateway, Stream(gateway.port) as stream:
        stream.log_in()
        assert gateway.stop() == 0
        assert stream.error() == "system-shutdown"
        assert stream.code == 1001


# ---- limits ------------------------------------------------------------------

def test_past_sessions_max_there_is_no_handshake():
    with Gateway("sessions-max = 1") as gateway, Stream(gateway.port) as stream:
        with Socket(gateway.port) as other:
            assert other.shake()[0] == 503
        stream.say(END)
        assert stream.is_closed()

        def again():
            with Socket(gateway.port) as other:
                return other.shake()[0] == 101
        until(again)


def test_past_subscriptions_per_session_there_is_an_error():
    with Gateway("subscriptions-per-session = 1") as gateway, \
            Stream(gateway.port) as stream:
        stream.log_in().subscribe("a")
        stream.say(f"<iq xmlns='{NC}' type='set' id='s' to='{DOMAIN}'>"
                   f"<pubsub xmlns='{PUBSUB}'><subscribe node='b' "
                   f"jid='{stream.jid}'/></pubsub></iq>")
        assert stream.hear().get("type") == "error"


def test_past_requests_per_address_the_session_ends():
    with Gateway("requests-per-address = 1\nlimit-loopback = yes") as gateway, \
            Stream(gateway.port) as stream:
        stream.log_in()
        for _ in range(30):
            stream.say(f"<presence xmlns='{NC}'/>")
        assert stream.error() == "policy-violation"


def test_past_creations_per_address_there_is_no_handshake():
    with Gateway("creations-per-address = 1\nlimit-loopback = yes") as gateway:
        def shake():
            with Socket(gateway.port) as each:
                return each.shake()[0]
        assert shake() == 101
        until(lambda: shake() == 503)


def test_a_slow_reader_gets_everything_later_and_holds_up_nobody(gateway):
    large = "x" * 20000
    with Stream(gateway.port, size=4096) as slow, \
            Stream(gateway.port) as quick:
        slow.log_in().subscribe("bulk")
        quick.log_in().subscribe("bulk")
        full = gateway.metric("waft_bosh_full_total")
        for number in range(400):
            gateway.publish("bulk", text(f"{number} {large}"), id=str(number))
            if number < 90:
                assert quick.texts(1) == [f"{number} {large}"]
            elif number == 90:
                quick.close()
        assert gateway.metric("waft_bosh_full_total") > full
        # What the history (100 items) has lost by then is a gap, nothing else.
        got = [int(each.split()[0]) for each in slow.texts(2)]
        while got[-1] < 399:
            got.append(int(slow.texts(1)[0].split()[0]))
        assert got == sorted(set(got)) and got[0] == 0
        assert got[-100:] == list(range(300, 400))


def test_answers_that_are_not_read_end_the_session(gateway):
    ended = 'waft_bosh_ends_total{condition="policy-violation"}'
    with Stream(gateway.port, size=4096) as stream:
        before = gateway.metric(ended)
        stream.log_in()
        ping = frame(TEXT, f"<iq xmlns='{NC}' type='get' to='{DOMAIN}' id='"
                           f"{'i' * 900}'><ping xmlns='urn:xmpp:ping'/></iq>")
        stream.socket.settimeout(20)
        end = time.monotonic() + 60
        while gateway.metric(ended) == before:
            assert time.monotonic() < end
            try:
                stream.send(ping * 50)
            except OSError:
                pass


def test_pongs_that_are_not_read_cut_the_connection():
    with Gateway(sections="http { write-queue = 16K }") as gateway, \
            Stream(gateway.port, size=4096) as stream:
        stream.socket.settimeout(20)
        ping = frame(PING, b"x" * 125) * 500
        end = time.monotonic() + 60
        while gateway.metric("waft_http_cut_total") == 0:
            assert time.monotonic() < end
            try:
                stream.send(ping)
            except OSError:
                pass
        until(lambda: gateway.metric("waft_websocket_sessions") == 0)


# ---- durable subscriptions ---------------------------------------------------

def test_items_without_a_pong_come_again_and_those_with_one_do_not(gateway):
    def log_in():
        # The position is saved by then.
        until(lambda: gateway.metric("waft_websocket_sessions") == 0)
        return Stream(gateway.port).log_in("PLAIN", "\0alice\0wonderland")

    with log_in() as stream:
        stream.subscribe("mine", f"alice@{DOMAIN}")
        gateway.publish("mine", text(1))
        assert stream.texts(1) == ["1"]
        opcode, payload = stream.receive_frame()
        assert opcode == PING
        stream.send(frame(PONG, payload))
        gateway.publish("mine", text(2))
        gateway.publish("mine", text(3))
        assert stream.texts(2, pong=False) == ["2", "3"]
    gateway.publish("mine", text(4))
    with log_in() as stream:
        assert stream.texts(3) == ["2", "3", "4"]
        # Its pong went out before this, so all is served.
        while not stream.pings:
            opcode, payload = stream.receive_frame()
            assert opcode == PING
            stream.pings.append(payload)
            stream.send(frame(PONG, payload))
        stream.say(END)
        assert stream.receive() == END
    with log_in() as stream:
        gateway.publish("mine", text(5))
        assert stream.texts(1) == ["5"]


# ---- numbers -----------------------------------------------------------------

def test_it_is_counted(gateway):
    def frames(direction):
        return gateway.metric(
            f'waft_websocket_frames_total{{direction="{direction}"}}')

    until(lambda: gateway.metric("waft_websocket_sessions") == 0)
    before = frames("in"), frames("out")
    with Stream(gateway.port) as stream:
        stream.open()
        assert gateway.metric("waft_websocket_sessions") == 1
        assert frames("in") - before[0] == 1
        assert frames("out") - before[1] == 2
    until(lambda: gateway.metric("waft_websocket_sessions") == 0)
    assert gateway.metric("waft_websocket_sessions_total") > 1
    assert gateway.metric("waft_websocket_refused_total") > 1
