"""The stage `encode`: protected pixels become a file of the source's kind, or of the kind that is asked for.

A file made afresh from pixels carries nothing but what is handed to it here, which is how thumbnails, further frames
and attached films stay behind.
"""

import struct
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from lowkeyd import config
from lowkeyd.errors import PhotoTooLarge, UnsupportedPhoto
from lowkeyd.imaging import deep, tiff
from lowkeyd.imaging.colour import SRGB, Space
from lowkeyd.imaging.decode import JpegCoding, Picture
from lowkeyd.imaging.metadata import iptc, xmp
from lowkeyd.imaging.metadata.labels import COMMENT, Labels, allowed
from lowkeyd.imaging.samples import Values, to_eight_bits
from lowkeyd.model import Pixels, Stage

ENCODER_ERRORS = (OSError, ValueError, TypeError, RuntimeError, struct.error, ImageCms.PyCMSError)
"""What Pillow and its libraries raise on what they cannot write."""

_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "HEIF": ".heic",
}
_SAME = {"HEIF": "JPEG", "GIF": "PNG"}
"""What becomes of formats that cannot hold the copy: 256 colours are too few, and HEIC's encoder is not everywhere."""
_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("L", "RGB"),
    "WEBP": ("RGB",),
    "TIFF": ("L", "RGB", "CMYK"),
    "BMP": ("L", "RGB"),
    "AVIF": ("RGB",),
    "HEIF": ("RGB",),
}
_DEEP = ("PNG", "TIFF")
_OPAQUE = ("JPEG", "BMP")
_LOSSLESS = ("PNG", "TIFF", "GIF", "BMP")
_MAX_SIDE_PX = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 16_384, "HEIF": 16_384}

_FINE_JPEG: dict[str, Any] = {"quality": 95, "subsampling": 0}
"""For what was no JPEG before, and for what its source's own coding would spoil: the second loss is not seen."""
_COARSE_JPEG: dict[str, Any] = {"quality": 60, "subsampling": 0}
_COARSE_LUMA_SUM = 3688
"""The luma table of quality 50, summed up. Coarser ones cost up to 0.15 of the distance, of which 0.6 is wanted; files
like that are small, and are written finer than they were. `benchmarks/formats.py --quality 20` measures it."""
_FINE_LUMA_SUM = 369
"""The luma table of quality 95: a source that is finer than that keeps its own."""
_WEBP_QUALITY, _FINE_WEBP_QUALITY = 92, 98  # a WebP file does not tell its own; taste
_AVIF_QUALITY, _FINE_AVIF_QUALITY = 90, 97  # likewise
_HEIF_QUALITY = 92
_SHARED_PX = 1080
_TIFF_PROFILE, _TIFF_XMP, _TIFF_IPTC = 34675, 700, 33723
_TIFF_ACROSS, _TIFF_DOWN, _TIFF_UNIT, _INCHES = 282, 283, 296, 2


@dataclass(frozen=True)
class Encoded:
    """A finished file; `suffix` with its dot."""

    content: bytes = field(repr=False)
    suffix: str


@dataclass(frozen=True, eq=False)
class _Page:
    """What a file is made of: values (H, W, C) and alpha, as deep as the format holds, what they mean, what is said."""

    values: Values
    alpha: Values | None
    space: Space
    labels: Labels
    packet: bytes

    @property
    def exif(self) -> bytes:
        height, width = self.values.shape[:2]
        return self.labels.exif.block(width, height)

    def image(self) -> Image.Image:
        values = self.values if self.alpha is None else np.dstack((self.values, self.alpha))
        mode = self.space.mode + ("A" if self.alpha is not None else "")
        return Image.frombytes(mode, values.shape[1::-1], np.ascontiguousarray(values).tobytes())


