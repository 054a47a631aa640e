"""Files of the store that are not as they should be: said plainly, with the next step,
and nothing of anybody's is overwritten."""

import hashlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess

import pytest

from daemons import Waft, wait_until

CONFIG, CANNOT_CREATE, IO = 78, 73, 74
STANZA = "<message><body>%s</body></message>"


@pytest.fixture
def waft():
    with Waft(engine="sqlite", server=1) as running:
        yield running


def image(folder):
    """What every file of the store holds."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.glob("waft.db*"))}


def refused(waft, name="bosh"):
    """The daemon must end at once; its exit code and its reason."""
    daemon = waft.start(name, ready=False)
    code = daemon.wait()
    return code, daemon.wait_line("store.open")


def make_store(waft, count=3):
    daemon = waft.start("bosh")
    for n in range(count):
        waft.bosh.publish("c", STANZA % n)
    assert daemon.end() == 0


@pytest.mark.parametrize("name", ("bosh", "component"))
@pytest.mark.parametrize("content", [
    b"shopping: milk, bread\n", b"\0" * 4096, b"SQLite format 3\0" + b"x" * 4096,
    b"xy"])
def test_a_file_of_another_kind_is_left_alone(waft, name, content):
    waft.store.write_bytes(content)
    code, line = refused(waft, name)
    assert code == CONFIG
    assert str(waft.store) in line and "not a waft store" in line
    assert "choose another store.path" in line
    assert waft.store.read_bytes() == content
    assert list(image(waft.directory)) == ["waft.db"]


def test_a_database_of_another_program_is_left_alone(waft):
    database = sqlite3.connect(waft.store)
    database.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, data BLOB)")
    database.execute("INSERT INTO log VALUES (1, 'mine')")
    database.commit()
    database.close()
    before = image(waft.directory)
    code, line = refused(waft)
    assert code == CONFIG and "not a waft store" in line
    assert image(waft.directory) == before


def test_a_private_file_of_another_program_is_left_alone(waft):
    make_store(waft)
    private = pathlib.Path(f"{waft.store}.bosh")
    private.unlink(missing_ok=True)
    private.write_text("mine\n")
    code, line = refused(waft)
    assert code == CONFIG and str(private) in line and "not a waft store" in line
    assert private.read_text() == "mine\n"


def test_a_newer_store_is_left_alone(waft):
    make_store(waft)
    database = sqlite3.connect(waft.store)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.execute(f"PRAGMA user_version = {version + 1}")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    before = hashlib.sha256(waft.store.read_bytes()).digest()
    code, line = refused(waft)
    assert code == CONFIG
    assert "newer" in line and f"schema {version + 1}" in line
    assert hashlib.sha256(waft.store.read_bytes()).digest() == before


def test_a_folder_that_is_not_there_is_named(waft):
    daemon = waft.start("bosh", "--set", "store.path=/nowhere/waft.db", ready=False)
    assert daemon.wait() == CANNOT_CREATE
    line = daemon.wait_line("store.open")
    assert "/nowhere/waft.db" in line and "folder must exist" in line


def test_a_folder_as_the_store_is_named(waft):
    waft.store.mkdir()
    code, line = refused(waft)
    assert code == CANNOT_CREATE and str(waft.store) in line


def test_a_damaged_store_is_not_made_worse(waft):
    make_store(waft, 200)
    data = bytearray(waft.store.read_bytes())
    data[100:4096] = b"\xa5" * 3996
    waft.store.write_bytes(data)
    for extra in ("-wal", "-shm"):
        pathlib.Path(f"{waft.store}{extra}").unlink(missing_ok=True)
    code, line = refused(waft)
    assert code == IO and "damaged" in line and "backup" in line
    assert waft.store.read_bytes() == data


# ---- a file system of our own ------------------------------------------------


class Mount:
    """A tmpfs that lives in a namespace of its own, and ends with it."""

    def __init__(self, directory, size):
        self.directory = directory
        user = [] if os.geteuid() == 0 else ["-Ur"]
        self.holder = subprocess.Popen(
            ["unshare", *user, "-m", "sh", "-c",
             f"mount -t tmpfs -o size={size} waft {directory} && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-m", "-r"]
        if user:
            self.enter += ["-U", "--preserve-credentials"]
        if self.holder.stdout.readline() != "up\n":
            pytest.skip("no file system can be mounted here: " +
                        self.holder.stderr.read().strip())

    @property
    def inside(self):
        """The folder, as seen from outside."""
        return pathlib.Path(f"/proc/{self.holder.pid}/root{self.directory}")

    def run(self, *command):
        subprocess.run([*self.enter, *command], check=True, timeout=30)

    def close(self):
        self.holder.communicate()


@pytest.fixture
def disk(waft):
    folder = waft.directory / "disk"
    folder.mkdir()
    mount = Mount(folder, "2M")
    waft.conf.write_text(waft.conf.read_text().replace(
        str(waft.store), str(folder / "waft.db")))
    waft.within = mount.enter
    yield mount
    for daemon in waft.daemons:
        daemon.end()
    mount.close()


def publish(waft, text):
    return waft.bosh.request("POST", "/publish/", {"items": [
        {"channel": "c", "id": f"{text:.20}-{n}",
         "formats": {"xmpp-stanza": {"content": STANZA % text}}}
        for n in range(2)]})


def fill(waft, before=()):
    """Publishes until the disk is full; the bodies that were acknowledged."""
    stored = list(before)
    for n in range(1000):
        text = f"{len(before)}-{n}-{'x' * 8000}"
        status, answer = publish(waft, text)
        if status != 200:
            break
        stored += [text, text]
    assert status == 503, f"{status} {answer}"
    assert json.loads(answer) == {
        "error": "full", "detail": "the store's disk is full"}
    return stored


def test_a_full_disk_refuses_what_comes_and_loses_nothing(waft, disk):
    daemon = waft.start("bosh")
    ballast = disk.inside / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    stored = fill(waft)
    assert len(stored) > 10
    assert waft.bosh.bodies("c") == stored
    status, text = waft.bosh.request("GET", "/readyz")
    assert status == 503 and "disk of the store is full" in text
    assert waft.bosh.metric("waft_control_failed_total") >= 1
    assert waft.bosh.metric("waft_store_errors_total") >= 1
    assert "full" in daemon.wait_line("store.failed")
    # It finds the room by itself and goes on where it was.
    ballast.unlink()
    wait_until(waft.bosh.is_ready, what="it is ready again")
    status, text = publish(waft, "after")
    assert status == 200, text
    assert waft.bosh.bodies("c") == [*stored, "after", "after"]


def test_a_full_disk_and_a_kill_leave_whole_items(waft, disk):
    daemon = waft.start("bosh")
    ballast = disk.inside / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    stored = fill(waft)
    daemon.end(signal.SIGKILL)
    # With no byte of room it starts or says why not; it breaks nothing.
    again = waft.start("bosh", ready=False)
    wait_until(lambda: again.process.poll() is not None or
               again.lines("ready"), what="ready, or ended")
    if again.process.poll() is not None:
        assert again.process.returncode == IO
        assert "full" in again.wait_line("store.open")
    else:
        again.end()
    ballast.unlink()
    waft.start("bosh")
    assert waft.bosh.bodies("c") == stored
    assert publish(waft, "after")[0] == 200
    assert waft.bosh.bodies("c") == [*stored, "after", "after"]


def test_no_room_for_a_new_store_is_said(waft, disk):
    (disk.inside / "ballast").write_bytes(b"x" * (2 << 20))
    code, line = refused(waft)
    assert code == IO and "disk is full" in line


def test_a_store_that_cannot_be_written_is_said(waft, disk):
    make_store(waft)
    disk.run("mount", "-o", "remount,ro,bind", str(disk.directory))
    before = image(disk.inside)
    code, line = refused(waft)
    assert code in (CANNOT_CREATE, IO)
    assert str(disk.directory / "waft.db") in line and "writ" in line
    assert image(disk.inside) == before
    disk.run("mount", "-o", "remount,rw,bind", str(disk.directory))
    waft.start("bosh")
    assert waft.bosh.bodies("c") == ["0", "1", "2"]


def test_no_store_can_be_made_in_a_folder_that_cannot_be_written(waft, disk):
    disk.run("mount", "-o", "remount,ro,bind", str(disk.directory))
    code, line = refused(waft)
    assert code == CANNOT_CREATE
    assert "folder must exist and be writable" in line
