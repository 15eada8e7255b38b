"""A photo's own values, before anything is made of them: grey, RGB or CMYK, 8 or 16 bits, and alpha beside them.

Pillow has no picture of 16-bit colour. It reads one byte of each value and says nothing; asked once for the high bytes
and once for the low ones, it reads them all.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from lowkeyd.errors import UnsupportedPhoto

Values = npt.NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16."""

_OPAQUE = {"1": "L", "L": "L", "RGB": "RGB", "RGBX": "RGB", "YCbCr": "RGB", "P": "RGB", "CMYK": "CMYK", "I;16": "L",
           "I;16B": "L"}  # fmt: skip
_WITH_ALPHA = {"LA": "LA", "La": "LA", "L": "LA", "1": "LA", "RGBA": "RGBA", "RGBa": "RGBA", "PA": "RGBA", "P": "RGBA",
               "RGB": "RGBA"}  # fmt: skip
"""Pillow's mode: what it is read as, without and with transparency."""

_OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
"""How Pillow is asked for the bytes that it would leave out: as if the file's byte order were the other one."""
_DEEP_BITS = 16
_PLANES, _SEPARATE = 284, 2  # a TIFF tag, and its value for one plane after the other
_MEANING, _WHITE_IS_ZERO = 262, 0
_EXTRA, _UNASSOCIATED = 338, (2,)
_SAMPLE_FORMAT, _SIGNED = 339, 2
_UNREAD = "a picture with 16 bits per channel in an arrangement that is not read"
_MAX_DEEP = 65535


@dataclass(frozen=True, eq=False)
class Samples:
    """`colour` is H x W x C in `mode`: L, RGB or CMYK (0 is no ink). `alpha` is H x W, as deep as the colour."""

    mode: str
    colour: Values = field(repr=False)
    alpha: Values | None = field(repr=False)

    def turned(self, turn: Callable[[Values], Values]) -> "Samples":
        """The same, mirrored or rotated."""
        return Samples(self.mode, turn(self.colour), None if self.alpha is None else turn(self.alpha))


def is_readable(mode: str) -> bool:
    """Whether pixels of this mode of Pillow's come through whole."""
    return mode in _OPAQUE or mode in _WITH_ALPHA


def oddity(image: Image.Image, bits: int) -> str | None:
    """What in a TIFF Pillow would read wrongly, without a word."""
    if _SIGNED in (_tag(image, _SAMPLE_FORMAT) or ()):
        return "values that have a sign"
    extra = _tag(image, _EXTRA)
    if _tag(image, _PLANES) != _SEPARATE or not extra:
        return None
    is_read = image.mode == "RGBA" and extra == _UNASSOCIATED and bits == 8
    return None if is_read else "alpha in a plane of its own"


def read(reopen: Callable[[], Image.Image], image: Image.Image, bits: int) -> Samples:
    """The values of an opened picture, which this loads; `reopen` gives it once more, not loaded yet.

    Raises UnsupportedPhoto for kinds of 16-bit pictures that Pillow cannot be made to read whole.
    """
    if bits != _DEEP_BITS:
        image.load()
        _scale_key(image, bits)
        return _shallow(image)
    if _tag(image, _PLANES) == _SEPARATE:
        raise UnsupportedPhoto(_UNREAD)
    if image.mode in ("I;16", "I;16B"):
        return _deep_grey(image)
    if _rawmode(image) == "LA;16B":
        return _deep_grey_alpha(image)
    return _deep_colour(reopen, image)


def _tag(image: Image.Image, tag: int) -> Any:
    """Of a TIFF; None for other pictures."""
    return getattr(image, "tag_v2", {}).get(tag)


def _shallow(image: Image.Image) -> Samples:
    # Copied, because arrays that look into Pillow's memory are read-only and torch refuses those.
    if not image.has_transparency_data:
        mode = _OPAQUE[image.mode]
        colour = np.array(image.convert(mode))
        return Samples(mode, colour[..., None] if mode == "L" else colour, None)
    mode = _WITH_ALPHA[image.mode]
    values = np.array(image.convert(mode))  # (H, W, 2 or 4) uint8
    return Samples(mode[:-1], np.ascontiguousarray(values[..., :-1]), np.ascontiguousarray(values[..., -1]))


def _scale_key(image: Image.Image, bits: int) -> None:
    """Pillow spreads grey of 2 and 4 bits over 0..255, but not the grey that stands for "transparent"."""
    key = image.info.get("transparency")
    if image.mode == "L" and bits in (2, 4) and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**bits - 1)


def _rawmode(image: Image.Image) -> str:
    """How the bytes lie in the file. It is part of what Pillow's decoder is told."""
    arguments = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _told(image: Image.Image, rawmode: str) -> Image.Image:
    """The opened picture, with its decoder told that bytes lie otherwise."""
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [
        tile._replace(args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode)
        for tile in image.tile
    ]
    return image


def _deep_colour(reopen: Callable[[], Image.Image], image: Image.Image) -> Samples:
    rawmode = _rawmode(image)
    layout, _, order = rawmode.partition(";16")
    if layout not in ("RGB", "RGBX", "RGBA", "CMYK") or order not in _OTHER_BYTE:
        raise UnsupportedPhoto(_UNREAD)
    low = np.array(_told(reopen(), f"{layout};16{_OTHER_BYTE[order]}"))
    values = np.array(image).astype(np.uint16) << 8 | low  # (H, W, C)
    mode = "CMYK" if layout == "CMYK" else "RGB"
    if layout != "RGBA":
        return _keyed(mode, values[..., : len(mode)], image.info.get("transparency"))
    return Samples(mode, np.ascontiguousarray(values[..., :-1]), np.ascontiguousarray(values[..., -1]))


def _deep_grey(image: Image.Image) -> Samples:
    values = np.array(image).astype(np.uint16)[..., None]
    if _tag(image, _MEANING) == _WHITE_IS_ZERO:  # Pillow turns it round for 8 bits only
        values = _MAX_DEEP - values
    return _keyed("L", values, image.info.get("transparency"))


def _deep_grey_alpha(image: Image.Image) -> Samples:
    bytes_ = np.array(_told(image, "RGBA")).astype(np.uint16)  # (H, W, 4): grey's two bytes, then alpha's
    values = bytes_[..., 0::2] << 8 | bytes_[..., 1::2]
    return Samples("L", np.ascontiguousarray(values[..., :1]), np.ascontiguousarray(values[..., 1]))


def _keyed(mode: str, colour: npt.NDArray[np.uint16], key: int | tuple[int, ...] | None) -> Samples:
    """With a colour that stands for "transparent" turned into alpha: a protected pixel might happen to have it."""
    colour = np.ascontiguousarray(colour)
    if key is None:
        return Samples(mode, colour, None)
    alpha = np.where((colour == np.array(key)).all(-1), 0, _MAX_DEEP).astype(np.uint16)
    return Samples(mode, colour, alpha)


_ROUNDED = ((np.arange(_MAX_DEEP + 1) + 128) // 257).astype(np.uint8)


def to_eight_bits(values: Values) -> npt.NDArray[np.uint8]:
    """0..65535 to 0..255, rounded; 8-bit values as they are."""
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    eight = np.empty(values.shape, np.uint8)
    for row, deep in zip(eight, values, strict=True):  # the whole at once would take eight times the memory
        row[:] = _ROUNDED[deep]
    return eight
