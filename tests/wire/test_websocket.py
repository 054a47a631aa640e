"""XMPP over WebSockets: the handshake (RFC 6455 §4), frames, and the stream in
them (RFC 7395)."""

import pytest

from bosh import Gateway
from ws import FRAMING, Stream


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def stream(gateway):
    with Stream(gateway.port) as stream:
        yield stream


def test_items_arrive_each_as_a_message_of_its_own(gateway, stream):
    stream.log_in().subscribe("news")
    for number in range(20):
        gateway.publish("news", f"<message><body>{number}</body></message>")
    assert stream.texts(20) == [str(number) for number in range(20)]


def test_close_is_answered_by_close_and_the_socket_closes(gateway, stream):
    stream.log_in().say(f"<close xmlns='{FRAMING}'/>")
    assert stream.receive() == f"<close xmlns='{FRAMING}'/>"
    assert stream.close_code() == 1000
    assert stream.is_closed()
