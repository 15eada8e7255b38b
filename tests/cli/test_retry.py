"""Without a daemon; `tests/test_daemon.py` has it with one."""

import io
import os
import time
from pathlib import Path

import pytest

from lowkeyd import config, wishes
from lowkeyd.model import Delivery, Photo, Publication, Signature, Stage, State
from lowkeyd.store import location, lock
from lowkeyd.store.judgement import Judgement
from lowkeyd.store.queue import Queue
from lowkeyd.work.admit import fingerprint
from tests.cli.conftest import Lowkeyd
from tests.cli.test_explain import DLIB, JUDGE, deliver
from tests.helpers.home import Home


@pytest.fixture
def failed(home: Home) -> list[Path]:
    """Two photos that failed."""
    names = [b"deep/a.jpg", b"caf\xe9.jpg"]
    with Queue(location.database(home.state)) as photos:
        photos.offer([Photo("inbox", name, Signature(1, 1)) for name in names], time.time())
        for job in photos.claim(8, time.time()):
            photos.fail(job, Stage.DECODE, "is no picture", "", time.time())
    return [home.inbox / os.fsdecode(name) for name in names]


def states(home: Home) -> dict[State, int]:
    with Queue(location.database(home.state)) as photos:
        return photos.counts()


def test_all_that_failed_is_ready_again(lowkeyd: Lowkeyd, home: Home, failed: list[Path]) -> None:
    result = lowkeyd("retry", "--config", home.config)
    assert (result.code, result.out) == (0, "2 photos will be tried again.\n")
    assert states(home) == {State.READY: 2}


@pytest.mark.parametrize("number", [0, 1])
def test_or_the_photos_that_are_named(lowkeyd: Lowkeyd, home: Home, failed: list[Path], number: int) -> None:
    result = lowkeyd("retry", failed[number], "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be tried again.\n")
    assert states(home) == {State.READY: 1, State.FAILED: 1}


def test_or_those_in_a_folder(lowkeyd: Lowkeyd, home: Home, failed: list[Path]) -> None:
    failed[0].parent.mkdir()
    for photo in failed:
        photo.write_bytes(b"")
    result = lowkeyd("retry", failed[0].parent, "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be tried again.\n")
    assert home.photo("deep/a.jpg")["state"] == "ready"
    assert states(home) == {State.READY: 1, State.FAILED: 1}
    assert lowkeyd("retry", home.inbox, failed[1], "--config", home.config).out == "1 photo will be tried again.\n"


def test_a_photo_may_be_named_by_another_way_to_it(
    lowkeyd: Lowkeyd, home: Home, failed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.folder / "link").symlink_to(home.inbox)
    monkeypatch.chdir(home.folder)
    (home.inbox / "deep").mkdir()
    assert lowkeyd("retry", "link/deep/../deep/a.jpg", "--config", home.config).code == 0


def test_a_photo_that_did_not_fail_is_told_by_the_exit_code(lowkeyd: Lowkeyd, home: Home, failed: list[Path]) -> None:
    result = lowkeyd("retry", home.inbox / "other.jpg", "--config", home.config)
    assert (result.code, result.out) == (1, "0 photos will be tried again.\n")


def test_weak_ones_alone_are_done_once_more(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, name=b"fine.jpg")
    deliver(home, DLIB, JUDGE, name=b"weak.jpg")
    home.configure(attack={"preset": "strong"})
    result = lowkeyd("retry", "--weak", "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be tried again.\n")
    assert (home.photo("weak.jpg")["state"], home.photo("fine.jpg")["state"]) == ("ready", "done")


def test_or_those_whose_copies_are_gone(lowkeyd: Lowkeyd, home: Home) -> None:
    for name in ("a.jpg", "b.jpg"):
        deliver(home, DLIB, name=name.encode())
    assert lowkeyd("retry", "--missing", "--config", home.config).out == "0 photos will be tried again.\n"
    (home.outbox / "inbox/a.jpg").unlink()
    assert lowkeyd("retry", "--missing", "--config", home.config).out == "1 photo will be tried again.\n"
    assert (home.photo("a.jpg")["state"], home.photo("b.jpg")["state"]) == ("ready", "done")


def test_where_the_photo_is_gone_its_copy_stays_as_it_is(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, JUDGE, name=b"weak.jpg")
    (home.inbox / "weak.jpg").unlink()
    home.configure(attack={"preset": "strong"})
    result = lowkeyd("retry", "--weak", "--config", home.config)
    assert (result.code, result.out) == (0, "0 photos will be tried again.\n")
    assert home.photo("weak.jpg")["state"] == "done"


def test_a_copy_of_an_earlier_version_that_is_gone_is_not_missed(lowkeyd: Lowkeyd, home: Home) -> None:
    """Its photo shows nobody now, and such photos are not copied."""
    deliver(home, DLIB, name=b"a.jpg")
    (home.outbox / "inbox/a.jpg").unlink()
    with Queue(location.database(home.state)) as photos:
        photos.redo([("inbox", b"a.jpg")], time.time())
        photos.no_face(photos.claim(1, time.time())[0], time.time())
    assert lowkeyd("retry", "--missing", "--config", home.config).out == "0 photos will be tried again.\n"


