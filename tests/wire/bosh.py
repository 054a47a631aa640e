"""A waft-bosh of its own, its control API, and a BOSH client that counts bytes.

The BOSH client is a script, not a library: it sends exactly what a test says,
on the connection the test names, and reads answers when the test asks for them.
"""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ET
from urllib.parse import quote

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WAFT_BUILD", ROOT / "build"))
NB = "http://jabber.org/protocol/httpbind"
NC = "jabber:client"
XB = "urn:xmpp:xbosh"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
PUBSUB = "http://jabber.org/protocol/pubsub"
STREAM = "http://etherx.jabber.org/streams"
DOMAIN = "bosh.test"
PING = "<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>"
COMPONENT = 'component "push.test" { secret = "x" control = "127.0.0.1:0" }\n'


class Gateway:
    """waft-bosh on free ports; `more` are further options of its section."""

    def __init__(self, more="", sections="", engine="memory"):
        self.directory = tempfile.mkdtemp(prefix="waft-wire-")
        self.config = pathlib.Path(self.directory, "waft.conf")
        self.config.write_text(f"""\
log {{ level = "debug" }}
store {{ engine = "{engine}" path = "{self.directory}/waft.db" }}
bosh {{
  listen = {{"127.0.0.1:0"}}
  domain = "{DOMAIN}"
  control = "127.0.0.1:0"
  workers = 2
  {more}
}}
{sections}
channels "*" {{ subscribe = anyone }}
""")
        self.process = None
        self.start()

    def start(self):
        self.log = pathlib.Path(self.directory, "log")
        self.log.touch()
        self.started = len(self.log.read_bytes())
        self.process = subprocess.Popen(
            [BUILD / "bin" / "waft-bosh", "-c", self.config],
            stderr=open(self.log, "ab"))
        line = until(self._ready, 20, self.tail)
        self.port = int(re.search(r"http=127.0.0.1:(\d+)", line)[1])
        found = re.search(r"https=127.0.0.1:(\d+)", line)
        self.tls_port = int(found[1]) if found else None
        self.control = int(re.search(r"control=127.0.0.1:(\d+)", line)[1])

    def _ready(self):
        assert self.process.poll() is None, self.tail()
        found = [line for line in 
                 self.log.read_bytes()[self.started:].decode().splitlines()
                 if "event=ready" in line]
        return found[-1] if found else None

    def has_ended(self, session):
        return f"event=bosh.end sid={session.sid[:6]}" in self.log.read_text()

    def tail(self):
        return self.log.read_text()[-3000:]

    def metric(self, name):
        url = f"http://127.0.0.1:{self.control}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.rsplit(" ", 1)[0] == name:
                    return int(line.rsplit(" ", 1)[1])
        return 0

    def publish(self, channel, stanza, **more):
        item = {"channel": channel,
                "formats": {"xmpp-stanza": {"content": stanza}}, **more}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control}/publish/",
            json.dumps({"items": [item]}).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed"

    def close(self):
        code = self.stop()
        tail = self.tail()
        shutil.rmtree(self.directory, ignore_errors=True)
        assert code == 0, f"exit code {code}: {tail}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Api:
    """One connection to a control port."""

    def __init__(self, port):
        self.port = port
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def call(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value
                   for name, value in headers.items()}
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        self.conn.request(method, path, body, headers)
        answer = self.conn.getresponse()
        answer.text = answer.read().decode()
        return answer

    def json(self, method, path, body=None, status=200, **headers):
        answer = self.call(method, path, body, Accept="application/json",
                           **headers)
        assert answer.status == status, (answer.status, answer.text)
        assert answer.headers["Content-Type"] == "application/json"
        return json.loads(answer.text)

    def publish(self, *items, status=200, path="/publish/", **headers):
        return self.json("POST", path, {"items": list(items)}, status,
                         **headers)

    def items(self, channel, more="", status=200):
        return self.json("GET", f"/channels/{quote(channel, '')}/items/{more}",
                         status=status)


def until(condition, seconds=5, what=lambda: "condition"):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"late: {what()}"
        time.sleep(0.01)


class Response:
    def __init__(self, status_line, headers, body):
        self.status_line = status_line
        self.status = int(status_line.split(" ")[1])
        self.headers = headers
        self.body = body

    def header(self, name):
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(values) <= 1, self.headers
        return values[0] if values else None

    @property
    def xml(self):
        return ET.fromstring(self.body)

    @property
    def condition(self):
        """None, "" for a terminate without a condition, or the condition."""
        root = self.xml
        if root.get("type") != "terminate":
            return None
        return root.get("condition", "")


