"""The HTTP face of BOSH: paths, methods, CORS, headers, odd clients."""

import pytest

from bosh import DOMAIN, NB, Conn, Gateway, Session

CREATE = f"<body rid='9' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


@pytest.fixture
def conn(gateway):
    made = Conn(gateway.port)
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/http-bind", "/http-bind/", "/bosh",
                                  "/http-bind?room=a", "/http-bind/?x"])
def test_the_paths_that_clients_use(conn, path):
    assert conn.call(CREATE, path=path).xml.get("sid")


@pytest.mark.parametrize("kind", [
    [], ["Content-Type: text/plain"], ["Content-Type: application/xml"],
    ["Content-Type: application/x-www-form-urlencoded"],
    ["Content-Encoding: text/xml; charset=utf-8"]])
def test_a_request_s_content_type_means_nothing(conn, kind):
    assert conn.call(CREATE, headers=kind).xml.get("sid")


def test_unknown_headers_are_ignored(conn):
    headers = [f"X-Unknown-{i}: {i}" for i in range(30)]
    assert conn.call(CREATE, headers=headers).xml.get("sid")


def test_every_answer_has_its_length_and_is_not_kept(conn):
    answer = conn.call(CREATE)
    assert answer.status_line == "HTTP/1.1 200 OK"
    assert answer.header("Transfer-Encoding") is None
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Content-Type") == "text/xml; charset=utf-8"


def test_a_chunked_request_is_read(conn):
    chunks = "".join(f"{len(c):x}\r\n{c}\r\n"
                     for c in (CREATE[:5], CREATE[5:40], CREATE[40:]))
    conn.socket.sendall(
        b"POST /http-bind HTTP/1.1\r\nHost: x\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        + chunks.encode() + b"0\r\n\r\n")
    assert conn.receive().xml.get("sid")


def test_http_1_0_is_answered_and_closed(conn):
    assert conn.call(CREATE, version="HTTP/1.0").xml.get("sid")
    assert conn.is_closed()


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


def test_a_preflight_is_allowed_and_empty(conn):
    answer = conn.call("", method="OPTIONS", headers=[
        "Origin: https://chat.test", "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: content-type"])
    assert answer.status in (200, 204) and answer.body == ""
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert "POST" in answer.header("Access-Control-Allow-Methods")
    assert "Content-Type" in answer.header("Access-Control-Allow-Headers")
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_a_listed_origin_is_echoed_and_another_is_not():
    with Gateway(more='origins = {"https://chat.test"}') as gateway:
        conn = Conn(gateway.port)
        answer = conn.call(CREATE, headers=["Origin: https://chat.test"])
        assert answer.header(
            "Access-Control-Allow-Origin") == "https://chat.test"
        assert answer.header("Access-Control-Allow-Credentials") == "true"
        assert answer.header("Vary") == "Origin"
        answer = conn.call(CREATE, headers=["Origin: https://evil.test"])
        assert answer.header("Access-Control-Allow-Origin") is None
        conn.close()


def test_other_methods(conn):
    answer = conn.call("", method="GET")
    assert answer.status == 200 and "BOSH" in answer.body
    assert conn.call("", method="GET", path="/http-bind?%3Cbody").status == 404
    assert conn.call("", method="PUT").status == 405


def test_a_body_that_is_too_large_is_refused(conn):
    conn.socket.sendall(b"POST /http-bind HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: 300000\r\n\r\n")
    assert conn.receive().status == 413
    assert conn.is_closed()


def test_expect_100_is_answered_before_the_body(conn):
    conn.socket.sendall(
        b"POST /http-bind HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        + f"Content-Length: {len(CREATE)}\r\n\r\n".encode())
    assert conn.receive().status == 100
    conn.socket.sendall(CREATE.encode())
    assert conn.receive().xml.get("sid")


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
