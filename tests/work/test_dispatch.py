"""A dispatcher with a real child process, in which the stand-in takes the place of the networks."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.errors import ConfigError, OutboxUnavailable
from lowkeyd.folders.outbox import Outbox
from lowkeyd.folders.scan import Tree
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Photo, Signature, State
from lowkeyd.store.notes import Notes, Pause
from lowkeyd.work import dispatch, retry
from lowkeyd.work.admit import Admission
from lowkeyd.work.conclude import Conclusion
from lowkeyd.work.dispatch import Dispatcher, Turn
from lowkeyd.work.sharing import Sharing
from lowkeyd.worker import supervisor
from lowkeyd.worker.child import Child, Serve
from tests.helpers import stand_in, stand_in_nvml
from tests.helpers.library import Library
from tests.helpers.stand_in import PREFIX
from tests.helpers.stand_in_nvml import Cards

PATIENCE_S = 60.0

Begin = Callable[..., Dispatcher]


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are for disks and people; their lengths have tests of their own."""
    monkeypatch.setattr(dispatch, "_LOOK_S", 0.1)
    monkeypatch.setattr(dispatch, "_OUTBOX_PAUSE_S", 0.05)
    monkeypatch.setattr(supervisor, "delay_s", lambda _: 0.0)


def await_that(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


@pytest.fixture
def begin(library: Library) -> Iterator[Begin]:
    begun: list[Dispatcher] = []

    def begin(serve: Serve = stand_in.serve, device: str = "cpu", **limits: float) -> Dispatcher:
        worker = config.Worker(**limits)  # type: ignore[arg-type]
        admission = Admission(library.photos, library.publisher, library.roots, 1000, "settings")
        conclusion = Conclusion(library.photos, library.publisher, library.roots, "settings", lambda _: None)
        start_child = partial(Child, serve, config.Config(worker=worker), device)
        sharing = Sharing(worker.free_vram_mb)
        turn = Turn(library.photos, library.gate, library.roots, True, sharing, lambda: False)
        wake = threading.Event()
        begun.append(Dispatcher(device, worker, start_child, library.photos, turn, admission, conclusion, wake))
        begun[-1].start()
        return begun[-1]

    yield begin
    for dispatcher in begun:
        dispatcher.stop()
        dispatcher.join(PATIENCE_S)
        assert not dispatcher.is_alive()


def counts(library: Library, **expected: int) -> Callable[[], bool]:
    return lambda: library.photos.counts() == {State(name): count for name, count in expected.items()}


def at_work(dispatcher: Dispatcher) -> bool:
    """Whether it has a worker that has taken steps: a row may tell for a moment of one that is dead."""
    return dispatcher.hands.pid is not None and dispatcher.hands.done_steps > 0


def worker_of(dispatcher: Dispatcher) -> int:
    """Never 0, which would stand for the tests themselves where a signal is sent."""
    assert dispatcher.hands.pid, "there is no worker"
    return dispatcher.hands.pid


def test_photos_become_copies_and_each_ends_as_it_should(library: Library, begin: Begin) -> None:
    for name, content in {"a": b"portrait", "b": b"no face", "c": b"unreadable", "d": b"failing", "e": b"weak"}.items():
        library.drop(f"{name}.jpg", content)
    begin()
    await_that(counts(library, done=2, no_face=1, failed=2), "every photo at its end")
    assert library.delivered() == {"inbox/a.jpg": PREFIX + b"portrait", "inbox/e.jpg": PREFIX + b"weak"}
    assert (library.row("c.jpg")["stage"], library.row("d.jpg")["stage"]) == ("decode", "optimise")


def test_a_photo_that_comes_later_is_taken_when_the_dispatcher_is_woken(library: Library, begin: Begin) -> None:
    dispatcher = begin()
    library.drop("a.jpg", b"portrait")
    dispatcher._wake.set()
    await_that(counts(library, done=1), "the photo done")


def test_a_photo_that_kills_the_worker_is_given_up_and_its_neighbours_are_done(library: Library, begin: Begin) -> None:
    for name, content in {"a": b"fine 1", "b": b"crash", "c": b"fine 2"}.items():
        library.drop(f"{name}.jpg", content)
    begin()
    await_that(counts(library, done=2, failed=1), "the neighbours done, the culprit failed")
    row = library.row("b.jpg")
    assert (row["stage"], row["attempts"]) == ("optimise", 3)
    assert "SIGABRT" in row["reason"]


def test_a_defect_of_ours_is_told_by_its_last_line(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"defect")
    begin()
    await_that(counts(library, failed=1), "the photo failed")
    assert "broke: ZeroDivisionError: a defect, staged" in library.row()["reason"]


def test_a_worker_that_hangs_is_replaced(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"hang")
    library.drop("b.jpg", b"fine")
    begin(stall_s=3)  # a start on a busy machine takes as long, and is no hang
    await_that(counts(library, done=1, failed=1), "the neighbour done, the culprit failed")
    assert "did nothing for" in library.row()["reason"]


def test_a_worker_that_somebody_kills_costs_the_photo_no_attempt(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"slow 1 and then fine")
    dispatcher = begin()
    for _ in range(4):
        await_that(lambda: at_work(dispatcher) and library.row()["stage"] == "optimise", "the photo in work")
        pid = worker_of(dispatcher)
        os.kill(pid, signal.SIGKILL)
        await_that(lambda pid=pid: dispatcher.hands.pid != pid, "the worker buried")
        assert library.row()["attempts"] <= 1, "none counted but the one under way"
    await_that(counts(library, done=1), "the photo done")


def test_a_stop_releases_the_work_in_hand(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"slow 600")
    dispatcher = begin()
    await_that(lambda: library.row()["stage"] == "optimise", "the photo in work")
    pid = worker_of(dispatcher)
    dispatcher.stop()
    dispatcher.join(PATIENCE_S)
    row = library.row()
    assert (row["state"], row["attempts"], dispatcher.busy) == ("ready", 0, False)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_idle_worker_is_ended_and_a_new_one_started_when_it_is_needed(library: Library, begin: Begin) -> None:
    dispatcher = begin(idle_s=0.1)
    assert dispatcher.hands.state == "off", "no photo, no worker"
    for number in range(2):
        library.drop(f"{number}.jpg", b"portrait %d" % number)
        dispatcher._wake.set()
        await_that(counts(library, done=number + 1), "the photo done")
        await_that(lambda: dispatcher.hands.pid is None, "the worker gone")
        assert dispatcher.hands.state == "off"


def test_what_it_holds_can_be_seen(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"slow 2")
    library.drop("b.jpg", b"fine")
    dispatcher = begin()
    await_that(lambda: dispatcher.hands.all_steps == 2, "steps seen")
    assert (dispatcher.hands.state, dispatcher.hands.photos, dispatcher.busy) == ("busy", 2, True)
    await_that(counts(library, done=2), "the photos done")
    await_that(lambda: dispatcher.hands.state == "idle", "rest")
    assert (dispatcher.hands.device, dispatcher.hands.photos, dispatcher.hands.all_steps) == ("stand-in", 0, 0)
    assert dispatcher.hands.peak_mb is not None
    assert not dispatcher.busy


def test_an_outbox_that_is_gone_makes_photos_wait_without_the_work_being_done_in_vain(
    library: Library, begin: Begin
) -> None:
    for number in range(3):
        library.drop(f"{number}.jpg", b"portrait %d" % number)
    library.outbox.rmdir()
    dispatcher = begin(photos=1)
    await_that(lambda: dispatcher.stuck, "the trouble noticed")
    await_that(lambda: "waiting: the outbox cannot be written" in dispatcher.hands.state, "the trouble told")
    assert counts(library, waiting=1, ready=2)(), "one try is enough to know"
    assert library.row("0.jpg")["attempts"] == 0
    library.outbox.mkdir()
    await_that(counts(library, waiting=1, done=2), "the others done")
    assert not dispatcher.stuck
    library.photos.retry(None, time.time())
    await_that(counts(library, done=3), "the first done too")


def test_a_worker_that_can_never_work_stops_the_daemon(library: Library, begin: Begin) -> None:
    raised: list[BaseException | None] = []
    before, threading.excepthook = threading.excepthook, lambda args: raised.append(args.exc_value)
    try:
        library.drop("a.jpg", b"x")
        begin(stand_in.serve_without_weights).join(PATIENCE_S)
    finally:
        threading.excepthook = before
    assert [(type(error), str(error)) for error in raised] == [(ConfigError, "no weights: the stand-in says so")]
    assert library.row()["state"] == "ready"


def test_a_worker_that_dies_before_it_is_ready_takes_no_photo_with_it(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"x")
    dispatcher = begin(stand_in.serve_never)
    await_that(lambda: dispatcher.stuck, "the trouble noticed")
    said = "waiting: the worker does not start: it ended with exit code 3"
    await_that(lambda: dispatcher.hands.state == said, "what status and health tell")
    assert (library.row()["state"], library.row()["attempts"]) == ("ready", 0)


def test_photos_that_are_only_copies_need_no_second_optimisation(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"portrait")
    library.drop("b.jpg", b"portrait")
    begin()
    await_that(counts(library, done=2), "both done")
    assert library.row("b.jpg")["seconds"] == 0.5
    assert library.delivered() == {"inbox/a.jpg": PREFIX + b"portrait", "inbox/b.jpg": PREFIX + b"portrait"}


def test_signs_of_life_go_on_while_the_worker_is_busy(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"slow 2")
    dispatcher = begin()
    await_that(lambda: dispatcher.busy, "the photo in work")
    for _ in range(3):
        before = dispatcher.moved_at
        await_that(lambda before=before: dispatcher.moved_at > before, "a sign of life")
    assert dispatcher.busy


def test_the_probe_leaves_nothing(tmp_path: Path) -> None:
    Outbox(tmp_path).probe()
    assert os.listdir(tmp_path) == []
    with pytest.raises(OutboxUnavailable):
        Outbox(tmp_path / "gone").probe()


def test_a_worker_is_replaced_after_so_many_photos(library: Library, begin: Begin) -> None:
    for number in range(4):
        library.drop(f"{number}.jpg", b"portrait %d" % number)
    dispatcher = begin(photos=1, recycle=2)
    pids = set()

    def done() -> bool:
        pids.add(dispatcher.hands.pid)
        return counts(library, done=4)()

    await_that(done, "every photo done")
    await_that(lambda: dispatcher.hands.pid is None, "the second worker at its end")
    assert len(pids - {None}) == 2


def test_a_photo_that_needs_too_much_memory_is_parked_after_fresh_workers_have_tried_it_alone(
    library: Library, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_MEMORY_WAITS_S", (0.0, 0.0))
    library.drop("a.jpg", b"hungry")
    library.drop("b.jpg", b"fine")
    dispatcher, pids = begin(), set()

    def parked() -> bool:
        pids.add(dispatcher.hands.pid)
        return counts(library, done=1, failed=1)()

    await_that(parked, "the neighbour done, the hungry one parked")
    assert len(pids - {None}) == 4
    row = library.row()
    assert (row["stage"], row["attempts"]) == ("optimise", 4)
    assert row["reason"] == "the stand-in is out of memory, alone and in a fresh worker too"


def test_while_work_is_held_nothing_is_claimed(library: Library, begin: Begin) -> None:
    library.gate.pause(Pause("film night", 0.0, None))
    library.drop("a.jpg", b"portrait")
    dispatcher = begin()
    await_that(lambda: dispatcher.stuck, "the hold noticed")
    assert dispatcher.hands.state == "waiting: film night"
    assert library.photos.counts() == {State.READY: 1}
    library.gate.resume()
    await_that(counts(library, done=1), "the photo done")


def test_a_pause_that_comes_while_the_worker_starts_is_kept(library: Library, begin: Begin, tmp_path: Path) -> None:
    permission = tmp_path / "permission"
    library.drop("a.jpg", b"portrait")
    dispatcher = begin(partial(stand_in.serve_when, permission))
    await_that(lambda: dispatcher.hands.state == "starting", "the worker on its way")
    library.gate.pause(Pause("film night", 0.0, None))
    permission.touch()
    await_that(lambda: dispatcher.hands.state == "waiting: film night", "the pause noticed")
    assert (library.row()["state"], library.row()["attempts"]) == ("ready", 0)
    library.gate.resume()
    await_that(counts(library, done=1), "the photo done")


def test_a_worker_that_died_while_it_was_idle_is_no_photos_fault(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"portrait")
    dispatcher = begin()
    await_that(counts(library, done=1), "the first photo done")
    pid = worker_of(dispatcher)
    os.kill(pid, signal.SIGSEGV)
    await_that(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z", "the worker dead")
    library.drop("b.jpg", b"slow 600")
    await_that(lambda: library.row("b.jpg") is not None and library.row("b.jpg")["stage"] == "optimise", "in work")
    assert dispatcher.hands.pid != pid
    assert (library.row("b.jpg")["attempts"], library.row("b.jpg")["suspect"]) == (1, 0)


def test_copies_that_need_no_worker_find_out_that_the_outbox_is_gone_as_well(
    library: Library, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.drop("a.jpg", b"portrait")
    dispatcher = begin()
    await_that(counts(library, done=1), "the first photo done")

    def refuse(*_: object) -> bytes:
        raise OutboxUnavailable("the outbox cannot be written: no space left on device")

    monkeypatch.setattr(Outbox, "write_temp", refuse)
    library.drop("deep/b.jpg", b"portrait")
    await_that(lambda: dispatcher.stuck, "the trouble noticed")
    assert library.row("deep/b.jpg")["state"] == "waiting"


def test_a_copy_whose_place_is_taken_for_good_is_made_once_and_told(library: Library, begin: Begin) -> None:
    (library.outbox / "inbox").mkdir()
    (library.outbox / "inbox/album").write_text("notes")
    library.drop("album/a.jpg", b"fine")
    library.drop("b.jpg", b"fine")
    dispatcher = begin()
    await_that(counts(library, done=1, failed=1), "the other done, and this one given up")
    row = library.row("album/a.jpg")
    assert (row["stage"], "inbox/album" in row["reason"], "Rename what is in its way" in row["advice"]) == (
        "publish",
        True,
        True,
    )
    assert not dispatcher.stuck


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    """A GPU of 8,000 MB, of which the stand-in for NVML tells."""
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)
    return Cards(tmp_path / "cards.json", monkeypatch)


GAME = 1  # the number of a process that is not ours


def test_while_others_need_the_gpu_nothing_is_claimed_and_when_they_leave_work_goes_on(
    library: Library, begin: Begin, cards: Cards
) -> None:
    cards.hold(GAME, 7000.0)
    library.drop("a.jpg", b"portrait")
    dispatcher = begin(device="cuda:0", free_vram_mb=4000.0)
    await_that(lambda: dispatcher.stuck, "the other program noticed")
    await_that(lambda: dispatcher.hands.state.startswith("waiting: other programs leave 1,000 MB"), "that told")
    assert (library.row()["state"], library.row()["attempts"]) == ("ready", 0)
    assert dispatcher.hands.pid is None, "no worker is started for nothing"
    cards.leave(GAME)
    await_that(counts(library, done=1), "the photo done")
    assert not dispatcher.stuck


def test_a_worker_that_fills_the_gpu_itself_works_on_and_one_that_others_need_it_of_gives_it_back(
    library: Library, begin: Begin, cards: Cards
) -> None:
    library.drop("a.jpg", b"portrait")
    dispatcher = begin(device="cuda:0", free_vram_mb=4000.0, idle_s=600.0)
    await_that(counts(library, done=1), "the first photo done")
    cards.hold(worker := worker_of(dispatcher), 6000.0)
    library.drop("b.jpg", b"another")
    await_that(counts(library, done=2), "the second photo done")
    assert dispatcher.hands.pid == worker, "by the same worker"
    cards.hold(GAME, 4500.0)
    cards.hold(worker, 1000.0)
    library.drop("c.jpg", b"a third")
    await_that(lambda: "leave 3,500 MB" in dispatcher.hands.state, "the other program noticed")
    dispatcher._worker = config.Worker(idle_s=0.1)
    await_that(lambda: dispatcher.hands.pid is None, "the idle worker at its end")
    cards.leave(worker)
    assert library.row("c.jpg")["state"] == "ready"
    await_that(lambda: "leave 3,500 MB" in dispatcher.hands.state, "without it, that is told still")
    cards.leave(GAME)
    await_that(counts(library, done=3), "the third photo done")


def test_a_gpu_that_others_need_keeps_no_other_from_working(
    library: Library, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)
    Cards(tmp_path / "cards.json", monkeypatch, "GPU-0", "GPU-1").hold(GAME, 7000.0, number=0)
    library.drop("a.jpg", b"slow 1")
    library.drop("b.jpg", b"portrait")
    held = begin(device="cuda:0", free_vram_mb=4000.0, photos=1)
    await_that(lambda: held.stuck, "the other program noticed")
    free = begin(device="cuda:1", free_vram_mb=4000.0, photos=1)
    await_that(counts(library, done=2), "both photos done")
    assert (held.hands.start_s, free.hands.start_s is not None) == (None, True)


def test_where_the_gpu_cannot_be_asked_about_work_goes_on(library: Library, begin: Begin, cards: Cards) -> None:
    cards.fault("Driver Not Loaded")
    dispatcher = begin(device="cuda:0", free_vram_mb=4000.0)
    await_that(lambda: dispatcher.hands.fault is not None, "the fault told before there is a photo")
    library.drop("a.jpg", b"portrait")
    await_that(counts(library, done=1), "the photo done")
    assert "Driver Not Loaded" in (dispatcher.hands.fault or "")


def test_what_others_do_to_a_gpu_is_nothing_to_a_worker_on_the_processor(
    library: Library, begin: Begin, cards: Cards
) -> None:
    cards.hold(GAME, 7000.0)
    library.drop("a.jpg", b"portrait")
    begin(device="cpu", free_vram_mb=4000.0)
    await_that(counts(library, done=1), "the photo done")


def test_photos_of_an_offline_root_are_not_claimed(library: Library, begin: Begin) -> None:
    library.drop("a.jpg", b"portrait")
    library.roots.walked("inbox", filled=True)
    away = library.root.with_name("away")
    library.root.rename(away)
    library.root.mkdir()
    dispatcher = begin()
    time.sleep(0.3)  # long enough for several turns; a claim would be seen in the row
    assert library.row()["state"] == "ready"
    assert dispatcher.hands.pid is None, "no worker is started for nothing"
    library.root.rmdir()
    away.rename(library.root)
    dispatcher._wake.set()
    await_that(counts(library, done=1), "the photo done")


@pytest.mark.parametrize("newest_first", [True, False])
def test_photos_of_folders_that_are_there_are_claimed_in_the_wished_order(
    library: Library, tmp_path: Path, newest_first: bool
) -> None:
    found = [Photo("inbox", b"%d.jpg" % number, Signature(1, 1), number) for number in range(2)]
    library.photos.offer([*found, Photo("phone", b"a.jpg", Signature(1, 1))], time.time())
    roots = Roots({"inbox": library.tree, "phone": Tree(tmp_path / "away")}, Notes(library.photos))
    turn = Turn(library.photos, library.gate, roots, newest_first, Sharing(0.0), lambda: False)
    assert turn.is_anybodys()
    assert not replace(turn, unsettled=lambda: True).is_anybodys()
    claimed = [job.photo.path for job in turn.claim(8)]
    assert claimed == ([b"1.jpg", b"0.jpg"] if newest_first else [b"0.jpg", b"1.jpg"])


@pytest.mark.parametrize("left", [None, "cpu"])
def test_a_device_that_vanishes_is_waited_for_and_costs_no_photo_an_attempt(
    library: Library, begin: Begin, tmp_path: Path, left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its driver is updated; with `auto`, there is only the processor then."""
    monkeypatch.setattr(supervisor, "delay_s", lambda failures: 0.5 if failures else 0.0)  # to be seen
    device = tmp_path / "device"
    device.write_text("cuda:0")
    library.drop("a.jpg", b"portrait")
    dispatcher = begin(partial(stand_in.serve_on, device), recycle=1)
    await_that(counts(library, done=1), "the first photo done")
    await_that(lambda: dispatcher.hands.pid is None, "the worker at its end")
    device.unlink() if left is None else device.write_text(left)
    library.drop("b.jpg", b"another")
    dispatcher._wake.set()
    await_that(lambda: "gone" in dispatcher.hands.state, "the device missed")
    row = library.row("b.jpg")
    assert (row["state"], row["attempts"]) == ("ready", 0)
    assert dispatcher.is_alive()
    device.write_text("cuda:0")
    await_that(counts(library, done=2), "the second photo done")
