"""Ways in for people whose client has no PubSub: a contact in the roster, presence
sent to a channel, a chat with the service, vCards, registration.  The clients
are slixmpp as it is; the servers are shared by the tests, but for the last."""

import re
import socket
import time
import xml.etree.ElementTree as ET

import pytest
from servers import SERVERS, wait_until
from slixmpp.exceptions import IqError
from scripted import Scripted
from users import CLIENT, User
from waft import Component

SERVICE = "push.localhost"
PLUGINS = ("xep_0012", "xep_0030", "xep_0054", "xep_0060", "xep_0077", "xep_0092",
           "xep_0115", "xep_0199")
CONF = """
channels "away*" { available-only = yes }
channels "secret*" { subscribe = none }
"""


class Place:
    def __init__(self, server):
        self.server = server
        self.users = []
        self.waft = Component(
            server, component=f'creators = {{"{server.domain}"}}', conf=CONF)

    def user(self, name, resource="test", **kwargs):
        self.server.add_user(name)
        user = User(f"{name}@{self.server.domain}/{resource}",
                    self.server.users[name], self.server.c2s_port,
                    plugins=PLUGINS, **kwargs)
        self.users.append(user)
        return user.connect()

    def temporary(self):
        """Clients that are let in now."""
        return (self.waft.metric("waft_component_temporary_subscriptions_total") -
                self.waft.metric("waft_component_temporary_ends_total"))

    def close_users(self):
        for user in self.users:
            user.close()
        self.users = []


@pytest.fixture(scope="module", params=sorted(SERVERS))
def running(request):
    with SERVERS[request.param]() as server:
        place = Place(server)
        place.waft.start()
        yield place
        place.waft.close()


@pytest.fixture
def place(running, request):
    yield running
    running.close_users()
    print(running.waft.read_log()[-4000:])


def address(channel):
    return f"{channel}@{SERVICE}"


def body(text):
    return f"<message type='chat'><body>{text}</body></message>"


def presences(user, channel, kind=None):
    return [p for p in user.presences
            if p.get("from") == address(channel) and p.get("type") == kind]


def flush(user):
    """What was said to us before has been answered: it came on the same link, and
    needed no more looks into the store than these."""
    for _ in range(3):
        user.ask(lambda c: c["xep_0060"].get_subscriptions(SERVICE))


def subscribe(user, channel):
    user.send_presence(pto=address(channel), ptype="subscribe")
    user.wait_for(lambda: presences(user, channel))


def wait_in_roster(user, channel):
    user.wait_for(lambda: user.client.client_roster[address(channel)][
        "subscription"] == "to")


def test_c5_8_c7_1_c7_8_a_channel_is_a_contact(place):
    waft, alice = place.waft, place.user("alice")
    alice.ask(lambda c: c["xep_0060"].create_node(SERVICE, "titled"))
    form = ("<iq type='set' id='conf' to='push.localhost'><pubsub "
            "xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='titled'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='pubsub#title'>"
            "<value>News of the day</value></field></x></configure></pubsub></iq>")
    alice.send_raw(form)
    alice.wait_for(lambda: alice.answers.get("conf") is not None)
    subscribe(alice, "titled")
    assert presences(alice, "titled", "subscribed")
    [here] = presences(alice, "titled")
    assert here.findtext(CLIENT + "status") == "News of the day"
    wait_in_roster(alice, "titled")
    waft.publish("titled", body("one"))
    alice.wait_for(lambda: alice.bodies() == ["one"])
    # A subscription of another kind stays when the contact goes.
    alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "titled"))
    alice.send_presence(pto=address("titled"), ptype="unsubscribe")
    alice.wait_for(lambda: presences(alice, "titled", "unavailable"))
    waft.publish("titled", body("two"))
    alice.wait_for(lambda: alice.bodies() == ["one", "two"])
    alice.ask(lambda c: c["xep_0060"].unsubscribe(SERVICE, "titled"))
    alice.presences.clear()
    subscribe(alice, "titled")
    # A server does not unsubscribe from what it was not told of yet.
    wait_in_roster(alice, "titled")
    alice.ask(lambda c: c.del_roster_item(address("titled")))
    wait_until(lambda: waft.subscriptions("titled") == [], what="no subscription")


