"""Bytes that come from anywhere become pixels, or one of four errors."""

import base64
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from lowkeyd.errors import (
    LowkeydError,
    PhotoError,
    PhotoIncomplete,
    PhotoLeftAlone,
    PhotoTooLarge,
    SeveralPictures,
    TryLater,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from lowkeyd.imaging.decode import DECODER_ERRORS, Limits, decode
from lowkeyd.imaging.metadata.colorimetry import display_p3
from tests.imaging.make import (
    COMMON,
    LIMITS,
    deep_png,
    deep_portrait,
    deep_tiff,
    encoded,
    heif,
    png_chunk,
    portrait,
    saved,
    saved_image,
)

FACE = portrait()
DEEP = deep_portrait()
LOSSLESS = ("PNG", "lossless WEBP", "TIFF", "LZW TIFF", "BMP")
EVERY = [*COMMON, "GIF", "HEIF", "CMYK JPEG", "16-bit PNG", "16-bit TIFF"]


def file_of(name: str) -> bytes:
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
        return heif(FACE)
    if name == "CMYK JPEG":
        return saved_image(Image.fromarray(FACE).convert("CMYK"), format="JPEG")
    if name.startswith("16-bit"):
        return deep_png(DEEP) if name == "16-bit PNG" else deep_tiff(DEEP, photometric="rgb")
    return saved(FACE, **COMMON.get(name, {"format": name}))


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_very_pixels(name: str) -> None:
    picture = decode(file_of(name), LIMITS)
    np.testing.assert_array_equal(picture.pixels, FACE)
    assert (picture.alpha, picture.format) == (None, COMMON[name]["format"])


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "WEBP", "AVIF", "HEIF"])
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


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_the_way_viewers_show_them(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quadrants = np.zeros((48, 64, 3), np.uint8)
    quadrants[:24, :32, 0], quadrants[:24, 32:, 1], quadrants[24:, :32, 2] = 255, 255, 255
    sampling = "4:4:4" if file_format in ("JPEG", "AVIF") else None
    content = saved(quadrants, format=file_format, exif=exif, lossless=True, subsampling=sampling, quality=95)
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


def test_our_limit_counts_for_bombs_too() -> None:
    header = bytearray(saved(FACE, format="BMP"))
    header[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(PhotoTooLarge, match=r"3600\.0 megapixels, allowed are 10"):
        decode(bytes(header), LIMITS)


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


FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (96, 96))]}


def jpeg_with_frame(marker: int, precision: int) -> bytes:
    """A JPEG whose frame header says so."""
    content = saved(FACE, format="JPEG")
    place = content.index(b"\xff\xc0")
    return (
        content[:place]
        + bytes([0xFF, marker])
        + content[place + 2 : place + 4]
        + bytes([precision])
        + content[place + 5 :]
    )


UNSUPPORTED = {
    "F pixels": lambda: saved(np.zeros((8, 8), np.float32), format="TIFF"),
    "I pixels": lambda: saved(np.zeros((8, 8), np.int32), format="TIFF"),
    "LAB pixels": lambda: saved_image(Image.new("LAB", (8, 8)), format="TIFF"),
    "16 bits per channel in an arrangement": lambda: deep_tiff(
        np.moveaxis(DEEP, 2, 0), photometric="rgb", planarconfig="separate", compression="zlib"
    ),
    "12 bits per channel": lambda: jpeg_with_frame(0xC1, 12),
    "a lossless JPEG": lambda: jpeg_with_frame(0xC3, 8),
    "in one AVIF file": lambda: saved(FACE, format="AVIF", speed=10, **FRAMES),
    "in one GIF file": lambda: saved(FACE, format="GIF", **FRAMES),
    "in one PNG file": lambda: saved(FACE, format="PNG", **FRAMES),
    "in one WEBP file": lambda: saved(FACE, format="WEBP", **FRAMES),
    "in one TIFF file": lambda: saved(FACE, format="TIFF", **FRAMES),
    "high dynamic range": lambda: saved(FACE, format="AVIF", speed=10).replace(
        b"colrnclx\0\x01\0\r", b"colrnclx\0\t\0\x10"
    ),
    "a video": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(64)),
    "a PDF": lambda: b"%PDF-1.7\n" + bytes(range(64)),
    "a JPEG 2000": lambda: saved(FACE, format="JPEG2000"),
    "a JPEG XL": lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(range(64)),
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
    assert "pip install pillow-heif" in caught.value.advice


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
            encoded(picture, picture.pixels)
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


