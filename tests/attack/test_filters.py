import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur, resize

from lowkeyd.attack import filters


def picture(size: int = 48) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_the_blur_is_a_gaussian() -> None:
    x = picture()
    matrix = filters.gaussian(48, 2.0)
    ours = filters.both_ways(x, matrix)
    theirs = gaussian_blur(x, [25, 25], [2.0, 2.0])
    assert torch.allclose(ours[..., 13:-13, 13:-13], theirs[..., 13:-13, 13:-13], atol=1e-4)


@pytest.mark.parametrize("matrix", [filters.gaussian(32, 3.0), filters.rescaling(32, 0.5), filters.gaussian(32, 0.0)])
def test_smoothing_keeps_brightness_up_to_the_border(matrix: torch.Tensor) -> None:
    assert torch.allclose(matrix.sum(1), torch.ones(32), atol=1e-5)


def test_rescaling_is_an_anti_aliased_resize_and_back() -> None:
    x = picture()
    matrix = filters.rescaling(48, 0.5)
    theirs = resize(resize(x, [24, 24], antialias=True), [48, 48], antialias=True)
    assert torch.allclose(filters.both_ways(x, matrix), theirs, atol=1e-4)


def test_rescaling_by_one_changes_nothing() -> None:
    assert torch.allclose(filters.rescaling(16, 1.0), torch.eye(16), atol=1e-6)


def test_covariance_is_that_of_the_pixels_around() -> None:
    x, y = picture(), picture().flip(0)
    everywhere = torch.full((48, 48), 1 / 48)
    around = filters.covariance(x, y, everywhere)
    a, b = x.flatten(2), y.flatten(2)
    theirs = ((a - a.mean(2, keepdim=True)) * (b - b.mean(2, keepdim=True))).mean(2)
    assert torch.allclose(around, theirs[..., None, None].expand_as(around), atol=1e-5)
