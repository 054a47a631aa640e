"""Kills and stops at random moments under a steady publisher, round after round:
each subscriber gets each item at least once, in order, and no more repeats than
the promise allows (docs/component.md).

The rounds here are few; `make crash` runs fifty.  A failure names its seed:
CRASH_SEED=… runs the same rounds again.
"""

import http.client
import os
import random
import signal
import threading
import time

import pytest

from servers import SERVERS, wait_until

CHANNEL = "news"
COPIES = "waft_component_multicast_copies_total"
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
SEED = int(os.environ.get("CRASH_SEED", str(random.randrange(1 << 32))))
WINDOW = 256  # stanzas that are unconfirmed at most
SAVED_S = 0.1  # a confirmed position is on disk within so many seconds …
SLACK_S = 1.0  # … and on a loaded machine
REWIND_S = 5

# Offline users' messages are kept beyond ejabberd's 100: see docs/component.md.
OFFLINE = """\
shaper_rules:
  max_user_offline_messages: 100000
"""
EXTRA = {"prosody": "", "ejabberd": OFFLINE,
         "ejabberd multicast": "  mod_multicast: {}\n" + OFFLINE}


class Publisher:
    """Publishes 0, 1, 2 … steadily and remembers when each was stored.  A number
    is repeated until its answer is there, also after stop(): without an answer it
    may be stored all the same."""

    def __init__(self, waft):
        self.waft = waft
        self.stored = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        answered = True
        while not self.stopping.wait(0.005) or not answered:
            i = len(self.stored)
            answered = False
            try:
                self.waft.publish(
                    CHANNEL, f"<message type='chat'><body>{i}</body></message>",
                    id=f"i{i}")
            except (OSError, http.client.HTTPException, AssertionError):
                continue
            answered = True
            self.stored.append(time.monotonic())

    def stop(self):
        self.stopping.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the last publish is never answered"
        return len(self.stored)

    def stored_between(self, begin, end):
        return sum(begin <= at <= end for at in self.stored)


class Rounds:
    """What is done to whom, and how many repeats each may cost."""

    def __init__(self, server, waft, users, publisher):
        self.server, self.waft = server, waft
        self.users, self.publisher = users, publisher
        self.allowed = 0
        self.copies = 0  # made for processes that are gone

    def allow(self, seconds):
        """Repeats of the items stored in the last seconds, and the window."""
        now = time.monotonic()
        self.allowed += WINDOW + self.publisher.stored_between(now - seconds, now)

    def kill_waft(self):
        self.allow(SAVED_S + SLACK_S)
        self.copies += self.waft.metric(COPIES)
        self.waft.kill()
        self.waft.start()

    def stop_waft(self):
        """SIGSTOP; the server may end the link meanwhile."""
        self.allow(REWIND_S)
        self.waft.process.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.1, 1.5))
        self.waft.process.send_signal(signal.SIGCONT)

    def kill_server(self):
        self.server.kill()
        self.allow(REWIND_S + SLACK_S)
        # ejabberd has a moment, while a user comes, when messages still go to
        # his offline store but are read from it at his next login only.
        keep = self.server.name == "ejabberd"
        if keep:
            self.waft.process.send_signal(signal.SIGSTOP)
        self.server.start()
        for each in self.users:
            self.server.add_user(each.bare.split("@")[0])
            each.drop()
            each.connect()
        if keep:
            self.waft.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.waft.link()["up"], 60, "the link is up")

    def stop_server(self):
        self.allow(REWIND_S)
        self.server.pause()
        time.sleep(random.uniform(0.1, 1.5))
        self.server.resume()


@pytest.fixture
def server(request):
    with SERVERS[request.param.split()[0]](extra=EXTRA[request.param]) as running:
        running.copies = request.param.endswith(" multicast")
        yield running


def first_times(bodies):
    return list(dict.fromkeys(bodies))


@pytest.mark.parametrize("server", sorted(EXTRA), indirect=True)
def test_c1_5_each_item_arrives_whoever_is_killed_or_stopped(server, user, component):
    random.seed(SEED)
    waft = component(component=f"window-stanzas = {WINDOW}",
                     conf='channels "*" { history-items = 1000000 '
                     f'multicast = {"yes" if server.copies else "no"} }}')
    users = [user(name) for name in ("alice", "bob")]
    for each in users:
        waft.subscribe(CHANNEL, each.bare)
    publisher = Publisher(waft)
    rounds = Rounds(server, waft, users, publisher)
    acts = ["kill_waft", "stop_waft", "kill_server", "stop_server"]
    done = (acts * (ROUNDS // len(acts) + 1))[:ROUNDS]
    random.shuffle(done)
    for act in done:
        time.sleep(random.uniform(0.05, 0.8))
        getattr(rounds, act)()
    count = publisher.stop()
    want = [str(i) for i in range(count)]
    for each in users:
        each.wait_for(lambda: len(set(each.bodies("chat"))) >= count, 60,
                      f"all of {count}; seed {SEED}, {done}")
        bodies = each.bodies("chat")
        assert first_times(bodies) == want, f"seed {SEED}, {done}"
        repeats = len(bodies) - count
        print(f"{server.name}: {each.bare}: {count} items, {ROUNDS} rounds, "
              f"{repeats} repeats of at most {rounds.allowed}")
        assert repeats <= rounds.allowed, f"seed {SEED}, {done}"
    if server.copies:
        assert rounds.copies + waft.metric(COPIES) > 0
