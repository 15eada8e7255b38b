"""The stage `decode`: from a file's bytes to upright RGB pixels, and what is needed to write them back in kind.

The bytes are not trusted. Only formats that photos come in are opened, sizes are checked before pixels are decoded, and
whatever Pillow raises leaves as one of four errors of ours.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, JpegImagePlugin

from lowkeyd.errors import PhotoIncomplete, PhotoTooLarge, UnreadablePhoto, UnsupportedPhoto
from lowkeyd.imaging import container, metadata
from lowkeyd.model import Pixels

DECODER_ERRORS = (*metadata.METADATA_ERRORS, AssertionError)
"""What Pillow and its libraries raise on damaged bytes; the tests feed it thousands of them."""

_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr"})
"""Pillow's names for pixels of eight bits or fewer that become RGB without a judgement about colour."""
_BITS_PER_SAMPLE = 258  # TIFF tag
_HEIF_ADVICE = "HEIC photos need one more package: pip install 'lowkeyd[heif]'; then `lowkeyd retry`."


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
    """A decoded photo: upright pixels, alpha (H x W) if it has any, and how to write it back.

    `format` is JPEG, PNG, WEBP, TIFF, BMP or HEIF. `exif` and `icc_profile` hold only what may go along, so that
    nothing unprotected but the pixels leaves this module. `lossless` speaks of WebP only.
    """

    pixels: Pixels = field(repr=False)
    alpha: npt.NDArray[np.uint8] | None = field(repr=False)
    format: str
    exif: bytes | None = field(default=None, repr=False)
    icc_profile: bytes | None = field(default=None, repr=False)
    jpeg: JpegCoding | None = None
    lossless: bool = False


def decode(content: bytes, limits: Limits) -> Picture:
    """Decode a photo.

    Raises PhotoTooLarge before any pixel is decoded, PhotoIncomplete when the file's end is missing, UnsupportedPhoto
    when it is a picture that would not come through whole, UnreadablePhoto when it is damaged or no picture.
    """
    if len(content) > limits.max_megabytes * 1e6:
        raise PhotoTooLarge(
            f"{len(content) / 1e6:.1f} MB, allowed are {limits.max_megabytes:g}",
            advice="Shrink it, or raise [worker] max_megabytes; then `lowkeyd retry`.",
        )
    kind = container.sniff(content)
    if container.ends_early(content, kind):
        raise PhotoIncomplete(f"the end of the {kind} file is missing")
    with _translated(content, kind):
        image = _open(content, kind)
        _check(image, content, kind, limits)
        return _read(image, content, kind)


@contextmanager
def _translated(content: bytes, kind: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # They concern odd metadata, and sizes below Pillow's limit, for which we have our own.
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise PhotoTooLarge(f"too many pixels: {error}", advice="Shrink it.") from error
    except MemoryError as error:
        raise PhotoTooLarge("decoding it needs more memory than there is") from error
    except DECODER_ERRORS as error:
        if container.explains_failure(content, kind):
            raise PhotoIncomplete(f"the end of the {kind} file is missing") from error
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
    if image.mode not in _MODES:
        raise UnsupportedPhoto(f"a {kind} picture with {image.mode} pixels; only 8-bit grey or RGB can be protected")
    if _bits(image, content, kind) > 8:
        raise UnsupportedPhoto(f"a {kind} picture with more than 8 bits per channel")
    # A JPEG's or HEIF's further frames are other views of the same moment; they are left out of the copy.
    if kind not in ("JPEG", "HEIF") and getattr(image, "n_frames", 1) > 1:
        raise UnsupportedPhoto(f"a {kind} file with several frames or pages")


def _bits(image: Image.Image, content: bytes, kind: str) -> int:
    if kind == "PNG":
        return container.png_bits(content)
    if kind == "TIFF":
        tags: dict[int, tuple[int, ...]] = getattr(image, "tag_v2", {})
        return max(tags.get(_BITS_PER_SAMPLE, (1,)))
    return 8  # what comes from the other formats has 8, or was told apart by its mode


def _read(image: Image.Image, content: bytes, kind: str) -> Picture:
    jpeg = _jpeg_coding(image)
    exif = metadata.read_exif(image) if kind == "TIFF" else None  # while the file behind it is still open
    image.load()
    exif = exif or metadata.read_exif(image)  # PNG's may come after the pixels
    profile = metadata.keep_profile(image)
    # Pillow itself turns TIFF, and libheif HEIF, whose EXIF orientation does not count.
    turned = image if kind in ("TIFF", "HEIF") else metadata.upright(image, exif)
    pixels, alpha = _to_arrays(turned)
    return Picture(
        pixels,
        alpha,
        kind,
        metadata.keep_exif(exif),
        profile,
        jpeg,
        lossless=kind == "WEBP" and container.is_lossless_webp(content),
    )


def _jpeg_coding(image: Image.Image) -> JpegCoding | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    tables = {number: list(table) for number, table in image.quantization.items()}
    return JpegCoding(tables, JpegImagePlugin.get_sampling(image), bool(image.info.get("progressive")))


def _to_arrays(image: Image.Image) -> tuple[Pixels, npt.NDArray[np.uint8] | None]:
    # Copied, because arrays that look into Pillow's memory are read-only and torch refuses those.
    if not image.has_transparency_data:
        return np.array(image.convert("RGB")), None
    rgba = np.array(image.convert("RGBA"))  # (H, W, 4) uint8
    return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
