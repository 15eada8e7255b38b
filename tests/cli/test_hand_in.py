"""`protect --queue`, with and without a running daemon."""

import os
import time

import pytest

from lowkeyd.model import Photo, Signature, Stage
from lowkeyd.store import location
from lowkeyd.store.barred import bar
from lowkeyd.store.notes import KnownRoot, Notes
from lowkeyd.store.queue import Queue
from lowkeyd.work.control import ask
from tests.cli.conftest import Lowkeyd, Result
from tests.helpers.home import Home


@pytest.fixture
def hand_in(lowkeyd: Lowkeyd, home: Home) -> Lowkeyd:
    """The command, of which the database was made by an earlier run."""
    with Queue(location.database(home.state)):
        pass

    def run(*paths: object) -> Result:
        return lowkeyd("protect", "--queue", *paths, "--config", home.config)

    return run


def states(home: Home) -> dict[str, str]:
    return {os.fsdecode(path): state for path, state in home.query("SELECT path, state FROM photo")}


def test_the_running_daemon_does_them_before_all_others_without_waiting_for_them_to_settle(
    hand_in: Lowkeyd, lowkeyd: Lowkeyd, home: Home
) -> None:
    home.configure(worker={"photos": 1, "idle_s": 600.0}, settle={"quiet_s": 3600.0})
    with home.daemon():
        assert lowkeyd("pause", "--reason", "film night", "--config", home.config).code == 0
        first = home.drop("deep/first.jpg", b"first")
        os.utime(first, (1, 1))
        home.drop("second.jpg", b"second")
        third = home.drop("third.jpg", b"third")
        for paths, count in ((home.inbox, "3 photos"), ((home.inbox / "deep"), "1 photo"), (third, "1 photo")):
            result = hand_in(paths)
            assert (result.code, result.err) == (0, "")
            assert result.out == f"{count} will be done first.\nPaused: film night.\n"
        assert lowkeyd("resume", "--config", home.config).code == 0
        home.await_counts(done=3)
    done = [os.fsdecode(path) for (path,) in home.query("SELECT path FROM history ORDER BY id")]
    assert done == ["third.jpg", "deep/first.jpg", "second.jpg"]


def test_without_a_daemon_they_are_queued_and_it_is_said_that_they_wait_for_it(hand_in: Lowkeyd, home: Home) -> None:
    home.drop("deep/a.jpg", b"portrait")
    home.drop("b.jpg", b"portrait 2")
    result = hand_in(home.inbox / "deep", home.inbox / "deep/a.jpg")
    assert (result.code, result.err) == (0, "")
    assert result.out == "1 photo will be done first, once the daemon runs: `lowkeyd run` starts it.\n"
    assert states(home) == {"deep/a.jpg": "ready"}
    assert home.photo("deep/a.jpg")["bumped_at"] > 0


def test_each_photo_is_dealt_with_by_where_it_stands(hand_in: Lowkeyd, home: Home) -> None:
    now = time.time()
    ends = ("done", "failed", "waiting", "running", "barred", "raw", "edited")
    for name in ends:
        home.drop(f"{name}.jpg", name.encode())
    with Queue(location.database(home.state)) as photos:
        for name in ends:
            status = (home.inbox / f"{name}.jpg").stat()
            mtime_ns = status.st_mtime_ns - (name == "edited")
            photos.offer([Photo("inbox", f"{name}.jpg".encode(), Signature(status.st_size, mtime_ns))], now)
            (job,) = [job for job in photos.claim(9, now) if job.photo.path == f"{name}.jpg".encode()]
            match name:
                case "done" | "edited":
                    photos.no_face(job, now)
                case "failed":
                    photos.fail(job, Stage.DECODE, "is no picture", "", now)
                case "waiting":
                    photos.wait(job, Stage.ADMIT, "cannot be read", "", now + 3000, now, counted=True)
                case "raw":
                    photos.leave_alone(job, "a RAW file", "", now)
                case "barred":
                    bar(photos, [("inbox", b"barred.jpg")], now)
    result = hand_in(home.inbox)
    assert result.code == 1
    assert result.out.splitlines() == [
        "3 photos will be done first, once the daemon runs: `lowkeyd run` starts it.",
        "1 photo in work already.",
        "1 photo done before: left as it is.",
    ]
    assert result.err.splitlines() == [
        "Not queued: inbox/raw.jpg: a RAW file.",
        "Not queued: inbox/barred.jpg: you said so.",
    ]
    ready = [name for name, state in states(home).items() if state == "ready"]
    assert sorted(ready) == ["edited.jpg", "failed.jpg", "waiting.jpg"]
    assert home.photo("waiting.jpg")["not_before"] == home.photo("failed.jpg")["attempts"] == 0


