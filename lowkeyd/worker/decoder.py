"""The worker's handle on the process that decodes: what exceeds its limits, or crashes it, costs one photo.

The worker itself, with its networks and the other photos in hand, never notices.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from multiprocessing.connection import Connection

from lowkeyd.errors import RETRY, PhotoError, PhotoTooLarge, TryLater, UnreadablePhoto
from lowkeyd.imaging.decode import Limits, Picture
from lowkeyd.worker.child import signal_name

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Idle threads and arenas would take addresses that the limit counts."""


class Decoder:
    """Starts the process at once, which takes a quarter of a second of its own, and anew after each of its deaths."""

    def __init__(self, limits: Limits, max_decode_s: float) -> None:
        self._limits = limits
        self._max_decode_s = max_decode_s
        self._in_use = threading.Lock()
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        limits = (self._limits.max_megapixels, self._limits.max_megabytes, self._max_decode_s)
        with theirs:
            self._process = subprocess.Popen(
                # -P: nothing that lies in the current folder is taken for a module
                [sys.executable, "-P", "-m", "lowkeyd.worker.decoding", str(theirs.fileno()), *map(str, limits)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | _ENVIRONMENT,
            )
        self._connection = Connection(ours.detach())
        self._finalizer = weakref.finalize(self, _end, self._process, self._connection)

    def decode(self, content: bytes) -> Picture:
        """As `imaging.decode` does it, in the other process. Raises what that raises, PhotoTooLarge beyond its limits,
        and UnreadablePhoto when a decoder crashed. One photo at a time, whichever threads ask."""
        with self._in_use:
            try:
                outcome = self._ask(content)
            except (EOFError, OSError):
                outcome = self._buried()
        if isinstance(outcome, Picture):
            return outcome
        raise outcome

    def _ask(self, content: bytes) -> Picture | PhotoError | TryLater:
        if self._process.poll() is not None:
            self.end()
            self._start()
        self._connection.send_bytes(content)
        if not self._connection.poll(self._max_decode_s):
            self.end()
            return _too_slow(self._max_decode_s)
        outcome: Picture | PhotoError | TryLater = self._connection.recv()
        return outcome

    def _buried(self) -> PhotoError:
        """It died with a photo in hand."""
        code = self._process.wait()
        self.end()
        if code == -signal.SIGXCPU:
            return _too_slow(self._max_decode_s)
        if code == -signal.SIGKILL:
            return PhotoTooLarge(
                "the process that decoded it was killed, probably for want of memory",
                advice="Shrink it, or give lowkeyd more memory; then `lowkeyd retry`.",
            )
        how = signal_name(-code) if code < 0 else f"exit code {code}"
        return UnreadablePhoto(f"its decoder crashed ({how})")

    def end(self) -> None:
        """Of the process, at once."""
        self._finalizer()


def _too_slow(seconds: float) -> PhotoTooLarge:
    return PhotoTooLarge(
        f"decoding it took longer than {seconds:g} s",
        advice=f"If it is a real photo, raise [worker] max_decode_s; {RETRY}",
    )


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()
