"""What tsung 1.7 sends and accepts, by the byte: a load generator that matches the
status line whole, wants a Content-Length, and opens a third connection to end."""

import base64
import re
import select

import pytest

from bosh import BIND, DOMAIN, NB, SASL, XB, Conn, Gateway

TOKEN = 'token "alice" { secret = "wonder"  subscribe = {"*"} }'
ITEMS = 200


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=TOKEN) as running:
        yield running


class Tsung:
    """One of its users.  A connection is open while its request is not answered, and
    free else; those that are free are used again, the last first."""

    def __init__(self, port):
        self.port = port
        self.rid = 1777
        self.open = {}  # connection -> rid
        self.free = []
        self.said = ""
        self.polls = False
        answer = self.wait(self.send(
            f"<body xmlns='{NB}' content='text/xml; charset=utf-8' ver='1.8' "
            f"to='{DOMAIN}' rid='{self.rid}' xmlns:xmpp='{XB}' xmpp:version='1.0' "
            "wait='60' hold='1'/>"))
        self.sid = answer.xml.get("sid")

    def send(self, body, conn=None):
        if conn is None:
            conn = self.free.pop() if self.free else Conn(self.port)
        conn.socket.sendall(
            (f"POST /http-bind/ HTTP/1.1\r\nkeep-alive:true\r\n"
             "Content-Type:text/xml; charset=utf-8\r\n"
             f"Content-Length:{len(body)}\r\nHost:127.0.0.1\r\n\r\n{body}").encode())
        self.open[conn] = self.rid
        self.rid += 1
        return conn

    def body(self, inside):
        return f"<body xmlns='{NB}'  rid='{self.rid}' sid='{self.sid}'>{inside}</body>"

    def restart(self):
        self.polls = True
        self.send(f"<body xmlns='{NB}'  rid='{self.rid}' sid='{self.sid}' "
                  f"xmpp:restart='true' xmlns:xmpp='{XB}' to='{DOMAIN}'/>")

    def end(self):
        self.polls = False
        return self.send(
            f"<body xmlns='{NB}'  rid='{self.rid}' sid='{self.sid}' "
            f"type='terminate' xmlns:xmpp='{XB}'/>")

    def stanza(self, text):
        while self.open and self.rid - min(self.open.values()) > 1:
            self.take()
        self.send(self.body(text))

    def wait(self, conn):
        """The answer on this connection, as tsung reads it."""
        answer = conn.receive()
        assert answer.status_line == "HTTP/1.1 200 OK"
        assert answer.header("Content-Length") == str(len(answer.body.encode()))
        assert answer.xml.tag == f"{{{NB}}}body"
        self.said += answer.body
        del self.open[conn]
        if self.polls and not self.open:
            assert answer.condition is None, answer.body
            self.send(self.body(""), conn)
        else:
            self.free.append(conn)
        return answer

    def take(self):
        """Whichever answer comes next."""
        ready, _, _ = select.select([c.socket for c in self.open], [], [], 20)
        assert ready, f"silence after: {self.said[-500:]}"
        self.wait(next(c for c in self.open if c.socket is ready[0]))

    def hear(self, pattern):
        """Takes answers until what was said matches; what matched."""
        while not (found := re.search(pattern, self.said)):
            self.take()
        return found

    def close(self):
        for conn in [*self.open, *self.free]:
            conn.close()


def test_J5_J6_tsung_logs_in_gets_items_and_ends(gateway):
    user = Tsung(gateway.port)
    secret = base64.b64encode(b"\0alice\0wonder").decode()
    user.stanza(f"<auth xmlns='{SASL}' mechanism='PLAIN' >{secret}</auth>")
    user.hear("<success")
    user.restart()
    user.hear("<bind ")
    # As there, without a namespace of their own.
    user.stanza(f"<iq id='1' type='set' ><bind xmlns='{BIND}'><resource>tsung"
                "</resource></bind></iq>")
    jid = user.hear("<jid>(.*?)</jid>")[1]
    assert jid == f"alice@{DOMAIN}/tsung"
    user.stanza("<iq id='2' type='set' ><session "
                "xmlns='urn:ietf:params:xml:ns:xmpp-session' /></iq>")
    user.hear("id='2'")
    user.stanza("<iq id='3' type='get' ><query xmlns='jabber:iq:roster'></query></iq>")
    user.stanza("<presence id='4' />")
    user.hear("id='3'")
    user.stanza(f"<iq id='5' type='set' to='{DOMAIN}'><pubsub "
                "xmlns='http://jabber.org/protocol/pubsub'><subscribe node='load' "
                f"jid='{jid}'/></pubsub></iq>")
    user.hear("id='5'")
    for number in range(ITEMS):
        gateway.publish("load", f"<message><body>{number}</body></message>")
    user.hear(f"<body>{ITEMS - 1}</body>")
    assert re.findall(r"<body>(\d+)</body>", user.said) == \
        [str(number) for number in range(ITEMS)]
    end = user.end()
    conditions = [user.wait(conn).condition for conn in list(user.open)]
    # The oldest that is held hears of the end.
    assert sorted(conditions, key=str) == ["", *[None] * (len(conditions) - 1)]
    assert end in user.free
    user.close()
