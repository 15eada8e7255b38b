"""Three files that are made to exhaust a machine, and how long it takes to refuse them.

    uv run python benchmarks/giants.py

Each has to be refused in under a second, with one sentence. The files are real: making the JPEG takes 1 GB of memory.
Exit code 1 when one was not refused, or too late.
"""

import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from lowkeyd import config
from lowkeyd.errors import PhotoError
from lowkeyd.folders import originals
from lowkeyd.worker.decoder import Decoder
from lowkeyd.worker.limits import limits

BAR_S = 1.0


def main() -> int:
    """Run. Returns the exit code."""
    worker = config.Config().worker
    decoder = Decoder(limits(worker), worker.max_decode_s)
    late = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in _giants(Path(folder)):
            status = path.stat()
            seconds, sentence = _refusal(decoder, path, int(worker.max_megabytes * 1e6))
            late += seconds > BAR_S
            print(f"{path.name}: {status.st_size / 1e3:.0f} kB, {status.st_blocks / 2:.0f} kB on disk")
            print(f"  {seconds:.3f} s: {sentence}")
            path.unlink()
    decoder.end()
    return 1 if late else 0


def _giants(folder: Path) -> "list[Path]":
    png, jpeg, tiff = folder / "400-megapixels.png", folder / "30000x30000.jpg", folder / "2-gigabytes.tif"
    Image.new("L", (20_000, 20_000)).save(png, compress_level=9)
    Image.new("L", (30_000, 30_000)).save(jpeg)
    with tiff.open("wb") as file:
        file.write(b"II*\0\x08\0\0\0")
        file.truncate(2_000_000_000)
    return [png, jpeg, tiff]


def _refusal(decoder: Decoder, path: Path, max_bytes: int) -> tuple[float, str]:
    started = time.monotonic()
    try:
        decoder.decode(originals.read(path, max_bytes))
    except PhotoError as error:
        return time.monotonic() - started, error.reason
    return float("inf"), "NOT REFUSED"


if __name__ == "__main__":
    sys.exit(main())
