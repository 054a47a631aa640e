"""A page does not notice that waft-bosh dies and starts again: strophe.js in Chromium,
and stanza.js under node, unmodified, while publishes go on at the other daemon."""

import signal
import threading

import pytest

from daemons import Waft
from pages import site
from servers import free_ports, listens, wait_until
from test_stanza import start as start_stanza
from test_strophe import PAGE, SCRIPTS, TOKEN, Page

# Changes of the connection's status, and the id of each item.
WATCH = """
window.changes = [];
window.ids = [];
connection.connect_callback = (number) => { changes.push(name(number)); };
connection.addHandler((message) => {
  const body = message.getElementsByTagName("body")[0];
  ids.push([message.getAttribute("id"), Strophe.getText(body)]);
  return true;
}, null, "message");
"""


class Publisher(threading.Thread):
    """Publishes one numbered item after the other until it is told to stop."""

    def __init__(self, control):
        super().__init__()
        self.control = control
        self.stopping = threading.Event()
        self.sent = 0

    def run(self):
        while not self.stopping.wait(0.02):
            self.control.publish("news", f"<message><body>{self.sent}</body></message>")
            self.sent += 1

    def stop(self):
        self.stopping.set()
        if self.is_alive():
            self.join()


def wait_shown(page, count):
    """So many more than now."""
    wanted = page.run("return got.length") + count
    wait_until(lambda: page.run("return got.length") >= wanted, 60,
               f"the page has {wanted}")


@pytest.fixture
def waft():
    # The component has no server; it takes publishes all the same.
    with Waft(sections=TOKEN, engine="sqlite", server=free_ports(1)[0]) as waft:
        waft.start("component", ready=False)
        wait_until(lambda: listens(waft.component.port), 30, "its control API")
        waft.start("bosh")
        yield waft


@pytest.fixture
def page(driver, waft):
    with site(PAGE, {"strophe.js": SCRIPTS["npm"]}) as url:
        try:
            yield Page(driver, url, waft, "bosh")
        finally:
            driver.get("about:blank")


def kill_and_start(waft, publisher):
    waft.daemons[-1].end(signal.SIGKILL)
    at = publisher.sent + 10
    wait_until(lambda: publisher.sent > at, 30, "publishes go on without it")
    waft.start("bosh")


def test_a_page_does_not_notice_that_the_gateway_is_killed(page):
    waft = page.waft
    page.connect()
    page.run(WATCH)
    page.subscribe()
    before = page.session()
    publisher = Publisher(waft.component)
    publisher.start()
    try:
        wait_shown(page, 20)
        kill_and_start(waft, publisher)
        wait_shown(page, 20)
    finally:
        publisher.stop()
    wait_until(lambda: page.run("return got.includes(arguments[0])",
                                publisher.sent - 1), 60, "the last has come")
    # What was in the last answers before a kill may come twice, with the same ids.
    assert list(dict.fromkeys(page.run("return got"))) == list(range(publisher.sent))
    pairs = {tuple(pair) for pair in page.run("return ids")}
    assert len(pairs) == publisher.sent == len({pair[0] for pair in pairs})
    assert page.run("return [status, changes, errors]") == ["CONNECTED", [], []]
    after = page.session()
    assert (after["jid"], after["sid"]) == (before["jid"], before["sid"])
    assert waft.bosh.metric("waft_bosh_sessions") == 1


def test_stanza_does_not_notice_it_either(waft):
    client = start_stanza(waft, "bosh", "alice", "wonderland")
    publisher = Publisher(waft.component)
    try:
        assert client.stdout.readline().startswith("connected ")
        assert client.stdout.readline() == "subscribed\n"
        publisher.start()
        before = [client.stdout.readline() for _ in range(20)]
        kill_and_start(waft, publisher)
        # It connects only once, so there is no `connected` among them; what had been
        # answered before the kill comes again.
        said = before + [client.stdout.readline() for _ in range(100)]
    finally:
        publisher.stop()
        client.kill()
        client.wait()
        client.stdout.close()
    numbers = list(dict.fromkeys(int(line) for line in said))
    assert len(numbers) > len(before)
    assert numbers == list(range(len(numbers)))
    assert waft.bosh.metric("waft_bosh_sessions") == 1
