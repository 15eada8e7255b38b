"""Every kind of photo, in every orientation and colour space: upright, of the same size, in its colours, with the
labels that the policy allows, and changed in the face only."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, TiffImagePlugin

from lowkeyd.imaging.decode import decode
from lowkeyd.imaging.metadata.colorimetry import display_p3
from lowkeyd.model import Pixels
from tests.imaging.label import PREVIEW, SECRETS, exif_with, xmp_with
from tests.imaging.make import LIMITS, SRGB, deep_png, deep_tiff, encoded, heif, portrait, saved, saved_image

FACE = portrait()[:72]  # (72, 96, 3): not square, so that a turn shows
CHANGED = (slice(16, 56), slice(24, 64))
PROFILES = {"no profile": None, "sRGB": SRGB, "Display P3": display_p3()}

UNTURN: dict[int, Callable[[Any], Any]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[:, ::-1],
}
"""How a camera stores an upright picture whose EXIF block names this orientation."""


@dataclass(frozen=True)
class Kind:
    """One kind of file. `loss` is how far a pixel outside of the face may be off on average, of 255."""

    write: Callable[[Any, dict[str, Any]], bytes]
    loss: float
    labels: bool = True
    profiles: bool = True
    mode: str = "RGB"
    alpha: bool = False
    deep: bool = False


def pillow(file_format: str, mode: str = "RGB", **options: Any) -> Callable[[Any, dict[str, Any]], bytes]:
    def write(pixels: Any, extra: dict[str, Any]) -> bytes:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image = image if image.mode == "RGBA" else image.convert(mode)
        return saved_image(image, format=file_format, **options, **in_pillows_words(file_format, options, extra))

    return write


def in_pillows_words(file_format: str, options: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Where each format's writer wants the XMP packet, and what its TIFF writer can do with EXIF fields."""
    told = dict(extra)
    if file_format == "PNG":
        told["pnginfo"] = PngImagePlugin.PngInfo()
        told["pnginfo"].add_itxt("XML:com.adobe.xmp", told.pop("xmp").decode())
    if file_format == "TIFF":
        exif = Image.Exif()
        exif.load(told["exif"])
        exif[700] = told.pop("xmp")
        if "compression" in options:  # written by libtiff, which takes no directories below the first
            told["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
            told["tiffinfo"].update({tag: value for tag, value in exif.items() if tag not in (0x8769, 0x8825)})
        told["exif"] = Image.Exif() if "compression" in options else exif
    return told


def write_deep_png(pixels: Any, extra: dict[str, Any]) -> bytes:
    chunks = [(b"eXIf", extra["exif"][6:])]
    if profile := extra.get("icc_profile"):
        chunks.append((b"iCCP", b"x\0\0" + zlib.compress(profile)))
    chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + extra["xmp"]))
    return deep_png(pixels, *chunks)


def write_deep_tiff(pixels: Any, extra: dict[str, Any]) -> bytes:
    exif = Image.Exif()
    exif.load(extra["exif"])
    tags = [
        (274, "H", 1, exif[0x0112], True),
        (271, "s", None, "Kamera", True),
        (700, "B", len(extra["xmp"]), extra["xmp"], True),
    ]
    alpha = ["unassalpha"] if pixels.shape[2] == 4 else None
    profile = extra.get("icc_profile")
    return deep_tiff(
        np.ascontiguousarray(pixels), photometric="rgb", extratags=tags, extrasamples=alpha, iccprofile=profile
    )


def write_heif(pixels: Any, extra: dict[str, Any]) -> bytes:
    """The encoder turns the picture itself, so it is handed over as the camera's sensor saw it."""
    return heif(np.ascontiguousarray(pixels), chroma=444, **extra)


LOSSY: dict[str, Any] = {"quality": 95, "subsampling": 0}
KINDS = {
    "JPEG": Kind(pillow("JPEG", **LOSSY), 1),
    "progressive JPEG": Kind(pillow("JPEG", progressive=True, **LOSSY), 1),
    "JPEG 4:2:0": Kind(pillow("JPEG", quality=95, subsampling=2), 2),
    "grey JPEG": Kind(pillow("JPEG", "L", quality=95), 1, mode="L", profiles=False),
    "CMYK JPEG": Kind(pillow("JPEG", "CMYK", **LOSSY), 2, mode="CMYK", profiles=False),
    "PNG": Kind(pillow("PNG"), 0),
    "PNG with alpha": Kind(pillow("PNG"), 0, alpha=True),
    "grey PNG": Kind(pillow("PNG", "L"), 0, mode="L", profiles=False),
    "palette PNG": Kind(pillow("PNG", "P"), 0, mode="P"),
    "16-bit PNG": Kind(write_deep_png, 0, deep=True),
    "16-bit PNG with alpha": Kind(write_deep_png, 0, deep=True, alpha=True),
    "WebP": Kind(pillow("WEBP", quality=95), 3),
    "lossless WebP": Kind(pillow("WEBP", lossless=True), 0),
    "lossless WebP with alpha": Kind(pillow("WEBP", lossless=True, exact=True), 0, alpha=True),
    "TIFF": Kind(pillow("TIFF"), 0),
    "LZW TIFF": Kind(pillow("TIFF", compression="tiff_lzw"), 0),
    "TIFF with alpha": Kind(pillow("TIFF"), 0, alpha=True),
    "CMYK TIFF": Kind(pillow("TIFF", "CMYK"), 0, mode="CMYK", profiles=False),
    "16-bit TIFF": Kind(write_deep_tiff, 0, deep=True),
    "16-bit TIFF with alpha": Kind(write_deep_tiff, 0, deep=True, alpha=True),
    "AVIF": Kind(pillow("AVIF", speed=10, quality=95, subsampling="4:4:4"), 2),
    "AVIF with alpha": Kind(pillow("AVIF", speed=10, quality=95, subsampling="4:4:4"), 2, alpha=True),
    "HEIC": Kind(write_heif, 2),
    "GIF": Kind(pillow("GIF"), 0, mode="P", labels=False, profiles=False),
    "BMP": Kind(pillow("BMP"), 0, labels=False, profiles=False),
}


