"""`waft run`: the daemons live and end together, and one that dies comes back."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from daemons import BUILD, Waft, children, is_alive, program, wait_until

BOTH = ["waft-bosh", "waft-component"]


class Listener:
    """Accepts nothing: a server that the component never gets an answer of."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.fixture
def waft():
    with Listener() as server, Waft(
            engine="sqlite", server=server.port) as running:
        yield running


def daemons(supervisor):
    return {program(pid): pid for pid in children(supervisor.pid)}


def run(waft, *arguments):
    supervisor = waft.run(*arguments)
    wait_until(lambda: sorted(daemons(supervisor)) == BOTH, what="both run")
    wait_until(lambda: waft.component.request("GET", "/healthz")[0] == 200
               if supervisor.lines("control.listen")[1:] else False,
               what="both listen")
    return supervisor


def gone(pids):
    return wait_until(lambda: not any(map(is_alive, pids)), what="all are gone")


def test_it_starts_what_the_configuration_asks_for(waft):
    supervisor = run(waft)
    started = [re.search(r"program=(\S+) pid=(\d+)", line)
               for line in supervisor.lines("run.start")]
    assert {found[1]: int(found[2]) for found in started} == daemons(supervisor)


def test_without_a_component_section_there_is_one_daemon():
    with Waft() as waft:
        supervisor = waft.run()
        assert list(daemons(supervisor)) == ["waft-bosh"]


def test_it_passes_on_what_it_was_told():
    with Waft() as waft:
        supervisor = waft.run("--set", "bosh.workers=1", "--set", "log.level=debug")
        assert waft.bosh.get("/status")["workers"] == 1
        assert supervisor.process.poll() is None


@pytest.mark.parametrize("name", BOTH)
def test_one_that_is_killed_is_reported_and_started_again(waft, name):
    supervisor = run(waft)
    before = daemons(supervisor)
    os.kill(before[name], signal.SIGKILL)
    line = supervisor.wait_line("run.died")
    assert f"program={name} signal=9 restart_ms=500" in line
    wait_until(lambda: sorted(daemons(supervisor)) == BOTH, what="both run")
    after = daemons(supervisor)
    other = next(each for each in BOTH if each != name)
    assert after[name] != before[name] and after[other] == before[other]
    waft.wait_ready("bosh", supervisor)


def test_one_that_dies_again_and_again_waits_longer(waft):
    supervisor = run(waft)
    for died in (1, 2, 3):
        wait_until(lambda: "waft-bosh" in daemons(supervisor), what="it runs")
        os.kill(daemons(supervisor)["waft-bosh"], signal.SIGKILL)
        wait_until(lambda: len(supervisor.lines("run.died")) == died, what="reported")
    waits = [int(re.search(r"restart_ms=(\d+)", line)[1])
             for line in supervisor.lines("run.died")]
    assert waits == [500, 1000, 2000]


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_all(waft, number):
    supervisor = run(waft)
    pids = daemons(supervisor).values()
    assert supervisor.end(number) == 0
    gone(pids)
    assert supervisor.lines("run.died") == []
    assert len(supervisor.lines("drain")) == 2


@pytest.mark.parametrize("pause", (0, 0.0005, 0.002))
def test_a_second_signal_ends_at_once_and_in_order(waft, pause):
    for _ in range(8):
        both = [waft.start("bosh"), waft.start("component", ready=False)]
        both[1].wait_line("component.loaded")
        for each in both:
            each.process.send_signal(signal.SIGTERM)
            time.sleep(pause)
            each.process.send_signal(signal.SIGTERM)
        assert [each.wait() for each in both] == [0, 0], both[0].text() + both[1].text()


def test_ctrl_c_in_a_terminal_ends_all_once(waft):
    """The terminal signals the whole group; the daemons hear it from waft run."""
    supervisor = run(waft)
    pids = list(daemons(supervisor).values())
    assert all(os.getpgid(pid) != os.getpgid(supervisor.pid) for pid in pids)


def test_the_daemons_do_not_outlive_a_killed_supervisor(waft):
    supervisor = run(waft)
    pids = list(daemons(supervisor).values())
    supervisor.end(signal.SIGKILL)
    waft.daemons.remove(supervisor)
    gone(pids)


def test_hup_is_passed_on(waft):
    supervisor = run(waft)
    waft.conf.write_text(waft.conf.read_text() + "\nlog { level = debug }\n")
    supervisor.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(supervisor.lines("reload")) == 2, what="both reloaded")


def test_files_that_are_not_ours_end_all_with_78(waft):
    waft.store.write_text("shopping: milk, bread\n" * 100)
    supervisor = waft.spawn("waft", "run", log="run.log")
    assert supervisor.wait() == 78
    assert "status=78" in supervisor.wait_line("run.failed")
    assert str(waft.store) in supervisor.wait_line("store.open")
    assert children(supervisor.pid) == []
    assert waft.store.read_text() == "shopping: milk, bread\n" * 100


def test_an_address_in_use_ends_all_and_is_named(waft):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", waft.public))
        taken.listen()
        supervisor = waft.spawn("waft", "run", log="run.log")
        assert supervisor.wait() == 69
    assert str(waft.public) in supervisor.wait_line("bosh.listen")
    assert "in use" in supervisor.wait_line("bosh.listen")


def test_a_bad_configuration_starts_nothing(waft):
    waft.conf.write_text(waft.conf.read_text() + "\nbohs { }\n")
    done = subprocess.run([BUILD / "bin" / "waft", "run", "-c", waft.conf],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert '"bosh"' in done.stderr and "run.start" not in done.stderr
    assert not waft.store.exists()
