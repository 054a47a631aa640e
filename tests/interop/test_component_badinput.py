"""What bad input gets: one fitting stanza error at most, and nobody else notices."""

import random
import re
import socket
import threading
import xml.etree.ElementTree as ET

import pytest
from servers import wait_until
from scripted import Scripted, body
from waft import Component

STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
PUBSUB = "http://jabber.org/protocol/pubsub"
FORM = "<x xmlns='jabber:x:data' type='submit'>{}</x>"


def stanzas(text):
    """What waft has sent as whole stanzas, barriers left out."""
    parser = ET.XMLPullParser(["start", "end"])
    parser.feed("<s>" + text)
    depth, out = 0, []
    for event, element in parser.read_events():
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 1 and not element.get("id", "").startswith("b-"):
            out.append(element)
    return out


class Asker:
    count = 0

    def settle(self, scripted):
        """What was sent before has been answered: a later ping is."""
        Asker.count += 1
        name = f"settle{Asker.count}"
        scripted.send(f"<iq type='get' id='{name}' from='zoe@localhost/x'"
                      " to='push.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        wait_until(lambda: f"id='{name}'" in scripted.received, 30, name)
        wait_until(lambda: re.search(rf"id='{name}'[^>]*>", scripted.received), 20)
        return [each for each in stanzas(scripted.received)
                if not each.get("id", "").startswith("settle")]


settle = Asker().settle


def condition(stanza):
    error = stanza.find("error")
    return None if error is None else error[0].tag.replace(STANZAS, "")


# ---- addresses ---------------------------------------------------------------


def test_odd_and_forged_addresses_are_not_answered(scripted, waft):
    waft.start()
    ping = "<iq type='get' id='odd' {}><ping xmlns='urn:xmpp:ping'/></iq>"
    for addresses in (
            "to='push.localhost'", "from='alice@localhost/x'", "",
            "from='a b@localhost' to='push.localhost'",
            "from='@localhost' to='push.localhost'",
            "from='alice@localhost/x' to='elsewhere.localhost'",
            "from='alice@localhost/x' to='a b@push.localhost'",
            "from='alice@localhost/x' to='xpush.localhost'",
            "from='push.localhost' to='push.localhost'",
            "from='news@push.localhost/x' to='push.localhost'",
            f"from='{'a' * 1024}@localhost' to='push.localhost'",
            f"from='alice@localhost/x' to='{'a' * 1024}@push.localhost'"):
        scripted.send(ping.format(addresses))
    assert settle(scripted) == []
    assert waft.metric("waft_component_ignored_total") == 12
    assert scripted.links == 1


def test_c3_9_parts_of_1023_bytes_are_answered(scripted, waft):
    waft.start()
    long = "a" * 1023
    scripted.send(
        f"<iq type='get' id='long' from='{long}@localhost/{long}'"
        f" to='{long}@push.localhost/{long}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        f"<presence type='subscribe' from='{long}@localhost' to='{long}@push.localhost'/>")
    iq, presence = settle(scripted)
    assert condition(iq) == "item-not-found"
    assert iq.get("to") == f"{long}@localhost/{long}"
    assert iq.get("from") == f"{long}@push.localhost/{long}"
    assert presence.get("type") == "unsubscribed"
    # And one who is known by another spelling is the same.
    waft.subscribe("news", "Alice@LOCALHOST/Phone")
    assert [each["jid"] for each in waft.subscriptions("news")] == ["alice@localhost/Phone"]
    status, _ = waft.request("POST", "/channels/news/subscriptions/",
                             {"jid": f"{'a' * 1024}@localhost"})
    assert status == 400


def test_c3_1_c3_2_every_stanza_is_from_us_to_somebody(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    status, _ = waft.request("POST", "/publish/", {"items": [{
        "channel": "news", "xmpp-stanza": {
            "content": "<message from='ceo@localhost'><body>forged</body></message>"}}]})
    assert status == 400
    waft.publish("news", "<message from='desk@push.localhost' to='bob@localhost'>"
                 "<body>own</body></message>")
    waft.publish("news", body("plain"))
    scripted.send(
        "<presence type='subscribe' from='bob@localhost' to='news@push.localhost'/>"
        "<message type='chat' from='bob@localhost/x' to='news@push.localhost' id='m'>"
        "<body>hi</body></message>"
        "<iq type='get' id='i' from='bob@localhost/x' to='push.localhost'><q xmlns='u'/></iq>")
    waft.wait_sent(2)
    sent = settle(scripted)
    assert len(sent) >= 6
    for stanza in sent:
        assert stanza.get("to")
        assert re.fullmatch(r"([^@]+@)?push\.localhost(/.*)?", stanza.get("from"))
    own = next(each for each in sent if each.findtext("body") == "own")
    assert (own.get("from"), own.get("to")) == ("desk@push.localhost", "alice@localhost")
    assert "forged" not in scripted.received


# ---- requests ------------------------------------------------------------------


def test_c5_21_each_request_has_one_answer_and_nothing_else_any(scripted, waft):
    waft.start()
    chance = random.Random(21)
    names = ["ping", "query", "pubsub", "vCard", "command", "x", "a"]
    spaces = ["urn:xmpp:ping", "jabber:iq:version", PUBSUB, PUBSUB + "#owner",
              "http://jabber.org/protocol/disco#info", "jabber:iq:register", "urn:unknown",
              "http://jabber.org/protocol/commands", "vcard-temp", "jabber:x:data"]
    asked, silent = {}, set()
    for i in range(300):
        kind = chance.choice(["get", "set", "set", "result", "error"])
        child = "".join(
            f"<{name} xmlns='{chance.choice(spaces)}'><{chance.choice(names)}/></{name}>"
            for name in chance.choices(names, k=chance.choice([0, 1, 1, 1, 1, 2])))
        to = chance.choice(["push.localhost", "news@push.localhost", "push.localhost/r"])
        scripted.send(f"<iq type='{kind}' id='q{i}' from='u{i % 7}@localhost/x' to='{to}'>"
                      f"{child}</iq>")
        if kind in ("get", "set"):
            asked[f"q{i}"] = to
        else:
            silent.add(f"q{i}")
    wait_until(lambda: all(f"id='{name}'" in scripted.received for name in asked), 30)
    answers = [each for each in settle(scripted) if each.tag == "iq"]
    assert sorted(each.get("id") for each in answers) == sorted(asked)
    for each in answers:
        assert each.get("type") in ("result", "error")
        assert each.get("from") == asked[each.get("id")]
    assert scripted.links == 1


def test_unknown_namespaces_and_broken_forms_get_their_error(scripted):
    waft = Component(scripted, component='creators = {"localhost"}')
    try:
        waft.start()
        requests = {
            "unknown": ("<q xmlns='urn:unknown'/>", {"service-unavailable"}),
            "type": (f"<pubsub xmlns='{PUBSUB}#owner'><configure node='n'>"
                     "<x xmlns='jabber:x:data' type='nonsense'/></configure></pubsub>", None),
            "value": (f"<pubsub xmlns='{PUBSUB}'><create node='m'/><configure>"
                      + FORM.format("<field var='pubsub#max_items'><value>-9</value></field>")
                      + "</configure></pubsub>", None),
            "var": (f"<pubsub xmlns='{PUBSUB}#owner'><configure node='n'>"
                    + FORM.format("<field><value>1</value></field>" * 3)
                    + "</configure></pubsub>", None),
            "huge": (f"<pubsub xmlns='{PUBSUB}#owner'><configure node='n'>"
                     + FORM.format("<field var='a'><value/></field>" * 4000)
                     + "</configure></pubsub>", None),
        }
        scripted.send("<iq type='set' id='make' from='alice@localhost/x' to='push.localhost'>"
                      f"<pubsub xmlns='{PUBSUB}'><create node='n'/></pubsub></iq>")
        wait_until(lambda: "id='make'" in scripted.received, 20)
        for name, (child, _) in requests.items():
            scripted.send(f"<iq type='{'get' if name == 'unknown' else 'set'}' id='{name}'"
                          f" from='alice@localhost/x' to='push.localhost'>{child}</iq>")
            wait_until(lambda: f"id='{name}'" in scripted.received, 20, name)
        sent = settle(scripted)
        for name, (_, wanted) in requests.items():
            found, = (each for each in sent if each.get("id") == name)
            assert found.get("type") in ("result", "error"), name
            if wanted is not None:
                assert condition(found) in wanted, name
        assert scripted.links == 1
    finally:
        waft.close()


@pytest.mark.parametrize("inside", [
    "<a/>" * 60000, "<a>" * 30000 + "</a>" * 30000,
    "<a " + " ".join(f"a{i}=''" for i in range(20000)) + "/>", "x" * 1100000,
], ids=["wide", "deep", "attributes", "long"])
def test_a_huge_stanza_is_refused_once_and_holds_up_nobody(scripted, waft, inside):
    waft.start()
    waft.subscribe("news", "bob@localhost")
    scripted.send("<iq type='set' id='huge' from='alice@localhost/x' to='push.localhost'>"
                  f"<q xmlns='u'>{inside}</q></iq>"
                  "<iq type='result' id='r' from='alice@localhost/x' to='push.localhost'>"
                  f"<q xmlns='u'>{inside}</q></iq>"
                  "<message type='error' id='e' from='alice@localhost/x'"
                  f" to='news@push.localhost'><body/>{inside}</message>")
    waft.publish("news", body("hi"))
    # The library alone would take a minute for the first.
    wait_until(lambda: "id='huge'" in scripted.received, 15)
    waft.wait_sent(1)
    errors = [each for each in settle(scripted) if each.get("type") == "error"]
    assert [(each.get("id"), condition(each)) for each in errors] == [
        ("huge", "not-acceptable")]
    assert scripted.links == 1


# ---- loops -----------------------------------------------------------------------


def test_c1_2_an_echo_of_ours_reaches_no_channel(scripted, waft):
    """Doubled and late, and a message of ours that came back."""
    scripted.answers_pings = False
    waft.start()
    waft.subscribe("b", "alice@localhost")
    waft.publish("b", body("hi"))
    waft.wait_sent(1)
    echo = re.search(r"<message type='headline'[^>]*>", scripted.received)[0]
    sent = len(settle(scripted))
    for _ in range(3):
        scripted.send(echo.rstrip("/>") + "/>")
    scripted.send("<message from='news@push.localhost' to='b@push.localhost' type='chat'>"
                  "<body>to ourselves</body></message>")
    assert len(settle(scripted)) == sent
    assert waft.metric('waft_component_ignored_total{reason="loop"}') >= 1
    assert scripted.links == 1


def test_c8_3_c8_4_an_error_is_never_answered(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    position = waft.publish("news", body("hi"))["items"][0]["position"]
    status, _ = waft.request("POST", "/publish/", {"items": [{
        "channel": "news", "xmpp-stanza": {
            "content": "<message type='error'><body>x</body></message>"}}]})
    assert status == 400
    waft.wait_sent(1)
    sent = len(settle(scripted))
    for kind in ("message", "presence", "iq"):
        for to in ("news@push.localhost", "push.localhost"):
            scripted.send(
                f"<{kind} type='error' id='{position}' from='alice@localhost' to='{to}'>"
                "<body>hi</body><error type='cancel'><service-unavailable"
                f" xmlns='{STANZAS[1:-1]}'/></error></{kind}>")
    assert len(settle(scripted)) == sent


class Echo(Scripted):
    """Sends back whatever is not a barrier, from and to exchanged."""

    def answer(self, connection, seen):
        for match in re.compile(r"<(message|presence|iq) ([^>]*?)(/?)>").finditer(
                self.received, seen):
            seen = match.end()
            attributes = dict(re.findall(r"([\w:]+)='([^']*)'", match[2]))
            if attributes.get("id", "").startswith("b-"):
                connection.sendall(
                    f"<iq type='result' id='{attributes['id']}' from='localhost'"
                    f" to='push.localhost/b'/>".encode())
                continue
            attributes["from"], attributes["to"] = attributes["to"], attributes["from"]
            text = " ".join(f"{name}='{value}'" for name, value in attributes.items())
            connection.sendall(
                f"<{match[1]} {text}><body>echo</body></{match[1]}>".encode())
        return seen


def test_an_echo_of_everything_comes_to_an_end():
    server = Echo()
    waft = Component(server)
    try:
        waft.start()
        waft.subscribe("news", "echo.localhost")
        waft.publish("news", body("hi"))
        server.send(
            "<presence type='subscribe' from='bot@echo.localhost' to='news@push.localhost'/>"
            "<presence type='probe' from='bot@echo.localhost' to='news@push.localhost'/>"
            "<message type='chat' from='bot@echo.localhost' to='push.localhost'>"
            "<body>help</body></message>")
        wait_until(lambda: server.count("<body>hi</body>") == 1, 20)
        # Only an answer to an answer could go on for ever: two looks, nothing new.
        wait_until(lambda: waft.link()["unconfirmed"] == 0, 20)
        waft.request("GET", "/status")
        counts = []

        def is_quiet():
            counts.append(len(stanzas(server.received)))
            return len(counts) > 25 and counts[-1] == counts[-25]

        wait_until(is_quiet, 30, "the echo runs dry")
        assert counts[-1] < 1500
        assert server.links == 1
    finally:
        waft.close()
        server.close()


# ---- floods -----------------------------------------------------------------------


def test_c9_7_one_who_floods_is_told_once_a_second_and_nobody_else_notices(scripted):
    waft = Component(scripted, component="stanzas-per-jid = 20")
    try:
        waft.start()
        waft.subscribe("news", "carol@localhost")
        for i in range(1000):
            scripted.send(f"<iq type='get' id='f{i}' from='eve@localhost/{i % 9}'"
                          " to='push.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            if i % 100 == 0:
                scripted.send(f"<iq type='get' id='good{i}' from='bob@localhost/x'"
                              " to='push.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
                waft.publish("news", body(i))
        wait_until(lambda: scripted.count("<body>") == 10, 20)
        sent = settle(scripted)
        good = [each for each in sent if each.get("id", "").startswith("good")]
        assert [each.get("type") for each in good] == ["result"] * 10
        told = [each for each in sent if condition(each) == "policy-violation"]
        assert all(each.get("to").startswith("eve@localhost/") for each in told)
        # Once a second of however long this took.
        assert 1 <= len(told) <= 30
        taken = [each for each in sent if each.get("id", "").startswith("f")
                 and each.get("type") == "result"]
        assert 200 <= len(taken) < 1000
        assert waft.metric("waft_component_limited_total") == 1000 - len(taken)
        assert scripted.links == 1
    finally:
        waft.close()


class Deaf(Scripted):
    """Reads nothing while told not to."""

    def __init__(self):
        self.hears = threading.Event()
        self.hears.set()
        super().__init__()

    def read(self, connection):
        self.hears.wait()
        return super().read(connection)


def test_c9_5_it_reads_while_the_server_does_not():
    server = Deaf()
    waft = Component(server, component='stanzas-per-jid = 1000000 window-bytes = 64K')
    try:
        waft.start()
        server.hears.clear()
        # The thread that reads is in one more recv().
        waft.subscribe("news", "alice@localhost")
        waft.publish("news", body("hi"))
        text = "".join(
            f"<iq type='get' id='{'x' * 100}{i}' from='bob@localhost/x' to='push.localhost'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>" for i in range(200))
        server.connection.settimeout(30)
        for _ in range(400):  # 16 MB, which no buffer holds
            server.send(text)
        assert waft.metric("waft_component_dropped_answers_total") > 0
        assert server.links == 1
        server.connection.settimeout(None)
    except socket.timeout:
        pytest.fail("it does not read")
    finally:
        server.hears.set()
        waft.close()
        server.close()


def test_c5_19_a_servers_permissions_are_ignored(scripted, waft):
    waft.start()
    for version in (1, 2):
        scripted.send(
            "<message from='localhost' to='push.localhost' id='p'><privilege"
            f" xmlns='urn:xmpp:privilege:{version}'><perm access='roster' type='both'/>"
            "</privilege></message>")
    assert settle(scripted) == []


# ---- real servers --------------------------------------------------------------------


def test_c9_1_what_real_users_send_wrong(server, user, component):
    waft = component(component="stanzas-per-jid = 20")
    eve, bob = user("eve"), user("bob")
    waft.subscribe("news", bob.bare)
    long = "a" * 1023
    eve.send_raw(
        "<iq type='get' id='unknown' to='push.localhost'><q xmlns='urn:u'/></iq>"
        f"<iq type='get' id='long' to='{long}@push.localhost/{long}'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        "<iq type='get' id='nodeprep' to='a&amp;b@push.localhost'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>"
        "<iq type='get' id='emoji' to='\U0001f600@push.localhost'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>"
        f"<iq type='set' id='huge' to='push.localhost'><q xmlns='u'>{'<a/>' * 12000}</q></iq>")
    wanted = {"unknown", "long", "nodeprep", "huge"}
    if server.name == "prosody":
        wanted.add("emoji")
    eve.wait_for(lambda: wanted <= set(eve.answers), what=f"{wanted}")
    errors = {name: [each.tag for each in eve.answers[name].iter() if
                     each.tag.startswith(STANZAS)] for name in wanted}
    assert errors["unknown"] == [STANZAS + "service-unavailable"]
    assert errors["long"] == [STANZAS + "item-not-found"]
    assert STANZAS + "not-acceptable" in errors["huge"]
    # A publish that is too large is refused before it reaches the link.
    status, _ = waft.request("POST", "/publish/", {"items": [{
        "channel": "news", "xmpp-stanza": {"content": body("x" * 600 * 1024)}}]})
    assert status in (400, 413)
    for i in range(600):
        eve.send_raw(f"<iq type='get' id='f{i}' to='push.localhost'>"
                     "<ping xmlns='urn:xmpp:ping'/></iq>")
        if i % 100 == 0:
            waft.publish("news", body(i))
    bob.wait_for(lambda: len(bob.bodies()) == 6)
    assert bob.bodies() == [str(i) for i in range(0, 600, 100)]
    eve.wait_for(lambda: any(each.find(f".//{STANZAS}policy-violation") is not None
                             for each in list(eve.answers.values())))
    assert waft.metric("waft_link_ends_total") == 0
