"""Protected pixels are written in the source's format, and what is written decodes to them again."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from lowkeyd.imaging.decode import Limits, Picture, decode
from lowkeyd.imaging.encode import encode, recompress
from lowkeyd.model import Pixels
from tests.imaging.make import COMMON, LIMITS, heif, portrait, saved, saved_image

FACE = portrait()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def protected(picture: Picture) -> Pixels:
    """Other pixels of the same size, as an attack would make them."""
    noise = np.random.default_rng(3).integers(-8, 9, picture.pixels.shape)
    return np.clip(picture.pixels + noise, 0, 255).astype(np.uint8)


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
    encoded = encode(picture, pixels)
    again = decode(encoded.content, LIMITS)
    np.testing.assert_array_equal(again.pixels, pixels)
    assert (encoded.suffix, again.format, again.lossless) == (suffix, picture.format, picture.lossless)


@pytest.mark.parametrize(("name", "suffix"), [("JPEG", ".jpg"), ("progressive JPEG", ".jpg"), ("WEBP", ".webp")])
def test_lossy_formats_lose_little(name: str, suffix: str) -> None:
    picture = decode(saved(FACE, **COMMON[name]), LIMITS)
    encoded = encode(picture, picture.pixels)
    again = decode(encoded.content, LIMITS)
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 3
    assert (encoded.suffix, again.format, again.lossless) == (suffix, picture.format, False)


@pytest.mark.parametrize("quality", [90, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_compressed_as_its_source_was(quality: int, subsampling: int, progressive: bool) -> None:
    source = saved(FACE, format="JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
    picture = decode(source, LIMITS)
    before, after = opened(source), opened(encode(picture, protected(picture)).content)
    assert after.quantization == before.quantization
    assert JpegImagePlugin.get_sampling(after) == subsampling
    assert bool(after.info.get("progressive")) is progressive


def test_a_poor_jpeg_is_written_better_than_it_was_so_that_the_protection_lasts() -> None:
    picture = decode(saved(FACE, format="JPEG", quality=30, subsampling=2), LIMITS)
    after = opened(encode(picture, protected(picture)).content)
    assert after.quantization == opened(saved(FACE, format="JPEG", quality=90)).quantization
    assert JpegImagePlugin.get_sampling(after) == 2


def test_a_grey_jpeg_may_get_a_coloured_protection() -> None:
    picture = decode(saved_image(Image.fromarray(FACE).convert("L"), format="JPEG", quality=95), LIMITS)
    pixels = picture.pixels.copy()
    pixels[..., 0] = np.minimum(pixels[..., 0].astype(int) + 30, 255)
    again = decode(encode(picture, pixels).content, LIMITS).pixels
    assert np.abs(again.astype(int) - pixels).mean() < 3


def test_a_jpeg_too_noisy_for_pillow_to_write_progressively_is_written_all_the_same() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    picture = decode(saved(noise, format="JPEG", quality=100, subsampling=0), LIMITS)
    assert picture.jpeg is not None
    picture = replace(picture, jpeg=replace(picture.jpeg, progressive=True))
    assert decode(encode(picture, noise).content, LIMITS).pixels.shape == noise.shape


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept(file_format: str) -> None:
    image = Image.fromarray(FACE)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = decode(saved_image(image, format=file_format, lossless=True, exact=True), LIMITS)
    pixels = protected(picture)
    again = decode(encode(picture, pixels).content, LIMITS)
    np.testing.assert_array_equal(again.pixels, pixels)  # under transparent pixels too
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, np.array(image.getchannel("A")))


def test_heif_becomes_a_fine_jpeg() -> None:
    pytest.importorskip("pillow_heif")
    picture = decode(heif(FACE), LIMITS)
    encoded = encode(picture, picture.pixels)
    image = opened(encoded.content)
    assert (encoded.suffix, image.format, JpegImagePlugin.get_sampling(image)) == (".jpg", "JPEG", 0)
    assert np.abs(np.array(image).astype(int) - picture.pixels).mean() < 2


@pytest.mark.parametrize("file_format", ["BMP", "HEIF"])
def test_alpha_that_the_format_cannot_hold_goes_into_a_png(file_format: str) -> None:
    picture = Picture(FACE, np.full(FACE.shape[:2], 77, np.uint8), file_format)
    encoded = encode(picture, FACE)
    again = decode(encoded.content, LIMITS)
    assert (encoded.suffix, again.format) == (".png", "PNG")
    np.testing.assert_array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_colour_profile_goes_along(name: str) -> None:
    picture = decode(saved(FACE, **COMMON[name], icc_profile=SRGB), LIMITS)
    assert opened(encode(picture, FACE).content).info["icc_profile"] == SRGB


def test_the_same_pixels_give_the_same_bytes() -> None:
    picture = decode(saved(FACE, format="JPEG"), LIMITS)
    assert encode(picture, FACE) == encode(picture, FACE)


@pytest.mark.parametrize("pixels", [FACE[1:], FACE.astype(np.float32)])
def test_pixels_that_do_not_belong_to_the_photo_are_a_bug(pixels: Pixels) -> None:
    picture = decode(saved(FACE, format="PNG"), LIMITS)
    with pytest.raises(AssertionError, match="bug"):
        encode(picture, pixels)


def test_recompress_loses_what_a_social_network_loses() -> None:
    expected = opened(saved(FACE, format="JPEG", quality=75, subsampling=2))
    np.testing.assert_array_equal(recompress(FACE), np.array(expected))
    losses = [np.abs(recompress(FACE, quality).astype(int) - FACE).mean() for quality in (95, 75, 50)]
    assert losses == sorted(losses)
    assert recompress(FACE).flags.writeable


def test_real_photos_come_back_in_kind(photo_paths: list[Path]) -> None:
    for path in photo_paths:
        picture = decode(path.read_bytes(), Limits(100, 100))
        again = decode(encode(picture, picture.pixels).content, Limits(100, 100))
        assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 2, path.name
        assert again.format == picture.format
        if again.alpha is not None:
            np.testing.assert_array_equal(again.alpha, picture.alpha)
