"""The control API over the wire: fanout-protocols 1.1 to 1.6 and DESIGN 11."""

import json
import re
import signal
import socket
import threading
import time
from urllib.parse import quote

import pytest

from bosh import COMPONENT, DOMAIN, Api, Gateway, until

STANZA = "<message><body>hello</body></message>"


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def gateway(request):
    with Gateway(engine=request.param, sections=COMPONENT + """
control { hosts = {"waft.test"} origins = {"https://page.test"}
          items-max = 20 stanza-max = 4096 stanza-depth = 8
          item-max = 8192 max-body = 65536 }
channels "short*" { history-items = 3 }
""") as running:
        yield running


@pytest.fixture
def api(gateway):
    made = Api(gateway.control)
    yield made
    made.conn.close()


CHANNELS = iter(range(10**6))


@pytest.fixture
def channel():
    return f"c{next(CHANNELS)}"


# ---- publishing ------------------------------------------------------------


def test_answers_as_pushpin_does(api, channel):
    item = {"channel": channel, "http-stream": {"content": "x\n"}}
    answer = api.call("POST", "/publish/", {"items": [item]})
    assert (answer.status, answer.text) == (200, "Published\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    answer = api.call("POST", "/publish", {"items": [item]}, Accept="*/*",
                      Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, answer.text) == (200, "Published\n")
    answer = api.publish(item)
    assert answer["message"] == "Published"
    assert len(answer["items"]) == 1


@pytest.mark.parametrize("body, text", [
    ("{", "Body is not valid JSON.\n"),
    ("", "Body is not valid JSON.\n"),
    ('{"items":[]} x', "Body is not valid JSON.\n"),
    ('{"items":[],"items":[]}', "Body is not valid JSON.\n"),
    (b'{"items":["\xff"]}', "Body is not valid JSON.\n"),
    ('{"items":["\\u0000"]}', "Body is not valid JSON.\n"),
    ("[]", "Invalid format.\n"),
    ("7", "Invalid format.\n"),
    ("{}", "Invalid format: object does not contain 'items'\n"),
    ('{"items":{}}',
     "Invalid format: object contains 'items' with wrong type\n"),
    ('{"items":[7]}', "Invalid format: items[0]: must be an object\n"),
    ('{"items":[{"channel":"c"}]}',
     "Invalid format: items[0]: no formats specified\n"),
    ('{"items":[{"fpp":1}]}',
     "Invalid format: items[0]: object does not contain 'channel'\n"),
    ('{"items":[{"channel":"c","id":7,"fpp":1}]}',
     "Invalid format: items[0].id: must be a string\n"),
    ('{"items":[{"channel":"c","fpp":1},{"channel":"c","http-response":1}]}',
     "Invalid format: items[1].http-response: must be an object\n"),
])
def test_says_what_is_wrong_with_a_request(api, body, text):
    answer = api.call("POST", "/publish/", body)
    assert (answer.status, answer.text) == (400, text)
    answer = api.call("POST", "/publish/", body, Accept="application/json")
    assert answer.status == 400
    detail = json.loads(answer.text)
    assert detail["error"] == "bad"
    assert detail["detail"].startswith(text.rstrip("\n"))


@pytest.mark.parametrize("content, why", [
    ("<!DOCTYPE m><message/>", r":1:\d+: a DOCTYPE is not allowed"),
    ("<message>\n  <body></message>", r":2:\d+: "),
    ("<message/><message/>", r":1:\d+: "),
    ("<html/>", r":1:1: "),
    ("<message xmlns='urn:x'/>", r":1:1: "),
    ("<message type='error'/>", r":1:1: "),
    ("<message from='a@elsewhere.test'/>", r": the domain of 'from'"),
    ("<message>&undefined;</message>", r":1:\d+: "),
    ("<message>" + "<a>" * 9 + "</a>" * 9 + "</message>", r":1:\d+: "),
    ("", r":1:1: "),
])
def test_names_item_field_line_and_column_of_a_bad_stanza(
        api, channel, content, why):
    good = {"channel": channel, "json-object": 1}
    bad = {"channel": channel,
           "formats": {"xmpp-stanza": {"content": content}}}
    answer = api.call("POST", "/publish/", {"items": [good, bad]})
    assert answer.status == 400
    assert re.match(r"Invalid format: "
                    r"items\[1\]\.formats\.xmpp-stanza\.content" + why,
                    answer.text), answer.text
    # Nothing of the request is stored.
    assert api.call("GET", f"/channels/{channel}/").status == 404


@pytest.mark.parametrize("item", [
    {"xmpp-stanza": {"content": "<message><body>" + "x" * 4096 +
                     "</body></message>"}},
    {"json-object": "x" * 8192},
])
def test_an_item_too_large_is_413(api, channel, item):
    answer = api.call("POST", "/publish/",
                      {"items": [{"channel": channel, **item}]})
    assert answer.status == 413
    assert api.call("GET", f"/channels/{channel}/").status == 404


def test_too_many_items_and_too_large_a_body_are_413(api, channel):
    item = {"channel": channel, "fpp": 1}
    assert api.call("POST", "/publish/", {"items": [item] * 20}).status == 200
    assert api.call("POST", "/publish/", {"items": [item] * 21}).status == 413
    answer = Api(api.port).call("POST", "/publish/", "x" * 65537)
    assert answer.status == 413


def test_other_methods_paths_and_types(api):
    answer = api.call("PUT", "/publish/", "{}")
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert api.call("POST", "/publish/", '{"items":[]}',
                    Accept="text/html").status == 406
    answer = api.call("GET", "/nothing/here")
    assert (answer.status, answer.text) == (404, "Not Found\n")
    assert api.call("POST", "/publish/a%zz/", "{}").status == 400


def test_takes_the_channel_of_the_path(api, channel):
    name = channel + "/a b%ü"
    answer = api.publish({"fpp": {"n": 1}}, path=f"/publish/{quote(name, '')}/")
    assert len(answer["items"]) == 1
    assert api.items(name)["items"][0]["channel"] == name
    answer = api.call("POST", f"/publish/{channel}/",
                      {"items": [{"channel": "x", "fpp": 1}]})
    assert answer.status == 400


def test_keeps_every_format_as_it_was_given(api, channel):
    formats = {
        "http-response": {"code": "200", "headers": [["A", "b"]], "body": "é"},
        "http-stream": {"content-bin": "AAE="},
        "json-object": [1, {"a": None}],
        "http-request": {"method": "POST", "body": "x"},
        "ws-message": {"content": "x"},
        "xmpp-stanza": {"content": STANZA},
        "of-tomorrow": {"x": 1},
    }
    api.publish({"channel": channel, "id": "42", "prev-id": "None",
                 "formats": formats})
    item = api.items(channel)["items"][0]
    assert item["formats"] == formats
    assert (item["id"], item["prev-id"]) == ("42", "None")


def test_the_same_id_again_is_answered_as_the_first_time(api, channel):
    item = {"channel": channel, "id": "one", "json-object": 1}
    first = api.publish(item)["items"][0]
    assert first["duplicate"] is False
    again = api.publish(item, {"channel": channel, "json-object": 2})["items"]
    assert again[0] == {"position": first["position"], "duplicate": True}
    assert again[1]["duplicate"] is False
    assert [i["formats"]["json-object"]
            for i in api.items(channel)["items"]] == [1, 2]


def test_publishers_at_once_each_get_their_own_answer(api, gateway, channel):
    positions = []

    def run(worker):
        mine = Api(gateway.control)
        for n in range(25):
            answer = mine.publish({"channel": channel, "id": f"{worker}-{n}",
                                   "json-object": [worker, n]})
            positions.append((answer["items"][0]["position"], [worker, n]))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = api.items(channel, "?max=1000")["items"]
    assert len(stored) >= 100  # history-items, trimmed in steps
    given = dict((position, value) for position, value in positions)
    assert len(given) == 200
    for item in stored:
        assert given[item["position"]] == item["formats"]["json-object"]


def test_pipelined_publishes_are_answered_in_order(gateway, channel):
    body = json.dumps({"items": [{"channel": channel, "fpp": 1}]}).encode()
    request = (b"POST /publish/ HTTP/1.1\r\nHost: localhost\r\n"
               b"Accept: application/json\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body)) + body
    with socket.create_connection(("127.0.0.1", gateway.control), 10) as conn:
        conn.sendall(request * 10)
        text = b""
        while text.count(b"]}\n") < 10:
            data = conn.recv(65536)
            assert data
            text += data
    seqs = [int(n) for n in re.findall(rb'-(\d+)"', text)]
    assert len(seqs) == 10 and seqs == sorted(seqs)


# ---- channels and their items ----------------------------------------------


def publish_numbers(api, channel, numbers):
    answer = api.publish(*({"channel": channel, "json-object": n}
                           for n in numbers))
    return [item["position"] for item in answer["items"]]


def numbers(answer):
    return [item["formats"]["json-object"] for item in answer["items"]]


def test_c6_12_resuming_gives_each_later_item_once(api, channel):
    positions = publish_numbers(api, channel, range(10))
    answer = api.items(channel, f"?after={positions[3]}&max=4")
    assert numbers(answer) == [4, 5, 6, 7]
    assert answer["more"] is True and answer["state"] == "complete"
    answer = api.items(channel, f"?after={answer['position']}&max=4")
    assert numbers(answer) == [8, 9]
    assert answer["more"] is False
    answer = api.items(channel, f"?after={answer['position']}")
    assert numbers(answer) == []
    publish_numbers(api, channel, [10])
    assert numbers(api.items(channel, f"?after={answer['position']}")) == [10]


def test_says_when_items_have_left_the_history(api, channel):
    channel = "short" + channel
    first = publish_numbers(api, channel, [0])[0]
    publish_numbers(api, channel, range(1, 8))
    until(lambda: len(api.items(channel)["items"]) == 3, 15)
    answer = api.items(channel, f"?after={first}")
    assert answer["state"] == "partial"
    assert numbers(answer) == [5, 6, 7]


def test_a_position_of_another_store_is_gone(api, channel):
    answer = api.items(channel, "?after=00000000-1", status=410)
    assert answer["error"] == "gone"
    assert re.fullmatch(r"[0-9a-f]{8}-\d+", answer["position"])


@pytest.mark.parametrize("query", [
    "?after=x", "?after=", "?after=00000000-", "?max=0", "?max=1001",
    "?max=x", "?wait=-1", "?wait=601"])
def test_bad_parameters_are_400(api, channel, query):
    assert api.call("GET", f"/channels/{channel}/items/{query}").status == 400


def held(gateway):
    return gateway.metric("waft_control_waiting")


def test_waits_for_the_next_item(api, gateway, channel):
    waiting = Api(gateway.control)
    position = api.json("GET", "/status")["position"]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        waiting.items(channel, f"?after={position}&wait=20")))
    began = time.monotonic()
    thread.start()
    until(lambda: held(gateway) == 1)
    publish_numbers(api, channel, [1, 2])
    thread.join()
    assert time.monotonic() - began < 10
    assert numbers(answers[0]) == [1, 2]
    publish_numbers(api, channel, [3])
    assert numbers(waiting.items(
        channel, f"?after={answers[0]['position']}&wait=20")) == [3]


def test_waiting_ends_with_an_empty_answer(api, channel):
    began = time.monotonic()
    answer = api.items(channel, "?wait=1")
    assert 0.9 < time.monotonic() - began < 8
    assert answer["items"] == [] and answer["state"] == "complete"
    publish_numbers(api, channel, [1])
    assert numbers(api.items(channel, f"?after={answer['position']}")) == [1]


def test_a_waiting_peer_that_leaves_is_forgotten(gateway, channel):
    conn = socket.create_connection(("127.0.0.1", gateway.control), 10)
    conn.sendall(f"GET /channels/{channel}/items/?wait=60 HTTP/1.1\r\n"
                 f"Host: localhost\r\n\r\n".encode())
    until(lambda: held(gateway) == 1)
    conn.close()
    until(lambda: held(gateway) == 0)


def test_channels_are_made_shown_listed_and_deleted(api, channel):
    name = f"z {channel}/é"
    path = f"/channels/{quote(name, '')}/"
    assert api.call("GET", path).status == 404
    assert api.json("PUT", path, status=201)["channel"] == name
    assert api.json("PUT", path)["items"] == 0
    position = publish_numbers(api, name, [1, 2])[1]
    shown = api.json("GET", path)
    assert (shown["items"], shown["position"]) == (2, position)
    listed = api.json("GET", f"/channels/?after={quote('z ' + channel)}&max=1")
    assert [c["channel"] for c in listed["channels"]] == [name]
    assert api.call("DELETE", path).status == 200
    assert api.call("GET", path).status == 404
    assert api.call("DELETE", path).status == 404
    assert api.items(name)["items"] == []
    publish_numbers(api, name, [3])
    assert numbers(api.items(name)) == [3]


def test_channels_are_listed_in_pages(api, channel):
    names = sorted(f"page-{channel}-{n}" for n in range(5))
    for name in names:
        api.json("PUT", f"/channels/{name}/", status=201)
    found, after, more = [], f"page-{channel}-", True
    while more and len(found) < 5:
        page = api.json("GET", f"/channels/?after={after}&max=2")
        found += [c["channel"] for c in page["channels"]]
        after, more = found[-1], page["more"]
    assert found[:5] == names


@pytest.mark.parametrize("name", ["%07", "x" * 256])
def test_a_bad_channel_name_is_400(api, name):
    assert api.call("GET", f"/channels/{name}/").status == 400
    assert api.call("PUT", f"/channels/{name}/").status == 400
    assert api.call("POST", f"/publish/{name}/",
                    {"items": [{"fpp": 1}]}).status == 400


# ---- subscriptions ---------------------------------------------------------


def test_subscriptions_of_jids(api, channel):
    path = f"/channels/{channel}/subscriptions/"
    made = api.json("POST", path, {"jid": "Bob@Example.org"}, status=201)
    assert (made["jid"], made["owner"]) == ("bob@example.org", "push.test")
    assert made["state"] == "active"
    again = api.json("POST", path, {"jid": "bob@example.org"})
    assert again["n"] == made["n"]
    bosh = api.json("POST", path, {"jid": f"ann@{DOMAIN}"}, status=201)
    assert bosh["owner"] == DOMAIN
    listed = api.json("GET", path)
    assert [s["jid"] for s in listed["subscriptions"]] == [
        "bob@example.org", f"ann@{DOMAIN}"]
    page = api.json("GET", f"{path}?max=1")
    assert page["more"] is True
    page = api.json("GET", f"{path}?after={page['subscriptions'][0]['n']}")
    assert [s["jid"] for s in page["subscriptions"]] == [f"ann@{DOMAIN}"]
    # Subscribing makes no stored channel.
    assert api.call("GET", f"/channels/{channel}/").status == 404
    gone = quote("BOB@example.org", "")
    assert api.call("DELETE", f"{path}{gone}/").status == 200
    assert api.call("DELETE", f"{path}{gone}/").status == 404
    assert api.call("DELETE", f"/channels/{channel}/").status == 200
    assert api.json("GET", path)["subscriptions"] == []


def test_a_subscription_is_suspended_and_resumed(api, channel):
    path = f"/channels/{channel}/subscriptions/"
    jid = "bob@example.org"
    assert api.call("POST", path, {"jid": jid, "state": "active"}).status == 404
    made = api.json("POST", path, {"jid": jid}, status=201)
    for state in ("pending", "asleep"):
        assert api.call("POST", path, {"jid": jid, "state": state}).status == 400
    api.json("POST", path, {"jid": jid, "state": "suspended"})
    listed = api.json("GET", path)["subscriptions"][0]
    assert (listed["n"], listed["state"]) == (made["n"], "suspended")
    assert listed["reason"] == "by the operator"
    assert listed["changed"] >= made["time"] and listed["position"] != made["since"]
    api.json("POST", path, {"jid": jid, "state": "active"})
    listed = api.json("GET", path)["subscriptions"][0]
    assert listed["state"] == "active"
    assert not {"reason", "changed", "position"} & set(listed)


@pytest.mark.parametrize("body, status", [
    ("{", 400), ("[]", 400), ("{}", 400), ('{"jid":1}', 400),
    ('{"jid":"@"}', 400), ('{"jid":"news@push.test"}', 400),
    ('{"url":"http://x/"}', 501)])
def test_a_bad_subscription_is_refused(api, channel, body, status):
    answer = api.call("POST", f"/channels/{channel}/subscriptions/", body)
    assert answer.status == status


# ---- health ----------------------------------------------------------------


def test_health_status_and_metrics(api, gateway):
    answer = api.call("GET", "/")
    assert answer.status == 200 and answer.text.count("\n") == 1
    assert api.call("GET", "/healthz").status == 200
    assert api.call("GET", "/readyz").status == 200
    status = api.json("GET", "/status")
    assert status["daemon"] == "bosh" and status["ready"] is True
    assert re.fullmatch(r"[0-9a-f]{8}", status["epoch"])
    assert status["position"].startswith(status["epoch"] + "-")
    text = api.call("GET", "/metrics").text
    assert "# TYPE waft_published_items_total counter\n" in text


# ---- who may ---------------------------------------------------------------


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST:99", 200), ("127.0.0.1:1", 200),
    ("127.1.2.3", 200), ("[::1]:5561", 200), ("waft.test", 200),
    ("waft.test:80", 200), ("evil.test", 403), ("127.0.0.1.evil.test", 403),
    ("localhost.evil.test", 403), ("10.0.0.1", 403)])
def test_only_our_own_names_as_host(api, host, status):
    assert api.call("GET", "/healthz", Host=host).status == status
    assert api.call("POST", "/publish/", '{"items":[]}',
                    Host=host).status == status


def test_only_listed_origins(api):
    answer = api.call("POST", "/publish/", '{"items":[]}',
                      Origin="https://page.test")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.test"
    assert answer.headers["Vary"] == "Origin"
    answer = api.call("OPTIONS", "/publish/", Origin="https://page.test")
    assert answer.status == 204
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    for origin in ("https://evil.test", "null", "http://page.test"):
        answer = api.call("POST", "/publish/", '{"items":[]}', Origin=origin)
        assert answer.status == 403
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert api.call("OPTIONS", "/publish/", Origin=origin).status == 403


# ---- life ------------------------------------------------------------------


def test_term_answers_those_who_wait():
    with Gateway() as gateway:
        conn = socket.create_connection(("127.0.0.1", gateway.control), 10)
        conn.sendall(b"GET /channels/a/items/?wait=60 HTTP/1.1\r\n"
                     b"Host: localhost\r\n\r\n")
        until(lambda: held(gateway) == 1)
        gateway.process.send_signal(signal.SIGTERM)
        text = b""
        while data := conn.recv(65536):
            text += data
        assert text.startswith(b"HTTP/1.1 200 ")
        assert b'"items":[]' in text
        conn.close()
        assert gateway.stop() == 0
