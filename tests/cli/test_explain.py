import json
import os
import time
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.model import (
    Delivery,
    FaceVerdict,
    Photo,
    Publication,
    Score,
    Signature,
    Stage,
    Verdict,
    Visibility,
    sha256,
)
from lowkeyd.store import location, lock
from lowkeyd.store.judgement import Judgement, verdict_json
from lowkeyd.store.queue import Queue
from lowkeyd.work.admit import fingerprint
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home

SEEN = Visibility(0.0123, 39.5, 0.985, 0.7)
DLIB = Score("dlib", attacked=True, threshold=0.6, before=0.05, after=0.92, shared=0.88, similarity_before=1.0,
             similarity_after=0.2)  # fmt: skip
JUDGE = Score("mobilefacenet", attacked=False, threshold=1.1, before=0.0, after=1.2, shared=1.05,
              similarity_before=1.0, similarity_after=0.3)  # fmt: skip


def deliver(home: Home, *scores: Score, name: bytes = b"me.jpg", tried: str | None = None) -> None:
    """A photo that is done, judged by these recognisers, with its copy in the outbox."""
    home.drop(os.fsdecode(name), b"portrait")
    (home.outbox / "inbox").mkdir(exist_ok=True)
    (home.outbox / "inbox" / os.fsdecode(name)).write_bytes(b"protected")
    verdict = Verdict((FaceVerdict((10.0, 20.0, 90.0, 110.0), True, scores, SEEN),), "balanced", tried)
    judgement = Judgement(verdict_json(verdict), verdict.strength, fingerprint(config.load(home.config)), 3.5)
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", name, Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.admit(job, "5" * 64)
        delivery = Delivery(b"inbox/" + name, sha256(b"protected"))
        photos.publishing(job, Publication(job.id, b"t", delivery), judgement, time.time())
        photos.done(job.id, time.time())


def fail(home: Home, stage: Stage, reason: str, advice: str, refused: str | None = None) -> None:
    """A photo that was given up, a.jpg."""
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"a.jpg", Signature(1, 1))], time.time())
        (job,) = photos.claim(1, time.time())
        photos.fail(job, stage, reason, advice, time.time(), refused=refused)


def told(lowkeyd: Lowkeyd, home: Home, path: Path) -> str:
    result = lowkeyd("explain", path, "--config", home.config)
    assert (result.code, result.err) == (0, "")
    return result.out


def test_a_protected_photo_is_told_with_every_recognisers_word(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, JUDGE)
    text = told(lowkeyd, home, home.inbox / "me.jpg")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[:2] == ["inbox/me.jpg", "state done"]
    assert f"copy {home.outbox}/inbox/me.jpg" in lines
    assert "made with preset balanced in 3.5 s" in lines
    assert "weak: some recogniser still accepts a face: see below which." in lines
    assert "Face 1 of the copy (left, top, right, bottom: 10, 20, 90, 110 px)" in lines
    assert "dlib (attacked) 0.05 0.92 0.88 0.60 no" in lines
    assert "mobilefacenet (independent) 0.00 1.20 1.05 1.10 yes" in lines
    assert "face-LPIPS 0.0123 · PSNR 39.5 dB" in text
    assert "No independent judge" not in text


def test_without_an_independent_judge_it_says_plainly_how_little_that_proves(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB)
    text = told(lowkeyd, home, home.inbox / "me.jpg")
    assert "protected: no recogniser that was asked accepts a face" in text
    assert "No independent judge had a say" in text
    assert "says nothing about others" in text


@pytest.mark.parametrize("name", [b"me.jpg", b"caf\xe9.jpg"])
def test_the_copy_leads_to_the_same_answer(lowkeyd: Lowkeyd, home: Home, name: bytes) -> None:
    deliver(home, DLIB, name=name)
    copy = home.outbox / "inbox" / os.fsdecode(name)
    assert told(lowkeyd, home, copy) == told(lowkeyd, home, home.inbox / os.fsdecode(name))


def test_a_failed_photo_is_told_with_stage_reason_and_advice(lowkeyd: Lowkeyd, home: Home) -> None:
    fail(home, Stage.DECODE, "is no picture", "Restore it, or change [attack] preset.")
    text = told(lowkeyd, home, home.inbox / "a.jpg")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "state failed" in lines
    assert "why at decode: is no picture" in lines
    assert "advice Restore it, or change [attack] preset." in lines, "brackets too"
    assert "attempts 1" in lines
    assert f"original {home.inbox}/a.jpg (not there now)" in lines
    assert lines[-1].endswith("failed at decode: is no picture"), "the history"


def test_of_a_copy_that_was_refused_every_recognisers_word_is_told(lowkeyd: Lowkeyd, home: Home) -> None:
    known = Score("dlib", attacked=True, threshold=0.6, before=0.05, after=0.42, shared=0.43, similarity_before=1.0,
                  similarity_after=0.9)  # fmt: skip
    verdict = Verdict((FaceVerdict((10.0, 20.0, 90.0, 110.0), True, (known,), SEEN),), "strong")
    fail(home, Stage.VERIFY, "still recognised", "Crop it off.", refused=verdict_json(verdict, fingerprint="f"))
    lines = [" ".join(line.split()) for line in told(lowkeyd, home, home.inbox / "a.jpg").splitlines()]
    assert "Made, and not delivered" in lines
    assert any(line.startswith("failed: a network that was attacked still accepts a face") for line in lines)
    assert "dlib (attacked) 0.05 0.42 0.43 0.60 yes" in lines
    answer = json.loads(lowkeyd("explain", home.inbox / "a.jpg", "--json", "--config", home.config).out)
    assert answer["photo"]["refused"]["faces"][0]["scores"][0]["after"] == 0.42


