"""Rules of the component's checklist (tests/rules/component.txt) that no other file
proves: the link's surroundings, and the library beneath it."""

import ctypes
import os
import pathlib
import re
import socket
import struct
import subprocess
import time

from scripted import body
from servers import Ejabberd, Prosody, free_ports, listens, wait_until
from users import User
from waft import ROOT, Component

DISCO = "http://jabber.org/protocol/disco#info"
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438


def link_descriptor(pid, port):
    """The number, in that process, of its socket that is connected to the port."""
    wanted = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), 'little'):08X}:{port:04X}"
    inodes = {fields[9] for fields in map(str.split, pathlib.Path(
        f"/proc/{pid}/net/tcp").read_text().splitlines()[1:])
        if fields[2] == wanted and fields[3] == "01"}
    found = []
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(each)
        if target.startswith("socket:[") and target[8:-1] in inodes:
            found.append(int(each.name))
    assert found
    return min(found)


def borrow(pid, number):
    """The same socket, in this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    assert pidfd >= 0, os.strerror(ctypes.get_errno())
    try:
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        return socket.socket(fileno=fd)
    finally:
        os.close(pidfd)


# ---- what is answered to whom ------------------------------------------------


def test_c3_5_both_namespaces_are_understood(scripted, waft):
    waft.start()
    for number, xmlns in enumerate(("", " xmlns='jabber:client'",
                                    " xmlns='jabber:component:accept'")):
        scripted.send(
            f"<iq{xmlns} type='set' id='s{number}' from='u{number}@localhost/x'"
            " to='push.localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<subscribe node='news' jid='u{number}@localhost'/></pubsub></iq>")
        wait_until(lambda: scripted.count(f"id='s{number}'") == 1, 20, "the answer")
    assert sorted(each["jid"] for each in waft.subscriptions("news")) == [
        "u0@localhost", "u1@localhost", "u2@localhost"]


def test_c5_13_c5_15_c5_23_no_headers_personal_eventing_or_multicast(server, user, component):
    waft, alice = component(), user("alice")
    iq = alice.ask(lambda c: c.plugin["xep_0030"].get_info("push.localhost")
                   if "xep_0030" in c.plugin else c.make_iq_get(
                       queryxmlns=DISCO, ito="push.localhost").send())
    features = {each.get("var") for each in iq.xml.iter(f"{{{DISCO}}}feature")}
    assert "http://jabber.org/protocol/pubsub" in features
    assert not any("shim" in each or each.endswith("+notify") for each in features)
    assert "http://jabber.org/protocol/address" not in features
    kinds = {each.get("type") for each in iq.xml.iter(f"{{{DISCO}}}identity")}
    assert "pep" not in kinds and "service" in kinds
    waft.subscribe("news", alice.bare)
    waft.publish_json("news", 1)
    alice.wait_for(lambda: alice.messages)
    assert alice.messages[0].find("{http://jabber.org/protocol/shim}headers") is None


def test_c5_18_hints_are_the_publishers(server, user, component):
    waft, alice = component(), user("alice")
    hinted = ("<message type='chat'><body>x</body><no-store xmlns='urn:xmpp:hints'/>"
              "<no-copy xmlns='urn:xmpp:hints'/></message>")
    waft.subscribe("news", alice.bare)
    waft.publish("news", hinted)
    waft.publish("news", body("plain"))
    alice.wait_for(lambda: len(alice.messages) >= 2)
    hints = [[child.tag for child in each if child.tag.startswith("{urn:xmpp:hints}")]
             for each in alice.messages]
    assert hints == [["{urn:xmpp:hints}no-store", "{urn:xmpp:hints}no-copy"], []]


# ---- a tunnel, where the server is elsewhere ----------------------------------


class Tunnel:
    """stunnel: plain on loopback, TLS with a known certificate to the server."""

    domain = "localhost"

    def __init__(self, directory, certificate, port):
        self.component_port, = free_ports(1)
        conf = directory / "stunnel.conf"
        conf.write_text(f"""\
