"""README.md as a stranger follows it: its configuration, its commands; only the ports
are others."""

import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from servers import Ejabberd, Prosody, free_ports, wait_until
from users import User

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from daemons import BUILD, Control, Daemon  # noqa: E402

README = (ROOT / "README.md").read_text()
# Mentioned in it: components, public, and the control APIs.
PORTS = ("5347", "7999", "5561", "5562")


def block(name):
    """The fenced block marked `<!-- tested: NAME -->`, as it would be copied."""
    indent, text = re.search(
        rf"^( *)<!-- tested: {name} -->\n *```\w*\n(.*?)^ *```$", README,
        re.M | re.S).groups()
    return re.sub(rf"^{indent}", "", text, flags=re.M)


def commands(start):
    """The lines of the README's indented code that begin so, joined where they go on."""
    return re.findall(rf"^    ({start}.*(?:\n      +.*)*)", README, re.M)


class Site:
    """A server that was there before, and waft.conf as the README has it."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS)))))
        self.conf = directory / "waft.conf"
        self.conf.write_text(self.here(block("waft")))

    def here(self, text):
        return re.sub(r"\b(5347|7999|5561|5562)\b",
                      lambda found: self.ports[found[1]], text)

    def shell(self, command):
        """A command of the README, typed into the folder of waft.conf."""
        done = subprocess.run(
            ["sh", "-c", self.here(command)], cwd=self.directory, timeout=60,
            capture_output=True, text=True,
            env={"PATH": f"{BUILD}/bin:/usr/bin:/bin"})
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


class ReadmeProsody(Prosody):
    """Has no component until the README's lines are at the end of its file."""

    def attach(self, site):
        self.component_port = int(site.ports["5347"])
        self.stop()
        self.lines = site.here(block("prosody"))
        self.start()

    def write_config(self):
        super().write_config()
        path = self.directory / "prosody.cfg.lua"
        head, _, _ = path.read_text().partition('Component "push.localhost"')
        path.write_text(head + getattr(self, "lines", ""))

    def start_ports(self):
        ports = super().start_ports()
        return ports if hasattr(self, "lines") else ports - {self.component_port}


class ReadmeEjabberd(Ejabberd):
    """Is told to load its file again, as the README says."""

    def attach(self, site):
        path = self.directory / "ejabberd.yml"
        text = path.read_text()
        lines = site.here(block("ejabberd"))
        assert text.count("listen:\n") == 1
        path.write_text(text.replace("listen:\n", "listen:\n" + lines))
        status, text = Control(self.http_port).request("POST", "/api/reload_config", {})
        assert status == 200, text


@pytest.fixture(params=(ReadmeProsody, ReadmeEjabberd), ids=("prosody", "ejabberd"))
def server(request):
    with request.param(domain="example.org") as running:
        yield running


def test_the_three_steps_attach_waft_to_a_server(server, tmp_path):
    site = Site(tmp_path)
    users = []
    server.attach(site)
    assert "good" in site.shell("waft check")
    waft = Daemon([BUILD / "bin" / "waft", "run"], tmp_path / "log", tmp_path)
    try:
        ready = wait_until(lambda: waft.lines("ready")[1:] and waft.lines("ready"),
                           30, "both daemons say event=ready")
        assert {re.search(r"daemon=(\S+)", line)[1] for line in ready} == {
            "bosh", "component"}
        assert "ready            true" in site.shell("waft status")
        for name in ("alice", "bob", "carol"):
            server.add_user(name)
            users.append(User(f"{name}@example.org/x", server.users[name],
                              server.c2s_port, plugins=("xep_0060",)).connect())
        alice, bob, carol = users
        # The three ways to subscribe that it names.
        subscribe, = commands("curl http://127.0.0.1:5561/channels/")
        site.shell(subscribe)
        bob.ask(lambda client: client["xep_0060"].subscribe(
            "push.example.org", "news", bare=True))
        carol.send_presence(pto="news@push.example.org", ptype="subscribe")
        wait_until(lambda: len(site.shell("waft subscriptions news").splitlines()) == 3,
                   what="three subscriptions")
        publish, = commands("waft publish")
        site.shell(publish)
        for each in users:
            each.wait_for(lambda: each.bodies() == ["hi"], what="the stanza")
            assert each.messages[0].get("from") == "news@push.example.org"
        listen, = commands("waft subscribe")
        listen = shlex.split(listen, comments=True)
        assert "<body>hi</body>" in site.shell(
            shlex.join([*listen, "--after", "0", "--count", "1"]))
    finally:
        for each in users:
            each.close()
        assert waft.end() == 0, waft.text()


def test_the_curl_line_publishes(tmp_path):
    """Without any XMPP server."""
    site = Site(tmp_path)
    bosh = Daemon([BUILD / "bin" / "waft-bosh"], tmp_path / "log", tmp_path)
    try:
        bosh.wait_line("ready")
        curl, = commands("curl http://127.0.0.1:5561/publish/")
        assert site.shell(curl) == "Published\n"
        assert Control(int(site.ports["5561"])).bodies("demo") == ["hello"]
    finally:
        assert bosh.end() == 0, bosh.text()


def test_every_page_it_names_is_there():
    for page in re.findall(r"\]\(((?:docs/)?[\w.]+)\)", README):
        assert (ROOT / page).is_file(), page