def encode(
    picture: Picture, pixels: Pixels, outbox: config.Outbox, metadata: config.Metadata, *, fine: bool = False
) -> Encoded:
    """Write `pixels` the way `picture` was written, or as the outbox wants it, with what the metadata policy allows.

    `fine` spends more bytes on less loss, where the format has any. Raises UnsupportedPhoto when the format's own
    library refuses, PhotoTooLarge when memory does not suffice.
    """
    assert pixels.shape == picture.pixels.shape, f"bug: {pixels.shape} for a photo of {picture.pixels.shape}"
    assert pixels.dtype == np.uint8, f"bug: {pixels.dtype}"
    target = _target(picture, outbox)
    try:
        page = _page(picture, pixels, target, metadata)
        return Encoded(_WRITERS[target](picture, page, fine), _SUFFIXES[target])
    except MemoryError as error:
        advice = "Shrink it, or give lowkeyd more memory; then `lowkeyd retry`."
        reason = "writing its copy needs more memory than there is"
        raise PhotoTooLarge(reason, stage=Stage.ENCODE, advice=advice) from error
    except ENCODER_ERRORS as error:
        raise UnsupportedPhoto(f"its copy cannot be written as {target}: {error}", stage=Stage.ENCODE) from error


def has_finer(encoded: Encoded, picture: Picture) -> bool:
    """Whether a finer file could be had of this."""
    if encoded.suffix == ".jpg":
        plain, fine = (_jpeg_coding(picture.jpeg, picture.space.mode, fine=fine) for fine in (False, True))
        return fine != plain
    return encoded.suffix == ".avif" or (encoded.suffix == ".webp" and not _is_lossless(picture))


def as_shared(pixels: Pixels) -> Pixels:
    """About what a social network makes of a photo: at most 1080 pixels a side, JPEG at quality 75."""
    image = Image.fromarray(pixels)
    image.thumbnail((_SHARED_PX, _SHARED_PX), Image.Resampling.HAMMING)  # nearly as sharp as Lanczos, in half the time
    return recompress(np.asarray(image))


def halved(pixels: Pixels) -> Pixels:
    """The pixels at half their size."""
    image = Image.fromarray(pixels)
    return np.array(image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS))


def recompress(pixels: Pixels) -> Pixels:
    """The pixels after a JPEG round trip at quality 75, 4:2:0."""
    content = _save(Image.fromarray(pixels), "JPEG", quality=75, subsampling=2)
    with Image.open(BytesIO(content), formats=["JPEG"]) as image:
        return np.array(image)


def _target(picture: Picture, outbox: config.Outbox) -> str:
    target = _SAME.get(picture.format, picture.format) if outbox.format == "same" else outbox.format.upper()
    if picture.format == "HEIF" and outbox.format == "same" and outbox.heic == "heic" and _writes_heif():
        target = "HEIF"
    too_large = max(picture.pixels.shape) > _MAX_SIDE_PX.get(target, 1 << 31)
    return "PNG" if too_large or (picture.alpha is not None and target in _OPAQUE) else target


def _writes_heif() -> bool:
    try:
        from pillow_heif import libheif_info
    except ImportError:
        return False
    return bool(libheif_info()["HEIF"])


def _page(picture: Picture, pixels: Pixels, target: str, metadata: config.Metadata) -> _Page:
    values, alpha, space = picture.space.follow(picture.values, picture.pixels, pixels), picture.alpha, picture.space
    if space.mode not in _MODES[target]:
        values, space = pixels, SRGB
    if target not in _DEEP:
        values, alpha = to_eight_bits(values), None if alpha is None else to_eight_bits(alpha)
    if alpha is not None and alpha.dtype != values.dtype:
        alpha = to_eight_bits(alpha)
    labels = allowed(picture.labels, metadata)
    return _Page(values, alpha, space, labels, xmp.packet(labels.xmp, mark=metadata.marker))


def _common(page: _Page) -> dict[str, Any]:
    """What Pillow takes by the same names for most formats."""
    known = {"exif": page.exif, "icc_profile": page.space.profile, "xmp": page.packet, "dpi": page.labels.dpi}
    return {name: value for name, value in known.items() if value}


def _jpeg(picture: Picture, page: _Page, fine: bool) -> bytes:
    options = _common(page) | _jpeg_coding(picture.jpeg, page.space.mode, fine=fine)
    options["extra"] = iptc.segment(page.labels.iptc)
    options["comment"] = page.labels.texts.get(COMMENT, "").encode("utf-8")
    image = page.image()
    try:
        return _save(image, "JPEG", **options)
    except OSError:
        # Pillow's buffer holds a whole progressive JPEG, and very noisy ones outgrow it.
        if not options.pop("progressive", False):
            raise
        return _save(image, "JPEG", **options)


