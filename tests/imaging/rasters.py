"""Digs every picture out of a file's bytes, wherever it hides, without asking lowkeyd."""

import base64
import binascii
import json
import re
import shutil
import subprocess
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from lowkeyd.model import Pixels

_BEGINNINGS = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n|RIFF....WEBP|II\*\0|MM\0\*|GIF8[79]a|....ftyp", re.DOTALL)
_CODED = (
    (re.compile(rb"[0-9A-Fa-f\s]{400,}"), lambda text: binascii.unhexlify(re.sub(rb"\s", b"", text))),
    (re.compile(rb"[A-Za-z0-9+/=\s]{400,}"), lambda text: base64.b64decode(re.sub(rb"\s", b"", text) + b"==")),
)
_PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_DEPTH = 3


def rasters(content: bytes) -> Iterator[Pixels]:
    """Every picture in the file, its own first; the same one once."""
    seen = set()
    for pixels in _found(content):
        if (known := hash(pixels.tobytes())) not in seen:
            seen.add(known)
            yield pixels


def _found(content: bytes) -> Iterator[Pixels]:
    yield from _frames(content)
    for piece in (content, *_by_pillow(content), *_by_exiftool(content)):
        yield from _dig(piece, _DEPTH)
    yield from _heif_thumbnails(content)


def _dig(content: bytes, depth: int) -> Iterator[Pixels]:
    for match in _BEGINNINGS.finditer(content):
        yield from _frames(content[match.start() :])
    if depth:
        for piece in _unpacked(content):
            yield from _dig(piece, depth - 1)


def _frames(content: bytes) -> Iterator[Pixels]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for frame in ImageSequence.Iterator(_opened(content)):
                if min(frame.size) >= 32:
                    yield np.array(frame.convert("RGB"))
    except Exception:  # whatever Pillow says of bytes that merely look like a picture
        return


def _opened(content: bytes) -> Image.Image:
    if content[4:8] == b"ftyp" and b"heic" in content[:40]:
        from pillow_heif import HeifImageFile

        image: Image.Image = HeifImageFile(BytesIO(content))
        return image
    return Image.open(BytesIO(content))


def _heif_thumbnails(content: bytes) -> Iterator[Pixels]:
    if content[4:8] != b"ftyp" or b"heic" not in content[:40]:
        return
    from pillow_heif import open_heif

    for frame in open_heif(BytesIO(content)):
        for number in range(len(frame.info.get("thumbnails", []))):
            thumbnail: Any = frame.get_thumbnail(number)
            yield np.array(thumbnail.to_pillow().convert("RGB"))


def _unpacked(content: bytes) -> Iterator[bytes]:
    for pattern, decode in _CODED:
        for match in pattern.finditer(content):
            try:
                yield decode(match[0])
            except ValueError:
                continue
    for match in _PACKED.finditer(content):
        try:
            unpacked = zlib.decompressobj().decompress(content[match.start() :], 5_000_000)
        except zlib.error:
            continue
        if len(unpacked) > 400:
            yield unpacked


def _by_pillow(content: bytes) -> Iterator[bytes]:
    """What Pillow puts together from pieces, such as a GIF's comment."""
    try:
        values = _opened(content).info.values()
    except Exception:  # as above
        return
    yield from (value for value in values if isinstance(value, bytes))


def _by_exiftool(content: bytes) -> Iterator[bytes]:
    """Binary values of all tags, unknown and embedded ones included. Nothing where exiftool is missing."""
    tool = shutil.which("exiftool")
    if tool is None:
        return
    answer = subprocess.run(
        [tool, "-j", "-b", "-a", "-u", "-U", "-ee3", "-G3", "-"], input=content, capture_output=True, check=False
    )
    for value in json.loads(answer.stdout or b"[{}]")[0].values():
        if isinstance(value, str) and value.startswith("base64:"):
            yield base64.b64decode(value.removeprefix("base64:"))
