"""EXIF fields go along as the bytes they are; what is not named, or does not hold what its name says, stays behind."""

import struct

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.ExifTags import IFD, Base

from lowkeyd.imaging import tiff
from lowkeyd.imaging.metadata.exif import NO_EXIF, read
from tests.imaging.label import GPS, PREVIEW, SECRETS, exif_with


def kept(exif: Image.Exif | bytes) -> Image.Exif:
    """What comes of a block, read by Pillow."""
    block = exif if isinstance(exif, bytes) else exif.tobytes()
    again = Image.Exif()
    again.load(read(block)[0].block(640, 480))
    return again


def test_camera_lens_dates_and_rights_go_along() -> None:
    exif = kept(exif_with())
    camera = exif.get_ifd(IFD.Exif)
    named = {ExifTags.TAGS.get(tag, ""): value for tag, value in {**exif, **camera}.items()}
    assert {name: named[name] for name in ("Make", "Model", "DateTime", "ImageDescription", "Copyright")} == {
        "Make": "Kamera",
        "Model": "K 1",
        "DateTime": "2026:01:02 03:04:05",
        "ImageDescription": "A caption",
        "Copyright": "Somebody",
    }
    assert named["DateTimeOriginal"] == "2026:01:02 03:04:05"
    assert (named["OffsetTimeOriginal"], named["LensModel"], named["ColorSpace"]) == ("+01:00", "50 mm", 1)
    assert float(named["ExposureTime"]) == pytest.approx(0.01)
    assert exif.get_ifd(IFD.GPSInfo) == {**GPS}


def test_the_size_is_the_copys_own() -> None:
    camera = kept(exif_with()).get_ifd(IFD.Exif)
    assert (camera[Base.ExifImageWidth], camera[Base.ExifImageHeight]) == (640, 480)


def test_previews_serial_numbers_owner_and_orientation_stay_behind() -> None:
    block = exif_with(orientation=6)
    exif, orientation = read(block)
    written = exif.block(640, 480)
    assert orientation == 6
    assert all(secret in block for secret in SECRETS if secret != b"FACE-NAME")
    assert [secret for secret in SECRETS if secret in written] == []
    again = kept(block)
    assert Base.Orientation not in again
    assert not again.get_ifd(IFD.IFD1)
    assert not again.get_ifd(IFD.MakerNote)


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_keep_their_letters_and_their_byte_order(order: str) -> None:
    title = "Überschrift".encode("utf-16-le")
    fields = {
        int(Base.Artist): tiff.Field(tiff.ASCII, 7, "Jürge".encode() + b"\0"),
        int(Base.Copyright): tiff.Field(tiff.ASCII, 4, b"\xe9\xe8x\0"),
        int(Base.XPTitle): tiff.Field(1, len(title) + 2, title + b"\0\0"),
        int(Base.Rating): tiff.shorts(order, 4),
    }
    exif, _ = read(tiff.header(order, 8) + tiff.write(order, fields, {}, 8))
    assert exif.order == order
    assert exif.main == fields


