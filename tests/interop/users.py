"""XMPP users (slixmpp) for tests: each runs on a thread of its own, keeps all
that it receives, and is asked from the test's thread.

    user = User("alice@localhost/phone", "pw", server.c2s_port)
    user.connect()
    user.wait_for(lambda: len(user.messages) == 3)
"""

import asyncio
import copy
import logging
import threading
import xml.etree.ElementTree as ET

# Slixmpp says at error level that a connection attempt failed, and at once that it
# would like another stringprep; what matters reaches the caller as an exception.
logging.getLogger("slixmpp").setLevel(logging.CRITICAL)

import slixmpp  # noqa: E402
from slixmpp.xmlstream.handler import Callback  # noqa: E402
from slixmpp.xmlstream.matcher.base import MatcherBase  # noqa: E402

from servers import wait_until  # noqa: E402

CLIENT = "{jabber:client}"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class MatchAll(MatcherBase):
    def match(self, _):
        return True


class User:
    def __init__(self, jid, password, port, plugins=(), presence=True):
        self.jid = jid
        self.bare = jid.split("/")[0]
        self.password = password
        self.port = port
        self.plugins = plugins
        self.presence = presence  # sends initial presence
        self.messages = []  # ElementTree elements, in order of arrival
        self.presences = []
        self.answers = {}  # iq results and errors by id
        self.requests = []  # iqs that ask
        self.answer = None  # to what was asked last
        self.loop = asyncio.new_event_loop()
        self.client = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def call(self, coroutine, seconds=20):
        """Runs it on the user's thread; its value."""
        return asyncio.run_coroutine_threadsafe(
            coroutine, self.loop).result(seconds)

    def connect(self, seconds=20):
        self.call(self._connect(), seconds)
        # Until then ejabberd may put what arrives where it comes at the next login.
        if self.presence:
            self.wait_for(self.is_available, seconds, "its own presence")
        return self

    async def _connect(self):
        client = slixmpp.ClientXMPP(self.jid, self.password)
        client.loop = self.loop
        for plugin in self.plugins:
            client.register_plugin(plugin)
        client["feature_mechanisms"].unencrypted_plain = True
        client.register_handler(
            Callback("all", MatchAll(None), self._keep))
        started = self.loop.create_future()

        def on_end(event):
            if not started.done():
                started.set_exception(ConnectionError(str(event)))

        def on_start(_):
            if not started.done():
                started.set_result(None)

        client.add_event_handler("session_start", on_start)
        client.add_event_handler("failed_auth", on_end)
        client.add_event_handler("connection_failed", on_end)
        client.connect(("127.0.0.1", self.port), disable_starttls=True,
                       force_starttls=False)
        self.client = client
        await started
        self.presences = []
        self.jid = client.boundjid.full
        # Only who has asked for the roster hears of subscriptions (RFC 6121 §2.2).
        await client.get_roster()
        if self.presence:
            client.send_presence()

    def _keep(self, stanza):
        element = copy.deepcopy(stanza.xml)
        if element.tag == CLIENT + "message":
            self.messages.append(element)
        elif element.tag == CLIENT + "presence":
            self.presences.append(element)
        elif element.get("type") in ("result", "error"):
            self.answers[element.get("id")] = element
        else:
            self.requests.append(element)

    def disconnect(self):
        """Closes the stream in order."""
        if self.client is not None:
            self.call(self._disconnect())

    async def _disconnect(self):
        client, self.client = self.client, None
        await client.disconnect(wait=2)

    def drop(self):
        """Drops the connection as a client that lost its network."""
        if self.client is not None:
            self.call(self._drop())

    async def _drop(self):
        client, self.client = self.client, None
        client.abort()

    def close(self):
        try:
            self.drop()
        finally:
            self.call(self._cancel())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(5)

    async def _cancel(self):
        # Slixmpp leaves the task that feeds its writer waiting for ever.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def send_raw(self, text):
        self.call(self._send_raw(text))

    async def _send_raw(self, text):
        self.client.send_raw(text)

    def send_presence(self, **kwargs):
        self.call(self._send_presence(kwargs))

    async def _send_presence(self, kwargs):
        self.client.send_presence(**kwargs)

    def ask(self, make, seconds=20):
        """Make(client) gives an awaitable that is run on the user's thread.

        The answer is kept: what slixmpp makes of its children finds them by the
        language of their parent, and a parent that is gone has none."""
        async def run():
            return await make(self.client)

        self.answer = self.call(run(), seconds)
        return self.answer

    def wait_for(self, condition, seconds=20, what="stanza"):
        return wait_until(condition, seconds, f"{self.bare}: {what}")

    def is_available(self):
        """The server has taken its presence: it sends it back."""
        return any(each.get("from") == self.jid and each.get("type") is None
                   for each in self.presences)

    def bodies(self, kind=None):
        return [
            each.findtext(CLIENT + "body") for each in self.messages
            if kind is None or each.get("type", "normal") == kind]


def canonical(stanza, ignore=("to", "from", "id")):
    """The infoset as text: what a server may change on the way (attribute
    order, prefixes, an added xml:lang) does not show.  Nor does the order of
    the stanza's own children: ejabberd puts those it knows behind the others."""
    element = ET.fromstring(stanza) if isinstance(stanza, str) else copy.deepcopy(stanza)
    if element.tag[0] != "{":
        for each in element.iter():
            if each.tag[0] != "{":
                each.tag = CLIENT + each.tag
    for name in (*ignore, XML_LANG):
        element.attrib.pop(name, None)
    # What waft says of the item itself.
    for own in [each for each in element if each.tag == STANZA_ID
                and each.get("by").endswith("push.localhost")]:
        element.remove(own)
    element[:] = sorted(element, key=lambda child: child.tag)
    return ET.canonicalize(ET.tostring(element, encoding="unicode"))
