"""100,000 JIDs on one channel, and 100,000 channels with one JID each: what they
cost, and that nothing else waits meanwhile.  The XMPP server is scripted here: how
fast a real one takes stanzas is its own affair (bench/)."""

import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from servers import wait_until
from scripted import HEADER, Scripted
from waft import BUILD, Component

MANY = 100_000
BYTES_MAX = 150         # of RSS, for each subscription
STALL_MAX = 10 * 0.05   # ten times what is aimed at

STANZA = re.compile(rb"<message to='([^']*)' from='([^'@]*)@")
PING = "<iq type='get' id='p-{0}' from='u{0}@localhost/x' to='push.localhost'>" \
       "<ping xmlns='urn:xmpp:ping'/></iq>"
ANSWER = re.compile(rb"<iq [^>]*id='(b|p)-([^']+)'")


class Peer(Scripted):
    """Counts stanzas in place of keeping them, answers barriers, and asks the
    component for a ping whenever it has answered the last one."""

    def __init__(self):
        self.got = []           # (receiver, channel)
        self.slowest = 0.0      # answer to a ping
        self.pings = 0
        self.answered = threading.Event()
        self.lock = threading.Lock()
        super().__init__()
        threading.Thread(target=self.ask, daemon=True).start()

    def serve(self, connection):
        text = ""
        while "<stream:stream" not in text:
            text += self.read(connection)
        connection.sendall(HEADER.format(id=self.stream_id).encode())
        text = ""
        while "</handshake>" not in text:
            text += self.read(connection)
        connection.sendall(b"<handshake/>")
        self.links += 1
        self.answered.set()
        rest = b""
        while True:
            data = connection.recv(1 << 20)
            if not data:
                raise OSError("closed")
            cut = data.rfind(b">") + 1
            self.take(rest + data[:cut])
            rest = data[cut:] if cut else rest + data

    def ask(self):
        while True:
            self.answered.wait()
            self.answered.clear()
            time.sleep(0.005)  # answering us must not be all that it does
            self.pings += 1
            self.asked = time.monotonic()
            try:
                self.send(PING.format(self.pings))
            except OSError:
                pass  # the next link sets it going again

    def send(self, text):
        with self.lock:
            super().send(text)

    def take(self, data):
        self.got += STANZA.findall(data)
        for kind, number in ANSWER.findall(data):
            if kind == b"b":
                self.send(f"<iq type='result' id='b-{number.decode()}' from='localhost'"
                          " to='push.localhost/b'/>")
            else:
                self.slowest = max(self.slowest, time.monotonic() - self.asked)
                self.answered.set()

    def wait_ping(self):
        """One that was asked and answered from now on."""
        seen = self.pings
        wait_until(lambda: self.pings > seen + 1, 30, "an answer to a ping")


@pytest.fixture
def peer():
    server = Peer()
    yield server
    server.close()


@pytest.fixture
def waft(peer):
    one = Component(peer, conf='channels "*" { subscribe = anyone }')
    one.start()
    yield one
    one.close()


def is_plain():
    """No sanitizers, which have a memory and a pace of their own."""
    return b"__asan_init" not in (BUILD / "bin" / "waft-component").read_bytes()


def rss(waft):
    status = pathlib.Path(f"/proc/{waft.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def check_turns(waft, peer):
    peer.wait_ping()
    if is_plain():
        assert waft.metric("waft_loop_turn_max_ms") < STALL_MAX * 1000
        assert peer.slowest < STALL_MAX


def load_many(waft, peer, channel):
    """Imports them, and restarts."""
    empty = rss(waft)
    text = "channel,jid\n" + "".join(
        f"{channel(number)},user{number:07d}@localhost\n" for number in range(MANY))
    (waft.directory / "many.csv").write_text(text)
    done = subprocess.run(
        [BUILD / "bin" / "waft", "subscriptions", "import",
         waft.directory / "many.csv", "--control", f"127.0.0.1:{waft.port}"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    check_turns(waft, peer)
    waft.stop()
    waft.start()
    wait_until(lambda: waft.link()["subscriptions"] == MANY, 60, "all loaded")
    check_turns(waft, peer)
    if is_plain():
        assert (rss(waft) - empty) / MANY < BYTES_MAX
    waft.process.send_signal(signal.SIGHUP)
    wait_until(lambda: waft.lines("reload"), 20, "the reload")
    check_turns(waft, peer)


def wait_got(peer, count):
    wait_until(lambda: len(peer.got) >= count, 120, f"{count} stanzas")
    assert len(peer.got) == count


def is_settled(waft, peer):
    count = len(peer.got)
    peer.wait_ping()
    return 0 < count == len(peer.got) and waft.link()["unconfirmed"] == 0


def body(number):
    return f"<message><body>{number}</body></message>"


def test_a_hundred_thousand_jids_of_one_channel(peer, waft):
    load_many(waft, peer, lambda _: "news")
    waft.publish("news", body(1))
    wait_got(peer, MANY)
    assert sorted(to for to, _ in peer.got) == [
        b"user%07d@localhost" % number for number in range(MANY)]
    waft.wait_sent(MANY)
    check_turns(waft, peer)
    assert waft.request("DELETE", "/channels/news/")[0] == 200
    wait_until(lambda: waft.link()["subscriptions"] == 0, 60, "all gone")
    check_turns(waft, peer)


def test_a_hundred_thousand_channels_of_one_jid(peer, waft):
    load_many(waft, peer, lambda number: f"user-{number:07d}")
    assert waft.link()["channels"] == MANY
    for first in range(0, MANY, 1000):
        status, text = waft.request("POST", "/publish/", {"items": [
            {"channel": f"user-{number:07d}", "xmpp-stanza": {"content": body(number)}}
            for number in range(first, first + 1000)]})
        assert status == 200, text
    wait_got(peer, MANY)
    assert sorted(peer.got) == [
        (b"user%07d@localhost" % number, b"user-%07d" % number)
        for number in range(MANY)]
    waft.wait_sent(MANY)
    check_turns(waft, peer)
    peer.got.clear()
    peer.connection.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: peer.links == 3, 30, "the next link")
    # What was confirmed in the last seconds comes again: all, if they sufficed.
    wait_until(lambda: is_settled(waft, peer), 60, "all was repeated")
    assert len(set(peer.got)) == len(peer.got)
    check_turns(waft, peer)
