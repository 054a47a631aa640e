#!/usr/bin/python3
"""make bench: the same work on waft and on what one would use instead, in one run.

usage: bench.py [BUILD_DIRECTORY] [--runs N] [--quick] [--only SECTION]... [--json FILE]

Sections: xmpp, crowd, last, urgent, bosh, bosh5000, latency, websocket, create, idle, held, publish, ready.
docs/bench.md says what each row means.
"""

import argparse
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from rig import (BARE, BOSH_DOMAIN, COPIES, PEERS, PUBSUB, PUSH, SECRET, Load, Waft,
                 cpu_us, disk_syncs, ejabberd_multicast, measured, prosody, pss_kb, tree)

USERS = 200
CROWDS = (1000, 5000)
CROWD_JIDS = 100_000
SESSIONS = 500
MANY_SESSIONS = 5000
HELD_SESSIONS = 15_000
IDLE_SESSIONS = 1000
TEXT = 200
ITEM = 300
CHANNELS = 1000
STORED_ITEMS = 100_000
STORED_SUBSCRIPTIONS = 10_000


class Bench:
    def __init__(self, build, directory, scale):
        self.build = build
        self.directory = directory
        self.scale = scale
        self.rows = {}      # (section, row) -> [result of each run]
        self.count = 0
        self.run = 0        # of the repetitions

    @property
    def load(self):
        return self.build / "bench" / "load"

    def folder(self):
        self.count += 1
        return self.directory / str(self.count)

    def messages(self, count):
        return max(int(count * self.scale), 4)

    def add(self, section, row, **result):
        self.rows.setdefault((section, row), []).append(result)
        print(f"  {section:8} {row:28} " + "  ".join(
            f"{name}={show(value)}" for name, value in result.items()), flush=True)

    def values(self, section, row, name):
        return [result[name] for result in self.rows.get((section, row), [])
                if result.get(name) is not None]

    def get(self, section, row, name):
        """The median of the runs; None where there is none."""
        values = self.values(section, row, name)
        return statistics.median(values) if values else None


def show(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f}"


# ---- fan-out -------------------------------------------------------------------

def fanout(bench, section, row, pids, **options):
    """One run of the load generator; pids: server and/or waft."""
    with Load(bench.load, size=TEXT, **options) as load:
        report = measured(load, pids)
    got = report["deliveries"]
    if got != report["expected"] or report["errors"]:
        print(f"  {section} {row}: {got} of {report['expected']} delivered, "
              f"{report['errors']} errors", flush=True)
    result = {"rate": got / report["seconds"]}
    for label in pids:
        result[f"{label}_us"] = report["cpu_us"][label] / got
    result["p50"], result["p99"] = report["p50_ms"], report["p99_ms"]
    if report["responses"]:
        result["joined"] = got / report["responses"]
    result["repeats"] = report["repeats"]
    bench.add(section, row, **result)


def c2s(server, domain, users):
    return {"receive": "c2s", "clients": users, "domain": domain,
            "server": f"127.0.0.1:{server.c2s_port}"}


def bare_component(server):
    return {"component": f"127.0.0.1:{server.component_port}", "name": BARE,
            "secret": SECRET}


def xmpp_bare(bench, section, row, make, domain, users, count, window):
    with make(bench.folder()) as server:
        fanout(bench, section, row, {"server": server.pid},
               **c2s(server, domain, users), **bare_component(server), send="direct",
               count=count, window=window)


def xmpp_pubsub(bench, section, row, make, domain, users, count, window):
    with make(bench.folder()) as server:
        fanout(bench, section, row, {"server": server.pid},
               **c2s(server, domain, users), **bare_component(server), send="pubsub",
               service=PUBSUB, node="bench", count=count, window=window)


def xmpp_waft(bench, section, row, make, domain, users, count, window, channel=""):
    with make(bench.folder()) as server, \
            Waft(bench.build, "waft-component", bench.folder(), server.component_port,
                 channel=channel) as waft:
        fanout(bench, section, row, {"server": server.pid, "waft": waft.pid},
               **c2s(server, domain, users), send="http", control=waft.control,
               service=PUSH, node="bench", count=count, window=window)


