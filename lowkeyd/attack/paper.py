"""The released LowKey loop, mathematically as its authors published it, on a face at working size.

It is offered as the preset `paper`, for comparison: 50 signed steps of 0.0025 from uniform noise, plain and blurred
view, mirror images added, LPIPS half on the aligned face and half on the picture with weight 0.05. Two things differ
from the script that it follows: it works on the square around each face instead of the whole photo, so that the
background stays as it is; and it attacks every network of the ensemble, where the script loads two of its four
checkpoints over the other two.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lowkeyd.attack import align, views
from lowkeyd.attack.align import Points
from lowkeyd.attack.crop import rim_mask
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.objective import Objective, squared
from lowkeyd.attack.perceptual import Perceptual

STEPS = 50
_STEP_SIZE = 0.0025
_START_NOISE = 0.005
_ALPHA = 0.05
_CHIP = (112, 112)


def optimise(
    x: Tensor,
    points: Points,
    ensemble: Sequence[FaceNetwork],
    perceptual: Perceptual,
    seed: int,
    on_step: Callable[[], None],
    alpha: float = _ALPHA,
) -> Tensor:
    """The difference that protects faces x (N x 3 x S x S, [0, 1]) with points (N x 7 x 2): same shape as x."""
    size, device = x.shape[-1], str(x.device)
    mask = rim_mask(size).to(x)
    start = torch.rand((1, *x.shape[1:]), generator=torch.Generator().manual_seed(seed))
    delta = ((2 * start - 1) * _START_NOISE).to(device).repeat(len(x), 1, 1, 1)
    objective = Objective(ensemble, x, points, squared)
    both = views.paper(size, device)
    transforms = align.similarity(points[:, :5], align.ARCFACE)
    with torch.no_grad():
        clean_face, clean = (perceptual.features(picture) for picture in (align.warp(x, transforms, _CHIP), x))
    for _ in range(STEPS):
        delta.requires_grad_()
        x_adv = x + mask * delta
        aligned = align.warp(x_adv, transforms, _CHIP)
        lpips_face = perceptual.distance(clean_face, perceptual.features(aligned))
        lpips = perceptual.distance(clean, perceptual.features(x_adv))
        gain = objective.protection(x_adv, both) - alpha * (lpips_face + lpips) / 2
        (gradient,) = torch.autograd.grad(gain.sum(), delta)
        delta = delta.detach() + _STEP_SIZE * gradient.sign()
        on_step()
    return mask * delta
