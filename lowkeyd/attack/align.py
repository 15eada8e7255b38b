"""Alignment, differentiable: warp a face so that its landmarks, or its box, fall where a network wants them.

A face's points, 7 x 2 (x, y), are its five landmarks and its box's top left and bottom right corner.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from lowkeyd.model import Face

ARCFACE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float32
)
"""The five-point template on 112 x 112 pixels that most face networks are trained with."""

Points = npt.NDArray[np.float32]
"""Points of faces, N x 7 x 2."""


def points(face: Face) -> npt.NDArray[np.float32]:
    """Those of one face, 7 x 2, in pixels of the photo."""
    return np.concatenate([face.landmarks, np.array(face.box, np.float32).reshape(2, 2)])


def stretch(corners: npt.NDArray[np.float32], chip: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The transforms (N x 2 x 3) that fill a chip (height, width) with a box (N x 2 x 2: two corners) of any shape."""
    height, width = chip
    (left, top), (right, bottom) = corners[:, 0].T, corners[:, 1].T
    across, down = width / (right - left), height / (bottom - top)
    none = np.zeros_like(across)
    rows = [
        np.stack([across, none, across * (0.5 - left) - 0.5], -1),
        np.stack([none, down, down * (0.5 - top) - 0.5], -1),
    ]
    return np.stack(rows, -2).astype(np.float32)


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
