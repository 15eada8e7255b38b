"""Feeds damaged photos of every kind to the decoder, as the worker does, and says how it fared.

    uv run python benchmarks/fuzz.py --files 10000 --seed 1

Each file is a valid one with bytes changed, cut out, doubled or cut off. Every one has to be decoded or refused with a
reason. Exit code 1 when anything else happened: another exception, a decoder that crashed or hung, too much memory.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from lowkeyd import config
from lowkeyd.errors import PhotoError, TryLater
from lowkeyd.imaging.decode import Limits
from lowkeyd.imaging.encode import encode
from lowkeyd.worker.decoder import Decoder
from tests.imaging.label import exif_with, xmp_with
from tests.imaging.make import COMMON, SRGB, deep_png, deep_portrait, deep_tiff, heif, portrait, saved, saved_image

LIMITS = Limits(max_megapixels=4, max_megabytes=4)
DECODE_S = 10.0
MEMORY_MB = 400
FACE, DEEP = portrait(64), deep_portrait(64)
LABELS = {"exif": exif_with(6), "xmp": xmp_with(), "icc_profile": SRGB}

SEEDS: dict[str, Callable[[], bytes]] = {
    **{name: partial(saved, FACE, **options, **LABELS) for name, options in COMMON.items()},
    "BMP": lambda: saved(FACE, format="BMP"),
    "LZW TIFF": lambda: saved(FACE, format="TIFF", compression="tiff_lzw"),
    "JPEG in a TIFF": lambda: saved(FACE, format="TIFF", compression="jpeg"),
    "TIFF": lambda: saved(FACE, format="TIFF", exif=_exif()),
    "GIF": lambda: saved(FACE, format="GIF", comment=b"a comment"),
    "grey JPEG": lambda: saved_image(Image.fromarray(FACE).convert("L"), format="JPEG"),
    "CMYK JPEG": lambda: saved_image(Image.fromarray(FACE).convert("CMYK"), format="JPEG"),
    "MPO": lambda: saved(FACE, format="MPO", save_all=True, append_images=[Image.fromarray(FACE)]),
    "palette PNG": lambda: saved_image(Image.fromarray(FACE).convert("P"), format="PNG", transparency=0),
    "16-bit PNG": lambda: deep_png(DEEP),
    "16-bit PNG with alpha": lambda: deep_png(np.dstack((DEEP, DEEP[..., 0]))),
    "16-bit TIFF": lambda: deep_tiff(DEEP, photometric="rgb"),
    "CMYK TIFF": lambda: deep_tiff(np.dstack((FACE, FACE[..., 0])), photometric="separated"),
    "animated WebP": lambda: saved(FACE, format="WEBP", save_all=True, append_images=[Image.fromarray(FACE[::-1])]),
    "HEIC": lambda: heif(FACE, exif=exif_with(), thumbnails=[32]),
}


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif.load(LABELS["exif"])
    return exif


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """The file with one to five injuries; the first bytes, where headers are, are hit most."""
    data = np.frombuffer(content, np.uint8).copy()
    for _ in range(random.integers(1, 6)):
        reach = min(len(data), 800) if random.random() < 0.6 else len(data)
        place = int(random.integers(0, max(reach, 1)))
        data = _injured(data, place, random)
    return data.tobytes()


def _injured(data: npt.NDArray[np.uint8], place: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    length = int(random.integers(1, 32))
    match random.integers(0, 7):
        case 0 | 1:
            data[place : place + 1] = random.integers(0, 256)
        case 2:
            data[place : place + 4] = np.frombuffer(random.bytes(4), np.uint8)[: len(data[place : place + 4])]
        case 3:
            data[place : place + length] = random.choice((0, 255))
        case 4:
            data = np.delete(data, slice(place, place + length))
        case 5:
            data = np.insert(data, place, data[place : place + length])
        case _ if random.random() < 0.2:
            data = data[:place]
    return data


def main() -> int:
    """Run. Returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=10_000, help="mutated files in all")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path, help="folder for files that did harm")
    asked = options.parse_args()
    run = Run(asked.keep)
    seeds = {name: make() for name, make in SEEDS.items()}
    for number in range(asked.files):
        name = list(seeds)[number % len(seeds)]
        random = np.random.default_rng((asked.seed, number))
        run.one(name, number, mutated(seeds[name], random))
    return run.report(len(seeds))


class Run:
    """What happened so far."""

    def __init__(self, keep: Path | None) -> None:
        self.decoder = Decoder(LIMITS, DECODE_S)
        self.keep = keep
        self.ends: Counter[str] = Counter()
        self.harm: list[str] = []
        self.slowest = (0.0, "")
        self.peak_mb = 0.0
        self.processes = 1
        self.started = time.monotonic()

    def one(self, name: str, number: int, content: bytes) -> None:
        """Decode one file; what is decoded must also be possible to write."""
        before, process = time.monotonic(), self.decoder._process
        try:
            picture = self.decoder.decode(content)
            encode(picture, picture.pixels, config.Outbox(), config.Metadata())
            self.ends["decoded"] += 1
        except (PhotoError, TryLater) as error:
            self.ends[type(error).__name__] += 1
            if not error.reason or "crashed" in error.reason or "longer than" in error.reason:
                self._note(f"{name} {number}: {error.reason}", content)
        except Exception as error:  # what the run is for
            self._note(f"{name} {number}: {type(error).__name__}: {error}", content)
        self.processes += self.decoder._process is not process
        self.slowest = max(self.slowest, (time.monotonic() - before, f"{name} {number}"))
        if number % 50 == 0:
            self.peak_mb = max(self.peak_mb, _peak_mb(self.decoder._process.pid))

    def _note(self, line: str, content: bytes) -> None:
        self.harm.append(line)
        if self.keep:
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{len(self.harm):04d}.bin").write_bytes(content)

    def report(self, kinds: int) -> int:
        """Print it all; 1 if there was any harm."""
        self.peak_mb = max(self.peak_mb, _peak_mb(self.decoder._process.pid))
        self.decoder.end()
        seconds = time.monotonic() - self.started
        print(f"{sum(self.ends.values()) + len(self.harm)} files of {kinds} kinds in {seconds:.0f} s")
        for end, count in self.ends.most_common():
            print(f"  {count:7d} {end}")
        print(f"slowest {self.slowest[0]:.2f} s ({self.slowest[1]}); limit {DECODE_S:g} s")
        print(
            f"peak memory of the decoder {self.peak_mb:.0f} MB; bound {MEMORY_MB} MB; processes used {self.processes}"
        )
        for line in self.harm:
            print(f"HARM {line}")
        return 1 if self.harm or self.peak_mb > MEMORY_MB else 0


def _peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    sys.exit(main())
