"""Whether a file is whole, told without decoding it."""

import struct

import numpy as np
import pytest

from lowkeyd.imaging import tiff
from lowkeyd.imaging.container import sniff
from lowkeyd.imaging.endings import end_of_jpeg, ends_early, explains_failure
from tests.imaging.make import COMMON, heif, portrait, saved

FACE = portrait()
EVERY = {**COMMON, "GIF": {"format": "GIF"}}


@pytest.mark.parametrize("name", EVERY)
def test_whole_files_are_never_accused(name: str) -> None:
    content = saved(FACE, **EVERY[name])
    assert not ends_early(content, sniff(content))
    assert not explains_failure(content, sniff(content))


@pytest.mark.parametrize("name", EVERY)
def test_half_a_file_explains_a_failure(name: str) -> None:
    content = saved(FACE, **EVERY[name])
    assert explains_failure(content[: len(content) // 2], sniff(content))


@pytest.mark.parametrize("name", ["AVIF", "HEIF", "GIF", "PNG", "WEBP"])
def test_a_file_that_stops_inside_a_piece_ends_early(name: str) -> None:
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
    content = heif(FACE) if name == "HEIF" else saved(FACE, **EVERY[name])
    lengths = (len(content), len(content) - 1, 40)
    assert [ends_early(content[:length], name) for length in lengths] == [False, True, True]


def test_fill_bytes_before_a_jpegs_marker_do_not_hide_what_follows() -> None:
    """Any number of them is legal (ITU-T T.81, B.1.1.2)."""
    plain = saved(FACE, format="JPEG")
    content = plain[:2] + b"\xff\xff" + plain[2:]
    assert end_of_jpeg(content + b"a film") == len(content)
    assert ends_early(content[: len(content) // 2], "JPEG")


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_photo() -> None:
    thumbnail = saved(FACE[::4, ::4], format="JPEG")
    content = saved(FACE, format="JPEG", exif=b"Exif\0\0" + thumbnail)
    assert ends_early(content[:-100], "JPEG")
    assert end_of_jpeg(content + b"a film") == len(content)


def test_a_black_picture_may_end_in_zeros() -> None:
    content = saved(FACE * 0, format="BMP")
    assert content.endswith(bytes(1024))
    assert not ends_early(content, "BMP")


def test_a_gif_with_colours_comments_and_padding_is_whole() -> None:
    content = saved(FACE, format="GIF", comment=b"a comment")
    assert not ends_early(content + bytes(4096), "GIF")
    assert ends_early(content[: len(content) // 3] + bytes(4096), "GIF")


def padded_exif() -> bytes:
    """As Windows writes it: room for more at the end."""
    padding = tiff.Field(tiff.UNDEFINED, 2060, bytes([0x1C, 0xEA]) + bytes(2058))
    return b"Exif\0\0" + tiff.header("<", 8) + tiff.write("<", {0xEA1C: padding}, {}, 8)


@pytest.mark.parametrize("name", ["WEBP", "HEIF"])
def test_exif_that_ends_in_room_for_more_is_no_missing_end(name: str) -> None:
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
    exif = padded_exif()
    content = heif(FACE, exif=exif) if name == "HEIF" else saved(FACE, format="WEBP", exif=exif)
    assert content.endswith(bytes(1024))
    assert not ends_early(content, name)
    cut = len(content) // 3
    assert ends_early(content[:cut] + bytes(len(content) - cut), name), "only its space has been reserved"


@pytest.mark.parametrize("name", ["AVIF", "HEIF"])
@pytest.mark.parametrize("trailer", [b"\n", b"a trailer of another program", b"\0\0\x10\0free" + bytes(4088)])
def test_what_hangs_on_a_whole_photo_does_not_make_it_half_a_one(name: str, trailer: bytes) -> None:
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
    content = heif(FACE) if name == "HEIF" else saved(FACE, **EVERY[name])
    assert not ends_early(content + trailer, name)
    assert ends_early(content[:-1], name)
    assert ends_early(content[:-2000] + bytes(2000), name), "reserved"


def test_exif_with_room_for_more_before_the_picture_excuses_no_missing_end() -> None:
    """libavif writes EXIF before the picture."""
    content = saved(FACE, format="AVIF", speed=10, exif=padded_exif())
    assert not ends_early(content, "AVIF")
    assert ends_early(content[:-2000] + bytes(2000), "AVIF")


def mdat(content: bytes) -> int:
    """Where the box of coded pictures begins; it stands last."""
    place = content.rindex(b"mdat") - 4
    assert place + int.from_bytes(content[place : place + 4], "big") == len(content)
    return place


def test_a_box_that_goes_on_to_the_end_ends_early_where_only_its_space_has_been_reserved() -> None:
    content = saved(FACE, **COMMON["AVIF"])
    endless = content[: mdat(content)] + bytes(4) + content[mdat(content) + 4 :]
    assert not ends_early(endless, "AVIF")
    assert ends_early(endless[:-1100] + bytes(1100), "AVIF")


def test_a_box_whose_size_takes_eight_bytes_ends_early_too() -> None:
    content = saved(FACE, **COMMON["AVIF"])
    picture = content[mdat(content) + 8 :]
    large = content[: mdat(content)] + struct.pack(">I4sQ", 1, b"mdat", 16 + len(picture)) + picture
    assert not ends_early(large, "AVIF")
    assert ends_early(large[:-1], "AVIF")


@pytest.mark.parametrize(("zeros", "early"), [(100, False), (1023, False), (1024, True)])
def test_a_coded_picture_may_end_in_some_zeros(zeros: int, early: bool) -> None:
    content = saved(np.random.default_rng(0).integers(0, 256, FACE.shape, np.uint8), **COMMON["AVIF"])
    assert len(content) - mdat(content) > 2000
    assert ends_early(content[:-1100] + b"x" * (1100 - zeros) + bytes(zeros), "AVIF") is early


def test_zeros_before_something_else_are_not_room_for_what_is_to_come() -> None:
    pytest.importorskip("pillow_heif")
    content = heif(FACE, exif=padded_exif().removeprefix(b"Exif\0\0"))
    film = (8 + 4).to_bytes(4, "big") + b"mpvdfilm"
    assert not ends_early(content + film, "HEIF")


@pytest.mark.parametrize("zeros", [8, 600, 4096])
def test_zeros_behind_a_webps_picture_do_not_make_it_half_a_one(zeros: int) -> None:
    whole = saved(FACE, format="WEBP", quality=90)
    content = whole[:4] + (len(whole) - 8 + zeros).to_bytes(4, "little") + whole[8:] + bytes(zeros)
    assert not ends_early(content, "WEBP")


def test_a_heif_that_was_cut_right_behind_its_exifs_mark_ends_early() -> None:
    pytest.importorskip("pillow_heif")
    content = heif(FACE)
    start = content.index(b"mdat") + 4
    cut = content[:start] + b"x" * 40 + b"Exif\0\0MM\0*"
    assert ends_early(cut + bytes(len(content) - len(cut)), "HEIF")
