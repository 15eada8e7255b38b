"""PNGs of 16 bits and TIFFs are written so that others read the same values."""

import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from lowkeyd.imaging import deep, tiff
from tests.imaging.make import deep_portrait, portrait, saved_image

DEEP = deep_portrait()
SMOOTH = np.linspace(0, 65535, 96 * 96 * 4).astype(np.uint16).reshape(96, 96, 4)


def frame(**options: Any) -> bytes:
    return saved_image(Image.new("L", (1, 1)), format="PNG", **options)


def unfiltered(content: bytes) -> Any:
    """The values of a 16-bit PNG, by the letter of the specification, one byte after the other."""
    width, height = (int.from_bytes(content[place : place + 4], "big") for place in (16, 20))
    step = 2 * {0: 1, 4: 2, 2: 3, 6: 4}[content[25]]
    place, packed = 8, b""
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] == b"IDAT":
            packed += content[place + 8 : place + 8 + size]
        place += 12 + size
    raw = zlib.decompress(packed)
    above = [0] * (width * step)
    rows = []
    for start in range(0, len(raw), width * step + 1):
        row = list(raw[start + 1 : start + 1 + width * step])
        for at in range(len(row)):
            a, b, c = (row[at - step] if at >= step else 0), above[at], (above[at - step] if at >= step else 0)
            nearest = min((a, b, c), key=lambda guess: abs(a + b - c - guess))
            row[at] = (row[at] + (0, a, b, (a + b) // 2, nearest)[raw[start]]) % 256
        rows.append(bytes(row))
        above = row
    return np.frombuffer(b"".join(rows), ">u2").reshape(height, width, step // 2)


@pytest.mark.parametrize("values", [DEEP, DEEP[..., :1], DEEP[..., :2], SMOOTH, SMOOTH[:1], SMOOTH[:, :1], DEEP * 0])
def test_a_png_holds_the_very_values(values: Any) -> None:
    content = deep.png(frame(), np.ascontiguousarray(values))
    np.testing.assert_array_equal(unfiltered(content), values)
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert image.size == values.shape[1::-1]


def test_a_smooth_png_is_small() -> None:
    assert len(deep.png(frame(), SMOOTH)) < SMOOTH.nbytes / 20


def test_rows_that_are_written_in_several_blocks_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = deep.png(frame(), DEEP)
    monkeypatch.setattr(deep, "_BLOCK_VALUES", 1000)
    assert deep.png(frame(), DEEP) == whole


def test_what_surrounds_a_png_is_taken_over() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "Somebody")
    content = deep.png(frame(pnginfo=texts, dpi=(300, 300), icc_profile=b"profile", exif=b"II*\0"), DEEP)
    with Image.open(BytesIO(content)) as image:
        image.load()
        assert image.info["Author"] == "Somebody"
        assert image.info["icc_profile"] == b"profile"
        assert round(image.info["dpi"][0]) == 300


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_a_tiff_holds_the_very_values(order: str, packed: bool, mode: str, dtype: Any, has_alpha: bool) -> None:
    import tifffile

    values = np.random.default_rng(2).integers(0, 256, (40, 50, len(mode))).astype(dtype) * np.iinfo(dtype).max // 255
    values = values.astype(dtype)
    alpha = np.ascontiguousarray(values[..., 0]) if has_alpha else None
    fields = {270: tiff.Field(tiff.ASCII, 6, b"hello\0")}
    content = deep.tiff_file(order, mode, values, alpha, fields, {}, packed=packed)
    with tifffile.TiffFile(BytesIO(content)) as file:
        (page,) = file.pages
        read = page.asarray()
        assert file.byteorder == order
        assert page.tags[270].value == "hello"
    expected = values if alpha is None else np.dstack((values, alpha))
    np.testing.assert_array_equal(read.reshape(expected.shape), expected)


def test_a_tiff_in_several_strips_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deep, "_BLOCK_VALUES", 1000)
    content = deep.tiff_file("<", "RGB", portrait(), None, {}, {}, packed=True)
    with Image.open(BytesIO(content)) as image:
        np.testing.assert_array_equal(np.array(image), portrait())
