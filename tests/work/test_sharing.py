"""When other programs need the GPU; the stand-in takes NVML's place."""

import sys
from pathlib import Path

import pytest

from lowkeyd.work.sharing import Sharing
from tests.helpers import stand_in_nvml
from tests.helpers.stand_in_nvml import Cards

GAME, WORKER = 100, 200


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)
    return Cards(tmp_path / "cards.json", monkeypatch)


def test_work_waits_while_others_leave_too_little_and_goes_on_when_they_are_gone(cards: Cards) -> None:
    sharing = Sharing(4000.0)
    assert sharing.hold("cuda:0", None) is None
    cards.hold(GAME, 4100.0)
    hold = sharing.hold("cuda:0", None)
    assert hold is not None
    assert (hold.kind, hold.until) == ("gpu", None)
    assert hold.reason == "other programs leave 3,900 MB of the GPU's memory, and 4,000 MB are wanted"
    cards.leave(GAME)
    assert sharing.hold("cuda:0", None) is None


def test_what_our_own_worker_holds_is_not_held_against_it(cards: Cards) -> None:
    cards.hold(WORKER, 6000.0)
    assert Sharing(4000.0).hold("cuda:0", WORKER) is None
    cards.hold(GAME, 1900.0)
    assert Sharing(6000.0).hold("cuda:0", WORKER) is None, "8,000 without the game's 1,900 are enough"
    assert Sharing(6200.0).hold("cuda:0", WORKER) is not None
    assert Sharing(6000.0).hold("cuda:0", None) is not None, "a worker that is no more holds nothing"


def test_a_worker_whose_share_nobody_tells_is_not_stopped_by_itself_and_that_is_said(cards: Cards) -> None:
    sharing = Sharing(7500.0)
    cards.hold(WORKER, None)
    assert sharing.hold("cuda:0", WORKER) is None
    assert sharing.fault is not None
    assert "only while no worker runs" in sharing.fault
    assert sharing.hold("cuda:0", None) is not None


@pytest.mark.parametrize("package", [True, False])
def test_where_nobody_can_tell_work_goes_on_and_the_reason_is_said_until_it_is_mended(
    cards: Cards, monkeypatch: pytest.MonkeyPatch, package: bool
) -> None:
    sharing = Sharing(4000.0)
    cards.hold(GAME, 7000.0)
    cards.fault("Driver Not Loaded")
    if not package:
        monkeypatch.setitem(sys.modules, "pynvml", None)
    assert sharing.hold("cuda:0", None) is None
    why = "no NVIDIA driver answers: Driver Not Loaded" if package else "the package nvidia-ml-py is missing: "
    assert sharing.fault is not None
    assert sharing.fault.startswith(f"[worker] free_vram_mb is not heeded: {why}")
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)
    cards.fault("")
    assert sharing.hold("cuda:0", None) is not None
    assert sharing.fault is None


def test_who_wants_nothing_free_asks_nobody(cards: Cards) -> None:
    cards.fault("must not be asked")
    sharing = Sharing(0.0)
    assert sharing.hold("cuda:0", None) is None
    assert sharing.fault is None
