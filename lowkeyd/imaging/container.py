"""What a file is, told from its bytes alone: its name does not count. Nothing here decodes pixels."""

import struct
from collections.abc import Iterator

from lowkeyd.errors import PhotoIncomplete, PhotoLeftAlone, UnreadablePhoto, UnsupportedPhoto
from lowkeyd.imaging import endings, tiff

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
)
_UNREAD_SIGNATURES = (
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
)
_RAW_SIGNATURES = (
    b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb", b"II\x1a\0\0\0HEAPCCDR",
)  # fmt: skip
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_SEQUENCE_BRANDS = frozenset({b"avis", b"msf1", b"hevc", b"hevx"})
_RAW_BRAND = b"crx "
_SMALLEST_PHOTO_BYTES = 32
_BLANK_BYTES = 1024
"""A file that begins with so many zeros has only been given its space."""


def sniff(content: bytes) -> str:
    """The format by its signature: JPEG, PNG, WEBP, TIFF, GIF, BMP, AVIF or HEIF.

    Raises PhotoIncomplete for a file that has barely begun, UnsupportedPhoto for a known format that is not read,
    PhotoLeftAlone for a camera's RAW file, and UnreadablePhoto for anything else.
    """
    if len(content) < _SMALLEST_PHOTO_BYTES:
        raise PhotoIncomplete(f"a file of {len(content)} bytes, which is no picture yet")
    if not content[:_BLANK_BYTES].strip(b"\0"):
        raise PhotoIncomplete("the file has been given its space, and nothing has been written to it")
    if content.startswith(_RAW_SIGNATURES):
        raise PhotoLeftAlone.raw()
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            _object(content, name)
            return name
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        return _sniff_ftyp(content)
    for signature, phrase in _UNREAD_SIGNATURES:
        if content.startswith(signature):
            raise UnsupportedPhoto(f"{phrase}, which is not read")
    raise UnreadablePhoto("not a picture: no known format begins like this")


def _object(content: bytes, name: str) -> None:
    """Raise what there is to be said against a file whose signature is a photo's."""
    if name == "TIFF" and _is_raw(content):
        raise PhotoLeftAlone.raw()
    if name == "JPEG" and (kind := _unread_jpeg(content)):
        raise UnsupportedPhoto(f"{kind}, which is not read")


def _sniff_ftyp(content: bytes) -> str:
    brands = _brands(content)
    if _RAW_BRAND in brands:
        raise PhotoLeftAlone.raw()
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    raise UnsupportedPhoto("a video, or a picture in a video's container")


def _brands(content: bytes) -> set[bytes]:
    # The major brand, and after four bytes of version the compatible ones, four bytes each.
    box = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
    return {box[position : position + 4] for position in range(0, len(box), 4) if position != 4}


def is_sequence(content: bytes) -> bool:
    """Whether an AVIF or HEIF file calls itself a moving picture."""
    return content[8:12] in _SEQUENCE_BRANDS


def coded_colour(content: bytes, kind: str) -> tuple[int, int] | None:
    """Colour primaries and transfer curve by their numbers in ITU-T H.273; 2 is "unspecified". None where a file, or
    a format, does not tell them so."""
    if kind == "PNG":
        numbers = png_colour(content).get(b"cICP", b"")
        is_told = len(numbers) == _CICP_BYTES and (numbers[0], numbers[1]) != _UNSPECIFIED
        return (numbers[0], numbers[1]) if is_told else None
    place = content.find(b"colrnclx") if kind in ("AVIF", "HEIF") else -1
    if place < 0 or place + 12 > len(content):
        return None
    primaries, transfer = struct.unpack_from(">HH", content, place + 8)
    return int(primaries), int(transfer)


_PNG_COLOUR = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"sBIT")
_CICP_BYTES, _MAX_COLOUR_BYTES = 4, 32
_UNSPECIFIED = (2, 2)
_MAX_CHUNKS = 10_000
_FRAME_HEADER_BYTES = 16  # of an animation's frame, which holds chunks of its own


def png_colour(content: bytes) -> dict[bytes, bytes]:
    """A PNG's chunks that say how its values are meant, but for the profile."""
    found: dict[bytes, bytes] = {}
    for name, body in png_chunks(content):
        if name == b"IDAT":
            break
        if name in _PNG_COLOUR and len(body) <= _MAX_COLOUR_BYTES:
            found.setdefault(name, body)
    return found


