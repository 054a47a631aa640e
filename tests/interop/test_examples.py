"""docs/examples/: real servers and real daemons with exactly these files; only ports
and folders are others.  docs/troubleshooting.md: what it names is in the code."""

import pathlib
import re
import ssl
import subprocess
import sys
import urllib.request

import pytest

from servers import Ejabberd, Prosody, free_ports, wait_until
from users import User
from waft import Component

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from certificates import Authority  # noqa: E402
from daemons import BUILD, Control, Daemon  # noqa: E402

EXAMPLES = ROOT / "docs" / "examples"
PORTS = ("5347", "7999", "5561", "5562", "443")


class Place:
    """Where the examples are tried: their ports and folders, and a folder of ours."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS)))))

    def put(self, name, to):
        """The example as a file of ours."""
        text = (EXAMPLES / name).read_text()
        text = re.sub(r"\b(5347|7999|5561|5562|443)\b",
                      lambda found: self.ports[found[1]], text)
        text = re.sub(r"/etc/waft|/var/lib/waft", str(self.directory), text)
        text = text.replace('"0.0.0.0:', '"127.0.0.1:')
        path = pathlib.Path(to)
        path.write_text(text)
        return path

    def waft(self, *arguments):
        done = subprocess.run([BUILD / "bin" / "waft", *arguments], timeout=60,
                              cwd=self.directory, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout


class ExampleProsody(Prosody):
    """Knows nothing of components but what it includes."""

    def attach(self, place):
        self.place = place
        self.component_port = int(place.ports["5347"])
        self.start()

    def write_config(self):
        super().write_config()
        path = self.directory / "prosody.cfg.lua"
        kept = [line for line in path.read_text().partition("Component ")[0].splitlines()
                if not line.startswith("component_")]
        example = self.place.put("prosody-waft.cfg.lua", self.directory / "waft.cfg.lua")
        path.write_text("\n".join([*kept, f'Include "{example}"', ""]))


class ExampleEjabberd(Ejabberd):
    """Is told of the file, and to load its own again."""

    def attach(self, place):
        self.component_port = int(place.ports["5347"])
        self.start()
        example = place.put("ejabberd-waft.yml", self.directory / "ejabberd-waft.yml")
        with open(self.directory / "ejabberd.yml", "a") as own:
            own.write(f"include_config_file:\n  - {example}\n")
        status, text = Control(self.http_port).request("POST", "/api/reload_config", {})
        assert status == 200, text

    def write_config(self):
        super().write_config()
        path = self.directory / "ejabberd.yml"
        text, removed = re.subn(
            r"  -\n    port: \d+\n    ip: \S+\n    module: ejabberd_service\n"
            r"(?:    .*\n| {6,}.*\n)*", "", path.read_text())
        assert removed == 1
        path.write_text(text)

    def start_ports(self):
        return super().start_ports() - {self.component_port}


@pytest.fixture(params=(ExampleProsody, ExampleEjabberd), ids=("prosody", "ejabberd"))
def server(request):
    made = request.param(domain="example.org")
    yield made
    made.close()


def test_waft_attaches_to_a_server_by_the_examples(server, tmp_path):
    place = Place(tmp_path)
    conf = str(place.put("waft.conf", tmp_path / "waft.conf"))
    server.attach(place)
    assert "good" in place.waft("check", "-c", conf)
    waft = Daemon([BUILD / "bin" / "waft", "run", "-c", conf], tmp_path / "log", tmp_path)
    alice = None
    try:
        wait_until(lambda: len(waft.lines("ready")) == 2, 30, "both say event=ready")
        server.add_user("alice")
        alice = User("alice@example.org/x", server.users["alice"], server.c2s_port,
                     plugins=("xep_0060",)).connect()
        alice.ask(lambda client: client["xep_0060"].subscribe(
            "push.example.org", "alerts/a", bare=True))
        place.waft("subscriptions", "staff/x", "--add", "alice@example.org", "-c", conf)
        for channel in ("alerts/a", "staff/x"):
            place.waft("publish", channel, "-c", conf, "--stanza",
                       f"<message><body>{channel}</body></message>")
        alice.wait_for(lambda: sorted(alice.bodies()) == ["alerts/a", "staff/x"],
                       what="both stanzas")
        # A stanza as large as waft takes passes the server's limit.
        big = "x" * (126 * 1024)
        place.waft("publish", "alerts/a", "-c", conf, "--stanza",
                   f"<message><body>{big}</body></message>")
        alice.wait_for(lambda: big in alice.bodies(), what="the big one")
        assert not waft.lines("link.down"), waft.text()
    finally:
        if alice is not None:
            alice.close()
        assert waft.end() == 0, waft.text()


class MulticastEjabberd(Ejabberd):
    """Includes the example from the start."""

    def write_config(self):
        super().write_config()
        place = Place(self.directory)
        with open(self.directory / "ejabberd.yml", "a") as own:
            example = place.put("ejabberd-waft-multicast.yml",
                                self.directory / "multicast.yml")
            own.write(f"include_config_file:\n  - {example}\n")


def test_c5_23_ejabberd_copies_for_the_component_alone_by_the_example():
    """A user who asks for the same is refused."""
    ends = []
    try:
        server = MulticastEjabberd(components={"push.example.org": "secret"},
                                   domain="example.org").start()
        ends.append(server)
        waft = Component(server, domain="push.example.org",
                         conf='channels "*" { multicast = yes }').start()
        ends.append(waft)
        users = []
        for name in ("alice", "bob"):
            server.add_user(name)
            user = User(f"{name}@example.org/x", server.users[name], server.c2s_port)
            ends.append(user)
            users.append(user.connect())
            waft.subscribe("news", user.bare)
        wait_until(lambda: waft.lines("component.multicast"), 20, "it is found")
        assert "receivers=100" in waft.lines("component.multicast")[0]
        waft.publish("news", "<message><body>1</body></message>")
        for user in users:
            user.wait_for(lambda: user.bodies() == ["1"])
        assert waft.metric("waft_component_multicast_copies_total") == 2
        users[0].send_raw(
            "<message to='multicast.example.org'><addresses"
            " xmlns='http://jabber.org/protocol/address'>"
            "<address type='bcc' jid='bob@example.org'/></addresses>"
            "<body>2</body></message>")
        users[0].wait_for(lambda: [each for each in users[0].messages
                                   if each.get("type") == "error"])
        assert users[1].bodies() == ["1"]
    finally:
        for each in reversed(ends):
            each.close()


def test_the_gateway_speaks_tls_by_its_example(tmp_path):
    place = Place(tmp_path)
    authority = Authority(tmp_path)
    authority.issue("push", "localhost", "push.example.org")
    conf = str(place.put("waft-tls.conf", tmp_path / "waft.conf"))
    assert "good" in place.waft("check", "-c", conf)
    bosh = Daemon([BUILD / "bin" / "waft-bosh", "-c", conf], tmp_path / "log", tmp_path)
    try:
        bosh.wait_line("ready")
        context = ssl.create_default_context(cafile=authority.root)
        with urllib.request.urlopen(f"https://localhost:{place.ports['443']}/http-bind",
                                    context=context, timeout=20) as answer:
            assert answer.status == 200
        status, _ = Control(int(place.ports["5561"])).request(
            "POST", "/publish/", {"items": []})
        assert status == 401
        place.waft("publish", "news", "--json", "1", "-c", conf)
    finally:
        assert bosh.end() == 0, bosh.text()


def test_each_example_is_in_a_test_and_in_the_readme():
    names = {path.name for path in EXAMPLES.iterdir()}
    assert names == {"prosody-waft.cfg.lua", "ejabberd-waft.yml", "waft.conf",
                     "ejabberd-waft-multicast.yml", "waft-tls.conf", "bot.py"}
    readme = (ROOT / "README.md").read_text()
    for name in names:
        assert f"(docs/examples/{name})" in readme


# ---- docs/troubleshooting.md -------------------------------------------------


def source():
    return "\n".join(path.read_text() for folder in ("common", "component", "bosh", "cli")
                     for path in sorted((ROOT / folder).rglob("*.c")))


def test_events_options_and_metrics_of_the_troubleshooting_page_exist():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    code = source()
    events = set(re.findall(r"\bevent=([\w.-]+)", page))
    assert len(events) > 15
    for event in events:
        assert f'"{event}"' in code, event
    for reason in set(re.findall(r"`reason=([\w-]+)`", page)):
        assert re.search(rf'["=]{reason}\b', code), reason
    for metric in set(re.findall(r"\bwaft_\w+_\w+", page)):
        assert f'"{metric}"' in code, metric
    example = (ROOT / "docs" / "waft.conf.example").read_text()
    for option in set(re.findall(r"\boption `([\w-]+)`", page)):
        assert re.search(rf"^\t#?{option} =", example, re.M), option
