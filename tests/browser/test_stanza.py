"""stanza.js, as npm has it, under node."""

import os
import subprocess
import threading

import pytest

from daemons import BOSH_DOMAIN, Waft, wait_until
from pages import HERE, NPM

ITEMS = 1000
TOKEN = 'token "alice" { secret = "wonderland"  subscribe = {"*"} }'
URLS = {"bosh": "http://127.0.0.1:{}/http-bind",
        "websocket": "ws://127.0.0.1:{}/ws"}


@pytest.fixture(scope="module", params=["scram", "plain"])
def waft(request):
    bosh = {"scram": "", "plain": 'mechanisms = {"PLAIN", "ANONYMOUS"}'}[request.param]
    with Waft(sections=TOKEN, bosh=bosh) as running:
        running.start("bosh")
        yield running


def start(waft, transport, user, password):
    assert NPM.exists(), f"{NPM}: make check installs it"
    client = subprocess.Popen(
        ["node", HERE / "stanza_client.js", transport,
         URLS[transport].format(waft.public), BOSH_DOMAIN, user, password, "news",
         str(ITEMS)],
        stdout=subprocess.PIPE, text=True, env=dict(os.environ, NODE_PATH=str(NPM)))
    late = threading.Timer(120, client.kill)  # who reads its lines waits for ever
    late.daemon = True
    late.start()
    return client


def publish(waft, numbers):
    status, text = waft.bosh.request("POST", "/publish/", {"items": [
        {"channel": "news", "formats": {"xmpp-stanza": {
            "content": f"<message><body>{number}</body></message>"}}}
        for number in numbers]})
    assert status == 200, text


@pytest.mark.parametrize("user", ["", "alice"])
@pytest.mark.parametrize("transport", sorted(URLS))
def test_stanza_gets_a_thousand_items_once_and_in_order(waft, transport, user):
    client = start(waft, transport, user, "wonderland")
    try:
        word, jid = client.stdout.readline().split()
        assert word == "connected"
        assert jid.startswith(f"{user}@{BOSH_DOMAIN}/" if user else "")
        assert client.stdout.readline() == "subscribed\n"
        for first in range(0, ITEMS - 100, 100):
            publish(waft, range(first, first + 100))
        for number in range(ITEMS - 100, ITEMS):
            publish(waft, [number])
        output, _ = client.communicate(timeout=60)
    finally:
        client.kill()
        client.wait()
    assert output.split() == [str(number) for number in range(ITEMS)]
    assert client.returncode == 0
    wait_until(lambda: waft.bosh.metric("waft_bosh_sessions") == 0, 20,
               "the session has ended with it")


@pytest.mark.parametrize("transport", sorted(URLS))
def test_stanza_with_a_wrong_password_is_refused(waft, transport):
    client = start(waft, transport, "alice", "queen")
    output, _ = client.communicate(timeout=60)
    assert (client.returncode, output) == (1, "")
