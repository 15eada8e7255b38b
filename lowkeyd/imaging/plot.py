"""A picture of a trade: what a change buys, against how much of it is seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 1200, 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 390, 90, 80
_PAPER, _INK, _FAINT, _GRID = (255, 255, 255), (38, 38, 38), (110, 110, 110), (226, 226, 226)
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
"""Okabe and Ito's, which people with any colour vision tell apart."""
_TEXT_PX, _TITLE_PX, _DOT_PX = 15, 19, 6
_DASH_PX, _GAP_PX = 9, 6
_STEPS = 5


Point = tuple[float, float]
"""In pixels of the sheet: across, down."""


@dataclass(frozen=True)
class Series:
    """One line of points (x, y), each with a name; y is a share, 0..1. `start`: what y is where nothing was changed.
    Lines that belong together have one `colour`, a number; `dashed` ones have rings for dots, which are seen around
    others."""

    name: str
    points: Sequence[tuple[float, float, str]]
    start: float
    colour: int = 0
    dashed: bool = False


def trade(series: Sequence[Series], *, title: str, x_name: str, y_name: str) -> bytes:
    """A PNG: a line per series from (0, start) through its points."""
    sheet = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    draw = ImageDraw.Draw(sheet)
    most = _STEPS * _nice(max(x for line in series for x, _, _ in line.points) / _STEPS)
    draw.text((_LEFT, 20), title, fill=_INK, font=ImageFont.load_default(_TITLE_PX))
    _axes(draw, most, x_name, y_name)
    for number, line in enumerate(series):
        _draw(draw, line, most)
        _legend(draw, line, number)
    highest = {name: (x, y) for y, x, name in sorted((y, x, name) for line in series for x, y, name in line.points)}
    for name, (x, y) in highest.items():  # once, above the highest of its points
        _name(draw, _place(x, y, most), name)
    buffer = BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _nice(least: float) -> float:
    """The next number above that people like to count in."""
    power = 10 ** math.floor(math.log10(least)) if least > 0 else 0.1
    return next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit > least)


def _place(x: float, y: float, most: float) -> Point:
    return (
        _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / most,
        _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y,
    )


def _axes(draw: ImageDraw.ImageDraw, most: float, x_name: str, y_name: str) -> None:
    font = ImageFont.load_default(_TEXT_PX)
    for step in range(_STEPS + 1):
        share = step / _STEPS
        left, y = _place(0, share, most)
        draw.line((left, y, _WIDTH - _RIGHT, y), fill=_GRID)
        draw.text((left - 10, y), f"{share:.0%}", fill=_FAINT, font=font, anchor="rm")
        x, bottom = _place(share * most, 0, most)
        draw.text((x, bottom + 10), f"{share * most:.4g}", fill=_FAINT, font=font, anchor="ma")
    draw.line((*_place(0, 0, most), *_place(most, 0, most)), fill=_FAINT)
    draw.text((_WIDTH - _RIGHT, _HEIGHT - 30), x_name, fill=_INK, font=font, anchor="rm")
    draw.text((_LEFT - 60, _TOP - 38), y_name, fill=_INK, font=font)


def _draw(draw: ImageDraw.ImageDraw, line: Series, most: float) -> None:
    points = [_place(0.0, line.start, most), *(_place(x, y, most) for x, y, _ in sorted(line.points))]
    for start, end in pairwise(points):
        _stroke(draw, start, end, line)
    for place in points:
        _dot(draw, place, line)


def _stroke(draw: ImageDraw.ImageDraw, start: Point, end: Point, line: Series) -> None:
    length = math.dist(start, end)
    dash, period = (_DASH_PX, _DASH_PX + _GAP_PX) if line.dashed else (length, length)
    at = 0.0
    while at < length:
        share, until = at / length, min(at + dash, length) / length
        ends = [tuple(a + (b - a) * part for a, b in zip(start, end, strict=True)) for part in (share, until)]
        draw.line([*ends[0], *ends[1]], fill=_colour(line), width=2)
        at += period


def _dot(draw: ImageDraw.ImageDraw, place: Point, line: Series) -> None:
    across, down = place
    radius = _DOT_PX + 3 if line.dashed else _DOT_PX
    box = (across - radius, down - radius, across + radius, down + radius)
    draw.ellipse(box, outline=_colour(line), width=2, fill=None if line.dashed else _colour(line))


def _colour(line: Series) -> tuple[int, int, int]:
    return _COLOURS[line.colour % len(_COLOURS)]


def _name(draw: ImageDraw.ImageDraw, place: Point, name: str) -> None:
    """Right of its point, or left of it where there is no room."""
    across, down = place
    font = ImageFont.load_default(_TEXT_PX)
    fits = across + _DOT_PX + draw.textlength(name, font) < _WIDTH - _RIGHT
    x = across + _DOT_PX if fits else across - _DOT_PX
    draw.text((x, down - _DOT_PX - 6), name, fill=_INK, font=font, anchor="ls" if fits else "rs")


def _legend(draw: ImageDraw.ImageDraw, line: Series, number: int) -> None:
    """Right of the axes."""
    x, y = _WIDTH - _RIGHT + 24, _TOP + 14 + 24 * number
    _stroke(draw, (x, y), (x + 36, y), line)
    _dot(draw, (x + 18, y), line)
    draw.text((x + 48, y), line.name, fill=_INK, font=ImageFont.load_default(_TEXT_PX), anchor="lm")
