"""A c2s client that keeps the bytes it receives, for what must be the same to the byte."""

import base64
import socket

from servers import wait_until


class RawUser:
    """Logged in, bound, present; `stanzas()` are the messages as they came."""

    def __init__(self, server, name, resource="raw"):
        server.add_user(name)
        self.bare = f"{name}@{server.domain}"
        self.jid = f"{self.bare}/{resource}"
        self.text = ""
        self.socket = socket.create_connection(("127.0.0.1", server.c2s_port))
        self.socket.setblocking(False)
        stream = (f"<?xml version='1.0'?><stream:stream to='{server.domain}'"
                  " version='1.0' xmlns='jabber:client'"
                  " xmlns:stream='http://etherx.jabber.org/streams'>")
        plain = base64.b64encode(f"\0{name}\0{server.users[name]}".encode()).decode()
        self.say(stream, "</stream:features>")
        self.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
                 f" mechanism='PLAIN'>{plain}</auth>", "<success")
        self.say(stream, "</stream:features>")
        self.say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                 f"<resource>{resource}</resource></bind></iq>", "</iq>")
        self.say("<iq type='set' id='session'>"
                 "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", "session")
        self.say("<presence/>", "<presence")

    def say(self, text, want):
        begin = len(self.text)
        self.socket.sendall(text.encode())
        wait_until(lambda: want in self.read()[begin:], 20, f"{self.bare}: {want}")

    def read(self):
        try:
            while data := self.socket.recv(65536):
                self.text += data.decode()
        except BlockingIOError:
            pass
        return self.text

    def stanzas(self):
        pieces = self.read().split("<message ")[1:]
        return ["<message " + each.partition("</message>")[0] for each in pieces
                if "</message>" in each]

    def close(self):
        self.socket.close()
