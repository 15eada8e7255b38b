"""The views: in what shapes the networks see the protected face at each step.

A recogniser will see the photo blurred, resized, mirrored and aligned a little differently. One random view per step
(Athalye et al. 2018's expectation over transformations) protects better than the paper's two fixed ones, at a quarter
of the cost. Draws depend on seed and step alone, so that a face comes out the same whoever shares its batch, but for
what the loop makes of the last digits, in which batches of other sizes differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lowkeyd.attack.align import Points
from lowkeyd.attack.filters import both_ways, gaussian, rescaling

_BLUR_PX = 2.0
"""The strongest random blur's sigma in pixels of the working size: more serves some judges and harms others."""
_SMALLEST = 0.5
"""The strongest random shrinking."""
_JITTER = 0.02
"""Spread of each landmark, in interocular distances: about what two detectors differ by."""
_NOISE = 0.015
"""Standard deviation of the noise that a view adds, [0, 1]: a change that a little noise undoes is not worth having."""
_PAPER_BLUR_PX = 3.0


@dataclass(frozen=True)
class Placement:
    """Moves a face in its chip: its points turn and zoom (2 x 2) about the landmarks' middle, then shift (2), then
    jitter (7 x 2), the last two in interocular distances."""

    turn: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]
    jitter: npt.NDArray[np.float32]

    def move(self, points: Points) -> Points:
        """In any pixels."""
        eyes = np.linalg.norm(points[:, 1:2] - points[:, 0:1], axis=2, keepdims=True)  # (N, 1, 1)
        middle = points[:, :5].mean(1, keepdims=True)
        moved: Points = middle + (points - middle) @ self.turn.T + (self.shift + self.jitter) * eyes
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

    def place(self, points: Points) -> Points:
        """In pixels of the face."""
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
