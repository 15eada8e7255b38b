import pytest
import structlog

from lowkeyd.cli.logs import Throttle, legible


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def passed(throttle: Throttle, event: str, count: int) -> list[dict[str, object]]:
    lines = []
    for _ in range(count):
        try:
            lines.append(dict(throttle(None, "info", {"event": event})))
        except structlog.DropEvent:
            continue
    return lines


def test_a_hundred_thousand_lines_of_one_kind_are_a_hundred_a_minute_and_a_number() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert len(passed(throttle, "failed", 100_000)) == 100
    assert passed(throttle, "done", 1) == [{"event": "done"}], "other kinds go through"
    clock.now = 60.0
    assert passed(throttle, "failed", 1) == [{"event": "failed", "kept_back": 99_900}]
    assert passed(throttle, "failed", 1) == [{"event": "failed"}]


@pytest.mark.parametrize("kinds", [1, 5])
def test_an_ordinary_log_is_passed_on_whole(kinds: int) -> None:
    throttle = Throttle(Clock())
    assert sum(len(passed(throttle, f"kind {number}", 100)) for number in range(kinds)) == 100 * kinds


def test_no_text_of_a_stranger_moves_the_cursor_or_forges_a_line() -> None:
    line = legible(None, "info", {"event": "failed", "reason": "damaged: \x1b[31m\nlevel=info", "photos": 3})
    assert line == {"event": "failed", "reason": "damaged: \\x1b[31m\\nlevel=info", "photos": 3}
