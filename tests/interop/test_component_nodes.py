"""Nodes that users make, own and configure: slixmpp's XEP-0060 at both servers."""

import pathlib
import sys
import xml.etree.ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from servers import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

from bosh import DOMAIN, Session  # noqa: E402
from daemons import Waft  # noqa: E402

PUBSUB = ("xep_0004", "xep_0030", "xep_0059", "xep_0060", "xep_0199")
SERVICE = "push.localhost"
NS = "http://jabber.org/protocol/pubsub"
EVENT = "{" + NS + "#event}"
# What is between a user and waft alone is the same behind both.
ON_ONE = pytest.mark.parametrize("server", ["prosody"], indirect=True)
CREATORS = 'creators = {"alice@localhost"}'


def atom(text):
    return ET.fromstring(f"<entry xmlns='http://www.w3.org/2005/Atom'>{text}</entry>")


def events(user, tag="item"):
    """Ids, or node names, of what came inside events."""
    return [each.get("id") or each.get("node") for message in user.messages
            for each in message.iter(EVENT + tag)]


@pytest.fixture
def alice(server, user, component):
    component(component=CREATORS)
    return user("alice", plugins=PUBSUB)


@pytest.fixture
def bob(alice, user):
    return user("bob", plugins=PUBSUB)


def refused(user, make):
    with pytest.raises(IqError) as error:
        user.ask(make)
    return error.value.condition


def create(user, node, **fields):
    def make(client):
        form = client["xep_0004"].make_form(ftype="submit")
        form.add_field(var="FORM_TYPE", ftype="hidden", value=NS + "#node_config")
        for name, value in fields.items():
            form.add_field(var=f"pubsub#{name}", value=value)
        return client["xep_0060"].create_node(SERVICE, node, config=form)

    user.ask(make)


def subscribe(user, node):
    iq = user.ask(lambda c: c["xep_0060"].subscribe(SERVICE, node))
    return iq["pubsub"]["subscription"]["subscription"]


def items(user, node):
    iq = user.ask(lambda c: c["xep_0060"].get_items(SERVICE, node))
    return [item["id"] for item in iq["pubsub"]["items"]]


def test_c5_2_a_creator_makes_configures_and_deletes_a_node(alice, bob):
    create(alice, "diary", title="Diary", access_model="open")
    assert refused(bob, lambda c: c["xep_0060"].create_node(SERVICE, "other")) == "forbidden"
    iq = alice.ask(lambda c: c["xep_0060"].get_node_config(SERVICE, "diary"))
    values = iq["pubsub_owner"]["configure"]["form"].get_values()
    assert values["pubsub#title"] == "Diary"
    info = bob.ask(lambda c: c["xep_0030"].get_info(SERVICE, node="diary"))
    assert [i[3] for i in info["disco_info"]["identities"]] == ["Diary"]
    found = bob.ask(lambda c: c["xep_0060"].get_nodes(SERVICE))
    assert "diary" in {each[1] for each in found["disco_items"]["items"]}
    assert subscribe(bob, "diary") == "subscribed"
    alice.ask(lambda c: c["xep_0060"].delete_node(SERVICE, "diary"))
    bob.wait_for(lambda: events(bob, "delete") == ["diary"])
    assert refused(bob, lambda c: c["xep_0060"].get_items(SERVICE, "diary")) == "item-not-found"


def test_c6_10_retract_and_purge_reach_subscribers(alice, bob):
    create(alice, "diary")
    subscribe(bob, "diary")
    for ident in ("1", "2", "3"):
        alice.ask(lambda c, ident=ident: c["xep_0060"].publish(
            SERVICE, "diary", id=ident, payload=atom(ident)))
    alice.ask(lambda c: c["xep_0060"].retract(SERVICE, "diary", "2"))
    bob.wait_for(lambda: events(bob, "retract") == ["2"])
    assert events(bob) == ["1", "2", "3"]
    assert items(bob, "diary") == ["1", "3"]
    alice.ask(lambda c: c["xep_0060"].purge(SERVICE, "diary"))
    bob.wait_for(lambda: events(bob, "purge") == ["diary"])
    assert items(bob, "diary") == []


@ON_ONE
def test_c6_2_a_whitelist_lets_members_in(alice, bob):
    create(alice, "club", access_model="whitelist")
    assert refused(bob, lambda c: c["xep_0060"].subscribe(SERVICE, "club")) == "not-allowed"
    alice.ask(lambda c: c["xep_0060"].modify_affiliations(
        SERVICE, "club", [("bob@localhost", "member")]))
    assert subscribe(bob, "club") == "subscribed"
    iq = bob.ask(lambda c: c["xep_0060"].get_affiliations(SERVICE))
    assert [(a["node"], a["affiliation"]) for a in iq["pubsub"]["affiliations"]] == [
        ("club", "member")]
    alice.ask(lambda c: c["xep_0060"].modify_affiliations(
        SERVICE, "club", [("bob@localhost", "outcast")]))
    bob.wait_for(lambda: [
        each.get("subscription") for message in bob.messages
        for each in message.iter(EVENT + "subscription")] == ["none"])
    assert refused(bob, lambda c: c["xep_0060"].get_items(SERVICE, "club")) == "forbidden"


