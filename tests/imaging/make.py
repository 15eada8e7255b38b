"""Photos made for the imaging tests, as bytes."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from skimage.data import astronaut

from lowkeyd import config
from lowkeyd.imaging.decode import Limits, Picture, decode
from lowkeyd.imaging.encode import Encoded, encode
from lowkeyd.model import Pixels

LIMITS = Limits(max_megapixels=10, max_megabytes=10)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

COMMON: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 92, "subsampling": 0},
    "progressive JPEG": {"format": "JPEG", "quality": 92, "progressive": True},
    "PNG": {"format": "PNG"},
    "WEBP": {"format": "WEBP", "quality": 90},
    "lossless WEBP": {"format": "WEBP", "lossless": True},
    "TIFF": {"format": "TIFF"},
    "LZW TIFF": {"format": "TIFF", "compression": "tiff_lzw"},
    "BMP": {"format": "BMP"},
    "AVIF": {"format": "AVIF", "quality": 90, "subsampling": "4:4:4", "speed": 10},
}
"""Name: how Pillow is told to save it."""


def portrait(side_px: int = 96) -> Pixels:
    """The astronaut's face, (side, side, 3)."""
    face = Image.fromarray(astronaut()[20:220, 130:330])
    return np.array(face.resize((side_px, side_px)))


def deep_portrait(side_px: int = 96) -> npt.NDArray[np.uint16]:
    """The same with 16 bits per channel, of which the lower eight are noise: (side, side, 3)."""
    noise = np.random.default_rng(1).integers(0, 256, (side_px, side_px, 3))
    return (portrait(side_px).astype(np.uint16) << 8) + noise.astype(np.uint16)


def saved(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    """A file with these pixels."""
    return saved_image(Image.fromarray(pixels), **options)


def saved_image(image: Image.Image, **options: Any) -> bytes:
    """A file with this picture."""
    buffer = BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def heif(pixels: Pixels, **options: Any) -> bytes:
    """A HEIC file, as phones write them."""
    import pillow_heif

    buffer = BytesIO()
    image = Image.fromarray(pixels)
    if profile := options.pop("icc_profile", None):
        image.info["icc_profile"] = profile
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One piece of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deep_png(values: npt.NDArray[np.uint16], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with 16 bits per channel (H, W, 1 to 4), written without Pillow or our own writer."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def deep_tiff(values: npt.NDArray[Any], **options: Any) -> bytes:
    """A TIFF of any depth, written without Pillow or our own writer."""
    import tifffile

    buffer = BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def encoded(picture: Picture, pixels: Pixels, **settings: Any) -> Encoded:
    """As the worker encodes; `settings` are keys of [outbox] and [metadata], or `fine`."""
    fine = settings.pop("fine", False)
    outbox = {key: settings.pop(key) for key in ("format", "heic") if key in settings}
    return encode(picture, pixels, config.Outbox(**outbox), config.Metadata(**settings), fine=fine)


def delivered(content: bytes, **settings: Any) -> bytes:
    """The copy of a photo in which nothing had to be changed."""
    picture = decode(content, LIMITS)
    return encoded(picture, picture.pixels, **settings).content
