"""The stage `encode`: protected pixels become a file of the source's kind.

A file made afresh from pixels carries nothing but what is handed to it here, which is how thumbnails, further frames
and attached films stay behind.
"""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from lowkeyd.imaging.decode import JpegCoding, Picture
from lowkeyd.model import Pixels

_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}
_HEIF_QUALITY = 95  # HEIF becomes JPEG; at this quality the second loss is not seen
_WEBP_QUALITY = 92  # a WebP file does not tell its own; taste
_JPEG_FLOOR = 90
_JPEG_FLOOR_SUM = 736
"""The luma quantisation table of quality 90, summed up. A coarser one would round much of the protection away."""


@dataclass(frozen=True)
class Encoded:
    """A finished file; `suffix` with its dot."""

    content: bytes = field(repr=False)
    suffix: str


def encode(picture: Picture, pixels: Pixels) -> Encoded:
    """Write `pixels` the way `picture` was written, at its size. Alpha, colour profile and harmless EXIF are kept."""
    assert pixels.shape == picture.pixels.shape, f"bug: {pixels.shape} for a photo of {picture.pixels.shape}"
    assert pixels.dtype == np.uint8, f"bug: {pixels.dtype}"
    target = _target(picture)
    options = _options(picture, target) | _metadata(picture, target)
    image = _to_image(picture, pixels)
    try:
        content = _save(image, target, **options)
    except OSError:
        # Pillow's buffer holds a whole progressive JPEG, and very noisy ones outgrow it.
        if not options.pop("progressive", False):
            raise
        content = _save(image, target, **options)
    return Encoded(content, _SUFFIXES[target])


def recompress(pixels: Pixels, quality: int = 75) -> Pixels:
    """The pixels after a JPEG round trip (0..100, 4:2:0), as when a social network stores a photo anew."""
    content = _save(Image.fromarray(pixels), "JPEG", quality=quality, subsampling=2)
    with Image.open(BytesIO(content), formats=["JPEG"]) as image:
        return np.array(image)


def _target(picture: Picture) -> str:
    target = "JPEG" if picture.format == "HEIF" else picture.format
    # Neither JPEG nor Pillow's BMP holds alpha.
    return "PNG" if picture.alpha is not None and target in ("JPEG", "BMP") else target


def _to_image(picture: Picture, pixels: Pixels) -> Image.Image:
    if picture.alpha is None:
        return Image.fromarray(pixels)
    return Image.fromarray(np.dstack((pixels, picture.alpha)))


def _options(picture: Picture, target: str) -> dict[str, Any]:
    match target:
        case "JPEG":
            return _jpeg_options(picture.jpeg)
        case "WEBP":
            # exact: colours under transparent pixels count too, a viewer may ignore alpha
            return {"lossless": picture.lossless, "quality": _WEBP_QUALITY, "exact": True}
        case "TIFF":
            return {"compression": "raw"}  # with any other, Pillow cannot write the camera's EXIF fields
        case _:
            return {}


def _jpeg_options(coding: JpegCoding | None) -> dict[str, Any]:
    if coding is None:
        return {"quality": _HEIF_QUALITY, "subsampling": 0}
    # Grey photos have no subsampling, and their protection may be coloured: they get 4:4:4, as do unusual ones.
    options: dict[str, Any] = {"subsampling": max(coding.subsampling, 0), "progressive": coding.progressive}
    luma = coding.tables.get(0)
    if luma is None or sum(luma) > _JPEG_FLOOR_SUM:
        return options | {"quality": _JPEG_FLOOR}
    return options | {"qtables": coding.tables}


def _metadata(picture: Picture, target: str) -> dict[str, Any]:
    if target == "BMP":
        return {}
    known = {"exif": picture.exif, "icc_profile": picture.icc_profile}
    return {name: value for name, value in known.items() if value}


def _save(image: Image.Image, target: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=target, **options)
    return buffer.getvalue()
