"""One picture that shows what was done to a photo: before, after, and the difference made visible."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lowkeyd.model import Pixels

DIFFERENCE_GAIN = 10
_PANEL_HEIGHT_PX = 480
_MIN_PANEL_WIDTH_PX = 180  # a very narrow photo still leaves room for its caption
_MARGIN_PX = 24
_GAP_PX = 12
_CAPTION_PX = 18
_FOOTER_PX = 15
_MIN_TEXT_PX = 8
_PAPER = (255, 255, 255)
_INK = (38, 38, 38)
_FAINT_INK = (110, 110, 110)
_NOT_IN_FONT = str.maketrans({"→": "to", "×": "x", "≥": ">=", "≤": "<="})
"""Pillow's own font is drawn, which is the same everywhere but knows little beyond Latin letters."""
_CAPTIONS = ("original", "protected", f"difference x{DIFFERENCE_GAIN}")


def side_by_side(original: Pixels, protected: Pixels, *, footer: str = "") -> bytes:
    """A PNG with three panels of the same height, a caption under each, and one line for scores at the bottom.

    The difference is centred on grey: what the attack darkened is darker, what it brightened brighter. Text that is too
    wide is set smaller, and at last cut off.
    """
    assert original.shape == protected.shape, f"bug: {protected.shape} against {original.shape}"
    panels = [_panel(pixels) for pixels in (original, protected, _amplified(original, protected))]
    width = 2 * _MARGIN_PX + sum(panel.width for panel in panels) + _GAP_PX * (len(panels) - 1)
    caption_y = _MARGIN_PX + _PANEL_HEIGHT_PX + _GAP_PX
    footer_y = caption_y + _CAPTION_PX + _GAP_PX
    sheet = Image.new("RGB", (width, footer_y + (_FOOTER_PX + _MARGIN_PX if footer else _GAP_PX)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    x = _MARGIN_PX
    for panel, caption in zip(panels, _CAPTIONS, strict=True):
        sheet.paste(panel, (x, _MARGIN_PX))
        _write(draw, caption, (x + panel.width / 2, caption_y), _CAPTION_PX, _INK, panel.width)
        x += panel.width + _GAP_PX
    _write(draw, footer, (width / 2, footer_y), _FOOTER_PX, _FAINT_INK, width - 2 * _MARGIN_PX)
    return _to_png(sheet)


def _amplified(original: Pixels, protected: Pixels) -> Pixels:
    difference = protected.astype(np.int16) - original  # (H, W, 3) -255..255
    amplified: Pixels = np.clip(128 + DIFFERENCE_GAIN * difference, 0, 255).astype(np.uint8)
    return amplified


def _panel(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    width = max(round(image.width * _PANEL_HEIGHT_PX / image.height), 1)
    scaled = image.resize((width, _PANEL_HEIGHT_PX), Image.Resampling.LANCZOS)
    if width >= _MIN_PANEL_WIDTH_PX:
        return scaled
    panel = Image.new("RGB", (_MIN_PANEL_WIDTH_PX, _PANEL_HEIGHT_PX), _PAPER)
    panel.paste(scaled, ((_MIN_PANEL_WIDTH_PX - width) // 2, 0))
    return panel


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    top_centre: tuple[float, float],
    size_px: int,
    ink: tuple[int, int, int],
    max_width_px: int,
) -> None:
    text = text.translate(_NOT_IN_FONT)
    font = ImageFont.load_default(size_px)
    while font.getlength(text) > max_width_px and size_px > _MIN_TEXT_PX:
        size_px -= 1
        font = ImageFont.load_default(size_px)
    while text and font.getlength(text) > max_width_px:
        text = text[:-1]
    draw.text(top_centre, text, fill=ink, font=font, anchor="ma")


def _to_png(sheet: Image.Image) -> bytes:
    buffer = BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
