"""The daemon's handle on one worker child: start, talk, find out how it died, end."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from lowkeyd import config
from lowkeyd.machine import memory

_END_WAIT_S = 2.0


Serve = Callable[[Connection, config.Config, str], None]
"""What the process does with its end of the connection, until that is closed: `worker.serve`."""


class Child:
    """A spawned process, never forked: CUDA does not survive a fork, and neither do threads' locks."""

    def __init__(self, serve: Serve, settings: config.Config, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=serve, args=(theirs, settings, device), name=f"lowkeyd worker {device}", daemon=True
        )
        self._memory_kills = memory.kills()
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Raises EOFError when the child is dead."""
        try:
            self._connection.send(message)
        except OSError as error:
            raise EOFError from error

    def receive(self, timeout_s: float) -> object | None:
        """The next message, or None when there was none in time. Raises EOFError when the child is dead."""
        try:
            return self._connection.recv() if self._connection.poll(timeout_s) else None
        except OSError as error:
            raise EOFError from error

    def end(self) -> None:
        """Ask, then insist."""
        self._connection.close()
        self._process.terminate()
        self._process.join(_END_WAIT_S)
        self.kill()

    def kill(self) -> None:
        """At once: for a child that hangs."""
        self._process.kill()
        self._process.join()

    def death(self) -> tuple[str, bool]:
        """How it died, in words, and whether its photos may be to blame: not when somebody else ended it."""
        self._process.join(_END_WAIT_S)
        code = self._process.exitcode
        if code is None:
            return "closed its connection", True
        if code >= 0:
            return f"ended with exit code {code}", True
        name = signal_name(-code)
        if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            out_of_memory = -code == signal.SIGKILL and memory.kills() > self._memory_kills
            return ("ran out of memory" if out_of_memory else f"was ended by {name}"), out_of_memory
        return f"crashed with {name}", True


def signal_name(number: int) -> str:
    """Such as SIGSEGV."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # real-time signals have no names of their own
