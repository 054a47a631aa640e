"""BOSH as clients speak it, by the bytes they send: their creation requests, and
their habits that other tests have no place for.  Those that can be had run
themselves in tests/interop and tests/browser."""

import pytest

from bosh import DOMAIN, NB, NC, SASL, XB, Conn, Gateway, message, texts

XMPP = f"xmpp:version='1.0' xmlns:xmpp='{XB}'"
XML = "content='text/xml; charset=utf-8'"

CLIENTS = {
    "strophe": (f"{XML} to='{DOMAIN}' xml:lang='en' wait='60' hold='1' ver='1.6' {XMPP}",
                {}),
    "jitsi": (f"{XML} to='{DOMAIN}' xml:lang='en' wait='60' hold='1' ver='1.6' {XMPP}",
              {"path": "/http-bind?room=a", "headers": ["Content-Type: text/plain"]}),
    "stanza": (f"xml:lang='en' hold='2' wait='30' to='{DOMAIN}' ver='1.6' {XMPP}", {}),
    "gloox": (f"{XML} hold='1' ver='1.6' wait='30' ack='0' secure='false' "
              f"route='xmpp:{DOMAIN}:5222' xml:lang='en' {XMPP} to='{DOMAIN}'",
              {"path": "/http-bind/"}),
    "libpurple 2": (f"{XML} secure='true' to='{DOMAIN}' xml:lang='en' {XMPP} "
                    "ver='1.6' wait='60' hold='1'",
                    {"headers": ["Content-Encoding: text/xml; charset=utf-8"]}),
    "libpurple 3": (f"{XML} to='{DOMAIN}' xml:lang='en' ver='1.10' wait='10' hold='1' "
                    f"{XMPP}", {}),
    "tsung": (f"{XML} ver='1.8' to='{DOMAIN}' {XMPP} wait='60' hold='1'",
              {"path": "/http-bind/"}),
    "jbosh": (f"ver='1.8' wait='60' hold='1' ack='1' {XMPP} xml:lang='en' "
              f"to='{DOMAIN}'", {}),
    "prebind": (f"to='{DOMAIN}' wait='60' hold='1' "
                f"content='text/xml charset=utf-8' {XMPP}", {}),
}


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture(params=CLIENTS, ids=lambda name: name.replace(" ", ""))
def client(request, gateway):
    """Its session, created its way, and a function that sends the next body."""
    attrs, how = CLIENTS[request.param]
    declaration = ('<?xml version="1.0" encoding="UTF-8"?>\n'
                   if request.param == "prebind" else "")
    every = (f"to='{DOMAIN}' xml:lang='en'" if "libpurple 2" in request.param else "")
    conns = [Conn(gateway.port), Conn(gateway.port), Conn(gateway.port)]
    created = conns[0].call(
        f"{declaration}<body rid='1730000000' {attrs} xmlns='{NB}'/>", **how)
    root = created.xml
    rid = 1730000000

    def send(payload="", more="", conn=0):
        nonlocal rid
        rid += 1
        conns[conn].send(
            f"{declaration}<body rid='{rid}' sid='{root.get('sid')}' {every} {more} "
            f"xmlns='{NB}'>\n {payload}\n</body>", **how)

    def call(payload="", more="", conn=0):
        send(payload, more, conn)
        return conns[conn].receive()

    send.call, send.conns, send.created, send.name = call, conns, created, request.param
    yield send
    for conn in conns:
        conn.close()


def test_each_client_is_understood_from_creation_to_terminate(gateway, client):
    assert client.created.status_line == "HTTP/1.1 200 OK"
    assert client.created.header("Content-Type") == "text/xml; charset=utf-8"
    assert client.created.xml.get("hold") == "1"
    assert client.created.xml.get("requests") == "2"
    assert "<mechanism>ANONYMOUS</mechanism>" in client.created.body
    answer = client.call(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
    assert "<success" in answer.body
    client.call(more=f"xmlns:xmpp='{XB}' xmpp:restart='true'")
    answer = client.call(
        "<iq type='set' id='b'>"
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    jid = answer.xml.find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid").text
    channel = client.name.replace(" ", "")
    answer = client.call(
        f"<iq type='set' id='s' to='{DOMAIN}'>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<subscribe node='{channel}' jid='{jid}'/></pubsub></iq>")
    found = answer.body
    while "subscription='subscribed'" not in found:
        found += client.call().body
    client(conn=0)
    gateway.publish(channel, message("here"))
    assert texts(client.conns[0].receive()) == ["here"]
    # The end comes on a third connection, while a request is held.
    client(conn=0)
    assert not client.conns[0].has_answer(0.05)
    client(f"<presence xmlns='{NC}' type='unavailable'/>", "type='terminate'", conn=2)
    assert client.conns[0].receive().condition == ""
    assert client.conns[2].receive().condition is None
