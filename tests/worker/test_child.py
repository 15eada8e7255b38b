import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.machine import memory
from lowkeyd.worker.child import Child
from lowkeyd.worker.messages import BatchDone, Ready
from tests.helpers import stand_in

PATIENCE_S = 30.0

# ---- what the child processes of these tests do


def echo(connection: Connection, *_: object) -> None:
    while True:
        connection.send(connection.recv())


def leave(connection: Connection, *_: object) -> None:
    connection.recv()
    os._exit(7)


def fall(connection: Connection, *_: object) -> None:
    connection.recv()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def deaf(connection: Connection, *_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send("deaf")
    while True:
        time.sleep(60)


# ----


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    children = []

    def start(serve: Callable[..., None]) -> Child:
        children.append(Child(serve, config.Config(), "cpu"))
        return children[-1]

    yield start
    for child in children:
        child.end()


def test_what_is_sent_is_answered_and_silence_is_none(start: Callable[..., Child]) -> None:
    child = start(echo)
    assert child.receive(0) is None
    child.send({"photo": b"\xff"})
    assert child.receive(PATIENCE_S) == {"photo": b"\xff"}


def test_the_death_of_the_child_ends_the_conversation(start: Callable[..., Child]) -> None:
    child = start(leave)
    child.send("go")
    with pytest.raises(EOFError):
        child.receive(PATIENCE_S)
    with pytest.raises(EOFError):
        child.send("are you there?")


def test_a_child_that_went_by_itself_is_to_blame(start: Callable[..., Child]) -> None:
    child = start(leave)
    child.send("go")
    assert child.death() == ("ended with exit code 7", True)


def test_a_child_that_crashed_is_to_blame(start: Callable[..., Child]) -> None:
    child = start(fall)
    child.send("go")
    assert child.death() == ("crashed with SIGSEGV", True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_somebody_ended_is_not_to_blame(start: Callable[..., Child], number: signal.Signals) -> None:
    child = start(echo)
    assert child.pid
    os.kill(child.pid, number)
    assert child.death() == (f"was ended by {number.name}", False)


def test_a_signal_without_a_name_is_told_by_its_number(start: Callable[..., Child]) -> None:
    child = start(echo)
    assert child.pid
    os.kill(child.pid, signal.SIGRTMIN + 3)
    assert child.death() == (f"crashed with signal {signal.SIGRTMIN + 3}", True)


def test_a_child_that_the_kernel_ended_for_memory_is_to_blame(
    start: Callable[..., Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = iter([4, 5])  # the kernel's counter before and after, faked
    monkeypatch.setattr(memory, "kills", lambda: next(kills))
    child = start(echo)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    assert child.death() == ("ran out of memory", True)


def test_end_insists(start: Callable[..., Child]) -> None:
    child = start(deaf)
    assert child.receive(PATIENCE_S) == "deaf"
    pid = child.pid
    assert pid
    child.end()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_outlives_ctrl_c_and_is_the_first_to_go_when_memory_runs_out(start: Callable[..., Child]) -> None:
    child = start(stand_in.serve)
    assert isinstance(child.receive(PATIENCE_S), Ready)
    assert child.pid
    os.kill(child.pid, signal.SIGINT)
    child.send([])
    assert isinstance(child.receive(PATIENCE_S), BatchDone)
    assert Path(f"/proc/{child.pid}/oom_score_adj").read_text() == "500\n"
