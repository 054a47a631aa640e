"""Clients that do whatever comes to their mind, all at once: the daemon lives, and
ends in order.  Worth most on the sanitizer build."""

import random
import re
import signal
import socket
import threading
import time

import pytest

from bosh import BIND, DOMAIN, NB, NC, PUBSUB, SASL, XB
from daemons import Waft, wait_until

SECONDS = 4
CHANNELS = ("a", "b", "c d", "ü")


class Client:
    """One thread with a few connections and sessions that it treats badly."""

    def __init__(self, waft, seed):
        self.waft = waft
        self.random = random.Random(seed)
        self.conns = []
        self.spoiled = []
        self.sessions = []  # [sid, rid]
        self.error = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        moves = [getattr(self, name) for name in dir(self)
                 if name.startswith("do_")]
        try:
            while not self.stopping.is_set():
                try:
                    self.random.choice(moves)()
                except OSError:
                    pass
        except BaseException as error:  # noqa: BLE001
            self.error = error
        for each in self.conns + self.spoiled:
            each.close()

    def connect(self, port=None):
        made = socket.create_connection(("127.0.0.1", port or self.waft.public), 5)
        made.settimeout(0.05)
        return made

    def spoil(self, data):
        """On a connection of its own, that is left open for a while."""
        self.spoiled.append(self.connect(
            self.random.choice((self.waft.public, self.waft.bosh.port))))
        self.spoiled[-1].sendall(data)
        while len(self.spoiled) > 6:
            self.spoiled.pop(0).close()

    def conn(self):
        if not self.conns or self.random.random() < 0.1:
            self.conns.append(self.connect())
        return self.random.choice(self.conns)

    def post(self, body, path="/http-bind"):
        data = (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: "
                f"{len(body.encode())}\r\n\r\n{body}").encode()
        if self.random.random() < 0.05:
            self.spoil(data[:self.random.randrange(len(data))])
        conn = self.conn()
        try:
            if self.random.random() < 0.2:
                cut = self.random.randrange(len(data) + 1)
                conn.sendall(data[:cut])
                data = data[cut:]
            conn.sendall(data)
            if self.random.random() < 0.3:
                return ""
            got = conn.recv(65536)
            if got == b"":
                raise EOFError
            return got.decode(errors="replace")
        except TimeoutError:
            return ""
        except (OSError, EOFError):
            self.conns.remove(conn)
            return None

    def in_session(self, payload="", attrs="", session=None):
        if not self.sessions:
            return self.do_create()
        session = session or self.random.choice(self.sessions)
        step = self.random.choices((1, 0, -1, 2, 7), (400, 20, 2, 2, 1))[0]
        body = (f"<body rid='{session[1] + step}' sid='{session[0]}' xmlns='{NB}' "
                f"xmpp:version='1.0' xmlns:xmpp='{XB}' {attrs}>{payload}</body>")
        if self.post(body) is not None:
            session[1] += step

    # ---- what may come to its mind ----

    def do_create(self):
        rid = self.random.randrange(1, 2**50)
        answer = self.post(
            f"<body rid='{rid}' to='{DOMAIN}' wait='{self.random.choice((0, 1, 60))}' "
            f"hold='{self.random.choice((0, 1, 2))}' ver='1.6' ack='1' xmlns='{NB}'/>")
        # It may be the answer to another one's creation: ack is its rid.
        for body in re.findall("<body[^>]* sid=[^>]*>", answer or ""):
            self.sessions.append([re.search(" sid='(.*?)'", body)[1],
                                  int(re.search(" ack='(.*?)'", body)[1])])
            del self.sessions[:-8]

    def do_log_in(self):
        self.do_create()
        one = self.sessions[-1] if self.sessions else None
        self.in_session(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>", session=one)
        self.in_session(attrs="xmpp:restart='true'", session=one)
        self.in_session(f"<iq xmlns='{NC}' type='set' id='b'><bind xmlns='{BIND}'/></iq>",
                        session=one)
        for channel in CHANNELS:
            self.in_session(
                f"<presence xmlns='{NC}' type='subscribe' to='{channel}@{DOMAIN}'/>",
                session=one)

    def do_poll(self):
        self.in_session()

    do_poll_more = do_poll_on = do_poll_again = do_poll

    def do_subscribe(self):
        word = self.random.choice(("subscribe", "subscribe", "unsubscribe"))
        self.in_session(
            f"<iq xmlns='{NC}' type='set' id='s' to='{DOMAIN}'><pubsub "
            f"xmlns='{PUBSUB}'><{word} node='{self.random.choice(CHANNELS)}' "
            f"jid='x@{DOMAIN}'/></pubsub></iq>"
            f"<presence xmlns='{NC}' type='{word}' to='a@{DOMAIN}'/>")

    def do_ask(self):
        self.in_session(
            f"<iq xmlns='{NC}' type='get' id='i' to='{DOMAIN}'><pubsub xmlns='{PUBSUB}'>"
            f"<items node='a'/></pubsub></iq><message xmlns='{NC}'/>" * 3)

    def do_nonsense(self):
        self.in_session(self.random.choice(("<a>", "</body>", "x" * 9000, "<iq/>",
                                            f"<iq xmlns='{NC}'/>")))

    def do_pause_and_terminate(self):
        self.in_session(attrs=self.random.choice(
            ("type='terminate'", "pause='10'", "pause='99999'", "ack='1'")))

    def do_leave(self):
        if self.conns:
            gone = self.conns.pop(self.random.randrange(len(self.conns)))
            if self.random.random() < 0.5:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                b"\1\0\0\0\0\0\0\0")
            gone.close()

    def do_noise(self):
        self.spoil(self.random.randbytes(self.random.randrange(1, 300)))

    def do_publish(self):
        items = [{"channel": self.random.choice(CHANNELS),
                  "id": str(self.random.randrange(50)),
                  "xmpp-stanza": {"content": f"<message><body>{'x' * n}</body></message>"}}
                 for n in (1, self.random.randrange(60000))]
        self.waft.bosh.request("POST", "/publish/", {"items": items})

    do_publish_more = do_publish

    def do_delete(self):
        self.waft.bosh.request("DELETE", f"/channels/{self.random.choice('abz')}/")

    def do_watch(self):
        """Asks for items to come, and does not wait for them."""
        self.spoil(b"GET /channels/a/items/?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")