def source(kind: Kind, orientation: int, profile: bytes | None) -> tuple[bytes, Any]:
    """The file, and the upright values that were put in."""
    values: Any = FACE
    if kind.alpha:
        values = np.dstack((values, np.linspace(40, 255, 72 * 96).reshape(72, 96).astype(np.uint8)))
    if kind.deep:
        values = values.astype(np.uint16) * 257
    extra = {"exif": exif_with(orientation), "xmp": xmp_with()} if kind.labels else {}
    if profile is not None:
        extra["icc_profile"] = profile
    return kind.write(UNTURN[orientation](values), extra), values


@cache
def srgb_of(profile: bytes) -> Any:
    return ImageCms.buildTransform(
        ImageCms.getOpenProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), "RGB", "RGB", 1
    )


def viewed(content: bytes) -> Pixels:
    """As a viewer shows it that knows of turning and of colour, and nothing of lowkeyd."""
    image = Image.open(BytesIO(content))
    image.load()
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    shown = upright.convert("RGB")
    return np.array(shown if profile is None else ImageCms.applyTransform(shown, srgb_of(profile)))


def attacked(pixels: Pixels) -> Pixels:
    """A smooth change in the middle, where a face would be."""
    wanted = pixels.copy()
    change = np.random.default_rng(3).integers(-12, 13, (4, 4, 3)).repeat(10, 0).repeat(10, 1)
    wanted[CHANGED] = np.clip(wanted[CHANGED] + change, 0, 255)
    return wanted


CASES = [
    (name, orientation, profile)
    for name, kind in KINDS.items()
    for orientation in (range(1, 9) if kind.labels else (1,))
    for profile in (PROFILES if kind.profiles else ("no profile",))
]


@pytest.mark.parametrize(("name", "orientation", "profile"), CASES)
def test_a_photo_comes_through_whole(name: str, orientation: int, profile: str) -> None:
    kind = KINDS[name]
    if name == "HEIC":
        pytest.importorskip("pillow_heif")
    content, put_in = source(kind, orientation, PROFILES[profile])
    picture = decode(content, LIMITS)
    wanted = attacked(picture.pixels)
    copy = encoded(picture, wanted).content

    seen = viewed(copy).astype(int)
    assert seen.shape == FACE.shape, "upright, and of the same size"
    np.testing.assert_allclose(seen.mean((0, 1)), wanted.mean((0, 1)), atol=2.5)
    outside = np.ones(FACE.shape[:2], bool)
    outside[CHANGED] = False
    assert np.abs(seen - wanted)[outside].mean() <= kind.loss + (1 if profile == "Display P3" else 0.1)
    assert np.abs(seen - wanted)[CHANGED].mean() <= max(kind.loss, 0.5) * 2 + (6 if kind.mode == "L" else 0)
    if kind.mode != "L":
        assert np.abs(put_in_pixels(put_in, profile) - wanted)[outside].mean() < (20 if kind.mode == "P" else 4)
    _check_values(kind, picture, decode(copy, LIMITS), outside)
    _check_labels(kind, copy, PROFILES[profile])


def put_in_pixels(values: Any, profile: str) -> Any:
    """The values that were put in, as they look in their colours."""
    pixels = (values[..., :3] // (257 if values.dtype == np.uint16 else 1)).astype(np.uint8)
    own = PROFILES[profile]
    return np.array(
        ImageCms.applyTransform(Image.fromarray(pixels), srgb_of(own)) if own is not None else pixels
    ).astype(int)


def _check_values(kind: Kind, before: Any, after: Any, outside: Any) -> None:
    assert after.values.dtype == before.values.dtype == (np.uint16 if kind.deep else np.uint8)
    assert after.space == before.space
    if kind.loss == 0:
        np.testing.assert_array_equal(after.values[outside], before.values[outside])
    if kind.alpha:
        np.testing.assert_allclose(after.alpha.astype(int), before.alpha.astype(int), atol=3 if kind.loss else 0)


def _check_labels(kind: Kind, copy: bytes, profile: bytes | None) -> None:
    image = Image.open(BytesIO(copy))
    image.load()
    exif = image.getexif()
    assert image.info.get("icc_profile") == profile
    assert getattr(image, "n_frames", 1) == 1
    assert exif.get(0x0112, 1) == 1
    assert not exif.get_ifd(0x8825), "no place"
    assert [secret for secret in (*SECRETS, b"PLACE-NAME") if secret in copy] == []
    assert PREVIEW[-300:] not in copy
    if kind.labels:
        assert exif[271] == "Kamera"
        assert b"A title" in copy
        assert b"lowkeyd:Protected" in copy


def test_the_matrix_would_notice_a_photo_that_is_not_turned() -> None:
    content, _ = source(KINDS["PNG"], 6, None)
    assert Image.open(BytesIO(content)).size == (72, 96)
    assert viewed(content).shape == FACE.shape


def test_plain_saving_would_not_pass() -> None:
    """What the matrix guards against: the profile forgotten, the thumbnail and the place taken along."""
    content, _ = source(KINDS["JPEG"], 1, display_p3())
    image = Image.open(BytesIO(content))
    careless = saved(np.array(image), format="JPEG", exif=image.info["exif"])
    assert np.abs(viewed(careless).astype(int) - viewed(content)).mean() > 2
    assert PREVIEW[-300:] in careless
