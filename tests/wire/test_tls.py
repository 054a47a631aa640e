"""TLS on the public port: real handshakes, good and bad ones."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from bosh import NB, Conn, Gateway, Session, message, texts, until
from certificates import Authority, openssl, section
from ws import Stream

TLS = 'tls-listen = {"127.0.0.1:0"}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def sections(authority):
    return (section("first", *authority.issue("first", "first.test")) +
            section("second", *authority.issue(
                "second", "second.test", "*.wild.test", algorithm="rsa:2048")))


@pytest.fixture(scope="module")
def gateway(sections):
    with Gateway(TLS, sections + "http { handshake-timeout = 3s }") as running:
        yield running


def s_client(gateway, *arguments, stdin=""):
    """Exit code and output of openssl s_client."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}",
         *map(str, arguments)],
        input=stdin, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def names(conn):
    """The DNS names in the certificate that the server showed."""
    return [value for kind, value in
            conn.socket.getpeercert()["subjectAltName"] if kind == "DNS"]


def empty(conn, path="/http-bind"):
    """An answer to something harmless."""
    answer = conn.call("", method="GET", path=path)
    assert answer.status == 200, answer.status_line


# ---- handshakes ----------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_1_2_and_1_3_are_spoken(gateway, authority, version):
    conn = Conn(gateway.tls_port, authority.client(
        minimum_version=version, maximum_version=version), "first.test")
    assert conn.socket.version() == version.name.replace("_", ".")
    empty(conn)
    conn.close()


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_older_versions_are_refused(gateway, version):
    code, text = s_client(gateway, version, "-cipher", "ALL:@SECLEVEL=0")
    assert code != 0 and "alert protocol version" in text, text


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA",
                                    "AECDH-AES128-SHA"])
def test_weak_ciphers_are_refused(gateway, cipher):
    code, text = s_client(gateway, "-tls1_2", "-cipher",
                          f"{cipher}:@SECLEVEL=0")
    assert code != 0 and "handshake failure" in text, text


def test_renegotiation_is_refused(gateway):
    code, text = s_client(gateway, "-tls1_2", stdin="R\n")
    assert "no renegotiation" in text or "RENEGOTIATING" in text
    assert "verify return" not in text.split("RENEGOTIATING")[-1], text


@pytest.mark.parametrize("asked, shown", [
    ("first.test", "first.test"), ("second.test", "second.test"),
    ("a.wild.test", "second.test"), ("other.test", "first.test"),
    (None, "first.test")])
def test_the_name_asked_for_chooses_the_certificate(
        gateway, authority, asked, shown):
    conn = Conn(gateway.tls_port, authority.client(check_hostname=False), asked)
    assert names(conn)[0] == shown
    empty(conn)
    conn.close()


@pytest.mark.parametrize("offer, chosen", [
    (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)])
def test_alpn_is_http_1_1(gateway, authority, offer, chosen):
    context = authority.client()
    if offer:
        context.set_alpn_protocols(offer)
    conn = Conn(gateway.tls_port, context, "first.test")
    assert conn.socket.selected_alpn_protocol() == chosen
    conn.close()


def test_alpn_without_http_1_1_is_refused(gateway):
    code, text = s_client(gateway, "-alpn", "h2")
    assert code != 0 and "no application protocol" in text, text


def test_a_session_is_resumed_by_its_ticket_at_any_worker(gateway, tmp_path):
    kept = tmp_path / "session"
    for version in "-tls1_2", "-tls1_3":
        code, text = s_client(
            gateway, version, "-sess_out", kept, "-ign_eof",
            stdin="GET /http-bind HTTP/1.0\r\n\r\n")
        assert code == 0 and "New," in text, text
        for _ in range(4):
            code, text = s_client(gateway, version, "-sess_in", kept)
            assert code == 0 and "Reused," in text, text


# ---- what else comes to that port ----------------------------------------

