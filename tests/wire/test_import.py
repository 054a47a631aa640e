"""`waft subscriptions import` and `export`, and POST and GET /subscriptions/ behind
them, at a real waft-component."""

import csv
import io
import itertools
import json
import os
import pty
import re
import subprocess

import pytest

from daemons import BOSH_DOMAIN, BUILD, DOMAIN, Waft

USAGE, DATA, NO_INPUT, UNAVAILABLE, CANT_CREATE = 64, 65, 66, 69, 73
MANY = 100_000
NUMBERS = itertools.count()


def started(engine="sqlite", sections=""):
    """The component works without its server; only its link waits."""
    waft = Waft(sections, server=1, engine=engine)
    waft.start("component", ready=False).wait_line("control.listen")
    return waft


@pytest.fixture(scope="module")
def shared():
    with started() as waft:
        yield waft


@pytest.fixture
def channel(request):
    return request.node.name


def at(waft):
    return "--control", f"127.0.0.1:{waft.component.port}"


def take(waft, text, *arguments, file="subs.csv", **more):
    """Imports the text from a file."""
    path = waft.directory / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return waft.cli("subscriptions", "import", str(path), *arguments, *at(waft), **more)


def export(waft, *arguments):
    return waft.good("subscriptions", "export", *arguments, *at(waft))


def rows(waft, *arguments):
    """What export says, without its header."""
    return [tuple(row[:4]) for row in csv.reader(io.StringIO(export(waft, *arguments)))][1:]


def counts(done):
    """added, already there, changed, refused"""
    found = re.fullmatch(r"(\d+) added, (\d+) already there, (\d+) changed, "
                         r"(\d+) refused\n", done.stdout)
    assert found, done
    return tuple(map(int, found.groups()))


# ---- what is taken ----------------------------------------------------------


def test_imports_csv_and_exports_what_it_took(shared, channel):
    text = ("channel,jid,state,reason\n"
            f"{channel},Alice@Example.org,,\n"
            f"{channel},bob@example.org/a phone,suspended,\"gone, he said \"\"no\"\"\"\n"
            f"{channel},carol@{BOSH_DOMAIN},pending,\n")
    done = take(shared, text)
    assert (done.returncode, counts(done), done.stderr) == (0, (3, 0, 0, 0), "")
    assert export(shared, channel) == (
        "channel,jid,state,reason,component\n"
        f"{channel},alice@example.org,active,,\n"
        f"{channel},bob@example.org/a phone,suspended,\"gone, he said \"\"no\"\"\",\n"
        f"{channel},carol@{BOSH_DOMAIN},pending,,\n")
    listed = shared.good("subscriptions", channel, *at(shared))
    assert re.search(r"suspended  \S+Z +gone, he said", listed)