def xmpp_multicast(bench, section, row, *rest):
    """Through ejabberd's mod_multicast: a stanza for each 100 users."""
    xmpp_waft(bench, section, row, ejabberd_multicast, PEERS["ejabberd"][1], *rest,
              channel="multicast = yes")


def bare_and_waft(bench, section, name, suffix, users, count, window, again=True):
    """Side by side and in both orders: a machine whose speed drifts favours neither."""
    make, domain = PEERS[name]

    def bare():
        xmpp_bare(bench, section, f"{name} bare component{suffix}", make, domain, users,
                  count * users, window * users)

    def waft():
        xmpp_waft(bench, section, f"{name} waft{suffix}", make, domain, users, count,
                  window)

    for row in (bare, waft, waft, bare) if again else (bare, waft):
        row()


def xmpp(bench):
    """One component's messages to 200 users who are logged in over c2s."""
    count = bench.messages(300)
    for name, (make, domain) in PEERS.items():
        bare_and_waft(bench, "xmpp", name, "", USERS, count, 10)
        xmpp_pubsub(bench, "xmpp", f"{name} mod_pubsub", make, domain, USERS, count, 10)
    xmpp_multicast(bench, "xmpp", "ejabberd waft multicast", USERS, count, 10)


def crowd(bench):
    """One publish to 1,000 and 5,000 users, two outstanding; the bare component with
    as many stanzas on the way.  Prosody's mod_pubsub takes minutes to subscribe them."""
    for users in CROWDS:
        publishes = max(bench.messages(60_000) // users, 2)
        for name, (make, domain) in PEERS.items():
            long = name == "Prosody" and users > CROWDS[0]
            if bench.run > 0 and long:
                continue
            bare_and_waft(bench, "crowd", name, f" {users:,}", users, publishes, 2,
                          again=not long)
            if name == "ejabberd":
                xmpp_pubsub(bench, "crowd", f"{name} mod_pubsub {users:,}", make, domain,
                            users, publishes, 2)
        xmpp_multicast(bench, "crowd", f"ejabberd waft multicast {users:,}", users,
                       publishes, 2)


def last_senders(bench, server, stack):
    """Row -> what the load generator is told of it."""
    def waft(domain, channel=""):
        daemon = stack.enter_context(
            Waft(bench.build, "waft-component", bench.folder(), server.component_port,
                 channel=channel, domain=domain))
        return {"send": "http", "control": daemon.control, "service": domain}

    return {"mod_pubsub": {"send": "pubsub", "service": PUBSUB, **bare_component(server)},
            "waft": waft(PUSH),
            "waft multicast": waft(COPIES, "multicast = yes")}


def last(bench):
    """One publish at a time to 5,000 users of ejabberd, until the last of them has it.
    On one server, by each in its turn, as its speed drifts more than they differ; who
    logs in first is served a little faster, so each run begins with another."""
    users, turn = CROWDS[-1], 0.5
    domain = PEERS["ejabberd"][1]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            ejabberd_multicast(bench.folder(), "  mod_pubsub: {}\n"))
        senders = list(last_senders(bench, server, stack).items())
        first = bench.run % len(senders)
        loads = {}
        for row, sender in senders[first:] + senders[:first]:
            loads[row] = stack.enter_context(
                Load(bench.load, size=TEXT, node="bench", count=bench.messages(30),
                     rate=1 / (turn * len(senders)), **sender,
                     **c2s(server, domain, users)))
            loads[row].ready()
        for load in loads.values():
            load.go()
            time.sleep(turn)
        for row, _ in senders:
            report = loads[row].done()
            if report["deliveries"] != report["expected"] or report["errors"]:
                raise RuntimeError(f"{row}: {report}")
            if report["max_ms"] > 1000 * turn:
                print(f"  last {row}: {report['max_ms']:.0f} ms, longer than its turn",
                      flush=True)
            bench.add("last", row, last=report["last_ms"], p50=report["p50_ms"],
                      p99=report["p99_ms"])


