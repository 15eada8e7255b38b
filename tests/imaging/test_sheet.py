"""The picture of before, after and between."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from lowkeyd.imaging.sheet import side_by_side
from lowkeyd.model import Pixels
from tests.imaging.make import portrait


def drawn(original: Pixels, protected: Pixels, footer: str = "") -> Pixels:
    image = Image.open(BytesIO(side_by_side(original, protected, footer=footer)))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return np.array(image)


def middle_of_panel(sheet: Pixels, panel: int) -> list[int]:
    colour: list[int] = sheet[24 + 240, sheet.shape[1] * (2 * panel + 1) // 6].tolist()
    return colour


def test_three_panels_stand_side_by_side() -> None:
    original = np.full((200, 200, 3), 100, np.uint8)
    protected = original + np.array([3, 0, 0], np.uint8)
    sheet = drawn(original, protected)
    assert [middle_of_panel(sheet, panel) for panel in range(3)] == [[100] * 3, [103, 100, 100], [158, 128, 128]]


def test_no_difference_is_grey_and_a_large_one_does_not_wrap() -> None:
    black, white = np.zeros((100, 100, 3), np.uint8), np.full((100, 100, 3), 255, np.uint8)
    assert [middle_of_panel(drawn(*pair), 2) for pair in ((black, black), (black, white), (white, black))] == [
        [128] * 3,
        [255] * 3,
        [0] * 3,
    ]


@pytest.mark.parametrize("shape", [(96, 96), (4000, 90), (90, 900), (1, 1)])
def test_any_shape_of_photo_fits(shape: tuple[int, int]) -> None:
    photo = np.zeros((*shape, 3), np.uint8)
    sheet = drawn(photo, photo, footer="scores")
    assert sheet.shape[0] < 600
    np.testing.assert_array_equal(sheet[:24], 255)  # the margin


@pytest.mark.parametrize("footer", ["dlib 0.00 → 0.81", "a very long line of scores; " * 20])
def test_the_footer_stays_within_the_margins(footer: str) -> None:
    face = portrait()
    sheet, without = drawn(face, face, footer), drawn(face, face)
    assert sheet.shape[0] > without.shape[0]
    assert sheet[530:].min() < 200  # it is there
    np.testing.assert_array_equal(sheet[530:, :20], 255)
    np.testing.assert_array_equal(sheet[530:, -20:], 255)
