"""The write-ahead log, while somebody else has the lock nearly all the time."""

import contextlib
import sqlite3
import threading
import time

from daemons import Waft

WAL_SIZE = 4 << 20


@contextlib.contextmanager
def greedy(store):
    """Another process of the store: its lock is free for moments only."""
    end = threading.Event()

    def run():
        with contextlib.closing(sqlite3.connect(
                store, timeout=10, isolation_level=None)) as db:
            while not end.is_set():
                db.execute("BEGIN IMMEDIATE")
                time.sleep(0.015)
                db.execute("COMMIT")
                time.sleep(0.0005)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_the_wal_stays_near_its_size_though_another_process_holds_the_lock():
    with Waft(engine="sqlite",
              channels='channels "*" { history-items = 20 }') as waft:
        text = waft.conf.read_text()
        waft.conf.write_text(text.replace(
            "store {", f"store {{ wal-size = {WAL_SIZE} ", 1))
        waft.start("bosh")
        with greedy(waft.store):
            for call in range(100):
                status, text = waft.bosh.request("POST", "/publish/", {"items": [
                    {"channel": f"c{i}", "formats": {
                        "json-object": {"text": "x" * 4000}}}
                    for i in range(100)]})
                assert status == 200, f"{status} {text}"
        size = (waft.directory / "waft.db-wal").stat().st_size
        # What is written while the lock is waited for comes on top.
        assert size < 3 * WAL_SIZE, f"{size >> 20} MB"