def test_c7_1_who_may_not_is_unsubscribed(place):
    alice = place.user("alice")
    alice.send_presence(pto=address("secret"), ptype="subscribe")
    alice.wait_for(lambda: presences(alice, "secret", "unsubscribed"))
    alice.send_presence(pto=SERVICE, ptype="subscribe")
    alice.wait_for(lambda: any(p.get("from") == SERVICE and
                               p.get("type") == "unsubscribed"
                               for p in alice.presences))
    assert place.waft.subscriptions("secret") == []


def test_c5_9_a_client_checks_what_our_presence_says_we_can(place):
    alice = place.user("alice")
    subscribe(alice, "capable")
    [here] = presences(alice, "capable")
    c = here.find("{http://jabber.org/protocol/caps}c")
    ver = c.get("ver")

    async def checked(client):
        # Slixmpp asks for node#ver, makes the hash anew and keeps what agrees.
        return await client["xep_0115"].get_caps(verstring=ver)

    info = alice.wait_for(lambda: alice.ask(checked))
    assert "vcard-temp" in info["features"]


def test_c7_3_c7_9_a_probe_is_answered_and_a_client_once(place):
    alice = place.user("alice")
    subscribe(alice, "probed")
    alice.disconnect()
    # The server probes its contacts at login.
    alice.connect()
    alice.wait_for(lambda: presences(alice, "probed"))
    for show in ("away", "dnd", "xa"):
        alice.send_presence(pto=address("probed"), pshow=show)
    flush(alice)
    # For the login, and for the first presence that was sent to it.
    assert len(presences(alice, "probed")) <= 2
    alice.send_raw(f"<presence type='probe' to='{address('never')}'/>")
    flush(alice)
    assert place.temporary() == 0


def test_c7_4_a_client_is_in_while_it_is_there(place):
    waft, alice = place.waft, place.user("alice", resource="one")
    other = place.user("alice", resource="two")
    before = place.temporary()
    alice.send_presence(pto=address("now"))
    alice.wait_for(lambda: presences(alice, "now"))
    assert presences(alice, "now")[0].findtext(CLIENT + "status") == "now"
    assert place.temporary() == before + 1
    assert waft.subscriptions("now") == []
    waft.publish("now", body("one"))
    alice.wait_for(lambda: alice.bodies() == ["one"])
    sent = waft.metric("waft_component_sent_stanzas_total")
    alice.drop()
    wait_until(lambda: place.temporary() == before, what="the client is out")
    waft.publish("now", body("two"))
    flush(other)
    assert waft.metric("waft_component_sent_stanzas_total") == sent
    assert other.bodies() == []


def test_c7_4_c7_5_it_goes_with_unavailable_or_an_error(place):
    alice = place.user("alice")
    before = place.temporary()
    for last in ("<presence type='unavailable' to='{}'/>",
                 "<presence type='error' to='{}'><error type='cancel'>"
                 "<remote-server-not-found xmlns='urn:ietf:params:xml:ns:"
                 "xmpp-stanzas'/></error></presence>"):
        alice.send_presence(pto=address("brief"))
        wait_until(lambda: place.temporary() == before + 1, what="let in")
        alice.send_raw(last.format(address("brief")))
        wait_until(lambda: place.temporary() == before, what="out")
        # Else it would not be new to the channel.
        alice.send_raw(f"<presence type='unavailable' to='{address('brief')}'/>")
        flush(alice)


def test_c7_4_a_subscription_takes_the_place_of_a_temporary_one(place):
    waft, alice = place.waft, place.user("alice")
    before = place.temporary()
    alice.send_presence(pto=address("both"))
    alice.wait_for(lambda: presences(alice, "both"))
    alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "both"))
    wait_until(lambda: place.temporary() == before, what="replaced")
    waft.publish("both", body("one"))
    waft.publish("both", body("two"))
    alice.wait_for(lambda: "two" in alice.bodies())
    assert alice.bodies() == ["one", "two"]


