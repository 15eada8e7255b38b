"""The room's front door: pixels and faces in, protected pixels and a verdict out."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lowkeyd import config
from lowkeyd.attack import engine as engine_module
from lowkeyd.attack.batch import BatchSize
from lowkeyd.attack.crop import SIDE, Square, WorkingFaces
from lowkeyd.attack.detect import scaled
from lowkeyd.attack.engine import Engine, _memory
from lowkeyd.attack.networks import catalogue, ledger
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.attack.presets import PRESETS
from lowkeyd.attack.verify import Versions
from lowkeyd.errors import ConfigError, OptimiserFailed, OutOfMemory, WeightsError
from lowkeyd.imaging.encode import as_shared
from lowkeyd.model import Face, Pixels, Strength
from lowkeyd.store.judgement import verdict_json
from tests.attack.networks import checkpoints


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(config.Attack(), "cpu")


@pytest.fixture(scope="module")
def protected(engine: Engine, portrait: Pixels, face: Face) -> Pixels:
    (pixels,) = engine.protect([portrait], [[face]], "subtle", lambda _done, _total: None)
    return pixels


def test_only_the_faces_square_changes(portrait: Pixels, face: Face, protected: Pixels) -> None:
    (rows, columns), _ = Square.around(face, SIDE).overlap(portrait.shape)
    outside = np.ones(portrait.shape[:2], bool)
    outside[rows, columns] = False
    assert (protected[outside] == portrait[outside]).all()
    assert (protected[~outside] != portrait[~outside]).any(axis=1).mean() > 0.3
    assert protected.dtype == np.uint8


def test_a_thread_that_shares_the_cores_leaves_the_others_theirs(engine: Engine) -> None:
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=engine.share_cores) as thread:
        assert thread.submit(torch.get_num_threads).result() == max(1, before // 2)
    assert torch.get_num_threads() == before


def versions(original: Pixels, delivered: Pixels) -> Versions:
    return Versions(original, as_shared(original), delivered, as_shared(delivered))


def test_the_attacked_network_no_longer_accepts_it(
    engine: Engine, portrait: Pixels, face: Face, protected: Pixels
) -> None:
    verdict = engine.verify(versions(portrait, protected), [face], "subtle")
    (judged,) = verdict.faces
    (score,) = judged.scores
    assert (score.network, score.attacked, verdict.preset) == ("dlib", True, "subtle")
    assert score.before < 0.2 < score.threshold == 0.6 < min(score.after, score.shared)
    assert score.similarity_after < 0.95 < score.similarity_before
    assert verdict.strength is Strength.PROTECTED
    assert not verdict.independent, "nobody but the attacked network was asked"
    assert judged.found_again
    assert judged.visibility.psnr_db > 39


def test_faces_of_twenty_pixels_are_protected_too(engine: Engine, portrait: Pixels) -> None:
    """As in the back row of a group. What the optimiser sees enlarged has to fit into the few pixels that there are."""
    group = np.full((200, 200, 3), 128, np.uint8)
    group[40:130, 40:130] = Image.fromarray(portrait).resize((90, 90), Image.Resampling.LANCZOS)
    (small,) = engine.detect(group)
    assert small.box[2] - small.box[0] < 25
    (changed,) = engine.protect([group], [[small]], "balanced", lambda _done, _total: None)
    (score,) = engine.verify(versions(group, changed), [small], "balanced").faces[0].scores
    assert score.after > 0.7


def test_an_unchanged_photo_has_failed(engine: Engine, portrait: Pixels, face: Face) -> None:
    assert engine.verify(versions(portrait, portrait), [face], "subtle").strength is Strength.FAILED


def test_the_copy_as_it_is_shared_is_judged_for_itself(
    engine: Engine, portrait: Pixels, face: Face, protected: Pixels
) -> None:
    verdict = engine.verify(Versions(portrait, portrait, protected, portrait), [face], "subtle")
    (score,) = verdict.faces[0].scores
    assert score.shared < 0.2 < score.threshold < score.after
    assert verdict.strength is Strength.WEAK
    (score,) = engine.verify(Versions(portrait, portrait, portrait, protected), [face], "subtle").faces[0].scores
    assert score.after < 0.2 < score.threshold < score.shared


def test_a_photo_that_is_shared_smaller_is_judged_by_the_same_face(
    engine: Engine, portrait: Pixels, face: Face
) -> None:
    large, big_face = portrait.repeat(3, 0).repeat(3, 1), scaled(face, 3)  # 1536 pixels a side
    (score,) = engine.verify(versions(large, large), [big_face], "subtle").faces[0].scores
    assert score.after < 0.1
    assert score.shared < 0.15


def test_a_face_is_judged_where_the_detector_finds_it_now(engine: Engine, portrait: Pixels, face: Face) -> None:
    moved = np.roll(portrait, 15, axis=0)
    (judged,) = engine.verify(versions(portrait, moved), [face], "subtle").faces
    assert judged.found_again
    assert max(judged.scores[0].after, judged.scores[0].shared) < 0.2, "at its old place it would be 0.74"


def test_a_face_that_the_detector_no_longer_finds_is_judged_where_it_was(
    engine: Engine, portrait: Pixels, face: Face
) -> None:
    wiped = portrait.copy()
    wiped[:250, 100:350] = 128
    (judged,) = engine.verify(versions(portrait, wiped), [face], "subtle").faces
    assert not judged.found_again
    assert judged.scores[0].after > 0.6


def test_faces_of_several_photos_share_the_steps(engine: Engine, portrait: Pixels, face: Face) -> None:
    told: list[tuple[int, int]] = []
    mirrored = np.ascontiguousarray(portrait[:, ::-1])
    (other,) = engine.detect(mirrored)
    two = engine.protect(
        [portrait, mirrored], [[face], [other]], "subtle", lambda done, total: told.append((done, total))
    )
    steps = told[-1][1]
    assert told == [(done, steps) for done in range(1, steps + 1)]
    assert [pixels.shape for pixels in two] == [portrait.shape] * 2
    assert (two[0] != portrait).any()
    assert (two[1] != mirrored).any()


def test_a_photo_whose_face_reaches_over_the_border_is_protected_too(engine: Engine, portrait: Pixels) -> None:
    cut = np.ascontiguousarray(portrait[90:])  # through the forehead
    faces = engine.detect(cut)
    if not faces:
        pytest.skip("the detector does not see a face without its forehead")
    (pixels,) = engine.protect([cut], [faces], "subtle", lambda _done, _total: None)
    assert (pixels != cut).any()


def test_a_device_that_is_not_there_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigError, match=r"\[attack\] device: cuda:99 was asked for"):
        Engine(config.Attack(), "cuda:99")


def test_an_unknown_network_is_named_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="there is no face network 'dlip'; known are dlib"):
        Engine(config.Attack(ensemble=("dlip",)), "cpu")


def test_a_verdict_says_by_which_weights_it_was_made(engine: Engine, portrait: Pixels, face: Face) -> None:
    stored = json.loads(verdict_json(engine.verify(versions(portrait, portrait), [face], "subtle")))
    (score,) = stored["faces"][0]["scores"]
    path = catalogue.find("dlib", Path("/nowhere")).path(Path("/nowhere"))
    assert score["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_network_of_another_family_is_attacked_and_others_judge(tmp_path: Path, portrait: Pixels, face: Face) -> None:
    """With made-up weights: one that is shown boxes is attacked, one that is narrow judges beside dlib's."""
    files = {"box": ("facenet", checkpoints.facenet()), "narrow": ("mobilefacenet", checkpoints.mobilefacenet())}
    for name, (family, content) in files.items():
        (tmp_path / f"{name}.pt").write_bytes(content)
        ledger.record(tmp_path, name, Record(family, f"{name}.pt", hashlib.sha256(content).hexdigest()))
    engine = Engine(config.Attack(ensemble=("box",), judges=("dlib", "narrow"), models=tmp_path), "cpu")
    (pixels,) = engine.protect([portrait], [[face]], "subtle", lambda _done, _total: None)
    verdict = engine.verify(versions(portrait, pixels), [face], "subtle")
    scores = verdict.faces[0].scores
    assert [(score.network, score.attacked) for score in scores] == [("box", True), ("dlib", False), ("narrow", False)]
    assert len({score.sha256 for score in scores}) == 3
    assert verdict.independent
    assert scores[0].after > 5 * scores[0].before, "attacks on others bring it to less than three times"
    assert scores[1].after < scores[1].threshold, "made-up weights teach an attack nothing about faces"


