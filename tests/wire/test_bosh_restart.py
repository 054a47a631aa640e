"""Sessions go on, on the same sid and JID, through kill -9 and SIGTERM of waft-bosh."""

import contextlib
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from bosh import (BIND, BUILD, COMPONENT, DOMAIN, NB, NC, PUBSUB, Api, Conn,
                  Gateway, Session, message, sha1, texts, until)

TOKEN = 'token "ann" { kind = basic secret = "pw" }\n'


@contextlib.contextmanager
def gateway(more="", sections="", **options):
    """One on a file of its own, whose ports stay the same when it starts again."""
    with Gateway(more, sections, engine="sqlite", **options) as running:
        text = running.config.read_text()
        running.config.write_text(text.replace(
            '"127.0.0.1:0"', f'"127.0.0.1:{running.port}"', 1))
        yield running


def kill(running):
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()


def restart(running, number=signal.SIGKILL):
    if running.process.poll() is None:
        running.process.send_signal(number)
        running.process.wait(20)
    running.start()


def reconnect(session):
    session.close()
    session.conns = [Conn(session.port), Conn(session.port)]


def stored(running):
    """All that is in the private files, the parts not yet checkpointed too."""
    return b"".join(path.read_bytes() for path in
                    pathlib.Path(running.directory).glob("waft.db.bosh*"))


def hear(session, word, answer=None):
    """Polls until an answer has the word: one of before may come again first."""
    answer = answer or session.call()
    while word not in answer.body:
        assert answer.condition is None, answer.body
        answer = session.call()
    return answer


def ids(answer):
    return [each.get("id") for each in answer.xml.findall(f"{{{NC}}}message")]


def log_in(running, **more):
    session = Session(running.port, **more)
    session.log_in()
    subscribe(session)
    return session


def subscribe(session, channel="c"):
    answer = session.call(
        f"<iq xmlns='{NC}' type='set' id='s1' to='{DOMAIN}'>"
        f"<pubsub xmlns='{PUBSUB}'><subscribe node='{channel}' "
        f"jid='{session.jid}'/></pubsub></iq>")
    assert "type='result'" in hear(session, "'s1'", answer).body


def bind(session):
    answer = session.call(f"<iq xmlns='{NC}' type='set' id='b1'>"
                          f"<bind xmlns='{BIND}'/></iq>")
    session.jid = re.search("<jid>(.*?)</jid>",
                            hear(session, "<jid>", answer).body)[1]


def settled(running):
    """Until what moved is on disk: something was written, and then nothing more
    for five turns of the timer."""
    seen, since = 0, time.monotonic()

    def is_quiet():
        nonlocal seen, since
        pages = running.metric("waft_bosh_pages_total")
        if pages != seen:
            seen, since = pages, time.monotonic()
        return seen > 0 and time.monotonic() - since > 0.5

    until(is_quiet, 20)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_N7_goes_on_where_it_was(number):
    with gateway() as running:
        session = log_in(running)
        running.publish("c", message("one"))
        assert session.texts() == ["one"]
        restart(running, number)
        reconnect(session)
        running.publish("c", message("two"))
        hear(session, "two")
        assert running.metric("waft_bosh_restored_total") == 1
        iq = session.call(f"<iq xmlns='{NC}' type='get' id='p' to='{DOMAIN}'>"
                          "<ping xmlns='urn:xmpp:ping'/></iq>")
        assert f"to='{session.jid}'" in hear(session, "id='p'", iq).body


def test_N7_a_held_request_is_answered_when_repeated():
    with gateway() as running:
        session = log_in(running)
        session.send()
        settled(running)
        kill(running)
        running.start()
        running.publish("c", message("while away"))
        reconnect(session)
        session.send(rid=session.rid)
        assert texts(hear(session, "away", session.receive())) == ["while away"]


def test_N7_an_answer_that_was_not_received_comes_again_with_the_same_ids():
    with gateway() as running:
        session = log_in(running)
        session.send()
        running.publish("c", message("one"))
        first = session.receive()
        kill(running)
        running.start()
        reconnect(session)
        session.send(rid=session.rid)
        again = hear(session, "one", session.receive())
        assert texts(again) == texts(first) == ["one"]
        assert ids(again) == ids(first)


