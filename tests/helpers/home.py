"""A home with a photo library and a daemon of its own, for tests that run the whole program."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lowkeyd.model import sha256
from lowkeyd.store import location

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 90.0
"""For things that take a second on a quiet machine."""
QUIET_S = 0.5

REAL = "lowkeyd"
STAND_IN = "tests.helpers.stand_in_daemon"
HANGING = "tests.helpers.hanging_daemon"


def await_that(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


class Daemon:
    """A running process, with what it says to its service manager."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, said: "queue.SimpleQueue[str]") -> None:
        self.process = process
        self._log = log
        self._said = said

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def hear(self, timeout_s: float = PATIENCE_S) -> str:
        """The next message to the service manager; empty when there was none in time."""
        try:
            return self._said.get(timeout=timeout_s)
        except queue.Empty:
            return ""

    def await_ready(self) -> None:
        while (heard := self.hear()) != "READY=1":
            assert heard, f"it never got ready:\n{self.log()}"

    def children(self) -> list[int]:
        """Its worker processes; the helper that multiprocessing starts beside them is none."""
        tasks = Path(f"/proc/{self.pid}/task")
        try:
            pids = [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        except OSError:  # it has just ended
            return []
        return [pid for pid in pids if b"spawn_main" in _command(pid)]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Home:
    """Folders, configuration, and ways to run the program on them."""

    def __init__(self, folder: Path, program: str = STAND_IN) -> None:
        self.folder = folder
        self.program = program
        self.inbox, self.outbox, self.state = (folder / name for name in ("inbox", "outbox", "state"))
        for path in (self.inbox, self.outbox, self.state):
            path.mkdir(parents=True)
        self.config = folder / "config.toml"
        self.configure()
        self._started = 0

    def configure(self, **sections: dict[str, Any]) -> None:
        """Write the configuration: short waits, and what the test says of its sections."""
        settings: dict[str, dict[str, Any]] = {
            "state": {"path": str(self.state)},
            "outbox": {"path": str(self.outbox), "min_free_mb": 0.0},
            "settle": {"quiet_s": QUIET_S},
            "attack": {"device": "cpu"},
            "worker": {"idle_s": 600.0},
        }
        for name, keys in sections.items():
            settings[name] = settings.get(name, {}) | keys
        lines = ["[[watch]]", 'name = "inbox"', f"path = {_toml(str(self.inbox))}"]
        watch = {"mode": "events"} | settings.pop("watch", {})  # a container's temporary folder may be an overlay
        lines += [f"{key} = {_toml(value)}" for key, value in watch.items()]
        for name, keys in settings.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
        self.config.write_text("\n".join(lines), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", self.program, *arguments, "--config", str(self.config)]

    def call(self, *arguments: str, timeout_s: float = PATIENCE_S) -> "subprocess.CompletedProcess[str]":
        """Run a verb to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=REPOSITORY,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @contextmanager
    def daemon(self, program: str | None = None, wait: bool = True, **environ: str) -> Iterator[Daemon]:
        """Run the daemon, ready, until the end of the block at the latest."""
        self._started += 1
        log = self.folder / f"daemon-{self._started}.log"
        address = self.folder / f"notify-{self._started}"
        with _listening(address) as said, log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", program or self.program, "run", "--config", str(self.config)],
                cwd=REPOSITORY,
                env=environment() | {"NOTIFY_SOCKET": str(address)} | environ,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # as a service: without a terminal
            )
            running = Daemon(process, log, said)
            try:
                if wait:
                    running.await_ready()
                yield running
            finally:
                for pid in [*running.children(), running.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait(PATIENCE_S)

    def drop(self, name: str, content: bytes) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def counts(self) -> dict[str, int]:
        return dict(self.query("SELECT state, count(*) FROM photo GROUP BY state"))

    def query(self, statement: str) -> list[Any]:
        """Ask the database; nothing, while there is none."""
        path = location.database(self.state)
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
                return connection.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []

    def photo(self, name: str) -> dict[str, Any]:
        """What the database says about a photo; empty when it knows none."""
        columns = [column for _, column, *_ in self.query("PRAGMA table_info(photo)")]
        rows = self.query("SELECT * FROM photo")
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        return next((row for row in named if row["path"] == os.fsencode(name)), {})

    def await_counts(self, patience_s: float = PATIENCE_S, **expected: int) -> None:
        await_that(lambda: self.counts() == expected, f"{expected}", patience_s)

    def delivered(self) -> dict[str, bytes]:
        """Every file in the outbox, hidden ones too, by its path below the watch's folder."""
        return contents(self.outbox / "inbox")


@contextmanager
def _listening(address: Path) -> Iterator["queue.SimpleQueue[str]"]:
    """Be the service manager."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        thread = threading.Thread(target=_listen, args=(manager, said))
        thread.start()
        try:
            yield said
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", str(address))
            thread.join()


def _listen(manager: socket.socket, said: "queue.SimpleQueue[str]") -> None:
    while message := manager.recv(1000):
        said.put(message.decode())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def digests(folder: Path) -> dict[str, str]:
    return {name: sha256(content) for name, content in contents(folder).items()}


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def environment() -> dict[str, str]:
    """Without what a developer's shell or service manager has set."""
    hidden = ("LOWKEYD_", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "XDG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def needs_namespaces() -> pytest.MarkDecorator:
    """Skips where this user may not make user and mount namespaces."""
    possible = (
        shutil.which("unshare")
        and not subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True, check=False
        ).returncode
    )
    return pytest.mark.skipif(not possible, reason="user and mount namespaces are not allowed here")