def test_the_attacked_weights_cannot_judge_under_another_name(tmp_path: Path) -> None:
    shutil.copy(catalogue.find("dlib", tmp_path).path(tmp_path), tmp_path / "mine.dat")
    digest = hashlib.sha256((tmp_path / "mine.dat").read_bytes()).hexdigest()
    ledger.record(tmp_path, "mine", Record("dlib", "mine.dat", digest))
    assert Engine(config.Attack(ensemble=("mine",), models=tmp_path), "cpu"), "by itself it is as good as any"
    sentence = (
        r"judges: 'mine' has the same weights as 'dlib', which is attacked, so it cannot be an independent judge$"
    )
    with pytest.raises(ConfigError, match=sentence):
        Engine(config.Attack(judges=("mine",), models=tmp_path), "cpu")


def test_the_attacked_weights_cannot_judge_from_a_file_that_was_written_anew(tmp_path: Path) -> None:
    """The hash of such a file is another, the network is not."""
    content = catalogue.find("dlib", tmp_path).content(tmp_path) + b"\n"
    (tmp_path / "mine.dat").write_bytes(content)
    ledger.record(tmp_path, "mine", Record("dlib", "mine.dat", hashlib.sha256(content).hexdigest()))
    with pytest.raises(ConfigError, match="judges: 'mine' has the same weights as 'dlib'"):
        Engine(config.Attack(judges=("mine",), models=tmp_path), "cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
    ],
)
def test_running_out_of_memory_is_said_in_our_words(error: Exception) -> None:
    with pytest.raises(OutOfMemory), _memory():
        raise error