def test_N7_nothing_published_before_during_and_after_is_lost():
    with gateway() as running:
        session = log_in(running)
        sent = [f"t{i}" for i in range(30)]
        got = []
        for i, text in enumerate(sent):
            if i in (10, 20):
                restart(running)
                reconnect(session)
                session.rid -= 1
            running.publish("c", message(text))
            while text not in got:
                got += texts(session.call())
        assert list(dict.fromkeys(got)) == sent


def test_N7_the_client_may_be_further_than_what_was_stored():
    with gateway() as running:
        session = log_in(running, attrs="ack='1'")
        for i in range(40):
            running.publish("c", message(str(i)))
            session.call(attrs=f"ack='{session.rid}'")
        restart(running)
        reconnect(session)
        running.publish("c", message("more"))
        got = []
        while "more" not in got:
            got += texts(session.call(attrs=f"ack='{session.rid}'"))
        assert got[-1] == "more" and got == sorted(got[:-1], key=int) + ["more"]


def test_N7_a_rid_past_the_window_is_not_believed():
    with gateway("resume-window = 5") as running:
        session = log_in(running)
        settled(running)
        restart(running)
        reconnect(session)
        session.rid += 50
        assert session.call().condition == "item-not-found"


def test_N7_requests_pipelined_before_the_kill_keep_their_order():
    with gateway() as running:
        session = log_in(running)
        settled(running)
        session.rid += 3  # three that the store never heard of
        restart(running)
        reconnect(session)
        later = session.body(f"<iq xmlns='{NC}' type='get' id='second' "
                             f"to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>",
                             rid=session.rid + 1)
        session.conns[1].send(later)
        assert not session.conns[1].has_answer(0.05)
        session.send(f"<iq xmlns='{NC}' type='get' id='first' to='{DOMAIN}'>"
                     "<ping xmlns='urn:xmpp:ping'/></iq>", rid=session.rid)
        both = session.receive().body
        while "'second'" not in both:
            both += session.conns[1].receive().body
        assert both.index("'first'") < both.index("'second'")


def test_N7_keys_go_on_and_guessed_ones_do_not():
    chain = ["seed"]
    for _ in range(40):
        chain.insert(0, sha1(chain[0]))
    keys = iter(chain[1:])
    with gateway() as running:
        session = Session(running.port, attrs=f"newkey='{chain[0]}'")

        def push(key, count):
            """Each request releases the one before it; the last is held."""
            for _ in range(count):
                key = next(keys)
                session.send(attrs=f"key='{key}'")
                assert session.receive().condition is None
            return key

        held = next(keys)
        session.send(attrs=f"key='{held}'")
        held = push(held, 5)
        for _ in range(2):
            restart(running)
            reconnect(session)
            session.send(attrs=f"key='{held}'", rid=session.rid)
            held = push(held, 3)
        restart(running)
        reconnect(session)
        answer = session.call(attrs="key='0000'")
        assert answer.condition == "item-not-found"


def test_N7_each_step_of_a_login_survives():
    with gateway() as running:
        session = Session(running.port)
        restart(running)
        reconnect(session)
        hear(session, "success", session.authenticate())
        restart(running)
        reconnect(session)
        hear(session, "urn:ietf:params:xml:ns:xmpp-bind", session.restart())
        bind(session)
        restart(running)
        reconnect(session)
        subscribe(session)
        restart(running)
        reconnect(session)
        running.publish("c", message("there"))
        assert session.texts() == ["there"]


def test_N7_an_answer_to_an_iq_waits_through_the_kill():
    with gateway() as running:
        session = log_in(running)
        ping = (f"<iq xmlns='{NC}' type='get' id='p1' to='{DOMAIN}'>"
                "<ping xmlns='urn:xmpp:ping'/></iq>")
        assert "'p1'" in session.call(ping).body
        kill(running)
        running.start()
        reconnect(session)
        session.send(ping, rid=session.rid)
        hear(session, "'p1'", session.receive())


