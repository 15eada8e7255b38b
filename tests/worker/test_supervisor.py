"""How soon a worker that dies is started anew; the rest is seen in tests/work/test_dispatch.py, with real processes."""

from lowkeyd.worker.supervisor import delay_s


def test_a_worker_that_keeps_dying_is_started_ever_more_seldom_but_within_a_minute() -> None:
    delays = [delay_s(failures) for failures in range(12)]
    assert delays[:4] == [0, 1, 2, 4]
    assert delays == sorted(delays)
    assert delays[-1] == delay_s(100_000) == 60
