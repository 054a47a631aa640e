"""What the bench runs and how it reads it: the load generator, waft's daemons,
servers prepared for it, CPU and memory from /proc."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from servers import Ejabberd, Prosody, free_ports  # noqa: E402

SECRET = "bench-secret"
BARE = "bench.localhost"        # the load generator's own component
PUSH = "push.localhost"         # waft's
COPIES = "copies.localhost"     # waft's, where another is beside
PUBSUB = "pubsub.localhost"     # the server's mod_pubsub
BOSH_DOMAIN = "bosh.push.localhost"


# ---- /proc -----------------------------------------------------------------

def tree(pid):
    """The process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, []))
    return found


def cpu_us(pid):
    """CPU time of the tree.  The kernel's own sum of its threads (schedstat) is
    utime + stime without the rounding to 10 ms."""
    total = 0
    for each in tree(pid):
        for task in pathlib.Path(f"/proc/{each}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return total / 1000


def pss_kb(pid):
    total = 0
    for each in tree(pid):
        for line in pathlib.Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


# ---- processes ---------------------------------------------------------------

class Load:
    """One run of build/bench/load, from its set-up to its report."""

    def __init__(self, program, *words, **options):
        command = [str(program), *words]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def line(self, event):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"load ended before {event}: {self.process.args}")
        answer = json.loads(line)
        assert answer["event"] == event, line
        return answer

    def ready(self):
        """Once all receivers are; "seconds" is how long they took."""
        return self.line("ready")

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def done(self):
        return self.line("done")

    def run(self):
        self.go()
        return self.done()


def measured(load, pids):
    """The report of a run, with the CPU that each of pids (label -> pid) took
    between ready and done."""
    load.ready()
    before = {label: cpu_us(pid) for label, pid in pids.items()}
    report = load.run()
    report["cpu_us"] = {
        label: cpu_us(pid) - before[label] for label, pid in pids.items()}
    return report


class Waft:
    """One daemon of waft's with a configuration of its own; more: further options
    of the section `bosh`; channel: of all channels; domain: the component's."""

    def __init__(self, build, program, directory, component_port=None, more="",
                 channel="", domain=PUSH):
        self.program = build / "bin" / program
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.listen, self.control_port, other = free_ports(3)
        self.log = self.directory / f"{program}.log"
        self.process = None
        mine = f"127.0.0.1:{self.control_port}"
        bosh = program == "waft-bosh"
        (self.directory / "waft.conf").write_text(f"""\
store {{ path = "{self.directory}/waft.db" }}
component "{domain}" {{
  server = "127.0.0.1:{component_port or other}"
  secret = "{SECRET}"
  control = "{f'127.0.0.1:{other}' if bosh else mine}"
}}
bosh {{
  listen = {{"127.0.0.1:{self.listen}"}}
  domain = "{BOSH_DOMAIN}"
  control = "{mine if bosh else f'127.0.0.1:{other}'}"
  {more}
}}
channels "*" {{
  history-items = 1000000  history-age = "24h"  subscribe = anyone
  {channel}
}}
""")

    @property
    def pid(self):
        return self.process.pid

    @property
    def control(self):
        return f"127.0.0.1:{self.control_port}"

    def metrics(self):
        """Name (and labels) -> value."""
        connection = http.client.HTTPConnection(self.control)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {name: float(value) for name, _, value in (
            line.rpartition(" ") for line in text.splitlines()
            if not line.startswith("#"))}

    def start(self):
        """Seconds from exec to `event=ready`."""
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [str(self.program), "-c", str(self.directory / "waft.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self.directory)
        seen = b""
        with open(self.log, "ab") as log:
            while b"event=ready" not in seen:
                piece = os.read(self.process.stderr.fileno(), 65536)
                if not piece:
                    self.process.wait()
                    raise RuntimeError(
                        f"{self.program.name} ended: {seen.decode()[-2000:]}")
                seen += piece
                log.write(piece)
            took = time.monotonic() - begin
        # The rest of the log goes to the file without this process between.
        self.drain = subprocess.Popen(
            ["cat"], stdin=self.process.stderr, stdout=open(self.log, "ab"))
        self.process.stderr.close()
        return took

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.drain.wait()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def prosody(directory, **components):
    """As Debian ships it, Nagle off; anonymous users, its own pubsub."""
    return Prosody(
        directory=directory, components=components or {BARE: SECRET, PUSH: SECRET},
        extra=f"""\
admins = {{ "{BARE}" }}
VirtualHost "anon.localhost"
  authentication = "anonymous"
Component "{PUBSUB}" "pubsub"
""")


def ejabberd(directory, modules="  mod_pubsub: {}\n"):
    return Ejabberd(
        directory=directory, components={BARE: SECRET, PUSH: SECRET, COPIES: SECRET},
        extra=modules + """\
host_config:
  localhost:
    auth_method: [anonymous]
    anonymous_protocol: sasl_anon
""")


def ejabberd_multicast(directory, modules=""):
    """With the module that copies a component's stanza for up to 100 users."""
    return ejabberd(directory, modules + """\
  mod_multicast:
    limits:
      remote:
        message: 100
""")


# Server, and the domain where anonymous users log in.
PEERS = {"Prosody": (prosody, "anon.localhost"), "ejabberd": (ejabberd, "localhost")}


def disk_syncs(directory, seconds):
    """How often a second 4 KB appended can be brought to the disk, one after the
    other: the floor of a publisher with one connection."""
    path = pathlib.Path(directory) / "sync"
    block, count = bytes(4096), 0
    with open(path, "wb", buffering=0) as file:
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
        took = time.monotonic() - begin
    path.unlink()
    return count / took


__all__ = ["BARE", "BOSH_DOMAIN", "COPIES", "PEERS", "PUBSUB", "PUSH", "ROOT", "SECRET",
           "Load", "Waft", "cpu_us", "disk_syncs", "ejabberd", "ejabberd_multicast",
           "measured", "prosody", "pss_kb", "tree"]
