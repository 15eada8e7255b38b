import pytest

from lowkeyd.errors import OutboxUnavailable, OutOfMemory, PhotoChanged, PhotoIncomplete, PhotoUnreachable, TryLater
from lowkeyd.model import Job, Photo, Signature, Stage
from lowkeyd.work.retry import (
    MAX_ATTEMPTS,
    MAX_INTERRUPTIONS,
    Again,
    GiveUp,
    Wait,
    after,
    after_crash,
    after_interruption,
)

NOW = 1_000.0


def job(attempts: int = 1, interruptions: int = 0) -> Job:
    return Job(1, Photo("inbox", b"a.jpg", Signature(1, 1)), attempts, suspect=False, interruptions=interruptions)


@pytest.mark.parametrize("error", [OutboxUnavailable("full"), PhotoUnreachable("denied"), PhotoChanged("written to")])
@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS, 100])
def test_what_comes_from_outside_is_waited_for_as_long_as_it_takes(error: TryLater, attempts: int) -> None:
    match after(error, job(attempts), NOW):
        case Wait(until, counted):
            assert (until > NOW, counted) == (True, False)
        case given_up:
            pytest.fail(f"{given_up}")


def test_a_half_copied_photo_is_waited_for_ever_longer_and_then_given_up() -> None:
    error = PhotoIncomplete("its end is missing")
    waits = [after(error, job(attempts), NOW) for attempts in range(1, MAX_ATTEMPTS)]
    assert all(isinstance(wait, Wait) and wait.counted for wait in waits)
    untils = [wait.until for wait in waits if isinstance(wait, Wait)]
    assert untils == sorted(set(untils))
    assert after(error, job(MAX_ATTEMPTS), NOW) == GiveUp(Stage.DECODE, "its end is missing", error.advice)


def test_want_of_memory_is_waited_out_for_hours_since_others_may_hold_it() -> None:
    error = OutOfMemory("memory ran out")
    assert after(error, job(1), NOW) == Again()
    answers = [after(error, job(attempts), NOW) for attempts in range(2, 6)]
    waits = [wait.until - NOW for wait in answers if isinstance(wait, Wait) and wait.counted]
    assert (waits, waits[0] >= 60, waits[-1] >= 4 * 3600) == (sorted(waits), True, True)
    assert answers[-1] == GiveUp(Stage.OPTIMISE, "memory ran out, alone and in a fresh worker too", error.advice)


def test_every_kind_of_later_has_an_answer() -> None:
    for kind in TryLater.__subclasses__():
        assert after(kind("reason"), job(), NOW)


def test_a_worker_may_die_of_a_photo_twice_but_not_three_times() -> None:
    verdicts = [after_crash(job(attempts), Stage.OPTIMISE, "crashed") for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert verdicts[:-1] == [None, None]
    assert verdicts[-1] is not None
    assert verdicts[-1].stage is Stage.OPTIMISE


def test_ends_of_the_daemon_by_chance_do_not_count_against_a_photo() -> None:
    for interruptions in range(40):
        assert after_interruption(job(MAX_ATTEMPTS, interruptions), Stage.OPTIMISE, out_of_memory=False) is None


def test_but_not_for_ever() -> None:
    given_up = after_interruption(job(1, MAX_INTERRUPTIONS - 1), Stage.OPTIMISE, out_of_memory=False)
    assert given_up is not None
    assert f"{MAX_INTERRUPTIONS} times" in given_up.reason


def test_ends_for_want_of_memory_do_count() -> None:
    assert after_interruption(job(MAX_ATTEMPTS - 1), Stage.OPTIMISE, out_of_memory=True) is None
    given_up = after_interruption(job(MAX_ATTEMPTS, 2), Stage.OPTIMISE, out_of_memory=True)
    assert given_up is not None
    assert "memory" in given_up.reason