def subscribe_crowd(bench, waft, domain):
    """To the channel `crowd`: clients that are not there, so that the server drops
    what they get."""
    path = waft.directory / "crowd.csv"
    path.write_text("channel,jid\n" + "".join(
        f"crowd,nobody@{domain}/{number}\n" for number in range(CROWD_JIDS)))
    subprocess.run([bench.build / "bin" / "waft", "subscriptions", "import", path,
                    "--control", waft.control], check=True, stdout=subprocess.DEVNULL)


def publish_to_crowd(waft, items):
    connection = http.client.HTTPConnection(waft.control)
    text = "x" * TEXT
    connection.request("POST", "/publish/", json.dumps({"items": [
        {"channel": "crowd", "xmpp-stanza": {
            "content": f"<message type='headline'><body>{text}</body></message>"}}
    ] * items}))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"publish refused: {answer.status}")


def urgent(bench):
    """Ten publishes a second to one user, while items for 100,000 others are on
    their way without a pause."""
    for name, (make, domain) in PEERS.items():
        with make(bench.folder()) as server, \
                Waft(bench.build, "waft-component", bench.folder(),
                     server.component_port) as waft:
            subscribe_crowd(bench, waft, domain)
            with Load(bench.load, size=TEXT, receive="c2s", clients=1, domain=domain,
                      server=f"127.0.0.1:{server.c2s_port}", send="http",
                      control=waft.control, service=PUSH, node="urgent", rate=10,
                      count=bench.messages(30)) as load:
                load.ready()
                publish_to_crowd(waft, 30)
                time.sleep(0.5)
                before, begin = waft.metrics(), time.monotonic()
                report = load.run()
                after, seconds = waft.metrics(), time.monotonic() - begin
        sent, trips, waited = (
            after[metric] - before[metric] for metric in (
                "waft_component_sent_stanzas_total",
                "waft_component_confirm_seconds_count",
                "waft_component_confirm_seconds_sum"))
        if after["waft_component_sent_stanzas_total"] >= 30 * CROWD_JIDS:
            print(f"  urgent {name}: the others had all before the end", flush=True)
        confirm = 1000 * waited / trips
        bench.add("urgent", name, p50=report["p50_ms"], p99=report["p99_ms"],
                  confirm=confirm, beyond=report["p99_ms"] - confirm,
                  rate=sent / seconds)


# waft's own rows: what the row says, options of its section `bosh`.
WORKERS = (("waft 1 worker", "workers = 1"), ("waft 2 workers", "workers = 2"))


def bosh_of(server, domain):
    """Receivers at a peer, and its own XEP-0060 service as the sender."""
    return {"receive": "bosh", "domain": domain, "send": "pubsub",
            "server": f"127.0.0.1:{server.http_port}", "path": server.bosh_path,
            "component": f"127.0.0.1:{server.component_port}", "name": BARE,
            "secret": SECRET, "service": PUBSUB, "node": "bench"}


def bosh_waft(waft):
    return {"receive": "bosh", "domain": BOSH_DOMAIN, "send": "http",
            "server": f"127.0.0.1:{waft.listen}", "path": "/http-bind",
            "control": waft.control, "service": BOSH_DOMAIN, "node": "bench"}


def bosh_direct(server, domain):
    """The same without XEP-0060: a component's message to each of them."""
    options = bosh_of(server, domain)
    del options["service"], options["node"]
    return {**options, "send": "direct"}


def bosh_fanout(bench, section, sessions, windows, peers_runs=99, slow=()):
    """windows: (publishes outstanding, publishes at a peer, at waft).  Peers are
    measured in the first peers_runs repetitions alone; the slow ones, which take
    minutes to subscribe so many, by messages to all of them at once."""
    for window, peers, own in windows:
        for name, (make, domain) in PEERS.items():
            if bench.run >= peers_runs or (name in slow and window > 1):
                continue
            fold = sessions if name in slow else 1
            receivers = bosh_direct if name in slow else bosh_of
            with make(bench.folder()) as server:
                fanout(bench, section, f"{name} w{window}", {"server": server.pid},
                       clients=sessions, count=bench.messages(peers) * fold,
                       window=window * fold, **receivers(server, domain))
        for title, workers in WORKERS:
            with Waft(bench.build, "waft-bosh", bench.folder(), more=workers) as waft:
                fanout(bench, section, f"{title} w{window}", {"waft": waft.pid},
                       clients=sessions, count=bench.messages(own), window=window,
                       **bosh_waft(waft))


