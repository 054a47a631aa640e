"""An unmodified strophe.js in headless Chromium, on a page of another origin than
the gateway, over BOSH and over a WebSocket: the pinned npm version, and the old
one that Debian ships."""

import pathlib

import pytest

from daemons import BOSH_DOMAIN, BUILD, Waft, wait_until
from pages import site

SCRIPTS = {
    "npm": BUILD / "demo" / "strophe.js",
    "debian": pathlib.Path("/usr/share/javascript/strophe/strophe.js"),
}
URLS = {
    "bosh": "http://127.0.0.1:{}/http-bind",
    "websocket": "ws://127.0.0.1:{}/ws",
}
EVERY = [(script, transport) for script in sorted(SCRIPTS) for transport in URLS]
# A session outlives its page only where it is not the page's connection.
OVER_BOSH = pytest.mark.parametrize(
    "page", [each for each in EVERY if each[1] == "bosh"], indirect=True,
    ids="-".join)
TOKEN = '''token "alice" { secret = "wonderland"  subscribe = {"*"} }
user "hashed" {
	scram-sha-256 = "4096:P+N3v5F0Soul/vPvVEEknw==:mFcSj4dsMjF4FLCryVUW2J6VWtgVnnPLya+yPJFbMHc=:WQegQUOLn19p20IEgWx+s6bfEvbwpltWMhKSDfduiZI="
	scram-sha-1 = "4096:XQPDcCm+ZgoKaSEWZ/THuA==:KsinnaLfEFWpALTERVwL1Z2cC9M=:fr2gIu5IZb1fTxUdWQqjmBsl//w="
}
'''
CHANNELS = 'channels "*" { subscribe = anyone  publish = token }'

# What arrived is kept with the tab, so that a reload forgets nothing of it.
PAGE = """<!DOCTYPE html>
<meta charset="utf-8"><title>strophe</title>
<script src="/strophe.js"></script>
<script>
"use strict";
let connection, status = null;
const errors = [], conditions = [];
const got = JSON.parse(sessionStorage.got || "[]");
const name = (number) => Object.keys(Strophe.Status)
  .find((key) => Strophe.Status[key] === number);

window.onerror = (message) => { errors.push(message); };

function listen() {
  connection.addHandler((message) => {
    const body = message.getElementsByTagName("body")[0];
    got.push(Number(Strophe.getText(body)));
    sessionStorage.got = JSON.stringify(got);
    return true;
  }, null, "message");
}

function changed(number, why) {
  status = name(number);
  if (why)
    conditions.push(why);
  if (status === "ATTACHED")
    listen();
}

function open(url, jid, password) {
  connection = new Strophe.Connection(url, { keepalive: true });
  connection.connect(jid, password, changed);
}

function subscribe(domain, channel, done) {
  listen();
  connection.sendIQ($iq({ type: "set", to: domain })
    .c("pubsub", { xmlns: "http://jabber.org/protocol/pubsub" })
    .c("subscribe", { node: channel, jid: connection.jid }),
    () => done("subscribed"), () => done("refused"));
}

function publish(domain, channel, id, text, done) {
  connection.sendIQ($iq({ type: "set", to: domain })
    .c("pubsub", { xmlns: "http://jabber.org/protocol/pubsub" })
    .c("publish", { node: channel }).c("item", { id: id })
    .c("entry", { xmlns: "http://www.w3.org/2005/Atom" }).t(text),
    () => done("published"), () => done("refused"));
}

function restore(url, jid) {
  connection = new Strophe.Connection(url, { keepalive: true });
  connection.restore(jid, changed);
}

function attach(url, session) {
  connection = new Strophe.Connection(url);
  connection.attach(session.jid, session.sid, session.rid, changed);
}
</script>
"""


class Page:
    """The tab, and what the page in it knows."""

    def __init__(self, driver, url, waft, transport):
        self.driver = driver
        self.url = url
        self.waft = waft
        self.transport = transport
        self.service = URLS[transport].format(waft.public)
        self.sent = 0

    def load(self):
        self.driver.get(self.url)

    def leave(self):
        """Ends the page without a word to the gateway, which sees its polls end."""
        self.driver.get("about:blank")
        self.wait_silent()

    def wait_silent(self):
        wait_until(lambda: self.waft.bosh.metric("waft_bosh_waiting") == 0, 30,
                   "no request is held")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def call(self, script, *arguments):
        """A function that gets its callback last."""
        return self.driver.execute_async_script(script, *arguments)

    def wait_status(self, wanted):
        wait_until(lambda: self.run("return status") == wanted, 30,
                   f"status {wanted}")

    def connect(self, jid=BOSH_DOMAIN, password=None):
        self.load()
        self.run("open(...arguments)", self.service, jid, password)
        self.wait_status("CONNECTED")

    def subscribe(self):
        assert self.call("subscribe(...arguments)", BOSH_DOMAIN, "news") == \
            "subscribed"

    def publish(self, count):
        """One request with so many numbered items."""
        items = [{"channel": "news", "formats": {"xmpp-stanza": {
            "content": f"<message><body>{number}</body></message>"}}}
            for number in range(self.sent, self.sent + count)]
        status, text = self.waft.bosh.request("POST", "/publish/", {"items": items})
        assert status == 200, text
        self.sent += count

    def wait_all(self):
        """Everything published came once, in order."""
        wait_until(lambda: self.run("return got.length") >= self.sent, 60,
                   f"{self.sent} items")
        assert self.run("return got") == list(range(self.sent))
        assert self.run("return errors") == []

    def session(self):
        """What another page needs to go on with this session."""
        return self.run("return { jid: connection.jid, sid: connection._proto.sid, "
                        "rid: connection._proto.rid }")