def failed(gateway, reason):
    return gateway.metric(f'waft_tls_failed_total{{reason="{reason}"}}')


def test_plain_http_on_the_tls_port_is_told_so(gateway):
    before = failed(gateway, "plain")
    conn = Conn(gateway.tls_port)
    answer = conn.call(f"<body xmlns='{NB}'/>")
    assert answer.status == 400 and "HTTPS" in answer.body
    assert conn.is_closed()
    assert failed(gateway, "plain") == before + 1


def test_tls_on_the_plain_port_is_refused(gateway, authority):
    with pytest.raises(ssl.SSLError):
        Conn(gateway.port, authority.client(), "first.test")


@pytest.mark.parametrize("bytes_", [
    b"\0" * 100, os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x00\x02\x01\x00" * 100])
def test_garbage_is_cut(gateway, bytes_):
    conn = Conn(gateway.tls_port)
    try:
        conn.socket.sendall(bytes_)
        conn.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    conn.socket.settimeout(5)
    try:
        while conn.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    conn.close()
    until(lambda: gateway.metric("waft_http_connections") <= 1)


class Half:
    """A client whose handshake a test feeds by hand."""

    def __init__(self, gateway, authority):
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = authority.client().wrap_bio(
            self.incoming, self.outgoing, server_hostname="first.test")
        self.socket = socket.create_connection(
            ("127.0.0.1", gateway.tls_port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def step(self):
        """What is to be sent next; b"" when the handshake is done."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def finish(self):
        """The rest of the handshake."""
        while True:
            self.socket.sendall(self.step())
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.incoming.write(self.socket.recv(65536))
        self.socket.sendall(self.outgoing.read())

    def read(self):
        """What comes next, at least a byte."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                data = self.socket.recv(65536)
                assert data, "closed"
                self.incoming.write(data)

    def close(self):
        self.socket.close()


def test_half_a_handshake_is_given_up(gateway, authority):
    before = failed(gateway, "slow")
    halves = [Half(gateway, authority) for _ in range(3)]
    halves[1].socket.sendall(halves[1].step()[:50])
    halves[2].socket.sendall(halves[2].step())
    for half in halves:
        half.socket.settimeout(10)
        while half.socket.recv(65536):
            pass
        half.close()
    assert failed(gateway, "slow") == before + 3


def test_a_client_that_leaves_in_its_handshake_is_forgotten(gateway, authority):
    for reset in False, True:
        half = Half(gateway, authority)
        half.socket.sendall(half.step()[:100])
        if reset:
            half.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   b"\1\0\0\0\0\0\0\0")
        half.close()
    half = Half(gateway, authority)
    half.socket.sendall(half.step())
    half.close()
    until(lambda: gateway.metric("waft_http_connections") <= 1)


def test_a_handshake_byte_by_byte(sections, authority):
    with Gateway(TLS, sections) as running:
        half = Half(running, authority)
        while True:
            out = half.step()
            for i in range(len(out)):
                half.socket.sendall(out[i:i + 1])
            try:
                half.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                half.incoming.write(half.socket.recv(65536))
        half.socket.sendall(half.outgoing.read())
        half.tls.write(b"GET /http-bind HTTP/1.0\r\n\r\n")
        for byte in half.outgoing.read():
            half.socket.sendall(bytes([byte]))
        got = b""
        while b"BOSH" not in got:
            got += half.read()
        half.close()


def test_a_request_in_one_packet_with_the_handshake_s_end(gateway, authority):
    half = Half(gateway, authority)
    half.socket.settimeout(10)
    while True:
        try:
            half.tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            half.socket.sendall(half.outgoing.read())
            half.incoming.write(half.socket.recv(65536))
    half.tls.write(b"GET /http-bind HTTP/1.1\r\nHost: x\r\n\r\n")
    half.socket.sendall(half.outgoing.read())
    assert b"BOSH" in half.read()
    half.close()


def test_pending_handshakes_are_limited_and_the_oldest_goes(
        sections, authority):
    limits = "http { handshakes-max = 2 handshake-timeout = 60s }"
    with Gateway(TLS + " workers = 1", sections + limits) as running:
        halves = [Half(running, authority) for _ in range(5)]
        until(lambda: failed(running, "limit") == 3)
        conn = Conn(running.tls_port, authority.client(), "first.test")
        empty(conn)
        assert failed(running, "limit") == 4
        conn.close()
        for half in halves:
            half.close()


# ---- what goes through it ------------------------------------------------

def test_a_session_lives_over_tls_and_gets_what_is_published(
        gateway, authority):
    session = Session(gateway.tls_port,
                      tls=authority.client(check_hostname=False)).log_in()
    session.subscribe("news")
    session.send()
    gateway.publish("news", "<message><body>one</body></message>")
    assert texts(session.receive()) == ["one"]
    session.close()


def test_a_websocket_lives_over_tls_though_it_reads_late(gateway, authority):
    """More is sent than the socket takes, in frames of more than a record."""
    tls = authority.client(check_hostname=False)
    with Stream(gateway.tls_port, size=8192, tls=tls) as stream:
        stream.log_in()
        stream.subscribe("wide")
        wanted = [f"{number:03}" * 10000 for number in range(20)]
        for text in wanted:
            gateway.publish("wide", f"<message><body>{text}</body></message>")
        assert stream.texts(20) == wanted
        gateway.publish("wide", "<message><body>last</body></message>")
        assert stream.texts(1) == ["last"]


def test_big_answers_and_big_requests(gateway, authority):
    session = Session(gateway.tls_port,
                      tls=authority.client(check_hostname=False)).log_in()
    session.subscribe("big")
    wanted = []
    for number in range(8):
        wanted.append(f"{number}" * 60000)
        gateway.publish("big", f"<message><body>{wanted[-1]}</body></message>")
    assert session.texts(count=8) == wanted
    answer = session.call(
        f"<iq xmlns='jabber:client' type='get' id='{'i' * 100000}'>"
        "<ping xmlns='urn:xmpp:ping'/></iq>")
    assert "i" * 100000 in answer.body
    session.close()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_the_end_is_said_inside_tls(sections, authority, version):
    """Else nobody could tell an end from a cut (RFC 8446 §6.1): behind an answer
    that closes, and where a connection was idle for too long."""
    with Gateway(TLS, sections + "http { idle-timeout = 1s }") as running:
        plain = socket.create_connection(("127.0.0.1", running.tls_port), 10)
        context = authority.client()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        tls = context.wrap_socket(plain, server_hostname="first.test",
                                  suppress_ragged_eofs=False)
        tls.sendall(f"GET /http-bind {version}\r\nHost: x\r\n\r\n".encode())
        while tls.recv(65536):
            pass
        tls.close()


def test_pipelined_requests_are_answered_in_order(gateway, authority):
    conn = Conn(gateway.tls_port, authority.client(), "first.test")
    request = (f"POST /http-bind HTTP/1.1\r\nHost: x\r\nContent-Length: %d"
               "\r\n\r\n%s")
    conn.socket.sendall("".join(
        request % (len(body), body) for body in
        (f"<body xmlns='{NB}' sid='{n}' rid='1'/>" for n in range(10))
    ).encode() + b"GET /http-bind HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(10):
        assert conn.receive().condition == "item-not-found"
    assert "BOSH" in conn.receive().body
    conn.close()


@pytest.mark.parametrize("record", [97, 1500, 16384])
def test_what_came_in_one_go_is_read_to_its_end(gateway, authority, record):
    """More than a read takes."""
    half = Half(gateway, authority)
    half.finish()
    one = (b"GET /http-bind HTTP/1.1\r\nHost: x\r\nX-Fill: " +
           b"y" * 1500 + b"\r\n\r\n")
    every = one * 150
    for at in range(0, len(every), record):
        half.tls.write(every[at:at + record])
    # All of it is encrypted by now: a session serves one thread at a time.
    sender = threading.Thread(target=half.socket.sendall,
                              args=(half.outgoing.read(),))
    sender.start()
    got = b""
    while got.count(b"HTTP/1.1 200 OK") < 150:
        got += half.read()
    sender.join()
    half.close()


def test_what_is_left_inside_the_session_is_not_forgotten(gateway, authority):
    """A body is read to its length; what follows it in the same record shows on
    no socket any more."""
    conn = Conn(gateway.tls_port, authority.client(), "first.test")
    body = f"<body xmlns='{NB}' sid='none' rid='1'/>"
    conn.socket.sendall(
        b"POST /http-bind HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" +
        f"Content-Length: {len(body)}\r\n\r\n".encode())
    assert conn.receive().status == 100
    conn.socket.sendall(body.encode() +
                        b"GET /http-bind HTTP/1.1\r\nHost: x\r\n\r\n")
    assert conn.receive().condition == "item-not-found"
    assert "BOSH" in conn.receive().body
    conn.close()


def test_the_end_of_the_daemon_is_orderly(sections, authority):
    with Gateway(TLS, sections) as running:
        tls = authority.client(check_hostname=False)
        session = Session(running.tls_port, tls=tls).log_in()
        session.send()
        until(lambda: running.metric("waft_bosh_waiting") == 1)
        half = Half(running, authority)
        half.socket.sendall(half.step()[:60])
        running.process.send_signal(signal.SIGTERM)
        assert session.receive().condition is None
        assert session.conns[0].is_closed()
        assert running.process.wait(20) == 0
        assert "drain.timeout" not in running.tail()
        session.close()
        half.close()


def test_the_close_of_a_held_poll_is_noticed(gateway, authority):
    session = Session(gateway.tls_port,
                      tls=authority.client(check_hostname=False)).log_in()
    waiting = gateway.metric("waft_bosh_waiting")
    for way in "close_notify", "fin":
        session.send(conn=0)
        until(lambda: gateway.metric("waft_bosh_waiting") == waiting + 1)
        conn = session.conns[0]
        if way == "close_notify":
            conn.socket.setblocking(False)
            try:
                conn.socket.unwrap()
            except (ssl.SSLWantReadError, OSError):
                pass
        else:
            conn.close()
        until(lambda: gateway.metric("waft_bosh_waiting") == waiting)
        session.conns[0] = Conn(gateway.tls_port,
                                authority.client(check_hostname=False))
    session.close()


def test_a_client_that_does_not_read_is_cut(sections, authority, tmp_path):
    (tmp_path / "big.txt").write_bytes(b"x" * 4000000)
    with Gateway(f'{TLS} demo = yes web = "{tmp_path}"',
                 sections + "http { idle-timeout = 1s }") as running:
        conn = Conn(running.tls_port, authority.client(), "first.test")
        for _ in range(4):
            conn.send("", method="GET", path="/demo/big.txt")
        until(lambda: running.metric("waft_http_cut_total") == 1, 20)
        conn.close()
        conn = Conn(running.tls_port, authority.client(), "first.test")
        conn.send("", method="GET", path="/demo/big.txt")
        assert conn.receive(20).body == "x" * 4000000
        conn.close()


# ---- certificates --------------------------------------------------------

def shown(gateway, authority):
    conn = Conn(gateway.tls_port, authority.client(check_hostname=False),
                "first.test")
    try:
        return names(conn)
    finally:
        conn.close()


def reload(gateway, event):
    before = gateway.log.read_text().count(f"event={event} ")
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.log.read_text().count(f"event={event} ") > before)


def test_new_certificates_are_taken_and_connections_live_on(
        authority, tmp_path):
    chain, key = tmp_path / "live.pem", tmp_path / "live.key"

    def put(made):
        shutil.copy(made[0], chain)
        shutil.copy(made[1], key)

    put(authority.issue("old", "old.test"))
    with Gateway(TLS, section("live", chain, key)) as running:
        assert shown(running, authority) == ["old.test"]
        session = Session(running.tls_port, tls=authority.client(
            check_hostname=False)).log_in()
        session.subscribe("news")
        session.send()
        half = Half(running, authority)
        half.socket.sendall(half.step()[:60])
        put(authority.issue("new", "new.test"))
        reload(running, "reload")
        until(lambda: shown(running, authority) == ["new.test"])
        running.publish("news", "<message><body>on</body></message>")
        assert texts(session.receive()) == ["on"]
        half.close()

        days = (running.metric("waft_tls_expires_timestamp_seconds") -
                time.time()) / 86400
        assert 29 < days <= 30

        key.write_text("nonsense")
        reload(running, "tls.certificate")
        assert "holds no private key" in running.tail()
        assert shown(running, authority) == ["new.test"]
        session.close()


# ---- what waft check says of them ----------------------------------------

def check(tmp_path, sections, listen=TLS):
    from daemons import BUILD
    conf = tmp_path / "waft.conf"
    conf.write_text(f'store {{ path = "{tmp_path}/waft.db" }}\n'
                    f"bosh {{ {listen} }}\n{sections}")
    done = subprocess.run([BUILD / "bin" / "waft", "check", "-c", conf],
                          capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout, done.stderr


def test_check_says_what_is_wrong_with_a_certificate(authority, tmp_path):
    chain, key = authority.issue("good", "good.test")
    other = authority.issue("other", "other.test")[1]
    rsa = authority.issue("rsa", "rsa.test", algorithm="rsa:2048")[1]
    locked = tmp_path / "locked.key"
    openssl("ec", "-in", key, "-out", locked, "-aes128", "-passout", "pass:x")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for chain_, key_, file, why in [
            (tmp_path / "gone.pem", key, "gone.pem", "No such file"),
            (chain, tmp_path / "gone.key", "gone.key", "No such file"),
            (empty, key, "empty.pem", "no certificate in PEM"),
            (chain, empty, "empty.pem", "no private key in PEM"),
            (tmp_path, key, str(tmp_path), ""),
            (chain, other, "other.key", "is not the key of the certificate"),
            (chain, rsa, "rsa.key", "is not the key of the certificate"),
            (chain, locked, "locked.key", "without a passphrase")]:
        code, _, err = check(tmp_path, section("x", chain_, key_))
        assert code == 78, (why, err)
        assert 'certificate "x"' in err and file in err and why in err, err
    code, out, err = check(tmp_path, section("x", chain, key))
    assert code == 0 and err == "" and "https://" in out, err


def test_check_warns_of_an_expired_certificate(authority, tmp_path):
    made = authority.issue("late", "late.test", days=-1)
    code, _, err = check(tmp_path, section("x", *made))
    assert code == 0 and "has expired" in err, err


def test_tls_without_a_certificate_is_a_fault(tmp_path):
    code, _, err = check(tmp_path, "")
    assert code == 78 and "tls-listen" in err, err
    code, _, err = check(tmp_path, 'certificate "x" { chain = "y" }')
    assert code == 78 and "needs a chain and a key" in err, err


def test_the_daemon_does_not_start_with_a_bad_certificate(tmp_path):
    from daemons import BUILD
    conf = tmp_path / "waft.conf"
    conf.write_text(
        'store { engine = memory }\n'
        'bosh { listen = {} tls-listen = {"127.0.0.1:0"} control = '
        '"127.0.0.1:0" }\n' + section("x", "/nowhere.pem", "/nowhere.key"))
    done = subprocess.run([BUILD / "bin" / "waft-bosh", "-c", conf],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 78, done.stderr
    assert "/nowhere.pem: No such file" in done.stderr