def bosh(bench):
    """One publish to 500 BOSH sessions; 1 and 20 publishes outstanding."""
    bosh_fanout(bench, "bosh", SESSIONS, ((1, 20, 60), (20, 60, 200)))


def bosh5000(bench):
    """The same to 5,000; the peers once."""
    bosh_fanout(bench, "bosh5000", MANY_SESSIONS, ((1, 4, 20), (20, 10, 60)), 1,
                ("Prosody",))


def websocket(bench):
    """One publish to 500 WebSocket sessions; the peers once."""
    for window, peers, own in ((1, 20, 60), (20, 60, 200)):
        for name, (make, domain) in PEERS.items():
            if bench.run > 0:
                break
            with make(bench.folder()) as server:
                fanout(bench, "websocket", f"{name} w{window}", {"server": server.pid},
                       clients=SESSIONS, count=bench.messages(peers), window=window,
                       **{**bosh_of(server, domain), "receive": "ws",
                          "path": server.ws_path})
        with Waft(bench.build, "waft-bosh", bench.folder()) as waft:
            fanout(bench, "websocket", f"waft w{window}", {"waft": waft.pid},
                   clients=SESSIONS, count=bench.messages(own), window=window,
                   **{**bosh_waft(waft), "receive": "ws", "path": "/ws"})


def latency(bench):
    """Four publishes a second to 500 BOSH sessions: nothing is ever loaded."""
    options = {"clients": SESSIONS, "count": bench.messages(20), "rate": 4}
    for name, (make, domain) in PEERS.items():
        with make(bench.folder()) as server:
            fanout(bench, "latency", name, {"server": server.pid},
                   **options, **bosh_of(server, domain))
    with Waft(bench.build, "waft-bosh", bench.folder()) as waft:
        fanout(bench, "latency", "waft", {"waft": waft.pid},
               **options, **bosh_waft(waft))


# ---- sessions --------------------------------------------------------------------

def created(bench, section, row, label, pid, sessions, **options):
    """From the first connection until all are bound, 32 logins at once."""
    before, memory = cpu_us(pid), pss_kb(pid)
    with Load(bench.load, "--bound", receive="bosh", send="none", clients=sessions,
              **options) as load:
        seconds = load.ready()["seconds"]
        used = cpu_us(pid) - before
        time.sleep(1)
        memory = pss_kb(pid) - memory
    bench.add(section, row, seconds=seconds, rate=sessions / seconds,
              **{f"{label}_us": used / sessions}, kb=memory / sessions)


def create(bench):
    """5,000 sessions; the peers once."""
    sessions = bench.messages(MANY_SESSIONS)
    for name, (make, domain) in PEERS.items():
        if bench.run > 0:
            break
        with make(bench.folder()) as server:
            created(bench, "create", name, "server", server.pid, sessions,
                    domain=domain, server=f"127.0.0.1:{server.http_port}",
                    path=server.bosh_path)
    for title, workers in WORKERS:
        with Waft(bench.build, "waft-bosh", bench.folder(), more=workers) as waft:
            created(bench, "create", title, "waft", waft.pid, sessions,
                    domain=BOSH_DOMAIN, server=f"127.0.0.1:{waft.listen}",
                    path="/http-bind")


def held(bench):
    """15,000 sessions at once, and a publish to all of them."""
    sessions = bench.messages(HELD_SESSIONS)
    with Waft(bench.build, "waft-bosh", bench.folder()) as waft:
        before = pss_kb(waft.pid)
        with Load(bench.load, size=TEXT, clients=sessions, count=4, window=1,
                  **bosh_waft(waft)) as load:
            load.ready()
            time.sleep(2)
            memory = (pss_kb(waft.pid) - before) / sessions
            used = cpu_us(waft.pid)
            report = load.run()
            used = cpu_us(waft.pid) - used
    bench.add("held", f"waft {sessions}", kb=memory, delivered=report["deliveries"],
              waft_us=used / max(report["deliveries"], 1), p99=report["p99_ms"])