def test_a_batch_that_memory_does_not_reach_for_is_halved_and_the_next_ones_are_as_small(
    engine: Engine, portrait: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake has memory for five faces at a time."""
    tried, told = [], list[tuple[int, int]]()

    def optimise(faces: WorkingFaces, *others: object) -> Tensor:
        tried.append(len(faces))
        tell = others[-1]
        assert callable(tell)
        tell()
        if len(faces) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        for _ in range(PRESETS["balanced"].steps - 1):
            tell()
        return faces.x

    monkeypatch.setattr(engine_module, "optimise", optimise)
    monkeypatch.setattr(engine, "_size", BatchSize("cpu", 22_000_000))
    faces = WorkingFaces.of([(portrait, face)] * 20)
    assert torch.equal(engine.optimise(faces, "balanced", lambda *step: told.append(step)), faces.x)
    assert tried == [16, 8, 4, 4, 4, 4, 4]
    steps = PRESETS["balanced"].steps
    assert told[:2] == [(1, 2 * steps), (1, 3 * steps)]
    assert told[2:] == [(step, 5 * steps) for step in range(1, 5 * steps + 1)]


def test_when_there_is_no_room_for_one_face_memory_has_run_out(
    engine: Engine, portrait: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    def optimise(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(engine_module, "optimise", optimise)
    monkeypatch.setattr(engine, "_size", BatchSize("cpu", 22_000_000))
    with pytest.raises(OutOfMemory):
        engine.differences([(portrait, face)] * 3, "balanced", lambda *_: None)


def test_a_difference_that_is_no_number_is_never_added(
    engine: Engine, portrait: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "optimise", lambda faces, *_: torch.full_like(faces.x, torch.nan))
    with pytest.raises(OptimiserFailed):
        engine.protect([portrait], [[face]], "subtle", lambda _done, _total: None)


def test_what_memory_has_nothing_to_do_with_is_not() -> None:
    with pytest.raises(RuntimeError, match="shapes"), _memory():
        raise RuntimeError("shapes do not match")
