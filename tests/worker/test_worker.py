"""The worker's loop, with the stand-in for the networks, in this process: the other end of the connection is a test."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.errors import PhotoChanged, PhotoTooLarge, PhotoUnreachable, WeightsError
from lowkeyd.model import NoFace, Protected, Stage, sha256
from lowkeyd.worker import worker
from lowkeyd.worker.messages import BatchDone, Broken, Finished, Outcome, Reached, Ready, Stepped, Task, Unfit
from tests.helpers.stand_in import PREFIX, StandIn, protected

PATIENCE_S = 30.0

Photos = Iterable[tuple[int, Callable[[], bytes]]]
Tell = Callable[[Reached[int] | Stepped], None]


@pytest.fixture(autouse=True)
def _signals_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker runs in a thread here, which may not set signal handlers; and it is not to be the one that dies."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)


class Conversation:
    """With a worker that runs in a thread."""

    def __init__(self, load: Callable[[], StandIn], limits: config.Worker) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._thread = threading.Thread(target=self._serve, args=(load, theirs, limits))
        self._thread.start()

    @staticmethod
    def _serve(load: Callable[[], StandIn], theirs: Connection, limits: config.Worker) -> None:
        with theirs:
            worker.serve_with(load, theirs, limits)  # type: ignore[arg-type]

    def hear(self) -> object:
        assert self._ours.poll(PATIENCE_S), "the worker says nothing"
        return self._ours.recv()

    def ask(self, *tasks: Task) -> list[object]:
        """Everything it says about these tasks."""
        self._ours.send(list(tasks))
        heard = [self.hear()]
        while not isinstance(heard[-1], BatchDone | Broken):
            heard.append(self.hear())
        return heard

    def hang_up(self) -> None:
        self._ours.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def worker_here() -> Iterator[Conversation]:
    conversation = Conversation(StandIn, config.Worker(max_megabytes=0.001))
    assert isinstance(conversation.hear(), Ready)
    yield conversation
    conversation.hang_up()


def task(folder: Path, content: bytes, job: int = 1, sha: str | None = None) -> Task:
    path = folder / f"{job}.jpg"
    path.write_bytes(content)
    return Task(job, bytes(path), sha or sha256(content))


def test_it_says_where_it_works_and_how_long_it_took(tmp_path: Path) -> None:
    conversation = Conversation(StandIn, config.Worker())
    match conversation.hear():
        case Ready(device, seconds):
            assert (device, seconds >= 0) == ("stand-in", True)
        case other:
            pytest.fail(f"got {other}")
    conversation.hang_up()


def test_a_photo_is_followed_from_stage_to_stage_to_its_outcome(tmp_path: Path, worker_here: Conversation) -> None:
    *news, finished, done = worker_here.ask(task(tmp_path, b"a portrait"))
    assert news == [Reached(1, Stage.DECODE), Reached(1, Stage.OPTIMISE), Stepped(1, 2)]
    assert isinstance(finished, Finished)
    assert isinstance(finished.outcome, Protected)
    assert finished.outcome.content == PREFIX + b"a portrait"
    assert isinstance(done, BatchDone)
    assert done.peak_mb > 1


def test_one_batch_after_another(tmp_path: Path, worker_here: Conversation) -> None:
    for job in (1, 2):
        heard = worker_here.ask(task(tmp_path, b"no face here", job))
        assert Finished(job, NoFace(0.1)) in heard


def test_what_several_threads_tell_arrives_whole(tmp_path: Path) -> None:
    class Talkative(StandIn):
        """Large copies, while other threads tell how far they are: torn apart, none of it could be read."""

        def run(self, photos: Photos, tell: Tell) -> Iterator[tuple[int, Outcome]]:
            with ThreadPoolExecutor(3) as threads:
                for key, _ in photos:
                    told = [threads.submit(tell, Stepped(step, 300)) for step in range(300)]
                    for _ in range(10):
                        yield key, protected(bytes(1_000_000))
                    assert not any(one.exception() for one in told)

    conversation = Conversation(Talkative, config.Worker())
    conversation.hear()
    *news, done = conversation.ask(task(tmp_path, b"a portrait"))
    assert isinstance(done, BatchDone)
    assert len(news) == 310
    conversation.hang_up()


def errors(heard: list[object]) -> list[type]:
    return [type(news.outcome) for news in heard if isinstance(news, Finished)]


def test_only_the_content_that_was_admitted_is_protected(tmp_path: Path, worker_here: Conversation) -> None:
    assert errors(worker_here.ask(task(tmp_path, b"new bytes", sha=sha256(b"old bytes")))) == [PhotoChanged]


def test_a_photo_that_is_gone_or_too_large_does_not_stop_its_neighbours(
    tmp_path: Path, worker_here: Conversation
) -> None:
    gone = Task(1, bytes(tmp_path / "gone.jpg"), "")
    heard = worker_here.ask(gone, task(tmp_path, b"x" * 1001, 2), task(tmp_path, b"fine", 3))
    assert errors(heard) == [PhotoUnreachable, PhotoTooLarge, Protected]


def test_a_defect_is_reported_with_its_trace_before_the_worker_ends(tmp_path: Path) -> None:
    conversation = Conversation(StandIn, config.Worker())
    conversation.hear()
    broken = conversation.ask(task(tmp_path, b"defect"))[-1]
    assert isinstance(broken, Broken)
    assert broken.trace.splitlines()[-1] == "ZeroDivisionError: a defect, staged"
    conversation.hang_up()


def test_a_disk_error_of_its_own_is_a_defect_too_and_not_mistaken_for_a_daemon_that_is_gone() -> None:
    def load() -> StandIn:
        raise PermissionError("a cache that may not be read, staged")

    conversation = Conversation(load, config.Worker())
    broken = conversation.hear()
    assert isinstance(broken, Broken)
    assert "may not be read" in broken.trace
    conversation.hang_up()


def test_what_a_restart_will_not_cure_is_told_as_such() -> None:
    def load() -> StandIn:
        raise WeightsError("no weights")

    conversation = Conversation(load, config.Worker())
    assert conversation.hear() == Unfit("no weights")
    conversation.hang_up()


def test_it_ends_when_the_daemon_hangs_up(worker_here: Conversation) -> None:
    worker_here.hang_up()
