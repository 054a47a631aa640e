"""The daemons and the command line of one build, in a folder of their own.

    with Waft() as waft:
        waft.start("bosh")
        waft.cli("publish", "news", "--json", "1")

All ports are free ones of 127.0.0.1, written into the folder's waft.conf.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WAFT_BUILD", ROOT / "build")).resolve()
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from servers import free_ports, wait_until  # noqa: E402

DOMAIN = "push.localhost"
BOSH_DOMAIN = "bosh.test"
SECRET = "secret"


class Daemon:
    """One started program; its log is all that it wrote."""

    def __init__(self, command, log, cwd):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.begin = out.tell()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd)

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_bytes()[self.begin:].decode(errors="replace")

    def lines(self, event):
        return [line for line in self.text().splitlines()
                if re.search(rf" event={re.escape(event)}( |$)", line)]

    def wait_line(self, event, seconds=20):
        return wait_until(lambda: self.lines(event), seconds,
                          f"event={event}")[0]

    def wait(self, seconds=30):
        """Until it ends by itself; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end(signal.SIGKILL)
            raise AssertionError(f"runs for ever:\n{self.text()}") from None

    def end(self, number=signal.SIGTERM, seconds=30):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end:\n{self.text()}") from None


class Control:
    """The control API at one port."""

    def __init__(self, port):
        self.port = port

    def request(self, method, path, body=None, headers=()):
        """Status and text; a body that is no text goes out as JSON."""
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {
                "Content-Type": "application/json",
                "Accept": "application/json", **dict(headers)})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path):
        status, text = self.request("GET", path)
        assert status == 200, f"{path}: {status} {text}"
        return json.loads(text)

    def is_ready(self):
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def publish(self, channel, stanza, **fields):
        """The item's position."""
        status, text = self.request("POST", "/publish/", {"items": [
            {"channel": channel, "formats": {"xmpp-stanza": {"content": stanza}},
             **fields}]})
        assert status == 200, f"{status} {text}"
        return json.loads(text)["items"][0]["position"]

    def items(self, channel, query="max=1000"):
        name = urllib.parse.quote(channel, "")
        return self.get(f"/channels/{name}/items/?{query}")["items"]

    def bodies(self, channel):
        return [re.search("<body>(.*?)</body>",
                          item["formats"]["xmpp-stanza"]["content"])[1]
                for item in self.items(channel)]

    def channels(self):
        return [each["channel"] for each in self.get("/channels/")["channels"]]

    def metric(self, name):
        """Its sum over all labels; name may hold one set of labels."""
        status, text = self.request("GET", "/metrics")
        assert status == 200, text
        return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith((name + " ", name + "{")))


class Waft:
    """Sections: text for the end of the configuration.  Server: port of an
    XMPP server's component listener; without it there is no component."""

    def __init__(self, sections="", server=None, engine="memory", bosh="",
                 secret=SECRET, component="reconnect = 1s",
                 channels='channels "*" { subscribe = anyone }'):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="waft-wire-"))
        self.store = self.directory / "waft.db"
        self.public, bosh_port, component_port = free_ports(3)
        self.bosh = Control(bosh_port)
        self.component = Control(component_port)
        self.conf = self.directory / "waft.conf"
        self.daemons = []
        self.within = []  # what a daemon's command line begins with
        link = "" if server is None else f"""\
component "{DOMAIN}" {{
  server = "127.0.0.1:{server}"
  secret = "{secret}"
  control = "127.0.0.1:{component_port}"
  {component}
}}
"""
        self.conf.write_text(f"""\
store {{ engine = {engine}  path = "{self.store}" }}
bosh {{
  listen = {{"127.0.0.1:{self.public}"}}
  domain = "{BOSH_DOMAIN}"
  control = "127.0.0.1:{bosh_port}"
  workers = 2
  {bosh}
}}
{link}{channels}
{sections}
""")

    # ---- the command line ----

    def cli(self, verb, *arguments, stdin="", seconds=60, conf=True):
        """Runs `waft VERB` to its end."""
        where = ("-c", self.conf) if conf else ()
        return subprocess.run(
            [BUILD / "bin" / "waft", verb, *where, *arguments], input=stdin,
            capture_output=True, text=True, timeout=seconds, cwd=self.directory,
            env={k: v for k, v in os.environ.items() if k != "WAFT_TOKEN"})

    def good(self, verb, *arguments, **more):
        """Its standard output; it must succeed."""
        done = self.cli(verb, *arguments, **more)
        assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
        return done.stdout

    def spawn(self, program, *arguments, log=None):
        at = 1 if program == "waft" else 0
        daemon = Daemon(
            [*self.within, BUILD / "bin" / program, *arguments[:at], "-c", self.conf,
             *arguments[at:]],
            self.directory / (log or f"{program}.log"), self.directory)
        self.daemons.append(daemon)
        return daemon

    # ---- daemons ----

    def start(self, name, *arguments, ready=True):
        daemon = self.spawn(f"waft-{name}", *arguments)
        if ready:
            self.wait_ready(name, daemon)
        return daemon

    def wait_ready(self, name, daemon, seconds=30):
        control = getattr(self, name)

        def look():
            assert daemon.process.poll() is None, daemon.text()
            return control.is_ready()

        try:
            wait_until(look, seconds, f"{name} is ready")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{daemon.text()}") from None

    def run(self, *arguments, ready=("bosh",)):
        """The supervisor, as `waft run`."""
        supervisor = self.spawn("waft", "run", *arguments, log="run.log")
        for name in ready:
            self.wait_ready(name, supervisor)
        return supervisor

    def close(self):
        """Ends what runs; each must end well."""
        codes = [(each, each.end()) for each in reversed(self.daemons)
                 if each.process.poll() is None]
        bad = [f"exit code {code}:\n{each.text()[-3000:]}"
               for each, code in codes if code != 0]
        shutil.rmtree(self.directory, ignore_errors=True)
        assert not bad, "\n".join(bad)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            for each in self.daemons:
                print(f"---- {each.log.name}\n{each.text()[-4000:]}")
        self.close()


def children(pid):
    """Pids of the processes whose parent it is."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return sorted(found)


def program(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(
            b"\0")[0].decode().rsplit("/", 1)[-1]
    except OSError:
        return None


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(
            ")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
