"""One publish reaches the users of a real server as the publisher wrote it."""

from users import CLIENT, canonical

RICH = (
    "<message type='chat' id='x1' xmlns='jabber:client'>"
    "<body>caf\u00e9 &lt;b&gt; &amp; 'quotes' \U0001f30d</body>"
    "<thread parent='p'>t1</thread>"
    "<data xmlns='urn:example:data' a='1' p:b='2' xmlns:p='urn:example:p'>"
    "<p:inner>x<deep/></p:inner><empty xmlns='urn:example:empty'/></data>"
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'"
    " from='a@b' to='c@d'><body>inner</body></message></forwarded>"
    "</message>")


def test_c3_6_c13_11_a_user_gets_the_exact_stanza(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", RICH)
    alice.wait_for(lambda: alice.messages)
    got = alice.messages[0]
    assert canonical(got) == canonical(RICH)
    assert got.get("id") == "x1"
    assert got.get("from") == "news@push.localhost"
    assert got.get("to") == "alice@localhost"


def test_a_bare_stanza_gets_sender_receiver_and_a_stable_id(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("a b/\u00fc", "alice@localhost")
    answer = waft.publish("a b/\u00fc", "<message><body>hi</body></message>")
    alice.wait_for(lambda: alice.messages)
    assert alice.messages[0].get("id") == answer["items"][0]["position"]
    assert alice.messages[0].get("from").endswith("push.localhost") or \
        "@push.localhost" in alice.messages[0].get("from")


def test_each_subscriber_gets_each_item_once_and_in_order(server, user, component):
    waft = component()
    users = [user(f"u{i}") for i in range(5)]
    for each in users:
        waft.subscribe("news", each.bare)
    for i in range(200):
        waft.publish("news", f"<message type='chat'><body>{i}</body></message>")
    for each in users:
        each.wait_for(lambda: len(each.messages) >= 200, what="200 messages")
        assert each.bodies() == [str(i) for i in range(200)]


def test_presence_goes_to_a_full_jid(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("status", alice.jid)
    waft.publish("status", "<presence><show>dnd</show><status>busy</status></presence>")
    alice.wait_for(lambda: [p for p in alice.presences if p.findtext(CLIENT + "show") == "dnd"])


def test_a_json_item_comes_as_an_event(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("news", "alice@localhost")
    waft.publish_json("news", {"hello": "world"})
    alice.wait_for(lambda: alice.messages)
    event = alice.messages[0].find("{http://jabber.org/protocol/pubsub#event}event")
    items = event.find("{http://jabber.org/protocol/pubsub#event}items")
    assert items.get("node") == "news"
    assert items.findtext(".//{urn:xmpp:json:0}json") == '{"hello":"world"}'


def test_a_large_fan_out_is_confirmed_and_stored(server, user, component):
    waft, alice = component(), user("alice", presence=False)
    for i in range(600):
        waft.subscribe("big", f"nobody{i}@localhost")
    waft.subscribe("big", alice.jid)
    waft.publish("big", "<message type='headline'><body>1</body></message>")
    alice.wait_for(lambda: alice.messages)
    waft.wait_sent(601)
    assert waft.metric("waft_component_sent_stanzas_total") == 601


def test_a_message_to_a_channel_is_answered_with_an_error(server, user, component):
    component()
    alice = user("alice")
    alice.send_raw(
        "<message to='news@push.localhost' type='chat' id='m'><body>hi</body></message>")
    alice.wait_for(lambda: [m for m in alice.messages if m.get("type") == "error"])
    assert alice.messages[0].get("id") == "m"
    # An error is never answered.
    alice.send_raw(
        "<message to='news@push.localhost' type='error' id='e'><body>hi</body>"
        "<error type='cancel'><item-not-found"
        " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    alice.send_raw("<iq type='get' id='p' to='push.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    alice.wait_for(lambda: alice.answers.get("p") is not None)
    assert len(alice.messages) == 1
