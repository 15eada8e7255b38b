"""Protected pixels are written in the source's format, or the wanted one, and what is written decodes to them again."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from lowkeyd.errors import PhotoTooLarge, UnsupportedPhoto
from lowkeyd.imaging import encode as encoding
from lowkeyd.imaging.decode import Limits, Picture, decode
from lowkeyd.imaging.encode import ENCODER_ERRORS, has_finer, recompress
from lowkeyd.imaging.metadata.colorimetry import display_p3
from lowkeyd.model import Pixels, Stage
from tests.imaging.make import (
    COMMON,
    LIMITS,
    SRGB,
    cmyk_profile,
    deep_png,
    deep_portrait,
    deep_tiff,
    delivered,
    encoded,
    heif,
    portrait,
    saved,
    saved_image,
)

FACE = portrait()
DEEP = deep_portrait()


def protected(picture: Picture) -> Pixels:
    """Pixels that differ smoothly in one square, as an attack's do."""
    pixels = picture.pixels.copy()
    square = pixels[20:70, 30:80]
    noise = np.random.default_rng(3).integers(-12, 13, (5, 5, 3)).repeat(10, 0).repeat(10, 1)
    pixels[20:70, 30:80] = np.clip(square + noise, 0, 255)
    return pixels


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("PNG", ".png"), ("lossless WEBP", ".webp"), ("TIFF", ".tif"), ("LZW TIFF", ".tif"), ("BMP", ".bmp")],
)
def test_lossless_formats_keep_every_pixel(name: str, suffix: str) -> None:
    picture = decode(saved(FACE, **COMMON[name]), LIMITS)
    pixels = protected(picture)
    copy = encoded(picture, pixels)
    again = decode(copy.content, LIMITS)
    np.testing.assert_array_equal(again.pixels, pixels)
    assert (copy.suffix, again.format, again.lossless) == (suffix, picture.format, picture.lossless)
    assert not has_finer(copy, picture)


@pytest.mark.parametrize(
    ("name", "suffix"), [("JPEG", ".jpg"), ("progressive JPEG", ".jpg"), ("WEBP", ".webp"), ("AVIF", ".avif")]
)
def test_lossy_formats_lose_little(name: str, suffix: str) -> None:
    picture = decode(saved(FACE, **COMMON[name]), LIMITS)
    copy = encoded(picture, picture.pixels)
    again = decode(copy.content, LIMITS)
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 3
    assert (copy.suffix, again.format, again.lossless) == (suffix, picture.format, False)
    assert has_finer(copy, picture)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"format": "PNG"}, "jpeg"),
        ({"format": "JPEG", "quality": 98, "subsampling": 0}, "same"),
        ({"format": "JPEG", "quality": 98, "subsampling": 2}, "same"),
        ({"format": "JPEG", "quality": 75, "subsampling": 0}, "same"),
        ({"format": "PNG"}, "webp"),
        ({"format": "AVIF"}, "same"),
    ],
    ids=str,
)
def test_there_is_something_finer_only_where_it_is_another_file(options: dict[str, Any], wanted: str) -> None:
    picture = decode(saved(FACE, **options), LIMITS)
    plain, fine = (encoded(picture, picture.pixels, format=wanted, fine=fine) for fine in (False, True))
    assert has_finer(plain, picture) == (fine.content != plain.content)


