"""Bytes that come from anywhere become pixels, or one of four errors."""

import struct
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from lowkeyd.errors import (
    LowkeydError,
    PhotoError,
    PhotoIncomplete,
    PhotoTooLarge,
    TryLater,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from lowkeyd.imaging.decode import DECODER_ERRORS, Limits, decode
from lowkeyd.imaging.encode import encode
from tests.imaging.make import COMMON, LIMITS, heif, portrait, saved, saved_image

FACE = portrait()
LOSSLESS = ("PNG", "lossless WEBP", "TIFF", "LZW TIFF", "BMP")
EVERY = [*COMMON, "HEIF"]


def file_of(name: str) -> bytes:
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
        return heif(FACE)
    return saved(FACE, **COMMON[name])


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_very_pixels(name: str) -> None:
    picture = decode(file_of(name), LIMITS)
    np.testing.assert_array_equal(picture.pixels, FACE)
    assert (picture.alpha, picture.format) == (None, COMMON[name]["format"])


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "WEBP", "HEIF"])
def test_lossy_formats_come_close(name: str) -> None:
    picture = decode(file_of(name), LIMITS)
    assert picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels.astype(int) - FACE).mean() < 4
    assert picture.format == COMMON.get(name, {"format": "HEIF"})["format"]


def test_pixels_can_be_written_to() -> None:
    decode(file_of("PNG"), LIMITS).pixels[0, 0] = 0  # torch warns about arrays that cannot


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_rgb(mode: str) -> None:
    image = Image.fromarray(FACE).convert(mode)
    picture = decode(saved_image(image, format="PNG"), LIMITS)
    np.testing.assert_array_equal(picture.pixels, np.array(image.convert("RGB")))


def test_a_grey_jpeg_becomes_rgb() -> None:
    assert decode(saved_image(Image.fromarray(FACE).convert("L"), format="JPEG"), LIMITS).pixels.shape == FACE.shape


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_apart(file_format: str, mode: str) -> None:
    image = Image.fromarray(FACE).convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    picture = decode(saved_image(image, format=file_format, lossless=True, exact=True), LIMITS)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, np.array(image.getchannel("A")))
    np.testing.assert_array_equal(picture.pixels, np.array(image.convert("RGB")))


def test_a_transparent_palette_colour_is_alpha() -> None:
    content = saved_image(Image.fromarray(FACE).convert("P"), format="PNG", transparency=0)
    assert decode(content, LIMITS).alpha is not None


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_the_way_viewers_show_them(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quadrants = np.zeros((48, 64, 3), np.uint8)
    quadrants[:24, :32, 0], quadrants[:24, 32:, 1], quadrants[24:, :32, 2] = 255, 255, 255
    content = saved(quadrants, format=file_format, exif=exif, lossless=True, subsampling=0)
    expected = {
        1: quadrants,
        2: quadrants[:, ::-1],
        3: quadrants[::-1, ::-1],
        4: quadrants[::-1],
        5: quadrants.transpose(1, 0, 2),
        6: np.rot90(quadrants, -1),
        7: quadrants[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(quadrants),
    }[orientation]
    np.testing.assert_allclose(decode(content, LIMITS).pixels, expected, atol=3)


def test_a_heif_photo_is_turned_once() -> None:
    pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(heif(FACE[:64], exif=exif.tobytes()), LIMITS).pixels.shape == (96, 64, 3)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_impossible_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(saved(FACE, format="PNG", exif=exif), LIMITS).pixels, FACE)


def test_of_several_jpeg_frames_the_first_is_read() -> None:
    other = Image.new("RGB", (96, 96), (0, 255, 0))
    content = saved(FACE, format="MPO", save_all=True, append_images=[other], quality=95, subsampling=0)
    picture = decode(content, LIMITS)
    assert picture.format == "JPEG"
    assert np.abs(picture.pixels.astype(int) - FACE).mean() < 4


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved_image(Image.new("L", (4000, 4000)), format="PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(PhotoTooLarge, match=r"16\.0 megapixels, allowed are 10"):
        decode(content, LIMITS)


def test_decompression_bombs_are_refused_whatever_the_limit() -> None:
    header = bytearray(saved(FACE, format="BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(PhotoTooLarge) as caught:
        decode(bytes(header), Limits(max_megapixels=10_000, max_megabytes=10))
    assert isinstance(caught.value.__cause__, Image.DecompressionBombError)


def test_our_limit_counts_not_pillows_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 96 * 96 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(file_of("PNG"), LIMITS).pixels.shape == FACE.shape


def test_too_many_bytes_are_refused_and_the_advice_names_the_key() -> None:
    with pytest.raises(PhotoTooLarge, match=r"allowed are 0\.001") as caught:
        decode(file_of("PNG"), Limits(max_megapixels=10, max_megabytes=0.001))
    assert "max_megabytes" in caught.value.advice


def test_a_lack_of_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", no_memory)
    with pytest.raises(PhotoTooLarge, match="memory"):
        decode(file_of("PNG"), LIMITS)


def sixteen_bit_rgb_png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (96, 96))]}
UNSUPPORTED = {
    "CMYK": lambda: saved_image(Image.fromarray(FACE).convert("CMYK"), format="JPEG"),
    "I;16": lambda: saved(np.zeros((8, 8), np.uint16), format="PNG"),
    "more than 8 bits": sixteen_bit_rgb_png,
    "F pixels": lambda: saved(np.zeros((8, 8), np.float32), format="TIFF"),
    "a GIF": lambda: saved(FACE, format="GIF"),
    "a PNG file with several": lambda: saved(FACE, format="PNG", **FRAMES),
    "a WEBP file with several": lambda: saved(FACE, format="WEBP", **FRAMES),
    "a TIFF file with several": lambda: saved(FACE, format="TIFF", **FRAMES),
    "an AVIF": lambda: b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(range(64)),
    "a video": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(64)),
    "a PDF": lambda: b"%PDF-1.7\n" + bytes(range(64)),
    "a JPEG 2000": lambda: saved(FACE, format="JPEG2000"),
}


