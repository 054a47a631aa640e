"""XEP-0060 publish over BOSH: who may, what others get, what a repeat does."""

import xml.etree.ElementTree as ET

import pytest

from bosh import DOMAIN, NC, PING, PUBSUB, Api, Gateway, Session, until

EVENT = PUBSUB + "#event"
SECTIONS = """
token "writer" { kind = basic  secret = "pw"  publish = {"news*"} }
channels "news*" { publish = token  subscribe = anyone }
channels "open" { publish = anyone  subscribe = anyone }
"""


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=SECTIONS) as running:
        yield running


@pytest.fixture
def sessions(gateway):
    made = []

    def make(user=None):
        session = Session(gateway.port)
        if user is None:
            session.log_in()
        else:
            session.log_in("PLAIN", f"\0{user}\0pw")
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


def publish(channel, payload, item="", ident="p"):
    return (f"<iq xmlns='{NC}' type='set' id='{ident}' to='{DOMAIN}'>"
            f"<pubsub xmlns='{PUBSUB}'><publish node='{channel}'>"
            f"<item {item}>{payload}</item></publish></pubsub></iq>")


def atom(text):
    return f"<entry xmlns='http://www.w3.org/2005/Atom'>{text}</entry>"


class Inbox:
    """All stanzas of a session in order, whatever answer they came in."""

    def __init__(self, session):
        self.session = session
        self.stanzas = []

    def call(self, payload=""):
        self.stanzas += list(self.session.call(payload).xml)
        return self.stanzas

    def answer(self, ident="p"):
        found = []

        def look():
            found[:] = [each for each in self.stanzas
                        if each.tag == f"{{{NC}}}iq" and each.get("id") == ident]
            return found or (self.call() and None)

        return until(look)[0]

    def events(self, count):
        found = []

        def look():
            found[:] = [item for each in self.stanzas for item in
                        each.findall(f"{{{EVENT}}}event/{{{EVENT}}}items/*")]
            return len(found) >= count or (self.call() and None)

        until(look)
        return found


def formats(gateway, channel):
    return [item["formats"] for item in Api(gateway.control).items(channel)["items"]]


def test_a_publish_reaches_another_session_and_the_control_api(gateway, sessions):
    writer, reader = Inbox(sessions("writer")), Inbox(sessions())
    reader.session.subscribe("news")
    writer.call(publish("news", atom("hello"), "id='one'"))
    assert writer.answer().get("type") == "result"
    assert writer.answer().find(f".//{{{PUBSUB}}}item").get("id") == "one"
    item = reader.events(1)[0]
    assert item.get("id") == "one"
    assert ET.tostring(item[0], "unicode", "text") == "hello"
    assert formats(gateway, "news") == [{"pubsub-item": atom("hello")}]


def test_json_is_an_item_for_everybody(gateway, sessions):
    writer = Inbox(sessions("writer"))
    writer.call(publish("news-json", "<json xmlns='urn:xmpp:json:0'>{\"a\": 1}</json>"))
    assert writer.answer().get("type") == "result"
    assert formats(gateway, "news-json") == [{"json-object": {"a": 1}}]


@pytest.mark.parametrize("user, channel, kind", [
    ("writer", "news-1", "result"), ("writer", "other", "error"),
    (None, "news-2", "error"), (None, "open", "result"), (None, "other", "error")])
def test_the_class_and_the_grant_say_who_may_publish(
        gateway, sessions, user, channel, kind):
    writer = Inbox(sessions(user))
    writer.call(publish(channel, atom("x")))
    answer = writer.answer()
    assert answer.get("type") == kind
    if kind == "error":
        assert answer.find(f"{{{NC}}}error")[0].tag.endswith("}forbidden")
        assert not [c for c in Api(gateway.control).json("GET", "/channels/")["channels"]
                    if c["channel"] == channel]