# ---- memory --------------------------------------------------------------------

def idle_of(bench, row, pid, receive="bosh", **options):
    """Sessions that are bound, with a request held, and nothing else."""
    settle = 2
    time.sleep(settle)
    before = pss_kb(pid)
    with Load(bench.load, receive=receive, send="none", clients=IDLE_SESSIONS,
              **options) as load:
        load.ready()
        time.sleep(settle)
        after = pss_kb(pid)
    bench.add("idle", row, kb=(after - before) / IDLE_SESSIONS,
              before_mb=before / 1024, after_mb=after / 1024)


def idle(bench):
    for name, (make, domain) in PEERS.items():
        with make(bench.folder()) as server:
            idle_of(bench, name, server.pid, domain=domain,
                    server=f"127.0.0.1:{server.http_port}", path=server.bosh_path)
        with make(bench.folder()) as server:
            idle_of(bench, f"{name} WebSocket", server.pid, "ws", domain=domain,
                    server=f"127.0.0.1:{server.http_port}", path=server.ws_path)
    for row, receive, path in (("waft", "bosh", "/http-bind"),
                               ("waft WebSocket", "ws", "/ws")):
        with Waft(bench.build, "waft-bosh", bench.folder()) as waft:
            idle_of(bench, row, waft.pid, receive, domain=BOSH_DOMAIN,
                    server=f"127.0.0.1:{waft.listen}", path=path)


# ---- publish -------------------------------------------------------------------

def flood(bench, waft, connections, batch, seconds, count=0):
    with Load(bench.load, "--flood", control=waft.control, connections=connections,
              batch=batch, channels=CHANNELS, size=ITEM, seconds=seconds,
              count=count) as load:
        report = measured(load, {"waft": waft.pid})
    if report["errors"]:
        print(f"  publish: {report['errors']} calls refused", flush=True)
    return report


def publish(bench):
    """Nobody listens; each item is on disk before its answer."""
    seconds = max(3 * bench.scale, 0.5)
    for connections, batch in ((1, 1), (32, 1), (32, 100)):
        folder = bench.folder()
        with Waft(bench.build, "waft-bosh", folder) as waft:
            syncs = disk_syncs(folder, 0.5)
            report = flood(bench, waft, connections, batch, seconds)
            syncs = (syncs + disk_syncs(folder, 0.5)) / 2
        bench.add("publish", f"{connections} x {batch}",
                  rate=report["items"] / report["seconds"],
                  waft_us=report["cpu_us"]["waft"] / report["items"],
                  p50=report["p50_ms"], p99=report["p99_ms"], syncs=syncs)


# ---- start ---------------------------------------------------------------------

def fill(bench, waft):
    flood(bench, waft, 32, 100, 120, STORED_ITEMS)
    connection = http.client.HTTPConnection(waft.control)
    for number in range(STORED_SUBSCRIPTIONS):
        connection.request(
            "POST", f"/channels/c{number % CHANNELS}/subscriptions/",
            json.dumps({"jid": f"u{number}@localhost"}),
            {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"subscription refused: {answer.status} {text}")
    connection.close()


def started(bench, row, waft):
    """Ready, and the first answer to a publish: it may have to wait for what the
    daemon reads after it is ready."""
    begin = time.monotonic()
    took = waft.start()
    connection = http.client.HTTPConnection(waft.control)
    connection.request("POST", "/publish/", json.dumps({"items": [
        {"channel": "first", "xmpp-stanza": {"content": "<message/>"}}]}))
    answer = connection.getresponse()
    answer.read()
    first = time.monotonic() - begin
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"publish refused: {answer.status}")
    bench.add("ready", row, ms=took * 1000, first_ms=first * 1000,
              cpu_ms=cpu_us(waft.pid) / 1000)


