"""The stage `verify`: what recognisers make of the delivered pixels, above all those that were not attacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lowkeyd.attack import align
from lowkeyd.attack.crop import closeups
from lowkeyd.attack.detect import Detector, scaled
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.visibility import measure
from lowkeyd.model import Face, FaceVerdict, Pixels, Place, Score, Verdict, Visibility

Embeddings = npt.NDArray[np.float32]

_SIDE = 5.0
"""Of the square that chips are cut from, in interocular distances: the whole chip fits in, tilted heads too."""
_PX = 300
"""Its size, anti-aliased: a little more than any network's chip shows of it."""
_BATCH = 32


@dataclass(frozen=True)
class Recogniser:
    """A network that judges, and whether it was attacked."""

    network: FaceNetwork
    attacked: bool


@dataclass(frozen=True)
class Versions:
    """A photo in the forms that are compared, H x W x 3 each.

    `original_shared` is the original and `shared` the copy as a social network would store it, perhaps smaller.
    """

    original: Pixels
    original_shared: Pixels
    delivered: Pixels
    shared: Pixels


def embeddings(network: FaceNetwork, places: Sequence[Place], device: str) -> Embeddings:
    """Faces as the network sees them, N x dimensions, as its distance takes them."""
    return np.concatenate(
        [_embeddings(network, places[start : start + _BATCH], device) for start in range(0, len(places), _BATCH)]
    )


@torch.inference_mode()
def _embeddings(network: FaceNetwork, places: Sequence[Place], device: str) -> Embeddings:
    _, x, points = closeups(places, _SIDE, _PX)
    embedded: Tensor = network.embed(align.warp(x.to(device), network.transforms(points), network.chip))
    found: Embeddings = embedded.float().cpu().numpy()
    return found


@dataclass(frozen=True)
class Judges:
    """Everything that a verdict takes."""

    detector: Detector
    recognisers: Sequence[Recogniser]
    perceptual: Perceptual
    device: str

    def judge(self, versions: Versions, faces: Sequence[Face], preset: str) -> Verdict:
        """Judge a delivered copy against the original's faces.

        Faces are detected afresh; where that fails, which is protection too, the old landmarks are used.
        """
        shrunk = versions.shared.shape[0] / versions.original.shape[0]
        smaller = [scaled(face, shrunk) for face in faces]
        again = self.detector.find_again(
            [(versions.delivered, face) for face in faces] + [(versions.shared, face) for face in smaller]
        )
        delivered, shared = again[: len(faces)], again[len(faces) :]
        places = [
            [
                (versions.original, face),
                (versions.original_shared, small),
                (versions.delivered, now or face),
                (versions.shared, later or small),
            ]
            for face, small, now, later in zip(faces, smaller, delivered, shared, strict=True)
        ]
        scores = zip(*(self._scores(recogniser, places) for recogniser in self.recognisers), strict=True)
        return Verdict(
            tuple(
                FaceVerdict(face.box, now is not None, of_face, self._visibility(versions, face))
                for face, now, of_face in zip(faces, delivered, scores, strict=True)
            ),
            preset,
        )

    def _visibility(self, versions: Versions, face: Face) -> Visibility:
        return measure(versions.original, versions.delivered, face, self.perceptual, self.device)

    def _scores(self, recogniser: Recogniser, places: Sequence[Sequence[Place]]) -> list[Score]:
        """One recogniser's scores of every face, in the four versions that `places` has of each."""
        flat = embeddings(recogniser.network, list(chain.from_iterable(places)), self.device)
        return [_score(recogniser, *flat[start : start + 4]) for start in range(0, len(flat), 4)]


def _score(
    recogniser: Recogniser, original: Embeddings, original_shared: Embeddings, delivered: Embeddings, shared: Embeddings
) -> Score:
    return Score(
        recogniser.network.name,
        recogniser.attacked,
        recogniser.network.threshold,
        before=_distance(original, original_shared),
        after=_distance(original, delivered),
        shared=_distance(original, shared),
        similarity_before=_similarity(original, original_shared),
        similarity_after=_similarity(original, delivered),
        sha256=recogniser.network.sha256,
    )


def _distance(a: Embeddings, b: Embeddings) -> float:
    return float(np.linalg.norm(a - b))


def _similarity(a: Embeddings, b: Embeddings) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
