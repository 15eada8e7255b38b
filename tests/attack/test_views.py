from itertools import islice

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur, resize

from lowkeyd.attack import views


def picture(size: int = 48) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_the_blur_is_a_gaussian() -> None:
    x = picture()
    matrix = views.gaussian(48, 2.0)
    ours = views.View(matrix, np.zeros((5, 2), np.float32), (False,)).smooth(x)
    theirs = gaussian_blur(x, [25, 25], [2.0, 2.0])
    assert torch.allclose(ours[..., 13:-13, 13:-13], theirs[..., 13:-13, 13:-13], atol=1e-4)


@pytest.mark.parametrize("matrix", [views.gaussian(32, 3.0), views.rescaling(32, 0.5), views.gaussian(32, 0.0)])
def test_smoothing_keeps_brightness_up_to_the_border(matrix: torch.Tensor) -> None:
    assert torch.allclose(matrix.sum(1), torch.ones(32), atol=1e-5)


def test_rescaling_is_an_anti_aliased_resize_and_back() -> None:
    x = picture()
    matrix = views.rescaling(48, 0.5)
    theirs = resize(resize(x, [24, 24], antialias=True), [48, 48], antialias=True)
    assert torch.allclose(matrix @ x @ matrix.T, theirs, atol=1e-4)


def test_rescaling_by_one_changes_nothing() -> None:
    assert torch.allclose(views.rescaling(16, 1.0), torch.eye(16), atol=1e-6)


def test_the_papers_views_are_plain_and_blurred_with_the_mirror_image_added() -> None:
    plain, blurred = views.paper(32, "cpu")
    assert plain.smoothing is None
    assert blurred.smoothing is not None
    assert plain.mirrored == blurred.mirrored == (False, True)
    assert not plain.jitter.any()


def test_random_views_depend_on_the_seed_alone() -> None:
    first, again, other = (list(islice(views.random(32, "cpu", seed), 6)) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.smoothing, b.smoothing)  # type: ignore[arg-type]
        assert (a.jitter == b.jitter).all()
        assert a.mirrored == b.mirrored
    assert any((a.jitter != b.jitter).any() for a, b in zip(first, other, strict=True))


def test_random_views_cover_the_range_evenly_with_few_draws() -> None:
    drawn = list(islice(views.random(32, "cpu", 0), 16))
    strength = sorted(float(torch.linalg.matrix_norm(torch.eye(32) - v.smoothing)) for v in drawn)  # type: ignore[operator]
    assert strength[0] < 3 < strength[-1]
    assert {v.mirrored for v in drawn} == {(False,), (True,)}