_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 254, 259, 262, 330, 50706
_RAW_COMPRESSIONS = frozenset({32767, 34713, 65535})  # Sony, Nikon, Pentax
_RAW_PHOTOMETRICS = frozenset({32803, 34892})  # what the sensor saw, in TIFF/EP and in DNG


def _is_raw(content: bytes) -> bool:
    """RAW files are TIFFs whose first picture is often a mere preview, which must not be taken for the photo."""
    try:
        order, fields = tiff.order_of(content), tiff.read(content, tiff.first(content))
    except struct.error:
        return False

    def value(tag: int) -> int:
        return next(iter(tiff.integers(fields.get(tag), order)), 0)

    is_preview = bool(value(_SUBFILE_TYPE) & 1) and _SUB_DIRECTORIES in fields
    return (
        content[8:11] == b"CR\x02"
        or _DNG_VERSION in fields
        or is_preview
        or value(_COMPRESSION) in _RAW_COMPRESSIONS
        or value(_PHOTOMETRIC) in _RAW_PHOTOMETRICS
    )


_NO_PAGE = 1 | 4  # bits of a subfile's type: a smaller version of another one, a mask for it
_MAX_PAGES = 1000


def has_several_pages(content: bytes) -> bool:
    """Whether a TIFF holds more than one picture, smaller versions of the first and masks for it not counted."""
    others = [not kind & _NO_PAGE for kind in _subfile_types(content)]
    return len(others) > 1 and (not others[0] or any(others[1:]))


def _subfile_types(content: bytes) -> Iterator[int]:
    order, place = tiff.order_of(content), tiff.first(content)
    seen: set[int] = set()
    while place and place not in seen and len(seen) < _MAX_PAGES:
        seen.add(place)
        yield next(iter(tiff.integers(tiff.read(content, place).get(_SUBFILE_TYPE), order)), 0)
        place = tiff.following(content, place)


_LOSSLESS_FRAMES = frozenset({0xFFC3, 0xFFC7, 0xFFCB, 0xFFCF, 0xFFF7})
_NO_FRAMES = frozenset({0xFFC4, 0xFFC8, 0xFFCC})  # tables, between the markers of frames


def _unread_jpeg(content: bytes) -> str | None:
    for marker, body, _ in endings.jpeg_segments(content):
        if marker in _LOSSLESS_FRAMES:
            return "a lossless JPEG"
        if 0xFFC0 <= marker <= 0xFFCF and marker not in _NO_FRAMES and body:
            return f"a JPEG with {body[0]} bits per channel" if body[0] != 8 else None
    return None


def holds_film(content: bytes, kind: str) -> bool:
    """Whether a film hangs on a JPEG or HEIF, as phones attach it to a Motion Photo."""
    if kind == "HEIF":
        return b"mpvd" in content
    return content.find(b"ftyp", endings.end_of_jpeg(content) or len(content)) >= 0


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names and bodies of a PNG's pieces."""
    position = 8
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(content):
            return
        size, name = struct.unpack_from(">I4s", content, position)
        yield name, content[position + 8 : position + 8 + size]
        if name == b"IEND":
            return
        position += 12 + size


def webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Likewise of a WebP, and of what is in an animation's frames."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(content):
            return
        name, size = struct.unpack_from("<4sI", content, position)
        yield name, content[position + 8 : position + 8 + size]
        position += 8 + (_FRAME_HEADER_BYTES if name == b"ANMF" else size + size % 2)


def segments(content: bytes, wanted: int) -> Iterator[bytes]:
    """The bodies of a JPEG's segments of a kind, before the picture itself."""
    return (body for marker, body, _ in endings.jpeg_segments(content) if marker == wanted)


def is_lossless_webp(content: bytes) -> bool:
    """Whether the picture (not its alpha) is stored in WebP's lossless format."""
    return next((name == b"VP8L" for name, _ in webp_chunks(content) if name in (b"VP8L", b"VP8 ")), False)


def aperture(content: bytes) -> tuple[int, int] | None:
    """The width and height of what an AVIF shows of itself, if it says so."""
    start = content.find(b"ipco")
    place = content.find(b"clap", start, start + int.from_bytes(content[max(start - 4, 0) : max(start, 0)], "big"))
    if start < 0 or place < 0 or place + 20 > len(content):
        return None
    width, width_parts, height, height_parts = struct.unpack_from(">4I", content, place + 4)
    return width // max(1, width_parts), height // max(1, height_parts)


def png_bits(content: bytes) -> int:
    """Bits per channel. Pillow reads 16-bit colour PNGs as if they had 8, without a word."""
    return content[24] if len(content) > 24 else 0
