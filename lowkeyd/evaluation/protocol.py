"""The paper's protocol on a folder of people: are they still found by another photo, once their own was protected?

Gallery: one photo per person. Those of the protected people are replaced by their protected copies, all at once. Probe:
another, clean photo of a protected person. Rank-k: the share of probes whose own person is among the k nearest of the
gallery. Verification: the share of pairs of one person that a recogniser accepts at its threshold. Log-rank: the mean
logarithm of the own person's rank, over what chance gives: 0 where all are found first, 1 where by luck alone. Every
probe counts in it, so that it wavers less than a share of those above some rank.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lowkeyd import config
from lowkeyd.attack.detect import scaled
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.errors import ConfigError, PhotoError, TryLater
from lowkeyd.evaluation.people import Person
from lowkeyd.folders import originals
from lowkeyd.imaging.decode import Picture, decode
from lowkeyd.imaging.encode import encode, halved, recompress
from lowkeyd.model import Face, Pixels, Visibility
from lowkeyd.worker.limits import limits

FORMS: dict[str, Callable[[Pixels], Pixels]] = {
    "as delivered": lambda pixels: pixels,
    "JPEG 75": recompress,
    "half size": halved,
    "half size, JPEG 75": lambda pixels: recompress(halved(pixels)),
}
"""What becomes of a photo after it was delivered."""
_FALSE_ACCEPTS, _ENOUGH_PAIRS = 0.001, 10_000
_BATCH = 16
"""Photos protected together."""
Protect = Callable[[Sequence[Pixels], Sequence[Sequence[Face]]], list[Pixels]]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recognised:
    """What one recogniser does with photos in one form: shares of probes, 0..1, the lower the better protected; of
    `log_rank` the reverse. It takes faces for one person below the distance `threshold`."""

    recogniser: str
    attacked: bool
    form: str
    threshold: float
    rank_1: float
    rank_50: float
    verified: float
    log_rank: float


@dataclass(frozen=True)
class Evaluated:
    """The gallery with one kind of protection, or none: `visibility` is the mean over faces, None for clean photos."""

    protection: str
    recognised: tuple[Recognised, ...]
    visibility: Visibility | None = None
    seconds_per_face: float = 0.0


@dataclass(frozen=True, eq=False)
class _Known:
    """A person with a face in the gallery, and what each recogniser makes of it; of the probe too, if there is one."""

    person: Person
    face: Face
    height: int  # of the photo, in pixels
    gallery: list[Vectors]
    probe: list[Vectors] | None


class Gallery:
    """People whose faces were found. `skipped` are photos that could not be used, with the reason."""

    def __init__(
        self, people: Sequence[Person], engine: Engine, settings: config.Config, on_person: Callable[[], None]
    ) -> None:
        self._engine, self._settings = engine, settings
        self._limits = limits(settings.worker)
        self.skipped: dict[Path, str] = {}
        self._known = [known for person in people if (known := self._know(person, on_person))]

    @cached_property
    def thresholds(self) -> list[float]:
        """Of each recogniser."""
        return [self._threshold(number, one.network) for number, one in enumerate(self._engine.recognisers)]

    def __len__(self) -> int:
        return len(self._known)

    def _know(self, person: Person, on_person: Callable[[], None]) -> _Known | None:
        on_person()
        gallery = self._look(person.gallery)
        probe = self._look(person.probe) if gallery and person.probe else None
        return _Known(person, *gallery, probe[2] if probe else None) if gallery else None

    def _look(self, path: Path) -> tuple[Face, int, list[Vectors]] | None:
        """The face nearest to the photo's middle."""
        try:
            pixels = self._read(path).pixels
        except (PhotoError, TryLater) as error:
            self.skipped[path] = str(error)
            return None
        faces = self._engine.detect(pixels)
        if not faces:
            self.skipped[path] = "no face was found"
            return None
        middle = np.array((pixels.shape[1] / 2, pixels.shape[0] / 2))
        face = min(faces, key=lambda face: float(np.linalg.norm(face.landmarks.mean(0) - middle)))
        return face, len(pixels), [vectors[0] for vectors in self._engine.embed([(pixels, face)])]

    def _read(self, path: Path) -> Picture:
        content = originals.read(Path(os.path.realpath(path)), int(self._limits.max_megabytes * 1e6))
        return decode(content, self._limits)

    def choose(self, count: int | None) -> list[int]:
        """People to protect, evenly spread over those who can be looked for. Raises ConfigError when nobody can."""
        eligible = [number for number, known in enumerate(self._known) if known.probe is not None]
        if not eligible:
            raise ConfigError("in no pair of photos of one person were both faces found")
        wanted = min(count or len(eligible), len(eligible))
        return [eligible[number * len(eligible) // wanted] for number in range(wanted)]

    def evaluate(self, chosen: Sequence[int], protection: str, protect: Protect | None) -> Evaluated:
        """The gallery with the photos of the chosen people changed by `protect`, or as they are."""
        seen: list[Visibility] = []
        vectors: dict[str, list[list[Vectors]]] = {
            form: [] for form in FORMS
        }  # a list per batch, an entry per recogniser
        seconds = 0.0
        for together in self._batches(chosen):
            batch, pictures = zip(*together, strict=True)
            changed = [picture.pixels for picture in pictures]
            if protect is not None:
                started = time.perf_counter()
                changed = protect(changed, [[known.face] for known in batch])
                seconds += time.perf_counter() - started
                changed = [self._delivered(picture, pixels) for picture, pixels in zip(pictures, changed, strict=True)]
                seen += [
                    self._engine.visibility(picture.pixels, pixels, known.face)
                    for picture, pixels, known in zip(pictures, changed, batch, strict=True)
                ]
            for form, stored in FORMS.items():
                vectors[form].append(
                    self._embed([(stored(pixels), known) for pixels, known in zip(changed, batch, strict=True)])
                )
        recognised = (
            Recognised(
                recogniser.network.name,
                recogniser.attacked,
                form,
                self.thresholds[number],
                *self._rates(chosen, number, vectors[form]),
            )
            for number, recogniser in enumerate(self._engine.recognisers)
            for form in FORMS
        )
        return Evaluated(protection, tuple(recognised), _mean(seen) if seen else None, seconds / len(chosen))

    def _batches(self, chosen: Sequence[int]) -> Iterator[list[tuple[_Known, Picture]]]:
        """People with their photos, a few at a time, which together stay below the limit for pixels."""
        batch: list[tuple[_Known, Picture]] = []
        pixels = 0
        for known in (self._known[number] for number in chosen):
            picture = self._read(known.person.gallery)
            own = picture.pixels.size // 3
            if batch and (len(batch) == _BATCH or pixels + own > self._limits.max_megapixels * 1e6):
                yield batch
                batch, pixels = [], 0
            batch.append((known, picture))
            pixels += own
        yield batch

    def _delivered(self, picture: Picture, pixels: Pixels) -> Pixels:
        """What is in the file that would be delivered."""
        encoded = encode(picture, pixels, self._settings.outbox, self._settings.metadata)
        limits = replace(self._limits, max_megabytes=math.inf)  # a copy may need more bytes than its photo
        return decode(encoded.content, limits).pixels

    def _embed(self, places: Sequence[tuple[Pixels, _Known]]) -> list[Vectors]:
        """Faces detected afresh; where that fails, which is protection too, the old landmarks are used."""
        faces = [scaled(known.face, pixels.shape[0] / known.height) for pixels, known in places]
        again = self._engine.find_again([(pixels, face) for (pixels, _), face in zip(places, faces, strict=True)])
        found = [now or face for now, face in zip(again, faces, strict=True)]
        return self._engine.embed([(pixels, face) for (pixels, _), face in zip(places, found, strict=True)])

    def _rates(
        self, chosen: Sequence[int], recogniser: int, batches: Sequence[list[Vectors]]
    ) -> tuple[float, float, float, float]:
        gallery = np.stack([known.gallery[recogniser] for known in self._known])
        gallery[list(chosen)] = np.concatenate([batch[recogniser] for batch in batches])
        probes = [known.probe[recogniser] for number in chosen if (known := self._known[number]).probe is not None]
        return rates(gallery, np.stack(probes), chosen, self.thresholds[recogniser])

    def _threshold(self, number: int, network: FaceNetwork) -> float:
        """dlib's own, which is a distance that its training aimed at. Others': where one in a thousand pairs of
        strangers of the clean gallery is accepted, if it has enough of them; else the catalogue's."""
        if not network.unit or len(self) * (len(self) - 1) // 2 < _ENOUGH_PAIRS:
            return network.threshold
        return accepting(np.stack([known.gallery[number] for known in self._known]), _FALSE_ACCEPTS)


def accepting(gallery: Vectors, rate: float) -> float:
    """The distance below which this share of pairs of a gallery (N x D) of strangers lies."""
    distances = [np.linalg.norm(gallery[number + 1 :] - gallery[number], axis=1) for number in range(len(gallery) - 1)]
    return float(np.quantile(np.concatenate(distances), rate))


def rates(gallery: Vectors, probes: Vectors, own: Sequence[int], threshold: float) -> tuple[float, float, float, float]:
    """Rank-1, rank-50 and verification, 0..1, and log-rank.

    Probes (M x D) are looked for in a gallery (N x D), where probe i is the person of gallery row own[i].
    """
    distances = np.stack([np.linalg.norm(gallery - probe, axis=1) for probe in probes])  # (M, N)
    to_own = distances[np.arange(len(probes)), own]
    nearer = (distances < to_own[:, None]).sum(1)
    by_chance = max(float(np.log(np.arange(1, len(gallery) + 1)).mean()), 1e-9)  # a gallery of one knows no other rank
    log_rank = float(np.log(nearer + 1).mean()) / by_chance
    return float(np.mean(nearer < 1)), float(np.mean(nearer < 50)), float(np.mean(to_own < threshold)), log_rank


def _mean(seen: Sequence[Visibility]) -> Visibility:
    return Visibility(*(float(np.mean(values)) for values in zip(*map(astuple, seen), strict=True)))
