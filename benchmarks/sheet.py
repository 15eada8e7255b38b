"""A contact sheet: faces as they are, after the paper's loop, and after each preset, at the photo's own pixels.

    uv run python benchmarks/sheet.py FOLDER_OF_PEOPLE -o sheet.png [--faces 12]

Look at it at 100 %: nothing in the column `balanced` should be a thing to point at.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lowkeyd import config
from lowkeyd.attack.crop import Square
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.presets import PAPER, PRESETS
from lowkeyd.imaging.decode import Limits, decode
from lowkeyd.model import PHOTO_SUFFIXES, Face, Pixels, Place

SIDE = 4.0
CAPTION_PX, GAP_PX = 30, 6
LIMITS = Limits(200, 500)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path, nargs="+", help="photos, or folders with photos in them")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--cell", type=int, default=200, help="pixels; larger faces are shrunk to it, smaller ones not")
    asked = parser.parse_args()
    engine = Engine(config.Attack(), "auto", 2)
    found = list(islice(places(engine, asked.people), asked.faces))
    photos, faces = [photo for photo, _ in found], [[face] for _, face in found]
    columns = {"original": photos}
    for preset in (PAPER, *PRESETS):
        columns[preset] = engine.protect(photos, faces, preset, lambda _done, _all: None)
    _sheet(columns, [face for _, face in found], asked.cell).save(asked.output)


def places(engine: Engine, folders: list[Path]) -> Iterator[Place]:
    """The middle face of each photo, and of the first photo in each folder of a folder."""
    files = [
        next(file for file in sorted(folder.iterdir()) if file.suffix.lower() in PHOTO_SUFFIXES)
        if folder.is_dir()
        else folder
        for named in folders
        for folder in (sorted(named.iterdir()) if named.is_dir() else [named])
    ]
    for file in files:
        photo = decode(file.read_bytes(), LIMITS).pixels
        if faces := engine.detect(photo):
            middle = np.array((photo.shape[1] / 2, photo.shape[0] / 2))
            yield photo, min(faces, key=lambda f: float(np.linalg.norm(f.landmarks.mean(0) - middle)))


def _sheet(columns: dict[str, list[Pixels]], faces: list[Face], cell: int) -> Image.Image:
    width = len(columns) * (cell + GAP_PX)
    sheet = Image.new("RGB", (width, CAPTION_PX + len(faces) * (cell + GAP_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, photos) in enumerate(columns.items()):
        left = number * (cell + GAP_PX)
        draw.text((left + cell / 2, 6), name, fill="black", font=ImageFont.load_default(18), anchor="ma")
        for row, (photo, face) in enumerate(zip(photos, faces, strict=True)):
            picture = Image.fromarray(Square.around(face, SIDE).take(photo))
            picture.thumbnail((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(picture, (left, CAPTION_PX + row * (cell + GAP_PX)))
    return sheet


if __name__ == "__main__":
    main()
