import numpy as np
import pytest
import torch

from lowkeyd.attack.pixels import to_levels, to_tensor


def test_pixels_become_planes_between_0_and_1() -> None:
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[1, 2] = (255, 51, 0)
    x = to_tensor(pixels)
    assert (x.shape, x.dtype) == ((1, 3, 2, 3), torch.float32)
    assert x[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert x[0, :, 0, 0].tolist() == [0.0, 0.0, 0.0]


def test_a_difference_becomes_levels_of_255() -> None:
    delta = torch.zeros(1, 3, 2, 3)
    delta[0, :, 1, 2] = torch.tensor([1.0, -0.2, 0.0])
    levels = to_levels(delta)
    assert (levels.shape, levels.dtype) == ((2, 3, 3), np.float32)
    assert levels[1, 2].tolist() == pytest.approx([255.0, -51.0, 0.0])


@pytest.mark.parametrize("shape", [(2, 3), (3, 2, 3, 3), (2, 3, 4)])
def test_other_shapes_are_a_bug_of_ours(shape: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError, match="bug"):
        to_tensor(np.zeros(shape, np.uint8))


def test_other_ranges_are_a_bug_of_ours() -> None:
    with pytest.raises(AssertionError, match="bug"):
        to_tensor(np.zeros((2, 2, 3), np.float32))  # type: ignore[arg-type]
