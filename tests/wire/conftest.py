import pytest

from daemons import Waft


@pytest.fixture
def waft():
    """One folder, one gateway with its store in memory, for one test."""
    with Waft() as running:
        running.start("bosh")
        yield running
