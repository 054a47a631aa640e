"""Chromium without a window, and pages for it on an origin of their own."""

import contextlib
import functools
import http.server
import os
import pathlib
import shutil
import tempfile
import threading

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NPM = ROOT / "build" / "npm" / "node_modules"  # tests/browser/package.json


@contextlib.contextmanager
def chromium(*arguments):
    profile = tempfile.mkdtemp(prefix="waft-chromium-")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                     "--disable-background-networking",
                     "--disable-component-update", "--disable-sync",
                     "--window-size=1200,800",
                     "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                     f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    try:
        driver = webdriver.Chrome(
            service=Service("/usr/bin/chromedriver"), options=options)
        try:
            yield driver
        finally:
            driver.quit()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def site(page, files):
    """Serves the page's text and the files (name -> path) beside it; the URL."""
    with tempfile.TemporaryDirectory(prefix="waft-page-") as directory:
        pathlib.Path(directory, "index.html").write_text(page)
        for name, path in files.items():
            pathlib.Path(directory, name).symlink_to(path)
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Files, directory=directory))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def screenshot(driver, name):
    """For whoever wants to see what a test saw."""
    folder = os.environ.get("WAFT_SCREENSHOTS")
    if folder:
        driver.save_screenshot(f"{folder}/{name}.png")
