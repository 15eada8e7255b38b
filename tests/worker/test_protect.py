"""The way of a photo from bytes to bytes, with a fake in place of the networks."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from itertools import chain
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from PIL import ExifTags, Image

from lowkeyd import config
from lowkeyd.attack.verify import Versions
from lowkeyd.errors import (
    OptimiserFailed,
    OutOfMemory,
    PhotoIncomplete,
    PhotoLeftAlone,
    ProtectionTooWeak,
    SeveralPictures,
)
from lowkeyd.imaging.decode import decode
from lowkeyd.imaging.encode import as_shared
from lowkeyd.imaging.metadata import xmp
from lowkeyd.model import Face, FaceVerdict, NoFace, Pixels, Place, Protected, Score, Strength, Verdict, Visibility
from lowkeyd.worker import protect
from lowkeyd.worker.messages import Outcome
from lowkeyd.worker.protect import Protector
from tests.imaging.make import LIMITS, delivered, portrait, saved

FACE = portrait()
LANDMARKS = np.array([(35, 40), (60, 40), (48, 55), (38, 68), (58, 68)], np.float32)

Box = tuple[float, float, float, float]
Judge = Callable[[Pixels], float]
"""How far the delivered pixels are from the original, as a recogniser sees it."""


BRIGHTER = {"subtle": 3, "balanced": 5, "strong": 8}


def brighter(photo: Pixels, levels: int) -> Pixels:
    return np.clip(photo.astype(int) + levels, 0, 255).astype(np.uint8)


def judged(far: float, attacked: bool, box: Box = (0, 0, 1, 1)) -> FaceVerdict:
    """A face so far from the original, where everything below 0.6 is the same person."""
    score = Score("fake", attacked, 0.6, 0.1, far, far, similarity_before=1.0, similarity_after=0.5)
    return FaceVerdict(box, True, (score,), Visibility(0.0, 40.0, 1.0, 0.0))


class FakeEngine:
    """Finds one face in every photo that is not black, brightens it, and lets the test say what a judge makes of it."""

    device = "fake"
    judge: Judge = staticmethod(lambda _: 1.0)
    judged = 0
    attacked = False
    box: Box = (0, 0, 1, 1)
    presets: ClassVar[list[str]] = []

    def __init__(self, *_: Any) -> None:
        pass

    def share_cores(self) -> None:
        pass

    def detect(self, photo: Pixels) -> tuple[Face, ...]:
        return (Face((20.0, 20.0, 80.0, 80.0), LANDMARKS, 1.0),) if photo.any() else ()

    def differences(self, places: Sequence[Place], preset: str, *_: Any) -> list[int]:
        self.presets.append(preset)
        return [BRIGHTER[preset] for _ in places]

    def changed(self, photo: Pixels, levels: Iterable[int]) -> Pixels:
        return brighter(photo, sum(levels))

    def verify(self, versions: Versions, _faces: Sequence[Face], preset: str) -> Verdict:
        type(self).judged += 1
        return Verdict((judged(type(self).judge(versions.delivered), self.attacked, self.box),), preset)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> type[FakeEngine]:
    class Engine(FakeEngine):
        """Fresh for each test."""

        presets: ClassVar[list[str]] = []

    monkeypatch.setattr(protect, "Engine", Engine)
    return Engine


def outcome(content: bytes, **outbox: Any) -> Outcome:
    protector = Protector(config.Config(outbox=config.Outbox(**outbox)), "cpu")
    ((key, outcome),) = protector.run([("a", lambda: content)], lambda _: None)
    assert key == "a"
    return outcome


def copy_of(content: bytes) -> Protected:
    protected = outcome(content)
    assert isinstance(protected, Protected)
    return protected


def size_of_change(content: bytes, protected: Protected) -> float:
    before, after = (decode(one, LIMITS).pixels.astype(int) for one in (content, protected.content))
    return float((after - before).mean())


def test_a_photo_becomes_a_copy_in_kind() -> None:
    content = saved(FACE, format="PNG")
    protected = copy_of(content)
    assert (protected.suffix, protected.verdict.strength) == (".png", Strength.PROTECTED)
    assert size_of_change(content, protected) == pytest.approx(5, abs=0.3)


def test_what_is_judged_is_the_copy_as_it_was_written_and_as_it_would_be_shared(engine: type[FakeEngine]) -> None:
    asked: list[Versions] = []
    real = engine.verify

    def verify(self: FakeEngine, versions: Versions, *rest: Any) -> Verdict:
        asked.append(versions)
        return real(self, versions, *rest)

    engine.verify = verify  # type: ignore[method-assign]
    original, copy = (decode(content, LIMITS).pixels for content in (COARSE, copy_of(COARSE).content))
    (seen,) = asked
    np.testing.assert_array_equal(seen.original, original)
    np.testing.assert_array_equal(seen.original_shared, as_shared(original))
    np.testing.assert_array_equal(seen.delivered, copy)
    np.testing.assert_array_equal(seen.shared, as_shared(copy))


def test_the_outbox_decides_about_the_format() -> None:
    protected = outcome(saved(FACE, format="PNG"), format="webp")
    assert isinstance(protected, Protected)
    assert protected.suffix == ".webp"


def test_nobody_to_protect_is_an_outcome() -> None:
    assert isinstance(outcome(saved(FACE * 0, format="PNG")), NoFace)


def test_on_request_it_is_copied_all_the_same_but_not_with_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    exif[ExifTags.Base.Artist] = "Eileen"
    empty = saved(FACE * 0, format="JPEG", exif=exif)
    copied = outcome(empty, no_face="copy")
    assert isinstance(copied, NoFace)
    assert copied.content is not None
    assert copied.suffix == ".jpg"
    assert not xmp.is_marked(copied.content), "it is not protected"
    with Image.open(BytesIO(copied.content)) as picture:
        assert (np.asarray(picture) == 0).all()
        found = picture.getexif()
    assert (found[ExifTags.Base.Artist], ExifTags.IFD.GPSInfo in found) == ("Eileen", False)
    with Image.open(BytesIO(empty)) as picture:
        assert ExifTags.IFD.GPSInfo in picture.getexif()


def test_a_copy_of_ours_is_left_alone_and_not_protected_again() -> None:
    again = outcome(delivered(saved(FACE, format="JPEG")))
    assert isinstance(again, PhotoLeftAlone)
    assert "protected already" in again.reason


def test_animations_are_refused_or_left_alone_as_the_owner_wishes() -> None:
    content = saved(FACE, format="GIF", save_all=True, append_images=[Image.fromarray(FACE[::-1])])
    assert isinstance(outcome(content), SeveralPictures)
    ignored = outcome(content, animated="ignore")
    assert isinstance(ignored, PhotoLeftAlone)
    assert "several frames" in ignored.reason


def test_what_was_left_out_of_the_copy_is_said() -> None:
    content = saved(FACE, format="MPO", save_all=True, append_images=[Image.fromarray(FACE)])
    assert copy_of(content).left_out == ("1 further picture in the file",)


# ---- several photos

PATIENCE_S = 60


def test_the_next_photo_is_read_and_decoded_while_faces_are_looked_for(engine: type[FakeEngine]) -> None:
    read = threading.Event()
    real = engine.detect
    engine.detect = lambda self, photo: real(self, photo) if read.wait(PATIENCE_S) else ()  # type: ignore[method-assign]
    content = saved(FACE, format="PNG")
    photos: list[tuple[str, Callable[[], bytes]]] = [("a", lambda: content), ("b", lambda: read.set() or content)]
    outcomes = dict(Protector(config.Config(), "cpu").run(photos, lambda _: None))
    assert all(isinstance(outcomes[key], Protected) for key in "ab")


def test_the_next_copy_is_encoded_while_one_is_judged(
    engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, both = [], threading.Event()
    real_encode, real_verify = protect.encode, engine.verify

    def encode(*arguments: Any, **options: Any) -> Any:
        copy = real_encode(*arguments, **options)
        encoded.append(copy)
        if len(encoded) == 2:
            both.set()
        return copy

    def verify(self: FakeEngine, *arguments: Any) -> Verdict:
        assert both.wait(PATIENCE_S)
        return real_verify(self, *arguments)

    monkeypatch.setattr(protect, "encode", encode)
    engine.verify = verify  # type: ignore[method-assign]
    content = saved(FACE, format="PNG")
    outcomes = dict(Protector(config.Config(), "cpu").run([(key, lambda: content) for key in "ab"], lambda _: None))
    assert all(isinstance(outcomes[key], Protected) for key in "ab")


def test_a_photo_that_cannot_be_read_costs_the_next_one_nothing() -> None:
    content = saved(FACE, format="PNG")
    photos = {"broken": content[: len(content) // 2], "whole": content}
    outcomes = dict(Protector(config.Config(), "cpu").run([(k, lambda k=k: photos[k]) for k in photos], lambda _: None))  # type: ignore[misc]
    assert isinstance(outcomes["broken"], PhotoIncomplete)
    assert isinstance(outcomes["whole"], Protected)


def test_as_many_photos_are_protected_together_as_one_may_have_pixels(engine: type[FakeEngine]) -> None:
    together: list[int] = []
    real = engine.differences

    def differences(self: FakeEngine, places: Sequence[Place], *rest: Any) -> list[int]:
        together.append(len(places))
        return real(self, places, *rest)

    engine.differences = differences  # type: ignore[method-assign]
    height, width, _ = FACE.shape
    settings = config.Config(worker=config.Worker(max_megapixels=2.5 * height * width / 1e6))
    outcomes = dict(Protector(settings, "cpu").run([(key, lambda: PHOTO) for key in "abcde"], lambda _: None))
    assert all(isinstance(outcomes[key], Protected) for key in "abcde")
    assert together == [2, 2, 1]


# ---- when the judges find the delivered file weak

COARSE = saved(FACE, format="JPEG", quality=50, subsampling=2)


def finer_is_better(pixels: Pixels) -> float:
    """A judge who accepts the face when coarse compression has rounded the change away."""
    wanted = np.clip(decode(COARSE, LIMITS).pixels.astype(int) + 5, 0, 255)
    return 1.0 if np.abs(pixels - wanted).mean() < 0.8 else 0.5


def test_where_the_sources_compression_spoils_the_protection_a_finer_copy_is_made(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(finer_is_better)
    protected = copy_of(COARSE)
    assert protected.verdict.strength is Strength.PROTECTED
    assert engine.judged == 2
    assert len(protected.content) > 2 * len(COARSE)


def test_where_a_finer_copy_helps_nothing_the_smaller_one_stays(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    protected = copy_of(COARSE)
    assert protected.verdict.strength is Strength.WEAK
    assert len(protected.content) < 1.5 * len(COARSE)


def test_where_the_protection_survives_the_sources_compression_stays(engine: type[FakeEngine]) -> None:
    protected = copy_of(COARSE)
    assert engine.judged == 1
    assert len(protected.content) < 1.5 * len(COARSE)


def test_a_lossless_copy_cannot_be_finer(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    assert copy_of(saved(FACE, format="PNG")).verdict.strength is Strength.WEAK
    assert engine.judged == 2, "once for each preset"


# ---- when the protection is too weak

PHOTO = saved(FACE, format="PNG")


def stronger_is_better(pixels: Pixels) -> float:
    return 1.0 if (pixels.astype(int) - FACE).mean() > 6 else 0.5


def test_a_weak_photo_is_done_once_more_with_the_next_stronger_preset(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(stronger_is_better)
    protected = copy_of(PHOTO)
    assert engine.presets == ["balanced", "strong"]
    assert (protected.verdict.strength, protected.verdict.preset) == (Strength.PROTECTED, "strong")
    assert protected.verdict.tried is None


def test_where_stronger_helps_nothing_the_less_visible_copy_stays(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    protected = copy_of(PHOTO)
    assert engine.presets == ["balanced", "strong"]
    assert (protected.verdict.strength, protected.verdict.preset) == (Strength.WEAK, "balanced")
    assert protected.verdict.tried == "strong"


def test_where_stronger_fails_the_first_copy_stays(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    real = engine.differences

    def differences(self: FakeEngine, places: Sequence[Place], preset: str, *rest: Any) -> list[int]:
        if preset == "strong":
            raise OutOfMemory("the fake ran out of memory")
        return real(self, places, preset, *rest)

    engine.differences = differences  # type: ignore[method-assign]
    verdict = copy_of(PHOTO).verdict
    assert (verdict.strength, verdict.preset) == (Strength.WEAK, "balanced")


@pytest.mark.parametrize("improves", [True, False])
def test_a_copy_that_may_be_delivered_is_better_than_one_that_may_not(engine: type[FakeEngine], improves: bool) -> None:
    """With `strong` (or without it) the attacked network knows the face no more as delivered, but still as shared."""

    def verify(_: FakeEngine, __: Versions, ___: Sequence[Face], preset: str) -> Verdict:
        if (preset == "balanced") == improves:
            return Verdict((judged(0.5, attacked=True),), preset)
        face = judged(0.5, attacked=False)
        return Verdict((replace(face, scores=face.scores * 2),), preset)  # more of them accept it

    engine.verify = verify  # type: ignore[method-assign]
    protected = copy_of(PHOTO)
    assert (protected.verdict.strength, protected.verdict.preset) == (
        Strength.WEAK,
        "strong" if improves else "balanced",
    )


def test_only_the_weak_photos_of_a_batch_are_done_again(engine: type[FakeEngine]) -> None:
    dark, light = (saved(np.full_like(FACE, level), format="PNG") for level in (60, 180))
    engine.judge = staticmethod(lambda pixels: 0.5 if 100 < pixels.mean() < 187 else 1.0)
    protector = Protector(config.Config(), "cpu")
    outcomes = dict(protector.run([("dark", lambda: dark), ("light", lambda: light)], lambda _: None))
    assert engine.presets == ["balanced", "strong"]
    verdicts = {key: one.verdict.preset for key, one in outcomes.items() if isinstance(one, Protected)}
    assert verdicts == {"dark": "balanced", "light": "strong"}


def test_only_the_weak_faces_of_a_photo_are_changed_more(engine: type[FakeEngine]) -> None:
    """Of two faces the second is weak until it has got the stronger preset; the first keeps what it had."""
    given: list[list[tuple[str, str]]] = []
    faces = tuple(Face((x, 20.0, x + 20, 40.0), LANDMARKS, 1.0) for x in (10.0, 60.0))

    def differences(_: FakeEngine, places: Sequence[Place], preset: str, *__: Any) -> list[int]:
        given.append([(preset, "first" if face is faces[0] else "second") for _, face in places])
        return [BRIGHTER[preset] for _ in places]

    def verify(_: FakeEngine, __: Versions, ___: Sequence[Face], preset: str) -> Verdict:
        after = [1.0, 1.0 if ("strong", "second") in chain(*given) else 0.5]
        return Verdict(tuple(judged(far, attacked=True) for far in after), preset)

    engine.detect = lambda *_: faces  # type: ignore[method-assign]
    engine.differences, engine.verify = differences, verify  # type: ignore[method-assign]
    protected = copy_of(PHOTO)
    assert given == [[("balanced", "first"), ("balanced", "second")], [("strong", "second")]]
    assert (protected.verdict.strength, protected.verdict.preset) == (Strength.PROTECTED, "strong")
    expected = BRIGHTER["balanced"] + BRIGHTER["strong"]
    assert size_of_change(PHOTO, protected) == pytest.approx(expected, abs=0.3), "both from the photo itself"


@pytest.mark.parametrize(
    ("preset", "advice"), [("subtle", "Use a stronger [attack] preset"), ("balanced", "The strongest preset was tried")]
)
def test_a_weak_copy_is_held_back_where_the_owner_wishes(
    engine: type[FakeEngine], preset: Literal["subtle", "balanced"], advice: str
) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    settings = config.Config(attack=config.Attack(preset=preset), outbox=config.Outbox(weak="hold"))
    ((_, held),) = Protector(settings, "cpu").run([("a", lambda: PHOTO)], lambda _: None)
    assert isinstance(held, ProtectionTooWeak)
    assert held.reason == "its face is still recognised, by fake"
    assert held.advice.startswith(advice)


@pytest.mark.parametrize(
    ("distances", "which"),
    [
        ((0.5, 0.5), "all of its 2 faces are"),
        ((1.0, 0.5, 1.0), "face 2 of 3, from the left, is"),
        ((0.5, 1.0, 0.5, 0.5), "faces 1, 3 and 4 of 4, from the left, are"),
    ],
)
def test_the_reason_names_the_faces_that_held_a_copy_back(
    engine: type[FakeEngine], distances: tuple[float, ...], which: str
) -> None:
    found = tuple(Face((20.0, 20.0, 80.0, 80.0), LANDMARKS, 1.0) for _ in distances)
    verdict = Verdict(tuple(judged(far, attacked=True) for far in distances), "balanced")
    engine.detect, engine.verify = lambda *_: found, lambda *_: verdict  # type: ignore[method-assign]
    held = outcome(PHOTO)
    assert isinstance(held, ProtectionTooWeak)
    assert held.reason == f"{which} still recognised, by fake"


def test_what_an_attacked_network_still_accepts_is_never_delivered(engine: type[FakeEngine]) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    engine.attacked = True
    assert isinstance(outcome(PHOTO), ProtectionTooWeak)


@pytest.mark.parametrize("box", [(-1, 2, 5, 5), (2, -1, 5, 5), (2, 2, 500, 5), (2, 2, 5, 500)])
def test_a_face_that_the_border_cuts_had_better_be_cropped_off(engine: type[FakeEngine], box: Box) -> None:
    engine.judge = staticmethod(lambda _: 0.5)
    engine.attacked, engine.box = True, box
    held = outcome(PHOTO)
    assert isinstance(held, ProtectionTooWeak)
    assert "crop" in held.advice


def test_but_not_where_another_one_is_still_recognised(engine: type[FakeEngine]) -> None:
    found = tuple(Face(box, LANDMARKS, 1.0) for box in ((-1.0, 2.0, 5.0, 5.0), (2.0, 2.0, 5.0, 5.0)))
    verdict = Verdict(tuple(judged(0.5, attacked=True, box=face.box) for face in found), "balanced")
    engine.detect, engine.verify = lambda *_: found, lambda *_: verdict  # type: ignore[method-assign]
    held = outcome(PHOTO)
    assert isinstance(held, ProtectionTooWeak)
    assert "crop" not in held.advice


# ---- when memory runs out


def test_when_memory_runs_out_the_batch_is_halved_and_what_does_not_fit_alone_is_said(engine: type[FakeEngine]) -> None:
    """Of five photos the largest is too much even alone; the fake has memory for two of the others at a time."""
    tried = []
    real = engine.differences

    def differences_or_not(self: FakeEngine, places: Sequence[Place], *rest: Any) -> list[int]:
        tried.append(len(places))
        if len(places) > 2 or any(len(photo) > 200 for photo, _ in places):
            raise OutOfMemory("the fake ran out of memory")
        return real(self, places, *rest)

    engine.differences = differences_or_not  # type: ignore[method-assign]
    small = saved(FACE, format="PNG")
    large = saved(np.tile(FACE, (3, 3, 1)), format="PNG")
    photos = {"a": small, "b": small, "c": large, "d": small, "e": small}
    protector = Protector(config.Config(), "cpu")
    outcomes = dict(protector.run([(key, lambda key=key: photos[key]) for key in photos], lambda _: None))  # type: ignore[misc]
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, Protected)} == set("abde")
    assert isinstance(outcomes["c"], OutOfMemory)
    assert tried == [5, 2, 3, 1, 2]


def test_a_photo_that_brings_the_optimiser_down_does_so_alone(engine: type[FakeEngine]) -> None:
    real = engine.differences

    def differences_or_not(self: FakeEngine, places: Sequence[Place], *rest: Any) -> list[int]:
        if any(len(photo) > 200 for photo, _ in places):
            raise OptimiserFailed("the optimiser left the range of numbers")
        return real(self, places, *rest)

    engine.differences = differences_or_not  # type: ignore[method-assign]
    photos = {"a": PHOTO, "b": saved(np.tile(FACE, (3, 3, 1)), format="PNG"), "c": PHOTO}
    protector = Protector(config.Config(), "cpu")
    outcomes = dict(protector.run([(key, lambda key=key: photos[key]) for key in photos], lambda _: None))  # type: ignore[misc]
    assert {key for key, outcome in outcomes.items() if isinstance(outcome, Protected)} == {"a", "c"}
    assert isinstance(outcomes["b"], OptimiserFailed)


def test_a_copy_may_have_more_bytes_than_photos_are_allowed_to() -> None:
    content = saved(FACE, format="JPEG", quality=20)
    megabytes = (len(content) + 10) / 1e6
    settings = config.Config(worker=config.Worker(max_megabytes=megabytes), outbox=config.Outbox(format="png"))
    ((_, copy),) = Protector(settings, "cpu").run([("a", lambda: content)], lambda _: None)
    assert isinstance(copy, Protected)
    assert len(copy.content) > megabytes * 1e6


def test_what_went_wrong_does_not_hold_on_to_what_it_happened_to(engine: type[FakeEngine]) -> None:
    def verify(*_: Any) -> Verdict:
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError as error:
            raise OutOfMemory("memory ran out") from error

    engine.verify = verify  # type: ignore[method-assign]
    short = outcome(PHOTO)
    assert isinstance(short, OutOfMemory)
    assert (short.__traceback__, short.__cause__, short.__context__) == (None, None, None)
