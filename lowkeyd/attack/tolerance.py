"""Where a change is seen least: in hair, brows, lashes and beards, not on the ridge of a nose or a smooth cheek.

Contrast hides changes beside it (visual masking; Legge & Foley 1980). An attack that is free to choose buys distance
with smooth shading of flat skin, which no error measure minds and every viewer points at.
"""

import torch
from torch import Tensor

from lowkeyd.attack.views import gaussian

_LUMA = (0.299, 0.587, 0.114)
_REACH_PX = 1.5
"""How near contrast has to be to hide a change, in pixels of the working size."""
_FLOOR = 0.03
"""What smooth skin bears, [0, 1]: the contrast below which structural similarity (Wang et al. 2004) sees nothing."""
_CEILING = 0.06
"""Contrast beyond this hides no more: strong edges would otherwise take it all."""


def tolerance(x: Tensor) -> Tensor:
    """What change each pixel of faces x (N x 3 x S x S, [0, 1]) bears: N x 1 x S x S, root mean square 1 per face."""
    luma = (x * torch.tensor(_LUMA, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    blur = gaussian(x.shape[-1], _REACH_PX).to(x)
    mean = blur @ luma @ blur.T
    contrast = (blur @ luma.square() @ blur.T - mean.square()).clamp_min(0)  # its square
    bearable = (contrast + _FLOOR**2).sqrt().clamp_max(_CEILING)
    return bearable / bearable.square().mean((1, 2, 3), keepdim=True).sqrt()
