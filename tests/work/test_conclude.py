import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from lowkeyd.errors import (
    OutboxUnavailable,
    PhotoChanged,
    PhotoIncomplete,
    PhotoLeftAlone,
    PhotoUnreachable,
    ProtectionTooWeak,
    UnreadablePhoto,
)
from lowkeyd.model import Job, NoFace, Photo, Signature, Stage, sha256
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.retry import MAX_ATTEMPTS
from tests.helpers.library import Library
from tests.helpers.stand_in import PREFIX, protected

Told = list[Photo]


@pytest.fixture
def told() -> Told:
    """Photos that somebody has to look at again."""
    return []


@pytest.fixture
def conclusion(library: Library, told: Told) -> Callable[..., Conclusion]:
    def make() -> Conclusion:
        return Conclusion(library.photos, library.publisher, library.roots, "settings", told.append)

    return make


def admitted(library: Library, content: bytes = b"portrait", name: str = "a.jpg") -> Job:
    library.drop(name, content)
    job = library.claim()
    library.photos.admit(job, sha256(content))
    return job


def test_a_protected_photo_is_delivered_and_judged(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    conclusion().conclude(admitted(library), protected(b"portrait"))
    assert library.delivered() == {"inbox/a.jpg": PREFIX + b"portrait"}
    row = library.row()
    assert (row["state"], row["strength"], row["fingerprint"], row["seconds"]) == ("done", "protected", "settings", 0.5)
    assert '"network": "stand-in"' in row["verdict"]


def test_a_weak_one_is_delivered_and_marked(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    conclusion().conclude(admitted(library), protected(b"portrait", after=0.1))
    assert (library.row()["state"], library.row()["strength"]) == ("done", "weak")


def test_a_photo_without_a_face_is_told_and_not_copied(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    conclusion().conclude(admitted(library), NoFace(0.1))
    assert (library.row()["state"], library.delivered()) == ("no_face", {})


def test_on_request_its_copy_is_delivered_and_nobody_judged_it(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    conclusion().conclude(admitted(library, b"landscape"), NoFace(0.1, b"a copy", ".jpg"))
    assert library.delivered() == {"inbox/a.jpg": b"a copy"}
    assert (library.row()["state"], library.row()["verdict"]) == ("no_face", None)


def test_a_failure_says_where_why_and_what_to_do(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    conclusion().conclude(admitted(library), UnreadablePhoto("is no picture", advice="Restore it."))
    row = library.row()
    assert (row["state"], row["stage"], row["reason"], row["advice"]) == (
        "failed",
        "decode",
        "is no picture",
        "Restore it.",
    )
    assert library.delivered() == {}, "nothing unprotected is ever published"


def test_what_recognisers_said_of_a_copy_that_was_not_delivered_is_kept(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    verdict = protected(b"portrait", after=0.5).verdict
    conclusion().conclude(admitted(library), ProtectionTooWeak("still recognised", verdict))
    row = library.row()
    assert (row["state"], row["stage"], row["verdict"]) == ("failed", "verify", None)
    refused = json.loads(row["refused"])
    assert (refused["strength"], refused["fingerprint"]) == ("weak", "settings")
    assert refused["faces"][0]["scores"][0]["after"] == 0.5
    assert library.delivered() == {}
    library.photos.retry(None, time.time())
    assert library.row()["refused"] is None, "another try, another word"


def test_what_is_not_the_photos_fault_waits_uncounted(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    before = time.time()
    conclusion().conclude(admitted(library), PhotoUnreachable("Permission denied"))
    row = library.row()
    assert (row["state"], row["stage"], row["reason"], row["attempts"]) == ("waiting", "admit", "Permission denied", 0)
    assert row["not_before"] > before


def test_a_half_copied_photo_gets_its_chances_and_then_fails(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    library.drop("a.jpg", b"half")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (job,) = library.photos.claim(1, 1e12)
        assert job.attempts == attempt
        conclusion().conclude(job, PhotoIncomplete("its end is missing"))
    assert library.row()["state"] == "failed"


def test_a_photo_that_changed_is_looked_at_again(
    library: Library, conclusion: Callable[..., Conclusion], told: Told
) -> None:
    job = admitted(library)
    conclusion().conclude(job, PhotoChanged("it was written to"))
    assert told == [job.photo]


def test_an_outbox_that_cannot_be_written_makes_the_photo_wait_and_is_told(
    library: Library, conclusion: Callable[..., Conclusion], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutboxUnavailable):
        conclusion().conclude(admitted(library), protected(b"portrait"))
    row = library.row()
    assert (row["state"], row["stage"], row["attempts"]) == ("waiting", "publish", 0)
    assert "No space left" in row["reason"]
    assert library.delivered() == {}


def test_after_a_crash_a_photo_runs_alone_until_it_is_given_up(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    library.drop("a.jpg", b"x")
    for _ in range(MAX_ATTEMPTS - 1):
        conclusion().crashed(library.claim(), Stage.DECODE, "crashed with SIGSEGV")
        assert (library.row()["state"], library.row()["suspect"]) == ("ready", 1)
    conclusion().crashed(library.claim(), Stage.DECODE, "crashed with SIGSEGV")
    row = library.row()
    assert (row["state"], row["stage"], row["reason"]) == (
        "failed",
        "decode",
        "the worker crashed with SIGSEGV, at attempt 3",
    )
    assert "lowkeyd retry" in row["advice"]


def test_what_is_not_for_us_is_ignored_and_is_no_failure(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    conclusion().conclude(admitted(library, name="a.nef"), PhotoLeftAlone.raw())
    assert library.row("a.nef")["state"] == "ignored"


def test_what_was_left_out_and_what_lies_beside_is_said(
    library: Library, conclusion: Callable[..., Conclusion]
) -> None:
    for name in ("IMG_1.MOV", "IMG_1.AAE"):
        (library.root / name).write_bytes(b"x")
    job = admitted(library, name="IMG_1.HEIC")
    with capture_logs() as logs:
        conclusion().conclude(job, replace(protected(b"portrait"), left_out=("the film of a Motion Photo",)))
    (done,) = (line for line in logs if line["event"] == "done")
    assert done["left_out"] == "the film of a Motion Photo, IMG_1.MOV, IMG_1.AAE"
    assert list(library.delivered()) == ["inbox/IMG_1.jpg"]


def test_the_log_says_of_a_weak_copy_that_it_is_weak(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    with capture_logs() as logs:
        conclusion().conclude(admitted(library), protected(b"portrait", after=0.1))
        conclusion().conclude(admitted(library, name="b.jpg"), protected(b"another"))
    weak, fine = (line for line in logs if line["event"] == "done")
    assert weak["weak"] == "its face is still recognised, by stand-in"
    assert "weak" not in fine


def test_a_photo_whose_path_no_disk_takes_fails_alone(library: Library, conclusion: Callable[..., Conclusion]) -> None:
    deep = "/".join(["d" * 200] * 25) + "/a.jpg"
    library.photos.offer([Photo("inbox", deep.encode(), Signature(1, 1))], time.time())
    conclusion().conclude(library.claim(), protected(b"portrait"))
    assert library.row(deep)["state"] == "failed"
