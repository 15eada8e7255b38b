"""InsightFace's IResNets (recognition/arcface_torch): r18, r34, r50, r100, r200."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from lowkeyd.attack.networks import checkpoint
from lowkeyd.attack.networks.checkpoint import Tensors
from lowkeyd.attack.networks.embedder import Embedder, fold

_CHIP = (112, 112)
_STEM = 64
_WIDTHS = (64, 128, 256, 512)
_LAST_PX = 7
_DEPTHS: dict[tuple[int, ...], int] = {
    (2, 2, 2, 2): 18,
    (3, 4, 6, 3): 34,
    (3, 4, 14, 3): 50,
    (3, 13, 30, 3): 100,
    (6, 26, 60, 6): 200,
}
"""Blocks of each stage, and the number in the network's name."""


def build(content: bytes, source: Path) -> Embedder:
    """The network, as deep as the checkpoint. Raises WeightsError."""
    network = checkpoint.fit(layout, content, source, "an IResNet of InsightFace")
    assert isinstance(network, IResNet)
    fold(network)
    return Embedder(network, f"IResNet-{_DEPTHS[network.blocks]}", _CHIP)


def layout(tensors: Tensors) -> "IResNet":
    """The network that these tensors are of. Raises KeyError."""
    blocks = checkpoint.stages(tensors, "layer{stage}.{index}.conv2.weight")
    if blocks not in _DEPTHS:
        raise KeyError(f"no known depth: {blocks} blocks in its stages")
    return IResNet(blocks, tensors["fc.weight"].shape[0])


class IResNet(nn.Module):
    """N x 3 x 112 x 112, [-1, 1], to embeddings, whose direction counts."""

    def __init__(self, blocks: Sequence[int], dimensions: int) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.conv1 = nn.Conv2d(3, _STEM, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.prelu = nn.PReLU(_STEM)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(channels, width, count)
            for channels, width, count in zip((_STEM, *_WIDTHS), _WIDTHS, blocks, strict=False)
        )
        self.bn2 = nn.BatchNorm2d(_WIDTHS[-1])
        self.fc = nn.Linear(_WIDTHS[-1] * _LAST_PX**2, dimensions)
        self.features = nn.BatchNorm1d(dimensions)

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        x = self.prelu(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, 512, 7, 7)
        y: Tensor = self.features(self.fc(torch.flatten(self.bn2(x), 1)))
        return y


def _stage(channels: int, width: int, count: int) -> nn.Sequential:
    return nn.Sequential(_Block(channels, width, 2), *(_Block(width, width, 1) for _ in range(1, count)))


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.prelu = nn.PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        z: Tensor = y + self.downsample(x)
        return z
