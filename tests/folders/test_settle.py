import pytest

from lowkeyd.folders.settle import Settling
from lowkeyd.model import Signature

SMALL, GROWN = Signature(10, 1), Signature(20, 2)


@pytest.fixture
def settling() -> Settling[str]:
    return Settling(quiet_s=5.0)


def test_a_file_that_has_rested_long_enough_is_ready_at_once(settling: Settling[str]) -> None:
    assert settling.notice("a", SMALL, age_s=5.0, now=0, event=True)
    assert len(settling) == 0


def test_a_fresh_file_is_ready_after_it_stood_still(settling: Settling[str]) -> None:
    assert not settling.notice("a", SMALL, age_s=1.0, now=100, event=True)
    assert settling.due(104.9) == []
    assert settling.due(105) == ["a"]
    assert settling.look_again("a", SMALL, now=105)
    assert len(settling) == 0


def test_a_growing_file_waits_again(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=0, now=0, event=True)
    assert not settling.look_again("a", GROWN, now=5)
    assert settling.due(9.9) == []
    assert settling.look_again("a", GROWN, now=10)


def test_every_event_starts_the_wait_again(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=0, now=0, event=True)
    settling.notice("a", SMALL, age_s=0, now=4, event=True)
    assert settling.due(5) == []
    assert settling.due(9) == ["a"]


def test_a_clock_that_is_ahead_cannot_hold_a_file_back_for_ever(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=-3600, now=0, event=True)
    assert settling.look_again("a", SMALL, now=5)


def test_a_file_that_vanished_is_forgotten(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=0, now=0, event=True)
    settling.forget("a")
    assert settling.due(100) == []


def test_a_scan_that_comes_by_does_not_start_the_wait_again(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=-3600, now=0, event=True)
    settling.notice("a", SMALL, age_s=-3600, now=4, event=False)
    assert settling.due(5) == ["a"]


def test_a_scan_that_finds_the_file_changed_does(settling: Settling[str]) -> None:
    settling.notice("a", SMALL, age_s=0, now=0, event=True)
    settling.notice("a", GROWN, age_s=0, now=4, event=False)
    assert settling.due(5) == []
    assert settling.due(9) == ["a"]


def test_nobody_waits_for_a_file_that_never_rests(settling: Settling[str]) -> None:
    for now in range(200):
        settling.notice("camera", Signature(now, now), age_s=0, now=now, event=True)
        assert settling.is_waited_for(now) is (now < 60)
    settling.notice("a", SMALL, age_s=0, now=200, event=True)
    assert settling.is_waited_for(201), "another is new"
    assert settling.look_again("a", SMALL, now=205)
    assert not settling.is_waited_for(205)
    assert settling.look_again("camera", Signature(199, 199), now=205), "it is watched all the same"


def test_nor_for_one_that_changes_without_a_word(settling: Settling[str]) -> None:
    settling.notice("camera", Signature(0, 0), age_s=0, now=0, event=True)
    for now in range(5, 100, 5):
        assert not settling.look_again("camera", Signature(now, now), now)
        assert settling.is_waited_for(now) is (now < 60)
