"""How much memory a large photo with many faces takes, through the whole daemon.

    uv run python benchmarks/memory.py [--megapixels 50] [--faces 20]

The photo is made of NASA's astronaut, again and again, each a little different. Printed is what daemon, worker and the
process that decodes for it took at most. Exit code 1 when the worker takes 3 GB or more.
"""

import argparse
import os
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageEnhance
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.process import memory_mb
from lowkeyd.store import location, snapshot
from tests.helpers.home import REAL, Daemon, Home

BAR_MB = 3_000.0
COLUMNS = 5


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=50.0)
    parser.add_argument("--faces", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", REAL)
        aside = Path(folder) / "crowd.jpg"
        _crowd(chosen.megapixels, chosen.faces).save(aside, quality=90)
        with home.daemon() as daemon:
            peaks: dict[str, float] = {}
            watching = threading.Event()
            watcher = threading.Thread(target=_watch, args=(daemon, peaks, watching))
            watcher.start()
            aside.rename(home.inbox / "crowd.jpg")
            home.await_counts(patience_s=900, done=1)
            watching.set()
            watcher.join()
            daemon.end()
        (photo,) = snapshot.delivered(location.database(home.state))
        assert photo.verdict is not None
        faces = len(photo.verdict["faces"])
        print(f"{chosen.megapixels:g} megapixels, {faces} faces, {photo.seconds:.1f} s")
    for name, peak in sorted(peaks.items()):
        print(f"{name}: {peak:.0f} MB at most")
    return 0 if max(peak for name, peak in peaks.items() if name.startswith("worker")) < BAR_MB else 1


def _crowd(megapixels: float, faces: int) -> Image.Image:
    rows = -(-faces // COLUMNS)
    side = int((megapixels * 1e6 / (rows * COLUMNS)) ** 0.5)
    portrait = Image.fromarray(astronaut()).resize((side, side), Image.Resampling.BICUBIC)
    crowd = Image.new("RGB", (COLUMNS * side, rows * side))
    for number in range(faces):
        one = ImageEnhance.Brightness(portrait).enhance(0.8 + 0.4 * number / faces)
        crowd.paste(one, (number % COLUMNS * side, number // COLUMNS * side))
    return crowd


def _watch(daemon: Daemon, peaks: dict[str, float], end: threading.Event) -> None:
    """The kernel keeps each process's own maximum; here the processes are found while they live."""
    while not end.wait(0.2):
        for pid, name in ((daemon.pid, "daemon"), *((pid, "worker") for pid in daemon.children())):
            _note(peaks, name, pid)
            for child in _children(pid) if name == "worker" else []:
                _note(peaks, "decoding process", child)


def _note(peaks: dict[str, float], name: str, pid: int) -> None:
    with suppress(OSError, StopIteration):  # it may have ended
        peaks[name] = max(peaks.get(name, 0.0), memory_mb(pid, "VmHWM"))


def _children(pid: int) -> list[int]:
    try:
        tasks = [Path(f"/proc/{pid}/task/{task}/children").read_text() for task in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []
    return [int(child) for line in tasks for child in line.split()]


if __name__ == "__main__":
    sys.exit(main())
