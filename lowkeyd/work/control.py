"""The daemon's local socket: what would write to the database is asked of its only writer.

One JSON object per line each way. The socket lies in the state folder, so that folder's permissions decide who may ask.
"""

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lowkeyd.errors import StoreError

_ANSWER_S = 10.0
_MAX_LINE = 1 << 24

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class _Handler(socketserver.StreamRequestHandler):
    timeout = _ANSWER_S

    def handle(self) -> None:
        """Answer one question; a broken one gets a broken connection."""
        assert isinstance(self.server, _Server)
        with contextlib.suppress(OSError, ValueError):
            question = json.loads(self.rfile.readline(_MAX_LINE))
            self.wfile.write(json.dumps(self.server.answer(question)).encode() + b"\n")


class _Server(socketserver.UnixStreamServer):
    def __init__(self, path: Path, answer: Answer) -> None:
        self.answer = answer
        super().__init__(str(path), _Handler)


class Control:
    """Serves questions in a thread of its own until `stop`."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        path.unlink(missing_ok=True)  # left by a crash: the caller holds the lock, so nobody listens there
        mask = os.umask(0o077)
        try:
            self._server = _Server(path, answer)
        finally:
            os.umask(mask)
        self._thread = threading.Thread(target=self._server.serve_forever, name="control")
        self._thread.start()

    def stop(self) -> None:
        """Close and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._path.unlink(missing_ok=True)


def ask(path: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the daemon whose socket this is. Raises StoreError when it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S)
            connection.connect(str(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
            return answer
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: the daemon does not answer: {error}") from error
