"""Private XMPP servers on loopback: a real Prosody, a real ejabberd.

Each lives in a folder of its own, on free ports, with local users on `domain`
and any number of external components (domain -> secret).  Used by the interop
tests, by the demo and by the bench.

    with Prosody(components={"push.localhost": "s3cret"}) as server:
        server.add_user("alice", "pw")
        server.c2s_port, server.component_port, server.bosh_url
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

DEFAULT_COMPONENTS = {"push.localhost": "secret"}


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(condition, seconds=20, what="condition"):
    """The first true value of condition(); AssertionError when it is late."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Server:
    """What both have in common; see Prosody and Ejabberd."""

    name = None
    start_seconds = 60

    def __init__(self, components=None, domain="localhost", directory=None,
                 extra=""):
        """Components: external components, domain -> secret.  Directory: kept
        after stop() if given.  Extra: text for the end of the configuration's
        global part."""
        self.domain = domain
        self.components = dict(components or DEFAULT_COMPONENTS)
        self.extra = extra
        self.own_directory = directory is None
        self.directory = pathlib.Path(
            directory or tempfile.mkdtemp(prefix=f"waft-{self.name}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.c2s_port, self.component_port, self.http_port = free_ports(3)
        self.log = self.directory / f"{self.name}.log"
        self.process = None
        self.users = {}
        self.stanza_limit = 512 * 1024
        self.component_lines = ""  # Prosody: for each component
        self.component_tls = None  # ejabberd: a file with certificate and key
        self.component_interfaces = '{ "127.0.0.1" }'  # Prosody; None: its default

    @property
    def bosh_url(self):
        return f"http://127.0.0.1:{self.http_port}{self.bosh_path}"

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Writes the configuration, starts, returns once all ports answer."""
        self.write_config()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.directory, env=self.environment())
        ports = self.start_ports()

        def is_up():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended:\n{self.tail()}")
            return all(listens(port) for port in ports)

        wait_until(is_up, self.start_seconds, f"{self.name} listens")
        return self

    def start_ports(self):
        """What listens once it is up."""
        return {self.c2s_port, self.component_port, self.http_port}

    def stop(self):
        """An orderly shutdown; the users stay for the next start()."""
        self.end(signal.SIGTERM)

    def kill(self):
        """As a crash."""
        self.end(signal.SIGKILL)

    def end(self, number):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self, kill=False):
        self.end(signal.SIGKILL if kill else signal.SIGTERM)
        self.start()

    def limit_component_stanzas(self, size):
        """From the next start on."""
        self.stanza_limit = size

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        """Ends it and removes the folder if it was ours."""
        if self.process is not None:
            self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def tail(self, lines=30):
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def environment(self):
        return dict(os.environ)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


class Prosody(Server):
    name = "prosody"
    bosh_path = "/http-bind"
    ws_path = "/xmpp-websocket"

    def command(self):
        return ["prosody", "-F", "--config", str(self.directory / "prosody.cfg.lua")]

    def write_config(self):
        components = "\n".join(
            f'Component "{domain}"\n  component_secret = "{secret}"\n'
            f'{self.component_lines}'
            for domain, secret in self.components.items())
        interfaces = "" if self.component_interfaces is None else (
            f"component_interfaces = {self.component_interfaces}")
        (self.directory / "data").mkdir(exist_ok=True)
        (self.directory / "prosody.cfg.lua").write_text(f"""\
daemonize = false
run_as_root = true
pidfile = "{self.directory}/prosody.pid"
data_path = "{self.directory}/data"
log = {{ info = "*console" }}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "bosh", "websocket" }}
modules_disabled = {{ "s2s", "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
c2s_ports = {{ {self.c2s_port} }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_direct_tls_ports = {{}}
http_ports = {{ {self.http_port} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{}}
consider_bosh_secure = true
consider_websocket_secure = true
component_ports = {{ {self.component_port} }}
{interfaces}
component_stanza_size_limit = {self.stanza_limit}
network_settings = {{ nagle = false }}
authentication = "internal_plain"
{self.extra}
VirtualHost "{self.domain}"
{components}
""")

    def add_user(self, name, password="secret"):
        """Straight into its storage: prosodyctl takes a third of a second."""
        folder = self.directory / "data" / encode(self.domain) / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{encode(name)}.dat").write_text(
            f'return {{ ["password"] = "{password}" }};\n')
        self.users[name] = password
        return f"{name}@{self.domain}"


def encode(text):
    """Prosody's names of files (util.datamanager)."""
    return "".join(
        c if c.isascii() and c.isalnum() else "".join(
            f"%{byte:02x}" for byte in c.encode())
        for c in text)


class Ejabberd(Server):
    name = "ejabberd"
    bosh_path = "/bosh"
    ws_path = "/ws"

    def command(self):
        # No epmd, no distribution, no ejabberdctl: nothing of it is shared
        # with another ejabberd of the machine.
        ebin = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.beam"))
        return ["erl", "-noinput", "+K", "true", "-pa", str(ebin.parent),
                "-mnesia", "dir", f'"{self.directory}/mnesia"', "-s", "ejabberd"]

    def environment(self):
        libraries = next(
            pathlib.Path("/usr/lib").glob("*/ejabberd-*/ebin")).parent.parent
        return dict(
            os.environ, HOME=str(self.directory),
            ERL_LIBS=str(libraries),
            ERL_CRASH_DUMP_BYTES="0",
            EJABBERD_CONFIG_PATH=str(self.directory / "ejabberd.yml"),
            EJABBERD_LOG_PATH=str(self.directory / "ejabberd-own.log"))

    def write_config(self):
        hosts = "\n".join(
            f"      {domain}:\n        password: {secret}"
            for domain, secret in self.components.items())
        tls = "" if self.component_tls is None else (
            f"    tls: true\n    certfile: {self.component_tls}\n")
        (self.directory / "mnesia").mkdir(exist_ok=True)
        # One `backlog` for all: the default of 5 loses handshakes in a burst.
        (self.directory / "ejabberd.yml").write_text(f"""\
hosts: [{self.domain}]
loglevel: info
listen:
  -
    port: {self.c2s_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    shaper: none
    backlog: 4096
  -
    port: {self.component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    shaper: none
    global_routes: false
    max_stanza_size: {self.stanza_limit}
{tls}    hosts:
{hosts}
  -
    port: {self.http_port}
    ip: "127.0.0.1"
    module: ejabberd_http
    backlog: 4096
    request_handlers:
      /bosh: mod_bosh
      /ws: ejabberd_http_ws
      /api: mod_http_api
api_permissions:
  "loopback":
    from: mod_http_api
    who:
      ip: 127.0.0.1/8
    what: "*"
auth_method: [internal]
auth_password_format: plain
acl: {{}}
modules:
  mod_bosh: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
{self.extra}
""")

    def add_user(self, name, password="secret"):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port)
        try:
            connection.request("POST", "/api/register", json.dumps({
                "user": name, "host": self.domain, "password": password}))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        # 409: there already, from before a restart.
        assert answer.status in (200, 409), f"{answer.status} {text}"
        self.users[name] = password
        return f"{name}@{self.domain}"


SERVERS = {"prosody": Prosody, "ejabberd": Ejabberd}
