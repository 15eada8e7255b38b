import threading

import pytest

from lowkeyd.work.ahead import one_ahead

PATIENCE_S = 60


def test_the_next_item_is_worked_on_while_the_one_before_is_in_hand() -> None:
    begun = {number: threading.Event() for number in range(3)}

    def square(number: int) -> int:
        begun[number].set()
        return number * number

    squares = []
    for number, squared in one_ahead(square, range(3)):
        squares.append(squared.result())
        assert number == 2 or begun[number + 1].wait(PATIENCE_S)
    assert squares == [0, 1, 4]


def test_no_more_than_one_item_is_taken_ahead() -> None:
    taken: list[int] = []
    coming = one_ahead(lambda number: number, (taken.append(number) or number for number in range(9)))
    next(coming)
    assert taken == [0, 1]
    next(coming)
    assert taken == [0, 1, 2]
    coming.close()


def test_what_goes_wrong_with_one_item_concerns_no_other() -> None:
    halves = list(one_ahead(lambda number: 1 / number, [2, 0, 4]))
    assert [item for item, _ in halves] == [2, 0, 4]
    assert halves[0][1].result() == 0.5
    with pytest.raises(ZeroDivisionError):
        halves[1][1].result()
    assert halves[2][1].result() == 0.25


def test_nothing_comes_of_nothing() -> None:
    assert list(one_ahead(str, [])) == []
