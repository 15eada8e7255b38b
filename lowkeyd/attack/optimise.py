"""The stage `optimise`: the loop itself, whole, so that it can be read beside the paper."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor

from lowkeyd.attack import views
from lowkeyd.attack.crop import rim_mask
from lowkeyd.attack.networks.catalogue import FaceNetwork
from lowkeyd.attack.objective import Objective
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.presets import START_NOISE, Preset
from lowkeyd.attack.views import Matrix, View


def optimise(
    x: Tensor,
    landmarks: Matrix,
    ensemble: Sequence[FaceNetwork],
    perceptual: Perceptual,
    preset: Preset,
    seed: int,
    on_step: Callable[[], None],
) -> Tensor:
    """The difference that protects faces x (N x 3 x S x S, [0, 1]) with landmarks (N x 5 x 2): same shape as x.

    Gradient ascent on the objective of the LowKey paper, section 4. `paper`: signed steps of one size. Otherwise: steps
    of one L2 norm along the momentum of the gradient, which decay like a cosine; a signed step moves every pixel alike
    and so spends visibility where it buys nothing. Faces do not influence each other.
    """
    size, device = x.shape[-1], str(x.device)
    mask = rim_mask(size).to(device)  # (1, 1, S, S)
    start = torch.rand((1, *x.shape[1:]), generator=torch.Generator().manual_seed(seed))
    delta = ((2 * start - 1) * START_NOISE).to(device).repeat(len(x), 1, 1, 1)  # (N, 3, S, S), the same for every face
    momentum = torch.zeros_like(delta)
    objective = Objective(ensemble, x, landmarks)
    with torch.no_grad():
        clean = perceptual.features(x)
    looks = _looks(preset, size, device, seed)
    for step in range(preset.steps):
        delta.requires_grad_()
        x_adv = x + mask * delta
        lpips = perceptual.distance(clean, perceptual.features(x_adv))  # (N,)
        gain = objective.protection(x_adv, next(looks)) - preset.alpha * lpips  # (N,)
        (gradient,) = torch.autograd.grad(gain.sum(), delta)
        delta = delta.detach()
        if preset.rule == "sign":
            delta = delta + preset.step_size * gradient.sign()
        else:
            grey = gradient.mean(1, keepdim=True)
            gradient = grey + preset.colour * (gradient - grey)
            momentum = preset.momentum * momentum + gradient / _per_face(gradient.abs())
            decay = 0.5 * (1 + math.cos(math.pi * step / preset.steps))
            delta = delta + preset.step_size * decay * momentum / _per_face(momentum.square()).sqrt()
        on_step()
    return mask * delta


def _looks(preset: Preset, size: int, device: str, seed: int) -> Iterator[Sequence[View]]:
    if preset.views == "paper":
        return repeat(views.paper(size, device))
    return ((view,) for view in views.random(size, device, seed))


def _per_face(x: Tensor) -> Tensor:
    """The mean over a face, N x 1 x 1 x 1, never zero."""
    return x.mean((1, 2, 3), keepdim=True).clamp_min(1e-20)