@pytest.mark.parametrize("quality", [50, 75, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_compressed_as_its_source_was(quality: int, subsampling: int, progressive: bool) -> None:
    source = saved(FACE, format="JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
    picture = decode(source, LIMITS)
    copy = encoded(picture, protected(picture)).content
    before, after = opened(source), opened(copy)
    assert after.quantization == before.quantization
    assert JpegImagePlugin.get_sampling(after) == subsampling
    assert bool(after.info.get("progressive")) is progressive
    assert len(copy) < 1.5 * len(source) + 600  # the noise costs something, and so does our mark


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF"])
def test_a_finer_copy_loses_less(name: str) -> None:
    options = {key: value for key, value in COMMON[name].items() if key != "subsampling"}
    picture = decode(saved(FACE, **options | {"quality": 30}), LIMITS)
    pixels = protected(picture)
    plain, fine = (encoded(picture, pixels, fine=fine).content for fine in (False, True))
    lost = [np.abs(decode(content, LIMITS).pixels.astype(int) - pixels).mean() for content in (plain, fine)]
    assert lost[1] < lost[0]
    assert len(fine) > len(plain)


@pytest.mark.parametrize("quality", [5, 30, 49])
def test_a_very_coarse_jpeg_is_written_finer_than_it_was_so_that_the_protection_lasts(quality: int) -> None:
    picture = decode(saved(FACE, format="JPEG", quality=quality, subsampling=2, progressive=True), LIMITS)
    copy = opened(encoded(picture, protected(picture)).content)
    assert copy.quantization == opened(saved(FACE, format="JPEG", quality=60)).quantization
    assert JpegImagePlugin.get_sampling(copy) == 0
    assert copy.info.get("progressive")


@pytest.mark.parametrize(("quality", "kept"), [(94, False), (95, True), (100, True)])
def test_a_finer_copy_is_never_coarser_than_its_source(quality: int, kept: bool) -> None:
    source = saved(FACE, format="JPEG", quality=quality, subsampling=2)
    picture = decode(source, LIMITS)
    copy = opened(encoded(picture, picture.pixels, fine=True).content)
    assert (copy.quantization == opened(source).quantization) is kept
    assert JpegImagePlugin.get_sampling(copy) == 0


def test_a_jpeg_too_noisy_for_pillow_to_write_progressively_is_written_all_the_same() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    picture = decode(saved(noise, format="JPEG", quality=100, subsampling=0), LIMITS)
    assert picture.jpeg is not None
    picture = replace(picture, jpeg=replace(picture.jpeg, progressive=True))
    assert decode(encoded(picture, noise).content, LIMITS).pixels.shape == noise.shape


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_grey_photos_stay_grey_and_change_in_brightness_only(file_format: str) -> None:
    grey = Image.fromarray(FACE).convert("L")
    picture = decode(saved_image(grey, format=file_format, quality=100), LIMITS)
    pixels = picture.pixels.copy()
    pixels[20:70, 30:80] = np.clip(pixels[20:70, 30:80] + np.array([40, 10, 0]), 0, 255)
    copy = opened(encoded(picture, pixels).content)
    assert copy.mode == "L"
    changed = np.array(copy).astype(int) - np.array(picture.pixels[..., 0])
    assert changed[20:70, 30:80].mean() == pytest.approx(0.299 * 40 + 0.587 * 10, abs=1.5)
    assert np.abs(changed[:, :20]).max() <= (1 if file_format == "JPEG" else 0)


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
@pytest.mark.parametrize("profile", [None, cmyk_profile()])
def test_cmyk_photos_stay_cmyk(file_format: str, profile: bytes | None) -> None:
    inks = np.array(Image.fromarray(FACE).convert("CMYK"))
    black = inks[..., :3].min(-1)
    inks[..., :3] -= black[..., None] // 2
    inks[..., 3] = black // 2
    image = Image.frombytes("CMYK", (96, 96), inks.tobytes())
    picture = decode(saved_image(image, format=file_format, icc_profile=profile), LIMITS)
    pixels = protected(picture)
    copy = encoded(picture, pixels).content
    assert (opened(copy).mode, opened(copy).info.get("icc_profile")) == ("CMYK", profile)
    again = decode(copy, LIMITS)
    error = np.abs(again.pixels.astype(int) - pixels)
    assert error[20:70, 30:80].mean() < (4 if file_format == "JPEG" else 0.7)
    if file_format == "TIFF":
        np.testing.assert_array_equal(again.values[:, :30], picture.values[:, :30])


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_alpha_is_kept(file_format: str) -> None:
    image = Image.fromarray(FACE)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    content = saved_image(image, format=file_format, lossless=True, exact=True, quality=100, speed=10)
    picture = decode(content, LIMITS)
    pixels = protected(picture)
    again = decode(encoded(picture, pixels).content, LIMITS)
    assert picture.alpha is not None
    assert again.alpha is not None
    if file_format == "AVIF":
        assert np.abs(again.alpha.astype(int) - picture.alpha).max() <= 3
    else:
        np.testing.assert_array_equal(again.pixels, pixels)  # under transparent pixels too
        np.testing.assert_array_equal(again.alpha, picture.alpha)


DEEP_FILES: dict[str, Any] = {
    "RGB PNG": lambda: deep_png(DEEP),
    "RGBA PNG": lambda: deep_png(np.dstack((DEEP, DEEP[..., 0]))),
    "grey PNG": lambda: deep_png(DEEP[..., :1]),
    "grey PNG with alpha": lambda: deep_png(np.ascontiguousarray(DEEP[..., :2])),
    "RGB TIFF": lambda: deep_tiff(DEEP, photometric="rgb"),
    "RGB TIFF, big-endian": lambda: deep_tiff(DEEP, photometric="rgb", byteorder=">"),
    "RGBA TIFF": lambda: deep_tiff(np.dstack((DEEP, DEEP[..., 0])), photometric="rgb", extrasamples=["unassalpha"]),
    "grey TIFF": lambda: deep_tiff(DEEP[..., 0], photometric="minisblack"),
    "CMYK TIFF": lambda: deep_tiff(np.dstack((DEEP, DEEP[..., 0] // 9)), photometric="separated"),
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_sixteen_bits_stay_sixteen_bits(name: str) -> None:
    picture = decode(DEEP_FILES[name](), LIMITS)
    pixels = protected(picture)
    again = decode(encoded(picture, pixels).content, LIMITS)
    assert again.values.dtype == np.uint16
    untouched = (pixels == picture.pixels).all(-1)
    np.testing.assert_array_equal(again.values[untouched], picture.values[untouched])
    if picture.alpha is not None:
        np.testing.assert_array_equal(again.alpha, picture.alpha)
    if picture.space.mode == "RGB":
        np.testing.assert_array_equal(again.pixels, pixels)


def test_the_lower_bits_of_changed_pixels_survive_too() -> None:
    picture = decode(deep_png(DEEP), LIMITS)
    pixels = np.clip(picture.pixels.astype(int) + 3, 0, 255).astype(np.uint8)
    again = decode(encoded(picture, pixels).content, LIMITS)
    below = picture.pixels < 250
    np.testing.assert_array_equal(again.values[below], picture.values[below] + 3 * 257)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "LZW TIFF", "AVIF"])
def test_wide_colours_are_shown_as_they_are_and_written_back_in_kind(name: str) -> None:
    source = saved(FACE, **COMMON[name], icc_profile=display_p3())
    picture = decode(source, LIMITS)
    assert np.abs(picture.pixels.astype(int) - picture.values).mean() > 2  # sRGB needs other numbers for them
    pixels = protected(picture)
    copy = encoded(picture, pixels).content
    again = decode(copy, LIMITS)
    assert opened(copy).info["icc_profile"] == display_p3()
    lossless = name in ("PNG", "LZW TIFF")
    assert np.abs(again.pixels.astype(int) - pixels)[20:70, 30:80].mean() < (0.4 if lossless else 2.5)
    if lossless:
        np.testing.assert_array_equal(again.values[:, :30], picture.values[:, :30])


def test_heif_becomes_a_fine_jpeg() -> None:
    pytest.importorskip("pillow_heif")
    picture = decode(heif(FACE), LIMITS)
    copy = encoded(picture, picture.pixels)
    image = opened(copy.content)
    assert (copy.suffix, image.format, JpegImagePlugin.get_sampling(image)) == (".jpg", "JPEG", 0)
    assert np.abs(np.array(image).astype(int) - picture.pixels).mean() < 2


def test_heif_stays_heif_where_that_is_wished_and_the_encoder_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = decode(heif(FACE, icc_profile=display_p3()), LIMITS)
    copy = encoded(picture, picture.pixels, heic="heic")
    again = decode(copy.content, LIMITS)
    assert (copy.suffix, again.format, again.space) == (".heic", "HEIF", picture.space)
    assert again.is_protected
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 3
    monkeypatch.setattr(pillow_heif, "libheif_info", lambda: {"HEIF": ""})
    assert encoded(picture, picture.pixels, heic="heic").suffix == ".jpg"


def test_a_gif_becomes_a_png_which_holds_more_than_256_colours() -> None:
    picture = decode(saved(FACE, format="GIF"), LIMITS)
    pixels = protected(picture)
    copy = encoded(picture, pixels)
    assert copy.suffix == ".png"
    np.testing.assert_array_equal(decode(copy.content, LIMITS).pixels, pixels)


@pytest.mark.parametrize("file_format", ["BMP", "HEIF"])
def test_alpha_that_the_format_cannot_hold_goes_into_a_png(file_format: str) -> None:
    picture = replace(decode(saved(FACE, format="PNG"), LIMITS), format=file_format)
    picture = replace(picture, alpha=np.full(FACE.shape[:2], 77, np.uint8))
    copy = encoded(picture, FACE)
    again = decode(copy.content, LIMITS)
    assert (copy.suffix, again.format) == (".png", "PNG")
    np.testing.assert_array_equal(again.alpha, picture.alpha)


# ---- another format than the source's


@pytest.mark.parametrize(("wanted", "suffix"), [("jpeg", ".jpg"), ("png", ".png"), ("webp", ".webp")])
@pytest.mark.parametrize("name", [*COMMON, "GIF"])
def test_any_format_can_be_had_in_another(name: str, wanted: str, suffix: str) -> None:
    picture = decode(saved(FACE, **COMMON.get(name, {"format": name})), LIMITS)
    copy = encoded(picture, picture.pixels, format=wanted)
    again = decode(copy.content, LIMITS)
    assert (copy.suffix, again.format) == (suffix, wanted.upper())
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 3


def test_lossless_photos_stay_lossless_as_webp() -> None:
    picture = decode(saved(FACE, format="PNG"), LIMITS)
    copy = encoded(picture, picture.pixels, format="webp")
    np.testing.assert_array_equal(decode(copy.content, LIMITS).pixels, FACE)
    assert not has_finer(copy, picture)


def test_what_lies_under_transparent_pixels_is_what_was_protected() -> None:
    see_through = np.dstack((FACE, np.zeros(FACE.shape[:2], np.uint8)))
    copy = opened(delivered(saved(see_through, format="PNG"), format="webp"))
    np.testing.assert_array_equal(np.array(copy)[..., :3], FACE)


@pytest.mark.parametrize("wanted", ["png", "webp"])
def test_inks_become_colours_where_a_format_knows_no_ink(wanted: str) -> None:
    picture = decode(saved_image(Image.fromarray(FACE).convert("CMYK"), format="TIFF"), LIMITS)
    again = decode(encoded(picture, picture.pixels, format=wanted).content, LIMITS)
    assert again.space.mode == "RGB"
    np.testing.assert_array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("wanted", ["jpeg", "webp"])
def test_sixteen_bits_become_eight_where_a_format_holds_no_more(wanted: str) -> None:
    picture = decode(deep_png(DEEP), LIMITS)
    again = decode(encoded(picture, picture.pixels, format=wanted).content, LIMITS)
    assert again.values.dtype == np.uint8
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 3


def test_a_picture_too_large_for_a_format_goes_into_a_png() -> None:
    strip = np.zeros((4, 17_000, 3), np.uint8)
    picture = decode(saved(strip, format="PNG"), LIMITS)
    assert encoded(picture, strip, format="webp").suffix == ".png"
    assert encoded(picture, strip, format="jpeg").suffix == ".jpg"


# ---- the rest


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_colour_profile_goes_along(name: str) -> None:
    picture = decode(saved(FACE, **COMMON[name], icc_profile=SRGB), LIMITS)
    assert opened(encoded(picture, FACE).content).info["icc_profile"] == SRGB


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_resolution_goes_along(name: str) -> None:
    picture = decode(saved(FACE, **COMMON[name], dpi=(300, 300)), LIMITS)
    dpi = opened(encoded(picture, FACE).content).info["dpi"]
    assert [round(float(number)) for number in dpi] == [300, 300]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_the_resolution_is_no_secret(name: str) -> None:
    picture = decode(saved(FACE, **COMMON[name], dpi=(300, 300)), LIMITS)
    dpi = opened(encoded(picture, FACE, privacy=True).content).info["dpi"]
    assert [round(float(number)) for number in dpi] == [300, 300]


@pytest.mark.parametrize(("compression", "packed"), [("raw", False), ("tiff_lzw", True), ("jpeg", True)])
def test_a_tiff_stays_packed_or_plain(compression: str, packed: bool) -> None:
    picture = decode(saved(FACE, format="TIFF", compression=compression), LIMITS)
    copy = opened(encoded(picture, picture.pixels).content)
    assert copy.info["compression"] == ("tiff_adobe_deflate" if packed else "raw")
    np.testing.assert_array_equal(np.array(copy), picture.pixels)


def test_the_same_pixels_give_the_same_bytes() -> None:
    picture = decode(saved(FACE, format="JPEG"), LIMITS)
    assert encoded(picture, FACE) == encoded(picture, FACE)


@pytest.mark.parametrize("pixels", [FACE[1:], FACE.astype(np.float32)])
def test_pixels_that_do_not_belong_to_the_photo_are_a_bug(pixels: Pixels) -> None:
    picture = decode(saved(FACE, format="PNG"), LIMITS)
    with pytest.raises(AssertionError, match="bug"):
        encoded(picture, pixels)


@pytest.mark.parametrize("raised", ENCODER_ERRORS)
def test_what_the_formats_library_raises_is_translated(
    monkeypatch: pytest.MonkeyPatch, raised: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised("refused")

    picture = decode(saved(FACE, format="PNG"), LIMITS)
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(UnsupportedPhoto, match="cannot be written as PNG: refused") as caught:
        encoded(picture, FACE)
    assert caught.value.stage is Stage.ENCODE
    assert isinstance(caught.value.__cause__, raised)


def test_a_lack_of_memory_while_writing_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> None:
        raise MemoryError

    picture = decode(saved(FACE, format="PNG"), LIMITS)
    monkeypatch.setattr(encoding, "_page", no_memory)
    with pytest.raises(PhotoTooLarge, match="memory"):
        encoded(picture, FACE)


def test_recompress_loses_what_a_social_network_loses() -> None:
    expected = opened(saved(FACE, format="JPEG", quality=75, subsampling=2))
    np.testing.assert_array_equal(recompress(FACE), np.array(expected))
    assert recompress(FACE).flags.writeable


def test_real_photos_come_back_in_kind(photo_paths: list[Path]) -> None:
    for path in photo_paths:
        content = path.read_bytes()
        picture = decode(content, Limits(100, 100))
        copy = encoded(picture, picture.pixels).content
        again = decode(copy, Limits(100, 100))
        assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 2, path.name
        assert again.format == picture.format
        assert len(copy) < 1.25 * len(content), path.name
        if again.alpha is not None:
            np.testing.assert_array_equal(again.alpha, picture.alpha)


def test_all_inks_are_written_as_finely_as_the_brightness_was() -> None:
    """A Photoshop CMYK's second table is for tint, of which inks have none."""
    inks = Image.fromarray(portrait()).convert("CMYK")
    tables = [[4] * 64, [40] * 64]
    source = saved_image(inks, format="JPEG", qtables=tables)
    coded = Image.open(BytesIO(delivered(source)))
    assert isinstance(coded, JpegImagePlugin.JpegImageFile)
    assert coded.quantization == {0: [4] * 64}