def ready(bench):
    """From exec to event=ready over a full store."""
    with prosody(bench.folder()) as server:
        for program in ("waft-component", "waft-bosh"):
            waft = Waft(bench.build, program, bench.folder(), server.component_port)
            try:
                started(bench, f"{program} empty", waft)
                fill(bench, waft)
                waft.stop()
                started(bench, f"{program} full", waft)
            finally:
                waft.stop()


SECTIONS = {"xmpp": xmpp, "crowd": crowd, "last": last, "urgent": urgent, "bosh": bosh,
            "bosh5000": bosh5000, "latency": latency, "websocket": websocket,
            "create": create, "idle": idle, "held": held, "publish": publish,
            "ready": ready}


# ---- the report ----------------------------------------------------------------

FANOUT = (("delivered/s", "rate"), ("server µs", "server_us"), ("waft µs", "waft_us"),
          ("joined", "joined"), ("p50 ms", "p50"), ("p99 ms", "p99"))
XMPP = tuple(column for column in FANOUT if column[1] != "joined")
COLUMNS = {
    "xmpp": XMPP,
    "crowd": XMPP,
    "last": (("ms to the last", "last"), ("p50 ms", "p50"), ("p99 ms", "p99")),
    "urgent": (("p50 ms", "p50"), ("p99 ms", "p99"), ("barrier ms", "confirm"),
               ("others' stanzas/s", "rate")),
    "bosh": FANOUT,
    "bosh5000": FANOUT,
    "latency": FANOUT,
    "websocket": FANOUT,
    "create": (("sessions/s", "rate"), ("seconds", "seconds"),
               ("server µs", "server_us"), ("waft µs", "waft_us"), ("KB each", "kb")),
    "held": (("KB a session", "kb"), ("delivered", "delivered"), ("waft µs", "waft_us"),
             ("p99 ms", "p99")),
    "idle": (("KB a session", "kb"), ("MB before", "before_mb"), ("MB after", "after_mb")),
    "publish": (("items/s", "rate"), ("waft µs", "waft_us"), ("p50 ms", "p50"),
                ("p99 ms", "p99"), ("disk syncs/s", "syncs")),
    "ready": (("ms", "ms"), ("first publish ms", "first_ms"), ("CPU ms", "cpu_ms")),
}
TITLES = {
    "xmpp": f"XMPP fan-out to {USERS} c2s users",
    "crowd": "XMPP fan-out to more c2s users",
    "last": f"One publish at a time to {CROWDS[-1]:,} users of ejabberd",
    "urgent": f"One item to one user, while {CROWD_JIDS:,} others are sent theirs",
    "bosh": f"BOSH fan-out to {SESSIONS} sessions, w publishes outstanding",
    "bosh5000": f"BOSH fan-out to {MANY_SESSIONS:,} sessions",
    "latency": f"Four publishes a second to {SESSIONS} BOSH sessions",
    "websocket": f"Fan-out to {SESSIONS} WebSocket sessions, w publishes outstanding",
    "create": f"BOSH sessions made, {MANY_SESSIONS:,}, from connecting to bound",
    "held": "Sessions held at once, and a publish to all of them",
    "idle": f"Memory (PSS) of an idle session, {IDLE_SESSIONS} sessions",
    "publish": "Publishing, connections x items a call, each on disk before its answer",
    "ready": f"Start to ready, {STORED_ITEMS:,} items and "
             f"{STORED_SUBSCRIPTIONS:,} subscriptions",
}


