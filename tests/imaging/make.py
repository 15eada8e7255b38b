"""Photos made for the imaging tests, as bytes."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from skimage.data import astronaut

from lowkeyd.imaging.decode import Limits
from lowkeyd.model import Pixels

LIMITS = Limits(max_megapixels=10, max_megabytes=10)

COMMON: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 92, "subsampling": 0},
    "progressive JPEG": {"format": "JPEG", "quality": 92, "progressive": True},
    "PNG": {"format": "PNG"},
    "WEBP": {"format": "WEBP", "quality": 90},
    "lossless WEBP": {"format": "WEBP", "lossless": True},
    "TIFF": {"format": "TIFF"},
    "LZW TIFF": {"format": "TIFF", "compression": "tiff_lzw"},
    "BMP": {"format": "BMP"},
}
"""Name: how Pillow is told to save it."""


def portrait(side_px: int = 96) -> Pixels:
    """The astronaut's face, (side, side, 3)."""
    face = Image.fromarray(astronaut()[20:220, 130:330])
    return np.array(face.resize((side_px, side_px)))


def saved(pixels: Pixels, **options: Any) -> bytes:
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
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, quality=90, **options)
    return buffer.getvalue()
