"""The face networks that settings can name, loaded, each with how it wants its faces and compares them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lowkeyd.attack import align
from lowkeyd.attack.networks import (
    catalogue,
    dlib,
    embedder,
    facenet,
    ir,
    iresnet,
    mobilefacenet,
    onnx_graph,
    resnet,
)
from lowkeyd.attack.networks.catalogue import Family, Template
from lowkeyd.attack.networks.embedder import Embedder
from lowkeyd.attack.networks.portrait import portrait
from lowkeyd.errors import ConfigError, WeightsError
from lowkeyd.model import sha256

Landmarks = npt.NDArray[np.float32]

_BUILDERS = {
    "dlib": dlib.build,
    "mobilefacenet": mobilefacenet.build,
    "facenet": facenet.build,
    "ir": ir.build,
    "resnet": resnet.build,
    "iresnet": iresnet.build,
    "onnx": onnx_graph.build,
}
_TEMPLATE_PX = 112
_SAME_COSINE = 0.98
"""Of two networks' embeddings of one face: the same weights in two file formats reach 0.999, others stay near 0."""


@dataclass(frozen=True)
class FaceNetwork:
    """A network and its conventions.

    `template`: where its chip (height, width) wants the five landmarks, in pixels; None for networks that are shown the
    detector's box. `unit`: whether its embeddings are compared by direction; `threshold`: one person below this
    Euclidean distance. `centre`: the mean of many people's unit embeddings, where it is known. `reach`: the
    distance that an attack reaches on a common face, over what the same number of steps reaches with dlib's network;
    None where nobody measured it. `sha256`: of the file that its weights came from.
    """

    name: str
    module: nn.Module
    template: Landmarks | None
    chip: tuple[int, int]
    unit: bool
    threshold: float
    centre: Tensor | None = None
    reach: float | None = None
    sha256: str = ""

    def transforms(self, points: Landmarks) -> Landmarks:
        """From a face's points (N x 7 x 2) to its chip: N x 2 x 3."""
        if self.template is None:
            return align.stretch(points[:, 5:], self.chip)
        return align.similarity(points[:, :5], self.template)

    def embed(self, chips: Tensor) -> Tensor:
        """Chips, N x 3 x chip, RGB, [0, 1], to embeddings as this network's distance takes them."""
        embeddings: Tensor = self.module(chips)
        return torch.nn.functional.normalize(embeddings) if self.unit else embeddings


def load(name: str, folder: Path, device: str) -> FaceNetwork:
    """A network, ready to be differentiated with respect to its input only. `folder`: the user's own weight files.

    Raises WeightsError for an unknown name, naming the known ones, and for weights that cannot be had.
    """
    entry = catalogue.find(name, folder)
    content = entry.content(folder)
    module = build(entry.family, content, entry.path(folder))
    return FaceNetwork(
        name,
        module.to(device).to(memory_format=torch.channels_last),  # a tenth faster
        _template(entry.family.template, module.chip),
        module.chip,
        entry.family.unit,
        entry.threshold,
        _centre(entry.centre, device),
        entry.reach,
        sha256(content),
    )


def build(family: Family, content: bytes, source: Path) -> Embedder:
    """The module that a file of this family holds, at rest. Raises WeightsError."""
    module = _BUILDERS[family.name](content, source)
    module.eval().requires_grad_(False)
    embedder.flush(module)
    return module


def _template(template: Template, chip: tuple[int, int]) -> Landmarks | None:
    if template == "box":
        return None
    if template != "arcface":
        return np.array(template, np.float32)
    height, width = chip
    scale = height / _TEMPLATE_PX  # chips that are not square have their sides cut off
    return align.ARCFACE * np.float32(scale) + np.array(((width - height) / 2, 0), np.float32)


def _centre(file: str | None, device: str) -> Tensor | None:
    return None if file is None else torch.from_numpy(np.load(Path(__file__).with_name(file))).to(device)


def size_bytes(network: FaceNetwork) -> int:
    """Of its weights."""
    return sum(weight.nbytes for weight in chain(network.module.parameters(), network.module.buffers()))


def refuse_unattackable(ensemble: Sequence[FaceNetwork]) -> None:
    """Raises WeightsError for a network that gives no gradients, as graphs do that round or count."""
    for network in ensemble:
        face = portrait(network.chip).to(_device(network.module)).requires_grad_()
        embedding = network.module(face)
        aim = torch.arange(embedding.shape[1]).cos().to(embedding)  # its length may be the same for all faces
        gradient = torch.autograd.grad((embedding @ aim).sum(), face)[0] if embedding.requires_grad else None
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            raise WeightsError(
                f"'{network.name}' gives no gradient, so that it cannot be attacked; it can judge: [attack] judges"
            )


def refuse_twins(attacked: Sequence[FaceNetwork], judges: Sequence[FaceNetwork]) -> None:
    """Raises ConfigError when a judge is one of the attacked networks under another name, or in another file format:
    it would only repeat what the attack has told itself; and when two in one list are."""
    for judge, network in product(judges, attacked):
        if _are_twins(judge, network):
            raise ConfigError(
                f"[attack] judges: '{judge.name}' has the same weights as '{network.name}', which is attacked, so it"
                " cannot be an independent judge"
            )
    for key, networks in (("ensemble", attacked), ("judges", judges)):
        for one, other in combinations(networks, 2):
            if _are_twins(one, other):
                raise ConfigError(
                    f"[attack] {key}: '{one.name}' and '{other.name}' have the same weights: leave one out"
                )


def _are_twins(a: FaceNetwork, b: FaceNetwork) -> bool:
    if a.sha256 == b.sha256:
        return True
    one, other = signature(a.module, a.chip), signature(b.module, b.chip)
    return one.shape == other.shape and float(one @ other) > _SAME_COSINE


@torch.no_grad()
def signature(module: nn.Module, chip: tuple[int, int]) -> Tensor:
    """What a network makes of a drawn face, as a direction: its weights' own, whatever file they came in."""
    embedding: Tensor = module(portrait(chip).to(_device(module)))
    return torch.nn.functional.normalize(embedding)[0].cpu()


def _device(module: nn.Module) -> torch.device:
    return next(chain(module.parameters(), module.buffers())).device
