"""What waft says of an item in the message that carries it: its position
(XEP-0359) and, when it comes later than live, its time (XEP-0203)."""

from users import CLIENT

SID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"
FORWARDED = "{urn:xmpp:forward:0}forwarded"
CHANNEL = "news@push.localhost"


def stamps(message, name, key):
    """Those of ours."""
    return [each for each in message.findall(name)
            if each.get(key) in (CHANNEL, "push.localhost")]


def test_c5_20_c5_16_each_message_says_its_position_and_none_forges_it(
        server, user, component):
    waft, alice = component(), user("alice", plugins=("xep_0030",))
    waft.subscribe("news", alice.bare)
    answer = waft.publish(
        "news", f"<message type='chat' id='mine'><stanza-id xmlns='urn:xmpp:sid:0' id='forged'"
        f" by='{CHANNEL}'/><delay xmlns='urn:xmpp:delay' from='push.localhost'"
        " stamp='2002-09-10T23:08:25Z'/><body>one</body></message>")
    alice.wait_for(lambda: alice.bodies("chat") == ["one"])
    message = alice.messages[-1]
    assert [each.get("id") for each in stamps(message, SID, "by")] == [
        answer["items"][0]["position"]]
    assert not stamps(message, DELAY, "from")
    # Without an id of its own the message's id is the position.
    answer = waft.publish("news", "<message type='chat'><body>two</body></message>")
    alice.wait_for(lambda: alice.bodies("chat") == ["one", "two"])
    assert alice.messages[-1].get("id") == answer["items"][0]["position"]
    info = alice.ask(lambda c: c["xep_0030"].get_info("push.localhost"))
    assert "urn:xmpp:sid:0" in info["disco_info"]["features"]


def test_c5_16_what_waited_for_the_link_says_since_when(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("news", alice.bare)
    waft.publish("news", "<message type='chat'><body>live</body></message>")
    alice.wait_for(lambda: alice.bodies("chat") == ["live"])
    assert not stamps(alice.messages[0], DELAY, "from")
    server.stop()
    waft.publish("news", "<message type='chat'><body>waited</body></message>")
    server.start()
    alice.connect()
    alice.wait_for(lambda: "waited" in alice.bodies("chat"), 40)
    waited = next(each for each in alice.messages
                  if each.findtext(CLIENT + "body") == "waited")
    assert len(stamps(waited, DELAY, "from")) == 1
    waft.wait_sent(2)
    waft.publish("news", "<message type='chat'><body>again</body></message>")
    alice.wait_for(lambda: "again" in alice.bodies("chat"))
    assert not stamps(alice.messages[-1], DELAY, "from")


def test_c5_17_history_is_forwarded_and_what_is_live_is_not(server, user, component):
    waft, alice = component(), user("alice", plugins=("xep_0060",))
    waft.subscribe("news", alice.bare)
    waft.publish("news", "<message type='chat'><body>one</body></message>")
    alice.wait_for(lambda: alice.bodies("chat") == ["one"])
    assert alice.messages[0].find(FORWARDED) is None
    iq = alice.ask(lambda c: c["xep_0060"].get_items("push.localhost", "news"))
    forwarded = iq.xml.find(f".//{FORWARDED}")
    assert forwarded.find(DELAY).get("from") == CHANNEL
    assert forwarded.findtext(f"{CLIENT}message/{CLIENT}body") == "one"
