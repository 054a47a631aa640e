"""The relay to an origin: a real web server behind addresses of the component, between
it and a scripted XMPP server what users send, and both real servers."""

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from origin import Origin
from servers import free_ports, wait_until
from scripted import Scripted
from waft import ROOT, Component

CLIENT = "{jabber:client}"
LOOPBACK = 'origin-networks = {"127.0.0.0/8"}'
ALL = 'channels "bot" { relay = all }\n'
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class Relay:
    """A scripted server, waft attached to it, and an origin."""

    def __init__(self):
        self.scripted = Scripted()
        self.origins = []
        self.waft = None
        self.asked = 0

    def origin(self, answer=lambda path, body: b"", **kwargs):
        self.origins.append(Origin(answer, **kwargs))
        return self.origins[-1]

    def start(self, url, options=LOOPBACK, conf=ALL):
        self.waft = Component(self.scripted, component=f'origin = "{url}"\n{options}',
                              conf=conf)
        return self.waft.start()

    def say(self, text="hi", user="alice@localhost/x", to="bot@push.localhost",
            kind="chat", name="m"):
        self.scripted.send(
            f"<message from='{user}' to='{to}' type='{kind}' id='{name}'>"
            f"<body>{text}</body></message>")

    def wait(self, text, seconds=20):
        wait_until(lambda: text in self.scripted.received, seconds,
                   f"{text}\n{self.scripted.received}\n{self.waft.read_log()}")

    def settle(self):
        """Everything sent before has been read and answered: a ping's answer is."""
        self.asked += 1
        self.scripted.send(
            f"<iq type='get' id='settle{self.asked}' from='zoe@localhost/x'"
            " to='push.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.wait(f"id='settle{self.asked}'")

    def errors(self):
        return re.findall(r"<error type='(\w+)'><([a-z-]+) ", self.scripted.received)

    def wait_error(self, condition, name="m"):
        self.wait(f"type='error' id='{name}'")
        error = re.search(rf"type='error' id='{name}' from='([^']*)' to='([^']*)'>"
                          r"<error type='\w+'><([a-z-]+)", self.scripted.received)
        assert error[3] == condition, self.scripted.received
        return error[1], error[2]

    def relayed(self, result):
        return self.waft.metric(f'waft_component_relayed_total{{result="{result}"}}')

    def close(self):
        if self.waft is not None:
            self.waft.close()
        self.scripted.close()
        for each in self.origins:
            each.close()


@pytest.fixture
def relay():
    one = Relay()
    yield one
    if one.waft is not None:
        print(one.waft.read_log())
    one.close()


def echo(_, body):
    stanza = ET.fromstring(body)
    return (f"<message from='{stanza.get('to')}' to='{stanza.get('from')}' type='chat'>"
            f"<body>{escape(stanza.findtext(CLIENT + 'body'))}</body></message>\n").encode()


# ---- what goes over the wire ---------------------------------------------


def test_a_stanza_is_posted_and_the_answer_is_sent(relay):
    origin = relay.origin(echo)
    relay.start(origin.url + "/app/")
    relay.scripted.send(
        "<message from='alice@localhost/x' to='bot@push.localhost/r' type='chat' id='m'>"
        "<body>hi &lt;there&gt;</body><x xmlns='urn:x' a='1'><y/></x></message>")
    relay.wait("<message from='bot@push.localhost/r' to='alice@localhost/x' type='chat'>"
               "<body>hi &lt;there&gt;</body></message>")
    (path, headers, body), = origin.requests
    assert path == "/app/xmpp/bot%40push.localhost%2Fr"
    assert urllib.parse.unquote(path) == "/app/xmpp/bot@push.localhost/r"
    assert headers["Content-Type"] == "application/xml; charset=utf-8"
    assert headers["User-Agent"].startswith("waft/")
    assert "Grip-Sig" not in headers
    stanza = ET.fromstring(body)
    assert stanza.tag == CLIENT + "message"
    assert [child.tag for child in stanza] == [CLIENT + "body", "{urn:x}x"]
    assert stanza.attrib == {"from": "alice@localhost/x", "id": "m", "type": "chat",
                             "to": "bot@push.localhost/r"}
    assert relay.relayed("ok") == 1


def test_a_token_signs_each_request(relay):
    origin = relay.origin(echo)
    relay.start(origin.url, LOOPBACK + ' origin-token = "bot"',
                ALL + 'token "bot" { kind = jwt key = "secret" publish = {} }\n')
    relay.say()
    relay.wait("<body>hi</body>")
    head, claims, signature = origin.requests[0][1]["Grip-Sig"].split(".")

    def decode(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    assert json.loads(decode(head))["alg"] == "HS256"
    assert hmac.new(b"secret", f"{head}.{claims}".encode(),
                    hashlib.sha256).digest() == decode(signature)
    assert json.loads(decode(claims))["iss"] == "bot"
    assert json.loads(decode(claims))["sub"] == "push.localhost"


def test_an_empty_answer_sends_nothing(relay):
    origin = relay.origin()
    relay.start(origin.url)
    relay.say()
    wait_until(lambda: relay.relayed("ok") == 1, 20)
    relay.settle()
    assert "<message" not in relay.scripted.received


def test_several_stanzas_of_one_answer_keep_their_order_and_meaning(relay):
    origin = relay.origin(lambda *_: b"""
<presence from='bot@push.localhost' to='alice@localhost' type='subscribed'/>
<message xmlns='jabber:client' from='BOT@push.localhost/web' to='Alice@localhost/x'
 xml:lang='de'><body>a &amp; b</body><forwarded xmlns='urn:xmpp:forward:0'>
<message xmlns='jabber:client' from='z@y' to='q@r'><body>in</body></message>
</forwarded></message>
<message from='bot@push.localhost' to='bob@localhost'><body>2</body></message>
""")
    relay.start(origin.url)
    relay.say()
    relay.wait("<body>2</body>")
    sent = relay.scripted.received
    assert (sent.index("type='subscribed'") < sent.index("a &amp; b")
            < sent.index("<body>2</body>"))
    assert "from='bot@push.localhost/web' to='alice@localhost/x' xml:lang='de'>" in sent
    # In the link's namespace but for what is inside another (checklist 3.3, 3.4).
    assert sent.count("xmlns='jabber:client'") == 1
    assert "<message xmlns='jabber:client' from='z@y' to='q@r'>" in sent


def test_presence_and_iq_go_to_the_origin_where_the_class_says_all(relay):
    def answer(_, body):
        stanza = ET.fromstring(body)
        if stanza.tag == CLIENT + "presence":
            return (f"<presence from='bot@push.localhost' to='{stanza.get('from')}'"
                    f" type='{stanza.get('type')}d'/>").encode()
        if stanza.get("type") in ("result", "error"):
            return b""
        return (f"<iq type='result' id='{stanza.get('id')}' from='bot@push.localhost'"
                f" to='{stanza.get('from')}'><q xmlns='urn:q' n='1'/></iq>"
                f"<iq type='get' id='back' from='bot@push.localhost'"
                f" to='{stanza.get('from')}'><query xmlns='jabber:iq:version'/></iq>").encode()

    origin = relay.origin(answer)
    relay.start(origin.url)
    relay.scripted.send(
        "<presence from='alice@localhost' to='bot@push.localhost' type='subscribe'/>"
        "<iq type='get' id='q1' from='alice@localhost/x' to='bot@push.localhost'>"
        "<q xmlns='urn:q'/></iq>")
    relay.wait("type='subscribed'")
    relay.wait("<q xmlns='urn:q' n='1'/>")
    # What comes back of the origin's own iq is the origin's, an error too.
    for kind in ("result", "error"):
        relay.scripted.send(f"<iq type='{kind}' id='back' from='alice@localhost/x'"
                            " to='bot@push.localhost'/>")
        wait_until(lambda: any(f'"{kind}"' in body or f"'{kind}'" in body
                               for body in origin.bodies()), 20, kind)
    relay.settle()
    assert not relay.errors()
    # Nobody was subscribed to the channel of that name.
    assert relay.waft.subscriptions("bot") == []


def test_what_waft_answers_itself_does_not_go_to_the_origin(relay):
    origin = relay.origin(echo)
    relay.start(origin.url, conf='channels "deaf" { relay = none }\n')
    relay.scripted.send(
        "<iq type='get' id='p' from='alice@localhost/x' to='news@push.localhost'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>"
        "<presence from='alice@localhost' to='news@push.localhost' type='subscribe'/>"
        "<presence from='alice@localhost/x' to='news@push.localhost'/>"
        "<iq type='result' id='r' from='alice@localhost/x' to='news@push.localhost'/>")
    relay.wait("type='subscribed'")
    relay.say(to="deaf@push.localhost")
    assert relay.wait_error("feature-not-implemented")[0] == "deaf@push.localhost"
    assert origin.requests == []
    relay.say("to the channel", to="news@push.localhost")
    relay.wait("<body>to the channel</body>")
    assert len(origin.requests) == 1
    # Not a command of ours: a bot has its own.
    relay.say("help", to="news@push.localhost")
    relay.wait("<body>help</body>")


def test_an_iq_without_a_result_gets_one_error(relay):
    origin = relay.origin(lambda *_: b"<message from='bot@push.localhost'"
                          b" to='alice@localhost'><body>no iq</body></message>")
    relay.start(origin.url)
    relay.scripted.send(
        "<iq type='get' id='m' from='alice@localhost/x' to='bot@push.localhost'>"
        "<q xmlns='urn:q'/></iq>")
    assert relay.wait_error("service-unavailable") == (
        "bot@push.localhost", "alice@localhost/x")
    assert "<body>no iq</body>" in relay.scripted.received
    assert len(relay.errors()) == 1


# ---- what goes wrong -------------------------------------------------------


@pytest.mark.parametrize("status, condition", [
    (404, "item-not-found"), (403, "forbidden"), (503, "resource-constraint"),
    (500, "internal-server-error"), (201, "internal-server-error")])
def test_another_status_is_one_error_to_the_user(relay, status, condition):
    origin = relay.origin(lambda *_: (status, {}, b"<message from='bot@push.localhost'"
                                      b" to='alice@localhost'/>"))
    relay.start(origin.url)
    relay.say()
    relay.wait_error(condition)
    relay.settle()
    assert relay.errors() == [relay.errors()[0]]
    assert relay.relayed("status") == 1
    assert f" status={status} " in relay.waft.lines("relay.failed")[0]
    assert "<message from='bot" not in relay.scripted.received


MESSAGE = "<message from='bot@push.localhost' to='alice@localhost'{}>{}</message>"


@pytest.mark.parametrize("text", [
    MESSAGE.format("", "<body>x"),
    "good day",
    MESSAGE.format("", "ok") + "<message",
    "</answer>" + MESSAGE.format("", "ok") + "<answer>",
    "<?xml version='1.0'?>" + MESSAGE.format("", "ok"),
    "<!DOCTYPE x [<!ENTITY e 'x'>]>" + MESSAGE.format("", "ok"),
    "<!-- no -->",
    MESSAGE.format("", "\x00"),
    "<message from='alice@localhost' to='bob@localhost'><body>forged</body></message>",
    "<message from='localhost' to='bob@localhost'><body>forged</body></message>",
    "<message from='push.localhost.evil' to='bob@localhost'/>",
    "<message from='bot@push.localhost'/>",
    "<message to='alice@localhost'/>",
    "<message from='bot@push.localhost' to='news@push.localhost'><body>loop</body></message>",
    "<message from='a b@push.localhost' to='alice@localhost'/>",
    MESSAGE.format(" xmlns='jabber:server'", ""),
    "<stream from='bot@push.localhost' to='alice@localhost'/>",
    MESSAGE.format("", "<privilege xmlns='urn:xmpp:privilege:1'/>"),
    MESSAGE.format("", "<a>" * 70 + "</a>" * 70),
    "<iq type='result' from='bot@push.localhost' to='alice@localhost'/>",
    "<iq type='set' id='i' from='bot@push.localhost' to='alice@localhost'/>",
    MESSAGE.format("", "ok") * 11,
    MESSAGE.format("", "y" * 20000),
], ids=lambda text: re.sub(r"\W+", "-", text)[:40])
def test_a_bad_answer_is_one_error_and_nothing_of_it_is_sent(relay, text):
    good = MESSAGE.format("", "<body>first</body>")
    origin = relay.origin(lambda *_: (good + text).encode())
    relay.start(origin.url, LOOPBACK + " origin-stanzas = 11 origin-answer = 16K")
    relay.say()
    relay.wait_error("internal-server-error")
    relay.settle()
    assert len(relay.errors()) == 1
    assert "first" not in relay.scripted.received
    assert relay.relayed("bad-answer") == 1
    assert relay.waft.lines("relay.failed")
    assert relay.scripted.links == 1


def test_an_origin_that_is_too_slow_costs_one_error(relay):
    release = threading.Event()
    origin = relay.origin(lambda *_: release.wait(20) and b"")
    relay.start(origin.url, LOOPBACK + " origin-timeout = 300ms")
    try:
        relay.say()
        relay.wait_error("remote-server-timeout")
        relay.settle()
        assert relay.errors() == [("wait", "remote-server-timeout")]
        assert relay.relayed("timeout") == 1
    finally:
        release.set()


def test_an_origin_that_is_dead_costs_one_error_and_may_come_back(relay):
    port, = free_ports(1)
    relay.start(f"http://127.0.0.1:{port}")
    relay.say()
    relay.wait_error("remote-server-timeout")
    assert relay.relayed("unreached") == 1
    # Presence, a headline and an error are never answered with one.
    relay.scripted.send(
        "<presence from='alice@localhost' to='bot@push.localhost' type='subscribe'/>"
        "<message type='error' from='alice@localhost/x' to='bot@push.localhost' id='e'/>"
        "<message type='headline' from='alice@localhost/x' to='bot@push.localhost'>"
        "<body>x</body></message>")
    wait_until(lambda: relay.relayed("unreached") == 3, 20)
    relay.settle()
    assert len(relay.errors()) == 1
    # One line says it, not one for each.
    assert len(relay.waft.lines("relay.failed")) == 1


def test_an_origin_that_goes_away_in_its_answer(relay):
    def answer(*_):
        return 200, {"Content-Length": "1000"}, b"<message"

    origin = relay.origin(answer)
    relay.start(origin.url, LOOPBACK + " origin-timeout = 500ms")
    relay.say()
    relay.wait("type='error' id='m'")
    relay.settle()
    assert len(relay.errors()) == 1


def test_private_addresses_are_refused_unless_allowed(relay):
    origin = relay.origin(echo)
    # By name too: what counts is the address that is connected to.
    relay.start(origin.url.replace("127.0.0.1", "localhost"),
                'origin-networks = {"10.0.0.0/8"}')
    relay.say()
    relay.wait_error("internal-server-error")
    assert relay.relayed("private-address") == 1
    assert "private" in relay.waft.lines("relay.failed")[0]
    assert origin.requests == []


def test_a_redirect_is_not_followed(relay):
    inside = relay.origin(echo)
    origin = relay.origin(
        lambda *_: (302, {"Location": inside.url + "/xmpp/x"}, b""))
    relay.start(origin.url)
    relay.say()
    relay.wait_error("internal-server-error")
    assert inside.requests == []
    assert relay.relayed("status") == 1


def test_endless_headers_end_the_request(relay):
    origin = relay.origin(
        lambda *_: (200, {f"X-{i}": "y" * 1000 for i in range(90)}, b""))
    relay.start(origin.url)
    relay.say()
    relay.wait_error("internal-server-error")
    assert relay.relayed("bad-answer") == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("origin")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key", "-out", "cert",
         "-days", "2", "-subj", "/CN=origin", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_verified(relay, certificate, trusted):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert", certificate / "key")
    origin = relay.origin(echo, tls=tls)
    relay.start(origin.url,
                LOOPBACK + (f' origin-ca = "{certificate}/cert"' if trusted else ""))
    relay.say()
    if trusted:
        relay.wait("<body>hi</body>")
    else:
        relay.wait_error("remote-server-timeout")
        assert "certificate" in relay.waft.lines("relay.failed")[0]
        assert origin.requests == []


# ---- many at once -----------------------------------------------------------


def test_stanzas_of_one_user_do_not_overtake_each_other(relay):
    origin = relay.origin(echo)
    relay.start(origin.url)
    # From two clients of his, and others in between.
    for i in range(100):
        relay.say(str(i), user=f"alice@localhost/{'xy'[i % 2]}")
        relay.say("-", user=f"user{i}@localhost/x")
    wait_until(lambda: relay.scripted.count("<body>") == 200, 30,
               f"{relay.scripted.count('<body>')} of 200")
    own = re.findall(r"to='alice@localhost/[xy]' type='chat'><body>(\d+)<",
                     relay.scripted.received)
    assert own == [str(i) for i in range(100)]
    seen = [ET.fromstring(body).findtext(CLIENT + "body") for body in origin.bodies()]
    assert [each for each in seen if each != "-"] == own


def test_one_user_has_one_request_under_way_and_all_have_a_limit(relay):
    release = threading.Event()
    origin = relay.origin(lambda *_: release.wait(20) and b"")
    relay.start(origin.url, LOOPBACK + " origin-requests = 3")
    try:
        for i in range(5):
            relay.say(user="alice@localhost/x")
        wait_until(lambda: origin.open == 1, 20)
        for i in range(5):
            relay.say(user=f"user{i}@localhost/x")
        wait_until(lambda: origin.open == 3, 20)
        relay.settle()
        assert origin.open == 3
    finally:
        release.set()
    wait_until(lambda: relay.relayed("ok") == 10, 20)
    assert origin.most_open == 3


def test_what_does_not_fit_the_queue_is_refused(relay):
    release = threading.Event()
    origin = relay.origin(lambda *_: release.wait(20) and b"")
    relay.start(origin.url, LOOPBACK + " origin-queue = 16K origin-requests = 1")
    try:
        for i in range(6):
            relay.say("z" * 1000, name=f"a{i}")
        # A quarter of it is the most that one may take.
        relay.wait_error("resource-constraint", name="a5")
        refused = len(relay.errors())
        assert 2 <= refused <= 4
        relay.say("b", user="bob@localhost/x", name="b")
        relay.settle()
        assert len(relay.errors()) == refused
        assert relay.relayed("queue-full") == refused
        # Delivery does not wait for the origin.
        relay.waft.subscribe("news", "carol@localhost")
        relay.waft.publish("news", "<message><body>fast</body></message>")
        relay.wait("<body>fast</body>")
    finally:
        release.set()
    wait_until(lambda: relay.relayed("ok") == 6 - refused + 1, 20)


def test_a_component_that_ends_gives_up_what_is_under_way(relay):
    release = threading.Event()
    origin = relay.origin(lambda *_: release.wait(20) and b"")
    relay.start(origin.url)
    try:
        relay.say()
        relay.say("waits")
        wait_until(lambda: origin.open == 1, 20)
        relay.waft.stop()
    finally:
        release.set()


def test_two_origins_of_ours_do_not_answer_each_other_for_ever(relay):
    """What another component of the same program sends is never relayed."""
    origin = relay.origin(echo)
    other = Scripted()
    try:
        relay.start(origin.url, conf=ALL + f"""
component "two.localhost" {{
  server = "127.0.0.1:{other.component_port}" secret = "secret" ping = "localhost"
}}
""")
        relay.say(user="bot@two.localhost")
        relay.wait_error("feature-not-implemented")
        assert origin.requests == []
    finally:
        other.close()


# ---- real servers ------------------------------------------------------------


@pytest.fixture
def bot():
    """docs/examples/bot.py, as it stands there."""
    port, = free_ports(1)
    running = subprocess.Popen(
        [sys.executable, ROOT / "docs/examples/bot.py", str(port)])

    def answers():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/xmpp/x", "<iq xmlns='jabber:client' to='x' from='y'/>")
            return connection.getresponse().status == 200
        except (OSError, socket.timeout):
            return False
        finally:
            connection.close()

    wait_until(answers, 20, "the example answers")
    yield f"http://127.0.0.1:{port}"
    running.kill()
    running.wait()


def test_the_examples_bot_on_a_real_server(server, user, component, bot):
    component(component=f'origin = "{bot}"\n{LOOPBACK}', conf=ALL)
    alice = user("alice")
    for i in range(100):
        alice.send_raw(f"<message to='bot@push.localhost' type='chat'>"
                       f"<body>{i}</body></message>")
    alice.wait_for(lambda: len(alice.messages) >= 100)
    assert alice.bodies() == [f"You said: {i}" for i in range(100)]
    alice.send_raw("<presence to='bot@push.localhost' type='subscribe'/>")
    alice.wait_for(lambda: any(each.get("from") == "bot@push.localhost/web"
                               for each in alice.presences))
    assert any(each.get("type") == "subscribed" for each in alice.presences)
    alice.send_raw("<iq type='get' id='q' to='bot@push.localhost'><q xmlns='urn:q'/></iq>")
    alice.wait_for(lambda: "q" in alice.answers)
    assert alice.answers["q"].find(f".//{{{STANZAS}}}service-unavailable") is not None
