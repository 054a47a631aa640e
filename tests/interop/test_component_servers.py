"""One daemon at a real Prosody and a real ejabberd at once."""

import json
import signal
import urllib.parse
import xml.etree.ElementTree as ET

import pytest

from servers import Ejabberd, Prosody, wait_until
from test_component_restart import body
from users import User
from waft import Component

PUSH = {"prosody": "push.prosody.localhost", "ejabberd": "push.ejabberd.localhost"}


@pytest.fixture(scope="module")
def servers():
    made = {}
    try:
        for kind in (Prosody, Ejabberd):
            name = kind.name
            made[name] = kind(domain=f"{name}.localhost", components={
                PUSH[name]: "secret", f"two.{name}.localhost": "second"})
            made[name].start()
        yield made
    finally:
        for each in made.values():
            each.close()


def section(server, domain, secret="secret", more=""):
    return (f'component "{domain}" {{ server = "127.0.0.1:{server.component_port}" '
            f'secret = "{secret}" ping = "{server.domain}" {more} }}\n')


@pytest.fixture
def waft(servers):
    """Attached to both, Prosody first."""
    window = "window-stanzas = 100"
    one = Component(servers["prosody"], PUSH["prosody"], component=window,
                    conf=section(servers["ejabberd"], PUSH["ejabberd"], more=window))
    yield one.start()
    for each in servers.values():
        if each.process is not None:
            each.resume()
    print(one.read_log())
    one.close()


@pytest.fixture
def user(servers):
    users = []

    def make(name, where):
        server = servers[where]
        server.add_user(name)
        users.append(User(f"{name}@{server.domain}/test", "secret", server.c2s_port))
        return users[-1].connect()

    yield make
    for each in users:
        each.close()


def subscribe(waft, channel, user, where):
    status, text = waft.request(
        "POST", f"/channels/{urllib.parse.quote(channel, '')}/subscriptions/",
        {"jid": user.bare, "component": PUSH[where]})
    assert status == 201, text


def links(waft):
    return {each["domain"]: each
            for each in json.loads(waft.get("/status")[1])["links"]}


def test_c11_4_a_publish_reaches_the_users_of_both(servers, waft, user):
    both = {where: user("alice", where) for where in PUSH}
    for where, alice in both.items():
        subscribe(waft, "news", alice, where)
    for i in range(30):
        waft.publish("news", body(i))
    for where, alice in both.items():
        alice.wait_for(lambda: len(alice.bodies("chat")) >= 30)
        assert alice.bodies("chat") == [str(i) for i in range(30)]
        assert {each.get("from") for each in alice.messages} == {f"news@{PUSH[where]}"}
    assert {name: link["subscriptions"] for name, link in links(waft).items()} == {
        PUSH["prosody"]: 1, PUSH["ejabberd"]: 1}
    assert waft.metric("waft_link_up") == 2
    assert "localhost" not in waft.get("/metrics")[1]


@pytest.mark.parametrize("stuck, free", [("prosody", "ejabberd"), ("ejabberd", "prosody")])
def test_a_server_that_is_stopped_holds_up_no_other(servers, waft, user, stuck, free):
    """More channels wait for the one than may before reading ahead is paused."""
    channels = [f"c{i}" for i in range(100)]
    here, there = user("bob", free), user("bob", stuck)
    for channel in channels:
        subscribe(waft, channel, here, free)
        subscribe(waft, channel, there, stuck)
    servers[stuck].pause()
    for i in range(5):
        for channel in channels:
            waft.publish(channel, body(f"{channel}-{i}"))
    want = {f"{channel}-{i}" for channel in channels for i in range(5)}
    here.wait_for(lambda: set(here.bodies("chat")) == want, 30)
    assert links(waft)[PUSH[free]]["unconfirmed"] <= links(waft)[PUSH[stuck]]["unconfirmed"]
    assert len(there.bodies("chat")) < len(want)
    servers[stuck].resume()
    there.wait_for(lambda: set(there.bodies("chat")) == want, 30)
    for channel in channels:
        own = [text for text in there.bodies("chat") if text.startswith(f"{channel}-")]
        assert own == [f"{channel}-{i}" for i in range(5)]


def test_readyz_says_which_server_is_not_there(servers, waft, user):
    carol = user("carol", "ejabberd")
    subscribe(waft, "late", carol, "ejabberd")
    servers["prosody"].kill()
    try:
        wait_until(lambda: waft.get("/readyz")[0] == 503, 20, "not ready")
        assert f"{PUSH['prosody']}: the XMPP server" in waft.get("/readyz")[1]
        states = links(waft)
        assert not states[PUSH["prosody"]]["up"] and states[PUSH["ejabberd"]]["up"]
        assert states[PUSH["prosody"]]["reason"] in ("lost", "refused")
        waft.publish("late", body("all the same"))
        carol.wait_for(lambda: carol.bodies("chat") == ["all the same"])
    finally:
        servers["prosody"].start()
    wait_until(waft.is_ready, 20, "ready again")


@pytest.mark.parametrize("where", sorted(PUSH))
def test_c11_4_two_domains_of_one_listener(servers, user, where):
    """On ejabberd this takes global_routes: false, else what users send to one domain
    comes to the other's connection."""
    server = servers[where]
    second = f"two.{where}.localhost"
    waft = Component(server, PUSH[where], conf=section(server, second, "second"))
    dave = user("dave", where)
    try:
        waft.start()
        for _ in range(10):
            assert "push" in dave.call(ask(dave, PUSH[where]))
            assert "two" in dave.call(ask(dave, second))
        # Each answered with its own stream, which the server checks.
        assert waft.metric("waft_link_ends_total") == 0
        assert waft.process.poll() is None
    finally:
        waft.end(signal.SIGTERM)
        waft.close()


async def ask(user, domain):
    """Who answers a ping to the domain."""
    iq = user.client.make_iq_get(ito=domain)
    iq.append(ET.Element("{urn:xmpp:ping}ping"))
    return str((await iq.send(timeout=20))["from"])
