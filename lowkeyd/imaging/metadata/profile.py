"""The colour profile: kept, because without it colours change, but only the parts of it that concern colour."""

import struct

from lowkeyd.imaging.metadata.text import MAX_CHARACTERS

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
HEADER_BYTES = 128
_ID = slice(84, 100)  # a checksum of the profile
_MAX_PARTS, _MAX_OVERLAP = 100, 2

_COLOUR_PARTS = frozenset({
    b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad", b"chrm", b"cicp", b"lumi",
    b"A2B0", b"A2B1", b"A2B2", b"A2B3", b"B2A0", b"B2A1", b"B2A2", b"B2A3", b"D2B0", b"D2B1", b"D2B2", b"D2B3", b"B2D0",
    b"B2D1", b"B2D2", b"B2D3", b"gamt", b"pre0", b"pre1", b"pre2", b"tech", b"view", b"meas", b"rig0", b"ciis", b"clrt",
})  # fmt: skip
_TEXT_PARTS = frozenset({b"desc", b"cprt", b"dmnd", b"dmdd", b"vued"})
_MAX_TEXT_BYTES = 4 * MAX_CHARACTERS  # a description in thirty languages


def keep_profile(profile: object, mode: str) -> bytes | None:
    """The ICC profile for pixels of this mode, without private and strange parts; None when there is no sound one.

    Monitors' profiles carry serial numbers in such parts, and a file could carry anything.
    """
    if not isinstance(profile, bytes) or len(profile) < HEADER_BYTES + 4:
        return None
    if profile[36:40] != b"acsp" or _MODES.get(profile[16:20]) != mode:
        return None
    try:
        parts = _parts(profile)
    except struct.error:
        return None
    rebuilt = assembled(profile[:HEADER_BYTES], [part for part in parts if _is_kept(*part)])
    # Of the same length, there was no room for anything else: then the very bytes are kept, checksum and all.
    return profile if len(rebuilt) == len(profile) else rebuilt


def _parts(profile: bytes) -> list[tuple[bytes, bytes]]:
    (count,) = struct.unpack_from(">I", profile, HEADER_BYTES)
    parts, places = [], dict[int, int]()
    for number in range(min(count, _MAX_PARTS)):
        name, start, size = struct.unpack_from(">4sII", profile, HEADER_BYTES + 4 + 12 * number)
        if start < HEADER_BYTES or start + size > len(profile):
            raise struct.error("a part lies beyond the end")
        places[start] = max(size, places.get(start, 0))
        if sum(places.values()) > _MAX_OVERLAP * len(profile):
            raise struct.error("parts lie over one another")
        parts.append((name, profile[start : start + size]))
    return parts


def _is_kept(name: bytes, part: bytes) -> bool:
    return name in _COLOUR_PARTS or (name in _TEXT_PARTS and len(part) <= _MAX_TEXT_BYTES)


def assembled(header: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    """A profile of named parts. Equal ones, such as one curve for three colours, are stored once."""
    table, body = struct.pack(">I", len(parts)), b""
    start = HEADER_BYTES + 4 + 12 * len(parts)
    places: dict[bytes, int] = {}
    for name, part in parts:
        if part not in places:
            places[part] = start + len(body)
            body += part + bytes(-len(part) % 4)
        table += struct.pack(">4sII", name, places[part], len(part))
    size = struct.pack(">I", start + len(body))
    return size + header[4 : _ID.start] + bytes(16) + header[_ID.stop :] + table + body
