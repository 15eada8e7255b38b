"""The families' public definitions told a second time, so that ours can be held against something that it is not.

Each is written after its authors' own code, as plain functions over a `Tape` that makes tensors up as they are asked
for: running one gives a checkpoint in the authors' layout, and what their network makes of a face with it.

face.evoLVe: backbone/model_irse.py and model_resnet.py, as cmu-spuds/lowkey_gradio has them; AdaFace: net.py;
InsightFace: recognition/arcface_torch/backbones/iresnet.py; MobileFaceNet: Xiaoccer/MobileFaceNet_Pytorch, core/model.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class Tape:
    """Makes up, and remembers, the tensors of a network while a face runs through it."""

    def __init__(self, device: str = "cpu") -> None:
        self.tensors: dict[str, Tensor] = {}
        self.device = device
        self._random = torch.Generator().manual_seed(7)

    def _new(self, name: str, shape: tuple[int, ...], mean: float, spread: float) -> Tensor:
        assert name not in self.tensors
        if self.device == "cpu":
            value = mean + spread * torch.randn(shape, generator=self._random)
        else:
            value = torch.empty(shape, device=self.device)
        self.tensors[name] = value
        return value

    def conv(self, x: Tensor, name: str, out: int, kernel: int | tuple[int, int], stride: int = 1, padding: int = 0,
             groups: int = 1) -> Tensor:  # fmt: skip
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        inputs = x.shape[1] // groups
        weight = self._new(f"{name}.weight", (out, inputs, height, width), 0, (inputs * height * width) ** -0.5)
        return F.conv2d(x, weight, None, stride, padding, groups=groups)

    def norm(self, x: Tensor, name: str, affine: bool = True) -> Tensor:
        channels = (x.shape[1],)
        weight = self._new(f"{name}.weight", channels, 1, 0.1) if affine else None
        bias = self._new(f"{name}.bias", channels, 0, 0.1) if affine else None
        mean = self._new(f"{name}.running_mean", channels, 0, 0.1)
        variance = self._new(f"{name}.running_var", channels, 1, 0.1)
        self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(1, device=self.device)
        return F.batch_norm(x, mean, variance, weight, bias)

    def prelu(self, x: Tensor, name: str) -> Tensor:
        return F.prelu(x, self._new(f"{name}.weight", (x.shape[1],), 0.25, 0.05))

    def linear(self, x: Tensor, name: str, out: int) -> Tensor:
        weight = self._new(f"{name}.weight", (out, x.shape[1]), 0, x.shape[1] ** -0.5)
        return F.linear(x, weight, self._new(f"{name}.bias", (out,), 0, 0.1))


WIDTHS = (64, 128, 256, 512)


def ir(tape: Tape, x: Tensor, units: Sequence[int], *, adaface: bool = False) -> Tensor:
    x = tape.prelu(tape.norm(tape.conv(x, "input_layer.0", 64, 3, padding=1), "input_layer.1"), "input_layer.2")
    number = 0
    for width, count in zip(WIDTHS, units, strict=True):
        for index in range(count):
            x = _ir_unit(tape, x, f"body.{number}", width, 2 if index == 0 else 1, adaface)
            number += 1
    x = tape.norm(x, "output_layer.0")
    return tape.norm(tape.linear(x.flatten(1), "output_layer.3", 512), "output_layer.4", affine=not adaface)


def _ir_unit(tape: Tape, x: Tensor, name: str, width: int, stride: int, adaface: bool) -> Tensor:
    if x.shape[1] == width:
        shortcut = F.max_pool2d(x, 1, stride)
    else:
        shortcut = tape.conv(x, f"{name}.shortcut_layer.0", width, 1, stride)
        shortcut = tape.norm(shortcut, f"{name}.shortcut_layer.1")
    x = tape.conv(tape.norm(x, f"{name}.res_layer.0"), f"{name}.res_layer.1", width, 3, padding=1)
    places = iter(range(2, 6))
    if adaface:
        x = tape.norm(x, f"{name}.res_layer.{next(places)}")
    x = tape.prelu(x, f"{name}.res_layer.{next(places)}")
    x = tape.conv(x, f"{name}.res_layer.{next(places)}", width, 3, stride, padding=1)
    return tape.norm(x, f"{name}.res_layer.{next(places)}") + shortcut


def iresnet(tape: Tape, x: Tensor, blocks: Sequence[int]) -> Tensor:
    x = tape.prelu(tape.norm(tape.conv(x, "conv1", 64, 3, padding=1), "bn1"), "prelu")
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 1):
        for index in range(count):
            x = _iresnet_block(tape, x, f"layer{stage}.{index}", width, 2 if index == 0 else 1)
    return tape.norm(tape.linear(tape.norm(x, "bn2").flatten(1), "fc", 512), "features")


def _iresnet_block(tape: Tape, x: Tensor, name: str, width: int, stride: int) -> Tensor:
    y = tape.conv(tape.norm(x, f"{name}.bn1"), f"{name}.conv1", width, 3, padding=1)
    y = tape.prelu(tape.norm(y, f"{name}.bn2"), f"{name}.prelu")
    y = tape.norm(tape.conv(y, f"{name}.conv2", width, 3, stride, padding=1), f"{name}.bn3")
    if stride != 1:
        x = tape.norm(tape.conv(x, f"{name}.downsample.0", width, 1, stride), f"{name}.downsample.1")
    return y + x


def resnet(tape: Tape, x: Tensor, blocks: Sequence[int]) -> Tensor:
    x = F.relu(tape.norm(tape.conv(x, "conv1", 64, 7, 2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True), 1):
        for index in range(count):
            x = _bottleneck(tape, x, f"layer{stage}.{index}", width, 2 if index == 0 and stage > 1 else 1)
    x = tape.norm(x, "bn_o1")
    return tape.norm(tape.linear(x.flatten(1), "fc", 512), "bn_o2")


def _bottleneck(tape: Tape, x: Tensor, name: str, width: int, stride: int) -> Tensor:
    y = F.relu(tape.norm(tape.conv(x, f"{name}.conv1", width, 1), f"{name}.bn1"))
    y = F.relu(tape.norm(tape.conv(y, f"{name}.conv2", width, 3, stride, padding=1), f"{name}.bn2"))
    y = tape.norm(tape.conv(y, f"{name}.conv3", 4 * width, 1), f"{name}.bn3")
    if x.shape[1] != 4 * width:
        x = tape.norm(tape.conv(x, f"{name}.downsample.0", 4 * width, 1, stride), f"{name}.downsample.1")
    return F.relu(y + x)


def mobilefacenet(tape: Tape, x: Tensor) -> Tensor:
    x = _mobile_conv(tape, x, "conv1", 64, 3, 2, 1)
    x = _mobile_conv(tape, x, "dw_conv1", 64, 3, 1, 1, groups=64)
    rows = [(2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1)]
    steps = [(t, c, s if index == 0 else 1) for t, c, n, s in rows for index in range(n)]
    for number, (expansion, out, stride) in enumerate(steps):
        x = _mobile_block(tape, x, f"blocks.{number}.conv", expansion, out, stride)
    x = _mobile_conv(tape, x, "conv2", 512, 1, 1, 0)
    x = _mobile_conv(tape, x, "linear7", 512, (7, 6), 1, 0, groups=512, linear=True)
    return _mobile_conv(tape, x, "linear1", 128, 1, 1, 0, linear=True).flatten(1)


def _mobile_conv(tape: Tape, x: Tensor, name: str, out: int, kernel: int | tuple[int, int], stride: int, padding: int,
                 groups: int = 1, linear: bool = False) -> Tensor:  # fmt: skip
    x = tape.norm(tape.conv(x, f"{name}.conv", out, kernel, stride, padding, groups), f"{name}.bn")
    return x if linear else tape.prelu(x, f"{name}.prelu")


def _mobile_block(tape: Tape, x: Tensor, name: str, expansion: int, out: int, stride: int) -> Tensor:
    wide = x.shape[1] * expansion
    y = tape.prelu(tape.norm(tape.conv(x, f"{name}.0", wide, 1), f"{name}.1"), f"{name}.2")
    y = tape.prelu(tape.norm(tape.conv(y, f"{name}.3", wide, 3, stride, 1, wide), f"{name}.4"), f"{name}.5")
    y = tape.norm(tape.conv(y, f"{name}.6", out, 1), f"{name}.7")
    return x + y if stride == 1 and x.shape[1] == out else y