def test_N7_what_has_arrived_does_not_come_again_after_many_logins():
    """More than the records that are made smaller at once."""
    with gateway() as running:
        sessions = [log_in(running) for _ in range(40)]
        for text in ("one", "two", "three"):
            running.publish("c", message(text))
            assert all(each.texts() == [text] for each in sessions)
        settled(running)
        kill(running)
        running.start()
        running.publish("c", message("after"))
        for each in sessions:
            reconnect(each)
            heard = ""
            while "after" not in heard:
                heard += each.call().body
            assert "<jid>" not in heard and "'s1'" not in heard


def test_N7_polling_sessions_go_on():
    with gateway("polling = 0s") as running:
        session = log_in(running, hold=0, wait=0)
        restart(running)
        reconnect(session)
        running.publish("c", message("polled"))
        assert session.texts() == ["polled"]


def test_N7_a_named_user_goes_on_with_its_channels():
    with gateway(sections=TOKEN) as running:
        session = Session(running.port)
        session.log_in("PLAIN", "\0ann\0pw", "desk")
        session.subscribe("c", jid=f"ann@{DOMAIN}")
        restart(running)
        running.publish("c", message("kept"))
        reconnect(session)
        assert session.texts() == ["kept"]


def test_N7_a_user_that_was_removed_does_not_go_on():
    with gateway(sections=TOKEN) as running:
        session = Session(running.port)
        session.log_in("PLAIN", "\0ann\0pw", "desk")
        kill(running)
        text = running.config.read_text()
        running.config.write_text(text.replace('"pw"', '"other"'))
        running.start()
        reconnect(session)
        assert session.call().condition == "item-not-found"
        assert running.metric("waft_bosh_restore_refused_total") == 1


def test_a_bare_jid_is_stored_as_far_as_its_slowest_session():
    """Of two sessions of one user, in whichever workers, one stops to read."""
    with gateway(sections=TOKEN) as running:
        pair = [Session(running.port).log_in("PLAIN", "\0ann\0pw", name)
                for name in ("desk", "phone")]
        pair[0].subscribe("c", jid=f"ann@{DOMAIN}")
        running.publish("c", message("one"))
        for each in pair:
            assert each.texts() == ["one"]
            each.send()
        for text in ("two", "three", "four", "five"):
            running.publish("c", message(text))
            assert texts(pair[0].receive()) == [text]
            pair[0].send()
        saved = running.metric("waft_bosh_positions_saved_total")
        running.publish("c", message("six"))
        until(lambda: running.metric("waft_bosh_positions_saved_total") > saved)
        restart(running)
        third = Session(running.port).log_in("PLAIN", "\0ann\0pw", "pad")
        got = third.texts(count=5)
        assert got[-5:] == ["two", "three", "four", "five", "six"][-len(got):]


@pytest.mark.parametrize("before,after", [(2, 1), (1, 3), (3, 2)])
def test_N7_another_number_of_workers_finds_the_sessions(before, after):
    with gateway() as running:
        text = running.config.read_text()
        running.config.write_text(text.replace("workers = 2",
                                               f"workers = {before}"))
        restart(running)
        sessions = [log_in(running) for _ in range(6)]
        kill(running)
        running.config.write_text(text.replace("workers = 2",
                                               f"workers = {after}"))
        running.start()
        running.publish("c", message("all"))
        for session in sessions:
            reconnect(session)
            assert session.texts() == ["all"]
            session.close()
        assert running.metric("waft_bosh_restored_total") == 6


def test_N7_ends_when_its_client_does_not_come_back():
    with gateway("inactivity = 5s") as running:
        session = log_in(running)
        restart(running)
        until(lambda: running.metric("waft_bosh_restored_total") == 1)
        until(lambda: running.metric("waft_bosh_sessions") == 0, 20)
        restart(running, signal.SIGTERM)
        assert running.metric("waft_bosh_restored_total") == 0
        reconnect(session)
        assert session.call().condition == "item-not-found"


def test_N7_one_that_ended_stays_ended():
    with gateway() as running:
        session = log_in(running)
        session.call(attrs="type='terminate'")
        restart(running, signal.SIGTERM)
        reconnect(session)
        assert session.call().condition == "item-not-found"
        assert running.metric("waft_bosh_restored_total") == 0


