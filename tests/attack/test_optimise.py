"""The loops, ours and the paper's, on a real face with real networks, a few steps each."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lowkeyd.attack import align, paper
from lowkeyd.attack import optimise as module
from lowkeyd.attack.align import Points
from lowkeyd.attack.crop import SIDE, WORKING_PX, Square, WorkingFaces, resize, shrink
from lowkeyd.attack.filters import gaussian
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.objective import Objective, squared
from lowkeyd.attack.optimise import optimise
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.presets import PRESETS
from lowkeyd.attack.tint import brightening
from lowkeyd.attack.tolerance import allowance
from lowkeyd.attack.views import View
from lowkeyd.model import Face, Pixels

FEW = replace(PRESETS["balanced"], steps=6)
WHOLE = torch.eye(WORKING_PX).expand(1, 2, -1, -1)
"""Of a difference of a face in the photo's middle, all arrives."""


@pytest.fixture(scope="module")
def x(portrait: Pixels, face: Face) -> Tensor:
    return shrink(portrait, Square.around(face, SIDE), WORKING_PX)


@pytest.fixture(scope="module")
def points(face: Face) -> Points:
    return Square.around(face, SIDE).inside(align.points(face), WORKING_PX)[None]


def working(x: Tensor, points: Points, arriving: Tensor = WHOLE, side: int = WORKING_PX) -> WorkingFaces:
    """Faces that are `side` pixels large in their photos."""
    return WorkingFaces([Square(0, 0, side)] * len(x), x, points, arriving.expand(len(x), -1, -1, -1))


def nothing() -> None:
    pass


HELP_DB = 20 * math.log10(1.2)
"""What faces that fall behind get more at most."""


def unhelped(network: FaceNetwork) -> FaceNetwork:
    """For which nobody knows how far a common face comes, so that all keep to the budget itself."""
    return replace(network, reach=None)


def energy_db(delta: Tensor) -> float:
    """As PSNR on the face's box."""
    return float(-10 * torch.log10(delta.square().mean() * (SIDE / 4) ** 2))


def budget_db(x: Tensor) -> float:
    """What the energy comes to for a face of this smoothness, if it is not behind."""
    return FEW.psnr_db - 0.46 - 20 * math.log10(float(allowance(x)))


@pytest.fixture(scope="module")
def papers(x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual) -> tuple[Tensor, int]:
    """What the paper's loop ends with, and how many steps it told of."""
    told: list[None] = []
    return paper.optimise(x, points, [dlib_network], perceptual, 0, lambda: told.append(None)), len(told)


def test_the_face_moves_away_within_its_budget(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    delta = optimise(working(x, points), [unhelped(dlib_network)], perceptual, FEW, 0, nothing)
    moved = Objective([dlib_network], x, points, squared).protection(x + delta, [View()])
    noise = delta.abs().mean() * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).sign()
    by_chance = Objective([dlib_network], x, points, squared).protection(x + noise, [View()])
    assert float(moved) > 10 * float(by_chance)
    assert energy_db(delta) == pytest.approx(budget_db(x), abs=0.05)


