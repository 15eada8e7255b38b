"""Where XMP stands in a file: programs look for one packet, and there may be several."""

import binascii
import re
import struct
import zlib
from collections.abc import Iterable
from itertools import islice

from lowkeyd.imaging import container

_MAX_PACKETS, _MAX_PACKET_BYTES = 8, 40_000_000
_NAMES = re.compile(rb"[0-9A-Fa-f]{32}")
_UNREADABLE = b"<"
_PACKET, _FURTHER_PACKET = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_FURTHER_HEADER = len(_FURTHER_PACKET) + 32 + 4  # which packet it belongs to, its whole length; then its offset


def of_file(content: bytes, kind: str) -> list[bytes]:
    """All XMP of a JPEG, PNG or WebP: there may be several packets."""
    if kind == "JPEG":
        found: Iterable[bytes] = _jpeg_packets(content)
    elif kind == "WEBP":
        found = (body for name, body in container.webp_chunks(content) if name == b"XMP ")
    elif kind == "PNG":
        found = (packet for name, body in container.png_chunks(content) if (packet := _png_packet(name, body)))
    else:
        return []
    packets = list(islice(found, _MAX_PACKETS + 1))
    return packets if len(packets) <= _MAX_PACKETS else [*packets[:_MAX_PACKETS], _UNREADABLE]


def _jpeg_packets(content: bytes) -> list[bytes]:
    """What does not fit into one segment is spread over more, which the packet before names (XMP, part 3, 1.1.3.1).
    Parts of an older one that nobody names may have been left behind."""
    bodies = list(container.segments(content, 0xFFE1))
    whole = [body.removeprefix(_PACKET) for body in bodies if body.startswith(_PACKET)]
    named = {name for packet in whole for name in _NAMES.findall(packet)}
    spread: dict[bytes, dict[int, bytes]] = {}
    lengths: dict[bytes, int] = {}
    for body in bodies:
        if body.startswith(_FURTHER_PACKET) and len(body) >= _FURTHER_HEADER + 4:
            name = body[len(_FURTHER_PACKET) : len(_FURTHER_PACKET) + 32]
            lengths[name], offset = struct.unpack_from(">II", body, _FURTHER_HEADER - 4)
            spread.setdefault(name, {})[offset] = body[_FURTHER_HEADER + 4 :]
    joined = {name: b"".join(parts[offset] for offset in sorted(parts)) for name, parts in spread.items()}
    return whole + [packet for name, packet in joined.items() if name in named or len(packet) == lengths[name]]


def _png_packet(name: bytes, body: bytes) -> bytes | None:
    """XMP as the standard has it, or as ImageMagick writes it."""
    keyword, _, rest = body.partition(b"\0")
    if name == b"iTXt" and keyword == b"XML:com.adobe.xmp" and len(rest) > 2:
        text = rest[2:].split(b"\0", 2)[-1]
        return _inflated(text) if rest[0] else text
    if name in (b"tEXt", b"zTXt") and keyword == b"Raw profile type xmp":
        text = _inflated(rest[1:]) if name == b"zTXt" else rest
        digits = b"".join(text.split()[2:])  # after its name and length
        try:
            return binascii.unhexlify(digits)
        except binascii.Error:
            return _UNREADABLE
    return None


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, _MAX_PACKET_BYTES)
    except zlib.error:
        return _UNREADABLE
