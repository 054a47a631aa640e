"""Two daemons on one store and one domain: one has the lease and the link, the other
stands by."""

import os
import random
import signal
import sqlite3
import time

import pytest

from servers import SERVERS, wait_until
from scripted import Scripted
from test_component_restart import CHANNEL, Publisher, assert_all_in_order, body
from waft import Component

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "2"))
SEED = int(os.environ.get("CRASH_SEED", str(random.randrange(1 << 32))))


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(request):
    """One for all tests of the file; Prosody gives the domain to the newest."""
    running = SERVERS[request.param]()
    running.component_lines = '  component_conflict_resolve = "kick_old"'
    with running:
        yield running


@pytest.fixture
def pair(server, component):
    """The holder and the standby."""
    first = component()
    second = first.second().start()
    yield first, second
    for each in (first, second):
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGCONT)
    print(second.read_log())
    second.close()


def state(waft):
    return waft.link()["state"]


def wait_active(waft, began, what):
    """Until it has the link; how long that took is printed."""
    wait_until(lambda: waft.link().get("up"), 30, "the standby has the link")
    seconds = time.monotonic() - began
    print(f"taken over {what}: {seconds:.2f} s")
    return seconds


def frozen(waft):
    """SIGSTOP, and wait until its lease is over: the clock of both is the machine's."""
    with sqlite3.connect(waft.directory / "waft.db.component") as db:
        waft.process.send_signal(signal.SIGSTOP)
        until, = db.execute("SELECT until FROM lease").fetchone()
    db.close()
    wait_until(lambda: time.monotonic() * 1000 > until + 10, 20, "the lease is over")


def test_c11_1_c11_2_c11_3_a_standby_never_connects(server, user, pair):
    first, second = pair
    assert (state(first), state(second)) == ("active", "standing-by")
    link = second.link()
    assert not link["up"] and f" {first.process.pid} " in link["holder"]
    # Ready, and no less of a daemon: it takes what is published.
    assert second.is_ready()
    alice = user("anna")
    second.subscribe(CHANNEL, "anna@localhost")
    for i in range(20):
        (first, second)[i % 2].publish(CHANNEL, body(i))
    assert_all_in_order(alice, 20)
    assert len(alice.bodies("chat")) == 20
    assert second.metric("waft_link_connects_total") == 0
    assert second.metric("waft_component_standing_by") == 1
    assert first.metric("waft_component_standing_by") == 0
    assert first.metric("waft_link_ends_total") == 0


def test_c1_5_c11_3_one_follows_the_other_whatever_becomes_of_it(server, user, pair):
    """Under load; `make crash` runs more rounds, in which holders are frozen, too."""
    random.seed(SEED)
    alice = user("bert")
    pair[0].subscribe(CHANNEL, "bert@localhost")
    publisher = Publisher(pair[0])
    acts = ["kill", "stop"] if ROUNDS == 2 else ["kill", "stop", "freeze"]
    for i in range(ROUNDS):
        act = acts[i % len(acts)]
        publisher.wait_for(publisher.count + random.randrange(10, 40))
        holder, other = pair if state(pair[0]) == "active" else pair[::-1]
        publisher.waft = other
        began = time.monotonic()
        if act == "freeze":
            holder.process.send_signal(signal.SIGSTOP)
        else:
            getattr(holder, act)()
        seconds = wait_active(other, began, f"on {server.name}, holder: {act}")
        assert seconds < 5, f"seed {SEED}"
        if act == "freeze":
            holder.process.send_signal(signal.SIGCONT)
            wait_until(lambda: state(holder) == "standing-by", 20, "it stands by")
        else:
            holder.start()
        # Now it is its turn to wait.
        assert state(holder) == "standing-by"
        assert (" from=" in other.lines("component.lease")[-1]) == (act != "stop")
    count = publisher.stop()
    assert_all_in_order(alice, count)
    print(f"{server.name}: {count} items, {ROUNDS} rounds, "
          f"{len(alice.bodies('chat')) - count} repeats; seed {SEED}")


