#!/usr/bin/env python3
"""A web server behind bot@push.example.org that befriends everybody and echoes.

component "push.example.org" {
  server = "127.0.0.1:5347"  secret = "…"
  origin = "http://127.0.0.1:8000"  origin-networks = {"127.0.0.0/8"}
}
channels "bot" { relay = all }
"""
import sys
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(stanza):
    user, bot, kind = stanza.get("from"), stanza.get("to").split("/")[0], stanza.get("type")
    body = stanza.findtext("{jabber:client}body")
    if body is not None:
        yield "message", {"from": bot, "to": user, "type": kind or "normal"}, "You said: " + body
    if kind in ("subscribe", "unsubscribe"):
        yield "presence", {"from": bot, "to": user, "type": kind + "d"}, None
    if kind in ("subscribe", "probe"):
        yield "presence", {"from": bot + "/web", "to": user}, None


class Bot(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept,
    wbufsize = -1  # and head and body leave in one write

    def do_POST(self):
        stanza = ET.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        text = b""
        for name, attributes, body in answer(stanza):
            made = ET.Element(name, attributes)
            if body is not None:
                ET.SubElement(made, "body").text = body
            text += ET.tostring(made) + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    ThreadingHTTPServer(("127.0.0.1", port), Bot).serve_forever()
