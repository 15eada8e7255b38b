"""How small a face may be in how large a photo and still be found, standing or lying, and what looking for it costs.

    uv run python benchmarks/crowd.py PEOPLE [--faces 120]

The first photo of each person (a folder each, as in LFW), made so small that a common face is as wide as said, is laid
out on grey noise. A face counts as found when something is found in its middle. Then each person lies, turned and
leaning by up to 30 degrees, beside another one who stands and is of common size.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.thresholds import off_middle
from lowkeyd.attack.detect import Detector
from lowkeyd.evaluation.people import people
from lowkeyd.model import Pixels

SIZES = ((1600, 1200), (6000, 4000), (8660, 5773))
WIDTHS_PX = (12, 16, 20, 24, 32, 40)
PAIR_PX, LYING_PX, LEAN = (1000, 750), (60, 80, 110), 30.0
NOISE = 20.0
NEAR = 0.15
"""How far from the middle of its picture a face may be found, as a share of the picture: it is there in LFW's."""

Cell = tuple[int, int]


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--faces", type=int, default=120)
    asked = parser.parse_args()
    detector = Detector("cpu")
    photos = [Image.open(person.gallery).convert("RGB") for person in people(asked.people, None)[: asked.faces]]
    common_px = float(
        np.median([face.box[2] - face.box[0] for photo in photos for face in detector.find(_pixels(photo))])
    )
    print(f"{'photo':>12}{'face':>8}{'found':>12}{'seconds':>10}")
    for size in SIZES:
        for width_px in WIDTHS_PX:
            crowd, cells, side = _crowd(photos, size, width_px / common_px)
            started = time.perf_counter()
            faces = detector.find(crowd)
            seconds = time.perf_counter() - started
            middles = [(x + side / 2, y + side / 2) for x, y in cells]
            found = sum(any(off_middle(face, x, y) < NEAR * side for face in faces) for x, y in middles)
            print(f"{size[0]:>7}x{size[1]}{width_px:>5} px{found:>8}/{len(cells)}{seconds:>10.2f}", flush=True)
    print(f"\n{'lying face':>20}{'on a side':>12}{'upside down':>12}")
    for width_px in LYING_PX:
        beside = [_beside(detector, photos, width_px / common_px, turns) for turns in ((90, 270), (180, 180))]
        print(f"{width_px:>8} of {PAIR_PX[0]} px", *(f"{found:>7}/{len(photos)}" for found in beside), flush=True)


def _pixels(photo: Image.Image) -> Pixels:
    return np.asarray(photo, np.uint8)


def _crowd(photos: list[Image.Image], size: tuple[int, int], scale: float) -> tuple[Pixels, list[Cell], int]:
    """The large photo, where in it the small ones are (left, top), and how wide they are."""
    side = round(photos[0].width * scale)
    canvas = Image.effect_noise(size, NOISE).convert("RGB")
    cells = [(x, y) for y in range(0, size[1] - side, 2 * side) for x in range(0, size[0] - side, 2 * side)]
    for cell, photo in zip(cells, photos, strict=False):
        canvas.paste(photo.resize((side, side), Image.Resampling.LANCZOS), cell)
    return _pixels(canvas), cells[: len(photos)], side


def _beside(detector: Detector, photos: list[Image.Image], scale: float, turns: tuple[int, int]) -> int:
    """How many are found that lie, turned by either angle, beside another one who stands."""
    chance = np.random.default_rng(0)
    found = 0
    for number, photo in enumerate(photos):
        pair = Image.effect_noise(PAIR_PX, NOISE).convert("RGB")
        pair.paste(photos[number - 1], (50, 250))
        side = round(photo.width * scale)
        small = photo.resize((side, side), Image.Resampling.LANCZOS).convert("RGBA")
        angle = turns[number % 2] + chance.uniform(-LEAN, LEAN)
        lying = small.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        pair.paste(lying, (425, 50), lying)
        x, y = 425 + lying.width / 2, 50 + lying.height / 2
        found += any(off_middle(face, x, y) < NEAR * side for face in detector.find(_pixels(pair)))
    return found


if __name__ == "__main__":
    main()
