"""A blind look: faces one by one, some as they are and some protected, for somebody who does not know which.

    uv run python benchmarks/blind.py PHOTO_OR_FOLDER... -o FOLDER [--preset balanced] [--seed 0]

FOLDER/a and FOLDER/b hold the same faces in the same order at the photo's own pixels; what is protected in one is as it
was in the other. Give them to two people, and ask of each picture: is there a line, a ridge, a patch or a tint that you
would point at? Then FOLDER/key.csv tells which were protected. What is pointed at in untouched faces is the noise.
"""

import argparse
import csv
import random
import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sheet import SIDE, places
from lowkeyd import config
from lowkeyd.attack.crop import Square
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.presets import PAPER, PRESETS
from lowkeyd.model import Pixels, Place


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="photos, folders of photos, or of people")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--preset", choices=(PAPER, *PRESETS), default="balanced")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    engine = Engine(config.Attack(), "auto", 2)
    found = list(places(engine, asked.photos))
    photos, faces = [photo for photo, _ in found], [[face] for _, face in found]
    copies = engine.protect(photos, faces, asked.preset, lambda _done, _all: None)
    chance = random.Random(asked.seed)
    shown = list(zip(found, copies, strict=True))
    chance.shuffle(shown)
    protected_first = [number % 2 == 0 for number in range(len(shown))]
    chance.shuffle(protected_first)
    _write(asked.output, shown, protected_first)


def _write(folder: Path, shown: list[tuple[Place, Pixels]], protected_first: list[bool]) -> None:
    for name in "ab":
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / "key.csv").open("w", newline="") as file:
        key = csv.writer(file)
        key.writerow(("picture", "protected in"))
        for number, (((photo, face), copy), first) in enumerate(zip(shown, protected_first, strict=True)):
            square = Square.around(face, SIDE)
            for name, pixels in zip("ab", (copy, photo) if first else (photo, copy), strict=True):
                Image.fromarray(pixels[square.overlap(pixels.shape)[0]]).save(folder / name / f"{number:02}.png")
            key.writerow((f"{number:02}", "a" if first else "b"))


if __name__ == "__main__":
    main()
