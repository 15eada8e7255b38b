"""Photos that come by every way that events are lost on, round after round; no periodic scan helps.

    uv run python benchmarks/arrivals.py

The stand-in takes the place of the networks: what is shown is that each file is found, and not before it is complete.
Exit code 1 if one was missed or taken half.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers.home import Home
from tests.helpers.stand_in import PREFIX

PIECES, PAUSE_S, QUIET_S = 8, 0.4, 2.0
"""A slow writer takes a second and a half longer than a file has to be quiet."""


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.configure(settle={"quiet_s": QUIET_S}, scan={"every_s": 86_400.0})
        with home.daemon():
            expected = [_round(home, number) for number in range(chosen.rounds)]
            wanted = {name: content for arrivals in expected for name, content in arrivals.items()}
            _wait(home, len(wanted))
            ((taken,),) = home.query("SELECT count(*) FROM history WHERE state = 'done'")  # the log is rate-limited
        copies = home.delivered()
    print(f"{'way':34}{'photos':>8}{'missed':>8}{'half':>8}")
    for way in WAYS:
        mine = {name: content for name, content in wanted.items() if name.startswith(f"{way.__name__}/")}
        missed = sum(name not in copies for name in mine)
        half = sum(copies.get(name, PREFIX + content) != PREFIX + content for name, content in mine.items())
        print(f"{way.__doc__:34}{len(mine):8}{missed:8}{half:8}")
    whole = copies == {name: PREFIX + content for name, content in wanted.items()}
    print(f"{taken} optimisations for {len(wanted)} photos")
    return 0 if whole and taken == len(wanted) else 1


def _round(home: Home, number: int) -> dict[str, bytes]:
    """Every way once, the slow ones beside the others. Returns what has to come out."""
    arrivals = {f"{way.__name__}/{number}/a/b/{number}.jpg": f"{way.__name__} {number}".encode() for way in WAYS}
    threads = [
        threading.Thread(target=way, args=(home, Path(name), content))
        for way, (name, content) in zip(WAYS, arrivals.items(), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"\rround {number + 1}", end="", file=sys.stderr, flush=True)
    return arrivals


def _slow(home: Home, name: Path, content: bytes) -> None:
    """written slowly, piece by piece"""
    path = home.inbox / name
    path.parent.mkdir(parents=True)
    size = -(-len(content) // PIECES)
    for start in range(0, len(content), size):
        with path.open("ab") as file:
            file.write(content[start : start + size])
        time.sleep(PAUSE_S)


def _renamed(home: Home, name: Path, content: bytes) -> None:
    """written aside, then renamed"""
    part = home.drop(f"{name}.part", content)
    part.rename(home.inbox / name)


def _moved(home: Home, name: Path, content: bytes) -> None:
    """moved in from outside"""
    outside = home.folder / "moved.jpg"
    outside.write_bytes(content)
    (home.inbox / name).parent.mkdir(parents=True)
    outside.rename(home.inbox / name)


def _tree_copied(home: Home, name: Path, content: bytes) -> None:
    """a tree copied in"""
    outside = home.folder / "copied"
    (outside / name).parent.mkdir(parents=True)
    (outside / name).write_bytes(content)
    shutil.copytree(outside, home.inbox, dirs_exist_ok=True)
    shutil.rmtree(outside)


def _tree_moved(home: Home, name: Path, content: bytes) -> None:
    """a tree moved in"""
    outside = home.folder / "moving" / name.parts[1]
    path = outside.joinpath(*name.parts[2:])
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (home.inbox / name.parts[0]).mkdir(exist_ok=True)
    outside.rename(home.inbox.joinpath(*name.parts[:2]))


def _made(home: Home, name: Path, content: bytes) -> None:
    """`mkdir -p`, then the file at once"""
    subprocess.run(["mkdir", "-p", str((home.inbox / name).parent)], check=True)
    (home.inbox / name).write_bytes(content)


WAYS: tuple[Callable[[Home, Path, bytes], None], ...] = (_slow, _renamed, _moved, _tree_copied, _tree_moved, _made)


def _wait(home: Home, count: int) -> None:
    """Until all is done, or nothing has moved for a minute."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 60:
        done = home.counts().get("done", 0)
        if done == count:
            break
        if done != seen:
            seen, since = done, time.monotonic()
        time.sleep(0.2)
    print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
