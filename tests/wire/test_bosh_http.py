"""The HTTP face of BOSH beside the rules: what is served with it."""

import pytest

from bosh import Conn, Gateway, Session


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def conn(gateway):
    made = Conn(gateway.port)
    yield made
    made.close()


@pytest.mark.parametrize("content, expected", [
    ("text/plain", "text/plain"),
    ("text/html", "text/xml; charset=utf-8"),
    ("text/xml charset=utf-8", "text/xml; charset=utf-8"),
    ("text/xml&#13;&#10;X: y", "text/xml; charset=utf-8"),
])
def test_D8_content_chooses_among_harmless_types(gateway, content, expected):
    session = Session(gateway.port, attrs=f"content='{content}'")
    assert session.created.header("Content-Type") == expected
    assert session.created.header("X") is None
    assert session.call(attrs="type='terminate'").header(
        "Content-Type") == expected
    session.close()


def test_the_demo_is_there_only_when_asked_for(conn, tmp_path):
    assert conn.call("", method="GET", path="/demo/").status == 404
    (tmp_path / "index.html").write_text("<p>here</p>")
    (tmp_path / "a.js").write_text("1")
    (tmp_path / ".hidden.js").write_text("no")
    (tmp_path.parent / "outside.js").write_text("no")
    with Gateway(more=f'demo = yes web = "{tmp_path}"') as gateway:
        demo = Conn(gateway.port)
        page = demo.call("", method="GET", path="/demo/")
        assert page.body == "<p>here</p>"
        assert page.header("Content-Type") == "text/html; charset=utf-8"
        assert demo.call("", method="GET", path="/demo/a.js?v=1").body == "1"
        for path in ("/demo/.hidden.js", "/demo/../outside.js",
                     "/demo/%2e%2e/outside.js", "/demo//etc/passwd",
                     "/demo/none.js", "/demo/a", "/demo/x/../a.js"):
            answer = demo.call("", method="GET", path=path)
            assert answer.status in (400, 404), path
        demo.close()
