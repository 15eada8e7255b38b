"""ICC profiles made from numbers: files tell their colours by them in ways that other formats cannot hold."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lowkeyd.imaging.metadata.profile import HEADER_BYTES, assembled

Point = tuple[float, float]
"""A chromaticity: CIE 1931 x and y."""


@dataclass(frozen=True)
class Primaries:
    """Red, green, blue and white."""

    red: Point
    green: Point
    blue: Point
    white: Point

    def is_near(self, other: "Primaries") -> bool:
        """Whether nobody would see the difference."""
        return bool(np.allclose(self._points, other._points, atol=_SAME_WITHIN))

    @property
    def _points(self) -> tuple[Point, ...]:
        return self.red, self.green, self.blue, self.white

    def columns(self) -> npt.NDArray[np.float64]:
        """What full red, green and blue are in XYZ under D50, by the Bradford transform: one column each. Source:
        Lindbloom, RGB/XYZ matrices; ICC.1:2022, annex E."""
        red, green, blue, white = (np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in self._points)
        mixed = np.stack([red, green, blue], 1)
        own = mixed * np.linalg.solve(mixed, white)
        adapted: npt.NDArray[np.float64] = np.linalg.solve(
            _BRADFORD, np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD @ own
        )
        return adapted


_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SAME_WITHIN = 0.003
_LEAST_AREA = 0.01
"""Of the triangle of primaries, twice; sRGB's is 0.11 large."""
_SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_P3 = Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)
_REC_2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)
_ADOBE = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)

Curve = tuple[float, ...]
"""The numbers of an ICC parametric curve: an exponent alone, or with the line that begins it."""
_SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Exponent, slope and offset above the last number, slope below it. Source: IEC 61966-2-1."""
_CURVE_KINDS = {1: 0, 5: 3}

_CODED_PRIMARIES = {9: ("BT.2020", _REC_2020), 12: ("Display P3", _P3)}
_CODED_CURVES: dict[int, Curve] = {4: (2.2,), 5: (2.8,), 8: (1.0,)}
"""Numbers of ITU-T H.273 that mean something else than sRGB, or what is shown like it."""
HDR_CURVES = (16, 18)
"""PQ and HLG, likewise."""
_SRGB_GAMMA, _GAMMA_WITHIN = 1 / 2.2, 0.02
_PNG_SCALE = 100_000


def display_p3() -> bytes:
    """What phones' photos are in."""
    return _made("Display P3", _P3, _SRGB_CURVE, "RGB")


def adobe_rgb(mode: str) -> bytes:
    """What cameras write besides sRGB, and tell by a word in EXIF alone. Source: Adobe RGB (1998), 2005-05."""
    return _made("Adobe RGB (1998)", _ADOBE, (563 / 256,), mode)


def coded(primaries: int, transfer: int, mode: str) -> bytes | None:
    """A profile for colours told by their numbers in ITU-T H.273; None where they are sRGB, or shown like it."""
    name, space = _CODED_PRIMARIES.get(primaries if mode == "RGB" else 0, ("sRGB", _SRGB))
    curve = _CODED_CURVES.get(transfer, _SRGB_CURVE)
    if curve is not _SRGB_CURVE:
        name += f", gamma {curve[0]:g}"
    return None if (space, curve) == (_SRGB, _SRGB_CURVE) else _made(name, space, curve, mode)


def of_png(chunks: Mapping[bytes, bytes], mode: str) -> bytes | None:
    """A profile for what the chunks gAMA and cHRM of a PNG say; None where that is sRGB, or the chunk sRGB says so."""
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
    space = _png_primaries(chunks.get(b"cHRM", b"")) or _SRGB
    is_common = abs(gamma / _PNG_SCALE - _SRGB_GAMMA) < _GAMMA_WITHIN
    if not 0.1 <= gamma / _PNG_SCALE <= 10 or (is_common and (mode == "L" or space.is_near(_SRGB))):
        return None
    exponent = _PNG_SCALE / gamma
    return _made(f"PNG, gamma {exponent:.2f}", space, (exponent,), mode)


def _png_primaries(chunk: bytes) -> Primaries | None:
    if len(chunk) != 32:
        return None
    numbers = [number / _PNG_SCALE for number in struct.unpack(">8I", chunk)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return Primaries(red, green, blue, white) if _are_colours(red, green, blue, white) else None


def _are_colours(*points: Point) -> bool:
    """Whether such points can be primaries around a white. Some writers have their order wrong."""
    if not all(x > 0 and y > 0 and x + y <= 1 for x, y in points):
        return False
    *corners, white = (np.array([x, y, 1 - x - y]) for x, y in points)
    mixed = np.stack(corners, 1)
    return bool(abs(np.linalg.det(mixed)) > _LEAST_AREA and (np.linalg.solve(mixed, white) > 0).all())


def _made(name: str, primaries: Primaries, curve: Curve, mode: str) -> bytes:
    """Version 4. Grey has a curve alone."""
    written = name.encode("utf-16-be")
    text = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(written), 28) + written
    numbers = b"".join(map(_fixed, curve))
    bent = b"para" + bytes(4) + struct.pack(">HH", _CURVE_KINDS[len(curve)], 0) + numbers
    parts = [(b"desc", text), (b"cprt", text), (b"wtpt", _xyz(_D50))]
    if mode == "RGB":
        parts += [
            (colour + b"XYZ", _xyz(column)) for colour, column in zip(_COLOURS, primaries.columns().T, strict=True)
        ]
        parts += [(colour + b"TRC", bent) for colour in _COLOURS]
    else:
        parts.append((b"kTRC", bent))
    header = bytearray(HEADER_BYTES)
    header[8:12] = b"\x04\x30\0\0"
    header[12:24] = b"mntr" + {"RGB": b"RGB ", "L": b"GRAY"}[mode] + b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = b"".join(map(_fixed, _D50))
    return assembled(bytes(header), parts)


_COLOURS = (b"r", b"g", b"b")


def _xyz(values: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))
