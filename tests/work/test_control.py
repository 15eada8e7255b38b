import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lowkeyd.errors import StoreError
from lowkeyd.work import control as control_module
from lowkeyd.work.control import Control, ask


def answer(question: Any) -> dict[str, Any]:
    match question:
        case {"say": what}:
            return {"said": what}
        case {"break": _}:
            raise StoreError("the disk is full")
    raise ValueError("no such question")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    control = Control(tmp_path / "control.sock", answer)
    yield tmp_path / "control.sock"
    control.stop()


def raw(path: Path, line: bytes) -> Any:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        return json.loads(connection.makefile("rb").readline())


def test_a_question_is_answered(path: Path) -> None:
    assert ask(path, {"say": "caf\udce9"}) == {"said": "caf\udce9"}
    assert ask(path, {"say": [None, 1]}) == {"said": [None, 1]}


@pytest.mark.parametrize("line", [b"", b"\n", b"no json\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"{" * 5000])
def test_a_broken_question_is_told_so_and_the_next_one_is_answered(
    path: Path, line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "is not understood" in raw(path, line)["error"]
    assert ask(path, {"say": 1}) == {"said": 1}
    assert capfd.readouterr().err == ""


def test_an_error_of_the_daemons_comes_as_its_sentence(path: Path) -> None:
    with pytest.raises(StoreError, match="the daemon refuses: the disk is full"):
        ask(path, {"break": 1})


def test_only_the_owner_may_ask(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_umask_of_other_threads_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo that is published at that moment must not come out unreadable for the user's group."""

    def never(mask: int) -> int:
        raise AssertionError(f"umask({mask})")

    monkeypatch.setattr(os, "umask", never)
    Control(tmp_path / "control.sock", answer).stop()


def test_whoever_says_nothing_keeps_nobody_waiting_for_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module._Handler, "timeout", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(path))
        assert ask(path, {"say": 1}) == {"said": 1}


def test_whoever_hangs_up_does_no_harm(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:
        rude.connect(str(path))
        rude.sendall(b'{"say": "' + b"x" * 200_000 + b'"}\n')
    assert ask(path, {"say": 1}) == {"said": 1}


def test_the_socket_that_a_crash_left_is_replaced_and_ours_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.touch()
    control = Control(path, answer)
    assert ask(path, {"say": 1}) == {"said": 1}
    control.stop()
    assert not path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "control"]


@pytest.mark.parametrize("state", ["missing", "deaf"])
def test_a_daemon_that_does_not_answer_is_one_clear_error(tmp_path: Path, state: str) -> None:
    path = tmp_path / "control.sock"
    if state == "deaf":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
            left.bind(str(path))
    with pytest.raises(StoreError, match="does not answer"):
        ask(path, {"say": 1})


def test_one_that_starts_only_now_is_waited_for(tmp_path: Path) -> None:
    path, started = tmp_path / "control.sock", []
    late = threading.Timer(0.3, lambda: started.append(Control(path, answer)))
    late.start()
    try:
        assert ask(path, {"say": 1}, patience_s=60.0) == {"said": 1}
    finally:
        late.join()
        started[0].stop()


def test_a_socket_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the control socket cannot be made: No such file"):
        Control(tmp_path / "gone" / "control.sock", answer)
