"""One stanza for many users (XEP-0033) on a real ejabberd with mod_multicast: what
arrives, in which order, and what becomes of all that the service refuses."""

import http.client
import re
import signal

import pytest

from raw import RawUser
from scripted import body
from servers import Ejabberd, wait_until
from waft import Component

MULTICAST = 'channels "*" { multicast = yes  iq = yes }'
STANZAS = "waft_component_multicast_stanzas_total"
COPIES = "waft_component_multicast_copies_total"
REFUSED = "waft_component_multicast_refused_total"


def module(limit):
    """mod_multicast that takes so many receivers from a component; None: what it
    takes unless told (20)."""
    return "  mod_multicast:\n    limits:\n      remote:\n" + (
        f"        message: {limit}\n" if limit else "        {}\n")


class Multicast(Ejabberd):
    """An ejabberd whose limit can be changed while it runs."""

    def __init__(self, limit):
        super().__init__(extra=module(limit))

    def reload(self, extra):
        self.extra = extra
        self.write_config()
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port)
        connection.request("POST", "/api/reload_config", "{}")
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text


@pytest.fixture
def make():
    """make(limit, users) -> server, waft, users who have subscribed to `news`."""
    ends = []

    def start(limit, count, component="", conf=MULTICAST):
        server = Multicast(limit).start()
        ends.append(server)
        waft = Component(server, component=component, conf=conf)
        ends.append(waft)
        waft.start()
        users = [RawUser(server, f"u{number}") for number in range(count)]
        ends.extend(users)
        for user in users:
            waft.subscribe("news", user.bare)
        return server, waft, users

    yield start
    for each in reversed(ends):
        each.close()


def found(waft):
    wait_until(lambda: waft.lines("component.multicast"), 20, "the service is found")


def bodies(user):
    return [each.partition("<body>")[2].partition("</body>")[0]
            for each in user.stanzas()]


def wait_bodies(users, count):
    for user in users:
        wait_until(lambda: len(bodies(user)) >= count, 30,
                   f"{user.bare} has {count}: {bodies(user)}")


def firsts(values):
    return list(dict.fromkeys(values))


def test_c5_23_one_stanza_for_each_group_within_the_limit(make):
    server, waft, users = make(4, 10)
    found(waft)
    assert "service=multicast.localhost state=on receivers=4" in (
        waft.lines("component.multicast")[0].replace('"', ""))
    for number in range(30):
        waft.publish("news", body(number))
    wait_bodies(users, 30)
    assert all(bodies(user) == [str(number) for number in range(30)] for user in users)
    assert waft.metric(COPIES) == 300
    assert waft.metric("waft_component_sent_stanzas_total") == waft.metric(STANZAS) < 300
    assert waft.metric(STANZAS) >= 90  # three groups, and where a batch ends
    wait_until(lambda: waft.link()["unconfirmed"] == 0)
    assert waft.metric(REFUSED) == 0


def test_c5_23_a_copy_is_the_direct_stanza_to_the_byte(make):
    stanzas = [
        body("plain &amp; more"),
        "<message type='chat' xml:lang='de' id='mine'><body>x</body><thread>t</thread>"
        "<x:y xmlns:x='urn:x' x:a='1'><z xmlns='urn:z'/>t</x:y><store xmlns='urn:xmpp:hints'/>"
        "</message>",
        "<message type='headline'><subject>s</subject><body>b</body></message>",
        "<message><x xmlns='urn:x'/></message>",
    ]
    server, waft, (alice, bob) = make(
        None, 2, conf='channels "plain" { }\n' + MULTICAST)
    found(waft)
    waft.subscribe("plain", alice.bare)
    for stanza in stanzas:
        waft.publish("plain", stanza)
        waft.publish("news", stanza)
    wait_bodies([bob], 4)
    wait_bodies([alice], 8)

    def of(user, channel):
        positions = {f"by='{channel}@push.localhost'": "by=''",
                     f"from='{channel}@push.localhost'": "from=''"}
        kept = []
        for each in user.stanzas():
            if f"from='{channel}@" not in each:
                continue
            for old, new in positions.items():
                each = each.replace(old, new)
            kept.append(re_position(each))
        return kept

    assert len(of(alice, "plain")) == 4
    assert of(alice, "plain") == of(alice, "news")
    assert [each.replace(bob.bare, alice.bare) for each in of(bob, "news")] == (
        of(alice, "news"))
    assert "protocol/address" not in alice.text + bob.text
    assert waft.metric(COPIES) == 8


def re_position(text):
    """Without the positions: two channels have two."""
    return re.sub(r"id='[0-9a-f]{8}-\d+'", "id=''", text)


def test_c5_23_order_is_kept_when_the_way_changes(make):
    """Items that can only go directly among those that can go both ways; a
    channel that grows from one listener to many."""
    server, waft, users = make(None, 5)
    found(waft)
    kinds = [
        "<message type='chat'><body>{}</body></message>",
        "<message type='chat'><body>{}</body><addresses"
        " xmlns='http://jabber.org/protocol/address'><address type='to' jid='a@b'/>"
        "</addresses></message>",
        "<message type='chat'><body>{}</body></message>",
    ]
    for number in range(60):
        waft.publish("news", kinds[number % 3].format(number))
    wait_bodies(users, 60)
    assert all(bodies(user) == [str(number) for number in range(60)] for user in users)
    assert waft.metric(COPIES) == 200
    assert waft.metric("waft_component_sent_stanzas_total") >= 100


