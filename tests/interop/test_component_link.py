"""The link, its barriers and its faults, on a server that is scripted."""

import re
import signal
import socket
import time

import pytest

from scripted import Scripted, body
from servers import wait_until
from waft import Component


@pytest.fixture(scope="module", autouse=True)
def silent():
    """Attached to something that takes the connection and says nothing; the limit is
    waited for while the other tests run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        class Nothing:
            domain = "localhost"
            component_port = listener.getsockname()[1]

        waft = Component(Nothing())
        waft.began = time.monotonic()
        yield waft.start(ready=False)
        waft.close()


def test_what_goes_over_the_wire(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    answer = waft.publish("news", body("hi"))
    waft.wait_sent(1)
    position = answer["items"][0]["position"]
    # No namespace of its own (checklist 3.3), every address there.
    assert scripted.received.startswith(
        "<message type='chat' to='alice@localhost' from='news@push.localhost'"
        f" id='{position}'><body>hi</body></message>"
        "<iq type='get' from='push.localhost/b' to='localhost' id='b-")


def test_c2_2_the_handshake_is_over_the_unescaped_stream_id(scripted, waft):
    scripted.stream_id = "a&b"
    waft.start()


def test_c1_2_pings_without_an_answer_are_replaced_by_headlines(scripted, waft):
    scripted.answers_pings = False
    waft.start()
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("hi"))
    waft.wait_sent(1)
    assert waft.lines("component.fallback")
    assert scripted.links == 1


def test_c1_3_c4_3_an_answer_to_an_older_connection_confirms_nothing(scripted, waft):
    scripted.answers_pings = scripted.echoes = False
    waft.start()
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("hi"))
    wait_until(lambda: scripted.count("<ping") >= 1, 20, "a barrier")
    old = re.search(r"id='(b-[^']+)'", scripted.received)[1]
    scripted.connection.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: scripted.links == 2 and scripted.count("<ping") >= 1, 20, "a new one")
    # The stanza came again, before its barrier.
    assert scripted.count("<body>hi</body>") == 1
    scripted.send(f"<iq type='result' id='{old}' from='localhost' to='push.localhost/b'/>")
    scripted.send("<iq type='get' id='q' from='alice@localhost/x' to='push.localhost'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
    wait_until(lambda: scripted.count("id='q'") == 1, 20, "the answer to a later stanza")
    assert waft.link()["unconfirmed"] >= 1


def test_c1_1_a_barrier_answer_from_a_user_confirms_nothing(scripted, waft):
    scripted.answers_pings = scripted.echoes = False
    waft.start()
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("hi"))
    wait_until(lambda: scripted.count("<ping") >= 1, 20, "a barrier")
    barrier = re.search(r"id='(b-[^']+)'", scripted.received)[1]
    scripted.send(f"<iq type='result' id='{barrier}' from='eve@localhost/x'"
                  f" to='push.localhost/b'/>")
    scripted.send("<iq type='get' id='q' from='alice@localhost/x' to='push.localhost'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
    wait_until(lambda: scripted.count("id='q'") == 1, 20, "the answer to a later stanza")
    assert waft.link()["unconfirmed"] >= 1


@pytest.mark.parametrize("garbage", [
    "<message><", "\x00\x01\x02", "</wrong>", "<!DOCTYPE x>", "<iq" + " a='1'" * 9,
    "<message from='a b@@' to='push.localhost'/>", "<message/>", "<unknown/>",
    "<iq type='error' from='alice@localhost' to='push.localhost' id='e'/>",
    "<message from='alice@localhost' to='push.localhost'>" + "<a>" * 200 + "</a>" * 200
    + "</message>",
])
def test_c13_10_c13_13_garbage_from_the_server_costs_at_most_the_link(scripted, waft, garbage):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    scripted.send(garbage)
    waft.publish("news", body("hi"))
    wait_until(lambda: scripted.count("<body>hi</body>") >= 1, 20, "delivery goes on")
    waft.stop()


@pytest.mark.parametrize("policy, state", [("suspend", "suspended"), ("remove", None)])
def test_who_is_gone_for_good_is_not_sent_to(scripted, policy, state):
    waft = Component(scripted, component=f"bounce = {policy}")
    try:
        waft.start()
        waft.subscribe("news", "alice@localhost")
        waft.subscribe("news", "bob@localhost")
        # Errors of whoever is not subscribed change nothing.
        for jid in ("alice@localhost", "eve@localhost"):
            scripted.send(
                f"<message type='error' from='{jid}' to='news@push.localhost' id='x'>"
                f"<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                f"</error></message>")
        wait_until(lambda: waft.metric("waft_component_bounced_subscriptions_total") == 1, 20)
        waft.publish("news", body("hi"))
        waft.wait_sent(1)
        assert scripted.count("to='bob@localhost'") == 1
        assert scripted.count("to='alice@localhost'") == 0
        left = {each["jid"]: each.get("state") for each in waft.subscriptions("news")}
        assert left.get("alice@localhost") == state
        assert "eve@localhost" not in left
    finally:
        waft.close()


def test_a_temporary_bounce_ends_nothing(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    scripted.send(
        "<message type='error' from='alice@localhost' to='news@push.localhost' id='x'>"
        "<error type='wait'><resource-constraint"
        " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    wait_until(lambda: waft.metric('waft_component_bounces_total{kind="away"}') == 1, 20)
    waft.publish("news", body("hi"))
    wait_until(lambda: scripted.count("to='alice@localhost'") == 1, 20)


def test_a_confirmed_position_moves_with_what_nobody_listens_to(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    position = waft.publish("other", body("hi"))["items"][0]["position"]
    seq = position.split("-")[1]
    waft.stop()
    waft.start()
    assert f" seq={seq}" in waft.lines("component.loaded")[-1]


def test_subscribing_again_wakes_a_suspended_subscription(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost")
    scripted.send(
        "<message type='error' from='alice@localhost' to='news@push.localhost' id='x'>"
        "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "</error></message>")
    wait_until(lambda: waft.metric("waft_component_bounced_subscriptions_total") == 1, 20)
    scripted.send(
        "<iq type='set' id='s' from='alice@localhost/x' to='push.localhost'>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<subscribe node='news' jid='alice@localhost'/></pubsub></iq>")
    wait_until(lambda: scripted.count("id='s'") == 1, 20, "the answer")
    waft.publish("news", body("hi"))
    wait_until(lambda: scripted.count("<body>hi</body>") == 1, 20, "delivery")


def test_a_reload_applies_classes_and_names_what_takes_a_restart(scripted, waft):
    waft.start()
    waft.subscribe("news", "alice@localhost/x")
    iq = "<iq type='set' id='i'><q xmlns='urn:q'/></iq>"
    assert waft.request("POST", "/publish/", {"items": [
        {"channel": "news", "xmpp-stanza": {"content": iq}}]})[0] == 400
    conf = waft.conf.read_text()
    waft.conf.write_text(conf.replace('"secret"', '"other"')
                         + 'channels "*" { iq = yes subscribe = none }\n')
    waft.process.send_signal(signal.SIGHUP)
    wait_until(lambda: waft.lines("reload"), 20, "the reload")
    assert "restart" in waft.lines("component.reload")[0]
    waft.publish("news", iq)
    wait_until(lambda: scripted.count("urn:q") == 1, 20, "the iq")
    scripted.send(
        "<iq type='set' id='s' from='bob@localhost/x' to='push.localhost'>"
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        "<subscribe node='news' jid='bob@localhost'/></pubsub></iq>")
    wait_until(lambda: scripted.count("id='s'") == 1, 20, "the answer")
    assert len(waft.subscriptions("news")) == 1
    assert scripted.count("urn:q") == 1


def test_two_domains_share_a_program(scripted):
    other = Scripted()
    waft = Component(scripted)
    waft.conf.write_text(waft.conf.read_text() + f"""
component "two.localhost" {{
  server = "127.0.0.1:{other.component_port}" secret = "secret" ping = "localhost"
}}
""")
    try:
        waft.start()
        assert other.links == 1
        for server, domain in ((scripted, "push"), (other, "two")):
            server.send(
                f"<iq type='set' id='s' from='alice@localhost/x' to='{domain}.localhost'>"
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                "<subscribe node='news' jid='alice@localhost'/></pubsub></iq>")
            wait_until(lambda: server.count("id='s'") == 1, 20, "the answer")
        waft.publish("news", body("hi"))
        wait_until(lambda: scripted.count("from='news@push.localhost'") == 1, 20)
        wait_until(lambda: other.count("from='news@two.localhost'") == 1, 20)
        assert other.count("push.localhost") == 0
    finally:
        waft.close()
        other.close()


def test_c2_4_a_handshake_has_fifteen_seconds(silent):
    line = wait_until(lambda: silent.lines("link.down"), 25, "link.down")[0]
    assert " reason=silent " in line
    assert 14 < time.monotonic() - silent.began
