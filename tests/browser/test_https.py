"""An unmodified strophe.js in Chromium, all of it over TLS: waft serves the page and
the BOSH requests, with a certificate that the browser is told to know."""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess

import pytest

from certificates import Authority, section
from daemons import BOSH_DOMAIN, Waft, wait_until
from pages import HERE, NPM, chromium
from test_strophe import PAGE, SCRIPTS, Page


def fingerprint(chain):
    """What Chromium knows a certificate by: the hash of its public key."""
    key = subprocess.run(["openssl", "x509", "-in", chain, "-noout", "-pubkey"],
                         capture_output=True, check=True, timeout=20).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"],
                         input=key, capture_output=True, check=True,
                         timeout=20).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The certificate in use, another one, and a browser that knows both."""
    folder = tmp_path_factory.mktemp("ca")
    authority = Authority(folder)
    used = authority.issue("used", "push.test")
    other = authority.issue("other", "push.test")
    known = ",".join(fingerprint(chain) for chain, _ in (used, other))
    with chromium(f"--ignore-certificate-errors-spki-list={known}",
                  "--disable-features=BackForwardCache") as driver:
        driver.set_script_timeout(60)
        yield used, other, driver, authority.root


@pytest.fixture
def page(live, tmp_path):
    (chain, key), driver = live[0], live[2]
    shutil.copy(chain, tmp_path / "chain.pem")
    shutil.copy(key, tmp_path / "key.pem")
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(SCRIPTS["npm"], site / "strophe.js")
    (site / "index.html").write_text(PAGE.replace('"/strophe.js"',
                                                  '"strophe.js"'))
    with Waft(bosh='tls-listen = {"127.0.0.1:0"}  assume-secure = no  '
                   f'demo = yes  web = "{site}"',
              sections='token "alice" { secret = "wonderland" }\n' + section(
                  "x", tmp_path / "chain.pem", tmp_path / "key.pem")) as waft:
        daemon = waft.start("bosh")
        port = re.search(r"https=127.0.0.1:(\d+)", daemon.wait_line("ready"))[1]
        made = Page(driver, f"https://127.0.0.1:{port}/demo/", waft, "bosh")
        made.service = f"https://127.0.0.1:{port}/http-bind"
        made.daemon, made.folder = daemon, tmp_path
        try:
            yield made
        finally:
            driver.get("about:blank")


@pytest.mark.parametrize("scheme, path", [("https", "http-bind"), ("wss", "ws")])
def test_J15_items_arrive_over_tls_once_and_in_order(page, scheme, path):
    """With a password, which is offered nowhere else."""
    page.service = page.url.replace("https", scheme).replace("demo/", path)
    page.connect(f"alice@{BOSH_DOMAIN}", "wonderland")
    page.subscribe()
    for _ in range(5):
        page.publish(50)
    for _ in range(50):
        page.publish(1)
    page.wait_all()
    assert page.waft.bosh.metric("waft_tls_handshakes_total") > 0


def test_a_new_certificate_is_not_noticed_by_the_page(page, live):
    page.connect()
    page.subscribe()
    page.publish(10)
    page.wait_all()
    chain, key = live[1]
    shutil.copy(chain, page.folder / "chain.pem")
    shutil.copy(key, page.folder / "key.pem")
    page.daemon.process.send_signal(signal.SIGHUP)
    page.daemon.wait_line("reload")
    page.publish(50)
    page.wait_all()
    session = page.session()
    page.leave()
    page.publish(10)
    page.load()
    page.run("attach(...arguments)", page.service, session)
    page.wait_status("ATTACHED")
    page.publish(10)
    page.wait_all()


@pytest.mark.parametrize("transport, scheme, path", [
    ("bosh", "https", "http-bind"), ("websocket", "wss", "ws")])
def test_stanza_under_node_checks_the_certificate_and_comes_in(
        page, live, transport, scheme, path):
    assert NPM.exists(), f"{NPM}: make check installs it"
    url = page.url.replace("https", scheme).replace("demo/", path)
    client = subprocess.Popen(
        ["node", HERE / "stanza_client.js", transport, url, BOSH_DOMAIN, "alice",
         "wonderland", "news", "50"], stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, NODE_PATH=str(NPM),
                 NODE_EXTRA_CA_CERTS=str(live[3])))
    try:
        assert client.stdout.readline().startswith("connected alice@")
        assert client.stdout.readline() == "subscribed\n"
        page.publish(50)
        output, _ = client.communicate(timeout=60)
    finally:
        client.kill()
        client.wait()
    assert output.split() == [str(number) for number in range(50)]
