"""Whether the end of a file is missing: a photo that is still being copied is tried again, a damaged one given up.

Pillow's messages do not tell the two apart. Nothing here decodes pixels.
"""

import struct
from collections.abc import Iterator

from PIL.ExifTags import IFD

from lowkeyd.imaging import tiff

_RESERVED_BYTES = 1024
"""So many zeros do not end a compressed picture, but do end a file whose space was reserved before it was copied."""
_NO_PICTURES_END = 16
"""Coded pictures do not end in so many zeros, either."""
_FEW_RESERVED_BYTES = 64
"""The same for a file that could not be decoded, where less is enough of a hint."""


def ends_early(content: bytes, container: str) -> bool:
    """Whether the end of the file is missing. Asked first, because decoders fill what is missing with grey.

    TIFF and BMP files are never accused here: writers that are careless with sizes are many, and their files decode.
    """
    return container in _ENDINGS and _ENDINGS[container](content)


def explains_failure(content: bytes, container: str) -> bool:
    """Whether a file that could not be decoded lacks its end, rather than being damaged."""
    return _ends_in_zeros(content, _FEW_RESERVED_BYTES) or (_ENDINGS | _DOUBTFUL_ENDINGS)[container](content)


def _is_reserved(content: bytes, end_of_picture: int) -> bool:
    """Whether the end of the picture is still to come: it is zeros, and so is all that follows it."""
    is_last = not content[end_of_picture:].strip(b"\0")
    picture = content[:end_of_picture] or content
    return is_last and _ends_in_zeros(picture, _NO_PICTURES_END) and _ends_in_zeros(content, _RESERVED_BYTES)


def _ends_in_zeros(content: bytes, count: int) -> bool:
    return not content[-count:].strip(b"\0")


START_OF_SCAN, DAMAGED = 0xFFDA, 0


def jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The marker, the body and the end of each of a JPEG's segments, up to the one behind which the compressed picture
    comes. The marker `DAMAGED` ends them where there is no segment."""
    position = 2
    while position + 4 <= len(content):
        marker, size = struct.unpack_from(">HH", content, position)
        if marker == 0xFFFF:  # any number of these bytes may come before a marker
            position += 1
            continue
        end = position + 2 + size
        if not 0xFFC0 <= marker <= 0xFFFE or size < 2:
            yield DAMAGED, b"", end
            return
        yield marker, content[position + 4 : end], end
        if marker == START_OF_SCAN:
            return
        position = end


def end_of_jpeg(content: bytes) -> int | None:
    """Where the first picture of a JPEG file ends; None when it does not. Further frames and films come behind it."""
    for marker, _, end_of_segment in jpeg_segments(content):
        if marker == DAMAGED:
            return len(content)
        if marker == START_OF_SCAN:  # in what follows, FFD9 can only be the end of the picture
            end = content.find(b"\xff\xd9", end_of_segment)
            return None if end < 0 else end + 2
    return None


def _jpeg_ends_early(content: bytes) -> bool:
    return end_of_jpeg(content) is None


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
    if size + 8 > len(content):
        return True
    position = end_of_picture = 12
    while position + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", content, position)
        if not kind.strip(b"\0"):
            break  # not a chunk: reserved, or a careless writer's
        position += 8 + length + length % 2
        if kind in _WEBP_PICTURES:
            end_of_picture = position
    return _is_reserved(content, end_of_picture)


_WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")


def _bmp_ends_early(content: bytes) -> bool:
    (size,) = struct.unpack_from("<I", content, 2)
    return bool(size > len(content))


def _gif_ends_early(content: bytes) -> bool:
    position = 13 + _gif_colours(content[10])
    while position < len(content):
        match content[position]:
            case 0x3B:
                return False
            case 0x21:  # an extension: its kind, then blocks
                position = _after_gif_blocks(content, position + 2)
            case 0x2C if position + 10 < len(content):  # a picture: its place and colours, then blocks
                position = _after_gif_blocks(content, position + 11 + _gif_colours(content[position + 9]))
            case 0x2C:
                return True
            case _:
                return _ends_in_zeros(content, _RESERVED_BYTES)  # not a block: reserved or damaged
    return True


def _gif_colours(flags: int) -> int:
    return int(3 * 2 ** ((flags & 7) + 1)) if flags & 0x80 else 0


def _after_gif_blocks(content: bytes, position: int) -> int:
    while position < len(content) and content[position]:
        position += 1 + content[position]
    return position + 1


_NEEDED_BOXES = {b"meta", b"mdat"}
_BOXES = (b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"free", b"skip", b"wide", b"uuid", b"mpvd")


def _boxes_end_early(content: bytes) -> bool:
    position, end_of_data, seen = 0, 0, set[bytes]()
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        if size == 1 and position + 16 <= len(content):
            size = struct.unpack_from(">Q", content, position + 8)[0]
        if seen >= _NEEDED_BOXES and kind not in _BOXES:
            break  # the photo is whole, and something hangs on it
        if not kind.strip(b"\0"):
            break  # not a box: reserved
        if size == 0:  # by definition the last box: it goes on to the end of the file
            size = len(content) - position
        if size < 8 or not kind.isascii():
            return False  # not a box: damaged
        position += size
        if position > len(content):
            return True
        seen.add(kind)
        end_of_data = position if kind == b"mdat" else end_of_data
    if not seen >= _NEEDED_BOXES:
        return position != len(content) or _ends_in_zeros(content, _RESERVED_BYTES)
    return _is_reserved(content, end_of_data) and not _ends_in_padded_exif(content[:end_of_data])


_EXIF, _PADDING = b"Exif\0\0", 0xEA1C
_MAX_EXIF_BYTES = 65_536


def _ends_in_padded_exif(content: bytes) -> bool:
    """Whether zeros at the end are those that Windows leaves room with, in EXIF that stands last."""
    start = content.rfind(_EXIF, max(0, len(content) - _MAX_EXIF_BYTES))
    block = content[start + len(_EXIF) :]
    try:
        main = tiff.first(block)
        camera = next(iter(tiff.integers(tiff.read(block, main).get(int(IFD.Exif)), tiff.order_of(block))), 0)
        ends = [tiff.end_of(block, place, _PADDING) for place in (main, camera) if place]
    except struct.error:
        return False
    return start >= 0 and len(block) - max(ends, default=0) < _FEW_RESERVED_BYTES


_TIFF_DATA_TAGS = {273: 279, 324: 325}  # where strips or tiles begin: how many bytes each has


def _tiff_ends_early(content: bytes) -> bool:
    try:
        order, fields = tiff.order_of(content), tiff.read(content, tiff.first(content), strict=True)
    except struct.error:  # the directory itself, or a list it points to, lies beyond the end
        return True
    ends = (
        start + size
        for starts, sizes in _TIFF_DATA_TAGS.items()
        for start, size in zip(
            tiff.integers(fields.get(starts), order), tiff.integers(fields.get(sizes), order), strict=False
        )
    )
    return not fields or max(ends, default=0) > len(content)


_ENDINGS = {
    "JPEG": _jpeg_ends_early,
    "PNG": _png_ends_early,
    "WEBP": _webp_ends_early,
    "GIF": _gif_ends_early,
    "HEIF": _boxes_end_early,
    "AVIF": _boxes_end_early,
}
_DOUBTFUL_ENDINGS = {"TIFF": _tiff_ends_early, "BMP": _bmp_ends_early}
