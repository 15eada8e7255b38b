"""The objective against cases that can be worked out with a pencil."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lowkeyd.attack.filters import gaussian
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.objective import Objective, centred, squared
from lowkeyd.attack.views import View

PLAIN = View()
TEMPLATE = np.array([[2, 2], [5, 2], [3.5, 4], [2.5, 6], [4.5, 6]], np.float32)
POINTS = np.concatenate([TEMPLATE, [[0, 0], [8, 8]]]).astype(np.float32)[None]
"""The face lies in the picture as the network wants it: the warp changes nothing."""


class Colour(nn.Module):
    """Embeds a chip as its mean colour, times `weights`."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = torch.tensor(weights, dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * self.weights


class LeftHalf(nn.Module):
    """Sees red on the left half only and green on the right half only."""

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[3] // 2
        return torch.stack([x[:, 0, :, :half].mean((1, 2)), x[:, 1, :, half:].mean((1, 2))], 1)


def network(module: nn.Module, name: str = "tiny") -> FaceNetwork:
    return FaceNetwork(name, module, TEMPLATE, (8, 8), unit=True, threshold=1.0)


def plain_colour(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 8, 8).clone()


def test_the_distance_is_squared_and_averaged_over_dimensions() -> None:
    a, b = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert squared(network(Colour(1)), a, b).tolist() == [1.0, 0.0]  # ((1 - 0)^2 + (0 - 1)^2) / 2


def test_one_network_one_view() -> None:
    objective = Objective([network(Colour(1, 1, 1))], plain_colour(1, 0, 0), POINTS, squared)
    # Unit embeddings (1, 0, 0) and (0.6, 0.8, 0): (0.16 + 0.64 + 0) / 3.
    assert objective.protection(plain_colour(0.3, 0.4, 0), [PLAIN]).tolist() == pytest.approx([0.8 / 3])


def test_several_networks_and_views_are_averaged() -> None:
    ensemble = [network(Colour(1, 1, 1), "a"), network(Colour(1, 0, 0), "b")]  # b cannot tell the two apart
    objective = Objective(ensemble, plain_colour(1, 0, 0), POINTS, squared)
    blurred = View(smoothing=gaussian(8, 2.0))  # which changes nothing about a plain colour
    assert objective.protection(plain_colour(0.3, 0.4, 0), [PLAIN, blurred]).tolist() == pytest.approx([0.4 / 3])


def test_faces_are_scored_one_by_one() -> None:
    x = torch.cat([plain_colour(1, 0, 0), plain_colour(0, 1, 0)])
    objective = Objective([network(Colour(1, 1, 1))], x, POINTS.repeat(2, 0), squared)
    moved = torch.cat([plain_colour(1, 0, 0), plain_colour(1, 0, 0)])
    assert objective.protection(moved, [PLAIN]).tolist() == pytest.approx([0.0, 2 / 3])


def test_a_mirrored_view_is_compared_with_the_mirrored_original() -> None:
    x = plain_colour(0, 0, 0)
    x[:, 0, :, :4] = 0.9  # red on the left
    x[:, 1, :, 4:] = 0.1  # a little green on the right
    objective = Objective([network(LeftHalf())], x, POINTS, squared)
    for mirrored in ((False,), (True,), (False, True)):
        # In the mirror image both halves are black for this network, so the plain part decides the sum.
        view = View(mirrored=mirrored)
        assert objective.protection(x, [view]).tolist() == pytest.approx([0.0], abs=1e-6)


def test_the_reference_is_the_clean_face_unblurred() -> None:
    x = torch.zeros(1, 3, 8, 8)
    x[:, 0, :, :4] = 1.0
    x[:, 1, :, 4:] = 1.0
    objective = Objective([network(Colour(1, 1, 1))], x, POINTS, squared)
    only_red = View(smoothing=torch.tensor([[1.0] + [0.0] * 7]).repeat(8, 1))  # every pixel as the top left one
    assert objective.protection(x, [only_red]).item() == pytest.approx(
        ((1 - 0.5**0.5) ** 2 + 0.5) / 3, abs=1e-3
    )  # (1, 0, 0) against (.71, .71, 0)


def test_the_gradient_points_away_from_the_original() -> None:
    x = plain_colour(1, 0.1, 0)
    objective = Objective([network(Colour(1, 1, 1))], x, POINTS, squared)
    x_adv = plain_colour(1, 0.2, 0).requires_grad_()
    (gradient,) = torch.autograd.grad(objective.protection(x_adv, [PLAIN]).sum(), x_adv)
    assert (gradient[:, 1] > 0).all()
    assert (gradient[:, 0] < 0).all()


def test_the_centred_distance_is_an_angle_at_the_mean_face() -> None:
    x, moved = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    at_the_origin = network(Colour(1))
    assert centred(at_the_origin, x, moved).tolist() == pytest.approx([1.0]), "a right angle"
    centre = torch.tensor([0.5, 0.5]) / 0.8  # what is subtracted is 0.8 of it
    between = replace(at_the_origin, centre=centre)
    assert centred(between, x, moved).tolist() == pytest.approx([2.0]), "opposite sides of the mean face"


def test_of_two_embeddings_at_one_angle_the_longer_counts_more() -> None:
    x = torch.tensor([[2.0, 0.0]])
    for known in (None, torch.tensor([0.0, 0.0])):
        of = replace(network(Colour(1)), centre=known, unit=False)
        short, same, long = (centred(of, x, torch.tensor([[0.0, length]])).item() for length in (1.0, 2.0, 4.0))
        assert same == pytest.approx(1.0), "as long as the clean one: the angle alone"
        assert (short, long) == pytest.approx((1 - 0.4 * math.log(2), 1 + 0.4 * math.log(2)))


def test_where_embeddings_are_compared_by_direction_alone_their_length_counts_nothing() -> None:
    x, longer = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    assert centred(network(Colour(1)), x, longer).item() == pytest.approx(1.0)


def test_the_distance_is_the_objectives_choice() -> None:
    x, moved = plain_colour(1, 0, 0), plain_colour(0, 1, 0)
    assert Objective([network(Colour(1, 1, 1))], x, POINTS, centred).protection(moved, [PLAIN]).tolist() == [1.0]
    assert Objective([network(Colour(1, 1, 1))], x, POINTS, squared).protection(
        moved, [PLAIN]
    ).tolist() == pytest.approx([2 / 3])