def test_c7_4_who_may_not_is_told_so_once(place):
    alice = place.user("alice")
    for show in ("away", "dnd", "xa"):
        alice.send_presence(pto=address("secret"), pshow=show)
    flush(alice)
    [refused] = presences(alice, "secret", "error")
    assert refused.find(f"{CLIENT}error/*").tag.endswith("not-allowed")
    assert place.temporary() == 0


def test_c7_5_c7_7_only_to_those_who_are_there(place):
    """Slixmpp lets everybody see its presence who asks."""
    waft, alice = place.waft, place.user("alice")
    subscribe(alice, "away")

    def skipped():
        return waft.metric('waft_component_skipped_total{reason="away"}')

    def is_seen():
        """A negative priority is known to the channel."""
        before = skipped()
        waft.publish("away", body("no"))
        waft.wait_sent(0)
        return skipped() > before

    alice.wait_for(lambda: presences(alice, "away", "subscribe"))
    # Prosody has acknowledged our request by then with `unavailable`.
    waft.publish("away", body("yes"))
    alice.wait_for(lambda: "yes" in alice.bodies())
    alice.send_presence(ppriority=-1)
    wait_until(is_seen, what="the priority is seen")
    heard = len(alice.messages)
    waft.publish("away", body("not this"))
    # A full JID that has asked for it gets it whatever its priority.
    alice.ask(lambda c: c["xep_0060"].subscribe(SERVICE, "away", bare=False))
    waft.publish("away", body("this"))
    alice.wait_for(lambda: alice.bodies()[-1] == "this")
    assert "not this" not in alice.bodies()[heard:]
    alice.send_presence(ppriority=1)
    alice.wait_for(lambda: waft.publish("away", body("again")) and
                   len([b for b in alice.bodies() if b == "again"]) > 1)


def test_c7_2_nobody_is_asked_for_his_presence_by_a_subscription(place):
    alice = place.user("unasked")
    for channel in ("plain", "away-too"):
        alice.ask(lambda c, channel=channel: c["xep_0060"].subscribe(SERVICE, channel))
    flush(alice)
    assert [p for p in alice.presences if SERVICE in p.get("from")] == []


def test_a_flood_of_presence_gets_one_answer(place):
    alice = place.user("alice")
    alice.send_raw("".join(
        f"<presence to='{address('flood')}'><priority>{i % 100}</priority></presence>"
        for i in range(300)))
    alice.wait_for(lambda: presences(alice, "flood"))
    flush(alice)
    assert len(presences(alice, "flood")) == 1


def test_names_that_nodeprep_changes_have_no_presence_way_in(place):
    waft, alice = place.waft, place.user("alice")
    alice.send_presence(pto=f"Mixed@{SERVICE}")
    alice.wait_for(lambda: presences(alice, "mixed"))
    waft.publish("Mixed", body("no"))
    waft.publish("mixed", body("yes"))
    alice.wait_for(lambda: alice.bodies() == ["yes"])
    alice.send_presence(pto=f"{SERVICE}/Mixed", ptype="subscribe")
    alice.wait_for(lambda: any(p.get("type") == "unsubscribed"
                               for p in alice.presences))
    assert waft.subscriptions("Mixed") == []


# ---- without presence -------------------------------------------------------

def talk(user, to, text):
    """The body of the one message that comes back."""
    heard = len(user.messages)
    user.send_raw(f"<message type='chat' to='{to}' id='t'><body>{text}</body></message>")
    user.wait_for(lambda: len(user.messages) > heard)
    flush(user)
    [answer] = user.messages[heard:]
    assert answer.get("type") == "chat" and answer.get("from") == to
    return answer.findtext(CLIENT + "body")


