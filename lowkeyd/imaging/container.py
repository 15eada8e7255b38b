"""What a file is, and whether its end is missing, told from its bytes alone.

Pillow's messages do not tell a damaged photo from one that is still being copied, and the difference decides whether
the photo is given up or tried again. Nothing here decodes pixels.
"""

import struct

from lowkeyd.errors import PhotoIncomplete, UnreadablePhoto, UnsupportedPhoto

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"BM", "BMP"),
)
_UNREAD_SIGNATURES = (
    (b"GIF8", "a GIF"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_SMALLEST_PHOTO_BYTES = 32
_RESERVED_BYTES = 1024
"""So many zeros do not end a compressed picture, but do end a file whose space was reserved before it was copied."""
_FEW_RESERVED_BYTES = 64
"""The same for a file that could not be decoded, where less is enough of a hint."""


def sniff(content: bytes) -> str:
    """The format by its signature: JPEG, PNG, WEBP, TIFF, BMP or HEIF; the file's name does not matter.

    Raises PhotoIncomplete for a file that has barely begun, UnsupportedPhoto for a known format that is not read, and
    UnreadablePhoto for anything else.
    """
    if len(content) < _SMALLEST_PHOTO_BYTES or not content[:_RESERVED_BYTES].strip(b"\0"):
        raise PhotoIncomplete("next to nothing has been written to the file")
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            return name
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        return _sniff_ftyp(content)
    for signature, phrase in _UNREAD_SIGNATURES:
        if content.startswith(signature):
            raise UnsupportedPhoto(f"{phrase}, which is not read")
    raise UnreadablePhoto("not a picture: no known format begins like this")


def _sniff_ftyp(content: bytes) -> str:
    brands = _brands(content)
    if brands & _AVIF_BRANDS:
        raise UnsupportedPhoto("an AVIF picture, which is not read")
    if brands & _HEIF_BRANDS:
        return "HEIF"
    raise UnsupportedPhoto("a video, or a picture in a video's container")


def _brands(content: bytes) -> set[bytes]:
    # The major brand, and after four bytes of version the compatible ones, four bytes each.
    box = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
    return {box[position : position + 4] for position in range(0, len(box), 4) if position != 4}


def ends_early(content: bytes, container: str) -> bool:
    """Whether the end of the file is missing. Asked first, because decoders fill what is missing with grey.

    TIFF and BMP files are never accused here: writers that are careless with sizes are many, and their files decode.
    """
    return container in _ENDINGS and _ENDINGS[container](content)


def explains_failure(content: bytes, container: str) -> bool:
    """Whether a file that could not be decoded lacks its end, rather than being damaged."""
    return _ends_in_zeros(content, _FEW_RESERVED_BYTES) or (_ENDINGS | _DOUBTFUL_ENDINGS)[container](content)


def _ends_in_zeros(content: bytes, count: int) -> bool:
    return not content[-count:].strip(b"\0")


def is_lossless_webp(content: bytes) -> bool:
    """Whether the picture (not its alpha) is stored in WebP's lossless format."""
    if content[12:16] != b"VP8X":
        return content[12:16] == b"VP8L"
    position = 12
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, position)
        if kind in (b"VP8L", b"VP8 "):
            return bool(kind == b"VP8L")
        position += 8 + size + size % 2
    return False


def png_bits(content: bytes) -> int:
    """Bits per channel. Pillow reads 16-bit colour PNGs as if they had 8, without a word."""
    return content[24] if len(content) > 24 else 0


def _jpeg_ends_early(content: bytes) -> bool:
    position = 2
    while position + 4 <= len(content):
        marker, size = struct.unpack_from(">HH", content, position)
        if marker == 0xFFDA:  # compressed data follow, where FFD9 can only be the end of the picture
            return content.find(b"\xff\xd9", position + 2 + size) < 0
        if not 0xFFC0 <= marker <= 0xFFFE or size < 2:
            return False  # not a segment: damaged
        position += 2 + size
    return True


def _png_ends_early(content: bytes) -> bool:
    position = 8
    while position + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        if kind == b"IEND":
            return False
        if not kind.isalpha():
            return _ends_in_zeros(content, _RESERVED_BYTES)  # not a chunk: reserved or damaged
        position += 12 + size
    return True


def _webp_ends_early(content: bytes) -> bool:
    (size,) = struct.unpack_from("<I", content, 4)
    return size + 8 > len(content) or _ends_in_zeros(content, _RESERVED_BYTES)


def _bmp_ends_early(content: bytes) -> bool:
    (size,) = struct.unpack_from("<I", content, 2)
    return bool(size > len(content))


def _heif_ends_early(content: bytes) -> bool:
    if _ends_in_zeros(content, _RESERVED_BYTES):
        return True
    position = 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        if size == 0:  # by definition the last box: it goes on to the end of the file
            return False
        if size == 1 and position + 16 <= len(content):
            size = struct.unpack_from(">Q", content, position + 8)[0]
        if size < 8 or not kind.isascii():
            return False  # not a box: damaged
        position += size
    return position != len(content)


_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_DATA_TAGS = {273: 279, 324: 325}  # where strips or tiles begin: how many bytes each has


def _tiff_ends_early(content: bytes) -> bool:
    order = "<" if content.startswith(b"II") else ">"
    try:
        fields = _tiff_fields(content, order)
    except struct.error:  # the directory itself, or a list it points to, lies beyond the end
        return True
    ends = (
        start + size
        for starts, sizes in _TIFF_DATA_TAGS.items()
        for start, size in zip(fields.get(starts, ()), fields.get(sizes, ()), strict=False)
    )
    return not fields or max(ends, default=0) > len(content)


def _tiff_fields(content: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """The whole-number fields of the first directory. Raises struct.error when they lie beyond the end."""
    (directory,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, directory)
    fields = {}
    for number in range(count):
        entry = directory + 2 + 12 * number
        tag, kind, length = struct.unpack_from(order + "HHI", content, entry)
        size = _TIFF_TYPE_BYTES.get(kind, 0) * length
        place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", content, entry + 8)[0]
        struct.unpack_from(f"{size}x", content, place)
        if kind in (3, 4):
            fields[tag] = struct.unpack_from(f"{order}{length}{'H' if kind == 3 else 'I'}", content, place)
    return fields


_ENDINGS = {"JPEG": _jpeg_ends_early, "PNG": _png_ends_early, "WEBP": _webp_ends_early, "HEIF": _heif_ends_early}
_DOUBTFUL_ENDINGS = {"TIFF": _tiff_ends_early, "BMP": _bmp_ends_early}
