"""Writes what Pillow cannot: PNGs of 16 bits per channel, and TIFFs with a camera's EXIF fields in any compression."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lowkeyd.imaging import tiff
from lowkeyd.imaging.container import png_chunks
from lowkeyd.imaging.samples import Values
from lowkeyd.imaging.tiff import Directory

_PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: the number for grey, grey and alpha, RGB, RGB and alpha
_SIGNATURE_BYTES = 8
_BLOCK_VALUES = 1 << 20
"""Filtered or compressed at a time."""
_LEVEL = 6


def png(frame: bytes, values: Values) -> bytes:
    """A PNG of the values (H, W, C), 16 bits, with all that surrounds the picture in `frame`, a PNG of any other."""
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOURS[channels], 0, 0, 0)
    written = [frame[:_SIGNATURE_BYTES], _chunk(b"IHDR", header)]
    for name, body in png_chunks(frame):
        if name == b"IEND":
            written.append(_chunk(b"IDAT", _compressed(values)))
        if name not in (b"IHDR", b"IDAT"):
            written.append(_chunk(name, body))
    return b"".join(written)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _compressed(values: Values) -> bytes:
    """Every row by the filter that leaves least of it, as the PNG specification advises (section 12.8)."""
    height, width, channels = values.shape
    step = 2 * channels
    rows = values.astype(">u2").view(np.uint8).reshape(height, width * step)
    at_once = max(1, _BLOCK_VALUES // rows.shape[1])
    squeeze = zlib.compressobj(_LEVEL)
    parts = []
    above = np.zeros((1, rows.shape[1]), np.uint8)
    for start in range(0, height, at_once):
        block = rows[start : start + at_once]
        parts.append(squeeze.compress(_filtered(block, np.concatenate((above, block[:-1])), step).tobytes()))
        above = block[-1:]
    return b"".join(parts) + squeeze.flush()


def _filtered(rows: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], corner[:, step:] = rows[:, :-step], above[:, :-step]
    guesses = (np.zeros_like(rows), left, above, _average(left, above), _paeth(left, above, corner))
    filtered = np.stack([rows - guess for guess in guesses])  # (5, rows, bytes), modulo 256
    cost = np.abs(filtered.view(np.int8).astype(np.int16)).sum(-1, dtype=np.int64)
    best = cost.argmin(0)  # (rows,)
    chosen = filtered[best, np.arange(len(rows))]
    return np.concatenate((best.astype(np.uint8)[:, None], chosen), 1)


def _average(left: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return ((left.astype(np.uint16) + above) >> 1).astype(np.uint8)


def _paeth(
    left: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], corner: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)


_PHOTOMETRIC = {"L": 1, "RGB": 2, "CMYK": 5}
_WIDTH, _HEIGHT, _COMPRESSION, _MEANING, _STRIPS, _CHANNELS = 256, 257, 259, 262, 273, 277
_ROWS_PER_STRIP, _STRIP_BYTES, _PREDICTOR, _EXTRA = 278, 279, 317, 338
_PLAIN, _DEFLATE = 1, 8
_DIFFERENCES = 2
_UNASSOCIATED = 2


def tiff_file(
    order: str,
    mode: str,
    values: Values,
    alpha: Values | None,
    fields: Directory,
    children: Mapping[int, Directory],
    *,
    packed: bool,
) -> bytes:
    """A TIFF of the values (H, W, C) in `mode` L, RGB or CMYK, in the byte order of the fields that go with it."""
    whole = values if alpha is None else np.dstack((values, alpha))
    height, width, channels = whole.shape
    at_once = max(1, _BLOCK_VALUES // (width * channels))
    strips = [_strip(whole[start : start + at_once], order, packed=packed) for start in range(0, height, at_once)]
    places = [8, *(8 + int(end) for end in np.cumsum([len(strip) for strip in strips]))]
    padding = bytes(places[-1] % 2)
    directory = fields | {
        _WIDTH: tiff.longs(order, width),
        _HEIGHT: tiff.longs(order, height),
        tiff.BITS_PER_SAMPLE: tiff.shorts(order, *[8 * whole.itemsize] * channels),
        _COMPRESSION: tiff.shorts(order, _DEFLATE if packed else _PLAIN),
        _MEANING: tiff.shorts(order, _PHOTOMETRIC[mode]),
        _STRIPS: tiff.longs(order, *places[:-1]),
        _CHANNELS: tiff.shorts(order, channels),
        _ROWS_PER_STRIP: tiff.longs(order, at_once),
        _STRIP_BYTES: tiff.longs(order, *map(len, strips)),
    }
    if packed:
        directory[_PREDICTOR] = tiff.shorts(order, _DIFFERENCES)
    if alpha is not None:
        directory[_EXTRA] = tiff.shorts(order, _UNASSOCIATED)
    start = places[-1] + len(padding)
    written = tiff.write(order, directory, children, start)
    return tiff.header(order, start) + b"".join(strips) + padding + written


def _strip(rows: Values, order: str, *, packed: bool) -> bytes:
    if packed:  # each value less its neighbour's to the left, modulo its range
        rows = rows.copy()
        rows[:, 1:] -= rows[:, :-1].copy()
    stored = rows.astype(f"{order}u{rows.itemsize}").tobytes()
    return zlib.compress(stored, _LEVEL) if packed else stored