def test_pillow_never_makes_up_for_missing_bytes() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


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


# ---- depth, colour, mode: the photo's own values


def tiff_by_libtiff(values: Any, *options: str, **written: Any) -> bytes:
    """A TIFF as libtiff's own tool packs it."""
    tool = shutil.which("tiffcp")
    if tool is None:
        pytest.skip("tiffcp (libtiff-tools) is not installed")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.tif", Path(folder) / "b.tif"
        source.write_bytes(deep_tiff(values, **written))
        subprocess.run([tool, *options, source, target], check=True, capture_output=True)
        return target.read_bytes()


DEEP_RGBA = np.dstack((DEEP, DEEP[..., 0]))
DEEP_FILES: dict[str, tuple[Any, Callable[[], bytes]]] = {
    "PNG": (DEEP, lambda: deep_png(DEEP)),
    "PNG with alpha": (DEEP_RGBA, lambda: deep_png(DEEP_RGBA)),
    "grey PNG": (DEEP[..., :1], lambda: deep_png(DEEP[..., :1])),
    "grey PNG with alpha": (DEEP[..., :2], lambda: deep_png(np.ascontiguousarray(DEEP[..., :2]))),
    "TIFF": (DEEP, lambda: deep_tiff(DEEP, photometric="rgb")),
    "big-endian TIFF": (DEEP, lambda: deep_tiff(DEEP, photometric="rgb", byteorder=">")),
    "TIFF with alpha": (DEEP_RGBA, lambda: deep_tiff(DEEP_RGBA, photometric="rgb", extrasamples=["unassalpha"])),
    "CMYK TIFF": (DEEP_RGBA, lambda: deep_tiff(DEEP_RGBA, photometric="separated")),
    "grey TIFF": (DEEP[..., :1], lambda: deep_tiff(DEEP[..., 0])),
    "big-endian grey TIFF": (DEEP[..., :1], lambda: deep_tiff(DEEP[..., 0], byteorder=">")),
    "white-is-zero TIFF": (65535 - DEEP[..., :1], lambda: deep_tiff(DEEP[..., 0], photometric="miniswhite")),
    "LZW TIFF": (DEEP, lambda: tiff_by_libtiff(DEEP, "-c", "lzw:2", photometric="rgb")),
    "deflated TIFF in tiles": (DEEP, lambda: tiff_by_libtiff(DEEP, "-t", "-c", "zip:2", photometric="rgb")),
    "big-endian LZW TIFF": (DEEP, lambda: tiff_by_libtiff(DEEP, "-c", "lzw", photometric="rgb", byteorder=">")),
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_all_sixteen_bits_are_read(name: str) -> None:
    values, content = DEEP_FILES[name]
    picture = decode(content(), LIMITS)
    read = picture.values if picture.alpha is None else np.dstack((picture.values, picture.alpha))
    np.testing.assert_array_equal(read, values)
    assert read.dtype == np.uint16
    assert picture.pixels.dtype == np.uint8


def interlaced(values: Any) -> bytes:
    """An 8- or 16-bit RGB PNG that is sent in seven passes (Adam7)."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = [row for top, left, down, across in passes for row in values[top::down, left::across] if row.size]
    raw = b"".join(b"\0" + row.astype(f">u{values.itemsize}").tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 8 * values.itemsize, 2, 0, 0, 1)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


@pytest.mark.parametrize("values", [FACE, DEEP, DEEP[:5, :3]])
def test_interlaced_pngs_are_read(values: Any) -> None:
    np.testing.assert_array_equal(decode(interlaced(values), LIMITS).values, values)


def test_a_grey_heif_of_ten_bits_is_neither_dark_nor_white() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    values = np.ascontiguousarray(DEEP[..., 0])
    buffer = BytesIO()
    pillow_heif.from_bytes("I;16", values.shape[::-1], values.tobytes()).save(buffer, quality=95)
    picture = decode(buffer.getvalue(), LIMITS)
    assert picture.values.dtype == np.uint16
    assert np.abs(picture.pixels[..., 0].astype(int) - DEEP[..., 0] / 257).mean() < 4
    assert decode(encoded(picture, picture.pixels).content, LIMITS).format == "JPEG"


def test_what_is_seen_of_sixteen_bits_is_rounded_not_cut_off() -> None:
    picture = decode(deep_png(DEEP), LIMITS)
    np.testing.assert_array_equal(picture.pixels, np.rint(DEEP / 257).astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sixteen_bit_colour_that_stands_for_transparent_is_alpha(channels: int) -> None:
    values = np.ascontiguousarray(DEEP[..., :channels])
    key = values[5, 7].astype(">u2").tobytes()
    picture = decode(deep_png(values, (b"tRNS", key)), LIMITS)
    assert picture.alpha is not None
    assert (picture.alpha[5, 7], picture.alpha[50, 50]) == (0, 65535)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_sixteen_bits_are_turned_as_eight_are(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    deep = decode(deep_png(DEEP[:64], (b"eXIf", block)), LIMITS)
    shallow = decode(saved(np.rint(DEEP[:64] / 257).astype(np.uint8), format="PNG", exif=exif), LIMITS)
    np.testing.assert_array_equal(deep.pixels, shallow.pixels)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_eight_bit_tiffs_in_planes_are_read(planar: str) -> None:
    values = FACE if planar == "contig" else np.moveaxis(FACE, 2, 0)
    content = deep_tiff(values, photometric="rgb", planarconfig=planar)
    np.testing.assert_array_equal(decode(content, LIMITS).pixels, FACE)


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_shown_as_colour_and_kept_as_ink(file_format: str) -> None:
    image = Image.fromarray(FACE).convert("CMYK")
    picture = decode(saved_image(image, format=file_format, quality=100, subsampling=0), LIMITS)
    assert (picture.space.mode, picture.values.shape[2]) == ("CMYK", 4)
    assert np.abs(picture.pixels.astype(int) - FACE).mean() < 2


def test_wide_colours_are_shown_as_srgb() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    plain = decode(saved(red, format="PNG"), LIMITS).pixels[0, 0]
    wide = decode(saved(red, format="PNG", icc_profile=display_p3()), LIMITS).pixels[0, 0]
    assert (int(plain[0]), int(wide[0])) == (
        200,
        219,
    )  # 219: by hand, with the matrix from P3 to sRGB (red to red: 1.2249)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_wide_colours_that_are_told_by_a_number_are_known_too(kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
        content = heif(FACE, save_nclx_profile=True)
    else:
        content = saved(FACE, format="AVIF", speed=10)
    place = content.index(b"colrnclx") + 8
    wide = content[:place] + b"\0\x0c\0\x0d" + content[place + 4 :]
    assert decode(content, LIMITS).space.profile is None
    assert decode(wide, LIMITS).space.profile == display_p3()


def test_a_profile_that_does_not_fit_does_not_count() -> None:
    grey = saved_image(Image.fromarray(FACE).convert("L"), format="JPEG", icc_profile=display_p3())
    assert decode(grey, LIMITS).space.profile is None
    broken = display_p3()[:200] + bytes(len(display_p3()) - 200)
    assert decode(saved(FACE, format="PNG", icc_profile=broken), LIMITS).space.profile is None


# ---- kinds of files


ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDA"
    "sKDAkKCgr/yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wDiZWTNxgJpukbKKyHx9ci3b4dm4P/Z"
)
"""A 16 x 16 grey ramp, coded arithmetically by libjpeg-turbo's jpegtran."""


def test_arithmetic_coding_is_read() -> None:
    picture = decode(ARITHMETIC, LIMITS)
    np.testing.assert_allclose(picture.values[..., 0], np.tile(np.arange(8, 256, 16), (16, 1)), atol=4)


def preview_before_picture() -> bytes:
    """As Nikon and others write their RAW files."""
    import tifffile

    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(FACE[::4, ::4], photometric="rgb", subfiletype=1, subifds=1)
        writer.write(DEEP[..., 0], photometric="minisblack")
    return buffer.getvalue()


RAW = {
    "DNG": lambda: deep_tiff(DEEP[..., 0], extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]),
    "a sensor's values": lambda: deep_tiff(DEEP[..., 0], photometric=32803),
    "a preview before the picture": preview_before_picture,
    "CR2": lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(range(1, 99)),
    "CR3": lambda: b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(range(64)),
    "RAF": lambda: b"FUJIFILMCCD-RAW 0201" + bytes(range(64)),
    "RW2": lambda: b"IIU\0\x18\0\0\0" + bytes(range(64)),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_files_are_left_alone_whatever_they_are_called(name: str) -> None:
    with pytest.raises(PhotoLeftAlone, match=r"^raw: "):
        decode(RAW[name](), LIMITS)


def test_a_moving_picture_says_what_to_do() -> None:
    with pytest.raises(SeveralPictures) as caught:
        decode(saved(FACE, format="GIF", **FRAMES), LIMITS)
    assert "file of its own" in caught.value.advice


def test_what_of_the_file_is_left_out_is_said() -> None:
    other = Image.new("RGB", (96, 96), (0, 255, 0))
    two = saved(FACE, format="MPO", save_all=True, append_images=[other])
    film = saved(FACE, format="JPEG") + b"\0\0\0\x18ftypmp42" + bytes(500)
    assert decode(two, LIMITS).left_out == ("1 further picture in the file",)
    assert decode(film, LIMITS).left_out == ("the film of a Motion Photo",)
    assert decode(saved(FACE, format="JPEG"), LIMITS).left_out == ()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_grey_that_stands_for_transparent_is_found_at_any_depth(bits: int) -> None:
    greys = min(2**bits, 16)
    row = np.arange(greys, dtype=np.uint8).repeat(32 // min(greys, 32))
    packed = np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].reshape(-1))
    head = struct.pack(">IIBBBBB", len(row), 1, bits, 0, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"tRNS", struct.pack(">H", greys - 1))
        + png_chunk(b"IDAT", zlib.compress(b"\0" + packed.tobytes()))
        + png_chunk(b"IEND", b"")
    )
    picture = decode(content, LIMITS)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha[0] == 0, row == greys - 1)


