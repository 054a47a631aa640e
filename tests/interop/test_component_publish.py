"""Users publish by XEP-0060, and so do pages over BOSH; it reaches everybody."""

import json
import pathlib
import sys
import xml.etree.ElementTree as ET

from servers import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

from bosh import DOMAIN, NC, PUBSUB as NS, Session  # noqa: E402
from daemons import Waft  # noqa: E402

PUBSUB = ("xep_0030", "xep_0059", "xep_0060", "xep_0199")
SERVICE = "push.localhost"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
OPEN = 'channels "*" { publish = anyone  subscribe = anyone }'


def atom(text):
    return ET.fromstring(f"<entry xmlns='http://www.w3.org/2005/Atom'>{text}</entry>")


def events(user):
    """Id and text of each item that came as an event."""
    return [(item.get("id"), "".join(item.itertext()))
            for message in user.messages
            for item in message.iter(EVENT + "item")]


def formats(waft, channel):
    status, text = waft.get(f"/channels/{channel}/items/")
    assert status == 200, text
    return [item["formats"] for item in json.loads(text)["items"]]


def test_c6_9_c6_11_a_publish_reaches_subscribers_and_the_control_api(server, user, component):
    waft = component(conf=OPEN)
    alice, bob = user("alice", plugins=PUBSUB), user("bob", plugins=PUBSUB)
    bob.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "news"))
    iq = alice.ask(lambda c: c["xep_0060"].publish(
        SERVICE, "news", id="one", payload=atom("hello")))
    assert iq["pubsub"]["publish"]["item"]["id"] == "one"
    bob.wait_for(lambda: events(bob) == [("one", "hello")])
    assert ["hello" in each["pubsub-item"] for each in formats(waft, "news")] == [True]
    made = alice.ask(lambda c: c["xep_0060"].publish(
        SERVICE, "news", payload=atom("again")))["pubsub"]["publish"]["item"]["id"]
    assert made
    bob.wait_for(lambda: events(bob)[1:] == [(made, "again")])
    iq = bob.ask(lambda c: c["xep_0060"].get_items(SERVICE, "news"))
    assert [item["id"] for item in iq["pubsub"]["items"]] == ["one", made]
    ids = [message.get("id") for message in bob.messages]
    assert all(ids) and len(set(ids)) == 2
    # The same id again is an update.
    alice.ask(lambda c: c["xep_0060"].publish(
        SERVICE, "news", id="one", payload=atom("newer")))
    bob.wait_for(lambda: events(bob)[2:] == [("one", "newer")])
    iq = bob.ask(lambda c: c["xep_0060"].get_items(SERVICE, "news"))
    assert ["".join(item.xml.itertext()) for item in iq["pubsub"]["items"]] == [
        "again", "newer"]


def test_c6_8_the_class_says_whether_a_stanza_or_an_event_comes(server, user, component):
    waft = component(conf='channels "raw*" { notify = raw }\n'
                          'channels "event*" { notify = event }')
    bob = user("bob", plugins=PUBSUB)
    for channel in ("raw", "event", "auto"):
        bob.ask(lambda c, channel=channel: c["xep_0060"].subscribe(SERVICE, channel))
        status, text = waft.request("POST", "/publish/", {"items": [{
            "channel": channel, "id": channel,
            "formats": {"json-object": 1, "xmpp-stanza": {
                "content": f"<message><body>{channel}</body></message>"}}}]})
        assert status == 200, text
    bob.wait_for(lambda: len(bob.messages) == 3)
    assert sorted(filter(None, bob.bodies())) == ["auto", "raw"]
    assert events(bob) == [("event", "1")]


def test_a_page_publishes_to_a_user_of_the_xmpp_server(server, user):
    with Waft('token "page" { kind = basic  secret = "pw" }',
              server=server.component_port, engine="sqlite",
              channels='channels "*" { publish = token  subscribe = anyone }') as waft:
        waft.run(ready=("bosh", "component"))
        alice = user("alice", plugins=PUBSUB)
        alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "news"))
        page = Session(waft.public).log_in("PLAIN", "\0page\0pw")
        page.call(f"<iq xmlns='{NC}' type='set' id='p' to='{DOMAIN}'>"
                  f"<pubsub xmlns='{NS}'><publish node='news'><item id='one'>"
                  "<entry xmlns='http://www.w3.org/2005/Atom' xml:lang='de'>hallo"
                  "</entry></item></publish></pubsub></iq>")
        alice.wait_for(lambda: events(alice) == [("one", "hallo")])
        lang = "{http://www.w3.org/XML/1998/namespace}lang"
        assert [entry.get(lang) for message in alice.messages for entry in
                message.iter("{http://www.w3.org/2005/Atom}entry")] == ["de"]
        wait_until(lambda: waft.bosh.items("news"), what="the item is stored")
        page.close()
