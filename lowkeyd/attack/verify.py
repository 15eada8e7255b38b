"""The stage `verify`: what recognisers make of the delivered pixels, above all those that were not attacked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lowkeyd.attack import align
from lowkeyd.attack.crop import Square, shrink
from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks.catalogue import FaceNetwork
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.visibility import measure
from lowkeyd.model import Face, FaceVerdict, Pixels, Score, Verdict

_SIDE = 5.0
"""Of the square that chips are cut from, in interocular distances: the whole chip fits in, tilted heads too."""
_PX = 300
"""Its size, anti-aliased: a little more than any network's chip shows of it."""


@dataclass(frozen=True)
class Recogniser:
    """A network that judges, and whether it was attacked."""

    network: FaceNetwork
    attacked: bool


@torch.inference_mode()
def embedding(network: FaceNetwork, photo: Pixels, face: Face, device: str) -> torch.Tensor:
    """The face as the network sees it in this photo, 1 x dimensions."""
    square = Square.around(face, _SIDE)
    x = shrink(photo, square, _PX).to(device)
    transforms = network.transforms(square.inside(align.points(face), _PX)[None])
    return network.embed(align.warp(x, transforms, network.chip))


@dataclass(frozen=True)
class Judges:
    """Everything that a verdict takes."""

    detector: Detector
    recognisers: Sequence[Recogniser]
    perceptual: Perceptual
    device: str

    def judge(self, original: Pixels, as_is: Pixels, delivered: Pixels, faces: Sequence[Face]) -> Verdict:
        """Judge the delivered pixels against the original's faces; `as_is` is the original merely encoded anew.

        Faces are detected afresh; where that fails, which is protection too, the old landmarks are used.
        """
        again = self.detector.find_again(delivered, faces)
        return Verdict(tuple(self._face(original, as_is, delivered, *pair) for pair in zip(faces, again, strict=True)))

    def _face(self, original: Pixels, as_is: Pixels, delivered: Pixels, face: Face, again: Face | None) -> FaceVerdict:
        scores = tuple(
            self._score(recogniser, (original, face), (as_is, face), (delivered, again or face))
            for recogniser in self.recognisers
        )
        visibility = measure(original, delivered, face, self.perceptual, self.device)
        return FaceVerdict(face.box, again is not None, scores, visibility)

    def _score(self, recogniser: Recogniser, *versions: tuple[Pixels, Face]) -> Score:
        network = recogniser.network
        original, as_is, delivered = (
            embedding(network, photo, face, self.device).cpu().numpy()[0] for photo, face in versions
        )
        return Score(
            network.name,
            recogniser.attacked,
            network.threshold,
            before=float(np.linalg.norm(original - as_is)),
            after=float(np.linalg.norm(original - delivered)),
        )
