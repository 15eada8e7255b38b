"""What is asked of NVML, in whose place the stand-in is but in one test."""

import os
import sys
from pathlib import Path

import pytest

from lowkeyd.machine import gpu
from lowkeyd.machine.gpu import Memory
from tests.helpers import stand_in_nvml
from tests.helpers.stand_in_nvml import Cards

GAME, WORKER = 100, 200


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    monkeypatch.setitem(sys.modules, "pynvml", stand_in_nvml)
    return Cards(tmp_path / "cards.json", monkeypatch, "GPU-first", "GPU-second")


def test_what_is_free_and_what_is_our_own_are_told_apart(cards: Cards) -> None:
    assert gpu.memory("cuda:0", None) == Memory(8000.0, 0.0)
    cards.hold(GAME, 5000.0)
    cards.hold(WORKER, 1500.0)
    assert gpu.memory("cuda:0", None) == Memory(1500.0, 0.0)
    assert gpu.memory("cuda:0", WORKER) == Memory(1500.0, 1500.0)


def test_that_our_own_share_is_unknown_is_not_taken_for_nothing(cards: Cards) -> None:
    """In a container NVML knows the worker by another number, or does not tell what a process holds."""
    cards.hold(GAME, 5000.0)
    assert gpu.memory("cuda:0", WORKER) == Memory(3000.0, None)
    cards.hold(WORKER, None)
    assert gpu.memory("cuda:0", WORKER) == Memory(2000.0, None)


@pytest.mark.parametrize(
    ("visible", "device", "free_mb"),
    [
        *((None, "auto", 3000.0), (None, "cuda", 3000.0), (None, "cuda:0", 3000.0), (None, "cuda:1", 8000.0)),
        *(("1", "cuda:0", 8000.0), ("1,0", "cuda:1", 3000.0), ("GPU-second", "auto", 8000.0)),
    ],
)
def test_the_gpu_is_the_one_that_cuda_means(
    cards: Cards, monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, free_mb: float
) -> None:
    cards.hold(GAME, 5000.0)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu.memory(device, None) == Memory(free_mb, 0.0)


@pytest.mark.parametrize(("visible", "device"), [("", "auto"), ("-1", "auto"), ("0", "cuda:1"), (None, "cuda:7")])
def test_a_gpu_that_is_not_there_is_said_to_be_unknown(
    cards: Cards, monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    told = gpu.memory(device, None)
    assert isinstance(told, str)
    assert told.startswith(f"NVIDIA's driver does not tell of {device}: ")


def test_without_a_driver_or_the_package_that_is_what_is_told(cards: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    cards.fault("Driver Not Loaded")
    assert gpu.memory("cuda:0", None) == "no NVIDIA driver answers: Driver Not Loaded"
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert (
        gpu.memory("cuda:0", None)
        == "the package nvidia-ml-py is missing: `uv sync --extra gpu`, or pip install nvidia-ml-py"
    )


def test_the_library_is_closed_after_each_question(cards: Cards) -> None:
    """While it is open, no driver can be replaced."""
    for device in ("cuda:0", "cuda:7"):
        gpu.memory(device, None)
        assert stand_in_nvml.opened == 0


def test_the_real_package_answers_or_says_why_not() -> None:
    """On the machine of these tests, whether it has a GPU or not."""
    pytest.importorskip("pynvml", reason="the extra lowkeyd[gpu] is not installed")
    told = gpu.memory("auto", os.getpid())
    assert isinstance(told, Memory) or told.startswith(("no NVIDIA driver answers: ", "NVIDIA's driver does not tell "))
