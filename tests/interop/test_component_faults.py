"""What the log and the exit code say when the link cannot be."""

import os
import socket
import subprocess

from servers import free_ports, wait_until
from waft import BUILD, Component


def body(text):
    return f"<message type='chat'><body>{text}</body></message>"


def down(waft):
    return wait_until(lambda: waft.lines("link.down"), 20, "a link.down line")[0]


def test_c2_6_c2_7_a_wrong_secret_is_logged_with_the_fix(server, component):
    waft = component(start=False, secret="wrong").start(ready=False)
    line = down(waft)
    assert "reason=not-authorized" in line
    assert "secret" in line.split(" fix=")[1]
    assert waft.get("/readyz")[0] == 503


def test_c2_6_c2_7_an_unknown_domain_is_logged_with_the_fix(server, component):
    waft = component(start=False, domain="other.localhost").start(ready=False)
    line = down(waft)
    # ejabberd does not tell the two apart.
    assert "reason=host-unknown" in line or "reason=not-authorized" in line
    assert "domain" in line.split(" fix=")[1]


def test_c2_6_c2_7_c11_1_c11_2_a_second_component_of_the_same_domain(server, component):
    first = component()
    second = component(start=False).start(ready=False)
    if server.name == "prosody":
        line = down(second)
        assert "reason=conflict" in line
        assert "kick_old" in line
    else:
        # ejabberd takes both, and splits what it sends them (checklist 11.1).
        wait_until(second.is_ready, 20)
    assert first.is_ready()


def test_no_server_is_retried_and_said(server, component):
    server.component_port, = free_ports(1)
    waft = component(start=False).start(ready=False)
    line = down(waft)
    assert "reason=refused" in line and "component_ports" in line
    wait_until(lambda: len(waft.lines("link.down")) >= 3, 20)


def test_publishing_works_while_the_link_is_down(server, user, component):
    waft, alice = component(), user("alice")
    waft.subscribe("news", "alice@localhost")
    server.stop()
    for i in range(20):
        waft.publish("news", body(i))
    server.start()
    # Who comes online while ejabberd stores a message for him finds it only the
    # next time, so first everything is there.
    waft.wait_sent(20)
    alice.drop()
    alice.connect()
    alice.wait_for(lambda: len(alice.messages) >= 20)
    assert alice.bodies() == [str(i) for i in range(20)]


def test_status_names_the_link(server, component):
    waft = component()
    assert waft.link()["domain"] == "push.localhost"
    assert waft.link()["up"] is True
    server.stop()
    wait_until(lambda: not waft.link()["up"], 20, "the link is down")
    assert waft.get("/readyz")[0] == 503


def test_without_a_component_section_it_says_what_to_write(tmp_path):
    conf = tmp_path / "waft.conf"
    conf.write_text(f'store {{ path = "{tmp_path}/waft.db" }}\n')
    ended = subprocess.run(
        [BUILD / "bin" / "waft-component", "-c", conf], capture_output=True,
        text=True, timeout=20, check=False)
    assert ended.returncode == 78
    assert "component" in ended.stderr and "secret" in ended.stderr


def test_c10_5_a_server_on_another_host_needs_to_be_allowed(tmp_path):
    class Elsewhere:
        component_port, domain = 5347, "localhost"

    waft = Component(Elsewhere)
    try:
        waft.conf.write_text(waft.conf.read_text().replace(
            '"127.0.0.1:5347"', '"192.0.2.1:5347"'))
        ended = subprocess.run(
            [BUILD / "bin" / "waft-component", "-c", waft.conf],
            capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 78
        assert "allow-plain" in ended.stderr
    finally:
        waft.close()


def test_a_stanza_that_ends_the_stream_is_left_out(server, user, component):
    """Both servers end the stream over a stanza that is too large for them."""
    server.stop()
    server.limit_component_stanzas(20000)
    server.start()
    waft, alice = component(), user("alice")
    waft.subscribe("news", "alice@localhost")
    waft.publish("news", body("before"))
    answer = waft.publish("news", body("x" * 50000))
    waft.publish("news", body("after"))
    line = wait_until(lambda: waft.lines("component.quarantine"), 40, "quarantine")[0]
    assert answer["items"][0]["position"] in line
    alice.wait_for(lambda: "after" in alice.bodies())
    assert list(dict.fromkeys(alice.bodies())) == ["before", "after"]


def test_c13_4_a_link_comes_back_when_low_descriptors_are_taken(server, component):
    """libstrophe calls select(): a descriptor of 1024 or more would be fatal."""
    waft = component()
    taken = []
    try:
        for _ in range(1500):
            taken.append(socket.create_connection(("127.0.0.1", waft.port)))
        wait_until(lambda: len(os.listdir(f"/proc/{waft.process.pid}/fd")) > 1500, 20)
        server.restart()
        wait_until(lambda: waft.link()["up"], 20, "the link is up again")
    finally:
        for each in taken:
            each.close()
