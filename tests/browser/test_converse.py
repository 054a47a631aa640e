"""converse.js, the full page, as npm has it, in headless Chromium on a page of another
origin: at waft-bosh, and beside it at Prosody's own BOSH with a waft-component behind,
which says what this client can do."""

import contextlib
import itertools
import json
import urllib.parse

import pytest
from selenium.webdriver.common.by import By

from daemons import BOSH_DOMAIN, DOMAIN, Waft, wait_until
from pages import NPM, screenshot, site
from servers import Prosody

SECONDS = 60  # the page alone is 1.3 MB of script, and the machine may be busy
TOKEN = 'token "alice" { secret = "wonderland"  subscribe = {"*"} }'
NUMBERS = itertools.count()
DIST = NPM / "converse.js" / "dist"
WASM = "curve25519_compiled.wasm"  # which it wants beside the page

PAGE = """<!DOCTYPE html>
<html class="no-js" lang="en">
<meta charset="utf-8"><title>converse</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dist/converse.min.css">
<body class="converse-fullscreen">
<div id="conversejs-bg"></div>
<script type="module">
import converse from "/dist/converse.min.js";

// What arrived is kept with the tab, so that a reload forgets nothing of it.
const got = JSON.parse(sessionStorage.got || "[]");
converse.plugins.add("look-inside", {
  initialize() {
    window.api = this._converse.api;
    api.listen.on("connected", () => api.listen.stanza("message", (message) => {
      const body = message.querySelector("body");  // its chat markers come back
      if (body !== null)
        got.push(body.textContent);
      sessionStorage.got = JSON.stringify(got);
      return true;
    }));
  }
});
await converse.initialize({
  allow_non_roster_messaging: true,
  assets_path: "/dist/",
  discover_connection_methods: false,
  i18n: "en",
  loglevel: "error",
  play_sounds: false,
  view_mode: "fullscreen",
  whitelisted_plugins: ["look-inside"],
  ...JSON.parse(new URLSearchParams(location.search).get("settings")),
});
window.initialized = true;
</script>
"""


class Service:
    """Where the page logs in, and where is published."""

    def __init__(self, url, jid, pubsub, control):
        self.url = url
        self.jid = jid
        self.pubsub = pubsub
        self.control = control

    def sessions(self):
        """None: it does not tell."""
        return None

    def wait_silent(self):
        """Until no request is held."""


class Gateway(Service):
    def __init__(self, waft, url):
        super().__init__(url.format(waft.public), f"alice@{BOSH_DOMAIN}", BOSH_DOMAIN,
                         waft.bosh)

    def sessions(self):
        return self.control.metric("waft_bosh_sessions")

    def wait_silent(self):
        wait_until(lambda: self.control.metric("waft_bosh_waiting") == 0, SECONDS,
                   "no request is held")


@pytest.fixture(scope="module")
def services():
    # blocklist is enabled in Debian's; without, converse.js shows no chats.
    modules = """modules_enabled = { "saslauth", "roster", "disco", "bosh",
                                     "websocket", "blocklist" }
consider_websocket_secure = true"""
    with Prosody(extra=modules) as prosody, \
            Waft(server=prosody.component_port, sections=TOKEN) as waft:
        prosody.add_user("alice", "wonderland")
        waft.start("component")
        waft.start("bosh")
        behind = ("alice@localhost", DOMAIN, waft.component)
        yield {
            "waft": Gateway(waft, "http://127.0.0.1:{}/http-bind"),
            "waft-ws": Gateway(waft, "ws://127.0.0.1:{}/ws"),
            "prosody": Service(prosody.bosh_url, *behind),
            "prosody-ws": Service(
                f"ws://127.0.0.1:{prosody.http_port}/xmpp-websocket", *behind),
        }