def _jpeg_coding(coding: JpegCoding | None, mode: str, *, fine: bool) -> dict[str, Any]:
    if coding is None:
        return _FINE_JPEG
    luma = coding.tables.get(0)
    progressive = {"progressive": coding.progressive}
    if luma is None or (fine and sum(luma) > _FINE_LUMA_SUM):
        return _FINE_JPEG | progressive
    if sum(luma) > _COARSE_LUMA_SUM:
        return _COARSE_JPEG | progressive
    return {
        "qtables": {0: luma} if mode == "CMYK" else coding.tables,  # the others are for tint, and inks have none
        "subsampling": 0 if fine else max(coding.subsampling, 0),  # unusual ones, and grey, get 4:4:4
        **progressive,
    }


def _png(_picture: Picture, page: _Page, _fine: bool) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    channels = page.values.shape[2] + (page.alpha is not None)
    for name, body in page.labels.png_colour if page.space.profile is None else ():
        if name != b"sBIT" or len(body) == channels:  # a palette's has other channels
            chunks.add(name, body)
    for keyword, text in page.labels.texts.items():
        chunks.add_itxt(keyword, text)
    options = _common(page)
    if options.pop("xmp", None):
        chunks.add_itxt("XML:com.adobe.xmp", page.packet.decode("utf-8"))
    if page.values.dtype == np.uint8:
        return _save(page.image(), "PNG", pnginfo=chunks, **options)
    frame = _save(Image.new("L", (1, 1)), "PNG", pnginfo=chunks, **options)
    return deep.png(frame, page.values if page.alpha is None else np.dstack((page.values, page.alpha)))


def _webp(picture: Picture, page: _Page, fine: bool) -> bytes:
    options = _common(page) | {"lossless": _is_lossless(picture), "method": 4}
    # exact: colours under transparent pixels count too, a viewer may ignore alpha
    return _save(page.image(), "WEBP", quality=_FINE_WEBP_QUALITY if fine else _WEBP_QUALITY, exact=True, **options)


def _is_lossless(picture: Picture) -> bool:
    return picture.lossless or picture.format in _LOSSLESS


def _avif(_picture: Picture, page: _Page, fine: bool) -> bytes:
    quality = _FINE_AVIF_QUALITY if fine else _AVIF_QUALITY
    return _save(page.image(), "AVIF", quality=quality, subsampling="4:4:4", **_common(page))


def _heif(_picture: Picture, page: _Page, _fine: bool) -> bytes:
    from pillow_heif import from_pillow

    options = _common(page)
    options.pop("dpi", None)
    image = page.image()
    if profile := options.pop("icc_profile", None):
        image.info["icc_profile"] = profile
    buffer = BytesIO()
    from_pillow(image).save(buffer, quality=_HEIF_QUALITY, chroma=444, **options)
    return buffer.getvalue()


def _tiff(picture: Picture, page: _Page, _fine: bool) -> bytes:
    exif, (height, width) = page.labels.exif, page.values.shape[:2]
    blocks = {
        _TIFF_PROFILE: page.space.profile,
        _TIFF_XMP: page.packet,
        _TIFF_IPTC: iptc.block(page.labels.iptc),
    }
    fields = {tag: tiff.Field(tiff.UNDEFINED, len(raw), raw) for tag, raw in blocks.items() if raw}
    fields = _tiff_resolution(page.labels.dpi, exif.order) | exif.main | fields
    packed = picture.packed or picture.format != "TIFF"
    return deep.tiff_file(
        exif.order, page.space.mode, page.values, page.alpha, fields, exif.children(width, height), packed=packed
    )


def _tiff_resolution(dpi: tuple[float, float] | None, order: str) -> tiff.Directory:
    if dpi is None:
        return {}
    across, down = (tiff.rational(order, number) for number in dpi)
    return {_TIFF_ACROSS: across, _TIFF_DOWN: down, _TIFF_UNIT: tiff.shorts(order, _INCHES)}


def _bmp(_picture: Picture, page: _Page, _fine: bool) -> bytes:
    return _save(page.image(), "BMP", **({"dpi": page.labels.dpi} if page.labels.dpi else {}))


_WRITERS = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "AVIF": _avif, "HEIF": _heif, "TIFF": _tiff, "BMP": _bmp}


def _save(image: Image.Image, target: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=target, **options)
    return buffer.getvalue()
