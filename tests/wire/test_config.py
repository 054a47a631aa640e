"""Bad configurations: 78, the file, the line, the nearest name, all of them."""

import re
import subprocess

import pytest

from certificates import Authority
from daemons import BUILD, ROOT, Waft

CONFIG = 78
PROGRAMS = ("waft check", "waft run", "waft-bosh", "waft-component")


def run(program, conf, *arguments):
    name, *verb = program.split()
    return subprocess.run(
        [BUILD / "bin" / name, *verb, "-c", conf, *arguments], timeout=30,
        capture_output=True, text=True, cwd=conf.parent)


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "waft.conf"

    def write(text):
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_refuses_a_bad_file_with_78(conf, program):
    path = conf('store { path = "./x.db" }\n\nbosh {\n  max-wiat = 3s\n}\n')
    done = run(program, path)
    assert done.returncode == CONFIG
    assert "waft.conf:4: " in done.stderr
    assert 'did you mean "max-wait"?' in done.stderr
    assert not (path.parent / "x.db").exists()


@pytest.mark.parametrize("text, line, hint", [
    ("bohs { }", 1, '"bosh"'),
    ("\nbosh { demo = maybe }", 2, "demo"),
    ("\n\nbosh { max-wait = 3 }", 3, "max-wait"),
    ("bosh {\n max-wait = 11m }", 2, "10m"),
    ("bosh {\n max-hold = 0\n}", 2, "1"),
    ('store { engine = "sqlit" }', 1, "sqlite"),
    ('bosh {\n listen = {"127.0.0.1"}\n}', 2, "listen"),
    ('bosh {\n listen = {"127.0.0.1:99999"}\n}', 2, "listen"),
    ('bosh { domain = "a b" }', 1, "domain"),
    ('component "push.example.org" { }', 1, "secret"),
    ('\ntoken "t" { kind = jwt }', 2, "key"),
    ('log { level = "infos" }', 1, "info"),
    ("bosh {\n\n", 2, "end of file"),
    ('bosh { domain = "x\n', 1, "end of file"),
])
def test_the_line_and_what_would_be_right(conf, text, line, hint):
    done = run("waft check", conf(text))
    assert done.returncode == CONFIG, done
    assert f"waft.conf:{line}: " in done.stderr
    assert hint in done.stderr
    assert done.stdout == ""


def test_what_does_not_fit_together_is_named_all_at_once(conf):
    done = run("waft check", conf(
        'token "a" { kind = jwt }\n'
        'token "b" { kind = static }\n'
        'component "push.example.org" { }\n'))
    assert done.returncode == CONFIG
    lines = re.findall(r"waft\.conf:(\d+):", done.stderr)
    assert sorted(lines) == ["1", "2", "3"]


@pytest.mark.parametrize("option, hint", [
    ("bosh.max-wiat=3s", '"max-wait"'), ("bohs.max-wait=3s", '"bosh"'),
    ("bosh.max-wait=soon", "max-wait"), ("max-wait", "--set")])
def test_a_bad_set_is_named_too(conf, option, hint):
    done = run("waft check", conf(""), "--set", option)
    assert done.returncode == CONFIG
    assert hint in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = run("waft check", tmp_path / "none.conf")
    assert done.returncode == CONFIG
    assert "none.conf" in done.stderr and "No such file" in done.stderr


def test_a_secret_is_never_shown(conf):
    done = run("waft check", conf(
        'component "push.example.org" { secret = "tops3cret" sevrer = "x:1" }'))
    assert done.returncode == CONFIG
    assert "tops3cret" not in done.stderr


def test_a_control_api_off_loopback_needs_auth(conf):
    for program in ("waft check", "waft-bosh"):
        done = run(program, conf('bosh { control = "0.0.0.0:5561" }'))
        assert done.returncode == CONFIG, done
        assert "auth" in done.stderr


def test_a_bad_file_on_hup_changes_nothing():
    with Waft() as waft:
        daemon = waft.start("bosh")
        waft.conf.write_text(waft.conf.read_text() + "\nbohs { }\n")
        daemon.process.send_signal(1)
        assert '\\"bosh\\"' in daemon.wait_line("reload.refused")
        assert waft.bosh.is_ready()


def test_the_example_is_good():
    done = subprocess.run(
        [BUILD / "bin" / "waft", "check", "-c", ROOT / "docs" / "waft.conf.example"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "waft.conf.example: good" in done.stdout


def test_the_example_with_everything_uncommented_is_good(conf, tmp_path):
    """What a stranger gets who takes the hash marks away."""
    text = (ROOT / "docs" / "waft.conf.example").read_text()
    text = re.sub(r"^(\s*)#([a-z]+ \"[A-Z]+\" \{|[a-z-]+ =|\})", r"\1\2",
                  text, flags=re.M)
    # Options that have no default, or exclude each other, stay out.
    text = re.sub(r'^\s*[a-z-]+ = (""|)$', "", text, flags=re.M)
    text = text.replace('"DOMAIN" {', '"push.example.org" { secret = "x"')
    text = text.replace('"NAME" {', '"ops" { secret = "y"')
    text = text.replace('"LOGIN" {', '"alice" { password = "z"')
    chain, key = Authority(tmp_path).issue("push", "push.example.org")
    text = text.replace('"LABEL" {', f'"push" {{ chain = "{chain}" key = "{key}"')
    done = run("waft check", conf(text))
    assert done.returncode == 0, done.stderr
