"""Fixtures: a real Prosody, a real ejabberd, users of them, waft-component."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from scripted import Scripted  # noqa: E402
from servers import SERVERS  # noqa: E402
from users import User  # noqa: E402
from waft import Component  # noqa: E402


@pytest.fixture(params=sorted(SERVERS))
def server(request):
    """Each test that asks for it runs once on each server."""
    with SERVERS[request.param]() as running:
        yield running
        if request.node.stash.get(FAILED, False):
            print(running.tail())


@pytest.fixture
def user(server):
    """user("alice", …) makes the account, a User, and connects it."""
    users = []

    def make(name, connect=True, resource="test", **kwargs):
        server.add_user(name)
        made = User(f"{name}@{server.domain}/{resource}", server.users[name],
                    server.c2s_port, **kwargs)
        users.append(made)
        if connect:
            made.connect()
        return made

    yield make
    for each in users:
        each.close()


FAILED = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.stash[FAILED] = True


@pytest.fixture
def component(server, request):
    """component(**options) makes and starts a waft-component at the server."""
    made = []

    def make(start=True, **options):
        one = Component(server, **options)
        made.append(one)
        return one.start() if start else one

    yield make
    for each in made:
        if request.node.stash.get(FAILED, False):
            print(each.read_log())
        each.close()


@pytest.fixture
def scripted():
    """A server for faults that no real one can be made to show."""
    server = Scripted()
    yield server
    server.close()


@pytest.fixture
def waft(scripted):
    """Attached to it once started."""
    one = Component(scripted)
    yield one
    print(one.read_log())
    one.close()