class Page:
    def __init__(self, driver, url, service):
        self.driver = driver
        self.url = url
        self.service = service
        # Prosody gives chats of a resource that is gone to the next one.
        self.channel = f"news{next(NUMBERS)}"
        self.chat = f"{self.channel}@{service.pubsub}"
        self.sent = 0

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def call(self, script, *arguments):
        """Runs it as the body of an asynchronous function; its value."""
        answer = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }})().then((value) => done({{ value }}),"
            " (error) => done({ error: String(error) }));", *arguments)
        assert "error" not in answer, answer
        return answer.get("value")

    def wait(self, script, what):
        return wait_until(lambda: self.run(f"return {script}"), SECONDS, what)

    def load(self, **settings):
        if self.service.url.startswith("ws"):
            settings["websocket_url"] = self.service.url
        else:
            settings["bosh_service_url"] = self.service.url
        self.driver.get(f"{self.url}?" + urllib.parse.urlencode(
            {"settings": json.dumps(settings)}))
        self.wait("window.initialized === true", "converse.js has begun")

    def wait_connected(self):
        self.wait("api.connection.connected()", "connected")
        self.call("await api.waitUntil('chatBoxesFetched');"
                  " await api.waitUntil('statusInitialized')")

    def log_in(self):
        """As one does: by its form."""
        self.load()
        wait_until(lambda: self.driver.find_elements(By.NAME, "password"), SECONDS,
                   "the form")
        for name, value in (("jid", self.service.jid), ("password", "wonderland")):
            self.driver.find_element(By.NAME, name).send_keys(value)
        self.driver.find_element(
            By.CSS_SELECTOR, "#converse-login [type=submit]").click()

    def subscribe(self):
        self.call("await api.pubsub.subscribe(...arguments)",
                  self.service.pubsub, self.channel)

    def publish(self, count):
        for number in range(self.sent, self.sent + count):
            self.service.control.publish(
                self.channel,
                f"<message type='chat'><body>number {number}</body></message>")
        self.sent += count

    def begin_chat(self):
        """The first message alone: with several at once converse.js makes as many
        chats, of which one is shown."""
        self.publish(1)
        wait_until(lambda: self.call("return await api.chats.get(arguments[0]) !== null",
                                     self.chat), SECONDS, "the chat is there")
        self.wait_shown()

    def wait_arrived(self):
        """Everything published came once, in order."""
        def arrived():
            return json.loads(self.run("return sessionStorage.got || '[]'"))

        wait_until(lambda: len(arrived()) >= self.sent, SECONDS,
                   f"{self.sent} are here")
        assert arrived() == [f"number {number}" for number in range(self.sent)]

    def wait_shown(self):
        """And is in its chat, to be read."""
        self.wait_arrived()
        self.call("await api.chats.open(arguments[0], {}, true)", self.chat)
        wanted = [f"number {number}" for number in range(self.sent)]

        def shown():
            return self.run("return [...document.querySelectorAll('.chat-msg__text')]"
                            ".map((each) => each.textContent.trim())")

        wait_until(lambda: len(shown()) >= self.sent, SECONDS, "all are shown")
        assert shown() == wanted

    def leave(self):
        """Ends the page without a word, and waits until that is known."""
        self.driver.get("about:blank")
        self.service.wait_silent()

    def log_out(self):
        self.call("await api.user.logout()")
        if self.service.sessions() is not None:
            wait_until(lambda: self.service.sessions() == 0, SECONDS,
                       "the session has ended")


@contextlib.contextmanager
def opened(driver, service):
    with site(PAGE, {"dist": DIST, WASM: DIST / WASM}) as url:
        try:
            yield Page(driver, url, service)
        finally:
            driver.get("about:blank")


@pytest.fixture(params=["waft", "waft-ws", "prosody", "prosody-ws"])
def page(driver, services, request):
    with opened(driver, services[request.param]) as page:
        yield page


def test_converse_logs_in_shows_what_is_published_and_logs_out(page):
    page.log_in()
    page.wait_connected()
    page.subscribe()
    page.begin_chat()
    page.publish(50)
    page.wait_shown()
    screenshot(page.driver, "converse")
    page.log_out()
    wait_until(lambda: page.driver.find_elements(By.NAME, "password"), SECONDS,
               "the form again")


@pytest.mark.parametrize("page", ["waft", "prosody"], indirect=True)
def test_converse_goes_on_after_a_reload(page):
    page.log_in()
    page.wait_connected()
    page.subscribe()
    page.begin_chat()
    jid = page.run("return api.user.jid()")
    for _ in range(2):
        page.leave()
        page.publish(20)
        page.load()
        page.wait_connected()
        assert page.run("return api.user.jid()") == jid
        page.publish(1)
        page.wait_arrived()
    page.log_out()


@pytest.mark.parametrize("name", ["waft", "waft-ws"])
def test_converse_logs_in_as_nobody(driver, services, name):
    with opened(driver, services[name]) as page:
        page.load(authentication="anonymous", auto_login=True, jid=BOSH_DOMAIN)
        page.wait_connected()
        assert not page.run("return api.user.jid()").startswith("alice@")
        page.subscribe()
        page.begin_chat()
        page.publish(20)
        page.wait_shown()
        page.log_out()