def test_a_comment_that_is_text_is_kept() -> None:
    for code, text in ((b"ASCII\0\0\0", b"Hello"), (b"UNICODE\0", "Grüße".encode("utf-16-be"))):
        camera = {int(Base.UserComment): tiff.Field(tiff.UNDEFINED, 8 + len(text), code + text)}
        block = tiff.header(">", 8) + tiff.write(">", {}, {int(IFD.Exif): camera}, 8)
        assert read(block)[0].camera == camera


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"ASCII\0\0\0" + "Grüße".encode(), None),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("iso2022_jp"), None),
        (b"ASCII\0\0\0Hello" + bytes(70_000), b"ASCII\0\0\0Hello"),
        (b"UNICODE\0" + "Hi".encode("utf-16-le") + bytes(100), b"UNICODE\0H\0i\0"),
    ],
)
def test_a_comment_is_kept_in_whichever_letters_and_its_padding_is_not(written: bytes, kept: bytes | None) -> None:
    camera = {int(Base.UserComment): tiff.Field(tiff.UNDEFINED, len(written), written)}
    block = tiff.header("<", 8) + tiff.write("<", {}, {int(IFD.Exif): camera}, 8)
    assert read(block)[0].camera[int(Base.UserComment)].raw == (kept or written)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (b"A Photographer\0An Editor\0", None),
        (b" \0An Editor\0", None),
        (b"A Photographer\0", None),
        (b"\x93quoted\x94\0", None),
        (b"A Photographer\0An Editor\0" + PREVIEW, b"A Photographer\0An Editor\0"),
        (b"A Photographer\0" + PREVIEW.replace(b"\0", b"\1"), b"A Photographer\0"),
        (PREVIEW.replace(b"\0", b"\1") + b"\0", ...),
    ],
)
def test_the_copyrights_of_photographer_and_editor_are_kept(written: bytes, kept: object) -> None:
    fields = {int(Base.Copyright): tiff.Field(tiff.ASCII, len(written), written)}
    found = read(tiff.header("<", 8) + tiff.write("<", fields, {}, 8))[0].main
    if kept is ...:
        assert found == {}
    else:
        assert found[int(Base.Copyright)].raw == (kept or written)


def test_what_follows_the_end_of_a_text_is_cut_off() -> None:
    fields = {int(Base.Artist): tiff.Field(tiff.ASCII, 6 + len(PREVIEW), b"Somme\0" + PREVIEW)}
    exif, _ = read(tiff.header("<", 8) + tiff.write("<", fields, {}, 8))
    assert exif.main[int(Base.Artist)].raw == b"Somme\0"


@pytest.mark.parametrize("kind", [1, tiff.ASCII, tiff.UNDEFINED, tiff.LONG])
@pytest.mark.parametrize("tag", [Base.Artist, Base.XPComment, Base.XResolution])
def test_a_picture_in_a_harmless_field_stays_behind(tag: Base, kind: int) -> None:
    body = PREVIEW + bytes(-len(PREVIEW) % 4)
    fields = {int(tag): tiff.Field(kind, len(body) // (4 if kind == tiff.LONG else 1), body)}
    exif, _ = read(tiff.header("<", 8) + tiff.write("<", fields, {}, 8))
    assert all(len(value.raw) < 20 for value in exif.main.values())


@pytest.mark.parametrize(
    "block", [None, "text", b"", b"Exif\0\0", b"II*\0", b"II*\0\xff\xff\xff\xff", bytes(range(256))]
)
def test_what_is_no_block_says_nothing(block: object) -> None:
    assert read(block) == (NO_EXIF, 1)
    assert NO_EXIF.block(4, 4) == b""


def test_damaged_blocks_cost_fields_only() -> None:
    random = np.random.default_rng(5)
    block = np.frombuffer(exif_with(), np.uint8)
    for _ in range(500):
        damaged = block.copy()
        damaged[random.integers(6, 300, size=5)] = random.integers(0, 256, size=5)
        exif, _ = read(damaged.tobytes())
        written = exif.block(4, 4)
        assert PREVIEW[:300] not in written
        assert len(written) < 6000
        kept(damaged.tobytes()).get_ifd(ExifTags.IFD.Exif)


def test_a_directory_that_points_to_itself_comes_to_an_end() -> None:
    fields = {int(IFD.Exif): tiff.longs("<", 8)}
    exif, _ = read(tiff.header("<", 8) + tiff.write("<", fields, {}, 8))
    assert exif.camera == {}


def test_a_huge_count_costs_neither_time_nor_memory() -> None:
    entry = struct.pack("<HHII", int(Base.Orientation), tiff.LONG, 0x3FFFFFFF, 8)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + entry * 2000
    assert read(block) == (NO_EXIF.__class__("<", {}, {}, {}), 1)
