"""With a stand-in for CUDA's own figures: no test needs a GPU."""

from dataclasses import dataclass

import pytest
import torch

from lowkeyd.attack.batch import BatchSize
from lowkeyd.machine import memory

GB = 1 << 30


@dataclass
class Card:
    """What torch would say of a GPU: bytes that are free, kept by torch, held by tensors, and held at most."""

    free: int
    kept: int = 0
    held: int = 0
    peak: int = 0


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    card = Card(free=10 * GB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (card.free, 80 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: card.kept + card.held)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: card.held)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: card.peak)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    return card


@pytest.mark.parametrize(
    ("free", "kept", "faces"),
    [
        (4 * GB, 1 * GB, 40),  # four fifths of 5 GB, at 0.1 GB for each
        (1 * GB, 0, 8),
        (79 * GB, 0, 64),  # more than pays
        (0, 0, 1),
    ],
)
def test_a_batch_teaches_how_many_faces_fit_into_what_is_free(card: Card, free: int, kept: int, faces: int) -> None:
    size = BatchSize("cuda:0", 22_000_000)
    assert size.faces == 16
    card.held = 2 * GB  # the networks
    size.begin()
    card.peak = int(3.6 * GB)
    card.free, card.kept = free, kept
    size.learn(16)
    assert size.faces == faces


def test_where_memory_ran_out_half_as_many_are_tried_down_to_one() -> None:
    size = BatchSize("cpu", 22_000_000)
    assert [size.halve(faces) for faces in (16, 5)] == [True, True]
    assert size.faces == 2
    assert not size.halve(1)
    assert size.faces == 1


def test_on_a_cpu_more_gain_nothing() -> None:
    size = BatchSize("cpu", 22_000_000)
    size.begin()
    size.learn(16)
    assert size.faces == 16


@pytest.mark.parametrize(
    ("available", "weights", "faces"),
    [(8 * GB, 22_000_000, 16), (8 * GB, 1_000_000_000, 16), (2 * GB, 1_000_000_000, 4)],
)
def test_large_ensembles_begin_with_as_many_faces_as_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch, available: int, weights: int, faces: int
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: available)
    assert BatchSize("cpu", weights).faces == faces


def test_on_a_gpu_what_was_too_many_is_not_tried_again_for_a_while(card: Card) -> None:
    size = BatchSize("cuda:0", 22_000_000)
    assert size.halve(16)
    assert size.halve(8)
    tried = []
    for _ in range(120):
        size.begin()
        card.peak = GB // 10
        size.learn(size.faces)
        tried.append(size.faces)
    assert tried[:49] == [4] * 49
    assert tried[60] == 8
    assert tried[-1] == 16


def test_what_a_bad_moment_allowed_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 150_000_000)
    size = BatchSize("cpu", 22_000_000)
    assert size.faces == 1
    monkeypatch.setattr(memory, "available_bytes", lambda: 64 * GB)
    for _ in range(50):
        size.learn(1)
    assert size.faces == 16
