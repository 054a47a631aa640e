"""IQ and presence as published stanzas: to users of a real server, and what
they answer."""

from users import CLIENT

QUERY = "<iq type='get' id='mine'><query xmlns='jabber:iq:version'/></iq>"
REPLIES = "waft_component_iq_replies_total"
CONF = 'channels "ask*" { iq = yes }'


def ids(user):
    """Of the iqs that came from the channel."""
    return [each.get("id") for each in user.requests
            if each.get("from") == "ask@push.localhost"]


def test_c5_14_c3_8_an_iq_has_an_id_for_each_and_its_answers_are_counted(
        server, user, component):
    """Full JIDs alone get it; answers, errors too, are no bounces, and the link
    goes on."""
    waft = component(component='bounce = remove', conf=CONF)
    alice = user("alice", plugins=("xep_0030", "xep_0092"))
    bob = user("bob", plugins=("xep_0030", "xep_0092"))
    for each in (alice.jid, bob.jid, alice.bare):
        waft.subscribe("ask", each)
    waft.publish("ask", QUERY)
    alice.wait_for(lambda: waft.metric(REPLIES + '{type="result"}') == 2,
                   what="two results")
    for each in (alice, bob):
        each.wait_for(lambda who=each: len(ids(who)) == 1, what="one iq")
    assert ids(alice) != ids(bob) and "mine" not in ids(alice) + ids(bob)
    waft.publish("ask", "<iq type='set' id='x'><q xmlns='urn:example:none'/></iq>")
    for each in (alice, bob):
        each.wait_for(lambda who=each: len(ids(who)) == 2, what="another iq")
        each.send_raw(
            f"<iq type='error' id='{ids(each)[1]}' to='ask@push.localhost'>"
            "<error type='cancel'><item-not-found"
            " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
    alice.wait_for(lambda: waft.metric(REPLIES + '{type="error"}') == 2,
                   what="two errors")
    assert waft.metric("waft_component_bounces_total") == 0
    assert len(waft.subscriptions("ask")) == 3
    waft.wait_sent(4)


def test_c5_14_c3_7_what_cannot_be_published_is_refused(server, component):
    waft = component(conf=CONF)
    for channel, stanza in (
            ("news", QUERY),
            ("ask", "<iq type='result' id='x'/>"),
            ("ask", "<presence type='subscribe'/>"),
            ("ask", "<presence type='unsubscribed'/>"),
            ("ask", "<presence type='probe'/>"),
            ("ask", "<presence type='error'/>"),
            ("ask", "<message type='error'/>"),
            ("ask", "<message><p xmlns='urn:xmpp:privilege:2'/></message>"),
            ("ask", "<message><p xmlns='urn:xmpp:delegation:2'/></message>")):
        status, text = waft.request("POST", "/publish/", {"items": [
            {"channel": channel, "xmpp-stanza": {"content": stanza}}]})
        assert status == 400, (stanza, status, text)
        assert "xmpp-stanza.content" in text, text
    assert waft.link()["up"]


def test_c5_14_presence_reaches_bare_and_full_jids(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("status", alice.bare)

    def shown(kind=None):
        return [each for each in alice.presences
                if each.get("from") == "status@push.localhost"
                and each.get("type") == kind]

    waft.publish("status", "<presence><show>dnd</show></presence>")
    alice.wait_for(lambda: [each for each in shown()
                            if each.findtext(CLIENT + "show") == "dnd"])
    waft.publish("status", "<presence type='unavailable'/>")
    alice.wait_for(lambda: shown("unavailable"))