def test_c5_23_a_class_is_changed_while_it_runs(make):
    server, waft, users = make(None, 4, conf='channels "*" { }')
    sent = 0
    for reloads, multicast in enumerate(("no", "yes", "no")):
        waft.conf.write_text(re.sub(
            r'channels "\*" \{.*\}', f'channels "*" {{ multicast = {multicast} }}',
            waft.conf.read_text()))
        waft.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(waft.lines("reload")) > reloads, 20,
                   "it was reloaded")
        if multicast == "yes":
            found(waft)
        for _ in range(20):
            waft.publish("news", body(sent))
            sent += 1
    wait_bodies(users, sent)
    assert all(bodies(user) == [str(number) for number in range(sent)] for user in users)
    assert 0 < waft.metric(COPIES) <= 4 * 40


def test_c5_23_a_component_elsewhere_names_the_service(make):
    """Its domain is not below the users', and the service is not looked for."""
    server = Multicast(None)
    server.components = {"push.example.org": "secret"}
    server.start()
    waft = Component(server, domain="push.example.org", conf=MULTICAST,
                     component='multicast = "multicast.localhost"')
    users = []
    try:
        waft.start()
        users += [RawUser(server, f"u{number}") for number in range(3)]
        for user in users:
            waft.subscribe("news", user.bare)
        found(waft)
        for number in range(5):
            waft.publish("news", body(number))
        wait_bodies(users, 5)
        assert waft.metric(COPIES) == 15
        assert waft.metric(REFUSED) == 0
    finally:
        for each in (*users, waft, server):
            each.close()


def test_c5_23_users_of_other_domains_get_their_own(make):
    """Somebody of a domain that is not the server's is in no group."""
    server, waft, users = make(None, 3)
    found(waft)
    waft.subscribe("news", "far@elsewhere.invalid")
    for number in range(5):
        waft.publish("news", body(number))
    wait_bodies(users, 5)
    assert waft.metric(COPIES) == 15
    assert (waft.metric("waft_component_sent_stanzas_total")
            == waft.metric(STANZAS) + 5)


def test_c5_23_one_malformed_address_holds_up_nobody(make):
    """U+0221 is in no Unicode that ejabberd knows: it refuses the whole group."""
    server, waft, users = make(None, 8)
    found(waft)
    waft.publish("news", body(0))
    wait_bodies(users, 1)
    waft.subscribe("news", "b\u0221d@localhost")
    for number in range(1, 21):
        waft.publish("news", body(number))
    wait_bodies(users, 21)
    numbers = [str(number) for number in range(21)]
    assert all(firsts(bodies(user)) == numbers for user in users)
    wait_until(lambda: waft.link()["unconfirmed"] == 0, 20, "all is confirmed")
    assert waft.metric(REFUSED + '{reason="malformed"}') == 1
    assert [each for each in waft.lines("component.malformed") if "b\u0221d" in each]
    # The others are a group again.
    before, direct = waft.metric(COPIES), waft.metric("waft_component_sent_stanzas_total")
    stanzas = waft.metric(STANZAS)
    waft.publish("news", body("last"))
    wait_until(lambda: all(bodies(user)[-1] == "last" for user in users), 20, "the last")
    assert waft.metric(COPIES) - before == 8
    assert waft.metric("waft_component_sent_stanzas_total") - direct == (
        waft.metric(STANZAS) - stanzas + 1)


def test_c5_23_a_limit_that_became_smaller_is_found_by_refusal(make):
    server, waft, users = make(50, 12)
    found(waft)
    waft.publish("news", body(0))
    wait_bodies(users, 1)
    # A changed limit alone is not noticed by ejabberd 23.01.
    server.reload("")
    server.reload(module(5))
    for number in range(1, 11):
        waft.publish("news", body(number))
    wait_bodies(users, 11)
    numbers = [str(number) for number in range(11)]
    assert all(firsts(bodies(user)) == numbers for user in users)
    assert waft.metric(REFUSED + '{reason="too-many"}') >= 1
    wait_until(lambda: waft.link()["unconfirmed"] == 0, 20, "all is confirmed")
    # What is in force now is not refused.
    before = waft.metric(REFUSED)
    waft.publish("news", body("last"))
    wait_until(lambda: all(bodies(user)[-1] == "last" for user in users), 20, "the last")
    wait_until(lambda: waft.link()["unconfirmed"] == 0, 20, "all is confirmed")
    assert waft.metric(REFUSED) == before


def test_c5_23_a_service_that_goes_away_loses_nothing(make):
    server, waft, users = make(None, 6)
    found(waft)
    waft.publish("news", body(0))
    wait_bodies(users, 1)
    server.reload("")
    for number in range(1, 11):
        waft.publish("news", body(number))
    wait_bodies(users, 11)
    assert all(firsts(bodies(user)) == [str(number) for number in range(11)]
               for user in users)
    assert [each for each in waft.lines("component.multicast") if "state=off" in each]
    wait_until(lambda: waft.link()["unconfirmed"] == 0, 20, "all is confirmed")


def test_c5_23_where_there_is_no_service_all_go_directly(server, user, component):
    waft = component(conf=MULTICAST)
    wait_until(lambda: waft.lines("component.multicast"), 20, "it was looked for")
    assert "state=none" in waft.lines("component.multicast")[0]
    alice, bob = user("alice"), user("bob")
    for each in (alice, bob):
        waft.subscribe("news", each.bare)
    for number in range(10):
        waft.publish("news", body(number))
    for each in (alice, bob):
        each.wait_for(lambda: len(each.messages) == 10)
        assert each.bodies() == [str(number) for number in range(10)]
    assert waft.metric(COPIES) == 0