foreground = yes
pid =
[waft]
client = yes
accept = 127.0.0.1:{self.component_port}
connect = 127.0.0.1:{port}
CAfile = {certificate}
verifyPeer = yes
""")
        self.log = directory / "stunnel.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["stunnel", conf], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_until(lambda: listens(self.component_port), 20, "stunnel listens")

    def close(self):
        self.process.terminate()
        self.process.wait(10)


def make_certificate(directory):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    both = directory / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return certificate, both


def test_c10_2_c10_3_c10_4_a_tunnel_carries_the_link_to_tls(tmp_path):
    """ejabberd's port speaks TLS from the first byte; libstrophe's components do not:
    directly there is no link, through stunnel there is."""
    certificate, both = make_certificate(tmp_path)
    server = Ejabberd()
    server.component_tls = both
    with server:
        server.add_user("alice")
        plain = Component(server).start(ready=False)
        tunnel = Tunnel(tmp_path, certificate, server.component_port)
        waft = Component(tunnel)
        alice = User("alice@localhost/test", "secret", server.c2s_port)
        try:
            waft.start()
            alice.connect()
            waft.subscribe("news", "alice@localhost")
            waft.publish("news", body("through"))
            alice.wait_for(lambda: alice.bodies() == ["through"])
            assert not plain.link()["up"]
            assert plain.lines("link.down") or plain.metric("waft_link_up") == 0
        finally:
            alice.close()
            waft.close()
            plain.close()
            tunnel.close()


def test_c10_1_prosodys_port_is_plain_and_on_loopback():
    """What it does without component_interfaces, and what waft attaches to."""
    server = Prosody()
    server.component_interfaces = None
    with server:
        bound = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for fields in map(str.split, pathlib.Path(table).read_text().splitlines()):
                address, port = fields[1].rsplit(":", 1) if ":" in fields[1] else ("", "")
                if port == f"{server.component_port:04X}" and fields[3] == "0A":
                    bound.add(address)
        assert bound and bound <= {"0100007F", "00000000000000000000000001000000"}
        waft = Component(server)
        try:
            waft.start()
            assert waft.link()["up"]
        finally:
            waft.close()


# ---- libstrophe's facts, and what waft makes of them --------------------------


def test_c2_6_c13_1_the_end_of_a_stream_is_known_by_its_condition(scripted, waft):
    waft.start()
    for condition, reason in (("system-shutdown", "shutdown"),
                              ("policy-violation", "stanza-refused")):
        links = scripted.links
        scripted.send(f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:"
                      f"xmpp-streams'/></stream:error></stream:stream>")
        wait_until(lambda: any(f"reason={reason}" in line
                               for line in waft.lines("link.down")), 20, condition)
        wait_until(lambda: scripted.links > links, 20, "a new link")


def test_c13_2_c13_4_the_socket_is_low_and_does_not_wait(scripted, waft):
    waft.start()
    number = link_descriptor(waft.process.pid, scripted.component_port)
    assert number < 1024
    with borrow(waft.process.pid, number) as theirs:
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_c13_3_c13_14_an_idle_link_costs_nothing_and_has_one_thread(scripted, waft):
    waft.start()
    waft.wait_sent(0)
    pid = waft.process.pid

    def switches():
        return sum(int(re.search(r"voluntary_ctxt_switches:\s+(\d+)",
                                 (task / "status").read_text())[1])
                   for task in pathlib.Path(f"/proc/{pid}/task").iterdir())

    before = switches()
    time.sleep(2)
    # A tick a second and a look at the store; a busy loop is thousands.
    assert switches() - before < 200
    names = [(task / "comm").read_text().strip()
             for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    # The one worker is the program itself.
    assert names.count("waft-component") == 1 and "worker" not in names, names


def test_c13_5_a_reset_connection_is_no_signal(scripted, waft):
    waft.start()
    for i in range(50):
        waft.subscribe("news", f"u{i}@localhost")
    for _ in range(3):
        links = scripted.links
        scripted.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        scripted.connection.close()
        waft.publish("news", body("x" * 5000))
        wait_until(lambda: scripted.links > links, 20, "a new link")
    assert waft.process.poll() is None
    wait_until(lambda: scripted.count("to='u49@localhost'") >= 1, 20, "the last one")


def test_c13_6_c13_15_a_server_may_be_named(scripted, waft):
    """A name is resolved before the link is made; the library gets one address, of
    IPv4 where there is one, and walks no list."""
    waft.conf.write_text(waft.conf.read_text().replace(
        f'"127.0.0.1:{scripted.component_port}"', f'"localhost:{scripted.component_port}"'))
    waft.start()
    assert scripted.links == 1


def test_c13_7_many_stanzas_are_one_piece(scripted, waft):
    waft.start()
    for i in range(400):
        waft.subscribe("news", f"u{i}@localhost")
    number = link_descriptor(waft.process.pid, scripted.component_port)
    with borrow(waft.process.pid, number) as theirs:
        def segments():
            info = theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
            return struct.unpack_from("I", info, 156)[0]  # tcpi_data_segs_out

        before = segments()
        waft.publish("news", body("hi"))
        waft.wait_sent(400)
        assert 1 <= segments() - before < 100


def test_c9_4_c13_9_no_more_is_queued_than_may_be_unconfirmed(scripted, waft):
    """The library's queue has no limit; waft's window has."""
    scripted.answers_pings = scripted.echoes = False
    waft.start()
    waft.subscribe("news", "alice@localhost")
    for begin in range(0, 1500, 100):
        status, text = waft.request("POST", "/publish/", {"items": [
            {"channel": "news", "xmpp-stanza": {"content": body(begin + i)}}
            for i in range(100)]})
        assert status == 200, text
    wait_until(lambda: scripted.count("<body>") >= 1000, 20, "the window is full")
    waft.publish("news", body("last"))
    assert scripted.count("<body>") == 1000
    assert waft.metric("waft_component_sent_stanzas_total") == 1000


def test_c13_12_c1_7_c13_16_answers_have_one_handler_and_no_stream_management(
        scripted, waft):
    """A handler for each id leaks in the library, so it has none: stanzas do not even
    reach it; and Stream Management is for clients."""
    source = (ROOT / "component" / "link.c").read_text()
    assert "handler_add(" not in source
    waft.start()
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("hi"))
    waft.wait_sent(1)
    assert "urn:xmpp:sm:" not in scripted.received


# ---- a server that is slow ----------------------------------------------------


def publish_many(waft, count, size):
    for begin in range(0, count, 100):
        status, text = waft.request("POST", "/publish/", {"items": [
            {"channel": "news", "xmpp-stanza": {"content": body(f"{begin + i} " + "x" * size)}}
            for i in range(min(100, count - begin))]})
        assert status == 200, text


def test_c9_2_a_server_that_stops_reading_is_waited_for(server, user, component):
    """Whatever the server's pace is: what it has not confirmed is bounded, and goes on
    when it does."""
    waft = component(conf='channels "*" { history-items = 5000 }')
    alice = user("alice")
    waft.subscribe("news", alice.jid)
    server.pause()
    try:
        publish_many(waft, 3000, 500)
        assert waft.link()["unconfirmed"] <= 1000
    finally:
        server.resume()
    alice.wait_for(lambda: len(alice.messages) >= 3000, 60, what="3000 messages")
    assert [each.split()[0] for each in alice.bodies()] == [str(i) for i in range(3000)]


def test_c9_3_a_shaped_listener_is_noticed(scripted, waft):
    """It makes everybody wait; the round trip of the barriers shows it."""
    def seconds():
        text = waft.get("/metrics")[1]
        return float(re.search(r"^waft_component_confirm_seconds_sum ([0-9.]+)", text, re.M)[1])

    waft.start()
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("fast"))
    waft.wait_sent(1)
    fast = seconds()
    scripted.answers_pings = False
    waft.publish("news", body("slow"))
    wait_until(lambda: scripted.count("<ping") >= 2, 20, "a barrier")
    time.sleep(1.2)
    last = re.findall(r"id='(b-[^']+)'", scripted.received)[-1]
    scripted.send(f"<iq type='result' id='{last}' from='localhost' to='push.localhost/b'/>")
    waft.wait_sent(2)
    assert fast < 1 <= seconds()


def test_c11_5_what_a_barrier_proves_in_a_cluster_is_documented():
    text = " ".join((ROOT / "docs" / "component.md").read_text().split())
    assert re.search(r"cluster of ejabberd .{0,80}node", text)
