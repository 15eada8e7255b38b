"""Everything at once, for a home whose daemon has photos to do: kills, a full disk, an unplugged library, a clock jump.

Runs where it may mount: see `tests.helpers.namespace`. Outbox and state share one small disk, as on a small server.
"""

import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from io import BytesIO

import libfaketime
from PIL import Image

from lowkeyd.model import sha256
from lowkeyd.store import location
from tests.helpers import namespace
from tests.helpers.home import REAL, Daemon, Home, contents, digests

VICTIMS = ("daemon", "worker", "both")
CLOCKS = ("-400d", "+400d")
SETTLED = {"done", "no_face", "failed"}
_PAGE = 4096
_IMPATIENCE = 0.25
"""How many of the daemons that start may be killed before they are up. Were it all of them, a machine on which starting
takes longer than the pause between kills would never get anything done."""


@dataclass
class Trouble:
    """Begins when that share of the photos is settled, and lasts so long."""

    name: str
    share: float
    lasts_s: float
    begin: Callable[[], None]
    end: Callable[[], None]
    began_at: float | None = None
    over: bool = False

    def turn(self, settled: float, tell: Callable[[str], None]) -> None:
        """Begin or end, if it is time."""
        now = time.monotonic()
        if self.began_at is None and settled >= self.share:
            self.began_at = now
            tell(f"{self.name}: begins")
            self.begin()
        elif self.began_at is not None and not self.over and now > self.began_at + self.lasts_s:
            self.over = True
            self.end()
            tell(f"{self.name}: over")


class Storm:
    """A home on disks that can be filled and unplugged, and a supervisor that starts what was killed."""

    def __init__(
        self,
        home: Home,
        disk_mb: int,
        pause_s: tuple[float, float],
        lasts_s: float,
        seed: int,
        tell: Callable[[str], None] = lambda _what: None,
    ) -> None:
        self.home = home
        self.kills: Counter[str] = Counter()
        self._pause_s = pause_s
        self._tell = tell
        self._chance = random.Random(seed)
        self._disk, self.library = home.folder / "disk", home.folder / "library"
        self._clock = home.folder / "clock"
        self._clock.write_text("+0")
        self._mount(disk_mb)
        self._troubles = [
            Trouble("disk full", 0.2, lasts_s, self._fill, (self._disk / "fill").unlink),
            Trouble("library unplugged", 0.45, lasts_s, lambda: namespace.unmount(home.inbox), self._plug),
            Trouble("clock jumps", 0.7, 0.0, self._jump, lambda: None),
        ]
        self._photos: list[tuple[str, bytes]] = []
        self._given = 0

    def _mount(self, disk_mb: int) -> None:
        for place, size in ((self._disk, f"{disk_mb}m"), (self.library, "50%")):
            place.mkdir()
            namespace.mount("-t", "tmpfs", "-o", f"size={size}", "none", place)
        for name, place in (("outbox", self.home.outbox), ("state", self.home.state)):
            (self._disk / name).mkdir()
            namespace.mount("--bind", self._disk / name, place)
        self._plug()

    def _plug(self) -> None:
        namespace.mount("--bind", self.library, self.home.inbox)

    def _fill(self) -> None:
        """To the last byte; what is freed meanwhile is left free."""
        with (self._disk / "fill").open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(bytes(_PAGE))

    def _jump(self) -> None:
        self._clock.write_text(self._chance.choice(CLOCKS))

    def _environment(self) -> dict[str, str]:
        """The daemon's clock, and its children's, is ours; files keep the kernel's times."""
        _, environ = libfaketime.get_reload_information()
        return environ | {"NO_FAKE_STAT": "1", "FAKETIME_TIMESTAMP_FILE": str(self._clock)}

    def rage(self, photos: list[tuple[str, bytes]], backlog: int, patience_s: float) -> None:
        """Until every photo is settled and every trouble over. `backlog`: how many photos lie ready, at most."""
        self._photos = photos
        deadline = time.monotonic() + patience_s
        while not self._over(backlog):
            with self.home.daemon(wait=False, **self._environment()) as daemon:
                self._let_come_up(daemon)
                while self._until_kill(daemon, backlog):
                    if self._kill(daemon) != "worker":
                        break
            assert time.monotonic() < deadline, f"no end in sight: {self.home.counts()}"

    def _let_come_up(self, daemon: Daemon) -> None:
        """Mostly; not longer than until it ends, as it does on a full disk."""
        if self._chance.random() < _IMPATIENCE:
            return
        while daemon.process.poll() is None and daemon.hear(0.2) != "READY=1":
            pass

    def _until_kill(self, daemon: Daemon, backlog: int) -> bool:
        """False if it ended by itself, as it does on a full disk, or if all is over."""
        kill_at = time.monotonic() + self._chance.uniform(*self._pause_s)
        while time.monotonic() < kill_at:
            if self._over(backlog):
                return False
            if daemon.process.poll() is not None:
                self.kills[f"ended by itself with {daemon.process.returncode}"] += 1
                time.sleep(1.0)  # a service manager waits before it starts it again
                return False
            time.sleep(0.2)
        return True

    def _over(self, backlog: int) -> bool:
        settled = sum(count for state, count in self.home.counts().items() if state in SETTLED)
        for trouble in self._troubles:
            trouble.turn(settled / len(self._photos), self._tell)
        while self._given < min(len(self._photos), settled + backlog):
            name, content = self._photos[self._given]
            path = self.library / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self._given += 1
        return settled == len(self._photos) and all(trouble.over for trouble in self._troubles)

    def _kill(self, daemon: Daemon) -> str:
        victim = self._chance.choice(VICTIMS)
        workers = daemon.children()
        in_work = self.home.query("SELECT state FROM photo WHERE state IN ('running', 'publishing')")
        self._tell(f"{victim} killed: {self.home.counts()}")
        self.kills["publishing" if ("publishing",) in in_work else "in work" if in_work else "idle"] += 1
        for pid in (workers if victim != "daemon" else []) + ([daemon.pid] if victim != "worker" else []):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return victim


def verdicts(home: Home, originals: dict[str, str]) -> dict[str, bool]:
    """What has to be true in the end, by sentence. `originals`: SHA-256 by name."""
    copies = home.delivered()
    states = {os.fsdecode(path): state for path, state in home.query("SELECT path, state FROM photo")}
    held_back = home.query("SELECT count(*) FROM photo WHERE state = 'failed' AND stage = 'verify'")[0][0]
    with closing(sqlite3.connect(location.database(home.state))) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    return {
        f"{len(originals)} photos are known, each once, and settled": states.keys() == originals.keys()
        and set(states.values()) <= SETTLED,
        f"none failed, but for {held_back} that are held back because a network still knows a face": held_back
        == list(states.values()).count("failed"),
        "every other one that has a face is delivered exactly once, under its own name": set(copies)
        == {name for name, state in states.items() if state == "done"},
        "every copy is a whole picture, and none is the original": all(
            (_is_whole(content) or home.program != REAL) and sha256(content) != originals.get(name)
            for name, content in copies.items()
        ),
        "no temporary file is left": not any(".lowkeyd" in name for name in contents(home.outbox)),
        "the database is sound": integrity == "ok",
        "the originals are unchanged (SHA-256)": digests(home.inbox) == originals,
    }


def _is_whole(content: bytes) -> bool:
    try:
        Image.open(BytesIO(content)).load()
    except OSError:
        return False
    return True
