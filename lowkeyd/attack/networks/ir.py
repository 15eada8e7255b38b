"""The IR networks of face.evoLVe (model_irse.py), which LowKey's authors attack, and AdaFace's (CVLface), close kin.

AdaFace's differ in a batch norm inside each unit and in a last one that neither scales nor shifts.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from lowkeyd.attack.networks import checkpoint
from lowkeyd.attack.networks.checkpoint import Tensors
from lowkeyd.attack.networks.embedder import Embedder, fold

_CHIP = (112, 112)
_STEM = 64
_WIDTHS = (64, 128, 256, 512)
"""Channels of the four stages; each halves the picture's sides at its start."""
_LAST_PX = 7
_DEPTHS: dict[tuple[int, ...], int] = {
    (2, 2, 2, 2): 18,
    (3, 4, 6, 3): 34,
    (3, 4, 14, 3): 50,
    (3, 13, 30, 3): 101,
    (3, 8, 36, 3): 152,
}
"""Units of each stage, and the number in the network's name."""


def build(content: bytes, source: Path) -> Embedder:
    """The network, as deep as the checkpoint. Raises WeightsError."""
    network = checkpoint.fit(layout, content, source, "an IR network of face.evoLVe or AdaFace")
    assert isinstance(network, IR)
    fold(network)
    return Embedder(network, f"IR-{_DEPTHS[network.units]}", _CHIP)


def layout(tensors: Tensors) -> "IR":
    """The network that these tensors are of. Raises KeyError."""
    convolutions = [f"body.{index}.res_layer.1.weight" for index in range(len(tensors))]
    counts = Counter(tensors[name].shape[0] for name in convolutions if name in tensors)
    units = tuple(counts[width] for width in _WIDTHS)
    if units not in _DEPTHS:
        raise KeyError(f"no known depth: {units} units in its stages")
    kin = "output_layer.4.weight" not in tensors
    return IR(units, tensors["output_layer.3.weight"].shape[0], adaface=kin)


class IR(nn.Module):
    """N x 3 x 112 x 112, [-1, 1], to embeddings, whose direction counts."""

    def __init__(self, units: Sequence[int], dimensions: int, *, adaface: bool) -> None:
        super().__init__()
        self.units = tuple(units)
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, _STEM, 3, padding=1, bias=False), nn.BatchNorm2d(_STEM), nn.PReLU(_STEM)
        )
        body: list[nn.Module] = []
        channels = _STEM
        for width, count in zip(_WIDTHS, units, strict=True):
            for index in range(count):
                body.append(_Unit(channels, width, 2 if index == 0 else 1, adaface))
                channels = width
        self.body = nn.Sequential(*body)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(channels * _LAST_PX**2, dimensions),
            nn.BatchNorm1d(dimensions, affine=not adaface),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed faces."""
        y: Tensor = self.output_layer(self.body(self.input_layer(x)))
        return y


class _Unit(nn.Module):
    def __init__(self, channels: int, out: int, stride: int, adaface: bool) -> None:
        super().__init__()
        self.shortcut_layer = (
            nn.AvgPool2d(1, stride)  # every so many-th pixel
            if channels == out
            else nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, out, 3, padding=1, bias=False),
            *([nn.BatchNorm2d(out)] if adaface else []),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y
