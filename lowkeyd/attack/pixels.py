"""Pixels as this room knows them: float32, N x 3 x H x W, RGB, [0, 1]. What a network wants beyond that is its own."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lowkeyd.model import Pixels

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in brightness: BT.601."""


def to_tensor(pixels: Pixels, device: torch.device | str = "cpu") -> Tensor:
    """H x W x 3 uint8 to 1 x 3 x H x W float32 [0, 1]."""
    return to_unit(to_planes(pixels).to(device).contiguous())


def to_planes(pixels: Pixels) -> Tensor:
    """H x W x 3 uint8 to 1 x 3 x H x W uint8, which torch resizes ten times as fast as float32. A copy."""
    assert pixels.shape[2:] == (3,), f"bug: {pixels.shape}"
    assert pixels.dtype == np.uint8, f"bug: {pixels.dtype}"
    return torch.tensor(pixels).permute(2, 0, 1)[None]


def to_unit(planes: Tensor) -> Tensor:
    """1 x 3 x H x W uint8 to float32 [0, 1]."""
    return planes.float().div_(255.0)


def channel(x: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """N x 3 x H x W to one weighted channel, N x 1 x H x W."""
    return (x * torch.tensor(weights, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def to_levels(delta: Tensor) -> npt.NDArray[np.float32]:
    """A difference, 1 x 3 x H x W in [-1, 1], as H x W x 3 in levels of -255..255."""
    assert delta.shape[:2] == (1, 3), f"bug: {tuple(delta.shape)}"
    levels: npt.NDArray[np.float32] = delta[0].permute(1, 2, 0).mul(255.0).cpu().numpy()
    return levels