@pytest.mark.parametrize(("answer", "ready"), [("y\n", 2), ("n\n", 0), ("", 0)])
def test_if_every_copy_is_gone_a_person_has_to_say_that_this_is_so(
    lowkeyd: Lowkeyd, home: Home, monkeypatch: pytest.MonkeyPatch, answer: str, ready: int
) -> None:
    for name in ("a.jpg", "b.jpg"):
        deliver(home, DLIB, name=name.encode())
        (home.outbox / "inbox" / name).unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    result = lowkeyd("retry", "--missing", "--config", home.config)
    assert (result.code, states(home).get(State.READY, 0)) == (0 if ready else 1, ready)
    assert "Not one of the 2 copies is in" in result.out


def test_two_wishes_at_once_are_wrong_usage(lowkeyd: Lowkeyd, home: Home) -> None:
    assert lowkeyd("retry", "--weak", "--missing", "--config", home.config).code == 2
    assert lowkeyd("retry", "--weak", home.inbox / "a.jpg", "--config", home.config).code == 2


def test_a_photo_outside_of_every_watched_folder_is_wrong_usage(
    lowkeyd: Lowkeyd, home: Home, failed: list[Path]
) -> None:
    result = lowkeyd("retry", home.folder / "a.jpg", "--config", home.config)
    assert result.code == 2
    assert "none of the watched" in " ".join(result.err.split())


def test_before_the_first_run_there_is_nothing_to_retry_and_nothing_is_made(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("retry", "--config", home.config)
    assert (result.code, result.err) == (
        1,
        f"lowkeyd: {home.state}/lowkeyd.sqlite3: no database yet; `lowkeyd run` makes it\n",
    )
    assert os.listdir(home.state) == []


def test_folders_that_the_daemon_would_refuse_are_refused_here_too(lowkeyd: Lowkeyd, home: Home) -> None:
    home.state.rmdir()
    home.configure(outbox={"path": str(home.inbox)})
    result = lowkeyd("retry", "--config", home.config)
    assert (result.code, "must not lie inside one another" in result.err) == (78, True)
    assert not home.state.exists()


def test_a_photo_whose_name_is_no_text_is_named_in_the_refusal(
    lowkeyd: Lowkeyd, home: Home, failed: list[Path]
) -> None:
    result = lowkeyd("retry", home.folder / os.fsdecode(b"caf\xe9.jpg"), "--config", home.config)
    assert (result.code, r"caf\udce9.jpg" in result.err.replace("\n", "").replace("│", "").replace(" ", "")) == (
        2,
        True,
    )


def test_a_daemon_that_does_not_answer_is_one_sentence(
    lowkeyd: Lowkeyd, home: Home, failed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wishes, "_PATIENCE_S", 0.2)
    with lock.hold(home.state):
        result = lowkeyd("retry", "--config", home.config)
    assert result.code == 1
    assert "the daemon does not answer" in result.err


def test_a_copy_that_would_come_out_the_same_is_left_alone_and_that_is_said(lowkeyd: Lowkeyd, home: Home) -> None:
    deliver(home, DLIB, name=b"fine.jpg")
    deliver(home, DLIB, JUDGE, name=b"weak.jpg")
    deliver(home, DLIB, name=b"gone.jpg")
    (home.outbox / "inbox/gone.jpg").unlink()
    result = lowkeyd("retry", home.inbox, "--config", home.config)
    assert (result.code, result.out) == (
        0,
        "1 photo will be tried again.\n2 copies would come out the same: change [attack] first.\n",
    )
    assert home.photo("gone.jpg")["state"] == "ready"
    home.configure(outbox={"weak": "hold"})
    result = lowkeyd("retry", "--weak", "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be tried again.\n")
    assert home.photo("weak.jpg")["state"] == "ready", "it is not to be delivered any more"


def test_copies_made_with_other_settings_can_be_made_anew(lowkeyd: Lowkeyd, home: Home) -> None:
    current = fingerprint(config.load(home.config))
    with Queue(location.database(home.state)) as photos:
        names = (b"a.jpg", b"b.jpg")
        photos.offer([Photo("inbox", name, Signature(1, 1)) for name in names], 0.0)
        for job, settings in zip(photos.claim(2, 0.0), (current, "those of last year"), strict=True):
            judged = Judgement('{"faces": []}', "protected", settings, 1.0)
            delivery = Delivery(b"inbox/" + job.photo.path, "0")
            photos.publishing(job, Publication(job.id, b"t", delivery), judged, 0.0)
            photos.done(job.id, 0.0)
    for name in names:
        (home.inbox / name.decode()).write_bytes(b"x")
    result = lowkeyd("retry", "--outdated", "--config", home.config)
    assert (result.code, result.out) == (0, "1 photo will be tried again.\n")
    assert home.query("SELECT path, state FROM photo ORDER BY path") == [(b"a.jpg", "done"), (b"b.jpg", "ready")]
