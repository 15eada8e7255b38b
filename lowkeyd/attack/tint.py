"""What colours a change may have.

Tint is what people see first: irises, brows and noses of another colour. In a photo, colour and brightness change
together, from skin to brow, from skin to its highlight (colour lines; Omer & Werman 2004). A change of brightness that
goes along them looks like other light or another shape; anything else is tint.
"""

import torch
from torch import Tensor

from lowkeyd.attack.crop import WorkingFaces
from lowkeyd.attack.filters import both_ways, covariance, gaussian

_MOST = 0.4
"""Of the gradient's colour part, in a face so small that nobody sees it: it buys little."""
_SMALL_PX = 160
"""In faces whose squares are at most so wide in the photo, patches of colour are too small to be seen as such, which is
why JPEG halves colour. With the fourth power of the size they stop to count."""
_NEAR_PX = 3.0
"""The neighbourhood in which colours and brightness are compared, in pixels of the working size."""
_OWN_PX = 1.5
"""What a pixel's own colour is the mean of: not its noise."""
_FLAT = 1e-3
"""Variance of brightness, [0, 1], below which a neighbourhood has no line of its own: there, light would make pixels
brighter in proportion."""
_BLACK = 0.02
"""Added to colours, [0, 1], of which black has none."""
_LEAST, _STEEPEST = 0.1, 3.0
"""How much red, green or blue may follow brightness: beyond that it is noise."""


def bearable_tint(faces: WorkingFaces) -> Tensor:
    """How much of a change may be tint: N x 1 x 1 x 1, nothing for grey faces, which stay grey."""
    grey = (faces.x - faces.x.mean(1, keepdim=True)).abs().amax((1, 2, 3), keepdim=True) < 1e-3
    sides = torch.tensor([square.side for square in faces.squares]).to(faces.x)
    return _MOST * (_SMALL_PX / sides).clamp_max(1.0).pow(4).view(-1, 1, 1, 1) * ~grey


def brightening(x: Tensor, tint: Tensor) -> Tensor:
    """What red, green and blue get of a change of brightness: N x 3 x S x S, root mean square 1 per pixel. Along the
    colours around each pixel; the more tint is bearable, the nearer to the same for all."""
    size = x.shape[-1]
    own = both_ways(x, gaussian(size, _OWN_PX).to(x)) + _BLACK
    own = own / own.mean(1, keepdim=True)
    together = covariance(x, x.mean(1, keepdim=True), gaussian(size, _NEAR_PX).to(x))  # its mean: brightness' variance
    line = together + _FLAT * own
    line = (line / line.mean(1, keepdim=True)).clamp(_LEAST, _STEEPEST)
    line = 1 + (line / line.mean(1, keepdim=True) - 1) * (1 - tint / _MOST)
    return line / line.square().mean(1, keepdim=True).sqrt()
