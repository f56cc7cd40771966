"""A server that answers as a test says, for what a real node never does."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers every request with what the test says; remembers what came."""

    status_code = 200
    body = b"{}"
    headers_out: dict[str, str] = {}  # noqa: RUF012  one script for all requests of a test
    came: list[tuple[str, str, dict[str, str]]] = []  # noqa: RUF012  as above

    def do_GET(self) -> None:
        self.came.append((self.command, self.path, dict(self.headers)))
        self.send_response(self.status_code)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def scripted(
    status_code: int = 200,
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, type[Scripted]]]:
    handler = type(
        "One",
        (Scripted,),
        {"status_code": status_code, "body": body, "headers_out": headers or {}, "came": []},
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