def test_people_subscribe_by_chat(place):
    waft, bob = place.waft, place.user("bob")
    waft.publish("chatty", body("zero"))
    assert "subscribe CHANNEL" in talk(bob, SERVICE, "help")
    assert "chatty" in talk(bob, SERVICE, "list chat").split("\n")
    assert talk(bob, SERVICE, "subscribe chatty") == "You are subscribed to chatty."
    assert [s["jid"] for s in waft.subscriptions("chatty")] == ["bob@localhost"]
    waft.publish("chatty", body("one"))
    bob.wait_for(lambda: bob.bodies()[-1] == "one")
    assert talk(bob, SERVICE, "subscriptions") == "chatty"
    assert talk(bob, address("chatty"), "unsubscribe") == \
        "You are no longer subscribed to chatty."
    assert waft.subscriptions("chatty") == []
    assert talk(bob, SERVICE, "subscribe secret") == "You may not subscribe to secret."


def test_c5_7_to_register_at_a_channel_is_to_subscribe(place):
    waft, bob = place.waft, place.user("bob")
    form = bob.ask(lambda c: c["xep_0077"].get_registration(address("reg")))
    assert "subscribe" in form["register"]["instructions"]
    assert not form["register"]["registered"]
    bob.send_raw(f"<iq type='set' id='r' to='{address('reg')}'>"
                 "<query xmlns='jabber:iq:register'/></iq>")
    bob.wait_for(lambda: bob.answers.get("r") is not None)
    assert bob.answers["r"].get("type") == "result"
    assert [s["jid"] for s in waft.subscriptions("reg")] == ["bob@localhost"]
    form = bob.ask(lambda c: c["xep_0077"].get_registration(address("reg")))
    assert form["register"]["registered"]
    bob.ask(lambda c: c["xep_0077"].cancel_registration(address("reg")))
    assert waft.subscriptions("reg") == []
    with pytest.raises(IqError) as refused:
        bob.ask(lambda c: c["xep_0077"].get_registration(SERVICE))
    assert refused.value.condition == "service-unavailable"


def test_c5_3_c5_4_c5_5_c5_10_c5_22_a_channel_tells_of_itself(place):
    waft, bob = place.waft, place.user("bob")
    waft.publish("known", body("one"))
    for to in (SERVICE, address("known")):
        bob.ask(lambda c, to=to: c["xep_0199"].send_ping(to))
        version = bob.ask(lambda c, to=to: c["xep_0092"].get_version(to))
        assert version["software_version"]["name"] == "waft"
        last = bob.ask(lambda c, to=to: c["xep_0012"].get_last_activity(to))
        assert 0 <= last["last_activity"]["seconds"] < 600
        card = bob.ask(lambda c, to=to: c["xep_0054"].get_vcard(to))
        assert card["vcard_temp"]["FN"] == ("waft" if to == SERVICE else "known")
    info = bob.ask(lambda c: c["xep_0030"].get_info(address("known")))
    text = ET.tostring(info.xml, encoding="unicode")
    assert "http://jabber.org/protocol/pubsub#meta-data" in text
    assert re.search(r"var=\"vcard-temp\"", text)
    with pytest.raises(IqError) as missing:
        bob.ask(lambda c: c["xep_0054"].get_vcard(address("unknown")))
    assert missing.value.condition == "item-not-found"


# ---- restarts, which the others would not like ------------------------------

