"""face.evoLVe's ResNets (model_resnet.py), which LowKey's authors attack: torchvision's, with another end."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from lowkeyd.attack.networks import checkpoint
from lowkeyd.attack.networks.checkpoint import Tensors
from lowkeyd.attack.networks.embedder import Embedder, fold

_CHIP = (112, 112)
_WIDTH, _LAST_PX = 2048, 4
_DEPTHS: dict[tuple[int, ...], int] = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101, (3, 8, 36, 3): 152}
"""Blocks of each stage, and the number in the network's name."""


def build(content: bytes, source: Path) -> Embedder:
    """The network, as deep as the checkpoint. Raises WeightsError."""
    network = checkpoint.fit(layout, content, source, "a ResNet of face.evoLVe")
    assert isinstance(network, FaceResNet)
    fold(network)
    return Embedder(network, f"ResNet-{_DEPTHS[network.blocks]}", _CHIP)


def layout(tensors: Tensors) -> "FaceResNet":
    """The network that these tensors are of. Raises KeyError."""
    blocks = checkpoint.stages(tensors, "layer{stage}.{index}.conv3.weight")
    if blocks not in _DEPTHS:
        raise KeyError(f"no known depth: {blocks} bottlenecks in its stages")
    return FaceResNet(blocks, tensors["fc.weight"].shape[0])


class FaceResNet(ResNet):  # type: ignore[misc]  # torchvision has no types
    """N x 3 x 112 x 112, [-1, 1], to embeddings, whose direction counts."""

    def __init__(self, blocks: Sequence[int], dimensions: int) -> None:
        super().__init__(Bottleneck, list(blocks))
        self.blocks = tuple(blocks)
        self.bn_o1 = nn.BatchNorm2d(_WIDTH)
        self.fc = nn.Linear(_WIDTH * _LAST_PX**2, dimensions)
        self.bn_o2 = nn.BatchNorm1d(dimensions)

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, 28, 28)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # (N, 2048, 4, 4)
        y: Tensor = self.bn_o2(self.fc(torch.flatten(self.bn_o1(x), 1)))
        return y
