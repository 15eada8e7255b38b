"""The whole way of a photo from bytes to bytes: decode, detect, optimise, encode, verify.

Faces of several photos are optimised together, which costs half as much per face as one by one. Before and after that
two photos at a time are in work, each with half of the cores, which small networks and codecs use better.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, TypeVar

from lowkeyd import config
from lowkeyd.attack.crop import Difference
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.presets import STRONGEST, ladder
from lowkeyd.attack.verify import Versions
from lowkeyd.errors import RETRY, PhotoError, PhotoLeftAlone, ProtectionTooWeak, SeveralPictures, TryLater
from lowkeyd.imaging.decode import Picture, decode
from lowkeyd.imaging.encode import Encoded, as_shared, encode, has_finer
from lowkeyd.model import Face, NoFace, Pixels, Protected, Stage, Strength, Verdict
from lowkeyd.worker.decoder import Decoder
from lowkeyd.worker.limits import limits
from lowkeyd.worker.messages import Outcome, Reached, Stepped
from lowkeyd.worker.pairs import two_at_once

K = TypeVar("K", bound=Hashable)
E = TypeVar("E", bound=PhotoError | TryLater)
Tell = Callable[[Reached[K] | Stepped], None]
Read = Callable[[], bytes]

_CROP = "The photo's border cuts through what is still recognised, and leaves too little of it to protect: crop it off."
_EVEN_STRONG = f"The strongest preset was tried. More networks in [attack] ensemble may do; {RETRY}"


@dataclass
class _Found(Generic[K]):
    """A photo with faces, on its way."""

    key: K
    picture: Picture
    faces: tuple[Face, ...]
    started: float = field(repr=False)
    weak: tuple[Face, ...]
    """Those of its faces that are not yet protected enough: at first all."""
    differences: dict[Face, Difference] = field(default_factory=dict)
    """What was found for each face."""

    @cached_property
    def original_shared(self) -> Pixels:
        """What a social network would have made of the photo itself."""
        return as_shared(self.picture.pixels)


class Protector:
    """Holds the networks. Raises WeightsError or ConfigError when they cannot be had."""

    def __init__(self, settings: config.Config, device: str) -> None:
        self._outbox, self._metadata = settings.outbox, settings.metadata
        self._limits = limits(settings.worker)
        self._own_limits = replace(self._limits, max_megabytes=math.inf)  # a copy may need more bytes than its photo
        self._decoder = Decoder(self._limits, settings.worker.max_decode_s)  # starts while the networks are loaded
        self._engine = Engine(settings.attack, device, settings.worker.threads)
        self._presets = ladder(settings.attack.preset)

    @property
    def device(self) -> str:
        """Where the networks are: `cpu`, `cuda:0` and so on."""
        return self._engine.device

    def run(self, photos: Iterable[tuple[K, Read]], tell: Tell[K]) -> Iterator[tuple[K, Outcome]]:
        """Protect photos, each given as a key and a way to read its bytes. Outcomes come as they are reached, not in
        order; errors about one photo are outcomes. `tell` is called from several threads."""
        group: list[_Found[K]] = []
        looking = two_at_once(lambda photo: self._find(*photo, tell), _begun(photos, tell), self._engine.share_cores)
        for (key, *_), coming in looking:
            found = coming.result()
            if not isinstance(found, _Found):
                yield key, found
                continue
            if group and _megapixels([*group, found]) > self._limits.max_megapixels:
                yield from self._protect(group, tell)
                group = []
            group.append(found)
        yield from self._protect(group, tell)

    def _find(self, key: K, read: Read, started: float, tell: Tell[K]) -> _Found[K] | Outcome:
        try:
            picture = self._decode(read())
            tell(Reached(key, Stage.DETECT))
            faces = self._engine.detect(picture.pixels)
            if not faces:
                return self._faceless(picture, started)
        except (PhotoError, TryLater) as error:
            return _bare(error)
        return _Found(key, picture, faces, started, weak=faces)

    def _faceless(self, picture: Picture, started: float) -> NoFace:
        """Its copy, if one is wanted, is made from pixels too: it may say where it was taken, as any photo may. It does
        not say that it is protected."""
        if self._outbox.no_face == "skip":
            return NoFace(time.monotonic() - started)
        encoded = encode(picture, picture.pixels, self._outbox, self._metadata.model_copy(update={"marker": False}))
        return NoFace(time.monotonic() - started, encoded.content, encoded.suffix)

    def _decode(self, content: bytes) -> Picture:
        try:
            picture = self._decoder.decode(content)
        except SeveralPictures as error:
            if self._outbox.animated == "ignore":
                raise PhotoLeftAlone(error.reason) from error
            raise
        if picture.is_protected:
            raise PhotoLeftAlone("protected already: it carries lowkeyd's own mark")
        return picture

    def _protect(self, group: list[_Found[K]], tell: Tell[K]) -> Iterator[tuple[K, Outcome]]:
        """Outcomes of a group of photos. Faces that come out weak are done once more, with the next stronger preset."""
        first, *stronger = self._presets
        outcomes = {}
        for photo, outcome in self._attempt(group, first, tell):
            outcomes[photo.key] = outcome
            photo.weak = _weak_faces(photo.faces, outcome)
            if not (stronger and photo.weak):
                yield photo.key, self._allowed(photo, outcome)
        again = [photo for photo in group if photo.weak]
        for preset in stronger:
            for photo, outcome in self._attempt(again, preset, tell):
                yield photo.key, self._allowed(photo, _better(outcomes[photo.key], outcome, preset))

    def _attempt(
        self, group: list[_Found[K]], preset: str, tell: Tell[K]
    ) -> Iterator[tuple[_Found[K], Protected | PhotoError | TryLater]]:
        if not group:
            return
        for photo in group:
            tell(Reached(photo.key, Stage.OPTIMISE))
        trouble: PhotoError | TryLater | None = None
        try:
            self._optimise(group, preset, tell)
        except (PhotoError, TryLater) as error:
            trouble = _bare(error)
        if trouble is not None:
            yield from self._with_less(group, preset, tell, trouble)
            return
        finishing = two_at_once(lambda photo: self._deliver(photo, preset, tell), group, self._engine.share_cores)
        yield from ((photo, delivered.result()) for photo, delivered in finishing)

    def _optimise(self, group: list[_Found[K]], preset: str, tell: Tell[K]) -> None:
        """Finds what protects the photos' weak faces; others keep what was found before."""
        places = [(photo.picture.pixels, face) for photo in group for face in photo.weak]
        found = iter(self._engine.differences(places, preset, _steps(tell, len(places))))
        for photo in group:
            photo.differences.update(zip(photo.weak, found, strict=False))

    def _with_less(
        self, group: list[_Found[K]], preset: str, tell: Tell[K], error: PhotoError | TryLater
    ) -> Iterator[tuple[_Found[K], Protected | PhotoError | TryLater]]:
        """The same in two halves: memory may reach for them, and who brings the optimiser down does so alone."""
        if len(group) == 1:
            yield group[0], error
            return
        half = len(group) // 2
        for part in (group[:half], group[half:]):
            yield from self._attempt(part, preset, tell)

    def _deliver(self, photo: _Found[K], preset: str, tell: Tell[K]) -> Protected | PhotoError | TryLater:
        try:
            pixels = self._engine.changed(photo.picture.pixels, photo.differences.values())
            encoded, verdict = self._encode_and_judge(photo, pixels, preset, tell, fine=False)
            if verdict.strength is not Strength.PROTECTED and has_finer(encoded, photo.picture):
                # Coarse compression may have rounded the protection away; if it was not that, the smaller file stays.
                finer = self._encode_and_judge(photo, pixels, preset, tell, fine=True)
                encoded, verdict = finer if finer[1].exposure < verdict.exposure else (encoded, verdict)
        except (PhotoError, TryLater) as error:
            return _bare(error)
        seconds = time.monotonic() - photo.started
        return Protected(encoded.content, encoded.suffix, verdict, seconds, photo.picture.left_out)

    def _encode_and_judge(
        self, photo: _Found[K], pixels: Pixels, preset: str, tell: Tell[K], *, fine: bool
    ) -> tuple[Encoded, Verdict]:
        tell(Reached(photo.key, Stage.ENCODE))
        encoded = encode(photo.picture, pixels, self._outbox, self._metadata, fine=fine)
        tell(Reached(photo.key, Stage.VERIFY))
        delivered = decode(encoded.content, self._own_limits).pixels  # what is judged is what is delivered
        versions = Versions(photo.picture.pixels, photo.original_shared, delivered, as_shared(delivered))
        return encoded, self._engine.verify(versions, photo.faces, preset)

    def _allowed(self, photo: _Found[K], outcome: Protected | PhotoError | TryLater) -> Outcome:
        """The outcome, unless it is a copy that may not be delivered."""
        if not isinstance(outcome, Protected):
            return outcome
        held_back = {Strength.FAILED} | ({Strength.WEAK} if self._outbox.weak == "hold" else set())
        if outcome.verdict.strength in held_back:
            return ProtectionTooWeak(outcome.verdict.told, outcome.verdict, advice=self._advice(photo, outcome.verdict))
        return outcome

    def _advice(self, photo: _Found[K], refused: Verdict) -> str | None:
        if all(_is_cut(face.box, photo.picture.pixels.shape) for face in refused.recognised.values()):
            return _CROP
        return _EVEN_STRONG if STRONGEST in self._presets else None


