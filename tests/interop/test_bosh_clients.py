"""Clients of others, unmodified, at waft-bosh, each made of a library: gloox (which
pipelines, and has its own ideas of HTTP and of `terminate`) and libpurple (which
pipelines, sends once a second and names an encoding that it does not use)."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from certificates import Authority, section  # noqa: E402
from daemons import BOSH_DOMAIN, Waft, wait_until  # noqa: E402

ITEMS = 1000
TOKEN = 'token "alice" { secret = "wonderland"  subscribe = {"*"} }'


@pytest.fixture(scope="module")
def gloox(tmp_path_factory):
    program = tmp_path_factory.mktemp("gloox") / "gloox_client"
    subprocess.run(
        ["g++", "-O0", "-o", program, ROOT / "tests/interop/gloox_client.cpp",
         "-lgloox"], check=True, timeout=120)
    return program


@pytest.fixture(scope="module", params=["scram", "plain"])
def waft(request):
    bosh = {"scram": "", "plain": 'mechanisms = {"PLAIN", "ANONYMOUS"}'}[request.param]
    with Waft(sections=TOKEN, bosh=bosh) as running:
        running.start("bosh")
        yield running


def start(program, waft, mode, user="", password="", count=ITEMS, port=None):
    return subprocess.Popen(
        [program, str(port or waft.public), mode, BOSH_DOMAIN, user, password, "news",
         str(count)], stdout=subprocess.PIPE, text=True)


def publish(waft, numbers):
    status, text = waft.bosh.request("POST", "/publish/", {"items": [
        {"channel": "news", "formats": {"xmpp-stanza": {
            "content": f"<message><body>{number}</body></message>"}}}
        for number in numbers]})
    assert status == 200, text


@pytest.mark.parametrize("user", ["", "alice"])
@pytest.mark.parametrize("mode", ["pipelining", "http11", "http10"])
def test_gloox_gets_a_thousand_items_once_and_in_order(waft, gloox, mode, user):
    ended = waft.bosh.metric("waft_bosh_ends_total")
    client = start(gloox, waft, mode, user, "wonderland")
    try:
        word, jid = client.stdout.readline().split()
        assert word == "connected"
        assert jid.startswith(f"{user}@{BOSH_DOMAIN}/" if user else "")
        assert client.stdout.readline() == "subscribed\n"
        for first in range(0, ITEMS - 100, 100):
            publish(waft, range(first, first + 100))
        for number in range(ITEMS - 100, ITEMS):
            publish(waft, [number])
        output, _ = client.communicate(timeout=20)
    finally:
        client.kill()
        client.wait()
    assert output.split() == [str(number) for number in range(ITEMS)]
    assert client.returncode == 0
    if mode == "http10":  # it exits before its `terminal` is on the way
        return
    wait_until(lambda: waft.bosh.metric("waft_bosh_ends_total") > ended, 5,
               "its `terminal` has ended the session")


def test_gloox_pipelines_over_tls(gloox, tmp_path):
    made = Authority(tmp_path).issue("push", "push.test")
    with Waft(sections=TOKEN + "\n" + section("push", *made),
              bosh='tls-listen = {"127.0.0.1:0"}  assume-secure = no') as waft:
        ready = waft.start("bosh").wait_line("ready")
        port = re.search(r"https=127.0.0.1:(\d+)", ready)[1]
        client = start(gloox, waft, "pipelining-tls", "alice", "wonderland",
                       300, port)
        try:
            assert client.stdout.readline().startswith("connected alice@")
            assert client.stdout.readline() == "subscribed\n"
            publish(waft, range(100))
            for number in range(100, 300):
                publish(waft, [number])
            output, _ = client.communicate(timeout=20)
        finally:
            client.kill()
            client.wait()
        assert output.split() == [str(number) for number in range(300)]


def test_gloox_with_a_wrong_password_is_refused(waft, gloox):
    client = start(gloox, waft, "pipelining", "alice", "queen")
    output, _ = client.communicate(timeout=20)
    assert (client.returncode, output) == (1, "")


@pytest.fixture(scope="module")
def purple(tmp_path_factory):
    program = tmp_path_factory.mktemp("purple") / "purple_client"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "purple"], check=True,
                           capture_output=True, text=True).stdout.split()
    subprocess.run(
        ["gcc", "-O0", "-o", program, ROOT / "tests/interop/purple_client.c", *flags],
        check=True, timeout=120)
    return program


def start_purple(program, waft, folder, password):
    return subprocess.Popen(
        [program, folder, str(waft.public), BOSH_DOMAIN, "alice", password, "news",
         str(ITEMS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("waft", ["scram"], indirect=True)  # it tries all there are
def test_libpurple_gets_a_thousand_items_once_and_in_order(waft, purple, tmp_path):
    before = waft.bosh.metric("waft_bosh_sessions")
    client = start_purple(purple, waft, tmp_path / "right", "wonderland")
    # Its login takes seven seconds: it sends once a second, and asks much.
    stranger = start_purple(purple, waft, tmp_path / "wrong", "queen")
    try:
        assert client.stdout.readline() == f"connected alice@{BOSH_DOMAIN}/purple\n"
        assert client.stdout.readline() == "subscribed\n"
        for first in range(0, ITEMS - 100, 100):
            publish(waft, range(first, first + 100))
        for number in range(ITEMS - 100, ITEMS):
            publish(waft, [number])
        output, errors = client.communicate(timeout=60)
        refused = stranger.communicate(timeout=60)
    finally:
        for each in (client, stranger):
            each.kill()
            each.wait()
    assert output.split() == [str(number) for number in range(ITEMS)], errors
    assert client.returncode == 0
    assert (stranger.returncode, *refused) == \
        (1, "", "Incorrect username or password\n")
    wait_until(lambda: waft.bosh.metric("waft_bosh_sessions") <= before, 20,
               "the sessions have ended with them")