def test_N7_the_files_do_not_tell_a_sid():
    with gateway() as running:
        session = log_in(running)
        settled(running)
        text = stored(running)
        assert session.jid.encode() in text
        assert session.sid.encode() not in text
        assert session.sid[2:18].encode() not in text
        key = re.search(rb"session/\d\d/([0-9a-f]{40})", text)[1].decode()
        kill(running)
        running.start()
        for sid in (key, "#" + key, "00" + key, "01" + key):
            answer = Conn(running.port).call(
                f"<body rid='{session.rid + 1}' sid='{sid}' "
                "xmlns='http://jabber.org/protocol/httpbind'/>")
            assert answer.condition == "item-not-found"


def test_J12_shutdown_end_tells_all_that_is_held():
    with gateway("shutdown = end\nworkers = 1") as running:
        sessions = [Session(running.port).log_in() for _ in range(1000)]
        for session in sessions:
            session.conns[1].close()
            session.send()
        until(lambda: running.metric("waft_bosh_waiting") == 1000, 30)
        late = Conn(running.port)
        late.call("<body/>")
        create = (f"<body rid='1' to='{DOMAIN}' wait='60' hold='1' ver='1.6' "
                  f"xmlns='{NB}'/>").encode()
        late.socket.sendall(b"POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: "
                            + str(len(create)).encode() + b"\r\n\r\n" + create[:9])
        other = Conn(running.port)
        for _ in range(2):  # The one worker has read it by then.
            other.call("<body/>")
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert sessions[0].receive().condition == "system-shutdown"
        # Nobody begins anew meanwhile.
        late.socket.sendall(create[9:])
        assert late.receive(10).condition == "system-shutdown"
        for session in sessions[1:]:
            assert session.receive().condition == "system-shutdown"
            session.close()
        assert running.process.wait(20) == 0
        # Five seconds are the rule; reading a thousand answers takes a part of them.
        assert time.monotonic() - began < 15
        running.start()
        assert running.metric("waft_bosh_restored_total") == 0


def test_J12_sigterm_answers_what_is_held_with_nothing_and_keeps_the_sessions():
    with gateway() as running:
        session = log_in(running)
        session.send()
        until(lambda: running.metric("waft_bosh_waiting") == 1)
        running.process.send_signal(signal.SIGTERM)
        answer = session.receive()
        assert answer.condition is None and list(answer.xml) == []
        assert running.process.wait(20) == 0
        running.start()
        reconnect(session)
        running.publish("c", message("next"))
        assert session.texts() == ["next"]


# ---- a thousand ----------------------------------------------------------------

class Crowd:
    """Sessions with one request held each, over epoll; reads what comes, polls
    again, and after a kill repeats the request that was not answered."""

    def __init__(self, port, count):
        self.port = port
        self.poll = select.epoll()
        self.members = [Member(port, i) for i in range(count)]
        self.by_fd = {}

    def log_in(self):
        for member in self.members:
            member.session.log_in()
            subscribe(member.session)
            member.session.conns[1].close()
            member.take(member.session.conns[0].socket)
            self.watch(member)
            member.next()

    def watch(self, member):
        self.by_fd[member.socket.fileno()] = member
        self.poll.register(member.socket, select.EPOLLIN)

    def run(self, seconds):
        """Handles what comes within a moment; lost connections are counted."""
        for fd, _ in self.poll.poll(seconds):
            member = self.by_fd[fd]
            if not member.read():
                self.poll.unregister(fd)
                del self.by_fd[fd]
                member.socket.close()

    def reconnect(self):
        for member in self.members:
            if member.socket.fileno() in self.by_fd:
                self.poll.unregister(member.socket)
                member.socket.close()
            member.take(socket.create_connection(("127.0.0.1", self.port), 20))
        self.by_fd = {}
        for member in self.members:
            self.watch(member)
            member.repeat()

    def close(self):
        for member in self.members:
            member.socket.close()
        self.poll.close()


