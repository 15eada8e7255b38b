"""Pure: moments in, a pace and its band out."""

import random

import pytest

from lowkeyd.monitor import pace

NOW = 1_000_000.0


def run(count: int, every_s: float, batch: int = 1, since_s: float = 0.0) -> list[float]:
    """Moments at which photos ended, the newest first, the last batch `since_s` ago."""
    return [NOW - since_s - (number // batch) * every_s - 0.1 * (number % batch) for number in range(count)]


def test_a_steady_pace_is_found() -> None:
    found = pace.of(run(101, 6.0), NOW)
    assert found is not None
    assert found.per_s == pytest.approx(1 / 6, rel=0.02)
    low, high = found.left_s(1000)
    assert low < 6000 < high


def test_batches_count_as_one_observation_each_but_all_their_photos_count() -> None:
    single, batched = pace.of(run(40, 60.0), NOW), pace.of(run(40, 480.0, batch=8), NOW)
    assert single is not None
    assert batched is not None
    assert batched.per_s == pytest.approx(single.per_s, rel=0.05)
    assert batched.left_s(400)[1] > single.left_s(400)[1]
    assert batched.left_s(400)[0] < single.left_s(400)[0]


@pytest.mark.parametrize("moments", [[], [NOW], run(3, 60.0), run(8, 60.0, batch=8), run(50, 1000.0)])
def test_too_little_to_go_by_gives_no_figure(moments: list[float]) -> None:
    assert pace.of(moments, NOW) is None


def test_work_before_a_long_pause_does_not_count() -> None:
    lately, long_ago = run(50, 2.0), [moment - 7200 for moment in run(100, 600.0)]
    found = pace.of([*lately, *long_ago], NOW)
    assert found is not None
    assert found.per_s == pytest.approx(0.5, rel=0.05)


def test_a_silence_makes_it_slower() -> None:
    fast, stalled = pace.of(run(50, 6.0), NOW), pace.of(run(50, 6.0, since_s=600.0), NOW)
    assert fast is not None
    assert stalled is not None
    assert stalled.per_s < fast.per_s / 2


def test_the_band_holds_the_truth_nearly_always() -> None:
    """Batches of random length, as photos have random numbers of faces."""
    chance = random.Random(3)
    held = 0
    for _ in range(300):
        gaps = [chance.expovariate(1 / 20.0) + 2.0 for _ in range(30)]
        moments = [NOW - sum(gaps[:number]) for number in range(16)]
        found = pace.of(moments, NOW)
        assert found is not None
        low, high = found.left_s(15)
        held += low <= sum(gaps[15:]) <= high
    assert held >= 285
