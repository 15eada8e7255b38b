"""A GPU that others need, as a person sees it: the real daemon, told by the stand-in for NVML."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Lowkeyd
from tests.helpers import stand_in_nvml
from tests.helpers.home import Home, await_that
from tests.helpers.stand_in_nvml import Cards

PROGRAM = "tests.helpers.shared_gpu_daemon"
GAME = 1
WHY = "other programs leave 1,000 MB of the GPU's memory, and 4,000 MB are wanted"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home", PROGRAM)
    home.configure(attack={"device": "cuda:0"}, worker={"idle_s": 600.0, "free_vram_mb": 4000.0})
    return home


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)  # for the verbs in this process
    return Cards(tmp_path / "cards.json", monkeypatch)


def words(text: str) -> str:
    return " ".join(text.split())


def test_status_and_explain_say_why_photos_wait_and_how_much_is_free(
    lowkeyd: Lowkeyd, home: Home, cards: Cards
) -> None:
    cards.hold(GAME, 7000.0)
    photo = home.drop("a.jpg", b"portrait")
    with home.daemon():
        home.await_counts(ready=1)
        await_that(lambda: f"Waiting: {WHY}." in words(lowkeyd("status", "--config", home.config).out), "told")
        assert WHY in words(lowkeyd("explain", photo, "--config", home.config).out)
        assert lowkeyd("health", "--config", home.config).code == 0, "that is as the user wants it"
        assert home.photo("a.jpg")["attempts"] == 0
        cards.leave(GAME)
        home.await_counts(done=1)
        assert "Waiting" not in lowkeyd("status", "--config", home.config).out


def test_once_leaves_for_later_what_others_stand_in_the_way_of(home: Home, cards: Cards) -> None:
    cards.hold(GAME, 7000.0)
    home.drop("a.jpg", b"portrait")
    assert home.call("run", "--once").returncode == 75
    assert home.counts() == {"ready": 1}


def test_a_driver_that_is_missing_is_told_by_log_status_and_doctor_and_work_goes_on(
    lowkeyd: Lowkeyd, home: Home, cards: Cards
) -> None:
    cards.fault("Driver Not Loaded")
    home.drop("a.jpg", b"portrait")
    with home.daemon() as daemon:
        home.await_counts(done=1)
        why = "[worker] free_vram_mb is not heeded: no NVIDIA driver answers: Driver Not Loaded"
        assert f"{why}." in words(lowkeyd("status", "--config", home.config).out)
        assert daemon.log().count("gpu not shared") == 1
    result = lowkeyd("doctor", "--quick", "--config", home.config)
    assert "sharing of cuda:0: cannot be looked at: no NVIDIA driver answers: Driver Not Loaded" in words(result.out)
    assert result.code >= 1


def test_doctor_says_what_is_free(lowkeyd: Lowkeyd, home: Home, cards: Cards) -> None:
    cards.hold(GAME, 7000.0)
    text = words(lowkeyd("doctor", "--quick", "--config", home.config).out)
    assert "sharing of cuda:0: 1,000 MB free, 4,000 MB are wanted from other programs" in text
