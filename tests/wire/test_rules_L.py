"""Discovery: checklist L (XEP-0156)."""

import json
import subprocess
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pytest

from bosh import BUILD, ROOT, Gateway, Session

XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
REL = "urn:xmpp:alt-connections:"
URL = "https://push.example.org:8443/xmpp"
LINKS = {REL + "xbosh": URL + "/http-bind",
         REL + "websocket": "wss" + URL[5:] + "/ws"}


@pytest.fixture(scope="module")
def gateway():
    with Gateway(f'public-url = "{URL}/"\n'
                 'origins = {"https://page.example.org"}') as running:
        yield running


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def fetch(gateway, path, method="GET", **headers):
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway.port}{path}", method=method,
        headers=headers)
    try:
        return urllib.request.build_opener(NoRedirect).open(request, timeout=10)
    except urllib.error.HTTPError as error:
        return error


def xrd(gateway):
    return {link.get("rel"): link.get("href") for link in ET.fromstring(
        fetch(gateway, "/.well-known/host-meta").read()).findall(XRD + "Link")}


def jrd(gateway):
    return {link["rel"]: link["href"] for link in json.load(
        fetch(gateway, "/.well-known/host-meta.json"))["links"]}


def test_L1_host_meta_links_to_bosh_and_websocket(gateway):
    answer = fetch(gateway, "/.well-known/host-meta")
    assert answer.headers.get_content_type() == "application/xrd+xml"
    assert xrd(gateway) == LINKS
    answer = fetch(gateway, "/.well-known/host-meta.json")
    assert answer.headers.get_content_type() == "application/json"


def test_L2_only_https_and_wss_are_in_it(gateway, tmp_path):
    assert all(href.startswith(("https://", "wss://"))
               for href in xrd(gateway).values())
    for url in ("http://push.example.org", "https://", "https:///x",
                "https://a b", "push.example.org"):
        config = tmp_path / "waft.conf"
        config.write_text(f'bosh {{ public-url = "{url}" }}\n')
        ended = subprocess.run([BUILD / "bin" / "waft", "check", "-c", config],
                               capture_output=True, text=True, timeout=30)
        assert ended.returncode == 78
        assert "public-url" in ended.stderr + ended.stdout


def test_L3_any_page_may_read_these_two_and_no_other(gateway):
    for path in ("/.well-known/host-meta", "/.well-known/host-meta.json"):
        answer = fetch(gateway, path, Origin="https://elsewhere.example.org")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Credentials"] is None
    answer = fetch(gateway, "/http-bind", Origin="https://elsewhere.example.org")
    assert answer.headers["Access-Control-Allow-Origin"] is None


def test_L4_both_forms_say_the_same(gateway):
    assert xrd(gateway) == jrd(gateway) == LINKS


def test_L5_no_record_of_the_dns_is_made_or_asked_for():
    """The documents replaced _xmppconnect: neither program nor docs name it."""
    docs = [path.read_bytes() for path in (ROOT / "docs").iterdir()
            if path.is_file()]
    for text in [(BUILD / "bin" / "waft-bosh").read_bytes(), *docs]:
        assert b"_xmppconnect" not in text
    assert any(b"host-meta" in text for text in docs)


def test_L6_the_answer_is_direct(gateway):
    for path in ("/.well-known/host-meta", "/.well-known/host-meta.json"):
        assert fetch(gateway, path).status == 200
        assert fetch(gateway, path, "HEAD").status == 200
        assert fetch(gateway, path, "POST").status == 405


def test_L1_without_a_public_url_it_says_what_is_missing():
    with Gateway() as gateway:
        answer = fetch(gateway, "/.well-known/host-meta")
        assert answer.status == 404
        assert b"public-url" in answer.read()
        assert Session(gateway.port).sid
