"""IPTC-IIM: the captions and keywords of older programs, in a JPEG's or TIFF's Photoshop block."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lowkeyd.imaging.metadata.text import decoded, is_tracking, is_written

RESOURCE = 0x0404
"""The number of the Photoshop resource that holds it; others hold thumbnails."""

_MARK = 0x1C
_MAX_DATA_SETS = 1000
_ENVELOPE, _APPLICATION = 1, 2
_CHARACTER_SET = (_ENVELOPE, 90)
_KEYWORDS = ((_APPLICATION, 25), (_APPLICATION, 20))  # the latter are supplemental categories
_INSTRUCTIONS = (_APPLICATION, 40)
_PLACES = frozenset({90, 92, 95, 100, 101})
_KEPT = _PLACES | {5, 7, 10, 15, 20, 25, 40, 55, 60, 62, 63, 65, 70, 75, 80, 85, 105, 110, 115, 116, 118, 120, 122}
"""Title, urgency, categories, keywords, instructions, dates and times, software, author, headline, credit, source,
copyright, contact, caption and its writer. Data sets from 200 hold previews. Source: IPTC-IIM 4.2, section 6."""


@dataclass(frozen=True)
class DataSet:
    """One entry: record, number, value."""

    record: int
    number: int
    value: bytes

    @property
    def is_place(self) -> bool:
        """Whether it says where the photo was taken."""
        return self.record == _APPLICATION and self.number in _PLACES

    @property
    def keyword(self) -> str | None:
        """If it is one."""
        return decoded(self.value) if (self.record, self.number) in _KEYWORDS else None


def read(block: object) -> tuple[DataSet, ...]:
    """The data sets that may go along; reading ends where the block is damaged."""
    if not isinstance(block, bytes):
        return ()
    kept = tuple(one for one in _data_sets(block) if _is_kept(one))
    return kept if any(one.record == _APPLICATION for one in kept) else ()


def _data_sets(block: bytes) -> Iterator[DataSet]:
    position = 0
    for _ in range(_MAX_DATA_SETS):
        if position + 5 > len(block) or block[position] != _MARK:
            return
        record, number, size = struct.unpack_from(">BBH", block, position + 1)
        position += 5
        if size & 0x8000 or position + size > len(block):  # an extended size: nobody writes texts so long
            return
        yield DataSet(record, number, block[position : position + size])
        position += size


def _is_kept(one: DataSet) -> bool:
    if (one.record, one.number) == _CHARACTER_SET:
        return len(one.value) <= 8
    if (one.record, one.number) == _INSTRUCTIONS and is_tracking(decoded(one.value)):
        return False
    return one.record == _APPLICATION and one.number in _KEPT and is_written(decoded(one.value))


def block(data_sets: tuple[DataSet, ...]) -> bytes:
    """The data sets as they lie in a file."""
    return b"".join(
        struct.pack(">BBBH", _MARK, one.record, one.number, len(one.value)) + one.value for one in data_sets
    )


def segment(data_sets: tuple[DataSet, ...]) -> bytes:
    """A JPEG's segment with them; empty when there are none, or more than fit."""
    data = block(data_sets)
    body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", RESOURCE, 0, len(data)) + data + bytes(len(data) % 2)
    if not data or len(body) > 65_533:
        return b""
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def resource(block: bytes) -> bytes | None:
    """The IPTC block within a TIFF file's Photoshop block, which may be the only place where it stands."""
    position = 0
    while block[position : position + 4] == b"8BIM" and position + 12 <= len(block):
        (number, name_bytes) = struct.unpack_from(">HB", block, position + 4)
        position += 6 + name_bytes + 1 + (name_bytes + 1) % 2
        if position + 4 > len(block):
            return None
        (size,) = struct.unpack_from(">I", block, position)
        if number == RESOURCE:
            return block[position + 4 : position + 4 + size]
        position += 4 + size + size % 2
    return None