def test_a_smaller_budget_is_kept_too(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    strong, weak = (
        optimise(working(x, points), [unhelped(dlib_network)], perceptual, replace(FEW, psnr_db=db), 0, nothing)
        for db in (34.0, 40.0)
    )
    assert float(strong.square().mean() / weak.square().mean()) == pytest.approx(10**0.6, rel=0.02)


def test_of_a_small_face_what_its_pixels_can_hold_is_the_budget(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    small = Square(0, 0, 40).arrives((40, 40), WORKING_PX)[None]
    delta = optimise(working(x, points, small), [unhelped(dlib_network)], perceptual, FEW, 0, nothing)
    left = resize(resize(delta, 40), WORKING_PX)
    assert energy_db(left) == pytest.approx(budget_db(x), abs=0.05)


def test_of_a_face_that_the_border_cuts_the_budget_is_for_what_the_photo_has(
    portrait: Pixels, face: Face, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    square = Square.around(face, SIDE)
    cut = portrait[:, : square.left + square.side // 2]
    x, points = shrink(cut, square, WORKING_PX), square.inside(align.points(face), WORKING_PX)[None]
    arriving = square.arrives(cut.shape, WORKING_PX)[None]
    delta = optimise(working(x, points, arriving), [unhelped(dlib_network)], perceptual, FEW, 0, nothing)
    assert energy_db(delta[..., : WORKING_PX // 2]) == pytest.approx(budget_db(x), abs=0.1)


def test_a_face_of_which_the_photo_has_nothing_stays_as_it_is(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    delta = optimise(working(x, points, 0 * WHOLE), [dlib_network], perceptual, FEW, 0, nothing)
    assert not delta.any()


def test_a_face_that_falls_behind_gets_more_and_one_that_is_ahead_less(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    behind, ahead = (
        optimise(working(x, points), [dlib_network], perceptual, replace(FEW, reach=reach), 0, nothing)
        for reach in (100.0, 0.01)
    )
    assert energy_db(behind) == pytest.approx(budget_db(x) - HELP_DB, abs=0.05)
    assert energy_db(ahead) == pytest.approx(budget_db(x) + HELP_DB, abs=0.05)


def test_no_face_is_helped_when_nobody_knows_how_far_a_common_one_comes(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    delta = optimise(working(x, points), [unhelped(dlib_network)], perceptual, replace(FEW, reach=100), 0, nothing)
    assert energy_db(delta) == pytest.approx(budget_db(x), abs=0.05)


def test_a_smooth_face_changes_less(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    smooth = resize(resize(x, 24), WORKING_PX)
    delta = optimise(working(smooth, points), [unhelped(dlib_network)], perceptual, FEW, 0, nothing)
    assert budget_db(smooth) > budget_db(x) + 1
    assert energy_db(delta) == pytest.approx(budget_db(smooth), abs=0.05)


def test_it_is_the_same_for_the_same_seed_and_whoever_shares_the_batch(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    alone = optimise(working(x, points), [dlib_network], perceptual, FEW, 0, nothing)
    again = optimise(working(x, points), [dlib_network], perceptual, FEW, 0, nothing)
    other = optimise(working(x, points), [dlib_network], perceptual, FEW, 1, nothing)
    assert torch.equal(alone, again)
    assert not torch.allclose(alone, other, atol=1e-3)
    both = working(torch.cat([x.flip(2), x]), points.repeat(2, 0))
    two = optimise(both, [dlib_network], perceptual, FEW, 0, nothing)
    # Sums over a batch come in another order, and the loop amplifies the last digits; the pattern is the same.
    assert np.corrcoef(alone.flatten(), two[1].flatten())[0, 1] > 0.98


def test_a_grey_face_stays_grey(x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual) -> None:
    grey = x.mean(1, keepdim=True).expand_as(x).contiguous()
    delta = optimise(working(grey, points), [dlib_network], perceptual, FEW, 0, nothing)
    assert (delta - delta.mean(1, keepdim=True)).abs().max() < 1e-6
    assert delta.abs().max() > 0.01


def test_a_large_face_changes_along_its_own_colours(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual
) -> None:
    def tint(side: int) -> float:
        """Of the change's energy, what is not a change of brightness."""
        delta = optimise(working(x, points, side=side), [dlib_network], perceptual, FEW, 0, nothing)
        brighter = brightening(x, torch.zeros(1, 1, 1, 1))
        along = brighter * (delta * brighter).mean(1, keepdim=True)
        return float((delta - along).square().sum() / delta.square().sum())

    assert tint(160) == tint(80)
    assert tint(500) < 0.2 * tint(160)


def test_the_rim_is_left_alone(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual, papers: tuple[Tensor, int]
) -> None:
    for delta in (optimise(working(x, points), [dlib_network], perceptual, FEW, 0, nothing), papers[0]):
        assert delta[..., 0, :].abs().max() < 1 / 255
        assert delta[..., :, -1].abs().max() < 1 / 255


def test_every_step_is_told(x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual) -> None:
    told: list[None] = []
    optimise(working(x, points), [dlib_network], perceptual, FEW, 0, lambda: told.append(None))
    assert len(told) == FEW.steps


def test_the_papers_loop_takes_signed_steps_from_noise(x: Tensor, papers: tuple[Tensor, int]) -> None:
    delta, told = papers
    assert told == paper.STEPS == 50
    inner = delta[..., 20:-20, 20:-20]  # where the mask is 1
    start = (2 * torch.rand((1, *x.shape[1:]), generator=torch.Generator().manual_seed(0)) - 1) * 0.005
    steps = (inner - start[..., 20:-20, 20:-20]) / 0.0025
    assert torch.allclose(steps, steps.round(), atol=1e-2), "a whole number of steps of one size"
    assert steps.abs().max() <= 50


def test_a_larger_weight_of_lpips_is_less_to_see(
    x: Tensor,
    points: Points,
    dlib_network: FaceNetwork,
    perceptual: Perceptual,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paper, "STEPS", 15)
    light, heavy = (
        x + paper.optimise(x, points, [dlib_network], perceptual, 0, nothing, alpha=alpha) for alpha in (0.05, 0.2)
    )
    assert float(perceptual(x, heavy)) < float(perceptual(x, light))


def test_the_budget_goes_neither_to_the_finest_change_nor_to_the_coarsest(
    x: Tensor, points: Points, dlib_network: FaceNetwork, perceptual: Perceptual, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shares() -> tuple[float, float]:
        """Of brightness: what of the change's energy a blur of 0.8 pixels takes away, and what one of 4 leaves."""
        delta = optimise(working(x, points), [dlib_network], perceptual, FEW, 0, nothing)
        grey = delta.mean(1, keepdim=True)
        fine, coarse = (gaussian(WORKING_PX, sigma) for sigma in (0.8, 4.0))
        finest, coarsest = grey - fine @ grey @ fine.T, coarse @ grey @ coarse.T
        return float(finest.square().sum() / grey.square().sum()), float(coarsest.square().sum() / grey.square().sum())

    finest, coarsest = shares()
    monkeypatch.setattr(module, "_COARSE", 0.0)
    assert coarsest < 0.9 * shares()[1]
    monkeypatch.setattr(module, "_FINE_PX", 0.0)
    assert finest < 0.7 * shares()[0]