class Conn:
    """One TCP connection; requests may be sent before answers are read."""

    def __init__(self, port, tls=None, name=None):
        """Tls: an ssl.SSLContext."""
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.buffer = b""

    def send(self, body, method="POST", path="/http-bind", headers=(),
             version="HTTP/1.1"):
        body = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} {version}", "Host: localhost", *headers]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def has_answer(self, seconds=0.2):
        if self.buffer:
            return True
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return False
        assert data, "closed"
        self.buffer += data
        return True

    def _read(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self.buffer += data

    def receive_head(self, seconds=10):
        """A head alone, as HEAD is answered."""
        self.socket.settimeout(seconds)
        while b"\r\n\r\n" not in self.buffer:
            self._read()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1))
                   for line in lines[1:]]
        return Response(lines[0], headers, "")

    def receive_raw(self, seconds=10):
        """Head, and body as bytes."""
        head = self.receive_head(seconds)
        length = int(head.header("Content-Length") or 0)
        while len(self.buffer) < length:
            self._read()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return head, body

    def receive(self, seconds=10):
        head, body = self.receive_raw(seconds)
        return Response(head.status_line, head.headers, body.decode())

    def call(self, body, **more):
        self.send(body, **more)
        return self.receive()

    def is_closed(self, seconds=5):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Session:
    """A session that counts its own rids, over two connections in turn."""

    def __init__(self, port, rid=5000, attrs="", to=DOMAIN, ver="1.6",
                 wait=60, hold=1, payload="", tls=None):
        self.port = port
        self.conns = [Conn(port, tls), Conn(port, tls)]
        self.rid = rid
        ver = f" ver='{ver}'" if ver else ""
        self.created = self.conns[0].call(
            f"<body rid='{rid}' to='{to}' xml:lang='en' wait='{wait}' "
            f"hold='{hold}'{ver} xmlns='{NB}' xmpp:version='1.0' "
            f"xmlns:xmpp='{XB}' {attrs}>{payload}</body>")
        self.sid = self.created.xml.get("sid")

    def body(self, payload="", attrs="", rid=None):
        if rid is None:
            self.rid += 1
            rid = self.rid
        return (f"<body rid='{rid}' sid='{self.sid}' {attrs} "
                f"xmlns='{NB}'>{payload}</body>") if payload or attrs else (
                f"<body rid='{rid}' xmlns='{NB}' sid='{self.sid}'/>")

    def send(self, payload="", attrs="", rid=None, conn=0):
        self.conns[conn].send(self.body(payload, attrs, rid))

    def receive(self, conn=0, seconds=10):
        return self.conns[conn].receive(seconds)

    def call(self, payload="", attrs="", conn=0):
        self.send(payload, attrs, conn=conn)
        return self.receive(conn)

    def hear(self, what, *held, seconds=10):
        """Takes the answers of the connections held, oldest first, and polls on,
        until what was said; all that was."""
        held, said = list(held), ""
        while what not in said:
            if not held:
                self.send(conn=0)
                held.append(0)
            answer = self.receive(held.pop(0), seconds)
            assert answer.condition is None, answer.body
            said += answer.body
        return said

    def hear_end(self, seconds=10):
        """Polls on until it is over; the answer that says so."""
        end = time.monotonic() + seconds
        while True:
            answer = self.call("<presence/>" + PING)
            if answer.condition is not None:
                return answer
            assert time.monotonic() < end, "late: it goes on"

    def authenticate(self, mechanism="ANONYMOUS", message=None):
        text = ("" if message is None
                else base64.b64encode(message.encode()).decode())
        return self.call(
            f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")

    def restart(self):
        return self.call(
            attrs=f"to='{DOMAIN}' xmpp:restart='true' xmlns:xmpp='{XB}'")

    def bind(self, resource=None):
        inner = f"<resource>{resource}</resource>" if resource else ""
        answer = self.call(
            f"<iq xmlns='{NC}' type='set' id='b1'>"
            f"<bind xmlns='{BIND}'>{inner}</bind></iq>")
        jid = answer.xml.find(f".//{{{BIND}}}jid")
        assert jid is not None, answer.body
        self.jid = jid.text
        return answer

    def log_in(self, mechanism="ANONYMOUS", message=None, resource=None):
        answer = self.authenticate(mechanism, message)
        assert answer.xml.find(f"{{{SASL}}}success") is not None, answer.body
        self.restart()
        self.bind(resource)
        return self

    def subscribe(self, channel, jid=None):
        answer = self.call(
            f"<iq xmlns='{NC}' type='set' id='s1' to='{DOMAIN}'>"
            f"<pubsub xmlns='{PUBSUB}'><subscribe node='{channel}' "
            f"jid='{jid or self.jid}'/></pubsub></iq>")
        iq = answer.xml.find(f"{{{NC}}}iq")
        assert iq is not None and iq.get("type") == "result", answer.body
        return answer

    def texts(self, seconds=10, conn=0, count=1):
        """Polls until count messages came; their bodies in order."""
        found = []
        while len(found) < count:
            answer = self.call(conn=conn)
            assert answer.condition is None, answer.body
            found += texts(answer)
        return found

    def close(self):
        for conn in self.conns:
            conn.close()


def texts(answer):
    return [body.text for body in
            answer.xml.findall(f"{{{NC}}}message/{{{NC}}}body")]


def message(text, more=""):
    return f"<message xmlns='{NC}'{more}><body>{text}</body></message>"


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()
