"""A bad day: kill -9 of daemon and worker every few seconds, a full disk, an unplugged library, a clock that jumps.

    uv run python benchmarks/storm.py [FOLDER] [--photos 1000] [--seed 1]

The real daemon with the real networks and the fastest preset, over the photos of FOLDER, or over portraits made from
NASA's astronaut, which come in as it goes on. Everything is mounted in a namespace of its own, so it needs no rights
and leaves nothing behind. At the end every photo has to be delivered exactly once, as a whole picture; exit code 1 if
not. A photo in which a network still knows a face is held back, and counts as settled. A thousand photos take about an
hour on two cores. `tests/test_storm.py` is the short version.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageEnhance
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[1]))

from lowkeyd.model import PHOTO_SUFFIXES, sha256
from tests.helpers.home import REAL, Home
from tests.helpers.namespace import APART
from tests.helpers.storm import Storm, verdicts

DISK_MB, BACKLOG = 512, 200
PATIENCE_S = 4 * 3600.0
INSIDE = "--inside"


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--pause", type=float, nargs=2, default=(3.0, 25.0), help="seconds between kills, from, to")
    parser.add_argument("--lasts", type=float, default=30.0, help="seconds for which disk and library are gone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if not chosen.inside:
        return subprocess.run([*APART, sys.executable, *sys.argv, INSIDE], check=False).returncode
    photos = _photos(chosen.folder, chosen.photos) if chosen.folder else [_portrait(n) for n in range(chosen.photos)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # the mounts go with the namespace
        home = Home(Path(folder) / "home", REAL)
        storm = Storm(home, DISK_MB, tuple(chosen.pause), chosen.lasts, chosen.seed, _tell)
        home.configure(attack={"preset": "balanced", "device": "cpu"})
        began = time.monotonic()
        storm.rage(photos, BACKLOG, PATIENCE_S)
        print(f"{len(photos)} photos settled after {time.monotonic() - began:.0f} s: {words(home.counts())}")
        print(f"kills by what went on, and other ends: {words(storm.kills)}")
        return _report(storm, {name: sha256(content) for name, content in photos})


def _photos(folder: Path, most: int) -> list[tuple[str, bytes]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    return [(str(path.relative_to(folder)), path.read_bytes()) for path in paths[:most]]


def _portrait(number: int) -> tuple[str, bytes]:
    """The same face in another light and another place each time."""
    picture = ImageEnhance.Brightness(Image.fromarray(astronaut()[:300, 80:380])).enhance(0.8 + 0.0004 * number)
    sheet = Image.new("RGB", (340, 340), (90, 100 + number % 100, 110))
    sheet.paste(picture, (number % 40, number // 40 % 40))
    buffer = BytesIO()
    sheet.save(buffer, "JPEG", quality=92, comment=b"%d" % number)
    return f"{number % 30}/{number}.jpg", buffer.getvalue()


def _report(storm: Storm, originals: dict[str, str]) -> int:
    code = storm.home.call("run", "--once", timeout_s=PATIENCE_S).returncode
    failed = bool(storm.home.counts().get("failed"))
    lines = {f"`lowkeyd run --once` finds nothing left to do (exit code {code})": code == int(failed)}
    return tell_all(lines | verdicts(storm.home, originals))


def tell_all(lines: dict[str, bool]) -> int:
    """Print what has to be true, and whether it is. Returns the exit code."""
    for line, true in lines.items():
        print(f"{'yes' if true else 'NO ':4}{line}")
    return 0 if all(lines.values()) else 1


def _tell(what: str) -> None:
    print(what, flush=True)


def words(counts: dict[str, int]) -> str:
    """How many of what."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing yet"


if __name__ == "__main__":
    sys.exit(main())