def test_c11_3_an_orderly_end_hands_over_at_once_and_repeats_nothing(server, user, pair):
    first, second = pair
    alice = user("carl")
    first.subscribe(CHANNEL, "carl@localhost")
    publisher = Publisher(second)
    publisher.wait_for(40)
    first.stop()
    wait_active(second, time.monotonic(), f"from one that ended on {server.name}")
    assert " from=" not in second.lines("component.lease")[-1]
    publisher.wait_for(publisher.count + 40)
    count = publisher.stop()
    assert_all_in_order(alice, count)
    assert len(alice.bodies("chat")) == count


def test_c11_2_c11_3_a_frozen_holder_that_wakes_sends_nothing(server, user, pair):
    first, second = pair
    alice = user("dora")
    first.subscribe(CHANNEL, "dora@localhost")
    for i in range(20):
        first.publish(CHANNEL, body(i))
    first.wait_sent(20)
    sent = first.metric("waft_link_sent_bytes_total")
    began = time.monotonic()
    first.process.send_signal(signal.SIGSTOP)
    wait_active(second, began, f"from a frozen holder on {server.name}")
    for i in range(20, 60):
        second.publish(CHANNEL, body(i))
    # On ejabberd, the frozen one's connection gets half of the confirmations.
    second.wait_sent(40, 60)
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: state(first) == "standing-by", 20, "the old holder stands by")
    assert any("state=lost" in line for line in first.lines("component.lease"))
    for i in range(60, 80):
        first.publish(CHANNEL, body(i))
    assert_all_in_order(alice, 80)
    # Not a byte of what it would have had to send: it knows of all eighty.
    assert first.metric("waft_link_sent_bytes_total") == sent
    assert first.metric("waft_component_leases_lost_total") == 1
    # From one daemon alone, and so once each.
    bodies = alice.bodies("chat")
    assert all(bodies.count(str(i)) == 1 for i in range(20, 80))
    assert second.link()["up"]
    with sqlite3.connect(first.directory / "waft.db.component") as db:
        generation, holder = db.execute("SELECT generation, holder FROM lease").fetchone()
    db.close()
    assert generation == 2 and f" {second.process.pid} " in holder
    # One that stands by takes signals as any other.
    first.process.send_signal(signal.SIGHUP)
    wait_until(lambda: first.lines("reload"), 20, "reload")
    first.stop()
    second.stop()


def test_a_frozen_holder_whom_nobody_followed_goes_on(tmp_path):
    scripted = Scripted()
    waft = Component(scripted)
    try:
        waft.start()
        waft.subscribe(CHANNEL, "alice@localhost")
        waft.publish(CHANNEL, body(0))
        waft.wait_sent(1)
        frozen(waft)
        waft.process.send_signal(signal.SIGCONT)
        waft.publish(CHANNEL, body(1))
        waft.wait_sent(2)
        assert scripted.links == 1
        assert waft.metric("waft_component_leases_lost_total") == 0
    finally:
        waft.close()
        scripted.close()


def test_without_a_renewed_lease_nothing_is_sent_and_readyz_says_so(tmp_path):
    """The disk does not take the renewal; here because somebody holds the file."""
    scripted = Scripted()
    waft = Component(scripted)
    try:
        waft.start()
        waft.subscribe(CHANNEL, "alice@localhost")
        db = sqlite3.connect(waft.directory / "waft.db.component", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        wait_until(lambda: not waft.is_ready(), 20, "not ready")
        assert "its lease could not be renewed" in waft.get("/readyz")[1]
        seen = len(scripted.received)
        waft.publish(CHANNEL, body("late"))
        waft.get("/healthz")
        assert len(scripted.received) == seen
        db.execute("ROLLBACK")
        db.close()
        waft.wait_sent(1)
        assert scripted.count("<body>late</body>") == 1
        assert waft.is_ready() and scripted.links == 1
    finally:
        waft.close()
        scripted.close()