def _begun(photos: Iterable[tuple[K, Read]], tell: Tell[K]) -> Iterator[tuple[K, Read, float]]:
    """Photos that are now decoded, and since when."""
    for key, read in photos:
        tell(Reached(key, Stage.DECODE))
        yield key, read, time.monotonic()


def _bare(error: E) -> E:
    """Without the trace, which holds on to pictures and to what has to be freed on a GPU."""
    error.__cause__ = error.__context__ = None
    error.__traceback__ = None
    return error


def _steps(tell: Tell[K], faces: int) -> Callable[[int, int], None]:
    return lambda done, total: tell(Stepped(done, total, faces))


def _weak_faces(faces: Sequence[Face], outcome: Protected | PhotoError | TryLater) -> tuple[Face, ...]:
    if not isinstance(outcome, Protected):
        return ()
    judged = zip(faces, outcome.verdict.faces, strict=True)
    return tuple(face for face, verdict in judged if verdict.strength is not Strength.PROTECTED)


def _better(
    first: Protected | PhotoError | TryLater, second: Protected | PhotoError | TryLater, preset: str
) -> Protected | PhotoError | TryLater:
    """The second attempt, with `preset`, if less of it is recognised; else the one with less to see."""
    if not isinstance(first, Protected) or not isinstance(second, Protected):
        return first
    if second.verdict.exposure < first.verdict.exposure:
        return second
    return replace(first, verdict=replace(first.verdict, tried=preset))


def _is_cut(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> bool:
    left, top, right, bottom = box
    return left < 0 or top < 0 or right > shape[1] or bottom > shape[0]


def _megapixels(group: list[_Found[K]]) -> float:
    return sum(photo.picture.pixels.size // 3 for photo in group) / 1e6
