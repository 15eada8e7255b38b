"""The stage `decode`: from a file's bytes to upright sRGB pixels, and what is needed to write them back in kind.

The bytes are not trusted. Only formats that photos come in are opened, sizes are checked before pixels are decoded, and
whatever Pillow raises leaves as one of our own errors.
"""

import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from lowkeyd.errors import RETRY, PhotoIncomplete, PhotoTooLarge, SeveralPictures, UnreadablePhoto, UnsupportedPhoto
from lowkeyd.imaging import container, endings, samples, tiff
from lowkeyd.imaging.colour import Space, space_of
from lowkeyd.imaging.metadata import colorimetry, exif
from lowkeyd.imaging.metadata.labels import Labels, gather
from lowkeyd.imaging.metadata.profile import keep_profile
from lowkeyd.imaging.samples import Values
from lowkeyd.model import Pixels

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked as early, and can be set
PngImagePlugin.MAX_TEXT_CHUNK = 32 << 20  # printers' profiles and old programs' blocks are larger than Pillow's limit

DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError,
    AssertionError, struct.error, ImageCms.PyCMSError,
)  # fmt: skip
"""What Pillow and its libraries raise on damaged bytes; the tests feed it thousands of them."""

_HEIF_ADVICE = (
    "HEIC photos need one more package: `uv sync --extra heif`, or pip install pillow-heif; then `lowkeyd retry`."
)


@dataclass(frozen=True)
class Limits:
    """What may be spent on one photo: 10^6 pixels once decoded, 10^6 bytes before."""

    max_megapixels: float
    max_megabytes: float


