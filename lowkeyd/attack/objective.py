"""The objective: how far the protected face is from the clean one, as the networks see it (the paper's equation 1).

    maximise  1/(N V) * sum over networks i and views v of d(f_i(A(x)), f_i(A(v(x_adv))))  -  alpha * LPIPS(x, x_adv)

The reference is always the clean face, unblurred and in its own place, both mirror images added: that is nearer to what
other photos of the person have in common. Two distances d are offered: the paper's, and one that measures angles from
the network's mean face, and lengths.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lowkeyd.attack import align
from lowkeyd.attack.align import Points
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.views import View

Distance = Callable[[FaceNetwork, Tensor, Tensor], Tensor]


def embed(network: FaceNetwork, x: Tensor, points: Points, view: View) -> Tensor:
    """Raw embeddings (N x dimensions) of faces x (N x 3 x S x S, [0, 1]) with points (N x 7 x 2, pixels of x)."""
    transforms = network.transforms(view.place(points))
    chips = align.warp(view.smooth(x), transforms, network.chip)
    return torch.stack([network.module(chips.flip(3) if mirror else chips) for mirror in view.mirrored]).mean(0)


def squared(_network: FaceNetwork, reference: Tensor, embedding: Tensor) -> Tensor:
    """d as in the paper's released code: unit embeddings' squared distance, averaged over dimensions. N values."""
    return (F.normalize(reference) - F.normalize(embedding)).square().mean(1)


_PULL = 0.8
"""How far towards the mean face angles are measured from: 0 is the plain cosine; at 1 faces near the mean have none."""
_LENGTH = 0.4
"""How much the embedding's length counts beside the angle."""


def centred(network: FaceNetwork, reference: Tensor, embedding: Tensor) -> Tensor:
    """One minus the cosine of the angle at (nearly) the network's mean face, where faces part; and for networks that
    do not compare by direction alone, a share of the logarithm of how much longer the embedding became, seen from
    there. N values.

    Seen from the origin, half of what moves an embedding is a face becoming less of a face, which other networks do not
    follow; seen from the mean face it is one person becoming another. The surer a network is of a face, the longer is
    its embedding (Meng et al. 2021): with its length it has to stay a face. Networks without a known mean keep the
    origin.
    """
    centre = 0.0 if network.centre is None else _PULL * network.centre.to(embedding)
    angle = 1 - F.cosine_similarity(F.normalize(embedding) - centre, F.normalize(reference) - centre)
    if network.unit:  # nothing has taught it what lengths mean: with them MobileFaceNet's attack is much weaker
        return angle
    common = reference.norm(dim=1, keepdim=True)
    before, after = ((e / common - centre).norm(dim=1) for e in (reference, embedding))
    longer: Tensor = (after / before).log()
    return angle + _LENGTH * longer


class Objective:
    """What is maximised, with everything that depends on the clean faces worked out once."""

    def __init__(self, ensemble: Sequence[FaceNetwork], x: Tensor, points: Points, distance: Distance) -> None:
        self._ensemble = ensemble
        self._points = points
        self._distance = distance
        with torch.no_grad():
            self._references = [embed(network, x, points, View(mirrored=(False, True))) for network in ensemble]

    def protection(self, x_adv: Tensor, views: Sequence[View]) -> Tensor:
        """The first term, N values: mean over networks and views."""
        return torch.stack(
            [
                self._distance(network, reference, embed(network, x_adv, self._points, view))
                for view in views
                for network, reference in zip(self._ensemble, self._references, strict=True)
            ]
        ).mean(0)
