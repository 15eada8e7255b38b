"""A web server on this machine whose answers, good and bad, a test writes down beforehand."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """How one request is met.

    `cut`: the connection ends after so many bytes of the body; `stall`: it falls silent there instead; `dumb`: silence
    from the start. `ranges`: 206 for a wish for a part; `shift`: which then begins so many bytes too late. `length`:
    whether the body's is told. `drip_s`: pause between its kilobytes. `kind`: its media type; `page_out_of_range`: a
    416 comes with a web page, as common servers send it.
    """

    content: bytes = b""
    status: int = 200
    etag: str = '"1"'
    ranges: bool = True
    shift: int = 0
    length: bool = True
    cut: int | None = None
    stall: bool = False
    dumb: bool = False
    drip_s: float = 0.0
    location: str = ""
    kind: str = "application/octet-stream"
    page_out_of_range: bool = False


@dataclass
class Web:
    """Answers are used up one by one, the last for ever; `wishes` are the Range headers that came."""

    answers: list[Answer]
    url: str = ""
    wishes: list[str | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def web(*answers: Answer) -> Iterator[Web]:
    """The server, until the block ends."""
    shelf = Web(list(answers))
    server = _Server(("127.0.0.1", 0), _handler(shelf))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}/weights.pth"
    try:
        yield shelf
    finally:
        shelf.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away in the middle are part of the tests."""


def _handler(shelf: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            answer, wish = shelf.next(), self.headers["Range"]
            shelf.wishes.append(wish)
            if answer.dumb:
                shelf.over.wait()
                return
            self._begin(answer, self._start(answer, wish))

        def _start(self, answer: Answer, wish: str | None) -> int:
            changed = self.headers["If-Range"] not in (None, answer.etag)
            return (
                0
                if wish is None or changed or not answer.ranges or answer.status != 200
                else int(wish[len("bytes=") : -1])
            )

        def _begin(self, answer: Answer, start: int) -> None:
            size = len(answer.content)
            if start and start >= size:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                if answer.page_out_of_range:
                    self.send_header("Content-Type", "text/html")
                self.end_headers()
                return
            self.send_response(206 if start else answer.status)
            self.send_header("Content-Type", answer.kind)
            if answer.location:
                self.send_header("Location", answer.location)
            if answer.etag:
                self.send_header("ETag", answer.etag)
            if start:
                self.send_header("Content-Range", f"bytes {start + answer.shift}-{size - 1}/{size}")
            if answer.length:
                self.send_header("Content-Length", str(size - start))
            self.end_headers()
            self._send(answer, answer.content[start : size if answer.cut is None else start + answer.cut])

        def _send(self, answer: Answer, body: bytes) -> None:
            for at in range(0, len(body), 1024):
                self.wfile.write(body[at : at + 1024])
                time.sleep(answer.drip_s)
            if answer.stall:
                self.wfile.flush()
                shelf.over.wait()

    return Handler