@pytest.fixture(params=EVERY, ids="-".join)
def page(driver, request):
    name, transport = request.param
    script = SCRIPTS[name]
    assert script.exists(), f"{script}: make deps, or make build/demo/strophe.js"
    with site(PAGE, {"strophe.js": script}) as url, Waft(
            sections=TOKEN, channels=CHANNELS) as waft:
        waft.start("bosh")
        try:
            yield Page(driver, url, waft, transport)
        finally:
            driver.get("about:blank")


def test_a_thousand_items_arrive_once_and_in_order(page):
    page.connect()
    page.subscribe()
    for _ in range(9):
        page.publish(100)
    for _ in range(100):
        page.publish(1)
    page.wait_all()


def test_a_named_user_logs_in_and_a_wrong_secret_does_not(page):
    page.load()
    page.run("open(...arguments)", page.service, f"alice@{BOSH_DOMAIN}", "queen")
    page.wait_status("AUTHFAIL")
    page.connect(f"alice@{BOSH_DOMAIN}", "wonderland")
    assert page.run("return connection.jid").startswith(f"alice@{BOSH_DOMAIN}/")
    page.subscribe()
    page.publish(10)
    page.wait_all()


def test_I7_a_user_logs_in_by_scram_and_the_page_believes_the_server(page):
    """strophe.js takes the best it knows, and checks the server's signature."""
    logins = 'waft_bosh_logins_total{mechanism="SCRAM-SHA-'

    def count():
        return sum(page.waft.bosh.metric(f'{logins}{size}"}}')
                   for size in ("256", "1"))

    before = count()
    page.connect(f"hashed@{BOSH_DOMAIN}", "pencil")
    assert page.run("return connection.jid").startswith(f"hashed@{BOSH_DOMAIN}/")
    assert count() == before + 1


def test_a_page_publishes_where_its_login_allows_it(page):
    page.connect()
    publish = "publish(...arguments)"
    assert page.call(publish, BOSH_DOMAIN, "news", "1", "x") == "refused"
    page.connect(f"alice@{BOSH_DOMAIN}", "wonderland")
    assert page.call(publish, BOSH_DOMAIN, "news", "1", "a <b>") == "published"
    item, = page.waft.bosh.items("news")
    assert item["id"] == "1"
    assert item["formats"] == {"pubsub-item":
                               "<entry xmlns='http://www.w3.org/2005/Atom'>a &lt;b&gt;</entry>"}


@OVER_BOSH
def test_a_reloaded_page_restores_its_session(page):
    page.connect(f"alice@{BOSH_DOMAIN}", "wonderland")
    page.subscribe()
    page.publish(10)
    page.wait_all()
    jid = page.run("return connection.jid")
    for _ in range(3):
        page.leave()
        page.publish(50)
        page.load()
        page.run("restore(...arguments)", page.service, jid)
        page.wait_status("ATTACHED")
        page.publish(1)
        page.wait_all()
    assert page.waft.bosh.metric("waft_bosh_sessions") == 1


@OVER_BOSH
def test_a_page_attaches_to_the_session_of_another(page):
    page.connect()
    page.subscribe()
    page.publish(10)
    page.wait_all()
    session = page.session()
    page.leave()
    page.publish(50)
    page.load()
    page.run("attach(...arguments)", page.service, session)
    page.wait_status("ATTACHED")
    page.publish(50)
    page.wait_all()


def test_disconnect_ends_the_session_and_it_can_connect_anew(page):
    page.connect()
    page.subscribe()
    page.run("connection.disconnect()")
    page.wait_status("DISCONNECTED")
    wait_until(lambda: page.waft.bosh.metric(f"waft_{page.transport}_sessions") == 0,
               30, "it ended")
    page.run("connection.reset()")
    page.run("connection.connect(arguments[0], null, changed)", BOSH_DOMAIN)
    page.wait_status("CONNECTED")
    page.subscribe()
    page.publish(20)
    page.wait_all()


@OVER_BOSH
def test_a_session_that_is_over_tells_the_page_at_once(page):
    page.connect()
    session = page.session()
    page.leave()
    page.load()
    page.run("attach(...arguments)", page.service, dict(session, sid="0gone"))
    page.wait_status("DISCONNECTED")
    assert set(page.run("return conditions")) == {"item-not-found"}
