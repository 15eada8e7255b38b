"""What colours a change may have, on pictures whose colours are known."""

import pytest
import torch
from torch import Tensor

from lowkeyd.attack.crop import Square, WorkingFaces
from lowkeyd.attack.tint import bearable_tint, brightening

SIZE = 32
SKIN, BROW = torch.tensor([0.9, 0.7, 0.6]), torch.tensor([0.4, 0.3, 0.3])
NO_TINT, ALL_TINT = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.4)


def of_one_colour(colour: Tensor) -> Tensor:
    return colour.view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE).clone()


def parallel(a: Tensor, b: Tensor) -> bool:
    return float(torch.cosine_similarity(a, b, dim=0)) > 0.999


def tint(side: int, x: Tensor) -> float:
    faces = WorkingFaces([Square(0, 0, side)], x, torch.zeros(1, 7, 2).numpy(), torch.eye(SIZE).expand(1, 2, -1, -1))
    return float(bearable_tint(faces))


def test_between_two_colours_brightness_goes_from_one_to_the_other() -> None:
    x = of_one_colour(SKIN)
    x[..., SIZE // 2 :] = BROW.view(3, 1, 1)
    at_the_border = brightening(x, NO_TINT)[0, :, SIZE // 2, SIZE // 2]
    assert parallel(at_the_border, SKIN - BROW)
    assert not parallel(at_the_border, BROW)


def test_what_has_one_colour_gets_more_of_it() -> None:
    line = brightening(of_one_colour(SKIN), NO_TINT)
    assert parallel(line[0, :, 5, 5], SKIN)
    assert torch.allclose(line.square().mean(1), torch.ones(1, SIZE, SIZE))


def test_where_tint_is_bearable_brightness_is_the_same_for_all_colours() -> None:
    assert torch.allclose(brightening(of_one_colour(SKIN), ALL_TINT), torch.ones(()))


def test_a_red_and_a_blue_of_the_same_brightness_make_no_wild_colours() -> None:
    x = of_one_colour(torch.tensor([0.8, 0.1, 0.1]))
    x[..., ::2] = torch.tensor([0.1, 0.1, 0.79]).view(3, 1, 1)
    line = brightening(x, NO_TINT)
    assert line.min() >= 0
    assert line.max() < 2


def test_no_colour_goes_against_brightness() -> None:
    """Beside an edge from red to a brighter blue, red falls where brightness rises."""
    x = of_one_colour(torch.tensor([0.6, 0.0, 0.0]))
    x[..., SIZE // 2 :] = torch.tensor([0.0, 0.0, 0.9]).view(3, 1, 1)
    assert brightening(x, NO_TINT).min() > 0


def test_in_black_brightness_is_grey() -> None:
    assert parallel(brightening(of_one_colour(torch.zeros(3)), NO_TINT)[0, :, 5, 5], torch.ones(3))


def test_the_larger_the_face_the_less_tint() -> None:
    x = of_one_colour(SKIN)
    assert tint(60, x) == tint(160, x) == pytest.approx(0.4)
    assert tint(320, x) == pytest.approx(0.4 / 16)


def test_grey_faces_bear_none() -> None:
    assert tint(60, of_one_colour(torch.full((3,), 0.5))) == 0
