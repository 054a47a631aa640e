"""The main job, end to end: one publish, one store, everybody who listens, whatever
dies meanwhile."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from servers import wait_until
from users import canonical

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from bosh import DOMAIN, NC, Session  # noqa: E402
from daemons import BUILD, Waft, children, program  # noqa: E402

TOKENS = 'token "browser" { kind = basic  secret = "pw" }'
HISTORY = 'channels "*" { subscribe = anyone  history-items = 100000 }'


@pytest.fixture
def waft(server):
    with Waft(TOKENS, server=server.component_port, engine="sqlite",
              channels=HISTORY) as running:
        yield running


class Keeping(Session):
    """Stanzas may come in any answer, that to a bind or a subscription too."""

    def __init__(self, stanzas, *arguments, **more):
        self.stanzas = stanzas
        super().__init__(*arguments, **more)

    def receive(self, *arguments, **more):
        answer = super().receive(*arguments, **more)
        self.stanzas += answer.xml.findall(f"{{{NC}}}message")
        return answer


class Browser:
    """A BOSH client that logs in again whenever its session is gone."""

    def __init__(self, waft, channel):
        self.port = waft.public
        self.channel = channel
        self.stanzas = []
        self.logins = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        wait_until(lambda: self.logins, what="the browser has subscribed")

    def run(self):
        while not self.stopping.is_set():
            try:
                self.listen()
            except (OSError, EOFError, AssertionError, TypeError):
                time.sleep(0.05)

    def listen(self):
        session = Keeping(self.stanzas, self.port, wait=1).log_in(
            "PLAIN", "\0browser\0pw")
        try:
            session.subscribe(self.channel, jid=f"browser@{DOMAIN}")
            self.logins += 1
            while not self.stopping.is_set():
                answer = session.call()
                assert answer.condition is None, answer.body
            session.call(attrs="type='terminate'")
        finally:
            session.close()

    def bodies(self):
        return [each.findtext(f"{{{NC}}}body") for each in self.stanzas]

    def close(self):
        self.stopping.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


class Terminal:
    """`waft subscribe` in a terminal of its own."""

    def __init__(self, waft, channel):
        self.process = subprocess.Popen(
            [BUILD / "bin" / "waft", "subscribe", "-c", waft.conf, channel,
             "--format", "xmpp-stanza", "--after", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def bodies(self):
        return [re.search("<body>(.*)</body>", line)[1] for line in self.lines]

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.thread.join(20)
        self.process.stdout.close()


@pytest.fixture
def listeners(waft, user):
    """Alice behind the XMPP server, a browser, a terminal: all listen to "news"."""
    supervisor = waft.run(ready=("bosh", "component"))
    alice = user("alice")
    status, text = waft.component.request(
        "POST", "/channels/news/subscriptions/", {"jid": alice.bare})
    assert status == 201, text
    browser, terminal = Browser(waft, "news"), Terminal(waft, "news")
    yield supervisor, alice, browser, terminal
    browser.close()
    terminal.close()


@pytest.mark.parametrize("via", ("bosh", "component"))
def test_one_publish_reaches_everybody(waft, listeners, via):
    _, alice, browser, terminal = listeners
    stanza = ("<message type='headline' xml:lang='de'><body>Grüße &amp; &lt;mehr&gt;"
              "</body><t:tick xmlns:t='urn:example:tick' t:n='7'><t:in/>"
              "<plain xmlns='urn:example:other' a=\"'\"/></t:tick></message>")
    position = getattr(waft, via).publish("news", stanza)
    alice.wait_for(lambda: alice.messages, what="the stanza")
    wait_until(lambda: browser.stanzas and terminal.lines, what="the others have it")
    assert terminal.lines == [stanza]
    for got, sender in ((alice.messages, "news@push.localhost"),
                        (browser.stanzas, f"news@{DOMAIN}")):
        assert len(got) == 1
        assert canonical(got[0]) == canonical(stanza)
        assert got[0].get("from") == sender
        assert got[0].get("id") == position


class Publisher:
    """0, 1, 2 … through both control APIs in turn; a number is repeated, with
    its id, until one of them has it."""

    def __init__(self, waft, pause=0.004):
        self.apis = [waft.bosh, waft.component]
        self.pause = pause
        self.count = 0
        self.refused = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(self.pause):
            api = self.apis[(self.count + self.refused) % 2]
            try:
                api.publish("news", f"<message type='chat'><body>{self.count}</body>"
                            "</message>", id=f"n{self.count}")
                self.count += 1
            except (OSError, AssertionError):
                self.refused += 1

    def more(self, count=40):
        before = self.count
        wait_until(lambda: self.count >= before + count, 60, "more is published")

    def close(self):
        self.stopping.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def kill(supervisor, name):
    """Kills the daemon and waits until another one runs."""
    def pids():
        return [pid for pid in children(supervisor.pid) if program(pid) == name]

    old, = wait_until(pids, what=f"{name} runs")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: pids() and pids() != [old], what=f"{name} runs again")


@pytest.fixture
def publisher(waft, listeners):
    running = Publisher(waft)
    yield running
    running.close()


def test_a_kill_of_any_daemon_loses_nothing(waft, listeners, publisher):
    supervisor, alice, browser, terminal = listeners
    for name in ("waft-bosh", "waft-component", "waft-bosh", "waft-component"):
        publisher.more()
        kill(supervisor, name)
    publisher.more()
    publisher.close()
    want = [str(n) for n in range(publisher.count)]
    for name, listener in (("alice", alice), ("browser", browser),
                           ("terminal", terminal)):
        wait_until(lambda: len(set(listener.bodies())) >= len(want), 60,
                   f"all have reached {name}")
        # At least once, and in order.
        assert list(dict.fromkeys(listener.bodies())) == want, name
    assert waft.bosh.bodies("news") == want[:1000]
    # A reader that resumes by position gets each once.
    assert terminal.bodies() == want


def test_a_restart_of_the_server_loses_nothing(server, waft, listeners, publisher):
    """What comes while she is away waits: first in waft, then with the server."""
    _, alice, browser, terminal = listeners
    publisher.more()
    alice.disconnect()
    server.restart()
    publisher.more()
    alice.connect()
    publisher.more()
    publisher.close()
    want = [str(n) for n in range(publisher.count)]
    for listener in (browser, terminal):
        wait_until(lambda: listener.bodies() == want, 60, "all have arrived")
    # A server may hand out what it kept for her behind what is new: only that all
    # came is waft's affair here.
    wait_until(lambda: len(set(alice.bodies())) >= len(want), 60, "alice has all")
    assert set(alice.bodies()) == set(want)


def test_a_wrong_secret_stops_nobody_else(server):
    with Waft(server=server.component_port, engine="sqlite", secret="wrong",
              component="") as waft:
        supervisor = waft.run()
        line = supervisor.wait_line("link.down")
        assert "reason=not-authorized" in line and "secret" in line.split(" fix=")[1]
        # Retried slowly, for it will not heal by itself.
        assert int(re.search(r"retry_ms=(\d+)", line)[1]) >= 30000
        assert waft.component.request("GET", "/readyz")[0] == 503
        assert "not-authorized" in waft.cli("status").stdout
        waft.component.publish("c", "<message><body>kept</body></message>")
        assert waft.bosh.bodies("c") == ["kept"]
        assert len(supervisor.lines("link.down")) == 1
        assert supervisor.lines("run.died") == []