def table(bench, section):
    columns = COLUMNS[section]
    lines = [["", *(title for title, _ in columns)]]
    for where, row in bench.rows:
        if where == section:
            lines.append([row, *(show(bench.get(section, row, name))
                                 for _, name in columns)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    print(f"\n{TITLES[section]}\n")
    for line in lines:
        print("| " + " | ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))) + " |")


# waft's row against a peer's: section, title, figure, waft, peer.
RATIOS = [
    *(("xmpp", f"{name}: {title}", "rate", f"{name} waft", f"{name} {peer}")
      for name in PEERS
      for title, peer in (("rate, waft : bare component", "bare component"),
                          ("rate, waft : mod_pubsub", "mod_pubsub"))),
    *(("crowd", f"{name}: rate, waft : bare component, {users:,}", "rate",
       f"{name} waft {users:,}", f"{name} bare component {users:,}")
      for users in CROWDS for name in PEERS),
    ("xmpp", "ejabberd: rate, waft multicast : waft", "rate",
     "ejabberd waft multicast", "ejabberd waft"),
    ("xmpp", "ejabberd: rate, waft multicast : mod_pubsub", "rate",
     "ejabberd waft multicast", "ejabberd mod_pubsub"),
    *(("crowd", f"ejabberd: rate, waft multicast : {peer}, {users:,}", "rate",
       f"ejabberd waft multicast {users:,}", f"ejabberd {peer} {users:,}")
      for users in CROWDS for peer in ("waft", "mod_pubsub")),
    ("last", "ms to the last, waft multicast : mod_pubsub", "last", "waft multicast",
     "mod_pubsub"),
    *((section, f"w{w}: {title}, {waft} : {name}", figure, f"{waft} w{w}", f"{name} w{w}")
      for section in ("bosh", "bosh5000") for w in (1, 20)
      for figure, title in (("rate", "rate"), ("cpu", "CPU"))
      for waft, _ in WORKERS for name in PEERS),
    *(("latency", f"p99, waft : {name}", "p99", "waft", name) for name in PEERS),
    *(("create", f"sessions/s, {waft} : {name}", "rate", waft, name)
      for waft, _ in WORKERS for name in PEERS),
    *(("websocket", f"w{w}: {title}, waft : {name}", figure, f"waft w{w}", f"{name} w{w}")
      for w in (1, 20) for figure, title in (("rate", "rate"), ("cpu", "CPU"))
      for name in PEERS),
    *(("idle", f"memory, {kind}waft : {name}", "kb", f"waft{row}", f"{name}{row}")
      for kind, row in (("", ""), ("WebSocket, ", " WebSocket")) for name in PEERS),
]


def ratio(bench, section, figure, ours, theirs):
    """The median of neighbours' ratios; of the medians where a row ran more often."""
    names = ("waft_us", "server_us") if figure == "cpu" else (figure, figure)
    a, b = (bench.values(section, row, name)
            for row, name in zip((ours, theirs), names))
    if not a or not b or 0 in b:
        return None
    if len(a) != len(b):
        return statistics.median(a) / statistics.median(b)
    return statistics.median(x / y for x, y in zip(a, b))


def ratios(bench):
    lines = []
    for section, title, figure, ours, theirs in RATIOS:
        value = ratio(bench, section, figure, ours, theirs)
        if value is not None:
            lines.append(f"  {section:8} {title:44} {value:8.3f} : 1")
    if lines:
        print("\nRatios\n\n" + "\n".join(lines))


def targets(bench):
    """(what, measured, bound, at most or at least)"""
    syncs = bench.get("publish", "1 x 1", "syncs")
    one = bench.get("publish", "1 x 1", "rate")
    for section, sessions in (("bosh", SESSIONS), ("bosh5000", MANY_SESSIONS)):
        for waft, _ in WORKERS:
            for name in PEERS:
                yield (f"BOSH to {sessions:,} w1, {waft}: CPU, % of {name}'s",
                       percent(ratio(bench, section, "cpu", f"{waft} w1",
                                     f"{name} w1")), 10, "<=")
            yield (f"BOSH to {sessions:,} w20, {waft}: µs a stanza",
                   bench.get(section, f"{waft} w20", "waft_us"), 6, "<=")
    yield ("4 publishes/s to 500: p99, % of ejabberd's",
           percent(ratio(bench, "latency", "p99", "waft", "ejabberd")), 33.3, "<=")
    for waft, _ in WORKERS:
        yield f"sessions made a second, {waft}", bench.get("create", waft, "rate"), 3000, ">="
    yield "idle BOSH session, KB of PSS", bench.get("idle", "waft", "kb"), 5, "<="
    yield ("idle WebSocket session, KB of PSS",
           bench.get("idle", "waft WebSocket", "kb"), 5, "<=")
    yield ("sessions held at once",
           held_at_once(bench), bench.messages(HELD_SESSIONS), ">=")
    for name in PEERS:
        yield (f"XMPP through {name}: waft's µs a stanza",
               bench.get("xmpp", f"{name} waft", "waft_us"), 2, "<=")
        yield (f"XMPP through {name}: rate, % of the bare component's",
               percent(ratio(bench, "xmpp", "rate", f"{name} waft",
                             f"{name} bare component")), 95, ">=")
        for users in CROWDS:
            yield (f"XMPP through {name} to {users:,}: waft's µs a stanza",
                   bench.get("crowd", f"{name} waft {users:,}", "waft_us"), 2, "<=")
            yield (f"XMPP through {name} to {users:,}: rate, % of the bare one's",
                   percent(ratio(bench, "crowd", "rate", f"{name} waft {users:,}",
                                 f"{name} bare component {users:,}")), 95, ">=")
        yield (f"urgent item through {name}: p99 less a barrier's time, ms",
               bench.get("urgent", name, "beyond"), 100, "<=")
    yield ("ms to the last of 5,000, waft multicast, % of mod_pubsub's",
           percent(ratio(bench, "last", "last", "waft multicast", "mod_pubsub")), 100, "<=")
    yield "publish 32 x 1, items/s", bench.get("publish", "32 x 1", "rate"), 20000, ">="
    yield "publish 32 x 100, items/s", bench.get("publish", "32 x 100", "rate"), 30000, ">="
    yield ("publish 1 x 1, % of the disk's syncs",
           percent(one / syncs if one and syncs else None), 60, ">=")
    for program in ("waft-component", "waft-bosh"):
        yield f"{program} ready, ms", bench.get("ready", f"{program} full", "ms"), 200, "<="


def held_at_once(bench):
    delivered = bench.get("held", f"waft {bench.messages(HELD_SESSIONS)}", "delivered")
    return None if delivered is None else delivered / 4


def percent(value):
    return None if value is None else 100 * value


def verdicts(bench, whole):
    print("\nTargets\n")
    for what, value, bound, sense in targets(bench):
        if value is None and not whole:
            continue
        if value is None:
            verdict = "not measured"
        elif value <= bound if sense == "<=" else value >= bound:
            verdict = "met"
        else:
            verdict = "missed"
        print(f"  {what:56} {show(value):>10}  {sense} {bound:<7,} {verdict}")


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (f"{datetime.date.today()}, {os.cpu_count()} cores, {memory} GB, "
            f"{platform.system()} {platform.release()}, loopback")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default="build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one short run")
    parser.add_argument("--only", action="append", choices=list(SECTIONS))
    parser.add_argument("--json", type=pathlib.Path, help="all results, to this file")
    return parser.parse_args()


def end_children():
    """What an interruption in the middle of a start has left running."""
    for pid in tree(os.getpid())[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def interrupt(number, _):
    raise KeyboardInterrupt(number)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, interrupt)
    build = options.build.resolve()
    # Beside the build, not in /tmp, which may be memory: fsync has to mean it.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=build))
    bench = Bench(build, directory, 0.25 if options.quick else 1)
    failed = 0
    try:
        for number in range(1 if options.quick else options.runs):
            bench.run = number
            for name in options.only or SECTIONS:
                print(f"run {number + 1}: {name}", flush=True)
                began = time.monotonic()
                try:
                    SECTIONS[name](bench)
                except (RuntimeError, AssertionError, OSError) as problem:
                    failed += 1
                    print(f"  {name} failed: {problem}", flush=True)
                print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    except KeyboardInterrupt:
        failed += 1
        print("\ninterrupted", flush=True)
    finally:
        end_children()
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)
    print(f"\n{machine()}; median of {1 if options.quick else options.runs}")
    for section in SECTIONS:
        if any(where == section for where, _ in bench.rows):
            table(bench, section)
    ratios(bench)
    verdicts(bench, not options.only)
    if options.json:
        options.json.write_text(json.dumps(
            [{"section": where, "row": row, "runs": runs}
             for (where, row), runs in bench.rows.items()], indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
