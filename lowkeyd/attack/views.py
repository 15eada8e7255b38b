"""The views: in what shapes the networks see the protected face at each step.

A recogniser will see the photo blurred, resized, mirrored and aligned a little differently. One random view per step
(Athalye et al. 2018's expectation over transformations) protects better than the paper's two fixed ones, in 3/4 of the
time. Draws depend on seed and step alone, so that a face comes out the same whoever shares its batch.
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

_BLUR_PX = 3.6
"""The strongest random blur's sigma in pixels of the working size: more serves some judges and harms others."""
_NOTHING = 1e-6
_SMALLEST = 0.4
"""The strongest random shrinking."""
_JITTER = 0.02
"""Spread of the landmarks, in interocular distances: about what two detectors differ by."""
_PAPER_BLUR_PX = 3.0
_R2 = np.array((0.7548776662466927, 0.5698402909980532))
"""Steps of the R2 sequence (Roberts 2018): two coordinates that fill the unit square evenly, however few are drawn.
With independent draws, results differ from seed to seed."""


@dataclass(frozen=True)
class View:
    """How one look at the face differs from the plain one.

    `smoothing` (S x S) blurs and shrinks: x becomes A x A^T; None leaves x. `jitter` (5 x 2) moves the landmarks, in
    interocular distances. `mirrored`: the embedding is the sum over these, True for the mirror image.
    """

    smoothing: Tensor | None
    jitter: Matrix
    mirrored: tuple[bool, ...]

    def smooth(self, x: Tensor) -> Tensor:
        """N x 3 x S x S."""
        return x if self.smoothing is None else self.smoothing @ x @ self.smoothing.T


def paper(size: int, device: str) -> tuple[View, ...]:
    """The paper's views: plain and blurred, each with the mirror image's embedding added."""
    still = np.zeros((5, 2), np.float32)
    return View(None, still, (False, True)), View(gaussian(size, _PAPER_BLUR_PX).to(device), still, (False, True))


def random(size: int, device: str, seed: int) -> Iterator[View]:
    """One view per step, without end."""
    rng = np.random.default_rng(seed)
    point = rng.random(2)
    while True:
        point = (point + _R2) % 1.0
        smoothing = rescaling(size, _SMALLEST + (1 - _SMALLEST) * point[1]) @ gaussian(size, _BLUR_PX * point[0])
        jitter = rng.normal(0, _JITTER, (5, 2)).astype(np.float32)
        yield View(smoothing.to(device), jitter, (bool(rng.integers(2)),))


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
