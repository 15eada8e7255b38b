"""A library of 100,000 small photos: how the daemon takes it in, finds what it missed, and idles.

    uv run python benchmarks/backlog.py backlog    # memory, time to the first photo, an unchanged scan, status
    uv run python benchmarks/backlog.py stopped    # 20,000 files while the daemon is stopped by SIGSTOP
    uv run python benchmarks/backlog.py idle       # processor, memory and disk over three hours' worth of scans
    uv run python benchmarks/backlog.py soak       # memory over 10,000 photos that go all the way

The tests' stand-in takes the place of the networks, so only the daemon is measured. Exit code 1 when a bar is missed.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from lowkeyd.config import Scan
from lowkeyd.store import location
from tests.helpers.home import REAL, Daemon, Home, await_that

PATIENCE_S = 600.0
MEMORY_BAR_MB, FIRST_BAR_S, SCAN_BAR_S, STATUS_BAR_S = 200.0, 10.0, 2.0, 0.5
IDLE_BAR_PERCENT, GROWTH_BAR_MB = 1.0, 2.0
REST_S, SCANS, SCAN_EVERY_S = 60.0, 12, 5.0
"""How long nothing happens, and then so many scans, with so long between them."""


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument("--photos", type=int, help="100,000; or 20,000 for `stopped`, 10,000 for `soak`")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = chosen.photos or {"stopped": 20_000, "soak": 10_000}.get(chosen.what, 100_000)
        return 0 if MEASUREMENTS[chosen.what](Home(Path(folder) / "home"), photos) else 1


def backlog(home: Home, photos: int) -> bool:
    """A first backlog, with photos that take their time."""
    _fill(home, photos, b"slow 0.2 ")
    home.configure(scan={"every_s": SCAN_EVERY_S})
    began = time.monotonic()
    with home.daemon() as daemon:
        await_that(lambda: bool(home.query("SELECT 1 FROM photo WHERE state = 'running'")), "the first", PATIENCE_S)
        good = _bar("first photo running", time.monotonic() - began, FIRST_BAR_S, "s after the start")
        _await_queued(home, photos)
        print(f"all {photos:,} queued {time.monotonic() - began:.1f} s after the start")
        _await_scans(home, 3)
        good &= _bar("scan of the unchanged tree, best of 3", min(_await_scans(home, 3)), SCAN_BAR_S, "s")
        good &= _bar("status, best of 5", min(_status_s(home) for _ in range(5)), STATUS_BAR_S, "s")
        good &= _bar("memory of the daemon, at most", _memory_mb(daemon, "VmHWM"), MEMORY_BAR_MB, "MB")
        print(f"meanwhile done: {home.counts().get('done', 0)} by the stand-in")
    return good


def stopped(home: Home, photos: int) -> bool:
    """More events than the kernel keeps: it keeps 16,384, and a new file costs several."""
    _hold_work(home, every_s=86_400.0)
    _make_folders(home, photos)  # before the start: files in new folders give no events that could be lost
    with home.daemon() as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        _fill(home, photos, b"portrait ")
        daemon.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        _await_queued(home, photos)
        print(f"{photos:,} of {photos:,} queued {time.monotonic() - began:.1f} s after SIGCONT, without periodic scans")
        lost = "queue overflowed" in daemon.log()
        print(f"the kernel lost events: {'yes' if lost else 'no, so this run shows nothing'}")
    return lost


def idle(home: Home, photos: int) -> bool:
    """A library that is done."""
    _fill(home, photos, b"portrait ")
    _hold_work(home, every_s=86_400.0)
    with home.daemon():
        _await_queued(home, photos)
    _end_all(home)
    with home.daemon() as daemon:
        _await_scans(home, 1)
        before, cpu_s = _state(home), _cpu_s(daemon)
        time.sleep(REST_S)
        resting = (_cpu_s(daemon) - cpu_s) / REST_S
        quiet = _state(home) == before
    home.configure(scan={"every_s": SCAN_EVERY_S})
    with home.daemon() as daemon:
        _await_scans(home, 2)
        before, memory_mb, cpu_s, began = _state(home), _memory_mb(daemon, "VmRSS"), _cpu_s(daemon), time.monotonic()
        _await_scans(home, SCANS)
        per_scan_s = (_cpu_s(daemon) - cpu_s - resting * (time.monotonic() - began)) / SCANS
        growth_mb = _memory_mb(daemon, "VmRSS") - memory_mb
        quiet &= _state(home) == before
    average = resting + per_scan_s / Scan().every_s
    print(f"processor: {resting:.2%} of a core at rest, {per_scan_s:.2f} s for a scan, one each {Scan().every_s:.0f} s")
    good = _bar("average", 100 * average, IDLE_BAR_PERCENT, "% of a core")
    good &= _bar(f"growth of memory over {SCANS} scans", growth_mb, GROWTH_BAR_MB, "MB")
    print(f"files in the state directory as they were: {'yes' if quiet else 'NO'}")
    return good and quiet


def soak(home: Home, photos: int) -> bool:
    """Weeks of photos in minutes: what grows with each of them grows out of bounds."""
    home.configure(worker={"photos": 64, "idle_s": 600.0, "recycle": 1000})
    _fill(home, photos, b"portrait ")
    marks = [photos * tenth // 10 for tenth in range(2, 11)]
    memory_mb, workers = [], set()
    with home.daemon() as daemon:
        for mark in marks:
            await_that(partial(_are_done, home, mark), f"{mark:,} done", PATIENCE_S)
            memory_mb.append(_memory_mb(daemon, "VmRSS"))
            workers |= set(daemon.children())
            print(f"{mark:,} done: {memory_mb[-1]:.1f} MB")
    print(f"workers: {len(workers)} seen, one for each 1,000 photos")
    good = _bar("growth from the fifth to the last tenth", memory_mb[-1] - memory_mb[3], GROWTH_BAR_MB, "MB")
    return good and len(workers) > 1


MEASUREMENTS: dict[str, Callable[[Home, int], bool]] = {
    measure.__name__: measure for measure in (backlog, stopped, idle, soak)
}


def _bar(what: str, value: float, bar: float, unit: str) -> bool:
    print(f"{what}: {value:.2f} {unit} (bar: {bar:g}){'' if value < bar else '  MISSED'}")
    return value < bar


def _fill(home: Home, photos: int, content: bytes) -> None:
    _make_folders(home, photos)
    for number in range(photos):
        (home.inbox / f"album {number // 200}" / f"{number:06}.jpg").write_bytes(content + str(number).encode())


def _make_folders(home: Home, photos: int) -> None:
    for number in range(0, photos, 200):
        (home.inbox / f"album {number // 200}").mkdir(exist_ok=True)


def _hold_work(home: Home, every_s: float) -> None:
    """Photos are found and queued, and that is all."""
    hour = (time.gmtime().tm_hour + 12) % 24
    home.configure(scan={"every_s": every_s}, schedule={"active": f"{hour:02}:00-{hour:02}:01", "timezone": "UTC"})


def _end_all(home: Home) -> None:
    """As if every photo had been done, which would take hours."""
    with closing(sqlite3.connect(location.database(home.state))) as connection, connection:
        connection.execute("UPDATE photo SET state = 'no_face'")
    home.configure(scan={"every_s": 86_400.0})


def _await_queued(home: Home, photos: int) -> None:
    await_that(lambda: sum(home.counts().values()) == photos, f"{photos:,} queued", PATIENCE_S)


def _await_scans(home: Home, count: int) -> list[float]:
    """Wait for so many more, asking no more than once a second. Returns what each took, in seconds."""
    took: dict[float, float] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(took) < count:
        assert time.monotonic() < deadline, "the scans do not come"
        root = _root(home)
        if root["scanned_at"] is not None:
            took[root["scanned_at"]] = root["scan_s"]
        time.sleep(1.0)
    return list(took.values())


def _root(home: Home) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(home.call("status", "--json", "--rows", "0").stdout)
    root: dict[str, Any] = told["daemon"]["roots"]["inbox"]
    return root


def _status_s(home: Home) -> float:
    real = Home.__new__(Home)
    real.program, real.config = REAL, home.config
    began = time.monotonic()
    real.call("status")
    return time.monotonic() - began


def _state(home: Home) -> dict[str, tuple[int, int]]:
    """Sizes and times of all files there."""
    stats = {path.name: path.stat() for path in home.state.iterdir()}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in stats.items()}


def _are_done(home: Home, photos: int) -> bool:
    return home.counts().get("done", 0) >= photos


def _memory_mb(daemon: Daemon, field: str) -> float:
    lines = Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _cpu_s(daemon: Daemon) -> float:
    """Of the daemon's own process, all threads."""
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
