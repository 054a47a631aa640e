"""Every verb of `waft` against a real daemon, and what mistakes get."""

import base64
import json
import re
import subprocess
import threading
import time

import pytest

from daemons import BUILD, Waft, wait_until

VERBS = ("run", "check", "publish", "subscribe", "channels", "subscriptions",
         "token", "user", "status")
POSITION = re.compile(r"[0-9a-f]{8}-[0-9]+")
STANZA = "<message><body>hi</body></message>"
USAGE, DATA, NO_INPUT, UNAVAILABLE = 64, 65, 66, 69
TEMPORARY, PROTOCOL, CONFIG = 75, 76, 78


@pytest.fixture(scope="module")
def shared():
    with Waft() as running:
        running.start("bosh")
        yield running


@pytest.fixture
def channel(request):
    return request.node.name


def only(waft, channel):
    items = waft.bosh.items(channel)
    assert len(items) == 1, items
    return items[0]


# ---- help and mistakes ----------------------------------------------------


def run(*arguments):
    return subprocess.run([BUILD / "bin" / "waft", *arguments],
                          capture_output=True, text=True, timeout=30)


def test_help_names_every_verb():
    for arguments in (["--help"], ["-h"], ["help"]):
        done = run(*arguments)
        assert done.returncode == 0 and done.stderr == ""
        for verb in VERBS:
            assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(verb):
    done = run(verb, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: waft {verb}")
    assert run("help", verb).stdout == done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("program", ("waft", "waft-bosh", "waft-component"))
def test_version(program):
    done = subprocess.run([BUILD / "bin" / program, "--version"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments, text", [
    ([], "usage: waft VERB"),
    (["publsh"], "no such verb: publsh (did you mean publish?)"),
    (["qqqqqqqq"], "no such verb: qqqqqqqq\n"),
    (["publish"], "give one channel"),
    (["publish", "news"], "at least one format"),
    (["publish", "a", "b", "--json", "1"], "give one channel"),
    (["publish", "news", "--jsn", "1"], "--help"),
    (["publish", "news", "--json"], "--help"),
    (["subscribe"], "give one channel"),
    (["subscribe", "news", "--count", "many"], "--count"),
    (["subscribe", "news", "--count", "0"], "--count"),
    (["channels", "--delete"], "give one channel"),
    (["channels", "news", "--delete", "--create"], "--create or --delete"),
    (["subscriptions"], "give one channel"),
    (["subscriptions", "c", "--add", "a@b", "--remove", "a@b"],
     "--add or --remove"),
    (["token"], "name of one token"),
    (["token", "x", "--ttl", "soon"], "not a time: soon"),
    (["status", "now"], "no arguments"),
    (["check", "now"], "no arguments"),
    (["run", "now"], "no arguments"),
])
def test_a_mistake_is_named_and_ends_with_64(arguments, text):
    done = run(*arguments)
    assert done.returncode == USAGE
    assert text in done.stderr
    assert done.stdout == ""


def test_no_daemon_is_said_with_what_to_do():
    with Waft() as waft:
        done = waft.cli("publish", "news", "--json", "1")
    assert done.returncode == UNAVAILABLE
    assert f"http://127.0.0.1:{waft.bosh.port}/publish/" in done.stderr
    assert "waft run" in done.stderr


def test_another_program_at_the_address_is_noticed(shared):
    """The public port answers, but it is no control API."""
    done = shared.cli("publish", "news", "--json", "1", "--control",
                      f"127.0.0.1:{shared.public}")
    assert done.returncode == DATA and "answered 404" in done.stderr
    done = shared.cli("status", "--control", f"127.0.0.1:{shared.public}/http-bind?")
    assert done.returncode == PROTOCOL
    assert "no control API" in done.stderr


# ---- publish ---------------------------------------------------------------


@pytest.mark.parametrize("option, value, name, stored", [
    ("--stanza", STANZA, "xmpp-stanza", {"content": STANZA}),
    ("--json", '{"a": [1, "ü"]}', "json-object", {"a": [1, "ü"]}),
    ("--json", "7", "json-object", 7),
    ("--response", "hello\n", "http-response", {"body": "hello\n"}),
    ("--stream", "tick\n", "http-stream", {"content": "tick\n"}),
    ("--item", '{"http-stream": {"content": "x"}}', "http-stream",
     {"content": "x"}),
    ("--item", '{"of-tomorrow": {"a": null}}', "of-tomorrow", {"a": None}),
])
def test_publish_each_format(shared, channel, option, value, name, stored):
    out = shared.good("publish", channel, option, value)
    item = only(shared, channel)
    assert out == item["position"] + "\n"
    assert item["formats"] == {name: stored}


def test_publish_all_formats_of_one_item(shared, channel):
    shared.good("publish", channel, "--stanza", STANZA, "--json", "1",
                "--response", "r", "--stream", "s")
    assert set(only(shared, channel)["formats"]) == {
        "xmpp-stanza", "json-object", "http-response", "http-stream"}


def test_publish_from_a_file_and_from_standard_input(shared, channel):
    (shared.directory / "stanza.xml").write_text(STANZA)
    shared.good("publish", channel, "--stanza", "@stanza.xml",
                "--json", "-", stdin='{"from": "stdin"}')
    assert only(shared, channel)["formats"] == {
        "xmpp-stanza": {"content": STANZA}, "json-object": {"from": "stdin"}}


def test_publish_says_which_file_is_missing(shared, channel):
    done = shared.cli("publish", channel, "--stanza", "@nowhere.xml")
    assert done.returncode == NO_INPUT
    assert "nowhere.xml: No such file" in done.stderr
    assert channel not in shared.bosh.channels()


def test_publish_says_where_json_is_bad(shared, channel):
    done = shared.cli("publish", channel, "--json", '{"a":\n 1,}')
    assert done.returncode == DATA
    assert re.search(r"--json: line 2, column \d+", done.stderr)


def test_publish_item_must_be_an_object(shared, channel):
    done = shared.cli("publish", channel, "--item", "[1]")
    assert done.returncode == DATA
    assert "--item" in done.stderr and "object" in done.stderr


def test_publish_says_where_a_stanza_is_bad(shared, channel):
    done = shared.cli("publish", channel, "--stanza", "<message>\n<body></message>")
    assert done.returncode == DATA
    assert "formats.xmpp-stanza.content:2:" in done.stderr
    assert channel not in shared.bosh.channels()


def test_publish_the_same_id_twice(shared, channel):
    first = shared.good("publish", channel, "--json", "1", "--id", "i1")
    again = shared.good("publish", channel, "--json", "2", "--id", "i1")
    assert again == first.rstrip() + " (duplicate)\n"
    item = only(shared, channel)
    assert item["id"] == "i1" and item["formats"]["json-object"] == 1


def test_publish_passes_prev_id_on(shared, channel):
    shared.good("publish", channel, "--json", "1", "--id", "b", "--prev-id", "a")
    assert only(shared, channel)["prev-id"] == "a"


def test_publish_to_a_name_with_everything_in_it(shared):
    name = "a/b?c=d&e#f%20 ü\"<>'"
    shared.good("publish", name, "--json", "1")
    assert only(shared, name)["channel"] == name
    assert shared.good("channels", name).startswith(name + " ")
    assert shared.good("subscribe", name, "--after", "0", "--count", "1",
                       "--format", "json-object") == "1\n"
    shared.good("channels", name, "--delete")
    assert name not in shared.bosh.channels()


# Text of the command line is bytes; JSON's is UTF-8.
@pytest.mark.parametrize("arguments", [
    [b"\xff", b"--json", b"1"],
    [b"c", b"--json", b"1", b"--id", b"\xff"],
    [b"c", b"--json", b"1", b"--prev-id", b"\xff"],
    [b"c", b"--stanza", b"<message><body>\xff</body></message>"],
])
def test_publish_refuses_what_is_not_utf_8(shared, arguments):
    done = subprocess.run(
        [BUILD / "bin" / "waft", "publish", "-c", shared.conf, *arguments],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == DATA
    assert "UTF-8" in done.stderr
    assert "c" not in shared.bosh.channels()


# ---- subscribe -------------------------------------------------------------


def test_subscribe_prints_position_id_and_formats(shared, channel):
    position = shared.good("publish", channel, "--json", "1", "--id", "i").rstrip()
    line = shared.good("subscribe", channel, "--after", "0", "--count", "1")
    assert line == f'{position} i {{"json-object":1}}\n'


def test_subscribe_after_a_position(shared, channel):
    positions = [shared.good("publish", channel, "--json", str(n)).rstrip()
                 for n in range(4)]
    out = shared.good("subscribe", channel, "--after", positions[1],
                      "--count", "2", "--format", "json-object")
    assert out == "2\n3\n"


def test_subscribe_prints_an_empty_text_as_an_empty_line(shared, channel):
    shared.good("publish", channel, "--stream", "")
    assert shared.good("subscribe", channel, "--after", "0", "--count", "1",
                       "--format", "http-stream") == "\n"


@pytest.mark.parametrize("name", [".", "..", "a/../b", "%2e", "a b", "é/?#"])
def test_subscribe_takes_the_channel_as_it_is_written(shared, name):
    position = shared.good("publish", name, "--json", "1").rstrip()
    line = shared.good("subscribe", name, "--after", "0", "--count", "1")
    assert line.startswith(position + " ")


def test_subscribe_format_prints_the_stanza_itself(shared, channel):
    shared.good("publish", channel, "--json", "1")
    shared.good("publish", channel, "--stanza", STANZA)
    out = shared.good("subscribe", channel, "--after", "0", "--count", "1",
                      "--format", "xmpp-stanza")
    assert out == STANZA + "\n"


class Listener:
    """`waft subscribe` while it runs."""

    def __init__(self, waft, *arguments):
        self.process = subprocess.Popen(
            [BUILD / "bin" / "waft", "subscribe", "-c", waft.conf, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        self.thread.join(10)
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return errors


def listens(waft, channel):
    return wait_until(
        lambda: channel not in waft.bosh.channels() or
        waft.bosh.get(f"/channels/{channel}/")["listeners"] > 0,
        what=f"somebody listens on {channel}")


def test_subscribe_from_now_on_leaves_out_what_was(shared, channel):
    shared.good("publish", channel, "--json", '"before"')
    listener = Listener(shared, channel, "--format", "json-object")
    try:
        listens(shared, channel)
        for n in range(3):
            shared.good("publish", channel, "--json", str(n))
        wait_until(lambda: len(listener.lines) >= 3, what="three lines")
        assert listener.lines == ["0", "1", "2"]
    finally:
        listener.close()


def test_subscribe_goes_on_where_it_was_after_a_restart_of_its_daemon():
    with Waft(engine="sqlite") as waft:
        daemon = waft.start("bosh")
        waft.good("publish", "c", "--json", "0")
        listener = Listener(waft, "c", "--after", "0", "--format", "json-object")
        try:
            wait_until(lambda: listener.lines == ["0"], what="the first line")
            daemon.end(9)
            waft.start("bosh")
            waft.good("publish", "c", "--json", "1")
            wait_until(lambda: len(listener.lines) == 2, what="the second line")
            assert listener.lines == ["0", "1"]
        finally:
            errors = listener.close()
        assert "trying again" in errors


@pytest.mark.parametrize("after, text", [
    ("yesterday", "after is not a position"),
    ("x&max=1", "after is not a position"),
    ("00000000-5", "the position is of another store"),
])
def test_subscribe_says_what_a_bad_position_is(shared, channel, after, text):
    done = shared.cli("subscribe", channel, "--after", after)
    assert done.returncode == DATA
    assert text in done.stderr


# ---- channels and subscriptions ------------------------------------------


def test_channels_are_listed_shown_made_and_deleted(waft):
    assert waft.good("channels") == ""
    waft.good("channels", "empty", "--create")
    position = waft.good("publish", "news", "--json", "1").rstrip()
    lines = [line.split() for line in waft.good("channels").splitlines()]
    assert lines == [["empty", "-", "0"], ["news", position, "1"]]
    assert waft.good("channels", "news").split() == ["news", position, "1"]
    waft.good("channels", "news", "--delete")
    assert [line.split()[0] for line in waft.good("channels").splitlines()] == ["empty"]


@pytest.mark.parametrize("arguments", [["gone"], ["gone", "--delete"]])
def test_a_channel_that_is_not_there_is_said(shared, arguments):
    done = shared.cli("channels", *arguments)
    assert done.returncode == DATA
    assert "there is no such channel" in done.stderr


def test_channels_are_listed_past_one_page():
    with Waft() as waft:
        waft.start("bosh")
        names = [f"c{n:04}" for n in range(1203)]
        for at in range(0, len(names), 401):
            status, text = waft.bosh.request("POST", "/publish/", {"items": [
                {"channel": name, "json-object": 1} for name in names[at:at + 401]]})
            assert status == 200, text
        lines = waft.good("channels").splitlines()
        assert [line.split()[0] for line in lines] == names


def test_subscriptions_are_added_listed_and_removed(shared, channel):
    assert shared.good("subscriptions", channel) == ""
    jids = ["alice@bosh.test", "bob@bosh.test/café room"]
    for jid in jids:
        shared.good("subscriptions", channel, "--add", jid)
    out = shared.good("subscriptions", channel)
    assert [line.split("  ")[0] for line in out.splitlines()] == jids
    assert all(line.split()[-1] == "active" for line in out.splitlines())
    shared.good("subscriptions", channel, "--remove", jids[1])
    assert shared.good("subscriptions", channel).split()[0] == jids[0]
    done = shared.cli("subscriptions", channel, "--remove", jids[1])
    assert done.returncode == DATA
    assert "there is no such subscription" in done.stderr


def test_a_suspended_subscription_is_resumed(shared, channel):
    jid = "alice@bosh.test"
    done = shared.cli("subscriptions", "resume", channel, jid)
    assert done.returncode == DATA and "no such subscription" in done.stderr
    done = shared.cli("subscriptions", "resume", channel)
    assert done.returncode == USAGE
    # A channel of that name is still one.
    assert shared.good("subscriptions", "--channel", "resume") == ""
    shared.good("subscriptions", channel, "--add", jid)
    shared.good("subscriptions", "resume", channel, jid)
    assert shared.good("subscriptions", channel).split()[1] == "active"


def test_a_bad_jid_is_said(shared, channel):
    done = shared.cli("subscriptions", channel, "--add", "a@b@c")
    assert done.returncode == DATA and "jid" in done.stderr


# ---- token -----------------------------------------------------------------

TOKENS = """
control { auth = token }
token "site" { kind = jwt  alg = HS256  key = "0123456789abcdef0123456789abcdef"
               publish = {"site-*"} }
token "ops" { kind = static  secret = "open sesame" }
"""


@pytest.fixture(scope="module")
def closed():
    with Waft(TOKENS) as running:
        daemon = running.start("bosh", "--set", "log.level=debug")
        yield running
        assert "sesame" not in daemon.text() and "0123456789" not in daemon.text()


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_token_makes_one_that_the_control_api_takes(closed):
    token = closed.good("token", "site", "--ttl", "1h", "--subject", "u").rstrip()
    assert claims(token)["iss"] == "site" and claims(token)["sub"] == "u"
    control = f"http://127.0.0.1:{closed.bosh.port}"
    closed.good("publish", "site-a", "--json", "1", "--control", control,
                "--token", token, conf=False)
    done = closed.cli("publish", "other", "--json", "1", "--token", token)
    assert done.returncode == DATA
    assert "answered 403" in done.stderr and "--token" in done.stderr


def test_token_is_good_for_as_long_as_was_asked(closed):
    before = time.time()
    exp = claims(closed.good("token", "site", "--ttl", "1h"))["exp"]
    assert before + 3598 < exp < time.time() + 3602


def test_the_environment_may_hold_the_token(closed):
    done = subprocess.run(
        [BUILD / "bin" / "waft", "publish", "c", "--json", "1", "--control",
         f"127.0.0.1:{closed.bosh.port}/"], capture_output=True, text=True,
        timeout=30, env={"WAFT_TOKEN": "open sesame"}, cwd="/")
    assert done.returncode == 0, done.stderr


def test_without_a_token_it_is_said_how_to_give_one(closed):
    done = closed.cli("publish", "c", "--json", "1", "--control",
                      f"127.0.0.1:{closed.bosh.port}", "--token", "wrong")
    assert done.returncode == DATA
    assert "answered 401" in done.stderr and "--token" in done.stderr


def test_who_reads_the_configuration_needs_no_token(closed):
    closed.good("channels", "made", "--create")
    assert "made" in closed.good("channels")
    assert "waft-bosh" in closed.good("status")


@pytest.mark.parametrize("name, text", [
    ("nobody", 'no `token "nobody"`'), ("ops", "ops:")])
def test_token_says_what_it_cannot_make(closed, name, text):
    done = closed.cli("token", name)
    assert done.returncode == CONFIG
    assert text in done.stderr and "sesame" not in done.stderr


# ---- status and check ------------------------------------------------------


def test_status_says_how_each_daemon_is(shared):
    out = shared.good("status")
    assert out.startswith("waft-bosh\n")
    for key in ("version", "ready", "uptime", "epoch", "position", "sessions"):
        assert re.search(rf"^  {key} +\S", out, re.M), out


def test_status_fails_when_a_daemon_is_not_there():
    with Waft(server=1, engine="sqlite") as waft:
        waft.start("bosh")
        done = waft.cli("status")
        assert done.returncode == UNAVAILABLE
        assert "waft-bosh" in done.stdout
        assert str(waft.component.port) in done.stderr


def test_status_fails_while_a_daemon_is_not_ready():
    with Waft(server=1, engine="sqlite") as waft:
        waft.start("bosh")
        waft.start("component", ready=False).wait_line("link.down")
        done = waft.cli("status")
        assert done.returncode == TEMPORARY, done
        assert "waft-component" in done.stdout and "refused" in done.stdout
        assert "not ready" in done.stderr


def test_check_shows_what_a_good_configuration_does():
    with Waft('token "ops" { secret = "sesame" }', server=5347) as waft:
        out = waft.good("check")
    assert out.startswith(f"{waft.conf}: good\n")
    assert "push.localhost at 127.0.0.1:5347" in out
    assert f"http://127.0.0.1:{waft.public}/http-bind" in out
    assert "ops" in out and "sesame" not in out


def test_check_without_any_file_shows_the_defaults(tmp_path):
    done = subprocess.run([BUILD / "bin" / "waft", "check"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert done.stdout.startswith("built-in defaults: good")


def test_set_changes_one_option(shared):
    out = shared.good("check", "--set", "bosh.domain=other.example")
    assert "other.example" in out
