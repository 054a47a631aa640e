"""waft-bosh takes the descriptors that it may have, and says when they are few."""

import re

import pytest

from daemons import Waft


@pytest.mark.parametrize("sessions, warns", [(300, False), (301, True)])
def test_descriptors_are_raised_to_the_hard_limit(sessions, warns):
    with Waft(bosh=f"sessions-max = {sessions}") as waft:
        waft.within = ["sh", "-c", 'ulimit -Sn 200; ulimit -Hn 300; exec "$0" "$@"']
        daemon = waft.start("bosh")
        limits = open(f"/proc/{daemon.pid}/limits").read()
        assert re.search(r"Max open files +300 +300 ", limits), limits
        said = daemon.lines("bosh.descriptors")
        assert bool(said) == warns, said
        if warns:
            assert "limit=300 sessions-max=301" in said[0]
