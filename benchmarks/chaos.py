"""kill -9 of the daemon, of its worker, and of both, over a library of portraits: at random moments, and half of the
times once a photo is in work.

    uv run python benchmarks/chaos.py

The real daemon with the real networks, unless --stand-in is given. The photos come in while it goes on, so that late
kills find work too. At the end every photo has to be delivered exactly once, as a whole picture; no temporary file may
be left, the database has to be sound, and the originals unchanged. Exit code 1 if not.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageEnhance
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.storm import tell_all, words
from lowkeyd.model import sha256
from tests.helpers.home import REAL, STAND_IN, Daemon, Home
from tests.helpers.storm import verdicts

VICTIMS = ("daemon", "worker", "both")
_PATIENCE_S = 20.0
_IN_WORK_S = 2.0
"""About as long as the photos of a round are in work."""


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--span", type=float, default=8.0, help="seconds within which every other kill comes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stand-in", action="store_true", help="without the networks: seconds instead of minutes")
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", STAND_IN if chosen.stand_in else REAL)
        library = [_photo(number, chosen.stand_in) for number in range(chosen.photos)]
        started, hit = time.monotonic(), Counter[str]()
        for number in range(chosen.rounds):
            first, last = (len(library) * turn // chosen.rounds for turn in (number, number + 1))
            for name, content in library[first:last]:
                home.drop(name, content)
            hit[_round(home, chance, chosen.span, number)] += 1
        print(f"{chosen.rounds} kills, {hit['in work']} with photos in work, {hit['publishing']} in mid-publication")
        print(f"states after them: {words(home.counts())}")
        _finish(home)
        print(f"finished after {time.monotonic() - started:.0f} s: {words(home.counts())}")
        return tell_all(verdicts(home, {name: sha256(content) for name, content in library}))


def _photo(number: int, stand_in: bool) -> tuple[str, bytes]:
    if stand_in:
        return f"{number % 3}/{number}.jpg", b"slow 1.5 %d" % number
    return f"{number % 3}/{number}.png", _portrait(number)


def _portrait(number: int) -> bytes:
    """The same face in another light and another place each time."""
    picture = Image.fromarray(astronaut()[:300, 80:380])
    picture = ImageEnhance.Brightness(picture).enhance(0.8 + 0.02 * number)
    sheet = Image.new("RGB", (340, 340), (90, 100 + number, 110))
    sheet.paste(picture, (number, 40 - number))
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _round(home: Home, chance: random.Random, span_s: float, number: int) -> str:
    """Start, wait, kill. Returns what was going on at that moment."""
    victim = VICTIMS[number % 3]
    with home.daemon() as daemon:
        if number // len(VICTIMS) % 2 and _works(home):  # to load the networks takes longer than most kills leave
            time.sleep(chance.uniform(0.0, _IN_WORK_S))
        else:
            time.sleep(chance.uniform(0.0, span_s))
        before = home.counts()
        _kill(daemon, victim, chance)
        moment = "publishing" if before.get("publishing") else "in work" if before.get("running") else "waiting"
        print(f"round {number + 1:2}: {victim:6} killed while {moment:10} {words(before)}", flush=True)
        if victim == "worker":
            daemon.end()
    return moment


def _works(home: Home) -> bool:
    """Waits until a photo is in work. False when none comes."""
    until = time.monotonic() + _PATIENCE_S
    while not (works := bool(home.counts().get("running"))) and time.monotonic() < until:
        time.sleep(0.05)
    return works


def _kill(daemon: Daemon, victim: str, chance: random.Random) -> None:
    workers = daemon.children()
    for pid in (workers if victim != "daemon" else []) + ([daemon.pid] if victim != "worker" else []):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        time.sleep(chance.uniform(0.0, 0.2))


def _finish(home: Home) -> None:
    """As many runs as it takes, as a service manager would: what waits is due within a minute."""
    while (code := home.call("run", "--once", timeout_s=3600).returncode) == os.EX_TEMPFAIL:
        time.sleep(5)
    print(f"`lowkeyd run --once` ends with {code}")


if __name__ == "__main__":
    sys.exit(main())
