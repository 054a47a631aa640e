"""A WebSocket client that sends exactly what a test says (RFC 6455), and the
XMPP in it (RFC 7395)."""

import base64
import hashlib
import os
import re
import socket
import struct
import xml.etree.ElementTree as ET

from bosh import BIND, DOMAIN, NC, PUBSUB, SASL, STREAM

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPEN = f"<open xmlns='{FRAMING}' to='{DOMAIN}' version='1.0'/>"


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x01\x02\x03\x04",
          length=None):
    """One frame; length: bytes of the length field, if not the least."""
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload)
    if length is None:
        length = 0 if size < 126 else 2 if size < 65536 else 8
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = size if length == 0 else 126 if length == 2 else 127
    head = bytes([first, second | (0x80 if mask else 0)])
    head += size.to_bytes(length, "big") if length else b""
    if not mask:
        return head + payload
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + mask + masked


class Socket:
    """A TCP connection that may become a WebSocket."""

    def __init__(self, port, size=None, tls=None):
        self.socket = socket.socket()
        if size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)
        self.buffer = b""
        self.pings = []

    def send(self, data):
        self.socket.sendall(data)

    def _need(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data

    def _take(self, count):
        self._need(count)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    # ---- the handshake ----

    def request(self, path="/ws", method="GET", version="HTTP/1.1", **headers):
        """The lines of a good one; a header given as None is left out."""
        self.key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": "localhost", "Upgrade": "websocket",
                  "Connection": "Upgrade", "Sec_WebSocket_Key": self.key,
                  "Sec_WebSocket_Version": "13",
                  "Sec_WebSocket_Protocol": "xmpp", **headers}
        lines = [f"{method} {path} {version}"]
        lines += [f"{name.replace('_', '-')}: {value}"
                  for name, value in fields.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode()

    def answer(self):
        """Status and headers (names in small letters), and the text."""
        while b"\r\n\r\n" not in self.buffer:
            self._need(len(self.buffer) + 1)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, value in
                   (line.split(":", 1) for line in lines[1:])}
        text = self._take(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers, text.decode()

    def shake(self, **headers):
        self.send(self.request(**headers))
        return self.answer()

    # ---- frames ----

    def receive_frame(self):
        """Opcode and payload, of the server: whole and not masked."""
        first, second = self._take(2)
        assert first & 0x70 == 0 and first & 0x80, hex(first)
        assert second & 0x80 == 0, "the server masks"
        size = second & 0x7f
        if size == 126:
            size, = struct.unpack(">H", self._take(2))
            assert size >= 126
        elif size == 127:
            size, = struct.unpack(">Q", self._take(8))
            assert size >= 65536
        return first & 0x0f, self._take(size)

    def receive(self, pong=True):
        """The next text message; pings are answered on the way."""
        while True:
            opcode, payload = self.receive_frame()
            if opcode == PING:
                self.pings.append(payload)
                if pong:
                    self.send(frame(PONG, payload))
                continue
            assert opcode == TEXT, (opcode, payload)
            return payload.decode()

    def close_code(self):
        """Reads up to the close; its code, or None."""
        while True:
            opcode, payload = self.receive_frame()
            if opcode == CLOSE:
                return struct.unpack(">H", payload[:2])[0] if payload else None

    def is_closed(self, seconds=10):
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stream(Socket):
    """XMPP over it; each message is one element."""

    def __init__(self, port, **more):
        super().__init__(port, **more)
        status, self.headers, text = self.shake()
        assert status == 101, (status, text)
        accept = hashlib.sha1((self.key + GUID).encode()).digest()
        assert self.headers["sec-websocket-accept"] == \
            base64.b64encode(accept).decode()
        assert self.headers["sec-websocket-protocol"] == "xmpp"

    def say(self, text):
        self.send(frame(TEXT, text))

    def hear(self, **more):
        return ET.fromstring(self.receive(**more))

    def open(self, text=OPEN):
        """Our <open/>, the server's, and its features."""
        self.say(text)
        opened = self.hear()
        assert opened.tag == f"{{{FRAMING}}}open"
        features = self.hear()
        assert features.tag == f"{{{STREAM}}}features"
        return opened, features

    def error(self):
        """The condition of the stream error that ends the stream; what comes
        before it is skipped."""
        while True:
            element = self.hear()
            if element.tag == f"{{{STREAM}}}error":
                break
        assert self.receive() == f"<close xmlns='{FRAMING}'/>"
        self.code = self.close_code()
        return element[0].tag.removeprefix(f"{{{STREAMS}}}")

    def authenticate(self, mechanism="ANONYMOUS", message=None):
        text = ("" if message is None
                else base64.b64encode(message.encode()).decode())
        self.say(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")
        return self.hear()

    def bind(self, resource=None):
        inner = f"<resource>{resource}</resource>" if resource else ""
        answer = self.ask(f"<bind xmlns='{BIND}'>{inner}</bind>", "bind")
        self.jid = answer.find(f".//{{{BIND}}}jid").text
        return answer

    def log_in(self, mechanism="ANONYMOUS", message=None, resource=None):
        self.open()
        answer = self.authenticate(mechanism, message)
        assert answer.tag == f"{{{SASL}}}success", ET.tostring(answer)
        self.open()
        self.bind(resource)
        return self

    def ask(self, payload, number="q", more=""):
        """An iq of type set; its answer, which must be a result."""
        self.say(f"<iq xmlns='{NC}' type='set' id='{number}'{more}>{payload}"
                 f"</iq>")
        answer = self.hear()
        assert answer.get("type") == "result", ET.tostring(answer)
        assert answer.get("id") == number
        return answer

    def subscribe(self, channel, jid=None):
        return self.ask(
            f"<pubsub xmlns='{PUBSUB}'><subscribe node='{channel}' "
            f"jid='{jid or self.jid}'/></pubsub>", "s", f" to='{DOMAIN}'")

    def texts(self, count, **more):
        """The bodies of the next messages."""
        return [re.search("<body>(.*?)</body>", self.receive(**more))[1]
                for _ in range(count)]
