"""Whatever is restarted, killed or stopped meanwhile: each subscriber gets each
item at least once, and in order."""

import http.client
import threading

import pytest

from servers import wait_until

CHANNEL = "news"


def body(i):
    return f"<message type='chat'><body>{i}</body></message>"


class Publisher:
    """Publishes 0, 1, 2 … steadily; a number is repeated until it is stored,
    with the same item id, so that it is stored once."""

    def __init__(self, waft):
        self.waft = waft
        self.count = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.005):
            try:
                self.waft.publish(CHANNEL, body(self.count), id=f"i{self.count}")
            except (OSError, http.client.HTTPException, AssertionError):
                continue
            self.count += 1

    def wait_for(self, count):
        wait_until(lambda: self.count >= count, 30, f"{count} published")

    def stop(self):
        self.stopping.set()
        self.thread.join()
        return self.count


def first_times(bodies):
    """Each once, where it came first."""
    return list(dict.fromkeys(bodies))


def assert_all_in_order(user, count, extra=None):
    want = [str(i) for i in range(count)]
    user.wait_for(lambda: len(set(user.bodies("chat"))) >= count, 30,
                  f"{count} different messages")
    assert first_times(user.bodies("chat")) == want


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_c1_5_c4_5_waft_restarts_under_a_steady_publisher(server, user, component, how):
    waft, alice = component(), user("alice")
    waft.subscribe(CHANNEL, "alice@localhost")
    publisher = Publisher(waft)
    for count in (40, 80, 120):
        publisher.wait_for(count)
        getattr(waft, how)()
        waft.start()
    publisher.wait_for(160)
    count = publisher.stop()
    assert_all_in_order(alice, count)
    if how == "stop":
        # An orderly end waits for the last confirmation: nothing is repeated.
        assert len(alice.bodies("chat")) == count


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_c1_5_the_server_restarts_under_a_steady_publisher(server, user, component, how):
    waft, alice = component(), user("alice")
    waft.subscribe(CHANNEL, "alice@localhost")
    publisher = Publisher(waft)
    publisher.wait_for(60)
    getattr(server, how)()
    publisher.wait_for(90)
    server.start()
    server.add_user("alice")
    publisher.wait_for(120)
    count = publisher.stop()
    waft.wait_sent(count)
    alice.drop()
    alice.connect()
    assert_all_in_order(alice, count)


def test_c1_5_both_are_killed(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe(CHANNEL, "alice@localhost")
    for i in range(50):
        waft.publish(CHANNEL, body(i))
    alice.wait_for(lambda: len(alice.bodies("chat")) == 50)
    server.kill()
    for i in range(50, 80):
        waft.publish(CHANNEL, body(i))
    waft.kill()
    server.start()
    server.add_user("alice")
    waft.start()
    waft.wait_sent(30)
    alice.drop()
    alice.connect()
    assert_all_in_order(alice, 80)


def test_c1_4_a_stopped_server_is_left_and_nothing_is_lost(server, user, component):
    """The window closes, nothing grows, and after the pause all goes on."""
    waft, alice = component(component="window-stanzas = 100"), user("alice")
    waft.subscribe(CHANNEL, "alice@localhost")
    server.pause()
    try:
        for i in range(400):
            waft.publish(CHANNEL, body(i))
        assert waft.link()["unconfirmed"] <= 101
    finally:
        server.resume()
    assert_all_in_order(alice, 400)


def test_subscriptions_and_position_survive_a_long_stop(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe(CHANNEL, "alice@localhost")
    waft.publish(CHANNEL, body(0))
    alice.wait_for(lambda: alice.bodies("chat") == ["0"])
    waft.stop()
    waft.start()
    # What was confirmed is not sent again.
    waft.publish(CHANNEL, body(1))
    assert_all_in_order(alice, 2)
    assert len(alice.bodies("chat")) == 2


def test_c13_8_a_huge_fan_out_survives_a_kill_in_the_middle(server, user, component):
    waft, alice = component(), user("alice")
    last = user("last")
    waft.subscribe(CHANNEL, "alice@localhost")
    for i in range(500):
        waft.subscribe(CHANNEL, f"nobody{i}@localhost")
    waft.subscribe(CHANNEL, "last@localhost")
    for i in range(20):
        waft.publish(CHANNEL, body(i))
    waft.kill()
    waft.start()
    assert_all_in_order(last, 20)
    assert_all_in_order(alice, 20)