def test_what_is_ignored_or_gone_is_said_so_by_its_reason(hand_in: Lowkeyd, home: Home) -> None:
    home.configure(watch={"ignore": ["drafts"]})
    drafts = [home.drop(f"drafts/{number}.jpg", b"draft") for number in range(5)]
    result = hand_in(*drafts, home.drop("a.txt", b"text"), home.inbox / "gone.jpg", home.drop("a.jpg", b"portrait"))
    assert result.code == 1
    assert result.out.startswith("1 photo will be done first")
    assert result.err.splitlines() == [
        "Not queued: inbox/drafts/0.jpg, inbox/drafts/1.jpg, inbox/drafts/2.jpg and 3 more: by its name it is no "
        "photo, or one that is ignored: hidden, trash, or in [[watch]] ignore.",
        "Not queued: inbox/gone.jpg: no such file.",
    ]
    assert states(home) == {"a.jpg": "ready"}
    empty = hand_in(home.inbox / "drafts")
    assert (empty.code, states(home)) == (1, {"a.jpg": "ready"})


def test_outside_of_every_watched_folder_is_wrong_usage_which_names_them_and_nothing_is_queued(
    hand_in: Lowkeyd, home: Home
) -> None:
    inside = home.drop("a.jpg", b"portrait")
    result = hand_in(inside, home.folder / "elsewhere.jpg")
    told = "".join(result.err.split()).replace("│", "")
    assert (result.code, result.out) == (2, "")
    assert f"elsewhere.jpgisinnoneofthewatchedfolders:{home.inbox}" in told
    assert states(home) == {}


def test_a_folder_of_copies_is_for_protecting_here_and_now(lowkeyd: Lowkeyd, home: Home) -> None:
    photo = home.drop("a.jpg", b"portrait")
    result = lowkeyd("protect", "--queue", photo, "-o", home.folder / "to", "--config", home.config)
    assert (result.code, "no --output" in " ".join(result.err.split())) == (2, True)


def test_no_link_leads_out_of_the_watched_folder(hand_in: Lowkeyd, home: Home) -> None:
    (home.folder / "elsewhere").mkdir()
    (home.folder / "elsewhere" / "a.jpg").write_bytes(b"portrait")
    (home.inbox / "link").symlink_to(home.folder / "elsewhere")
    assert hand_in(home.inbox / "link").code == 2
    assert hand_in(home.inbox / "link" / "a.jpg").code == 2
    assert states(home) == {}
    home.configure(watch={"follow_symlinks": True})
    assert hand_in(home.inbox / "link").code == 0
    assert states(home) == {"link/a.jpg": "ready"}
    assert hand_in(home.inbox / "link" / "a.jpg").code == 0, "by its own name as well"
    assert hand_in(home.folder / "elsewhere" / "a.jpg").code == 2
    assert states(home) == {"link/a.jpg": "ready"}


def test_photos_of_a_folder_whose_disk_is_away_are_refused_with_that_reason(hand_in: Lowkeyd, home: Home) -> None:
    photo = home.drop("a.jpg", b"portrait")
    assert hand_in(photo).code == 0
    with Queue(location.database(home.state)) as photos:
        Notes(photos).note_root("inbox", KnownRoot(os.fsencode(home.inbox), "1:1", filled=True))
    photo.rename(photo.with_name("b.jpg"))
    result = hand_in(photo.with_name("b.jpg"))
    assert (result.code, result.out) == (1, "")
    assert "Not queued: inbox/b.jpg: its folder is offline: another folder is in its place" in result.err


def test_names_that_are_no_text_and_thousands_of_them_come_through(hand_in: Lowkeyd, home: Home) -> None:
    for number in range(2500):
        (home.inbox / f"{number}.jpg").touch()
    (home.inbox / os.fsdecode(b"caf\xe9\n.jpg")).touch()
    with home.daemon():
        assert ask(location.control_socket(home.state), {"pause": {"reason": "film night", "until": None}}) == {}
        result = hand_in(home.inbox)
        assert (result.code, result.out.splitlines()[0]) == (0, "2,501 photos will be done first.")
        bumped = {at for (at,) in home.query("SELECT bumped_at FROM photo")}
        assert len(bumped) == 1, "among themselves the usual order holds"
        home.await_counts(ready=2501)
