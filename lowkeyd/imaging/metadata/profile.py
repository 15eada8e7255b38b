"""The colour profile: kept, because without it colours change, but only the parts of it that concern colour."""

import struct

from lowkeyd.imaging.metadata.text import MAX_CHARACTERS

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_HEADER_BYTES = 128
_ID = slice(84, 100)  # a checksum of the profile
_MAX_PARTS = 100

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
    if not isinstance(profile, bytes) or len(profile) < _HEADER_BYTES + 4:
        return None
    if profile[36:40] != b"acsp" or _MODES.get(profile[16:20]) != mode:
        return None
    try:
        parts = _parts(profile)
    except struct.error:
        return None
    rebuilt = _assembled(profile[:_HEADER_BYTES], [part for part in parts if _is_kept(*part)])
    # Of the same length, there was no room for anything else: then the very bytes are kept, checksum and all.
    return profile if len(rebuilt) == len(profile) else rebuilt


def _parts(profile: bytes) -> list[tuple[bytes, bytes]]:
    (count,) = struct.unpack_from(">I", profile, _HEADER_BYTES)
    parts = []
    for number in range(min(count, _MAX_PARTS)):
        name, start, size = struct.unpack_from(">4sII", profile, _HEADER_BYTES + 4 + 12 * number)
        if start < _HEADER_BYTES or start + size > len(profile):
            raise struct.error("a part lies beyond the end")
        parts.append((name, profile[start : start + size]))
    return parts


def _is_kept(name: bytes, part: bytes) -> bool:
    return name in _COLOUR_PARTS or (name in _TEXT_PARTS and len(part) <= _MAX_TEXT_BYTES)


def _assembled(header: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    """Equal parts, such as one curve for three colours, are stored once."""
    table, body = struct.pack(">I", len(parts)), b""
    start = _HEADER_BYTES + 4 + 12 * len(parts)
    places: dict[bytes, int] = {}
    for name, part in parts:
        if part not in places:
            places[part] = start + len(body)
            body += part + bytes(-len(part) % 4)
        table += struct.pack(">4sII", name, places[part], len(part))
    size = struct.pack(">I", start + len(body))
    return size + header[4 : _ID.start] + bytes(16) + header[_ID.stop :] + table + body


_D50 = (0.9642, 1.0, 0.8249)
_P3_COLUMNS = {
    b"rXYZ": (0.515102, 0.241182, -0.001050),
    b"gXYZ": (0.291965, 0.692236, 0.041882),
    b"bXYZ": (0.157153, 0.066582, 0.784378),
}
"""Display P3's primaries, adapted to D50. Source: SMPTE EG 432-1 primaries with D65, Bradford adaptation."""
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Exponent, slope and offset above the last number, slope below it. Source: IEC 61966-2-1."""


def display_p3() -> bytes:
    """An ICC profile (version 4) for files that tell their colours by a number, which other formats cannot hold."""
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(_fixed(number) for number in _SRGB_CURVE)
    name = "Display P3".encode("utf-16-be")
    text = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(name), 28) + name
    parts = [(b"desc", text), (b"cprt", text), (b"wtpt", _xyz(_D50))]
    parts += [(column, _xyz(values)) for column, values in _P3_COLUMNS.items()]
    parts += [(colour + b"TRC", curve) for colour in (b"r", b"g", b"b")]
    header = bytearray(_HEADER_BYTES)
    header[8:12] = b"\x04\x30\0\0"
    header[12:24] = b"mntrRGB XYZ "
    header[36:40] = b"acsp"
    header[68:80] = b"".join(_fixed(number) for number in _D50)
    return _assembled(bytes(header), parts)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(number) for number in values)


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))
