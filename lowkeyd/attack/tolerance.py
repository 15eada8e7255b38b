"""Where a change is seen least, and how much of it a face bears as a whole.

Contrast hides changes beside it (visual masking; Legge & Foley 1980): hair, brows, lashes and beards bear more than the
ridge of a nose or a smooth cheek. An attack that is free to choose buys distance with smooth shading of flat skin,
which no error measure minds and every viewer points at.
"""

import numpy as np
import torch
from torch import Tensor

from lowkeyd.attack.align import Points
from lowkeyd.attack.crop import interocular, rim_mask
from lowkeyd.attack.filters import covariance, gaussian
from lowkeyd.attack.pixels import LUMA, channel

_REACH_PX = 1.5
"""How near contrast has to be to hide a change, in pixels of the working size."""
_FLOOR = 0.03
"""What smooth skin bears, [0, 1]: the contrast below which structural similarity (Wang et al. 2004) sees nothing."""
_CEILING = 0.06
"""Contrast beyond this hides no more: strong edges would otherwise take it all."""
_MIDDLE = 2.0
"""How much more the middle of a face gets than its surroundings: there a change moves every recogniser, while what is
spent on hair and background shows and moves dlib alone."""
_MIDDLE_SPREAD = 1.2
"""The middle's spread, in interocular distances."""
_COMMON = 0.0437
"""What a common face bears, in the units of `_FLOOR`: the geometric mean over 600 faces of LFW."""


def tolerance(x: Tensor, points: Points) -> Tensor:
    """What change each pixel of faces x (N x 3 x S x S, [0, 1]) with points (N x 7 x 2) bears, nothing at the rim:
    N x 1 x S x S, root mean square 1 per face."""
    size = x.shape[-1]
    bearable = (_contrast(x) + _FLOOR**2).sqrt().clamp_max(_CEILING) * (_middle(points, size) * rim_mask(size)).to(x)
    return bearable / bearable.square().mean((1, 2, 3), keepdim=True).sqrt()


def allowance(x: Tensor) -> Tensor:
    """What change faces bear as a whole, against a common one: N x 1 x 1 x 1. Changes of that size cost every face
    about the same of structural similarity, so that a smooth face does not show more than one with a beard."""
    share = rim_mask(x.shape[-1]).to(x).square()
    seen = (share / (_contrast(x) + _FLOOR**2)).mean((1, 2, 3), keepdim=True) / share.mean()
    return seen.rsqrt() / _COMMON


def _contrast(x: Tensor) -> Tensor:
    """The variance of brightness around each pixel: N x 1 x S x S."""
    luma = channel(x, LUMA)
    return covariance(luma, luma, gaussian(x.shape[-1], _REACH_PX).to(x)).clamp_min(0)


def _middle(points: Points, size: int) -> Tensor:
    """1 far from eyes and nose, rising towards their middle: N x 1 x size x size."""
    middle = points[:, :3].mean(1)  # (N, 2)
    spread = np.array([_MIDDLE_SPREAD * interocular(face) for face in points])
    along = (np.arange(size) - middle[:, :, None]) / spread[:, None, None]  # (N, 2, size)
    across, down = np.exp(-np.square(along) / 2).transpose(1, 0, 2)
    return torch.from_numpy(1 + _MIDDLE * down[:, :, None] * across[:, None, :]).float()[:, None]
