"""The daemon's local socket: what would write to the database is asked of its only writer.

One JSON value per line each way.
"""

import contextlib
import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lowkeyd.errors import LowkeydError, StoreError

_QUESTION_S = 2.0
"""One question is served at a time: whoever connects and says nothing may not keep others, or the end, waiting."""
_ANSWER_S = 10.0
_MAX_LINE = 1 << 24
_AGAIN_S = 0.05
_NOBODY_LISTENS = (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError)
"""While a daemon starts, or makes room for one with new settings: what was asked has not been heard."""

Answer = Callable[[Any], dict[str, Any]]
"""Takes any JSON value. A ValueError, or an error of our family, becomes the reply `{"error": ...}`."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = _QUESTION_S

    def handle(self) -> None:
        """Answer one question; whoever does not listen to the end misses it."""
        assert isinstance(self.server, _Server)
        with contextlib.suppress(OSError):
            reply = _reply(self.rfile.readline(_MAX_LINE), self.server.answer)
            self.wfile.write(json.dumps(reply).encode() + b"\n")


def _reply(line: bytes, answer: Answer) -> dict[str, Any]:
    try:
        return answer(json.loads(line))
    except ValueError as error:
        return {"error": f"the question is not understood: {error}"}
    except LowkeydError as error:
        return {"error": str(error)}


class _Server(socketserver.UnixStreamServer):
    def __init__(self, path: Path, answer: Answer) -> None:
        self.answer = answer
        super().__init__(str(path), _Handler)

    def server_bind(self) -> None:
        """Only the daemon's own user may ask; said before there is a name to connect to."""
        os.fchmod(self.socket.fileno(), 0o600)
        super().server_bind()


class Control:
    """Serves questions in a thread of its own until `stop`."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        try:
            path.unlink(missing_ok=True)  # left by a crash: the caller holds the lock, so nobody listens there
            self._server = _Server(path, answer)
        except OSError as error:
            raise StoreError(f"{path}: the control socket cannot be made: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="control")
        self._thread.start()

    def stop(self) -> None:
        """Close and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._path.unlink(missing_ok=True)


def ask(path: Path, question: dict[str, Any], timeout_s: float = _ANSWER_S, patience_s: float = 0.0) -> dict[str, Any]:
    """Ask the daemon whose socket this is; for `patience_s` again, where nobody listens yet. Raises StoreError when it
    does not answer."""
    until = time.monotonic() + patience_s
    while True:
        try:
            answer = _asked(path, question, timeout_s)
            break
        except (OSError, ValueError) as error:
            if not isinstance(error, _NOBODY_LISTENS) or time.monotonic() > until:
                raise StoreError(f"{path}: the daemon does not answer: {error}") from error
        time.sleep(_AGAIN_S)
    if "error" in answer:
        raise StoreError(f"the daemon refuses: {answer['error']}")
    return answer


def _asked(path: Path, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(json.dumps(question).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        return answer