@dataclass(frozen=True)
class JpegCoding:
    """How the source JPEG was compressed. `subsampling` is Pillow's: 0, 1, 2 for 4:4:4, 4:2:2, 4:2:0, -1 for others."""

    tables: dict[int, list[int]] = field(repr=False)
    subsampling: int
    progressive: bool


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded photo: upright, with what it takes to write it back.

    `pixels` are what is seen, in sRGB. `values` (H x W x C, 8 or 16 bits) are what the file holds, in `space`, `alpha`
    (H x W) what it holds beside them. `format` is JPEG, PNG, WEBP, TIFF, GIF, BMP, AVIF or HEIF. `labels` hold only
    what may go along, so that nothing unprotected but the pixels leaves this module; `left_out` names in words what
    else the file showed. `lossless` speaks of WebP, `packed` of TIFF: whether it is compressed.
    """

    pixels: Pixels = field(repr=False)
    values: Values = field(repr=False)
    space: Space
    format: str
    alpha: Values | None = field(default=None, repr=False)
    labels: Labels = field(default_factory=Labels, repr=False)
    jpeg: JpegCoding | None = None
    lossless: bool = False
    packed: bool = True
    left_out: tuple[str, ...] = ()

    @property
    def is_protected(self) -> bool:
        """Whether it carries our own mark: then it is a copy of ours, and not to be protected again."""
        return self.labels.xmp.marked


def decode(content: bytes, limits: Limits) -> Picture:
    """Decode a photo.

    Raises PhotoTooLarge before any pixel is decoded, PhotoIncomplete when the file's end is missing, UnsupportedPhoto
    when it is a picture that would not come through whole, PhotoLeftAlone when it is a RAW file, UnreadablePhoto when
    it is damaged or no picture.
    """
    if len(content) > limits.max_megabytes * 1e6:
        raise PhotoTooLarge(
            f"{len(content) / 1e6:.1f} MB, allowed are {limits.max_megabytes:g}",
            advice=f"Shrink it, or raise [worker] max_megabytes; {RETRY}",
        )
    kind = container.sniff(content)
    if endings.ends_early(content, kind):
        raise PhotoIncomplete(f"the end of the {kind} file is missing")
    with _translated(content, kind):
        image = _open(content, kind)
        _check(image, content, kind, limits)
        return _read(image, content, kind)


@contextmanager
def _translated(content: bytes, kind: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they concern odd metadata
            yield
    except MemoryError as error:
        raise PhotoTooLarge("decoding it needs more memory than it may have") from error
    except DECODER_ERRORS as error:
        if endings.explains_failure(content, kind):
            raise PhotoIncomplete(f"the end of the {kind} file is missing") from error
        if isinstance(error, UnidentifiedImageError):
            raise UnreadablePhoto(f"{kind} file that is damaged, or of a kind that is not read") from error
        raise UnreadablePhoto(f"damaged {kind} file: {error}") from error


def _open(content: bytes, kind: str) -> Image.Image:
    # One format only: a file is never handed to a decoder that its first bytes do not ask for.
    return _open_heif(content) if kind == "HEIF" else Image.open(BytesIO(content), formats=[kind])


def _open_heif(content: bytes) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise UnsupportedPhoto("a HEIF photo, and pillow-heif is not installed", advice=_HEIF_ADVICE) from error
    image: Image.Image = HeifImageFile(BytesIO(content))  # type: ignore[no-untyped-call]
    return image


def _check(image: Image.Image, content: bytes, kind: str, limits: Limits) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > limits.max_megapixels:
        raise PhotoTooLarge(f"{megapixels:.1f} megapixels, allowed are {limits.max_megapixels:g}")
    if not samples.is_readable(image.mode):
        raise UnsupportedPhoto(f"{kind} with {image.mode} pixels, which is not read")
    if (bits := _bits(image, content, kind)) not in (1, 2, 4, 8, 16):
        raise UnsupportedPhoto(f"{kind} with {bits} bits per channel, which is not read")
    if _is_hdr(image, content, kind):
        raise UnsupportedPhoto("a picture of high dynamic range (PQ or HLG), which would look dull with eight bits")
    if kind == "AVIF" and container.aperture(content) not in (None, image.size):
        raise UnsupportedPhoto("an AVIF of which only a part is to be shown, which is not read")
    if oddity := samples.oddity(image, bits):
        raise UnsupportedPhoto(f"a {kind} with {oddity}, which is not read")
    if _moves(image, content, kind):
        raise SeveralPictures(f"several frames or pages in one {kind} file")


def _is_hdr(image: Image.Image, content: bytes, kind: str) -> bool:
    numbers = container.coded_colour(content, kind)
    has_other = kind != "PNG" and "icc_profile" in image.info
    return numbers is not None and not has_other and numbers[1] in colorimetry.HDR_CURVES


def _moves(image: Image.Image, content: bytes, kind: str) -> bool:
    # A JPEG's or HEIF's further frames are other views of the same moment; they are left out of the copy.
    if kind in ("JPEG", "HEIF"):
        return container.is_sequence(content)
    return container.has_several_pages(content) if kind == "TIFF" else getattr(image, "n_frames", 1) > 1


def _bits(image: Image.Image, content: bytes, kind: str) -> int:
    if kind == "PNG":
        return container.png_bits(content)
    if kind == "TIFF":
        tags: dict[int, tuple[int, ...]] = getattr(image, "tag_v2", {})
        return max(tags.get(tiff.BITS_PER_SAMPLE, (1,)))
    return 16 if image.mode == "I;16" else 8  # the former is a grey HEIF of more than eight bits


def _read(image: Image.Image, content: bytes, kind: str) -> Picture:
    jpeg, left_out = _jpeg_coding(image), _left_out(image, content, kind)
    read = samples.read(partial(_open, content, kind), image, _bits(image, content, kind))
    labels, orientation = gather(image, content, kind)
    # Pillow itself turns TIFF, and libheif HEIF, whose EXIF orientation does not count.
    if kind not in ("TIFF", "HEIF") and orientation in _TURNS:
        read = read.turned(_TURNS[orientation])
    space = space_of(read.mode, keep_profile(_profile(image, content, kind, read.mode), read.mode))
    return Picture(
        space.show(read.colour),
        read.colour,
        space,
        kind,
        read.alpha,
        labels,
        jpeg,
        lossless=kind == "WEBP" and container.is_lossless_webp(content),
        packed=image.info.get("compression") != "raw",
        left_out=left_out,
    )


def _profile(image: Image.Image, content: bytes, kind: str, mode: str) -> object:
    """What the file says of its colours, whichever way it does, as a profile; None for sRGB."""
    own, numbers = image.info.get("icc_profile"), container.coded_colour(content, kind)
    if mode == "CMYK":
        return own
    if numbers is not None and (kind == "PNG" or not own):  # in a PNG they come first (PNG 3, 4.3)
        return colorimetry.coded(*numbers, mode)
    if own:
        return own
    if kind == "PNG":
        return colorimetry.of_png(container.png_colour(content), mode)
    block = content if kind == "TIFF" else image.info.get("exif")
    return colorimetry.adobe_rgb(mode) if exif.says_adobe_rgb(block) else None


def _jpeg_coding(image: Image.Image) -> JpegCoding | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    tables = {number: list(table) for number, table in image.quantization.items()}
    return JpegCoding(tables, JpegImagePlugin.get_sampling(image), bool(image.info.get("progressive")))


def _left_out(image: Image.Image, content: bytes, kind: str) -> tuple[str, ...]:
    found = []
    if kind in ("JPEG", "HEIF") and (further := getattr(image, "n_frames", 1) - 1) > 0:
        found.append(f"{further} further picture{'s' if further > 1 else ''} in the file")
    if kind in ("JPEG", "HEIF") and container.holds_film(content, kind):
        found.append("the film of a Motion Photo")
    return tuple(found)


def _turn(turn: Callable[[Values], Values]) -> Callable[[Values], Values]:
    return lambda values: np.ascontiguousarray(turn(values))


_TURNS = {
    2: _turn(lambda values: values[:, ::-1]),
    3: _turn(lambda values: values[::-1, ::-1]),
    4: _turn(lambda values: values[::-1]),
    5: _turn(lambda values: values.swapaxes(0, 1)),
    6: _turn(lambda values: values[::-1].swapaxes(0, 1)),
    7: _turn(lambda values: values[::-1, ::-1].swapaxes(0, 1)),
    8: _turn(lambda values: values[:, ::-1].swapaxes(0, 1)),
}
"""EXIF's orientations, and how the picture is turned so that it stands upright."""
