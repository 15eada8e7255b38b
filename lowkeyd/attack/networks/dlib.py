"""dlib's face recognition ResNet (version 1, 128-d, LFW 99.38 %) as a differentiable torch module.

The original runs in C++ and gives no gradients. This port agrees with it to 1e-5 per value.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowkeyd.attack.layers import FoldedConv
from lowkeyd.attack.networks import dlib_file
from lowkeyd.attack.networks.dlib_file import Layer
from lowkeyd.attack.networks.embedder import Embedder
from lowkeyd.errors import WeightsError

_CHIP = (150, 150)
_MEAN, _SCALE = (122.782, 117.001, 104.298), 256.0
_BLOCK_LAYERS = 4  # conv, affine, conv, affine
_LAYERS = 2 + 14 * _BLOCK_LAYERS + 1  # stem, blocks, fc


def build(content: bytes, source: Path) -> Embedder:
    """The network, from dlib's own file. Raises WeightsError."""
    layers = dlib_file.layers(content, source)
    if len(layers) != _LAYERS:
        raise WeightsError(
            f"{source}: not dlib's face recognition network: it has {len(layers)} layers, expected {_LAYERS}"
        )
    return Embedder(DlibResNet(layers), "ResNet-29", _CHIP, scale=None)


class DlibResNet(nn.Module):
    """N x 3 x 150 x 150, [0, 1], to raw embeddings, N x 128: compared as they are, one person below 0.6."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        *body, last = layers
        self.stem = _stem(*body[:2])
        blocks = [body[start : start + _BLOCK_LAYERS] for start in range(2, len(body), _BLOCK_LAYERS)]
        self.blocks = nn.Sequential(*(_Block(block) for block in blocks))
        inputs, outputs = last.weight.shape
        self.project = nn.Linear(inputs, outputs, bias=False)
        self.project.weight.data = torch.from_numpy(last.weight.T.copy())

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        x = F.relu(F.max_pool2d(self.stem(x), 3, 2))  # (N, 32, 35, 35)
        x = self.blocks[:-1](x)  # (N, 256, 4, 4)
        # Alone in a batch, the few pixels that are left get other last digits in each backward pass (oneDNN 3.13).
        x = self.blocks[-1](x if len(x) > 1 else x.expand(2, -1, -1, -1))[: len(x)]  # (N, 256, 2, 2)
        embeddings: Tensor = self.project(x.mean((2, 3)))  # (N, 128)
        return embeddings


class _Block(nn.Module):
    """Two convolutions beside a skip, which a block that halves the size pools by 2."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.first = _convolution(*layers[:2])
        self.second = _convolution(*layers[2:])
        self.halves = layers[0].stride == 2

    def forward(self, x: Tensor) -> Tensor:
        branch = self.second(F.relu(self.first(x)))
        skip = F.avg_pool2d(x, 2, 2) if self.halves else x
        return F.relu(_add(branch, skip))


def _convolution(con: Layer, affine: Layer) -> nn.Conv2d:
    """A convolution within the network."""
    weight, bias = _folded(con, affine)
    filters, channels, *kernel = weight.shape
    convolution = nn.Conv2d(channels, filters, (kernel[0], kernel[1]), con.stride, con.padding)
    convolution.weight.data, convolution.bias = weight, nn.Parameter(bias)
    return convolution


def _stem(con: Layer, affine: Layer) -> FoldedConv:
    """The first convolution, for pictures in [0, 1]: dlib's own sees (255 x - mean) / scale."""
    weight, bias = _folded(con, affine)
    mean = torch.tensor(_MEAN).view(1, 3, 1, 1)
    return FoldedConv(weight * (255 / _SCALE), bias - (weight * mean).sum((1, 2, 3)) / _SCALE, con.stride)


def _folded(con: Layer, affine: Layer) -> tuple[Tensor, Tensor]:
    """Weights and bias with the affine layer that follows, a batch norm at rest, folded in."""
    weight = torch.from_numpy(con.weight * affine.weight[:, None, None, None])
    return weight, torch.from_numpy(con.bias * affine.weight + affine.bias)


def _add(a: Tensor, b: Tensor) -> Tensor:
    """dlib adds tensors of different shapes by filling the smaller one up with zeros."""
    if a.shape == b.shape:
        return a + b
    size = [max(sizes) for sizes in zip(a.shape, b.shape, strict=True)]
    return _fill(a, size) + _fill(b, size)


def _fill(x: Tensor, size: list[int]) -> Tensor:
    _, channels, height, width = (want - have for want, have in zip(size, x.shape, strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))