def test_c7_6_c7_10_it_says_when_it_comes_and_goes(place):
    waft = place.waft
    alice, bob = place.user("alice"), place.user("bob", resource="in")
    subscribe(alice, "steady")
    subscribe(alice, "away-restart")
    alice.wait_for(lambda: presences(alice, "away-restart", "subscribe"))
    bob.send_presence(pto=address("steady"))
    bob.wait_for(lambda: presences(bob, "steady"))
    alice.presences.clear()
    bob.presences.clear()
    waft.stop()
    alice.wait_for(lambda: presences(alice, "steady", "unavailable"))
    bob.wait_for(lambda: presences(bob, "steady", "unavailable"))
    waft.start()
    alice.wait_for(lambda: presences(alice, "steady"))
    assert place.temporary() == 0
    waft.publish("steady", body("after"))
    alice.wait_for(lambda: "after" in alice.bodies())
    assert bob.bodies() == []
    # The probe found alice there: she is known, and when she goes, too.
    wait_until(lambda: waft.metric("waft_component_presences") > 0, what="probed")
    alice.disconnect()
    wait_until(lambda: waft.metric("waft_component_presences") == 0, what="gone")
    before = waft.metric('waft_component_skipped_total{reason="away"}')
    waft.publish("away-restart", body("no"))
    wait_until(lambda: waft.metric('waft_component_skipped_total{reason="away"}') >
               before, what="left out")


def test_c7_6_temporary_ones_end_with_the_link(place):
    waft, bob = place.waft, place.user("bob", resource="in")
    bob.send_presence(pto=address("steady"))
    bob.wait_for(lambda: presences(bob, "steady"))
    assert place.temporary() == 1
    waft.kill()
    waft.start()
    assert place.temporary() == 0
    waft.publish("steady", body("after"))
    waft.wait_sent(0)
    flush(bob)
    assert bob.bodies() == []
    # He comes again as if for the first time.
    bob.presences.clear()
    bob.send_presence(pto=address("steady"))
    bob.wait_for(lambda: presences(bob, "steady"))
    waft.publish("steady", body("again"))
    bob.wait_for(lambda: bob.bodies() == ["again"])


# ---- what goes over the wire: a scripted server -----------------------------

@pytest.fixture
def wire():
    """wire(**options): a scripted server with waft attached to it."""
    scripted, made = Scripted(), []

    def start(**options):
        made.append(Component(scripted, **options))
        return scripted, made[0].start()

    yield start
    for each in made:
        print(each.read_log()[-4000:], scripted.received[-4000:])
        each.close()
    scripted.close()


def settle(scripted, name):
    """As flush()."""
    for i in range(3):
        scripted.send(
            f"<iq type='get' id='{name}{i}' from='zoe@localhost/x' to='push.localhost'>"
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscriptions/></pubsub>"
            "</iq>")
        wait_until(lambda i=i: f"id='{name}{i}'" in scripted.received,
                   what=scripted.received)


def here(user, channel="news", more=""):
    return f"<presence from='{user}' to='{channel}@push.localhost'{more}/>"


def cut(scripted, waft):
    """The link is lost, and is there again."""
    links = scripted.links
    scripted.connection.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: scripted.links > links and waft.is_ready(), what="attached")


def test_c7_6_a_lost_link_ends_temporary_ones_and_says_so(wire):
    scripted, waft = wire()
    waft.publish("news", body("before"))
    scripted.send(here("bob@localhost/x") + here("eve@localhost/y"))
    wait_until(lambda: scripted.count("<status>news</status>") == 2, what="both in")
    scripted.send(here("eve@localhost/y", more=" type='unavailable'"))
    settle(scripted, "a")
    waft.publish("news", body("one"))
    wait_until(lambda: "<body>one</body>" in scripted.received, what="one")
    assert re.findall(r"<message[^>]* to='([^']*)'", scripted.received) == ["bob@localhost/x"]
    assert "<body>before</body>" not in scripted.received
    cut(scripted, waft)
    wait_until(lambda: "<presence type='unavailable' from='news@push.localhost'"
               " to='bob@localhost/x'/>" in scripted.received, what="told")
    waft.publish("news", body("two"))
    scripted.send(here("bob@localhost/x"))
    settle(scripted, "b")
    waft.publish("news", body("three"))
    wait_until(lambda: "<body>three</body>" in scripted.received, what="three")
    assert "<body>two</body>" not in scripted.received
    assert scripted.count("eve@localhost") == 0


