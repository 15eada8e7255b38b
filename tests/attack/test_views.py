from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from lowkeyd.attack import views
from lowkeyd.attack.align import Points


def picture(size: int = 48) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


POINTS = np.array([[[10, 10], [30, 10], [20, 20], [12, 30], [28, 30], [5, 0], [35, 40]]], np.float32)


def placed(view: views.View) -> Points:
    return view.place(POINTS)


def test_the_papers_views_are_plain_and_blurred_with_the_mirror_image_added() -> None:
    plain, blurred = views.paper(32, "cpu")
    assert plain.smoothing is None
    assert blurred.smoothing is not None
    assert plain.mirrored == blurred.mirrored == (False, True)
    assert plain.placement is blurred.placement is None


def test_random_views_depend_on_the_seed_alone() -> None:
    first, again, other = (list(islice(views.random(32, "cpu", seed, 0.1), 6)) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.smoothing, b.smoothing)  # type: ignore[arg-type]
        assert (placed(a) == placed(b)).all()
        assert a.mirrored == b.mirrored
    assert any((placed(a) != placed(b)).any() for a, b in zip(first, other, strict=True))


def test_random_views_cover_the_range_evenly_with_few_draws() -> None:
    drawn = list(islice(views.random(32, "cpu", 0, 0.1), 16))
    strength = sorted(float(torch.linalg.matrix_norm(torch.eye(32) - v.smoothing)) for v in drawn)  # type: ignore[operator]
    assert strength[0] < 3 < strength[-1]
    assert {v.mirrored for v in drawn} == {(False,), (True,)}


def test_random_views_add_their_own_noise_before_they_smooth() -> None:
    first, second = islice(views.random(48, "cpu", 0, 0.1), 2)
    assert first.noise is not None
    assert second.noise is not None
    assert float(first.noise.std()) == pytest.approx(0.015, rel=0.03)
    assert abs(float(first.noise.mean())) < 0.001
    assert not torch.allclose(first.noise, second.noise)
    x = picture()
    plain = replace(first, noise=None)
    assert torch.allclose(first.smooth(x), plain.smooth(x + first.noise))


def test_a_placement_turns_about_the_middle_and_shifts_in_eye_distances() -> None:
    quarter = np.array([[0, -1], [1, 0]], np.float32)
    turned = views.Placement(quarter, np.array([1, 0], np.float32), np.zeros((7, 2), np.float32)).move(POINTS)
    middle = POINTS[:, :5].mean(1)
    assert turned[:, :5].mean(1) == pytest.approx(middle + np.array([20, 0]))
    assert turned[0, 1] - turned[0, 0] == pytest.approx([0, 20])


def test_random_placements_stay_as_near_as_they_are_asked_to() -> None:
    jitter, near, far = (moved_by(spread) for spread in (0.0, 0.1, 0.2))
    assert 0 < jitter < 0.04, "of the eyes' distance: landmarks are never found twice in the same place"
    assert near < 0.25
    assert 1.5 * near < far < 2.2 * near


def moved_by(spread: float) -> float:
    """How far points go on average, in interocular distances."""
    moved = [placed(view) for view in islice(views.random(48, "cpu", 0, spread), 40)]
    return float(np.linalg.norm(np.concatenate(moved) - POINTS, axis=2).mean()) / 20