@pytest.mark.parametrize("reason", UNSUPPORTED)
def test_pictures_that_would_not_come_through_whole_are_refused_with_the_reason(reason: str) -> None:
    with pytest.raises(UnsupportedPhoto, match=reason):
        decode(UNSUPPORTED[reason](), LIMITS)


def test_without_pillow_heif_the_advice_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x48mdat" + bytes(range(64))
    with pytest.raises(UnsupportedPhoto) as caught:
        decode(content, LIMITS)
    assert "pip install 'lowkeyd[heif]'" in caught.value.advice


@pytest.mark.parametrize(
    "content", [b"I am a text, " * 9, b"<svg>" * 20, b"\x7fELF" + bytes(range(99)), bytes(range(200))]
)
def test_what_is_no_picture_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadablePhoto, match="not a picture"):
        decode(content, LIMITS)


@pytest.mark.parametrize("content", [b"", bytes(5000), b"\xff", b"\x89PNG", b"RIFF"])
def test_a_file_that_has_barely_begun_is_incomplete(content: bytes) -> None:
    with pytest.raises(PhotoIncomplete):
        decode(content, LIMITS)


@pytest.mark.parametrize("name", EVERY)
def test_wherever_a_file_ends_early_it_is_incomplete_or_whole(name: str) -> None:
    content = file_of(name)
    whole = decode(content, LIMITS).pixels
    for length in {*range(3, len(content), max(len(content) // 120, 1)), *range(len(content) - 16, len(content))}:
        try:
            picture = decode(content[:length], LIMITS)
        except PhotoIncomplete:
            continue
        np.testing.assert_array_equal(picture.pixels, whole, err_msg=f"cut at {length}")


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG", "lossless WEBP", "LZW TIFF", "HEIF"])
def test_a_file_whose_space_is_reserved_but_not_yet_written_is_incomplete(name: str) -> None:
    content = file_of(name)
    for written in range(len(content) // 10, len(content) - 1100, len(content) // 10):
        with pytest.raises(PhotoIncomplete):
            decode(content[:written] + bytes(len(content) - written), LIMITS)


def test_zeros_after_the_end_of_a_jpeg_do_no_harm() -> None:
    """Some cameras pad their files."""
    assert decode(file_of("JPEG") + bytes(4096), LIMITS).pixels.shape == FACE.shape


@pytest.mark.parametrize("name", EVERY)
def test_damaged_bytes_raise_nothing_but_our_errors(name: str) -> None:
    """What Pillow raises is translated; and what it accepts can be written again."""
    random = np.random.default_rng(7)
    content = np.frombuffer(file_of(name), np.uint8)
    refused = 0
    for attempt in range(250):
        reach = min(600, len(content)) if attempt % 2 else len(content)  # headers matter most
        damaged = content.copy()
        damaged[random.integers(0, reach, size=4)] = random.integers(0, 256, size=4)
        try:
            picture = decode(damaged.tobytes(), LIMITS)
        except (PhotoError, TryLater):
            refused += 1
        else:
            encode(picture, picture.pixels)
    assert refused > 5


@pytest.mark.parametrize("raised", [*DECODER_ERRORS, UnicodeDecodeError, IndexError, NotImplementedError])
def test_each_of_pillows_errors_is_translated(monkeypatch: pytest.MonkeyPatch, raised: type[Exception]) -> None:
    cause = UnicodeDecodeError("utf-8", b"", 0, 1, "damaged") if raised is UnicodeDecodeError else raised("damaged")

    def fail(_: ImageFile.ImageFile) -> None:
        raise cause

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(UnreadablePhoto, match="damaged PNG file") as caught:
        decode(file_of("PNG"), LIMITS)
    assert caught.value.__cause__ is cause


def test_translated_errors_keep_their_cause() -> None:
    content = bytearray(file_of("PNG"))
    content[60:90] = b"x" * 30
    with pytest.raises(LowkeydError) as caught:
        decode(bytes(content), LIMITS)
    assert caught.value.__cause__ is not None


def test_pillow_is_left_as_it_was() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    decode(file_of("HEIF"), LIMITS)
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def test_a_picture_prints_short() -> None:
    assert len(repr(decode(file_of("JPEG"), LIMITS))) < 300


def test_real_photos_are_read(photo_paths: list[Path]) -> None:
    for path in photo_paths:
        content = path.read_bytes()
        picture = decode(content, Limits(100, 100))
        with Image.open(BytesIO(content)) as image:
            assert sorted(picture.pixels.shape[:2]) == sorted(image.size), path.name
        with pytest.raises(PhotoIncomplete):
            decode(content[: len(content) // 2], Limits(100, 100))
