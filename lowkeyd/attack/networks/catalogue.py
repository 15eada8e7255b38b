"""The face networks that settings can name, and how each wants its faces."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lowkeyd.attack import align
from lowkeyd.attack.networks import dlib, mobilefacenet
from lowkeyd.errors import WeightsError

Landmarks = npt.NDArray[np.float32]

_DLIB_CHIP = np.array([(49.26, 47.38), (103.65, 47.37), (75.46, 80.16), (52.37, 107.77), (99.56, 107.84)], np.float32)
"""Where MTCNN's five landmarks fall in dlib's own 150-pixel face chip (padding 0.25): medians over 200 faces of LFW."""


@dataclass(frozen=True)
class FaceNetwork:
    """A network and its conventions.

    `template`: where its chip (height, width) wants the five landmarks, in pixels; None for networks that are shown the
    detector's box. `unit`: whether its embeddings are compared by direction; `threshold`: one person below this
    Euclidean distance. `centre`: the mean of many people's unit embeddings, where it is known.
    """

    name: str
    module: nn.Module
    template: Landmarks | None
    chip: tuple[int, int]
    unit: bool
    threshold: float
    centre: Tensor | None = None

    def transforms(self, points: Landmarks) -> Landmarks:
        """From a face's points (N x 7 x 2) to its chip: N x 2 x 3."""
        if self.template is None:
            return align.stretch(points[:, 5:], self.chip)
        return align.similarity(points[:, :5], self.template)

    def embed(self, chips: Tensor) -> Tensor:
        """Chips, N x 3 x chip, RGB, [0, 1], to embeddings as this network's distance takes them."""
        embeddings: Tensor = self.module(chips)
        return torch.nn.functional.normalize(embeddings) if self.unit else embeddings


def _centre(name: str) -> Tensor:
    """The mean of 1,000 unit embeddings, two photos each of 500 people of LFW, which lies beside this file."""
    return torch.from_numpy(np.load(Path(__file__).with_name(f"{name}_centre.npy")))


def _dlib(_folder: Path) -> FaceNetwork:
    return FaceNetwork("dlib", dlib.load(), _DLIB_CHIP, (150, 150), unit=False, threshold=0.6, centre=_centre("dlib"))


def _mobilefacenet(folder: Path) -> FaceNetwork:
    template = align.ARCFACE - np.array((8.0, 0.0), np.float32)  # its chips are 96 pixels wide
    module = mobilefacenet.load(folder)
    return FaceNetwork("mobilefacenet", module, template, (112, 96), unit=True, threshold=MOBILEFACENET_THRESHOLD)


MOBILEFACENET_THRESHOLD = 1.076
"""Its distance at a false accept rate of 0.001 over all pairs of 500 people of LFW: `benchmarks/thresholds.py`."""

BUILDERS: dict[str, Callable[[Path], FaceNetwork]] = {"dlib": _dlib, "mobilefacenet": _mobilefacenet}


def load(name: str, folder: Path, device: str) -> FaceNetwork:
    """A network, ready to be differentiated with respect to its input only. `folder`: the user's own weight files.

    Raises WeightsError for an unknown name, naming the known ones, and for weights that cannot be had.
    """
    if name not in BUILDERS:
        raise WeightsError(f"[attack]: there is no face network '{name}'; known are {', '.join(sorted(BUILDERS))}")
    network = BUILDERS[name](folder)
    network.module.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)  # a tenth faster
    return network
