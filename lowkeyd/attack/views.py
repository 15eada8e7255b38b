"""The views: in what shapes the networks see the protected face at each step.

A recogniser will see the photo blurred, resized, mirrored and aligned a little differently. One random view per step
(Athalye et al. 2018's expectation over transformations) protects better than the paper's two fixed ones, at a quarter
of the cost. Draws depend on seed and step alone, so that a face comes out the same whoever shares its batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Matrix = npt.NDArray[np.float32]

_BLUR_PX = 2.0
"""The strongest random blur's sigma in pixels of the working size: more serves some judges and harms others."""
_SMALLEST = 0.5
"""The strongest random shrinking."""
_JITTER = 0.02
"""Spread of each landmark, in interocular distances: about what two detectors differ by."""
_NOISE = 0.015
"""Standard deviation of the noise that a view adds, [0, 1]: a change that a little noise undoes is not worth having."""
_PAPER_BLUR_PX = 3.0
_NOTHING = 1e-6


@dataclass(frozen=True)
class Placement:
    """Moves a face in its chip: its points turn and zoom (2 x 2) about the landmarks' middle, then shift (2), then
    jitter (7 x 2), the last two in interocular distances."""

    turn: Matrix
    shift: Matrix
    jitter: Matrix

    def move(self, points: Matrix) -> Matrix:
        """N x 7 x 2, in any pixels."""
        eyes = np.linalg.norm(points[:, 1:2] - points[:, 0:1], axis=2, keepdims=True)  # (N, 1, 1)
        middle = points[:, :5].mean(1, keepdims=True)
        moved: Matrix = middle + (points - middle) @ self.turn.T + (self.shift + self.jitter) * eyes
        return moved.astype(np.float32)


@dataclass(frozen=True)
class View:
    """How one look at the face differs from the plain one.

    `noise` (3 x S x S) is added; `smoothing` (S x S) then blurs and shrinks: x becomes A x A^T. None leaves x.
    `mirrored`: the embedding is the mean over these, True for the mirror image.
    """

    noise: Tensor | None = None
    smoothing: Tensor | None = None
    placement: Placement | None = None
    mirrored: tuple[bool, ...] = (False,)

    def smooth(self, x: Tensor) -> Tensor:
        """N x 3 x S x S."""
        noisy = x if self.noise is None else x + self.noise
        return noisy if self.smoothing is None else both_ways(noisy, self.smoothing)

    def place(self, points: Matrix) -> Matrix:
        """N x 7 x 2, in pixels of the face."""
        return points if self.placement is None else self.placement.move(points)


def paper(size: int, device: str) -> tuple[View, ...]:
    """The paper's views: plain and blurred, each with the mirror image's embedding added."""
    both = (False, True)
    return View(mirrored=both), View(smoothing=gaussian(size, _PAPER_BLUR_PX).to(device), mirrored=both)


def random(size: int, device: str, seed: int, spread: float) -> Iterator[View]:
    """One view per step, without end; every other one is mirrored. `spread`: how far they zoom (a share), turn
    (radians) and shift (interocular distances); templates differ by about 0.1."""
    rng = np.random.default_rng(seed)
    mirrored = bool(rng.integers(2))
    for (blur, shrinking), place in zip(_evenly(2, rng), _evenly(4, rng), strict=True):
        smoothing = rescaling(size, _SMALLEST + (1 - _SMALLEST) * shrinking) @ gaussian(size, _BLUR_PX * blur)
        noise = torch.from_numpy(rng.standard_normal((3, size, size), np.float32) * _NOISE)
        yield View(noise.to(device), smoothing.to(device), _placement(spread * (2 * place - 1), rng), (mirrored,))
        mirrored = not mirrored


def _evenly(dimensions: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.float64]]:
    """Points that fill the unit cube evenly, however few are drawn: Roberts' R sequence (2018). With independent draws,
    results differ from seed to seed, and fewer views are worth less."""
    ratio = 2.0
    for _ in range(50):  # the root of x^(dimensions + 1) = x + 1, which generalises the golden ratio
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    step = ratio ** -np.arange(1.0, dimensions + 1)
    point = rng.random(dimensions)
    while True:
        point = (point + step) % 1.0
        yield point


def _placement(moves: npt.NDArray[np.float64], rng: np.random.Generator) -> Placement:
    angle, zoom, *shift = moves
    turn = (1 + zoom) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    jitter = np.zeros((7, 2))
    jitter[:5] = rng.normal(0, _JITTER, (5, 2))  # a box has no details to be found a little beside
    return Placement(turn.astype(np.float32), np.array(shift, np.float32), jitter.astype(np.float32))


def both_ways(x: Tensor, along: Tensor) -> Tensor:
    """Pictures (N x C x S x S) blurred or rescaled along both axes by a matrix, S x S for all or N x 1 x S x S: same
    shape."""
    return along @ x @ along.mT


def covariance(a: Tensor, b: Tensor, blur: Tensor) -> Tensor:
    """How two pictures (N x C x S x S, C may be 1 in one) vary together around each pixel, as far as `blur` reaches:
    N x C x S x S."""
    return both_ways(a * b, blur) - both_ways(a, blur) * both_ways(b, blur)


def gaussian(size: int, sigma_px: float) -> Tensor:
    """A blur along one axis as a matrix, size x size; its rows sum to 1, so that borders do not darken."""
    if sigma_px < 0.1:
        return torch.eye(size)
    at = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-(((at[:, None] - at) / sigma_px) ** 2) / 2)
    weights[weights < _NOTHING] = 0.0  # what is left of the tails are denormal numbers, which slow a CPU down sevenfold
    return weights / weights.sum(1, keepdim=True)


def rescaling(size: int, factor: float) -> Tensor:
    """Shrinking by `factor`, anti-aliased, and enlarging again along one axis, as a matrix, size x size."""
    small = max(1, math.ceil(size * factor))
    down = F.interpolate(torch.eye(size)[None, None], (small, size), mode="bilinear", antialias=True)
    return F.interpolate(down, (size, size), mode="bilinear", antialias=True)[0, 0]
