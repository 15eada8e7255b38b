"""Directories of fields are read and written as the bytes they are."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lowkeyd.imaging import tiff
from tests.imaging.make import deep_tiff, portrait


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_is_written_is_read_again(order: str) -> None:
    fields = {
        270: tiff.Field(tiff.ASCII, 12, b"hello world\0"),
        272: tiff.Field(tiff.ASCII, 3, b"ab\0"),
        282: tiff.rational(order, 300),
        258: tiff.shorts(order, 16, 16, 16),
    }
    child = {33434: tiff.rational(order, 0.01), 37510: tiff.Field(tiff.UNDEFINED, 9, b"ASCII\0\0\0a")}
    block = tiff.header(order, 8) + tiff.write(order, fields, {34665: child, 34853: {}}, 8)
    read = tiff.read(block, tiff.first(block))
    assert {tag: read[tag] for tag in fields} == fields
    assert tiff.order_of(block) == order
    assert 34853 not in read
    assert tiff.read(block, tiff.integers(read[34665], order)[0]) == child
    assert tiff.following(block, 8) == 0


def test_pillow_reads_what_is_written() -> None:
    child = {33434: tiff.rational("<", 0.5)}
    block = tiff.header("<", 8) + tiff.write("<", {271: tiff.Field(tiff.ASCII, 5, b"Make\0")}, {34665: child}, 8)
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    assert (exif[271], float(exif.get_ifd(34665)[33434])) == ("Make", 0.5)


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_other_programs_files_are_read(byteorder: str) -> None:
    content = deep_tiff(portrait(), photometric="rgb", byteorder=byteorder)
    read = tiff.read(content, tiff.first(content), strict=True)
    assert tiff.integers(read[tiff.BITS_PER_SAMPLE], tiff.order_of(content)) == (8, 8, 8)


def test_fields_beyond_the_end_are_passed_over_or_refused() -> None:
    fields = {270: tiff.Field(tiff.ASCII, 12, b"hello world\0"), 258: tiff.shorts("<", 8)}
    block = tiff.header("<", 8) + tiff.write("<", fields, {}, 8)
    assert set(tiff.read(block[:-4], 8)) == {258}
    with pytest.raises(struct.error):
        tiff.read(block[:-4], 8, strict=True)


@pytest.mark.parametrize("block", [b"", b"II", b"II*\0", b"JPEG"])
def test_what_is_no_tiff_is_refused(block: bytes) -> None:
    with pytest.raises(struct.error):
        tiff.read(block, tiff.first(block))


def test_whole_numbers_only_and_not_too_many() -> None:
    assert tiff.integers(tiff.rational("<", 3), "<") == ()
    assert tiff.integers(None, "<") == ()
    assert tiff.integers(tiff.Field(1, 2_000_000, bytes(2_000_000)), "<") == ()
    assert tiff.integers(tiff.Field(8, 2, struct.pack(">hh", -1, 5)), ">") == (-1, 5)


def test_random_bytes_raise_nothing_else() -> None:
    random = np.random.default_rng(3)
    for _ in range(500):
        block = b"II*\0" + random.integers(0, 256, 200).astype(np.uint8).tobytes()
        try:
            tiff.read(block, int(random.integers(0, 220)))
        except struct.error:
            continue


def test_a_file_may_have_its_directory_at_the_end() -> None:
    block = tiff.header(">", 108) + BytesIO(bytes(100)).read() + tiff.write(">", {258: tiff.shorts(">", 1)}, {}, 108)
    assert tiff.integers(tiff.read(block, tiff.first(block))[258], ">") == (1,)