def test_long_blocks_of_other_programs_are_no_damage() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Raw profile type 8bim", "0123456789abcdef" * 100_000, zip=True)
    assert decode(saved(FACE, format="PNG", pnginfo=texts), LIMITS).pixels.shape == FACE.shape


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"extrasamples": ["unassalpha"], "planarconfig": "separate", "photometric": "minisblack"}, "plane of its own"),
        ({"dtype": np.int8, "photometric": "minisblack"}, "have a sign"),
    ],
)
def test_tiffs_that_would_be_read_wrongly_are_refused(options: dict[str, Any], said: str) -> None:
    import tifffile

    planes = np.stack([FACE[..., 0], FACE[..., 1]])
    values = FACE[..., 0].astype(options.pop("dtype")) if "dtype" in options else planes
    buffer = BytesIO()
    tifffile.imwrite(buffer, values, **options)
    with pytest.raises(UnsupportedPhoto, match=said):
        decode(buffer.getvalue(), LIMITS)


def test_an_avif_that_shows_but_a_part_of_itself_is_refused() -> None:
    content = saved(FACE, format="AVIF", speed=10)
    aperture = struct.pack(">I4s8I", 40, b"clap", 48, 1, 48, 1, 0, 1, 0, 1)
    cropped = bytearray(content)
    for name in (b"meta", b"iprp", b"ipco"):
        place = content.index(name) - 4
        (size,) = struct.unpack_from(">I", content, place)
        struct.pack_into(">I", cropped, place, size + len(aperture))
    data = content.index(b"mdat") + 4
    struct.pack_into(">I", cropped, content.index(struct.pack(">I", data)), data + len(aperture))
    end = place + size
    cropped[end:end] = aperture
    assert decode(content, LIMITS).pixels.shape == FACE.shape
    with pytest.raises(UnsupportedPhoto, match="only a part"):
        decode(bytes(cropped), LIMITS)


def test_alpha_in_a_plane_of_its_own_is_read_where_it_can_be() -> None:
    import tifffile

    values = np.dstack((FACE, FACE[..., 0]))
    buffer = BytesIO()
    planes = values.transpose(2, 0, 1)
    tifffile.imwrite(buffer, planes, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"])
    picture = decode(buffer.getvalue(), LIMITS)
    assert picture.alpha is not None
    np.testing.assert_array_equal(np.dstack((picture.values, picture.alpha)), values)