def test_settings_that_were_changed_since_are_told(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB)
    assert "changed since" not in told(lowkeyd, home, home.inbox / "me.jpg")
    home.configure(attack={"preset": "strong"})
    assert "(they were changed since)" in told(lowkeyd, home, home.inbox / "me.jpg")


def test_the_json_has_it_all_in_a_schema_with_a_version(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB)
    answer = json.loads(lowkeyd("explain", home.inbox / "me.jpg", "--json", "--config", home.config).out)
    assert (answer["version"], answer["independent_judge"]) == (1, False)
    assert (answer["original"], answer["copy"]) == (f"{home.inbox}/me.jpg", f"{home.outbox}/inbox/me.jpg")
    photo = answer["photo"]
    assert set(photo) == {
        *("watch", "path", "state", "stage", "reason", "advice", "attempts", "next_try_at", "added_at", "changed_at"),
        *("sha256", "delivery", "delivery_sha256", "verdict", "refused", "fingerprint", "seconds", "history"),
    }
    assert photo["verdict"]["faces"][0]["scores"][0]["shared"] == 0.88
    assert [event["state"] for event in photo["history"]] == ["done"]


def test_what_is_not_known_is_told_with_the_likely_reason_and_1(lowkeyd: Lowkeyd, home: Home) -> None:
    with Queue(location.database(home.state)):
        pass
    home.drop("notes.txt", b"x")
    home.drop("new.jpg", b"x")
    for name, why in (("gone.jpg", "no such file"), ("notes.txt", "it is no photo"), ("new.jpg", "not known")):
        result = lowkeyd("explain", home.inbox / name, "--config", home.config)
        assert (result.code, why in result.out) == (1, True)
    unknown = lowkeyd("explain", home.inbox / "new.jpg", "--json", "--config", home.config)
    assert (unknown.code, json.loads(unknown.out)) == (1, {"version": 1, "photo": None})
    assert lowkeyd("explain", home.folder / "a.jpg", "--config", home.config).code == 2


def test_what_holds_up_a_photo_is_told_whatever_it_is_but_for_one_that_is_done(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB)
    report = {"workers": [], "scanned_at": None, "settling": 0, "memory": {}, "hold": None, "roots": {}}
    pause = {"hold": {"kind": "paused", "reason": "film night", "until": None}}
    away = {"roots": {"inbox": {"offline": "another folder is in its place"}}}
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", b"ready.jpg", Signature(1, 1))], time.time())
        assert "held up the daemon does not run" in words(told(lowkeyd, home, home.inbox / "ready.jpg"))
        with lock.hold(home.state):
            for more, why in ((pause, "all work is held: film night"), (away, "its folder is offline: another folder")):
                photos.beat(42, 0.0, time.time(), report | more)
                assert f"held up {why}" in words(told(lowkeyd, home, home.inbox / "ready.jpg"))
                assert "held up" not in words(told(lowkeyd, home, home.inbox / "me.jpg"))
            photos.beat(42, 0.0, time.time(), report)
            assert "held up" not in words(told(lowkeyd, home, home.inbox / "ready.jpg"))


def words(text: str) -> str:
    return " ".join(text.split())


def test_what_is_never_looked_at_is_told_with_the_reason(lowkeyd: Lowkeyd, home: Home) -> None:
    home.configure(watch={"ignore": ["*_edit.jpg"]})
    with Queue(location.database(home.state)):
        pass
    for name in ("a_edit.jpg", ".trash/a.jpg", "deep/new.jpg", "new.dng", "notes.txt"):
        (home.inbox / name).parent.mkdir(exist_ok=True)
        (home.inbox / name).write_bytes(b"x")
    (home.inbox / "link.jpg").symlink_to("deep/new.jpg")
    told = {
        name: lowkeyd("explain", home.inbox / name, "--config", home.config).out
        for name in ("a_edit.jpg", ".trash/a.jpg", "deep/new.jpg", "new.dng", "notes.txt", "link.jpg")
    }
    assert "[[watch]] ignore names it" in told["a_edit.jpg"]
    assert "hidden or system folder" in told[".trash/a.jpg"]
    assert "follow_symlinks is off" in told["link.jpg"]
    assert "taken once it is quiet" in told["deep/new.jpg"]
    assert "taken once it is quiet" in told["new.dng"], "and said to be RAW then"
    assert "by its name it is no photo" in told["notes.txt"]
    assert "it is a folder" in lowkeyd("explain", home.inbox / "deep", "--config", home.config).out


def test_a_preset_that_was_tried_in_vain_is_told(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, tried="strong")
    assert "with preset balanced in 3.5 s; strong was tried too, and was no better" in told(
        lowkeyd, home, home.inbox / "me.jpg"
    )