def test_a_made_id_is_of_the_session_the_rid_and_the_place(gateway, sessions):
    session = sessions("writer")
    writer = Inbox(session)
    rid = session.rid + 1
    writer.call(publish("news-ids", atom("1"), ident="a") +
                publish("news-ids", atom("2"), ident="b"))
    ids = [writer.answer(i).find(f".//{{{PUBSUB}}}item").get("id") for i in "ab"]
    hashes = {i.split("/")[0] for i in ids}
    assert len(hashes) == 1 and session.sid not in ids[0]
    assert [i.split("/")[1:] for i in ids] == [[str(rid), "0"], [str(rid), "1"]]
    writer.call(publish("news-ids", atom("3"), ident="c"))
    third = writer.answer("c").find(f".//{{{PUBSUB}}}item").get("id")
    assert third.split("/")[0] in hashes and third not in ids
    assert len(formats(gateway, "news-ids")) == 3


def test_a_known_id_is_an_update(gateway, sessions):
    writer, reader = Inbox(sessions("writer")), Inbox(sessions())
    reader.session.subscribe("news-up")
    for n in "12":
        writer.call(publish("news-up", atom(n), "id='one'", ident=n))
        assert writer.answer(n).get("type") == "result"
    assert ["".join(i.itertext()) for i in reader.events(2)] == ["1", "2"]
    reader.call(f"<iq xmlns='{NC}' type='get' id='i' to='{DOMAIN}'>"
                f"<pubsub xmlns='{PUBSUB}'><items node='news-up'/></pubsub></iq>")
    assert ["".join(i.itertext())
            for i in reader.answer("i").iter(f"{{{PUBSUB}}}item")] == ["2"]


# ---- nodes ----

def owner(verb, ident="o", kind="set"):
    return (f"<iq xmlns='{NC}' type='{kind}' id='{ident}' to='{DOMAIN}'>"
            f"<pubsub xmlns='{PUBSUB}#owner'>{verb}</pubsub></iq>")


def verb(text, ident="v", kind="set"):
    return (f"<iq xmlns='{NC}' type='{kind}' id='{ident}' to='{DOMAIN}'>"
            f"<pubsub xmlns='{PUBSUB}'>{text}</pubsub></iq>")


def ask(inbox, text, ident):
    inbox.call(text)
    return inbox.answer(ident)


def test_a_grant_makes_nodes_and_an_anonymous_user_none(gateway, sessions):
    writer, guest = Inbox(sessions("writer")), Inbox(sessions())
    assert ask(writer, verb("<create node='news-own'/>", "c"), "c").get("type") == "result"
    assert ask(writer, verb("<create node='other'/>", "d"), "d").get("type") == "error"
    assert ask(guest, verb("<create node='open'/>", "c"), "c").get("type") == "error"
    form = ask(writer, owner("<configure node='news-own'/>", "g", "get"), "g")
    assert form.find(".//{jabber:x:data}x") is not None
    assert ask(guest, owner("<configure node='news-own'/>", "g", "get"),
               "g").get("type") == "error"
    mine = ask(writer, verb("<affiliations/>", "a", "get"), "a")
    assert ("news-own", "owner") in [
        (each.get("node"), each.get("affiliation"))
        for each in mine.iter(f"{{{PUBSUB}}}affiliation")]


def test_c6_10_sessions_hear_of_retract_purge_and_delete_in_order(gateway, sessions):
    writer, reader = Inbox(sessions("writer")), Inbox(sessions())
    assert ask(writer, verb("<create node='news-x'/>", "c"), "c").get("type") == "result"
    reader.session.subscribe("news-x")
    for step, text in enumerate((
            "<publish node='news-x'><item id='1'>" + atom("1") + "</item></publish>",
            "<retract node='news-x'><item id='1'/></retract>",
            "<publish node='news-x'><item id='2'>" + atom("2") + "</item></publish>")):
        assert ask(writer, verb(text, f"s{step}"), f"s{step}").get("type") == "result"
    for step, text in enumerate(("<purge node='news-x'/>", "<delete node='news-x'/>")):
        assert ask(writer, owner(text, f"o{step}"), f"o{step}").get("type") == "result"

    def heard():
        return [each.tag.split("}")[1] for stanza in reader.stanzas
                for event in stanza.findall(f"{{{EVENT}}}event")
                for each in event.iter()
                if each.tag.split("}")[1] in ("item", "retract", "purge", "delete")]

    until(lambda: heard()[-1:] == ["delete"] or (reader.call() and None))
    assert heard() == ["item", "retract", "item", "purge", "delete"]
    assert [s.get("from") for s in reader.stanzas if s.tag == f"{{{NC}}}message"] == [
        f"news-x@{DOMAIN}"] * 5


