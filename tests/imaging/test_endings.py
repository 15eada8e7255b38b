"""Whether a file is whole, told without decoding it."""

import pytest

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
