"""What the demo refuses before it starts a daemon, and when it ends: else it would wait for ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from lowkeyd.cli import demo
from lowkeyd.model import Photo, Signature
from lowkeyd.store import location
from lowkeyd.store.queue import Queue
from tests.cli.conftest import Lowkeyd


@pytest.fixture(autouse=True)
def _no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_daemon", lambda _: pytest.fail("the daemon was started"))


def refusal(lowkeyd: Lowkeyd, *arguments: object) -> str:
    result = lowkeyd("demo", *arguments, "-o", "library")
    assert (result.code, result.out) == (2, "")
    return " ".join(result.err.replace("│", " ").split())


@pytest.mark.parametrize("name", ["note.txt", ".hidden.jpg"])
def test_what_the_daemon_would_not_take_for_a_photo(lowkeyd: Lowkeyd, name: str) -> None:
    Path(name).touch()
    assert "is no photo" in refusal(lowkeyd, name)


def test_a_photo_that_is_not_there(lowkeyd: Lowkeyd) -> None:
    assert "gone.jpg: no such file" in refusal(lowkeyd, "gone.jpg")


def test_two_photos_of_one_name(lowkeyd: Lowkeyd) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "x.jpg").touch()
    assert "same name" in refusal(lowkeyd, "a/x.jpg", "b/x.jpg")


def test_a_library_that_is_there_already(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    (tmp_path / "library" / "state").mkdir(parents=True)
    with Queue(location.database(tmp_path / "library" / "state")):
        assert "already; name another folder" in refusal(lowkeyd, "x.jpg")


def test_a_photo_that_is_left_alone_ends_it_and_is_told_of(lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def daemon(library: demo._Library) -> Iterator[SimpleNamespace]:
        with Queue(location.database(library.state)) as photos:
            photos.offer([Photo("inbox", b"x.dng", Signature(1, 1))], 1.0)
            (job,) = photos.claim(1, 1.0)
            photos.leave_alone(job, "raw: not developed here", "Nothing to do.", 2.0)
        yield SimpleNamespace(poll=lambda: 9, returncode=9)  # who waits any longer is told that it died

    monkeypatch.setattr(demo, "_daemon", daemon)
    Path("x.dng").touch()
    result = lowkeyd("demo", "x.dng", "-o", "library")
    assert result.code == 1
    assert "x.dng: ignored: raw: not developed here" in result.out


def test_a_preset_that_there_is_not(lowkeyd: Lowkeyd) -> None:
    Path("x.jpg").touch()
    assert "subtle" in refusal(lowkeyd, "x.jpg", "--preset", "strongest")
