"""The room's front door: detector, ensemble, judges and LPIPS, loaded once on one device."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from lowkeyd import config
from lowkeyd.attack import paper
from lowkeyd.attack.crop import Difference, WorkingFaces, paste
from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks import catalogue
from lowkeyd.attack.optimise import optimise
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.presets import PAPER, PRESETS
from lowkeyd.attack.verify import Embeddings, Judges, Recogniser, Versions, embeddings
from lowkeyd.attack.visibility import measure
from lowkeyd.errors import ConfigError, OptimiserFailed, OutOfMemory
from lowkeyd.model import Face, Pixels, Place, Verdict, Visibility

_BATCH = 16
"""Faces optimised together: one by one costs twice as much per face, more than this gains nothing on a CPU."""


class Engine:
    """The attack and its judges. Raises WeightsError for networks, ConfigError for devices that cannot be had."""

    def __init__(self, settings: config.Attack, device: str = "auto", threads: int = 0) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._threads = torch.get_num_threads()
        self.device = _device(device)
        self._seed = settings.seed
        self.perceptual = Perceptual(self.device)
        self._detector = Detector(self.device)
        self.ensemble = [catalogue.load(name, settings.models, self.device) for name in settings.ensemble]
        judges = [catalogue.load(name, settings.models, self.device) for name in settings.judges]
        catalogue.refuse_twins(self.ensemble, judges)
        recognisers = [Recogniser(network, network in self.ensemble) for network in [*self.ensemble, *judges]]
        self._judges = Judges(self._detector, recognisers, self.perceptual, self.device)

    def share_cores(self) -> None:
        """For a thread that works beside another one: from now it takes half of the cores. Other threads that have
        worked before keep what they have."""
        torch.set_num_threads(max(1, self._threads // 2))

    def detect(self, photo: Pixels) -> tuple[Face, ...]:
        """Every face, from left to right. Raises OutOfMemory."""
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

        `on_step` is told steps done and steps in all. Raises OptimiserFailed and OutOfMemory.
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
        """A copy of the photo with these differences. Raises OutOfMemory."""
        with _memory():
            return paste(photo, differences)

    def optimise(self, faces: WorkingFaces, preset: str, on_step: Callable[[int, int], None]) -> Tensor:
        """All differences, N x 3 x S x S, batch by batch."""
        batches = faces.batches(_BATCH)
        total = len(batches) * (paper.STEPS if preset == PAPER else PRESETS[preset].steps)
        steps = iter(range(1, total + 1))
        return torch.cat([self._batch(batch, preset, lambda: on_step(next(steps), total)).cpu() for batch in batches])

    def _batch(self, faces: WorkingFaces, preset: str, on_step: Callable[[], None]) -> Tensor:
        faces = replace(faces, x=faces.x.to(self.device))
        if preset == PAPER:
            delta = paper.optimise(faces.x, faces.points, self.ensemble, self.perceptual, self._seed, on_step)
        else:
            delta = optimise(faces, self.ensemble, self.perceptual, PRESETS[preset], self._seed, on_step)
        if not delta.isfinite().all():
            raise OptimiserFailed("the optimiser left the range of numbers")
        return delta

    @property
    def recognisers(self) -> Sequence[Recogniser]:
        """The attacked networks first, then the judges."""
        return self._judges.recognisers

    def embed(self, places: Sequence[Place]) -> list[Embeddings]:
        """What each recogniser makes of faces in photos: N x dimensions each, as its distance takes them."""
        return [embeddings(recogniser.network, places, self.device) for recogniser in self.recognisers]

    def find_again(self, places: Sequence[Place]) -> list[Face | None]:
        """Faces in changed copies of their photos, detected afresh near their old place."""
        return self._detector.find_again(places)

    def visibility(self, original: Pixels, changed: Pixels, face: Face) -> Visibility:
        """How much of a change can be seen on one face."""
        return measure(original, changed, face, self.perceptual, self.device)

    def verify(self, versions: Versions, faces: Sequence[Face], preset: str) -> Verdict:
        """What the recognisers say about a copy that was made with `preset`. Raises OutOfMemory."""
        with _memory():
            return self._judges.judge(versions, faces, preset)


@contextmanager
def _memory() -> Iterator[None]:
    """Translates what torch says when memory runs out, and makes it give back what it only keeps in reserve."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        torch.cuda.empty_cache()
        raise OutOfMemory("the device ran out of memory") from error
    except RuntimeError as error:  # on the CPU, torch has no class of its own for it
        if "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory("the machine ran out of memory") from error


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        index = int(wanted.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise ConfigError(f"[attack] device: {wanted} was asked for, but {torch.cuda.device_count()} are there")
        return f"cuda:{index}"
    return wanted
