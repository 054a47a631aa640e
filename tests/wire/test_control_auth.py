"""Who may do what at the control API: tokens, realms and patterns."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import time

import pytest

from bosh import BUILD, COMPONENT, Api, Gateway, until

KEY = b"0123456789abcdef0123456789abcdef"


def jwt(issuer="acme", expires=600, key=KEY, **header):
    def part(value):
        raw = json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    text = (part({"typ": "jwt", "alg": "HS256", **header}) + b"." +
            part({"iss": issuer, "exp": int(time.time()) + expires}))
    mark = hmac.new(key, text, hashlib.sha256).digest()
    return (text + b"." +
            base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


AUTH = f"""
control {{ auth = token }}
token "acme" {{ kind = jwt  key = "base64:{base64.b64encode(KEY).decode()}"
               prefix = yes }}
token "ops" {{ kind = static  secret = "s3cret-s3cret-s3cret" }}
token "ci" {{ kind = basic  secret = "password-of-ci"
             publish = {{"build-*"}}  subscribe = {{"build-*"}} }}
"""


@pytest.fixture(scope="module")
def guarded():
    with Gateway(sections=COMPONENT + AUTH) as running:
        yield running


@pytest.fixture
def closed(guarded):
    return Api(guarded.control)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("header, path, status", [
    (None, "/publish/", 401),
    ("Bearer wrong", "/publish/", 401),
    ("Bearer s3cret-s3cret-s3cret", "/publish/", 200),
    ("bearer s3cret-s3cret-s3cret", "/publish/", 200),
    (lambda: f"Bearer {jwt()}", "/publish/", 200),
    (lambda: f"Bearer {jwt()}", "/realm/acme/publish/", 200),
    (lambda: f"Bearer {jwt()}", "/realm/ops/publish/", 403),
    (lambda: f"Bearer {jwt(expires=-120)}", "/publish/", 401),
    (lambda: f"Bearer {jwt(key=b'x' * 32)}", "/publish/", 401),
    (lambda: f"Bearer {jwt(issuer='other')}", "/publish/", 401),
    (lambda: f"Bearer {jwt(alg='none')}", "/publish/", 401),
    (basic("ci", "password-of-ci"), "/publish/", 403),
    (basic("ci", "wrong"), "/publish/", 401),
    (basic("ci", "password-of-ci"), "/publish/build-7/", 200),
    (basic("ci", "password-of-ci"), "/realm/ci/publish/build-7/", 200),
])
def test_tokens_decide_who_publishes_where(closed, header, path, status):
    header = header() if callable(header) else header
    headers = {} if header is None else {"Authorization": header}
    named = "build" in path
    item = {"fpp": 1} if named else {"channel": "news", "fpp": 1}
    answer = closed.call("POST", path, {"items": [item]}, **headers)
    assert answer.status == status, answer.text
    if status == 401:
        assert answer.headers["WWW-Authenticate"]


def test_a_realm_puts_its_name_before_the_channel(closed):
    ops = {"Authorization": "Bearer s3cret-s3cret-s3cret"}
    closed.publish({"channel": "n", "fpp": 1}, path="/realm/acme/publish/",
                   Authorization=f"Bearer {jwt()}")
    listed = closed.json("GET", "/channels/", **ops)
    assert "acme/n" in [c["channel"] for c in listed["channels"]]
    assert "n" not in [c["channel"] for c in listed["channels"]]


def test_one_denied_item_stores_nothing(closed):
    answer = closed.call(
        "POST", "/publish/", {"items": [{"channel": "build-x", "fpp": 1},
                                        {"channel": "other", "fpp": 1}]},
        Authorization=basic("ci", "password-of-ci"))
    assert answer.status == 403
    assert closed.call("GET", "/channels/build-x/",
                       Authorization="Bearer s3cret-s3cret-s3cret"
                       ).status == 404


@pytest.mark.parametrize("method, path", [
    ("GET", "/channels/"), ("GET", "/channels/a/"), ("PUT", "/channels/a/"),
    ("DELETE", "/channels/a/"), ("GET", "/channels/a/items/"),
    ("GET", "/channels/a/subscriptions/"),
    ("POST", "/channels/a/subscriptions/"),
    ("DELETE", "/channels/a/subscriptions/b@c/"),
    ("GET", "/metrics"), ("GET", "/status")])
def test_all_but_health_needs_a_token(closed, method, path):
    assert closed.call(method, path, "{}").status == 401
    assert closed.call("GET", "/healthz").status == 200
    assert closed.call("GET", "/readyz").status == 200


@pytest.mark.parametrize("method, path", [
    ("GET", "/channels/a/"), ("PUT", "/channels/a/"),
    ("DELETE", "/channels/a/"), ("GET", "/channels/a/items/"),
    ("GET", "/channels/a/subscriptions/"),
    ("POST", "/channels/a/subscriptions/"),
    ("DELETE", "/channels/a/subscriptions/b@c/")])
def test_patterns_hold_for_everything_about_a_channel(closed, method, path):
    assert closed.call(method, path, '{"jid":"a@b"}',
                       Authorization=basic("ci", "password-of-ci")
                       ).status == 403


def test_off_loopback_needs_auth(tmp_path):
    config = tmp_path / "waft.conf"
    config.write_text('store { engine = memory }\n'
                      'bosh { listen = {"127.0.0.1:0"}\n'
                      '  control = "0.0.0.0:0" }\n')
    done = subprocess.run([BUILD / "bin" / "waft-bosh", "-c", config],
                          stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == 78
    assert "auth" in done.stderr


def test_hup_takes_new_tokens_and_refuses_a_bad_file():
    with Gateway(sections=AUTH) as gateway:
        api = Api(gateway.control)
        good = gateway.config.read_text()

        def status(secret):
            return api.call("POST", "/publish/", '{"items":[]}',
                            Authorization=f"Bearer {secret}").status

        assert status("s3cret-s3cret-s3cret") == 200
        gateway.config.write_text(good.replace("s3cret", "changed"))
        os.kill(gateway.process.pid, signal.SIGHUP)
        until(lambda: status("changed-changed-changed") == 200)
        assert status("s3cret-s3cret-s3cret") == 401
        gateway.config.write_text("nonsense {")
        os.kill(gateway.process.pid, signal.SIGHUP)
        until(lambda: "event=reload.refused" in gateway.tail())
        assert status("changed-changed-changed") == 200
