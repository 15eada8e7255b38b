"""What the last step costs: size of the copy against its source; protection and visibility lost by the final encode.

    uv run python benchmarks/formats.py PHOTO_OR_FOLDER... [--quality 30] [--preset balanced]

For each photo with faces: the attacked networks' distance of the weakest face, and face-LPIPS of all faces on average,
of the pixels as optimised, of the copy that is coded as its source was, and of the finer copy that is made when a judge
still accepts a face. `--quality` stores JPEG sources anew first, as coarsely as that, 4:2:0.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from lowkeyd import config
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.verify import Versions
from lowkeyd.imaging.decode import Limits, Picture, decode
from lowkeyd.imaging.encode import as_shared, encode
from lowkeyd.model import Face, Pixels, Verdict

LIMITS = Limits(200, 500)


@dataclass(frozen=True)
class Measured:
    """One version of a photo: its size as a multiple of its source's, 0 before it is encoded."""

    size: float
    distance: float
    lpips: float

    def __str__(self) -> str:
        size = f"{self.size:5.2f} " if self.size else ""
        return f"{size}{self.distance:6.3f} {self.lpips:7.4f}"


def main() -> None:
    """Run."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("photos", type=Path, nargs="+")
    options.add_argument("--quality", type=int)
    options.add_argument("--preset", default="balanced")
    asked = options.parse_args()
    engine = Engine(config.Attack())
    print(f"{'photo':28} {'kB':>6} {'optimised':>14} {'coded as its source':>22} {'finer copy':>20}")
    print(
        f"{'':35} {'dist.':>6} {'LPIPS':>7}   {'size':>4} {'dist.':>6} {'LPIPS':>7}"
        f" {'size':>6} {'dist.':>6} {'LPIPS':>7}"
    )
    rows = []
    for path in _files(asked.photos):
        content = _source(path, asked.quality)
        if versions := _versions(engine, content, asked.preset):
            rows.append(versions)
            print(f"{path.name[:28]:28} {len(content) / 1e3:6.0f} " + "   ".join(map(str, versions)), flush=True)
        else:
            print(f"{path.name[:28]:28} {len(content) / 1e3:6.0f} no face", flush=True)
    _summary(rows)


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(one for path in paths for one in (path.iterdir() if path.is_dir() else [path]))


def _source(path: Path, quality: int | None) -> bytes:
    content = path.read_bytes()
    if quality is None or not content.startswith(b"\xff\xd8"):
        return content
    buffer = BytesIO()
    Image.open(BytesIO(content)).save(buffer, format="JPEG", quality=quality, subsampling=2)
    return buffer.getvalue()


def _versions(engine: Engine, content: bytes, preset: str) -> list[Measured]:
    picture = decode(content, LIMITS)
    faces = engine.detect(picture.pixels)
    if not faces:
        return []
    (protected,) = engine.protect([picture.pixels], [faces], preset, lambda _done, _all: None)
    versions = [_measured(engine, picture, faces, protected, 0.0)]
    for fine in (False, True):
        copy = encode(picture, protected, config.Outbox(), config.Metadata(), fine=fine).content
        delivered = decode(copy, LIMITS).pixels
        versions.append(_measured(engine, picture, faces, delivered, len(copy) / len(content)))
    return versions


def _measured(engine: Engine, picture: Picture, faces: Sequence[Face], pixels: Pixels, size: float) -> Measured:
    versions = Versions(picture.pixels, as_shared(picture.pixels), pixels, as_shared(pixels))
    verdict: Verdict = engine.verify(versions, faces, "")
    distance = min(score.after for face in verdict.faces for score in face.scores if score.attacked)
    return Measured(size, distance, float(np.mean([face.visibility.lpips for face in verdict.faces])))


def _summary(rows: list[list[Measured]]) -> None:
    if not rows:
        return
    for number, name in ((1, "coded as its source"), (2, "finer copy")):
        sizes = [versions[number].size for versions in rows]
        lost = [versions[0].distance - versions[number].distance for versions in rows]
        gained = [versions[number].lpips - versions[0].lpips for versions in rows]
        print(
            f"{name}: size x{np.mean(sizes):.2f} (largest x{max(sizes):.2f}); distance lost {np.mean(lost):+.3f}"
            f" (most {max(lost):+.3f}); face-LPIPS {np.mean(gained):+.4f} (most {max(gained):+.4f})"
        )


if __name__ == "__main__":
    main()
