import threading

import pytest

from lowkeyd.worker.pairs import two_at_once

PATIENCE_S = 60


def test_two_items_are_worked_on_at_once() -> None:
    both = threading.Barrier(2)

    def square(number: int) -> int:
        both.wait(PATIENCE_S)
        return number * number

    assert [squared.result() for _, squared in two_at_once(square, range(4))] == [0, 1, 4, 9]


def test_each_thread_is_made_ready_first() -> None:
    local, both = threading.local(), threading.Barrier(2)

    def ready(_: int) -> bool:
        both.wait(PATIENCE_S)
        is_ready: bool = local.ready
        return is_ready

    found = two_at_once(ready, range(2), lambda: setattr(local, "ready", True))
    assert all(future.result() for _, future in found)


def test_no_more_than_two_items_are_begun_and_not_handed_out() -> None:
    taken: list[int] = []
    coming = two_at_once(lambda number: number, (taken.append(number) or number for number in range(9)))
    next(coming)
    assert taken == [0, 1]
    next(coming)
    assert taken == [0, 1, 2]
    coming.close()


def test_what_goes_wrong_with_one_item_concerns_no_other() -> None:
    halves = list(two_at_once(lambda number: 1 / number, [2, 0, 4]))
    assert [item for item, _ in halves] == [2, 0, 4]
    assert halves[0][1].result() == 0.5
    with pytest.raises(ZeroDivisionError):
        halves[1][1].result()
    assert halves[2][1].result() == 0.25


def test_nothing_comes_of_nothing() -> None:
    assert list(two_at_once(str, [])) == []
