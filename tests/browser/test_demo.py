"""The demo as a stranger sees it: `make demo`'s script, its page in headless Chromium
with an unmodified strophe.js, and the XMPP user behind Prosody."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import pytest
from selenium.webdriver.common.by import By

from pages import ROOT, chromium, screenshot
from servers import wait_until

BUILD = pathlib.Path(os.environ.get("WAFT_BUILD", ROOT / "build")).resolve()


class Demo:
    """demo/demo.py, its output, and what it says about itself."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory, "output")
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", "-u", str(ROOT / "demo" / "demo.py"), str(BUILD)],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                start_new_session=True, env=dict(os.environ, TMPDIR=str(directory)))
        wait_until(self.is_up, 60, "the demo tells its URL")
        self.url = re.search(r"http://\S+/demo/\S*", self.output()).group()
        self.publish_url = re.search(r"curl (http://\S+)", self.output()).group(1)

    def output(self):
        return self.path.read_text(errors="replace")

    def is_up(self):
        assert self.process.poll() is None, self.output()
        return "Ctrl-C ends everything" in self.output()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def publish(self, stanza):
        body = {"items": [{"channel": "demo", "xmpp-stanza": {"content": stanza}}]}
        request = urllib.request.Request(
            self.publish_url, json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()


@pytest.fixture
def demo():
    # Not pytest's tmp_path: that is kept, and the test looks for what is left.
    directory = tempfile.mkdtemp(prefix="waft-browser-")
    running = Demo(directory)
    yield running
    running.close()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def browser():
    with chromium() as driver:
        yield driver


def text(browser, name):
    return browser.find_element(By.ID, name).text


def open_page(demo, browser):
    browser.get(demo.url)
    wait_until(lambda: text(browser, "connection") == "connected, subscribed",
               30, "the page has subscribed")


def rows(browser):
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#items li")]


def test_a_stanza_written_in_the_page_arrives_in_both_clients(demo, browser):
    open_page(demo, browser)
    box = browser.find_element(By.ID, "stanza")
    box.clear()
    box.send_keys("<message type='chat' xml:lang='de'><body>Grüße &amp; <x/></body>"
                  "<t xmlns='urn:example:tick' n='7'/></message>")
    browser.find_element(By.ID, "publish").click()
    wait_until(lambda: rows(browser), 10, "the stanza is shown")
    row = rows(browser)[0]
    assert "Grüße &amp; <x/>" in row.replace("<x></x>", "<x/>")
    assert 'urn:example:tick' in row
    wait_until(lambda: re.search(r"\d+\.\d ms", rows(browser)[0]), 10, "a latency")
    assert text(browser, "answer").startswith("stored as ")
    wait_until(lambda: "received:" in demo.output(), 10, "alice got it")
    assert "urn:example:tick" in demo.output()
    screenshot(browser, "demo")


def test_what_curl_publishes_arrives_in_the_page_in_order(demo, browser):
    open_page(demo, browser)
    for number in range(20):
        demo.publish(f"<message><body>number {number}</body></message>")
    wait_until(lambda: text(browser, "count") == "20", 20, "all are shown")
    shown = [re.search(r"number (\d+)", row).group(1) for row in rows(browser)]
    assert shown == [str(number) for number in reversed(range(20))]


def test_a_bad_stanza_is_refused_with_its_place(demo, browser):
    open_page(demo, browser)
    box = browser.find_element(By.ID, "stanza")
    box.clear()
    box.send_keys("<message><body>no end</message>")
    browser.find_element(By.ID, "publish").click()
    wait_until(lambda: "bad" in (browser.find_element(By.ID, "answer")
                                 .get_attribute("class") or ""), 10, "it is refused")
    assert re.search(r"1:\d+", text(browser, "answer"))
    assert rows(browser) == []


def test_ctrl_c_leaves_nothing_behind(demo):
    assert demo.interrupt() == 0, demo.output()
    assert "nothing left behind" in demo.output()
    left = [path for path in demo.path.parent.iterdir() if path != demo.path]
    assert left == []
    programs = subprocess.run(
        ["pgrep", "-af", str(demo.path.parent)], capture_output=True, text=True)
    assert programs.stdout == ""
