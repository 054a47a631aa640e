"""Users subscribe by themselves: XEP-0060 with an unmodified client library,
and presence."""

import pytest
from slixmpp.exceptions import IqError
from users import CLIENT

PUBSUB = ("xep_0030", "xep_0060", "xep_0199", "xep_0092")
SERVICE = "push.localhost"


def body(text):
    return f"<message type='chat'><body>{text}</body></message>"


def test_c6_1_c6_4_c6_6_subscribe_by_xep_0060(server, user, component):
    waft, alice = component(), user("alice", plugins=PUBSUB)
    iq = alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "news"))
    assert iq["pubsub"]["subscription"]["subscription"] == "subscribed"
    assert iq["pubsub"]["subscription"]["node"] == "news"
    waft.publish("news", body("one"))
    alice.wait_for(lambda: alice.bodies() == ["one"])
    iq = alice.ask(lambda c: c["xep_0060"].get_subscriptions(SERVICE))
    assert [s["node"] for s in iq["pubsub"]["subscriptions"]] == ["news"]
    alice.ask(lambda c: c["xep_0060"].unsubscribe(SERVICE, "news"))
    waft.publish("news", body("two"))
    # Behind it on the same link: had it been sent, it would be here.
    alice.ask(lambda c: c["xep_0199"].send_ping(SERVICE))
    assert alice.bodies() == ["one"]
    assert waft.subscriptions("news") == []


def test_c6_3_a_second_subscribe_changes_nothing(server, user, component):
    waft, alice = component(), user("alice", plugins=PUBSUB)
    for _ in range(2):
        alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "news"))
    assert len(waft.subscriptions("news")) == 1
    waft.publish("news", body("one"))
    waft.publish("news", body("two"))
    alice.wait_for(lambda: "two" in alice.bodies())
    assert alice.bodies() == ["one", "two"]


def test_c6_1_nobody_subscribes_another(server, user, component):
    waft, alice = component(), user("alice", plugins=PUBSUB)
    with pytest.raises(IqError) as refused:
        alice.ask(lambda c: c["xep_0060"].subscribe(
            SERVICE, "news", subscribee="bob@localhost"))
    assert refused.value.condition == "bad-request"
    assert waft.subscriptions("news") == []


def test_c6_2_a_class_may_forbid_it(server, user, component):
    waft = component(conf='channels "secret*" { subscribe = none }')
    alice = user("alice", plugins=PUBSUB)
    with pytest.raises(IqError):
        alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "secret-one"))
    assert waft.subscriptions("secret-one") == []


def test_c5_1_c5_3_c5_4_disco_ping_and_version(server, user, component):
    component()
    alice = user("alice", plugins=PUBSUB)
    info = alice.ask(lambda c: c["xep_0030"].get_info(SERVICE))
    assert ("pubsub", "service") in [i[:2] for i in info["disco_info"]["identities"]]
    assert "http://jabber.org/protocol/pubsub" in info["disco_info"]["features"]
    alice.ask(lambda c: c["xep_0199"].send_ping(SERVICE))
    version = alice.ask(lambda c: c["xep_0092"].get_version(SERVICE))
    assert version["software_version"]["name"]


def test_c5_21_an_unknown_request_gets_one_error(server, user, component):
    component()
    alice = user("alice")
    alice.send_raw(
        "<iq type='get' id='q' to='push.localhost'><query xmlns='urn:example:none'/></iq>")
    alice.wait_for(lambda: alice.answers.get("q") is not None)
    assert alice.answers["q"].get("type") == "error"


def test_c7_1_subscribe_by_presence(server, user, component):
    waft, alice = component(), user("alice", plugins=PUBSUB)
    alice.send_presence(pto="news@push.localhost", ptype="subscribe")
    alice.wait_for(lambda: [
        p for p in alice.presences if p.get("type") == "subscribed"
        and p.get("from") == "news@push.localhost"])
    waft.publish("news", body("one"))
    alice.wait_for(lambda: alice.bodies("chat") == ["one"])
    alice.send_presence(pto="news@push.localhost", ptype="unsubscribe")
    alice.wait_for(lambda: waft.subscriptions("news") == [])
    waft.publish("news", body("two"))
    alice.ask(lambda c: c["xep_0199"].send_ping(SERVICE))
    assert alice.bodies("chat") == ["one"]


def test_c6_7_items_come_back_by_xep_0060(server, user, component):
    waft, alice = component(), user("alice", plugins=PUBSUB)
    for i in range(3):
        waft.publish("news", body(i), id=f"item{i}")
    iq = alice.ask(lambda c: c["xep_0060"].get_items(SERVICE, "news"))
    items = iq.xml.findall(".//{http://jabber.org/protocol/pubsub}item")
    assert [each.get("id") for each in items] == ["item0", "item1", "item2"]
    for i, each in enumerate(items):
        forwarded = each.find("{urn:xmpp:forward:0}forwarded")
        assert forwarded.findtext(f"{CLIENT}message/{CLIENT}body") == str(i)
        assert forwarded.find("{urn:xmpp:delay}delay").get("stamp")
