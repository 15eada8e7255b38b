"""Alignment, differentiable: warp a face so that its landmarks fall on a network's template."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor


def similarity(source: npt.NDArray[np.float32], target: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The similarity transform that best maps `source` onto `target` in the least-squares sense.

    Both N x K x 2 (x, y); `target` may be K x 2. Returns N x 2 x 3. With points as complex numbers it is z -> a z + b,
    and a, b are a linear regression.
    """
    z = source[..., 0] + 1j * source[..., 1]
    w = target[..., 0] + 1j * target[..., 1]
    z0, w0 = z.mean(-1, keepdims=True), w.mean(-1, keepdims=True)
    a = ((z - z0).conj() * (w - w0)).sum(-1) / (np.abs(z - z0) ** 2).sum(-1)
    b = w0[..., 0] - a * z0[..., 0]
    rows = np.stack([np.stack([a.real, -a.imag, b.real], -1), np.stack([a.imag, a.real, b.imag], -1)], -2)
    return rows.astype(np.float32)


def warp(x: Tensor, transforms: npt.NDArray[np.float32], chip: tuple[int, int]) -> Tensor:
    """Sample chips (N x 3 x chip) from faces (N x 3 x H x W), bilinear; beyond the border the edge goes on.

    `transforms` (N x 2 x 3) map pixel coordinates of x to those of the chip; pixel centres are whole numbers.
    """
    grid = F.affine_grid(
        _normalised(transforms, x.shape[-2:], chip).to(x), [x.shape[0], x.shape[1], *chip], align_corners=True
    )
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _normalised(transforms: npt.NDArray[np.float32], size: tuple[int, ...], chip: tuple[int, int]) -> Tensor:
    """From chip coordinates in [-1, 1] to source coordinates in [-1, 1], as affine_grid wants it: the way back."""
    square = np.concatenate([transforms, np.tile(np.array([[[0, 0, 1]]], np.float32), (len(transforms), 1, 1))], 1)
    inverse = np.linalg.inv(square.astype(np.float64))
    theta = _to_symmetric(size) @ inverse @ np.linalg.inv(_to_symmetric(chip))
    return torch.from_numpy(theta[:, :2])


def _to_symmetric(size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Pixel coordinates (x, y) of a picture of height, width `size` to [-1, 1]."""
    height, width = size
    return np.array([[2 / (width - 1), 0, -1], [0, 2 / (height - 1), -1], [0, 0, 1]])