@ON_ONE
def test_c6_11_a_publisher_may_what_a_member_may_not(alice, bob):
    create(alice, "diary")
    publish = lambda c: c["xep_0060"].publish(SERVICE, "diary", payload=atom("x"))  # noqa: E731
    assert refused(bob, publish) == "forbidden"
    alice.ask(lambda c: c["xep_0060"].modify_affiliations(
        SERVICE, "diary", [("bob@localhost", "publisher")]))
    bob.ask(publish)
    assert len(items(alice, "diary")) == 1


def test_c6_2_an_owner_approves_by_the_form_that_comes(alice, bob):
    create(alice, "club", access_model="authorize")
    assert subscribe(bob, "club") == "pending"

    def forms():
        return [form for message in alice.messages
                for form in message.findall("{jabber:x:data}x")]

    alice.wait_for(forms)
    form = forms()[0]
    fields = {field.get("var"): field for field in form}
    assert fields["pubsub#subscriber_jid"][0].text == "bob@localhost"
    form.set("type", "submit")
    fields["pubsub#allow"][0].text = "true"
    alice.send_raw(f"<message to='{SERVICE}'>{ET.tostring(form, 'unicode')}</message>")
    bob.wait_for(lambda: [
        each.get("subscription") for message in bob.messages
        for each in message.iter(EVENT + "subscription")] == ["subscribed"])
    alice.ask(lambda c: c["xep_0060"].publish(SERVICE, "club", id="1", payload=atom("x")))
    bob.wait_for(lambda: events(bob) == ["1"])


@ON_ONE
def test_nodes_outlive_the_component(server, user, component):
    waft = component(component=CREATORS)
    alice, bob = user("alice", plugins=PUBSUB), user("bob", plugins=PUBSUB)
    create(alice, "club", access_model="whitelist")
    waft.kill()
    waft.start()
    assert refused(bob, lambda c: c["xep_0060"].subscribe(SERVICE, "club")) == "not-allowed"
    alice.ask(lambda c: c["xep_0060"].publish(SERVICE, "club", id="1", payload=atom("x")))
    wait_until(lambda: items(alice, "club") == ["1"], what="the item is there")


@ON_ONE
def test_c5_12_items_come_by_pages_and_the_last_with_a_subscription(alice, bob):
    create(alice, "diary", send_last_published_item="on_sub")
    for ident in "12345":
        alice.ask(lambda c, ident=ident: c["xep_0060"].publish(
            SERVICE, "diary", id=ident, payload=atom(ident)))

    rsm = "http://jabber.org/protocol/rsm"
    seen, after = [], ""
    for turn in range(3):
        # slixmpp's own iterator does not know where XEP-0060 puts the set.
        alice.send_raw(
            f"<iq type='get' id='page{turn}' to='{SERVICE}'><pubsub xmlns='{NS}'>"
            f"<items node='diary'/><set xmlns='{rsm}'><max>2</max>{after}</set>"
            "</pubsub></iq>")
        alice.wait_for(lambda: f"page{turn}" in alice.answers)
        answer = alice.answers[f"page{turn}"]
        seen += [item.get("id") for item in answer.iter(f"{{{NS}}}item")]
        after = f"<after>{answer.find(f'.//{{{rsm}}}last').text}</after>"
    assert seen == list("12345")
    subscribe(bob, "diary")
    bob.wait_for(lambda: events(bob) == ["5"])


@ON_ONE
def test_a_page_is_let_in_by_an_owner_at_the_server(server, user):
    """One request crosses from BOSH to the component and its approval back."""
    with Waft('token "page" { kind = basic  secret = "pw" }',
              server=server.component_port, engine="sqlite",
              component="reconnect = 1s  " + CREATORS) as waft:
        waft.run(ready=("bosh", "component"))
        alice = user("alice", plugins=PUBSUB)
        create(alice, "club", access_model="authorize")
        page = Session(waft.public, wait=1).log_in("PLAIN", "\0page\0pw")
        stanzas = list(page.call(
            f"<iq xmlns='jabber:client' type='set' id='s' to='{DOMAIN}'>"
            f"<pubsub xmlns='{NS}'><subscribe node='club' jid='page@{DOMAIN}'/></pubsub>"
            "</iq>").xml)

        def poll(found):
            seen = [each for stanza in stanzas for each in stanza.iter() if found(each)]
            if not seen:
                stanzas.extend(page.call().xml)
            return seen

        wait_until(lambda: poll(lambda each: each.get("subscription") == "pending"),
                   what="the subscription is pending")
        alice.ask(lambda c: c["xep_0060"].modify_subscriptions(
            SERVICE, "club", [(f"page@{DOMAIN}", "subscribed")]))
        alice.ask(lambda c: c["xep_0060"].publish(SERVICE, "club", id="1", payload=atom("x")))
        wait_until(lambda: poll(lambda each: each.tag == EVENT + "item"),
                   what="the item reaches the page")
        page.close()
