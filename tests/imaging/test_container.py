"""What a file is, told without decoding it."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lowkeyd.errors import PhotoIncomplete, PhotoLeftAlone, UnreadablePhoto, UnsupportedPhoto
from lowkeyd.imaging.container import (
    coded_colour,
    has_several_pages,
    holds_film,
    is_lossless_webp,
    is_sequence,
    png_bits,
    sniff,
)
from tests.imaging.make import COMMON, portrait, saved, saved_image

FACE = portrait()


def fuller_webp(**options: bool) -> bytes:
    """A WebP with chunks before the picture's own."""
    return saved(FACE, format="WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", icc_profile=bytes(131), **options)


@pytest.mark.parametrize("name", COMMON)
def test_the_first_bytes_tell_the_format_not_the_name(name: str) -> None:
    assert sniff(saved(FACE, **COMMON[name])) == COMMON[name]["format"]


def box(brands: bytes) -> bytes:
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + bytes(range(40))


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0heic", b"heix\0\0\0\0"])
def test_heif_is_told_by_any_of_its_brands(brands: bytes) -> None:
    assert sniff(box(brands)) == "HEIF"


@pytest.mark.parametrize("brands", [b"avif\0\0\0\0mif1miaf", b"mif1\0\0\0\0mif1avif"])
def test_avif_is_told_by_any_of_its_brands(brands: bytes) -> None:
    assert sniff(box(brands)) == "AVIF"


@pytest.mark.parametrize(("brand", "moves"), [(b"avif", False), (b"avis", True), (b"heic", False), (b"hevc", True)])
def test_a_sequence_is_told_by_its_brand(brand: bytes, moves: bool) -> None:
    assert is_sequence(box(brand + bytes(4))) is moves


@pytest.mark.parametrize(
    ("begin", "error"),
    [(b"\xff\x0a", UnsupportedPhoto), (b"\0\0\0\x10ftypqt  ", UnsupportedPhoto), (b"hello", UnreadablePhoto)],
)
def test_other_files_are_told_apart(begin: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        sniff(begin + bytes(range(60)))


def test_a_few_bytes_tell_nothing_yet() -> None:
    with pytest.raises(PhotoIncomplete, match="a file of 20 bytes"):
        sniff(saved(FACE, format="JPEG")[:20])
    with pytest.raises(PhotoIncomplete, match="given its space"):
        sniff(bytes(5000))


def test_lossless_webp_is_told_by_the_pictures_own_chunk() -> None:
    assert is_lossless_webp(fuller_webp(lossless=True))
    assert not is_lossless_webp(fuller_webp())
    assert not is_lossless_webp(fuller_webp()[:40])


@pytest.mark.parametrize(("mode", "bits"), [("1", 1), ("L", 8), ("I;16", 16)])
def test_a_png_tells_its_depth(mode: str, bits: int) -> None:
    assert png_bits(saved_image(Image.new(mode, (4, 4)), format="PNG")) == bits


def test_colours_that_are_told_by_a_number_are_found() -> None:
    assert coded_colour(saved(FACE, format="AVIF", speed=10), "AVIF") == (1, 13)
    assert coded_colour(b"nothing of the kind", "AVIF") is None
    assert coded_colour(b"cut short: colrnclx\0", "AVIF") is None
    assert coded_colour(saved(FACE, format="PNG"), "PNG") is None


def test_a_film_is_found_behind_a_jpeg_not_within() -> None:
    content = saved(FACE, format="JPEG", comment=b"ftyp")
    assert not holds_film(content, "JPEG")
    assert holds_film(content + b"\0\0\0\x18ftypmp42", "JPEG")
    assert holds_film(b"\0\0\0\x08mpvd", "HEIF")


def tiff_pages(*subfile_types: int) -> bytes:
    import tifffile

    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for kind in subfile_types:
            writer.write(np.zeros((16, 16), np.uint8), subfiletype=kind, photometric="minisblack")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kinds", "several"),
    [((0,), False), ((0, 0), True), ((0, 1), False), ((0, 1, 1), False), ((0, 1, 0), True), ((1, 0), True)],
)
def test_smaller_versions_of_a_page_are_no_further_pages(kinds: tuple[int, ...], several: bool) -> None:
    assert has_several_pages(tiff_pages(*kinds)) is several


def test_pages_that_run_in_a_circle_come_to_an_end() -> None:
    content = bytearray(tiff_pages(0, 0))
    first = int.from_bytes(content[4:8], "little")
    link = first + 2 + 12 * int.from_bytes(content[first : first + 2], "little")
    content[link : link + 4] = first.to_bytes(4, "little")
    assert not has_several_pages(bytes(content))


def test_a_plain_tiff_whose_first_colours_spell_a_raw_files_mark_is_none() -> None:
    assert sniff(b"II*\0\x0c\0\0\0CR\x05\0" + struct.pack("<HHHII", 1, 256, 4, 1, 4) + bytes(20)) == "TIFF"
    with pytest.raises(PhotoLeftAlone):
        sniff(b"II*\0\x10\0\0\0CR\x02\0" + bytes(40))


def test_one_frame_of_an_animation_is_as_lossless_as_it_is() -> None:
    frames = [Image.fromarray(FACE), Image.fromarray(FACE[::-1])]
    for lossless in (True, False):
        content = saved_image(frames[0], format="WEBP", save_all=True, append_images=frames[1:], lossless=lossless)
        assert b"ANMF" in content
        assert is_lossless_webp(content) is lossless
