"""The room's front door: detector, ensemble, judges and LPIPS, loaded once on one device."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count, islice

import torch
from torch import Tensor

from lowkeyd import config
from lowkeyd.attack import paper
from lowkeyd.attack.batch import BatchSize
from lowkeyd.attack.crop import Difference, WorkingFaces, paste
from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks import face_network
from lowkeyd.attack.optimise import optimise
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.presets import PAPER, PRESETS
from lowkeyd.attack.verify import Embeddings, Judges, Recogniser, Versions, embeddings
from lowkeyd.attack.visibility import measure
from lowkeyd.errors import ConfigError, OptimiserFailed, OutOfMemory
from lowkeyd.model import Face, Pixels, Place, Verdict, Visibility

_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
"""What is said by those that have no class of their own for it: CUDA itself, cuBLAS and cuDNN, torch on the CPU."""


class Engine:
    """The attack and its judges. Raises WeightsError for networks, ConfigError for devices that cannot be had.

    All of its methods that take photos or faces raise OutOfMemory.
    """

    def __init__(self, settings: config.Attack, device: str = "auto", threads: int = 0) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._threads = torch.get_num_threads()
        self.device = resolved(device)
        self._seed = settings.seed
        with _memory():
            self.perceptual = Perceptual(self.device)
            self._detector = Detector(self.device)
            self.ensemble = [face_network.load(name, settings.models, self.device) for name in settings.ensemble]
            judges = [face_network.load(name, settings.models, self.device) for name in settings.judges]
            face_network.refuse_unattackable(self.ensemble)
            face_network.refuse_twins(self.ensemble, judges)
        self._size = BatchSize(self.device, sum(face_network.size_bytes(network) for network in self.ensemble))
        recognisers = [Recogniser(network, network in self.ensemble) for network in [*self.ensemble, *judges]]
        self._judges = Judges(self._detector, recognisers, self.perceptual, self.device)

    def share_cores(self) -> None:
        """For a thread that works beside another one: from now it takes half of the cores. Other threads that have
        worked before keep what they have."""
        torch.set_num_threads(max(1, self._threads // 2))

    def detect(self, photo: Pixels) -> tuple[Face, ...]:
        """Every face, from left to right."""
        with _memory():
            return self._detector.find(photo)

    def protect(
        self,
        photos: Sequence[Pixels],
        faces: Sequence[Sequence[Face]],
        preset: str,
        on_step: Callable[[int, int], None],
    ) -> list[Pixels]:
        """Protected copies of the photos, in which the given faces of each were changed, and nothing else.

        `on_step` is told steps done and steps in all. Raises OptimiserFailed.
        """
        places = [(photo, face) for photo, own in zip(photos, faces, strict=True) for face in own]
        differences = iter(self.differences(places, preset, on_step))
        return [self.changed(photo, islice(differences, len(own))) for photo, own in zip(photos, faces, strict=True)]

    def differences(
        self, places: Sequence[Place], preset: str, on_step: Callable[[int, int], None]
    ) -> list[Difference]:
        """What protects faces in photos, one by one; `on_step` and errors as in `protect`."""
        with _memory():
            faces = WorkingFaces.of(places)
            deltas = self.optimise(faces, preset, on_step)
            return [Difference(square, delta) for square, delta in zip(faces.squares, deltas, strict=True)]

    def changed(self, photo: Pixels, differences: Iterable[Difference]) -> Pixels:
        """A copy of the photo with these differences."""
        with _memory():
            return paste(photo, differences)

    def optimise(self, faces: WorkingFaces, preset: str, on_step: Callable[[int, int], None]) -> Tensor:
        """All differences, N x 3 x S x S, in batches as large as memory has room for. Raises OptimiserFailed."""
        steps = paper.STEPS if preset == PAPER else PRESETS[preset].steps
        left = faces
        deltas: list[Tensor] = []
        while len(left):
            batch, done = left.part(slice(self._size.faces)), steps * len(deltas)
            total = done + steps * math.ceil(len(left) / self._size.faces)
            try:
                deltas.append(self._batch(batch, preset, partial(_tell, on_step, count(done + 1), total)))
            except OutOfMemory:
                if not self._size.halve(len(batch)):
                    raise
            else:
                left = left.part(slice(len(batch), None))
        return torch.cat(deltas)

    def _batch(self, faces: WorkingFaces, preset: str, on_step: Callable[[], None]) -> Tensor:
        self._size.begin()
        with _memory():
            faces = replace(faces, x=faces.x.to(self.device))
            if preset == PAPER:
                delta = paper.optimise(faces.x, faces.points, self.ensemble, self.perceptual, self._seed, on_step)
            else:
                delta = optimise(faces, self.ensemble, self.perceptual, PRESETS[preset], self._seed, on_step)
            delta = delta.cpu()
        self._size.learn(len(faces))
        if not delta.isfinite().all():
            raise OptimiserFailed("the optimiser left the range of numbers")
        return delta

    @property
    def recognisers(self) -> Sequence[Recogniser]:
        """The attacked networks first, then the judges."""
        return self._judges.recognisers

    def embed(self, places: Sequence[Place]) -> list[Embeddings]:
        """What each recogniser makes of faces in photos: N x dimensions each, as its distance takes them."""
        with _memory():
            return [embeddings(recogniser.network, places, self.device) for recogniser in self.recognisers]

    def find_again(self, places: Sequence[Place]) -> list[Face | None]:
        """Faces in changed copies of their photos, detected afresh near their old place."""
        with _memory():
            return self._detector.find_again(places)

    def visibility(self, original: Pixels, changed: Pixels, face: Face) -> Visibility:
        """How much of a change can be seen on one face."""
        with _memory():
            return measure(original, changed, face, self.perceptual, self.device)

    def verify(self, versions: Versions, faces: Sequence[Face], preset: str) -> Verdict:
        """What the recognisers say about a copy that was made with `preset`."""
        with _memory():
            return self._judges.judge(versions, faces, preset)


def _tell(on_step: Callable[[int, int], None], steps: Iterator[int], total: int) -> None:
    on_step(next(steps), total)


@contextmanager
def _memory() -> Iterator[None]:
    """Translates what torch says when memory runs out, and makes it give back what it only keeps in reserve."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not told and not any(words in str(error) for words in _NO_MEMORY):
            raise
        torch.cuda.empty_cache()
        raise OutOfMemory("memory ran out") from error


def resolved(wanted: str) -> str:
    """The device that a setting stands for, as torch calls it. Raises ConfigError when it cannot be had."""
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        index = int(wanted.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise ConfigError(f"[attack] device: {wanted} was asked for, but {torch.cuda.device_count()} are there")
        return f"cuda:{index}"
    return wanted