def test_the_operator_retracts_too(gateway, sessions):
    writer = Inbox(sessions("writer"))
    writer.call(publish("news-op", atom("x"), "id='one'"))
    assert writer.answer().get("type") == "result"
    Api(gateway.control).publish(
        {"channel": "news-op", "formats": {"pubsub-event": {"retract": "one"}}})
    shown = ask(writer, verb("<items node='news-op'/>", "i", "get"), "i")
    assert not list(shown.iter(f"{{{PUBSUB}}}item"))


def test_c5_14_an_iq_reaches_each_session_with_an_id_of_its_own():
    """Where the class says so, and answers are counted, not refused."""
    with Gateway(sections='channels "ask" { iq = yes }') as gateway:
        inboxes = []
        try:
            for _ in range(2):
                session = Session(gateway.port).log_in()
                inboxes.append(Inbox(session))
                session.subscribe("ask")
            stanza = "<iq type='get' id='mine'><ping xmlns='urn:xmpp:ping'/></iq>"
            gateway.publish("ask", stanza)
            asked = []
            for inbox, kind in zip(inboxes, ("result", "error")):
                iq = until(lambda box=inbox: [
                    each for each in box.call()
                    if each.tag == f"{{{NC}}}iq" and each.get("type") == "get"])[0]
                assert iq.get("to") == inbox.session.jid
                asked.append(iq.get("id"))
                inbox.call(f"<iq xmlns='{NC}' type='{kind}' id='{iq.get('id')}' "
                           f"to='{iq.get('from')}'/>" + PING)
            assert len(set(asked)) == 2 and "mine" not in asked
            for kind in ("result", "error"):
                assert gateway.metric(
                    f'waft_bosh_iq_replies_total{{type="{kind}"}}') == 1
        finally:
            for inbox in inboxes:
                inbox.session.close()


COMMANDS = "http://jabber.org/protocol/commands"


def command(node, attrs="", inside="", to=DOMAIN):
    return (f"<iq xmlns='{NC}' type='set' id='p' to='{to}'>"
            f"<command xmlns='{COMMANDS}' node='waft#{node}' {attrs}>{inside}"
            "</command></iq>")


def test_c5_6_a_session_subscribes_by_a_command(gateway, sessions):
    session = sessions()
    inbox = Inbox(session)
    inbox.call(command("subscribe"))
    first = inbox.answer().find(f"{{{COMMANDS}}}command")
    assert first.get("status") == "executing"
    inbox.stanzas.clear()
    inbox.call(command(
        "subscribe", f"sessionid='{first.get('sessionid')}' action='complete'",
        "<x xmlns='jabber:x:data' type='submit'><field var='channel'>"
        "<value>commanded</value></field></x>"))
    note = inbox.answer().find(f".//{{{COMMANDS}}}note")
    assert note.text == "You are subscribed to commanded"
    gateway.publish("commanded", "<message><body>hi</body></message>")
    assert session.texts() == ["hi"]
    # There are no operators here.
    inbox.stanzas.clear()
    inbox.call(command("statistics"))
    assert inbox.answer().get("type") == "error"


def test_c5_16_c5_20_what_comes_late_says_so_over_bosh(gateway):
    """A named user's items of while he was away; live ones say nothing."""
    first = Session(gateway.port).log_in("PLAIN", "\0writer\0pw")
    first.subscribe("news-late", first.jid.split("/")[0])
    gateway.publish("news-late", "<message id='a'><body>live</body></message>")
    inbox = Inbox(first)
    live = until(lambda: [m for m in inbox.call() if m.get("id") == "a"])[0]
    assert live.find("{urn:xmpp:delay}delay") is None
    stamp = live.find("{urn:xmpp:sid:0}stanza-id")
    assert stamp.get("by") == f"news-late@{DOMAIN}"
    first.call(attrs="type='terminate'")
    first.close()
    gateway.publish("news-late", "<message id='b'><body>waited</body></message>")
    second = Session(gateway.port).log_in("PLAIN", "\0writer\0pw")
    try:
        inbox = Inbox(second)
        late = until(lambda: [m for m in inbox.call() if m.get("id") == "b"])[0]
        assert late.find("{urn:xmpp:delay}delay").get("from") == DOMAIN
    finally:
        second.close()
