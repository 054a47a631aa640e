"""What no real server does on demand: a scripted XEP-0114 server."""

import hashlib
import re
import socket
import threading

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'"
          " xmlns:stream='http://etherx.jabber.org/streams' id='{id}' from='push.localhost'>")


class Scripted:
    """Takes one link at a time, keeps what it receives, and answers barriers
    as told."""

    domain = "localhost"

    def __init__(self, stream_id="s1"):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.component_port = self.listener.getsockname()[1]
        self.stream_id = stream_id
        self.answers_pings = True
        self.echoes = True
        self.received = ""  # of the connection that is up
        self.links = 0
        self.connection = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.serve(self.connection)
            except OSError:
                pass
            self.connection.close()

    def read(self, connection):
        data = connection.recv(65536)
        if not data:
            raise OSError("closed")
        return data.decode()

    def serve(self, connection):
        text = ""
        while "<stream:stream" not in text:
            text += self.read(connection)
        escaped = self.stream_id.replace("&", "&amp;")
        connection.sendall(HEADER.format(id=escaped).encode())
        text = ""
        while "</handshake>" not in text:
            text += self.read(connection)
        want = hashlib.sha1((self.stream_id + "secret").encode()).hexdigest()
        assert want in text, text
        self.received = text.split("</handshake>")[1]
        connection.sendall(b"<handshake/>")
        self.links += 1
        seen = 0
        while True:
            self.received += self.read(connection)
            seen = self.answer(connection, seen)

    def answer(self, connection, seen):
        for match in re.compile(r"<(iq|message) [^>]*id='(b-[^']+)'").finditer(self.received, seen):
            seen = match.end()
            if match[1] == "iq" and self.answers_pings:
                connection.sendall(
                    f"<iq type='result' id='{match[2]}' from='localhost'"
                    f" to='push.localhost/b'/>".encode())
            if match[1] == "message" and self.echoes:
                connection.sendall(
                    f"<message type='headline' id='{match[2]}' from='push.localhost/b'"
                    f" to='push.localhost/b'/>".encode())
        return seen

    def send(self, text):
        self.connection.sendall(text.encode())

    def count(self, text):
        return self.received.count(text)

    def close(self):
        self.listener.close()
        if self.connection is not None:
            self.connection.close()


def body(text):
    return f"<message type='chat'><body>{text}</body></message>"
