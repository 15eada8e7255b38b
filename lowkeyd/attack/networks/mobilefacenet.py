"""MobileFaceNet (Chen et al., 2018, arXiv 1804.07573), in the key layout of Xiaoccer/MobileFaceNet_Pytorch."""

from pathlib import Path

from torch import Tensor, nn

from lowkeyd.attack.networks import checkpoint
from lowkeyd.attack.networks.embedder import Embedder, fold

_CHIP = (112, 96)
_SCALE = 128.0
_SETTINGS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, repetitions and first stride of each row of bottlenecks: table 1 of the paper."""


def build(content: bytes, source: Path) -> Embedder:
    """The network, from a checkpoint. Raises WeightsError."""
    network = checkpoint.fit(lambda _: MobileFaceNet(), content, source, "a MobileFaceNet")
    fold(network)
    return Embedder(network, "MobileFaceNet", _CHIP, scale=_SCALE)


class MobileFaceNet(nn.Module):
    """N x 3 x 112 x 96, about [-1, 1], to embeddings, N x 128, whose direction counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 64, 3, 2, 1)
        self.dw_conv1 = _Conv(64, 64, 3, 1, 1, groups=64)
        blocks, channels = [], 64
        for expansion, wide, repeats, stride in _SETTINGS:
            for index in range(repeats):
                blocks.append(_Bottleneck(channels, wide, stride if index == 0 else 1, expansion))
                channels = wide
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Conv(128, 512, 1, 1, 0)
        self.linear7 = _Conv(512, 512, (7, 6), 1, 0, groups=512, linear=True)
        self.linear1 = _Conv(512, 128, 1, 1, 0, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        x = self.blocks(self.dw_conv1(self.conv1(x)))  # (N, 128, 7, 6)
        x = self.linear1(self.linear7(self.conv2(x)))  # (N, 128, 1, 1)
        return x.flatten(1)


class _Conv(nn.Module):
    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int | tuple[int, int],
        stride: int,
        padding: int,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)
        self.prelu = nn.Identity() if linear else nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.prelu(self.bn(self.conv(x)))
        return y


class _Bottleneck(nn.Module):
    """Widen, filter each channel, narrow again (MobileNetV2's inverted residual)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.connect = stride == 1 and channels == out
        self.conv = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.connect else y
