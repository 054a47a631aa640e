"""The real waft-component, attached to one of servers.py, and its control API."""

import copy
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.parse

from servers import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WAFT_BUILD", ROOT / "build")).resolve()


class Component:
    """Its store lives in a folder of its own and outlives restarts."""

    def __init__(self, server, domain="push.localhost", secret="secret",
                 component="", conf=""):
        """Component and conf: further lines for the component's section and
        for the file."""
        self.domain = domain
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="waft-component-"))
        self.conf = self.directory / "waft.conf"
        self.log = self.directory / "log"
        self.conf.write_text(f"""\
log {{ level = "debug" }}
store {{ path = "{self.directory}/waft.db" }}
component "{domain}" {{
  server = "127.0.0.1:{server.component_port}"
  secret = "{secret}"
  ping = "{server.domain}"
  control = "127.0.0.1:0"
  reconnect = "1s"
  {component}
}}
{conf}
""")
        self.process = None
        self.port = None
        self.of = None  # whose store and configuration it uses

    def second(self):
        """Another daemon on the same store with the same configuration."""
        other = copy.copy(self)
        other.of = self
        other.log = self.directory / f"log{len(list(self.directory.glob('log*')))}"
        other.log.touch()
        other.process = other.port = None
        return other

    def start(self, ready=True):
        begin = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "bin" / "waft-component", "-c", self.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.find_port(begin), 20, "the control API listens")
        if ready:
            wait_until(self.is_ready, 20, f"ready; log:\n{self.read_log()}")
        return self

    def find_port(self, begin):
        for line in self.lines("control.listen", begin):
            self.port = int(re.search(r" port=(\d+)", line).group(1))
            return True
        assert self.process.poll() is None, self.read_log()
        return False

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def end(self, number, seconds=10):
        self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def stop(self):
        code = self.end(signal.SIGTERM)
        assert code == 0, f"exit code {code}\n{self.read_log()}"

    def kill(self):
        self.end(signal.SIGKILL)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self.of is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def read_log(self, begin=0):
        return self.log.read_bytes()[begin:].decode() if self.log.exists() else ""

    def lines(self, event, begin=0):
        return [line for line in self.read_log(begin).splitlines()
                if f" event={event} " in line]

    # ---- the control API ----

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body),
                {"Content-Type": "application/json", "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def publish(self, channel, stanza, **fields):
        status, text = self.request("POST", "/publish/", {"items": [
            {"channel": channel, "xmpp-stanza": {"content": stanza}, **fields}]})
        assert status == 200, f"{status} {text}"
        return json.loads(text)

    def publish_json(self, channel, value):
        status, text = self.request("POST", "/publish/", {"items": [
            {"channel": channel, "json-object": value}]})
        assert status == 200, f"{status} {text}"

    def subscribe(self, channel, jid):
        status, text = self.request(
            "POST", f"/channels/{urllib.parse.quote(channel, '')}/subscriptions/",
            {"jid": jid})
        assert status in (200, 201), f"{status} {text}"

    def subscriptions(self, channel):
        status, text = self.get(
            f"/channels/{urllib.parse.quote(channel, '')}/subscriptions/")
        assert status == 200, f"{status} {text}"
        return json.loads(text)["subscriptions"]

    def link(self):
        """What /status says of the link."""
        return json.loads(self.get("/status")[1])["links"][0]

    def wait_sent(self, count, seconds=30):
        """At least so many stanzas were sent by this process, and all that
        were have been confirmed."""
        def is_done():
            link = self.link()
            return (link["up"] and link["unconfirmed"] == 0 and
                    self.metric("waft_component_sent_stanzas_total") >= count)

        wait_until(is_done, seconds, f"{count} stanzas sent and confirmed")

    def metric(self, name):
        """Sum of the metric over its labels; name may end with a label set."""
        return sum(
            int(line.rsplit(" ", 1)[1]) for line in self.get("/metrics")[1].splitlines()
            if line.startswith((name + " ", name + "{")) or
            line.split(" ")[0] == name)
