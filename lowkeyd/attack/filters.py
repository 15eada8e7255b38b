"""Linear filters of square pictures, as matrices that are applied along each axis: fast, and differentiable."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_NOTHING = 1e-6


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


def both_ways(x: Tensor, along: Tensor) -> Tensor:
    """Pictures (N x C x S x S) blurred or rescaled along both axes by a matrix, S x S for all or N x 1 x S x S: same
    shape."""
    return along @ x @ along.mT


def covariance(a: Tensor, b: Tensor, blur: Tensor) -> Tensor:
    """How two pictures (N x C x S x S, C may be 1 in one) vary together around each pixel, as far as `blur` reaches:
    N x C x S x S."""
    return both_ways(a * b, blur) - both_ways(a, blur) * both_ways(b, blur)
