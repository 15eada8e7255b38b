"""How soon the daemon is ready, how much memory it takes, and what its worker's start costs.

    uv run python benchmarks/startup.py

Exit code 1 when the daemon takes two seconds or longer, or 120 MB or more, or has torch in its process.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.process import memory_mb
from lowkeyd.store import location, snapshot
from tests.helpers.home import REAL, Home

READY_BAR_S, MEMORY_BAR_MB = 2.0, 120.0


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        starts = [_start(Path(folder) / str(number)) for number in range(chosen.starts)]
        print(f"ready (watching, READY sent): median {statistics.median(starts):.2f} s, worst {max(starts):.2f} s")
        idle_mb, peak_mb, torch = _work(Path(folder) / "work")
    good = statistics.median(starts) < READY_BAR_S and peak_mb < MEMORY_BAR_MB and not torch
    print(f"daemon: {idle_mb:.0f} MB when ready, {peak_mb:.0f} MB at most; torch in its process: {torch}")
    return 0 if good else 1


def _start(folder: Path) -> float:
    home = Home(folder, REAL)
    started = time.monotonic()
    with home.daemon() as daemon:
        seconds = time.monotonic() - started
        daemon.end()
    return seconds


def _work(folder: Path) -> tuple[float, float, bool]:
    """One portrait, all the way."""
    home = Home(folder, REAL)
    portrait = folder / "portrait.png"
    Image.fromarray(astronaut()).save(portrait)
    with home.daemon() as daemon:
        idle_mb = memory_mb(daemon.pid, "VmRSS")
        dropped = time.monotonic()
        shutil.copyfile(portrait, home.inbox / "portrait.png")
        home.await_counts(patience_s=600, done=1)
        seconds = time.monotonic() - dropped
        (worker,) = daemon.children()
        peak_mb, torch = memory_mb(daemon.pid, "VmHWM"), _has_torch(daemon.pid)
        print(f"worker: {memory_mb(worker, 'VmHWM'):.0f} MB at most; torch in its process: {_has_torch(worker)}")
        daemon.end()
    report = snapshot.read(location.database(home.state), 0).daemon or {}
    (hands,) = report["workers"]
    print(f"worker: networks imported and loaded in {hands['start_s']} s")
    print(f"a portrait of 512 x 512 pixels: delivered {seconds:.1f} s after it was dropped, with the worker's start")
    return idle_mb, peak_mb, torch


def _has_torch(pid: int) -> bool:
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


if __name__ == "__main__":
    sys.exit(main())
