"""The objective: how far the protected face is from the clean one, as the networks see it (the paper's equation 1).

    maximise  1/(N V) * sum over networks i and views v of d(f_i(A(x)), f_i(A(v(x_adv))))  -  alpha * LPIPS(x, x_adv)

d is the squared distance of unit embeddings, averaged over their dimensions, as in the paper's released code: so alpha
means what it means there. The reference is always the clean face, plain.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lowkeyd.attack import align
from lowkeyd.attack.crop import interocular
from lowkeyd.attack.networks.catalogue import FaceNetwork
from lowkeyd.attack.views import Matrix, View

_MIRRORINGS: tuple[tuple[bool, ...], ...] = ((False,), (True,), (False, True))


def embed(network: FaceNetwork, x: Tensor, landmarks: Matrix, view: View) -> Tensor:
    """Unit embeddings (N x dimensions) of faces x (N x 3 x S x S, [0, 1]) with landmarks (N x 5 x 2, pixels of x)."""
    eyes = np.array([interocular(points) for points in landmarks], np.float32)[:, None, None]
    transforms = align.similarity(landmarks + view.jitter * eyes, network.template)
    chips = align.warp(view.smooth(x), transforms, network.chip)
    total = torch.stack([network.module(chips.flip(3) if mirror else chips) for mirror in view.mirrored]).sum(0)
    return F.normalize(total)


def distance(reference: Tensor, embedding: Tensor) -> Tensor:
    """d of the paper for unit embeddings, N x dimensions each, averaged over dimensions: N values."""
    return (reference - embedding).square().mean(1)


class Objective:
    """What is maximised, with everything that depends on the clean faces worked out once."""

    def __init__(self, ensemble: Sequence[FaceNetwork], x: Tensor, landmarks: Matrix) -> None:
        self._ensemble = ensemble
        self._landmarks = landmarks
        self._references = {
            mirrored: [self._reference(network, x, mirrored) for network in ensemble] for mirrored in _MIRRORINGS
        }

    @torch.no_grad()
    def _reference(self, network: FaceNetwork, x: Tensor, mirrored: tuple[bool, ...]) -> Tensor:
        return embed(network, x, self._landmarks, View(None, np.zeros((5, 2), np.float32), mirrored))

    def protection(self, x_adv: Tensor, views: Sequence[View]) -> Tensor:
        """The first term, N values: mean over networks and views."""
        return torch.stack(
            [
                distance(reference, embed(network, x_adv, self._landmarks, view))
                for view in views
                for network, reference in zip(self._ensemble, self._references[view.mirrored], strict=True)
            ]
        ).mean(0)