class Member:
    def __init__(self, port, number):
        self.session = Session(port, rid=1000 + 10 * number)
        self.got = []   # (id, text) each time it came
        self.ends = []
        self.buffer = b""

    def take(self, connection):
        self.socket = connection
        self.socket.settimeout(20)
        self.buffer = b""

    def next(self):
        self.session.rid += 1
        self.repeat()

    def repeat(self):
        body = self.session.body(rid=self.session.rid).encode()
        with contextlib.suppress(OSError):
            self.socket.sendall(
                b"POST /http-bind HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def read(self):
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            return False
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return True
            length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
            if len(rest) < length:
                return True
            self.buffer = rest[length:]
            self.take_body(rest[:length].decode())

    def take_body(self, body):
        if "type='terminate'" in body:
            self.ends.append(body)
            return
        self.got += re.findall(r"<message [^>]*?id='([^']*)'.*?<body>(\w+)</body>",
                               body)
        self.next()


@contextlib.contextmanager
def publisher(running):
    """waft-component, whose server is not there, on the same store: its API."""
    log = pathlib.Path(running.directory, "component.log")
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [BUILD / "bin" / "waft-component", "-c", running.config],
            stderr=out)
    try:
        port = until(lambda: re.search(r"event=control.listen.*port=(\d+)",
                                       log.read_text()), 20, log.read_text)[1]
        yield Api(int(port))
    finally:
        process.terminate()
        process.wait(20)


def test_N7_a_thousand_sessions_live_through_a_kill():
    """Publishes go on before, while it is down, and after; every session gets each,
    in order, repeats with the same id."""
    with gateway(sections=COMPONENT) as running, publisher(running) as api:
        crowd = Crowd(running.port, 1000)
        crowd.log_in()
        sent = []

        def publish(count):
            for _ in range(count):
                sent.append(f"t{len(sent)}")
                api.publish({"channel": "c", "formats": {
                    "xmpp-stanza": {"content": message(sent[-1])}}})
                crowd.run(0)

        publish(5)
        for _ in range(5):
            crowd.run(0.05)
        publish(3)
        kill(running)
        publish(4)
        running.start()
        publish(2)
        crowd.reconnect()
        publish(10)
        last = sent[-1]
        end = time.monotonic() + 60
        while any(not member.got or member.got[-1][1] != last
                  for member in crowd.members):
            crowd.run(0.1)
            assert time.monotonic() < end
        for member in crowd.members:
            assert not member.ends
            by_text = {}
            for name, text in member.got:
                assert by_text.setdefault(text, name) == name
            # In order of their first coming, and none is missing.
            assert list(by_text) == sent
        assert running.metric("waft_bosh_restored_total") == 1000
        crowd.close()


# ---- slow clients --------------------------------------------------------------

def big(text):
    return message(text + "x" * 4000)


def test_N4_a_slow_client_reads_on_from_the_store():
    with gateway("client-queue = 16K max-response = 4K",
                 'channels "c" { history-items = 1000 }\n') as running:
        session = log_in(running)
        for i in range(40):
            running.publish("c", big(f"{i}-"))
        until(lambda: running.metric("waft_bosh_full_total") > 0)
        got = [text.split("-")[0] for text in session.texts(count=40)]
        assert got == [str(i) for i in range(40)]
        assert running.metric("waft_bosh_overflows_total") == 0


def test_N4_a_client_too_slow_for_the_history_ends_and_is_counted():
    with gateway("client-queue = 16K max-response = 4K",
                 'channels "c" { history-items = 5  history-age = "1h" }\n'
                 ) as running:
        # As little as there may be of what is held for those who are behind.
        text = running.config.read_text()
        running.config.write_text(text.replace(
            "store {", "store { tail-size = 256K", 1))
        restart(running, signal.SIGTERM)
        session = log_in(running)
        for i in range(150):
            running.publish("c", big(f"{i}-"))

        def trimmed():
            items = Api(running.control).items("c", "?max=100")["items"]
            return len(items) <= 10

        until(trimmed, 20)
        answer = session.call()
        while answer.condition is None:
            answer = session.call()
        assert answer.condition == "policy-violation"
        assert running.metric("waft_bosh_overflows_total") == 1
        assert "reason=\"queue full\"" in running.tail()
        # It comes again, listens, and asks for what it may have missed.
        again = log_in(running)
        answer = again.call(
            f"<iq xmlns='{NC}' type='get' id='i1' to='{DOMAIN}'>"
            f"<pubsub xmlns='{PUBSUB}'><items node='c' max_items='2'/></pubsub></iq>")
        assert re.findall(r">(\d+)-x", hear(again, "'i1'", answer).body) == [
            "148", "149"]
