"""One Chromium for all tests that need no browser of their own."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "wire"), str(HERE.parent / "interop")]

from pages import chromium  # noqa: E402


@pytest.fixture(scope="session")
def driver():
    # Else a page that was left goes on polling, frozen.
    with chromium("--disable-features=BackForwardCache") as driver:
        driver.set_script_timeout(60)
        yield driver
