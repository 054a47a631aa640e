"""A web server of one's own, as a relay's origin: answers as it is told and keeps
what it was asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Origin:
    """Answer(path, body) -> bytes, or (status, headers, bytes).  Certificate: an
    ssl.SSLContext."""

    def __init__(self, answer=lambda path, body: b"", tls=None):
        self.answer = answer
        self.requests = []  # (path, headers, body)
        self.open = self.most_open = 0
        self.lock = threading.Lock()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one write

            def do_POST(self):
                origin.handle(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # the other side went away

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True,
                         kwargs={"poll_interval": 0.05}).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        with self.lock:
            self.requests.append((handler.path, dict(handler.headers), body))
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            said = self.answer(handler.path, body)
        finally:
            with self.lock:
                self.open -= 1
        status, headers, text = said if isinstance(said, tuple) else (200, {}, said)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in headers:
            handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def bodies(self):
        return [body for _, _, body in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
