"""IPTC's captions and keywords go along, its previews do not."""

import struct

import numpy as np
import pytest

from lowkeyd.imaging.metadata.iptc import DataSet, block, read, resource, segment
from tests.imaging.label import PREVIEW, iptc_with, photoshop_with


def test_texts_go_along_and_previews_stay_behind() -> None:
    kept = read(iptc_with())
    assert {one.number: one.value.decode() for one in kept if one.record == 2} == {
        5: "Titel für alle",
        25: "holiday",
        90: "PLACE-NAME",
        120: "A caption",
    }
    assert [one.number for one in kept if one.is_place] == [90]
    assert PREVIEW[:100] in iptc_with()
    assert PREVIEW[:100] not in block(kept)


def test_numbers_by_which_a_network_knows_its_own_photo_stay_behind() -> None:
    instructions = [DataSet(2, 40, text) for text in (b"FBMD0f000768010000b7700000a6ca01004c", b"Crop freely")]
    reference = DataSet(2, 103, b"xyzUNIQUE")
    assert read(block((*instructions, reference))) == (instructions[1],)


def test_what_is_written_is_read_again_with_its_character_set() -> None:
    kept = read(iptc_with())
    assert read(block(kept)) == kept
    assert kept[0] == DataSet(1, 90, b"\x1b%G")


def test_a_segment_is_one_of_a_jpeg() -> None:
    whole = segment(read(iptc_with()))
    assert whole[:2] == b"\xff\xed"
    assert struct.unpack(">H", whole[2:4])[0] == len(whole) - 2
    assert resource(whole[18:]) == block(read(iptc_with()))
    assert segment(()) == b""
    assert segment((DataSet(2, 120, b"x" * 2000),) * 40) == b""


def test_the_block_is_found_among_photoshops_resources() -> None:
    assert resource(photoshop_with((0x040C, PREVIEW), (0x0404, b"here"))) == b"here"
    assert resource(photoshop_with((0x040C, PREVIEW))) is None
    assert resource(b"8BIM\x04\x04") is None


@pytest.mark.parametrize(
    "odd", [None, b"", b"\x1c", b"\x1c\x02\x19\xff\xff", b"\x1c\x02\x19\x80\x04\0\0\0\x05hello", b"x"]
)
def test_odd_blocks_say_nothing(odd: object) -> None:
    assert read(odd) == ()


def test_damaged_blocks_end_where_they_are_damaged() -> None:
    random = np.random.default_rng(5)
    source = np.frombuffer(iptc_with(), np.uint8)
    for _ in range(500):
        damaged = source.copy()
        damaged[random.integers(0, len(source), size=3)] = random.integers(0, 256, size=3)
        assert PREVIEW[:100] not in block(read(damaged.tobytes()))
