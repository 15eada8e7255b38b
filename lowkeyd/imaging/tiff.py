"""The directories that TIFF files and EXIF blocks are made of: tagged fields, kept as the bytes they are.

Nothing is interpreted on the way from one file to the next, so a field is copied exactly or not at all, and whatever
is not asked for by its tag stays behind.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
"""Kinds of values that are made here; a file may use all of them."""
BITS_PER_SAMPLE = 258

_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
_HEADERS = {b"II*\0": "<", b"MM\0*": ">"}
_MAX_FIELDS = 1000
_MAX_INTEGERS = 1 << 20
"""Far more than any camera writes, and what a hostile file may cost in time and memory."""


@dataclass(frozen=True)
class Field:
    """One field; `raw` in the byte order of the block it was read from, `count` in values of its kind."""

    kind: int
    count: int
    raw: bytes = field(repr=False)


Directory = dict[int, Field]
"""Tag: field."""


def order_of(block: bytes) -> str:
    """Its byte order, as `struct` writes it. Raises struct.error for what is no TIFF."""
    try:
        return _HEADERS[block[:4]]
    except KeyError:
        raise struct.error("no TIFF header") from None


def end_of(block: bytes, directory: int, tag: int) -> int:
    """Where a field's bytes end, if they lie outside of the directory; 0 if it has none such. Raises struct.error."""
    order = order_of(block)
    (count,) = struct.unpack_from(order + "H", block, directory)
    for number in range(min(count, _MAX_FIELDS)):
        found, kind, values, place = struct.unpack_from(order + "HHII", block, directory + 2 + 12 * number)
        size = values * _VALUE_BYTES.get(kind, 0)
        if found == tag and size > 4:
            return int(place + size)
    return 0


def first(block: bytes) -> int:
    """Where the first directory lies."""
    return int(struct.unpack_from(order_of(block) + "I", block, 4)[0])


def read(block: bytes, offset: int, *, strict: bool = False) -> Directory:
    """The directory at `offset`. Fields that lie beyond the end are passed over, or `strict`, raise struct.error."""
    order = order_of(block)
    (count,) = struct.unpack_from(order + "H", block, offset)
    directory = {}
    for number in range(min(count, _MAX_FIELDS)):
        try:
            tag, value = _field(block, order, offset + 2 + 12 * number)
        except struct.error:
            if strict:
                raise
            continue
        if value is not None:
            directory[tag] = value
    return directory


def _field(block: bytes, order: str, entry: int) -> tuple[int, Field | None]:
    tag, kind, count = struct.unpack_from(order + "HHI", block, entry)
    size = _VALUE_BYTES.get(kind, 0) * count
    place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", block, entry + 8)[0]
    if place + size > len(block):
        raise struct.error(f"field {tag} lies beyond the end")
    return tag, Field(kind, count, block[place : place + size]) if size else None


def following(block: bytes, offset: int) -> int:
    """Where the directory after the one at `offset` lies; 0 after the last."""
    order = order_of(block)
    (count,) = struct.unpack_from(order + "H", block, offset)
    return int(struct.unpack_from(order + "I", block, offset + 2 + 12 * count)[0])


def integers(value: Field | None, order: str) -> tuple[int, ...]:
    """A field's whole numbers; none when it is missing, holds something else, or too many."""
    if value is None or value.kind not in _INTEGERS or value.count > _MAX_INTEGERS:
        return ()
    return struct.unpack(f"{order}{value.count}{_INTEGERS[value.kind]}", value.raw)


def longs(order: str, *values: int) -> Field:
    """A field of 32-bit numbers."""
    return Field(LONG, len(values), struct.pack(f"{order}{len(values)}I", *values))


def shorts(order: str, *values: int) -> Field:
    """A field of 16-bit numbers."""
    return Field(SHORT, len(values), struct.pack(f"{order}{len(values)}H", *values))


def rational(order: str, number: float) -> Field:
    """A field of one fraction."""
    return Field(RATIONAL, 1, struct.pack(order + "II", round(number * 1000), 1000))


def write(order: str, directory: Directory, children: Mapping[int, Directory], start: int) -> bytes:
    """A directory that will lie at offset `start`, and behind it those that its tags point to.

    Empty children are left out.
    """
    pointed = {tag: child for tag, child in children.items() if child}
    whole = {**directory, **{tag: longs(order, 0) for tag in pointed}}
    place = start + _size(whole)
    written = []
    for tag, child in pointed.items():
        whole[tag] = longs(order, place)
        written.append(_serialise(order, child, place))
        place += len(written[-1])
    return _serialise(order, whole, start) + b"".join(written)


def header(order: str, offset: int) -> bytes:
    """What a file begins with whose first directory lies at `offset`."""
    mark = next(mark for mark, known in _HEADERS.items() if known == order)
    return mark + struct.pack(order + "I", offset)


def _size(directory: Directory) -> int:
    return 2 + 12 * len(directory) + 4 + sum(_padded(len(value.raw)) for value in directory.values())


def _padded(size: int) -> int:
    return size + size % 2 if size > 4 else 0


def _serialise(order: str, directory: Directory, start: int) -> bytes:
    entries, values = [], []
    place = start + 2 + 12 * len(directory) + 4
    for tag, value in sorted(directory.items()):
        inline = len(value.raw) <= 4
        pointer = value.raw.ljust(4, b"\0") if inline else struct.pack(order + "I", place)
        entries.append(struct.pack(order + "HHI", tag, value.kind, value.count) + pointer)
        if not inline:
            values.append(value.raw.ljust(_padded(len(value.raw)), b"\0"))
            place += len(values[-1])
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4) + b"".join(values)