@pytest.mark.parametrize("engine", ("memory", "sqlite"))
def test_it_outlives_clients_without_sense(engine):
    limits = """
store { tail-size = 256K }
http { request-timeout = 2s  idle-timeout = 3s  write-queue = 64K  pipeline-max = 4 }
"""
    with Waft(limits, engine=engine,
              bosh="client-queue = 64K  max-response = 16K  inactivity = 5s  max-pause = 3s",
              channels='channels "*" { subscribe = anyone  history-items = 20 }') as waft:
        daemon = waft.start("bosh")
        clients = [Client(waft, seed) for seed in range(8)]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and daemon.process.poll() is None:
            time.sleep(0.5)
            daemon.process.send_signal(signal.SIGHUP)
        for each in clients:
            each.stopping.set()
        for each in clients:
            each.thread.join(60)
        assert daemon.process.poll() is None, daemon.text()[-4000:]
        assert [each.error for each in clients if each.error] == []
        # Sessions nobody asks for end, connections nobody uses too.
        wait_until(lambda: waft.bosh.get("/status")["sessions"] == 0, 30,
                   "the sessions have ended")
        wait_until(lambda: waft.bosh.metric("waft_http_connections") <= 1, 30,
                   "the connections are closed")
        assert waft.bosh.metric("waft_bosh_sessions_total") > 5
        assert waft.bosh.metric("waft_bosh_stanzas_total") > 5
        assert waft.bosh.metric("waft_published_items_total") > 5
        assert waft.bosh.is_ready()