def test_c7_5_unavailable_from_the_bare_jid_takes_all_out(wire):
    scripted, waft = wire()
    scripted.send(here("bob@localhost/x") + here("bob@localhost/y") +
                  here("bob@localhost/x", "other"))
    wait_until(lambda: scripted.count("<status>") == 3, what="all in")
    scripted.send(here("bob@localhost", more=" type='unavailable'"))
    settle(scripted, "a")
    assert waft.metric("waft_component_temporary_ends_total") == 2
    assert waft.metric("waft_component_presences") == 1


def test_c7_6_c7_10_contacts_are_told_and_probed_at_a_pace(wire):
    scripted, waft = wire(conf='channels "away" { available-only = yes }')
    count = 250
    for i in range(count):
        scripted.send(here(f"u{i}@localhost", more=" type='subscribe'"))
    scripted.send(here("bob@localhost", "away", " type='subscribe'"))
    wait_until(lambda: scripted.count("type='subscribed'") == count + 1, what="subscribed")
    begin = time.monotonic()
    cut(scripted, waft)
    wait_until(lambda: scripted.count("<status>news</status>") == count, 60, "all told")
    # 200 a second: the second lot waits for its turn.
    assert time.monotonic() - begin > 0.8
    wait_until(lambda: "<presence type='probe' from='away@push.localhost'"
               " to='bob@localhost'/>" in scripted.received, what="probed")
    assert scripted.count("type='probe'") == 1
    # He is not there, as his server says, and gets nothing.
    scripted.send(here("bob@localhost", "away", " type='unavailable'"))
    settle(scripted, "a")
    waft.publish("away", body("one"))
    wait_until(lambda: waft.metric('waft_component_skipped_total{reason="away"}') == 1,
               what="left out")


def test_c7_10_those_who_are_many_hold_up_no_end(wire):
    scripted, waft = wire()
    for i in range(450):
        scripted.send(here(f"u{i}@localhost", more=" type='subscribe'"))
    wait_until(lambda: scripted.count("type='subscribed'") == 450, what="subscribed")
    received = scripted.received
    waft.stop()
    assert (scripted.received[len(received):].count("type='unavailable'")) == 450


def test_so_many_clients_are_known_and_no_more(wire):
    scripted, waft = wire(component="presences-max = 3")
    for i in range(5):
        scripted.send(here(f"u{i}@localhost/x"))
    settle(scripted, "a")
    assert scripted.count("<status>") == 3
    assert scripted.count("<resource-constraint") == 2
    scripted.send(here("u0@localhost/x", more=" type='unavailable'") +
                  here("u4@localhost/x"))
    settle(scripted, "b")
    assert scripted.count("<status>") == 4
    assert waft.metric("waft_component_presences") == 3


def test_an_owner_shuts_clients_out(wire):
    scripted, waft = wire(component='creators = {"own@localhost"}')
    owner = ("<iq type='set' id='o{}' from='own@localhost/x' to='push.localhost'>"
             "<pubsub xmlns='http://jabber.org/protocol/pubsub{}'>{}</pubsub></iq>")
    scripted.send(owner.format(1, "", "<create node='news'/>"))
    wait_until(lambda: "id='o1'" in scripted.received, what="created")
    scripted.send(here("bob@localhost/x") + here("eve@localhost/x"))
    settle(scripted, "a")
    assert scripted.count("<status>") == 2
    scripted.send(owner.format(
        2, "#owner", "<affiliations node='news'><affiliation jid='eve@localhost'"
        " affiliation='outcast'/></affiliations>"))
    wait_until(lambda: "<presence type='unavailable' from='news@push.localhost'"
               " to='eve@localhost/x'/>" in scripted.received, what="out")
    waft.publish("news", body("one"))
    wait_until(lambda: "<body>one</body>" in scripted.received, what="one")
    assert re.findall(r"<message[^>]* to='([^']*)'", scripted.received) == ["bob@localhost/x"]
    scripted.send(owner.format(3, "#owner", "<delete node='news'/>"))
    wait_until(lambda: waft.metric("waft_component_temporary_ends_total") == 2,
               what="deleted")
