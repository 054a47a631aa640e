"""How the link begins, ends, and comes back: the stream of XEP-0114."""

import asyncio
import hashlib
import socket
import time

import pytest

from servers import wait_until
from scripted import Scripted
from waft import Component

STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"


def body(text):
    return f"<message type='chat'><body>{text}</body></message>"


class Slow(Scripted):
    """Keeps the stream's head, and answers the handshake when it is let."""

    def __init__(self):
        self.head = self.handshake = ""
        self.early = b""  # what came before the answer to the handshake
        self.lets = True
        super().__init__()

    def serve(self, connection):
        text = ""
        while "<stream:stream" not in text or ">" not in text.split("<stream:stream")[1]:
            text += self.read(connection)
        self.head = text
        connection.sendall(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            "xmlns:stream='http://etherx.jabber.org/streams' id='s1'>".encode())
        text = ""
        while "</handshake>" not in text:
            text += self.read(connection)
        self.handshake, rest = text.split("</handshake>")
        self.early = rest.encode()
        connection.setblocking(False)
        try:
            while not self.lets:
                try:
                    self.early += connection.recv(65536)
                except BlockingIOError:
                    time.sleep(0.01)
        finally:
            connection.setblocking(True)
        connection.sendall(b"<handshake/>")
        self.links += 1
        self.received = ""
        seen = 0
        while True:
            self.received += self.read(connection)
            seen = self.answer(connection, seen)


@pytest.fixture
def slow():
    server = Slow()
    yield server
    server.close()


def test_c2_1_c2_2_c2_5_the_stream_begins_as_the_xep_has_it(slow):
    """XEP-0114 §3; the secret is hashed as UTF-8, not as XML."""
    secret = "a&b <é>"
    waft = Component(slow, secret=secret)
    try:
        waft.start()
        assert "xmlns='jabber:component:accept'" in slow.head.replace('"', "'")
        assert ("xmlns:stream='http://etherx.jabber.org/streams'"
                in slow.head.replace('"', "'"))
        assert "to='push.localhost'" in slow.head.replace('"', "'")
        assert "xml:lang=" in slow.head
        want = hashlib.sha1(("s1" + secret).encode()).hexdigest()
        assert slow.handshake.split(">")[-1] == want
        assert want == want.lower()
    finally:
        waft.close()


def test_c2_3_nothing_is_sent_before_the_handshake_is_answered(slow):
    slow.lets = False
    waft = Component(slow)
    try:
        waft.start(ready=False)
        waft.subscribe("news", "alice@localhost")
        wait_until(lambda: slow.handshake, 20, "the handshake")
        for i in range(20):
            waft.publish("news", body(i))
        assert not waft.is_ready()
        slow.lets = True
        waft.wait_sent(20)
        assert slow.early == b""
        assert slow.count("<body>") == 20
    finally:
        waft.close()


@pytest.mark.parametrize("condition, reason", [
    ("conflict", "conflict"), ("host-unknown", "host-unknown"),
    ("not-authorized", "not-authorized"), ("invalid-namespace", "host-unknown"),
    ("improper-addressing", "host-unknown"), ("system-shutdown", "shutdown"),
    ("reset", "other")])
def test_c2_6_c2_7_an_error_instead_of_a_handshake_says_why(slow, condition, reason):
    """What only the operator can mend is tried again slowly, and says how."""
    slow.lets = False
    waft = Component(slow, component="window-stanzas = 10")
    waft.conf.write_text(waft.conf.read_text().replace('reconnect = "1s"', 'reconnect = "1h"'))
    try:
        waft.start(ready=False)
        wait_until(lambda: slow.handshake, 20, "the handshake")
        slow.send(f"<stream:error><{condition} xmlns='{STREAMS}'/>"
                  f"<text xmlns='{STREAMS}'>as told</text></stream:error></stream:stream>")
        line = wait_until(lambda: waft.lines("link.down"), 20, "link.down")[0]
        assert f" reason={reason} " in line and "as told" in line
        wait_s = int(line.split("retry_ms=")[1].split()[0]) / 1000
        expected = {"conflict": 30, "host-unknown": 60, "not-authorized": 60}.get(reason, 1)
        assert 0.79 * expected <= wait_s <= 1.21 * expected
        assert (" fix=" in line) == (expected > 1)
    finally:
        slow.lets = True
        waft.close()


@pytest.mark.parametrize("condition", [
    "invalid-from", "invalid-xml", "xml-not-well-formed", "not-well-formed",
    "policy-violation", "bad-format", "restricted-xml", "improper-addressing"])
def test_c2_6_c2_7_an_error_about_what_was_sent_is_the_stanzas(slow, condition):
    waft = Component(slow)
    try:
        waft.start()
        slow.send(f"<stream:error><{condition} xmlns='{STREAMS}'/></stream:error>"
                  "</stream:stream>")
        line = wait_until(lambda: waft.lines("link.down"), 20, "link.down")[0]
        assert " reason=stanza-refused " in line
    finally:
        waft.close()


def test_c1_1_an_error_confirms_like_a_result(server, component):
    """A server that has no ping answers with an error, in order."""
    write = server.write_config

    def without():
        write()
        for name, with_it in (("prosody.cfg.lua", '"ping", '), ("ejabberd.yml", "  mod_ping: {}\n")):
            path = server.directory / name
            if path.exists():
                assert with_it in path.read_text()
                path.write_text(path.read_text().replace(with_it, ""))

    server.write_config = without
    server.restart()
    waft = component()
    waft.subscribe("news", "nobody@localhost")
    waft.publish("news", body("hi"))
    waft.wait_sent(1)
    assert not waft.lines("component.fallback")


def test_c4_2_a_server_that_takes_no_connection_blocks_nothing(tmp_path):
    """Its queue is full, so that connect() waits."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fill = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            fill.append(one)

        class Full:
            domain = "localhost"
            component_port = listener.getsockname()[1]

        waft = Component(Full())
        try:
            waft.start(ready=False)
            waft.subscribe("news", "alice@localhost")
            began = time.monotonic()
            for i in range(20):
                waft.publish("news", body(i))
                assert waft.get("/healthz")[0] == 200
            # The library gives a connection five seconds.
            assert time.monotonic() - began < 4
            assert not waft.lines("link.up")
        finally:
            waft.close()
            for one in fill:
                one.close()


def test_c4_4_the_server_answers_for_us_and_nothing_of_ours_is_lost(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("before"))
    alice.wait_for(lambda: alice.bodies("chat") == ["before"])
    waft.stop()
    iq = alice.call(ping(alice))
    assert iq.tag.endswith("}error")
    condition = iq[0].tag.split("}")[1]
    assert condition in ("remote-server-timeout", "remote-server-not-found"), condition
    waft.start()
    waft.publish("news", body("after"))
    alice.wait_for(lambda: alice.bodies("chat") == ["before", "after"])


async def ping(user):
    """The error that a ping to the component gets."""
    from slixmpp.exceptions import IqError
    from xml.etree.ElementTree import Element

    iq = user.client.make_iq_get(ito="push.localhost")
    iq.append(Element("{urn:xmpp:ping}ping"))
    try:
        await iq.send(timeout=20)
    except IqError as error:
        return error.iq.xml.find("{jabber:client}error")
    except asyncio.TimeoutError:
        pass
    raise AssertionError("no error came")
