"""What a file is and whether it is whole, told without decoding it."""

import pytest
from PIL import Image

from lowkeyd.errors import PhotoIncomplete, UnreadablePhoto, UnsupportedPhoto
from lowkeyd.imaging.container import ends_early, explains_failure, is_lossless_webp, png_bits, sniff
from tests.imaging.make import COMMON, heif, portrait, saved, saved_image

FACE = portrait()


def fuller_webp(**options: bool) -> bytes:
    """A WebP with chunks before the picture's own."""
    return saved(FACE, format="WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", icc_profile=bytes(131), **options)


@pytest.mark.parametrize("name", COMMON)
def test_the_first_bytes_tell_the_format_not_the_name(name: str) -> None:
    assert sniff(saved(FACE, **COMMON[name])) == COMMON[name]["format"]


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0heic", b"heix\0\0\0\0"])
def test_heif_is_told_by_any_of_its_brands(brands: bytes) -> None:
    assert sniff((8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + bytes(range(40))) == "HEIF"


@pytest.mark.parametrize(
    ("begin", "error"),
    [(b"GIF89a", UnsupportedPhoto), (b"\0\0\0\x10ftypqt  ", UnsupportedPhoto), (b"hello", UnreadablePhoto)],
)
def test_other_files_are_told_apart(begin: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        sniff(begin + bytes(range(60)))


def test_a_few_bytes_tell_nothing_yet() -> None:
    with pytest.raises(PhotoIncomplete):
        sniff(saved(FACE, format="JPEG")[:20])


@pytest.mark.parametrize("name", COMMON)
def test_whole_files_are_never_accused(name: str) -> None:
    content = saved(FACE, **COMMON[name])
    assert not ends_early(content, sniff(content))
    assert not explains_failure(content, sniff(content))


@pytest.mark.parametrize("name", COMMON)
def test_half_a_file_explains_a_failure(name: str) -> None:
    content = saved(FACE, **COMMON[name])
    assert explains_failure(content[: len(content) // 2], sniff(content))


def test_a_heif_that_stops_inside_a_box_ends_early() -> None:
    pytest.importorskip("pillow_heif")
    content = heif(FACE)
    assert [ends_early(content[:length], "HEIF") for length in (len(content), len(content) - 1, 30)] == [
        False,
        True,
        True,
    ]


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_photo() -> None:
    thumbnail = saved(FACE[::4, ::4], format="JPEG")
    content = saved(FACE, format="JPEG", exif=b"Exif\0\0" + thumbnail)
    assert ends_early(content[:-100], "JPEG")


def test_a_black_picture_may_end_in_zeros() -> None:
    content = saved(FACE * 0, format="BMP")
    assert content.endswith(bytes(1024))
    assert not ends_early(content, "BMP")


def test_lossless_webp_is_told_by_the_pictures_own_chunk() -> None:
    assert is_lossless_webp(fuller_webp(lossless=True))
    assert not is_lossless_webp(fuller_webp())
    assert not is_lossless_webp(fuller_webp()[:40])


@pytest.mark.parametrize(("mode", "bits"), [("1", 1), ("L", 8), ("I;16", 16)])
def test_a_png_tells_its_depth(mode: str, bits: int) -> None:
    assert png_bits(saved_image(Image.new(mode, (4, 4)), format="PNG")) == bits