def test_imports_lines_of_json_and_exports_what_it_took(shared, channel):
    lines = [{"channel": channel, "jid": "a@example.org", "state": "active"},
             {"channel": channel, "jid": "b@example.org", "state": "suspended",
              "reason": "über"}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = take(shared, text, file="subs.jsonl")
    assert (done.returncode, counts(done)) == (0, (2, 0, 0, 0))
    out = export(shared, channel, "--format", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == lines


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_an_export_imports_into_another_store(shared, name):
    """All channels at once, with names that need quotes."""
    take(shared, 'channel,jid,state,reason\n"a, ""b""",x@example.org,suspended,why\n'
                 "é/?#%2e,y@example.org,active,\n")
    text = export(shared, "--format", name)
    with started("memory") as other:
        done = take(other, text, "--format", name, file="any")
        assert done.returncode == 0 and done.stderr == ""
        assert export(other, "--format", name) == text


TWO = """
component "two.localhost" { server = "127.0.0.1:1" secret = "secret" ping = "localhost" }
"""


def test_each_jid_has_the_component_that_is_named():
    with started("memory", TWO) as waft:
        text = ("channel,jid,state,reason,component\n"
                "news,a@example.org,active,,\n"
                "news,a@example.org,active,,two.localhost\n"
                "news,b@example.org,suspended,why,two.localhost\n")
        done = take(waft, text.replace("b@example.org,suspended,why,two", "b@example.org,suspended,why,Two"))
        assert (done.returncode, counts(done)) == (0, (3, 0, 0, 0))
        assert export(waft) == text
        line = json.loads(export(waft, "--format", "jsonl").splitlines()[1])
        assert line["component"] == "two.localhost"
        done = take(waft, "channel,jid,component\n"
                          "news,c@example.org,three.localhost\n"
                          f"news,c@{BOSH_DOMAIN},two.localhost\n")
        assert "component: no component section has this domain" in done.stderr
        assert "component: waft-bosh sends to this JID" in done.stderr


def test_the_component_of_one_jid_is_an_option():
    with started("memory", TWO) as waft:
        two = "--component", "two.localhost"
        waft.good("subscriptions", "news", "--add", "a@example.org", *two, *at(waft))
        assert "two.localhost" in waft.good("subscriptions", "news", *at(waft))
        # Without it, another's is meant.
        assert waft.cli("subscriptions", "news", "--remove", "a@example.org",
                        *at(waft)).returncode != 0
        done = waft.cli("subscriptions", "resume", "news", "a@example.org", *two, *at(waft))
        assert done.returncode == 0
        waft.good("subscriptions", "news", "--remove", "a@example.org", *two, *at(waft))
        assert waft.good("subscriptions", "news", *at(waft)) == ""
        assert waft.cli("subscriptions", "news", *two, *at(waft)).returncode == USAGE


def test_a_second_import_leaves_alone_what_is_there(shared, channel):
    text = f"channel,jid\n{channel},a@example.org\n{channel},b@example.org\n"
    assert counts(take(shared, text)) == (2, 0, 0, 0)
    assert counts(take(shared, text + f"{channel},c@example.org\n")) == (1, 2, 0, 0)
    assert len(rows(shared, channel)) == 3


def test_an_import_changes_the_state(shared, channel):
    take(shared, f"channel,jid,state,reason\n{channel},a@example.org,suspended,x\n")
    done = take(shared, f"channel,jid\n{channel},a@example.org\n")
    assert counts(done) == (0, 0, 1, 0)
    assert rows(shared, channel) == [(channel, "a@example.org", "active", "")]


@pytest.mark.parametrize("text", [
    "jid,channel\r\na@example.org,CHANNEL\r\n",
    "\ufeffchannel,jid\nCHANNEL,a@example.org",
    "\n\nstate,jid,channel\n\nactive,a@example.org,CHANNEL\n\n",
    '"channel","jid"\n"CHANNEL","a@example.org"\n',
    "channel,jid,reason\nCHANNEL,a@example.org\n",
])
def test_columns_are_found_by_name_whatever_wrote_the_file(shared, text):
    name = f"columns-{next(NUMBERS)}"
    done = take(shared, text.replace("CHANNEL", name))
    assert (done.returncode, counts(done)) == (0, (1, 0, 0, 0)), done.stderr
    assert rows(shared, name) == [(name, "a@example.org", "active", "")]


def test_reads_standard_input(shared, channel):
    done = shared.cli("subscriptions", "import", "-", "--format", "csv", *at(shared),
                      stdin=f"channel,jid\n{channel},a@example.org\n,b@example.org\n")
    assert done.returncode == DATA and counts(done) == (1, 0, 0, 1)
    assert done.stderr.startswith("(standard input):3: channel: ")


def test_exports_into_a_file_by_its_ending(shared, channel):
    take(shared, f"channel,jid\n{channel},a@example.org\n")
    path = shared.directory / "out.ndjson"
    assert export(shared, channel, "--output", str(path)) == ""
    assert json.loads(path.read_text()) == {
        "channel": channel, "jid": "a@example.org", "state": "active"}


def test_a_channel_that_is_called_export(shared):
    take(shared, "channel,jid\nexport,a@example.org\n")
    out = shared.good("subscriptions", "--channel", "export", *at(shared))
    assert out.split() == ["a@example.org", "active"]


# ---- what is refused ---------------------------------------------------------

BAD_CSV = [
    (b"CHANNEL,a@b@c", "jid: "),
    (b"CHANNEL,", "jid: not there"),
    (b"CHANNEL", "jid: not there"),
    (b",a@example.org", "channel: not 1 to 255 bytes"),
    (b"C" * 256 + b",a@example.org", "channel: not 1 to 255 bytes"),
    (b"C\x01,a@example.org", "channel: not 1 to 255 bytes"),
    (b"CHANNEL,a@example.org,asleep", "state: not active, suspended or pending"),
    (b"CHANNEL,a@example.org,suspended," + b"r" * 256, "reason: more than 255"),
    (b"CHANNEL,news@" + DOMAIN.encode(), "jid: this is an address of waft's own"),
    (b'"CHANNEL,a@example.org', "a quote is not closed"),
    (b'"CHANNEL"x,a@example.org', "text behind a closing quote"),
    (b"CHANNEL,a@example.org,,,,", "more columns than the first line names"),
    (b"," * 40, "too many columns"),
    (b"CHANNEL\0,a@example.org", "a zero byte is in it"),
    (b"CHANNEL\xff,a@example.org", "not UTF-8"),
    (b"CHANNEL,a@" + b"x" * 20000, "longer than 16 KB"),
]
BAD_JSON = [
    (b"{", "JSON: "), (b"[]", "JSON: not an object"), (b"7", "JSON: not an object"),
    (b'{"channel":"CHANNEL","jid":"a@example.org"} x', "JSON: "),
    (b'{"channel":"CHANNEL","jid":"a@example.org","jid":"b@example.org"}', "JSON: "),
    (b'{"channel":"CHANNEL","jid":"\xff"}', "JSON: "),
    (b'{"channel":"CHANNEL","jid":"a\\u0000"}', "JSON: "),
    (b'{"channel":"CHANNEL"}', "jid: not there"),
    (b'{"channel":"CHANNEL","jid":7}', "jid: not there"),
    (b'{"channel":"CHANNEL","url":"http://x/"}', "jid: not there"),
    (b'{"jid":"a@example.org"}', "channel: not 1"),
    (b'{"channel":"CHANNEL","jid":"a@example.org","state":1}', "state: "),
    (b"[" * 5000, "JSON: "),
    (b'"' + b"x" * 20000, "longer than 16 KB"),
]


@pytest.mark.parametrize("file, head, bad", [
    ("bad.csv", b"channel,jid,state,reason\n", BAD_CSV),
    ("bad.jsonl", b"\n", BAD_JSON)], ids=("csv", "jsonl"))
def test_bad_lines_are_refused_by_number_and_the_others_taken(shared, file, head, bad):
    channel = f"mixed-{file}"
    good = (b"%s,good%d@example.org" if file == "bad.csv" else
            b'{"channel":"%s","jid":"good%d@example.org"}')
    text = head
    for n, (line, _) in enumerate(bad):
        text += good % (channel.encode(), n) + b"\n" + line.replace(
            b"CHANNEL", channel.encode()) + b"\n"
    done = take(shared, text, file=file)
    assert done.returncode == DATA
    assert counts(done) == (len(bad), 0, 0, len(bad))
    said = dict(line[len(str(shared.directory / file)) + 1:].split(": ", 1)
                for line in done.stderr.splitlines())
    assert len(said) == len(bad)
    for n, (line, why) in enumerate(bad):
        assert said[str(2 * n + 3)].startswith(why), line
    assert [jid for _, jid, *_ in rows(shared, channel)] == [
        f"good{n}@example.org" for n in range(len(bad))]


@pytest.mark.parametrize("text, line", [
    ("news,alice@example.org\n", 1), ("channel\nnews\n", 1), ("jid,state\n", 1),
    ("channel,jid,stat\nnews,a@example.org,active\n", 1),
    ("channel,jid,channel\n", 1), ("\n\nChannel,JID\n", 3), ('"channel,jid\n', 1),
    ("x" * 20000, 1), (b"\xff\xfec\0h\0\n", 1)])
def test_without_a_line_that_names_the_columns_nothing_is_taken(shared, text, line):
    done = take(shared, text)
    assert done.returncode == DATA and done.stdout == ""
    assert f"subs.csv:{line}: " in done.stderr


def test_an_empty_csv_file_is_no_csv_and_empty_json_is(shared):
    done = take(shared, "")
    assert done.returncode == DATA and "subs.csv: empty" in done.stderr
    done = take(shared, "", file="subs.jsonl")
    assert (done.returncode, counts(done)) == (0, (0, 0, 0, 0))


def test_a_file_that_cannot_be_read_is_said(shared):
    for name in ("nowhere.csv", "."):
        done = shared.cli("subscriptions", "import", name, "--format", "csv",
                          *at(shared))
        assert done.returncode == NO_INPUT
        assert f"waft: {name}: " in done.stderr and done.stdout == ""


def test_a_file_that_cannot_be_written_is_said(shared):
    done = shared.cli("subscriptions", "export", "--output", "no/where.csv", *at(shared))
    assert done.returncode == CANT_CREATE and "no/where.csv" in done.stderr


@pytest.mark.parametrize("arguments, text", [
    (["import"], "give one file"), (["import", "a.csv", "b.csv"], "one channel"),
    (["import", "a.txt"], "--format csv or jsonl"), (["import", "-"], "--format"),
    (["import", "a.csv", "--format", "xml"], "--format csv or jsonl"),
    (["import", "a.csv", "--output", "b.csv"], "one file"),
    (["import", "a.csv", "--add", "a@b"], "takes no --add"),
    (["export", "--format", "xml"], "--format csv or jsonl"),
    (["export", "--output", "a.txt"], "--format csv or jsonl"),
    (["news", "--format", "csv"], "of import and export"),
    (["--channel", "a", "b"], "give one channel"),
])
def test_a_mistake_is_named(shared, arguments, text):
    done = shared.cli("subscriptions", *arguments)
    assert done.returncode == USAGE and done.stdout == ""
    assert text in done.stderr


def test_no_daemon_stops_it_with_the_line_and_what_to_do(shared):
    path = shared.directory / "subs.csv"
    path.write_text("channel,jid\nnews,a@example.org\n")
    # Nobody started the gateway, whose control API is asked without --control.
    done = shared.cli("subscriptions", "import", str(path))
    assert done.returncode == UNAVAILABLE
    assert "subs.csv:2: stopped here" in done.stderr and "again" in done.stderr
    assert counts(done) == (0, 0, 0, 0)


# ---- the control API ---------------------------------------------------------


def test_more_lines_than_items_max_are_refused_whole():
    with started("memory", "control { items-max = 20 }") as waft:
        line = '{"channel":"c","jid":"u%d@example.org"}\n'
        status, text = waft.component.request(
            "POST", "/subscriptions/", "".join(line % n for n in range(21)))
        assert status == 413 and "items-max" in text
        assert waft.component.get("/subscriptions/")["subscriptions"] == []
        # The command line knows the limit of its configuration.
        (waft.directory / "l.jsonl").write_text("".join(line % n for n in range(45)))
        waft.conf.write_text(waft.conf.read_text().replace(
            f'control = "127.0.0.1:{waft.bosh.port}"',
            f'control = "127.0.0.1:{waft.component.port}"'))
        done = waft.cli("subscriptions", "import", "l.jsonl")
        assert (done.returncode, counts(done)) == (0, (45, 0, 0, 0)), done.stderr
        assert waft.component.metric("waft_control_import_refused_total") == 0


TOKENS = """
control { auth = token }
token "few" { kind = static  secret = "s3cret-of-few"  subscribe = {"few-*"} }
token "ops" { kind = static  secret = "s3cret-of-ops" }
"""


def test_a_token_sees_and_changes_its_channels_alone():
    with started("memory", TOKENS) as waft:
        text = "channel,jid\nfew-1,a@example.org\nother,a@example.org\n"
        done = take(waft, text, "--token", "s3cret-of-few")
        assert done.returncode == DATA and counts(done) == (1, 0, 0, 1)
        assert "subs.csv:3: channel: this token may not" in done.stderr
        assert counts(take(waft, text, "--token", "s3cret-of-ops")) == (1, 1, 0, 0)
        assert [row[0] for row in rows(waft, "--token", "s3cret-of-few")] == ["few-1"]
        assert len(rows(waft, "--token", "s3cret-of-ops")) == 2
        assert waft.component.request("GET", "/subscriptions/")[0] == 401
        assert waft.component.request("POST", "/subscriptions/", "{}")[0] == 401


# ---- many --------------------------------------------------------------------


def on_a_terminal(waft, *arguments):
    """Exit code, standard output, and what its terminal showed."""
    leader, follower = pty.openpty()
    try:
        process = subprocess.Popen(
            [BUILD / "bin" / "waft", "subscriptions", *arguments, "-c", waft.conf,
             *at(waft)], stdout=subprocess.PIPE, stderr=follower)
        os.close(follower)
        shown = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
        out = process.stdout.read()
        process.stdout.close()
        return process.wait(60), out.decode(), shown.decode()
    finally:
        os.close(leader)


def test_a_hundred_thousand_lines_with_a_bar_on_a_terminal():
    with started() as waft:
        path = waft.directory / "many.csv"
        path.write_text("channel,jid\n" + "".join(
            f"c{n % 3},user{n}@example.org\n" for n in range(MANY)))
        code, out, shown = on_a_terminal(waft, "import", str(path))
        assert code == 0, shown
        assert out == f"{MANY} added, 0 already there, 0 changed, 0 refused\n"
        assert "[#" in shown and " lines" in shown
        assert shown.endswith("\r\x1b[K")
        text = export(waft)
        assert text.count("\n") == MANY + 1
        done = take(waft, text, file="again.csv")
        assert done.returncode == 0 and done.stderr == ""
        assert counts(done) == (0, MANY, 0, 0)
