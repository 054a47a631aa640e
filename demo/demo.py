#!/usr/bin/python3
"""make demo: a private Prosody with waft attached, an XMPP user who subscribes,
and a page that does the same over BOSH.  Everything lives in a temporary folder, on
loopback, and is gone after Ctrl-C.

usage: demo.py [BUILD_DIRECTORY]
"""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from servers import Prosody, free_ports, wait_until  # noqa: E402
from users import User  # noqa: E402

CHANNEL = "demo"
DOMAIN = "push.localhost"
BOSH_DOMAIN = "bosh.push.localhost"
SECRET = "demo-secret"


def port(wanted):
    """The usual port if it is free, else any."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", wanted))
        return wanted
    except OSError:
        return free_ports(1)[0]


def write_config(folder, build, prosody):
    public, bosh, component = port(7999), port(5561), port(5562)
    config = folder / "waft.conf"
    config.write_text(f"""\
store {{ path = "{folder}/waft.db" }}
component "{DOMAIN}" {{
  server = "127.0.0.1:{prosody.component_port}"
  secret = "{SECRET}"
  control = "127.0.0.1:{component}"
}}
bosh {{
  listen = {{"127.0.0.1:{public}"}}
  domain = "{BOSH_DOMAIN}"
  control = "127.0.0.1:{bosh}"
  demo = yes
  web = "{build}/demo"
}}
control {{ origins = {{"http://127.0.0.1:{public}", "http://localhost:{public}"}} }}
channels "*" {{ history-items = 100  history-age = "1h"  subscribe = anyone }}
""")
    page = (f"http://127.0.0.1:{public}/demo/?channel={CHANNEL}"
            f"&domain={BOSH_DOMAIN}&control=http://127.0.0.1:{bosh}")
    return config, page, f"http://127.0.0.1:{bosh}", component


def is_ready(control):
    try:
        with urllib.request.urlopen(f"{control}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def subscribe(user):
    """XEP-0060, as any client with a PubSub plugin does it."""
    async def send():
        await user.client["xep_0060"].subscribe(DOMAIN, CHANNEL, bare=True)
    user.call(send())


def text_of(element):
    import xml.etree.ElementTree as ET
    ET.register_namespace("", "jabber:client")
    return ET.tostring(element, encoding="unicode")


def follow(user, stop):
    """Prints what the XMPP user receives, until stop is set."""
    shown = 0
    while not stop.wait(0.05):
        while shown < len(user.messages):
            print(f"\n{user.bare} received:\n  {text_of(user.messages[shown])}",
                  flush=True)
            shown += 1


def tell(page, control, user):
    item = json.dumps({"items": [{"channel": CHANNEL, "xmpp-stanza": {
        "content": "<message type='chat'><body>hello</body></message>"}}]})
    quoted = item.replace("'", "'\\''")
    print(f"""
waft runs.  {user.bare} is logged in to a private Prosody and has subscribed to the
channel "{CHANNEL}"; what arrives there is printed here.

  The page (strophe.js over BOSH):
    {page}

  Publish from another terminal:
    curl {control}/publish/ -d '{quoted}'

Ctrl-C ends everything.
""", flush=True)


def run(folder, build):
    print("demo: starting Prosody ...", flush=True)
    with Prosody(components={DOMAIN: SECRET}, directory=folder / "prosody") as prosody:
        user = None
        prosody.add_user("alice", "alice")
        config, page, control, component = write_config(folder, build, prosody)
        log = open(folder / "waft.log", "w")
        print(f"demo: starting waft (log: {folder}/waft.log) ...", flush=True)
        waft = subprocess.Popen(
            [f"{build}/bin/waft", "run", "-c", str(config)], stderr=log,
            stdin=subprocess.DEVNULL, start_new_session=True)
        stop = threading.Event()
        try:
            wait_until(lambda: is_ready(control) and
                       is_ready(f"http://127.0.0.1:{component}"),
                       20, "waft is ready")
            user = User("alice@localhost/demo", "alice", prosody.c2s_port,
                        plugins=("xep_0060",)).connect()
            subscribe(user)
            tell(page, control, user)
            printer = threading.Thread(target=follow, args=(user, stop))
            printer.start()
            while waft.poll() is None and not INTERRUPTED.wait(0.2):
                pass
        finally:
            stop.set()
            if user is not None:
                user.close()
            waft.terminate()
            waft.wait(15)
        if not INTERRUPTED.is_set():
            sys.exit("demo: waft ended by itself:\n" +
                     (folder / "waft.log").read_text()[-2000:])


INTERRUPTED = threading.Event()


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: INTERRUPTED.set())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="waft-demo-"))
    began = time.monotonic()
    try:
        run(folder, build)
    except AssertionError as error:
        log = folder / "waft.log"
        sys.exit(f"demo: {error}\n{log.read_text()[-2000:] if log.exists() else ''}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\ndemo: all ended after {time.monotonic() - began:.0f} s, nothing left behind")


if __name__ == "__main__":
    main()
