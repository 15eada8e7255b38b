"""The stage `optimise`: the loop itself, whole, so that it can be read beside the paper's in `attack/paper.py`."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lowkeyd.attack import views
from lowkeyd.attack.crop import SIDE, WorkingFaces
from lowkeyd.attack.filters import both_ways, gaussian
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.objective import Objective, centred
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.presets import Preset
from lowkeyd.attack.tint import bearable_tint, brightening
from lowkeyd.attack.tolerance import allowance, tolerance
from lowkeyd.attack.visibility import BOX_SIDE

_MOMENTUM = 0.6
_FINE_PX, _COARSE_PX, _COARSE = 0.8, 4.0, 0.3
"""Of the gradient, what is finer than the first sigma (in pixels of the working size) is smoothed away (Dong et al.
2019): LPIPS sees it, other networks do not. Of what is coarser than the second, a share: people see it as shading."""
_ALPHA = 3.0
"""The weight of LPIPS at the start; each face's own adapts until it keeps its budget."""
LPIPS_FROM = 0.5
"""The first half of the steps goes by distance and energy alone, which costs half as much per step and ends stronger;
the second half then takes back what LPIPS sees."""
_ADAPT_POWER = 0.6
_ALPHA_RANGE = (0.2, 30.0)
_LPIPS_SHARE = 0.66
"""LPIPS at working size, of what it is to be on the enlarged and encoded face: the mean over 100 faces."""
_HELP, _MOST_HELP = 0.5, 1.2
"""Faces that have not come far by half the steps get more energy, at most 1.6 dB, those that have come far get less:
fewer are still found, at the same mean."""
_ENLARGING_DB = 0.46
"""Enlarging a difference loses some of its energy, encoding adds some: the mean over 100 faces."""


def optimise(
    faces: WorkingFaces,
    ensemble: Sequence[FaceNetwork],
    perceptual: Perceptual,
    preset: Preset,
    seed: int,
    on_step: Callable[[], None],
) -> Tensor:
    """The difference that protects faces: N x 3 x S x S, in the order of `faces`.

    Projected gradient ascent on LowKey's objective (the paper's section 4) with its own distance (`centred`), within a
    ball of fixed energy: the difference is delta = bearable * u, steps of one L2 norm follow the momentum of the
    gradient with respect to u, and u is pulled back whenever delta exceeds its budget. A step of one L2 norm spends
    energy where it buys distance; the paper's signed step moves every pixel alike. Only what is seen in the photo is
    looked at, and counts; of a face that the border cuts, the budget is for what is left of it. Faces do not influence
    each other.
    """
    x, points, arriving = faces.x, faces.points, faces.arriving
    size = x.shape[-1]
    bearable = tolerance(x, points)  # (N, 1, S, S)
    tint = bearable_tint(faces)  # (N, 1, 1, 1)
    brighter = brightening(x, tint)  # (N, 3, S, S)
    whole = torch.equal(arriving, torch.eye(size).expand_as(arriving))
    arrives = None if whole else arriving[:, :, None].to(x).unbind(1)  # (N, 1, S, S) twice
    within = arriving.sum((2, 3)).prod(1).clamp_min(1).to(x) / size**2  # (N,), the share of x that the photo has
    mean = 10 ** ((_ENLARGING_DB - preset.psnr_db) / 20) * BOX_SIDE / SIDE  # root mean square over the square
    radius = mean * allowance(x) * within.sqrt().view(-1, 1, 1, 1)  # (N, 1, 1, 1)
    fine, coarse = (gaussian(size, sigma).to(x) for sigma in (_FINE_PX, _COARSE_PX))
    objective = Objective(ensemble, x, points, centred)
    with torch.no_grad():
        clean = perceptual.features(x)
    alpha = torch.full((len(x),), _ALPHA, device=x.device)
    u, momentum = torch.zeros_like(x), torch.zeros_like(x)
    reached, halfway = torch.zeros(len(x), device=x.device), preset.steps // 2
    common = _reach(ensemble)
    looks = views.random(size, str(x.device), seed, preset.spread)
    for step, view in zip(range(preset.steps), looks, strict=False):
        u.requires_grad_()
        x_adv = x + _seen(bearable * u, arrives)
        gain = objective.protection(x_adv, [view])  # (N,)
        reached += gain.detach()
        if step == halfway and common is not None:
            radius = radius * _help(common * preset.reach * (step + 1) / reached)
        if step >= LPIPS_FROM * preset.steps:
            lpips = perceptual.distance(clean, perceptual.features(x_adv))  # (N,)
            gain = gain - alpha * lpips
            excess = lpips.detach() / (_LPIPS_SHARE * preset.lpips * within)
            alpha = (alpha * excess**_ADAPT_POWER).clamp(*_ALPHA_RANGE)
        (gradient,) = torch.autograd.grad(gain.sum(), u)
        u = u.detach()
        light = (gradient * brighter).mean(1, keepdim=True)  # (N, 1, S, S)
        gradient = both_ways(tint * gradient + (1 - tint) * brighter * light, fine)
        gradient = gradient - _COARSE * brighter * both_ways(light, coarse)
        momentum = _MOMENTUM * momentum + gradient / _per_face(gradient.abs())
        decay = 0.5 * (1 + math.cos(math.pi * step / preset.steps))
        u = u + preset.step_size * decay * momentum / _per_face(momentum.square()).sqrt()
        u = u * (radius / _per_face(_seen(bearable * u, arrives).square()).sqrt()).clamp_max(1.0)
        on_step()
    return bearable * u


def _reach(ensemble: Sequence[FaceNetwork]) -> float | None:
    """How far all of them together let a common face be moved, against dlib's network alone, if that is known."""
    known = [network.reach for network in ensemble if network.reach is not None]
    return sum(known) / len(known) if len(known) == len(ensemble) else None


def _help(behind: Tensor) -> Tensor:
    """How much further a face may change that is `behind` (N values, 1 for a common one): N x 1 x 1 x 1."""
    return (behind**_HELP).clamp(1 / _MOST_HELP, _MOST_HELP).view(-1, 1, 1, 1)


def _seen(delta: Tensor, arrives: Sequence[Tensor] | None) -> Tensor:
    """What is left of differences (N x 3 x S x S) in the photo, given along rows and columns (N x 1 x S x S each)."""
    if arrives is None:
        return delta
    rows, columns = arrives
    return rows @ delta @ columns.mT


def _per_face(x: Tensor) -> Tensor:
    """The mean over a face, N x 1 x 1 x 1, never zero."""
    return x.mean((1, 2, 3), keepdim=True).clamp_min(1e-20)
