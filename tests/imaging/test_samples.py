"""A photo's own values come out of Pillow whole, and are rounded, not cut, to what a screen shows."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lowkeyd.errors import UnsupportedPhoto
from lowkeyd.imaging.samples import is_readable, read, to_eight_bits
from tests.imaging.make import deep_tiff, portrait, saved_image

FACE = portrait()


def values_of(image: Image.Image, **options: Any) -> Any:
    content = saved_image(image, format="PNG", **options)
    return read(lambda: Image.open(BytesIO(content)), Image.open(BytesIO(content)), 8)


@pytest.mark.parametrize(
    ("mode", "own"), [("1", "L"), ("L", "L"), ("LA", "L"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGB")]
)
def test_grey_stays_grey_and_palettes_become_colour(mode: str, own: str) -> None:
    image = Image.fromarray(FACE).convert(mode)
    samples = values_of(image)
    assert (samples.mode, samples.colour.shape) == (own, (96, 96, len(own)))
    assert (samples.alpha is not None) is (mode in ("LA", "RGBA"))
    expected = np.array(image.convert(own))
    np.testing.assert_array_equal(samples.colour, expected.reshape(samples.colour.shape))


def test_values_can_be_written_to() -> None:
    values_of(Image.fromarray(FACE)).colour[0, 0] = 0  # torch warns about arrays that cannot


def test_every_sixteen_bit_value_is_rounded() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    np.testing.assert_array_equal(to_eight_bits(every), np.floor(every / 257 + 0.5).astype(np.uint8))
    eight = FACE.copy()
    assert to_eight_bits(eight) is eight


def test_turning_turns_alpha_too() -> None:
    image = Image.fromarray(FACE)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    samples = values_of(image)
    turned = samples.turned(lambda values: values[::-1])
    np.testing.assert_array_equal(turned.colour, samples.colour[::-1])
    np.testing.assert_array_equal(turned.alpha, samples.alpha[::-1])


@pytest.mark.parametrize(
    ("mode", "readable"), [("CMYK", True), ("I;16", True), ("F", False), ("I", False), ("LAB", False)]
)
def test_modes_without_a_judgement_about_colour_are_readable(mode: str, readable: bool) -> None:
    assert is_readable(mode) is readable


def test_sixteen_bits_with_colours_multiplied_by_alpha_are_refused() -> None:
    values = np.zeros((8, 8, 4), np.uint16)
    content = deep_tiff(values, photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(UnsupportedPhoto, match="arrangement"):
        read(lambda: Image.open(BytesIO(content)), Image.open(BytesIO(content)), 16)
